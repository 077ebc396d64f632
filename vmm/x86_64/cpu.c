// SPDX-License-Identifier: Apache-2.0
/*
 * An x86-64 vcpu: CPUID before MSRs (some depend on it), then registers as the 64-bit Linux boot protocol wants them.
 * Processors beyond the first wait in KVM for their start by the guest.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "boot/x86_64/linux64.h"
#include "vmm/arch.h"
#include "vmm/vm.h"
#include "vmm/x86_64/cpuid.h"

enum { MSR_MISC_ENABLE = 0x1a0, MSR_MTRR_DEF_TYPE = 0x2ff, MSR_COUNT = 2 };
enum { CR0_PE = 1, CR0_ET = 0x10, CR4_PAE = 0x20, EFER_LME = 0x100, EFER_LMA = 0x400 };
enum { LAPIC_LVT0 = 0x350, LAPIC_LVT1 = 0x360, DELIVER_NMI = 4, DELIVER_EXTINT = 7 };
#define CR0_PG 0x80000000u

static int set_cpuid(struct vcpu *v, struct err *e)
{
	struct cpuid_table t;
	int r;

	memset(&t, 0, sizeof(t));
	t.nent = CPUID_ENTRIES_MAX;
	if (ioctl(v->vm->kvm.sys_fd, KVM_GET_SUPPORTED_CPUID, &t) < 0)
		return err_set(e, errno, "KVM_GET_SUPPORTED_CPUID");
	r = cpuid_normalise(&t, v->index, v->vm->cpus, v->vm->kvm.tsc_deadline);
	if (r < 0)
		return err_set(e, -r, "KVM_GET_SUPPORTED_CPUID gave too many entries");
	if (ioctl(v->fd, KVM_SET_CPUID2, &t) < 0)
		return err_set(e, errno, "KVM_SET_CPUID2");
	return 0;
}

/* Without MTRRs on and write-back the guest's memory would be uncached on some hosts. */
static int set_msrs(struct vcpu *v, struct err *e)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[MSR_COUNT];
	} m = {
		.head.nmsrs = MSR_COUNT,
		.entry = { { .index = MSR_MISC_ENABLE, .data = 1 }, /* fast strings */
			   { .index = MSR_MTRR_DEF_TYPE, .data = 0x806 } },
	};
	int n = ioctl(v->fd, KVM_SET_MSRS, &m);

	if (n < 0)
		return err_set(e, errno, "KVM_SET_MSRS");
	if (n != MSR_COUNT)
		return err_say(e, EIO, "KVM_SET_MSRS refused MSR 0x%x", m.entry[n].index);
	return 0;
}

static int set_fpu(struct vcpu *v, struct err *e)
{
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };

	if (ioctl(v->fd, KVM_SET_FPU, &fpu) < 0)
		return err_set(e, errno, "KVM_SET_FPU");
	return 0;
}

static void set_lvt(struct kvm_lapic_state *l, size_t reg, uint32_t mode)
{
	uint32_t lvt;

	memcpy(&lvt, l->regs + reg, sizeof(lvt));
	lvt = (lvt & ~0x700u) | mode << 8;
	memcpy(l->regs + reg, &lvt, sizeof(lvt));
}

/* Virtual wire mode, as the MP table says */
static int set_lapic(struct vcpu *v, struct err *e)
{
	struct kvm_lapic_state l;

	if (ioctl(v->fd, KVM_GET_LAPIC, &l) < 0)
		return err_set(e, errno, "KVM_GET_LAPIC");
	set_lvt(&l, LAPIC_LVT0, DELIVER_EXTINT);
	set_lvt(&l, LAPIC_LVT1, DELIVER_NMI);
	if (ioctl(v->fd, KVM_SET_LAPIC, &l) < 0)
		return err_set(e, errno, "KVM_SET_LAPIC");
	return 0;
}

static int set_sregs(struct vcpu *v, struct err *e)
{
	const struct kvm_segment code = {
		.limit = 0xffffffff, .selector = LINUX64_CS, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	const struct kvm_segment data = {
		.limit = 0xffffffff, .selector = LINUX64_DS, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	struct kvm_sregs s;

	if (ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
		return err_set(e, errno, "KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt = (struct kvm_dtable){ .base = LINUX64_GDT, .limit = LINUX64_GDT_ENTRIES * 8 - 1 };
	s.idt = (struct kvm_dtable){ .base = 0, .limit = 0 };
	s.cr0 = CR0_PE | CR0_ET | CR0_PG;
	s.cr3 = LINUX64_PML4;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0)
		return err_set(e, errno, "KVM_SET_SREGS");
	return 0;
}

static int set_regs(struct vcpu *v, struct err *e)
{
	const struct boot_entry *entry = &v->vm->entry;
	struct kvm_regs r = {
		.rip = entry->pc, .rsi = entry->arg, .rsp = entry->stack, .rbp = entry->stack, .rflags = 2
	};

	if (ioctl(v->fd, KVM_SET_REGS, &r) < 0)
		return err_set(e, errno, "KVM_SET_REGS");
	return 0;
}

int arch_vcpu_init(struct vcpu *v, struct err *e)
{
	int r = set_cpuid(v, e);

	if (r == 0)
		r = set_msrs(v, e);
	if (r == 0)
		r = set_fpu(v, e);
	if (r == 0)
		r = set_lapic(v, e);
	if (r < 0 || v->index != 0)
		return r;
	r = set_sregs(v, e);
	return r < 0 ? r : set_regs(v, e);
}

/* A port access, perhaps of a string instruction: count accesses of one size to one port */
static void exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	const unsigned int size = run->io.size;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	loop_lock(v->vm->loop);
	for (i = 0; i < run->io.count; i++, data += size) {
		uint64_t val = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&val, data, size);
			bus_write(&v->vm->ports, run->io.port, size, val);
		} else {
			val = bus_read(&v->vm->ports, run->io.port, size);
			memcpy(data, &val, size);
		}
	}
	loop_unlock(v->vm->loop);
}

bool arch_vcpu_exit(struct vcpu *v)
{
	if (v->run->exit_reason != KVM_EXIT_IO)
		return false;
	exit_io(v);
	return true;
}

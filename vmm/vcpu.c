// SPDX-License-Identifier: Apache-2.0
#include "vmm/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/arch.h"
#include "vmm/vm.h"

/* Device code runs on this stack, with buffers of a few pages; the default of 8 MiB could be given a huge page. */
#define STACK_LEN ((size_t)256 << 10)

int vcpu_create(struct vcpu *v, struct vm *vm, unsigned int index, struct err *e)
{
	void *run;

	*v = (struct vcpu){ .vm = vm, .index = index };
	v->fd = ioctl(vm->kvm.vm_fd, KVM_CREATE_VCPU, index);
	if (v->fd < 0)
		return err_set(e, errno, "KVM_CREATE_VCPU (processor %u)", index);
	run = mmap(NULL, vm->kvm.run_len, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		return err_set(e, errno, "mmap of processor %u", index);
	v->run = run;
	return 0;
}

static uint64_t load(const uint8_t *p, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static void exit_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	unsigned int size = run->mmio.len;
	uint64_t val;

	if (size == 0 || size > sizeof(run->mmio.data))
		return;
	loop_lock(v->vm->loop);
	if (run->mmio.is_write) {
		bus_write(&v->vm->mmio, run->mmio.phys_addr, size, load(run->mmio.data, size));
	} else {
		val = bus_read(&v->vm->mmio, run->mmio.phys_addr, size);
		memcpy(run->mmio.data, &val, size);
	}
	loop_unlock(v->vm->loop);
}

/* An exit that is the end of the guest, or unknown */
static void exit_fatal(struct vcpu *v)
{
	const struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN: vm_end(v->vm, END_TRIPLE_FAULT, "processor %u", v->index); return;
	case KVM_EXIT_HLT:
		vm_end(v->vm, END_INTERNAL, "processor %u halted outside KVM's interrupt chip", v->index);
		return;
	case KVM_EXIT_FAIL_ENTRY:
		vm_end(v->vm, END_INTERNAL, "processor %u cannot enter the guest (reason 0x%llx)", v->index,
		       run->fail_entry.hardware_entry_failure_reason);
		return;
	case KVM_EXIT_INTERNAL_ERROR:
		vm_end(v->vm, END_INTERNAL, "KVM gave up on processor %u (suberror %u%s)", v->index,
		       run->internal.suberror,
		       run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ? ": instruction it cannot emulate" : "");
		return;
	default:
		vm_end(v->vm, END_INTERNAL, "processor %u: unknown exit %u of KVM", v->index, run->exit_reason);
		return;
	}
}

static void exit_system(struct vcpu *v)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN: vm_end(v->vm, END_POWER_OFF, "%s", ""); return;
	case KVM_SYSTEM_EVENT_RESET: vm_end(v->vm, END_RESET, "%s", ""); return;
	case KVM_SYSTEM_EVENT_CRASH: vm_end(v->vm, END_PANIC, "%s", ""); return;
	default: vm_end(v->vm, END_INTERNAL, "unknown system event %u of KVM", v->run->system_event.type); return;
	}
}

void vcpu_handle_exit(struct vcpu *v)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_MMIO: exit_mmio(v); return;
	case KVM_EXIT_SYSTEM_EVENT: exit_system(v); return;
	case KVM_EXIT_INTR: return;
	default:
		if (!arch_vcpu_exit(v))
			exit_fatal(v);
	}
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	while (!vm_ended(v->vm)) {
		if (ioctl(v->fd, KVM_RUN, 0) == 0)
			vcpu_handle_exit(v);
		else if (errno != EINTR && errno != EAGAIN) /* EAGAIN: a processor that waits to be started woke up */
			vm_end(v->vm, END_INTERNAL, "KVM_RUN of processor %u: %s", v->index, strerror(errno));
	}
	return NULL;
}

int vcpu_start(struct vcpu *v, struct err *e)
{
	pthread_attr_t attr;
	int r;

	r = pthread_attr_init(&attr);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, STACK_LEN);
	if (r == 0)
		r = pthread_create(&v->thread, &attr, vcpu_main, v);
	if (r != 0)
		return err_set(e, r, "thread of processor %u", v->index);
	return 0;
}

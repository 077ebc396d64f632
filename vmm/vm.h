// SPDX-License-Identifier: Apache-2.0
/*
 * One virtual machine: memory, KVM, devices, processors, and how it ends.
 *
 * vm_build() makes it in the order that is cheap for KVM; vm_run() starts the processors and is the event loop;
 * vm_finish() says how it ended. Nothing is torn down piece by piece: the process exits, and the kernel takes all of it
 * at once. After vm_build() nothing that the guest does allocates memory; requests of the launcher (control.h) may.
 */
#ifndef KVMBOX_VMM_VM_H
#define KVMBOX_VMM_VM_H

#include "boot/entry.h"
#include "boot/printk.h"
#include "devices/power.h"
#include "devices/serial.h"
#include "vmm/config.h"
#include "vmm/control.h"
#include "vmm/core/bus.h"
#include "vmm/core/gmem.h"
#include "vmm/core/loop.h"
#include "vmm/kvm.h"
#include "vmm/machine.h"
#include "vmm/vcpu.h"

enum end_kind {
	END_NONE,
	END_POWER_OFF,
	END_RESET,
	END_PANIC,
	END_TRIPLE_FAULT,
	END_KILLED, /* the launcher hung up, or a signal */
	END_INTERNAL,
	END_KIND_COUNT
};

/* Exit statuses of kvmbox-vmm (docs/kvmbox-vmm.1) */
enum {
	EXIT_OFF = 0,
	EXIT_SETUP = 1,
	EXIT_USAGE = 2,
	EXIT_GUEST_DIED = 3,
	EXIT_INTERNAL = 4,
	EXIT_RESET = 5,
	EXIT_KILLED = 6,
};

#define VM_END_TEXT_MAX 160

struct vm {
	const struct vm_config *cfg;
	struct kvm kvm;
	struct gmem mem;
	uint64_t low_ram, high_ram; /* bytes from 0, and from arch_layout.high_base */
	struct bus mmio, ports;
	struct loop *loop;
	struct power power;
	struct serial serial; /* with --console */
	struct machine machine;
	struct control control;
	int signal_fd;
	struct boot_file kernel;    /* stays open for its symbols */
	struct printk_where printk; /* prb 0: not looked up yet */
	struct boot_entry entry;
	unsigned int cpus;
	struct vcpu vcpu[CONFIG_CPUS_MAX];

	bool at_once;      /* a signal came or the launcher hung up: nothing is delivered any more */
	enum end_kind end; /* device lock; read by vcpu threads without it */
	bool legacy_reset; /* the reset came by the keyboard controller: a kernel without the power port may have
			      panicked */
	char end_text[VM_END_TEXT_MAX];
};

/* vm must be zeros and outlives the process' threads: static. */
int vm_build(struct vm *vm, const struct vm_config *cfg, struct err *e) MUST_CHECK;
/* Start the processors and run until the VM ends. An error means that it never ran. */
int vm_run(struct vm *vm, struct err *e) MUST_CHECK;
/* Deliver what the guest left behind, tell how it ended, and return the exit status. */
int vm_finish(struct vm *vm);

/* The VM is over; the first caller says how. Any thread, with or without the device lock. */
void vm_end(struct vm *vm, enum end_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
static inline bool vm_ended(const struct vm *vm)
{
	return __atomic_load_n(&vm->end, __ATOMIC_RELAXED) != END_NONE;
}

#endif

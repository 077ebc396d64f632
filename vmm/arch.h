// SPDX-License-Identifier: Apache-2.0
/*
 * What every architecture defines, in vmm/<arch>/; nothing else differs by architecture.
 */
#ifndef KVMBOX_VMM_ARCH_H
#define KVMBOX_VMM_ARCH_H

#include "boot/cmdline.h"
#include "boot/image.h"
#include "boot/initrd.h"
#include "vmm/config.h"
#include "vmm/vcpu.h"

struct vm;

struct arch_layout {
	uint64_t low_max;   /* memory from address 0, at most */
	uint64_t high_base; /* where the rest begins */
	uint64_t slot_base; /* virtio-mmio slots, 4 KiB each */
	uint32_t slot_gsi;  /* interrupt line of slot 0; the others follow */
};
extern const struct arch_layout arch_layout;

/* After the memory slots, before the vcpus: the interrupt chip and what it wants. */
int arch_vm_init(struct vm *vm, struct err *e) MUST_CHECK;
/* The devices at fixed addresses: power and, where asked for, the serial port. */
int arch_platform_init(struct vm *vm, struct err *e) MUST_CHECK;
/* Words for the kernel about this machine, the slots aside */
void arch_cmdline(const struct vm_config *cfg, struct cmdline *c);
/* Tables in guest memory for the boot protocol, and vm->entry */
int arch_boot(struct vm *vm, const struct boot_kernel *kernel, const struct boot_initrd *initrd, const char *cmdline,
	      struct err *e) MUST_CHECK;
/* Identity and registers of one vcpu; vcpu 0 gets vm->entry. */
int arch_vcpu_init(struct vcpu *v, struct err *e) MUST_CHECK;
/* An exit that only this architecture has; false: not one of its own. vcpu thread. */
bool arch_vcpu_exit(struct vcpu *v) MUST_CHECK;

#endif

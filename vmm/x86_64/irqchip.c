// SPDX-License-Identifier: Apache-2.0
/*
 * The in-kernel interrupt chip: PIC, I/O APIC and local APICs. No PIT: its timer thread lives outside the VM's cgroup
 * and makes the VM's end wait, and the guest has the TSC deadline timer and kvmclock.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/arch.h"
#include "vmm/vm.h"
#include "vmm/x86_64/layout.h"

int arch_vm_init(struct vm *vm, struct err *e)
{
	uint64_t identity = X86_IDENTITY_MAP;

	/* Both are memory slots of KVM's own on Intel: before the interrupt chip, like the others. */
	if (ioctl(vm->kvm.vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return err_set(e, errno, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm->kvm.vm_fd, KVM_SET_TSS_ADDR, X86_TSS) < 0)
		return err_set(e, errno, "KVM_SET_TSS_ADDR");
	if (ioctl(vm->kvm.vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_set(e, errno, "KVM_CREATE_IRQCHIP");
	return 0;
}

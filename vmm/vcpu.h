// SPDX-License-Identifier: Apache-2.0
/*
 * A virtual processor and the thread that runs it.
 *
 * The thread does nothing but run the guest; for an exit it takes the device lock, lets the bus do the access and goes
 * on. It ends when the VM ends (vm_end()); others are not waited for: the process's exit takes them out of the guest.
 */
#ifndef KVMBOX_VMM_VCPU_H
#define KVMBOX_VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>

#include "vmm/base/err.h"

struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int index; /* APIC id */
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

/* Make vcpu `index` of vm, without registers: those are arch_vcpu_init()'s. */
int vcpu_create(struct vcpu *v, struct vm *vm, unsigned int index, struct err *e) MUST_CHECK;
/* Start the thread. */
int vcpu_start(struct vcpu *v, struct err *e) MUST_CHECK;
/* Do what the exit in v->run asks for; ends the VM where it is the end. What the thread does after each KVM_RUN. */
void vcpu_handle_exit(struct vcpu *v);

#endif

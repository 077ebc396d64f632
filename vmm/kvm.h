// SPDX-License-Identifier: Apache-2.0
/*
 * KVM's file descriptors: /dev/kvm and one VM; memory slots, interrupt and doorbell eventfds.
 *
 * The order of calls matters: memory before interrupt chip before vcpus. On hosts from Linux 6.18 a memory slot added
 * after an interrupt chip waits for a grace period (8 ms and more), and no object is closed on the way, for the same
 * reason.
 */
#ifndef KVMBOX_VMM_KVM_H
#define KVMBOX_VMM_KVM_H

#include "vmm/base/err.h"
#include "vmm/core/irq.h"
#include "vmm/core/notify.h"

struct kvm {
	int sys_fd;
	int vm_fd;
	size_t run_len; /* bytes of a vcpu's struct kvm_run mapping */
	bool tsc_deadline;
};

/* Use fd as /dev/kvm, or open it (-1); check version and capabilities by name. Owns fd. */
int kvm_open(struct kvm *k, int fd, struct err *e) MUST_CHECK;
int kvm_create_vm(struct kvm *k, struct err *e) MUST_CHECK;
int kvm_add_memory(struct kvm *k, uint32_t slot, uint64_t gpa, uint64_t size, void *hva, struct err *e) MUST_CHECK;
/* Let KVM raise line's GSI whenever its eventfd is signalled. 0 or -errno */
int kvm_wire_irq(struct kvm *k, const struct irq_line *line) MUST_CHECK;

/* struct notify's operations as ioeventfds; the context is the struct kvm. */
extern const struct notify_ops kvm_notify_ops;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * How fast does KVM run ring-0 code, compared with a program on the same machine?
 *
 * Some hosts offer /dev/kvm but interpret a guest's kernel instruction by instruction, about 1 million a second: a VM
 * seems to hang there. The probe counts down in flat 32-bit ring-0 code in a VM of one page and one vcpu, and the same
 * in this process, and compares. It takes a few milliseconds; a timer (SIGALRM) ends it within a tenth of a second
 * where the guest is interpreted. Single-threaded callers only: it sets and restores SIGALRM and the interval timer.
 */
#ifndef KVMBOX_KVM_PROBE_H
#define KVMBOX_KVM_PROBE_H

#include "vmm/base/compat.h"

struct kvm_speed {
	uint64_t guest_ips; /* instructions a second in the VM */
	uint64_t user_ips;  /* in this process */
};

/* 0; -ENOSYS: not on this architecture; another -errno, and *step then names what failed. */
int kvm_probe(int kvm_fd, struct kvm_speed *out, const char **step) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * What a guest's CPUID says: KVM's list of what it supports, with the machine's own topology and without what is not
 * virtualized. Pure: no KVM call.
 */
#ifndef KVMBOX_VMM_CPUID_H
#define KVMBOX_VMM_CPUID_H

#include <linux/kvm.h>

#include "vmm/base/compat.h"

#define CPUID_ENTRIES_MAX 128

/* The layout of struct kvm_cpuid2 with room */
struct cpuid_table {
	uint32_t nent;
	uint32_t padding;
	struct kvm_cpuid_entry2 entry[CPUID_ENTRIES_MAX];
};
static_assert(offsetof(struct cpuid_table, entry) == sizeof(struct kvm_cpuid2), "KVM fills this in");

/*
 * Turn KVM's list into that of processor `index` of `cpus` (cores of one package). 0, or -ENOSPC when the table is too
 * full to add the topology leaf.
 */
int cpuid_normalise(struct cpuid_table *t, unsigned int index, unsigned int cpus, bool tsc_deadline) MUST_CHECK;

#endif

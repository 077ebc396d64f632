// SPDX-License-Identifier: Apache-2.0
#include "vmm/x86_64/cpuid.h"

#include <errno.h>

/* One processor's view */
struct view {
	unsigned int index, cpus;
	unsigned int id_bits; /* of an APIC id */
	bool tsc_deadline;
};

enum { F1C_PDCM = 15, F1C_X2APIC = 21, F1C_TSC_DEADLINE = 24, F1C_HYPERVISOR = 31, F1D_HTT = 28 };
enum { LEVEL_SMT = 1, LEVEL_CORE = 2 };

/* AMD's performance counter extensions in leaf 0x80000001: core, north bridge, cache */
#define AMD_PERFCTR (1u << 23 | 1u << 24 | 1u << 28)

static void set_bit(uint32_t *reg, unsigned int bit, bool on)
{
	*reg = on ? *reg | 1u << bit : *reg & ~(1u << bit);
}

/* Bits lo .. lo + width - 1 of *reg become v */
static void set_field(uint32_t *reg, unsigned int lo, unsigned int width, uint32_t v)
{
	uint32_t mask = ((1u << width) - 1) << lo;

	*reg = (*reg & ~mask) | (v << lo & mask);
}

static void clear_regs(struct kvm_cpuid_entry2 *en)
{
	en->eax = en->ebx = en->ecx = en->edx = 0;
}

static void leaf_features(struct kvm_cpuid_entry2 *en, const struct view *v)
{
	set_field(&en->ebx, 16, 8, 1u << v->id_bits);
	set_field(&en->ebx, 24, 8, v->index);
	set_bit(&en->ecx, F1C_PDCM, false);
	set_bit(&en->ecx, F1C_X2APIC, true);
	set_bit(&en->ecx, F1C_TSC_DEADLINE, v->tsc_deadline);
	set_bit(&en->ecx, F1C_HYPERVISOR, true);
	set_bit(&en->edx, F1D_HTT, v->cpus > 1);
}

/* Caches (Intel 4, AMD 0x8000001d share the fields): first and second level to each core, the third to the package */
static void leaf_cache(struct kvm_cpuid_entry2 *en, const struct view *v)
{
	unsigned int level = en->eax >> 5 & 7;

	if ((en->eax & 0x1f) == 0)
		return;
	set_field(&en->eax, 14, 12, level >= 3 ? v->cpus - 1 : 0);
	if (en->function == 4)
		set_field(&en->eax, 26, 6, v->cpus - 1);
}

static void leaf_topology(struct kvm_cpuid_entry2 *en, const struct view *v)
{
	clear_regs(en);
	en->ecx = en->index;
	en->edx = v->index;
	if (en->index == 0) {
		en->ebx = 1;
		en->ecx |= LEVEL_SMT << 8;
	} else if (en->index == 1) {
		en->eax = v->id_bits;
		en->ebx = v->cpus;
		en->ecx |= LEVEL_CORE << 8;
	}
}

static void leaf_amd_cores(struct kvm_cpuid_entry2 *en, const struct view *v)
{
	set_field(&en->ecx, 0, 8, v->cpus - 1);
	set_field(&en->ecx, 12, 4, v->id_bits);
}

static void leaf_amd_topology(struct kvm_cpuid_entry2 *en, const struct view *v)
{
	clear_regs(en);
	en->eax = v->index; /* APIC id */
	en->ebx = v->index; /* core id, one thread */
}

static void normalise_entry(struct kvm_cpuid_entry2 *en, const struct view *v)
{
	switch (en->function) {
	case 0x1: leaf_features(en, v); return;
	case 0x4:
	case 0x8000001d: leaf_cache(en, v); return;
	case 0xb: leaf_topology(en, v); return;
	case 0xa:  /* performance counters of Intel */
	case 0x1f: /* topology again: 0xb has it */
	case 0x80000022: /* performance counters of AMD */ clear_regs(en); return;
	case 0x80000001: en->ecx &= ~AMD_PERFCTR; return;
	case 0x80000008: leaf_amd_cores(en, v); return;
	case 0x8000001e: leaf_amd_topology(en, v); return;
	default: return;
	}
}

/* The topology leaf's first three subleaves, where KVM's list has fewer */
static int add_topology(struct cpuid_table *t, const struct view *v)
{
	uint32_t have = 0, sub, i;

	for (i = 0; i < t->nent; i++)
		if (t->entry[i].function == 0xb && t->entry[i].index < 3)
			have |= 1u << t->entry[i].index;
	for (sub = 0; sub < 3; sub++) {
		struct kvm_cpuid_entry2 *en = &t->entry[t->nent];

		if ((have >> sub & 1) != 0)
			continue;
		if (t->nent == CPUID_ENTRIES_MAX)
			return -ENOSPC;
		*en = (struct kvm_cpuid_entry2){ .function = 0xb,
						 .index = sub,
						 .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
		leaf_topology(en, v);
		t->nent++;
	}
	return 0;
}

int cpuid_normalise(struct cpuid_table *t, unsigned int index, unsigned int cpus, bool tsc_deadline)
{
	struct view v = { .index = index, .cpus = cpus, .tsc_deadline = tsc_deadline };
	uint32_t i, max_leaf = 0;

	if (t->nent > CPUID_ENTRIES_MAX)
		return -ENOSPC;
	while (1u << v.id_bits < cpus)
		v.id_bits++;
	for (i = 0; i < t->nent; i++) {
		normalise_entry(&t->entry[i], &v);
		if (t->entry[i].function == 0)
			max_leaf = t->entry[i].eax;
	}
	return max_leaf >= 0xb ? add_topology(t, &v) : 0;
}

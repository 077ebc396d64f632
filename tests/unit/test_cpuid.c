// SPDX-License-Identifier: Apache-2.0
/* What a guest's CPUID says. */
#include <errno.h>
#include <string.h>

#include "tests/unit/fake/suite.h"
#include "vmm/x86_64/cpuid.h"

static struct cpuid_table t;

static struct kvm_cpuid_entry2 *add(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *en = &t.entry[t.nent++];

	*en = (struct kvm_cpuid_entry2){ .function = function, .index = index };
	return en;
}

/* The entry, which must be there */
static const struct kvm_cpuid_entry2 *find(uint32_t function, uint32_t index)
{
	uint32_t i = 0;

	while (i < t.nent && (t.entry[i].function != function || t.entry[i].index != index))
		i++;
	ck_assert_uint_lt(i, t.nent);
	return &t.entry[i];
}

/* A host's list with every bit set where we change some */
static void host(void)
{
	static const uint32_t full[] = { 1, 6, 7, 0xa, 0x1f, 0x80000001, 0x80000008, 0x8000001e, 0x80000022 };
	size_t i;

	memset(&t, 0, sizeof(t));
	add(0, 0)->eax = 0x1f;
	for (i = 0; i < ARRAY_SIZE(full); i++) {
		struct kvm_cpuid_entry2 *en = add(full[i], 0);

		en->eax = en->ebx = en->ecx = en->edx = UINT32_MAX;
	}
	add(4, 0)->eax = 0xffffc000 | 1 << 5 | 1; /* first level */
	add(4, 3)->eax = 0xffffc000 | 3 << 5 | 3; /* third level */
	add(4, 4)->eax = 0;                       /* no more */
	add(0x8000001d, 3)->eax = 3 << 14 | 3 << 5 | 3;
}

START_TEST(test_one_processor_sees_itself_alone)
{
	const struct kvm_cpuid_entry2 *en;

	host();
	ck_assert_int_eq(cpuid_normalise(&t, 0, 1, true), 0);
	en = find(1, 0);
	ck_assert_uint_eq(en->ebx >> 24, 0);
	ck_assert_uint_eq(en->ebx >> 16 & 0xff, 1);
	ck_assert_uint_eq(en->edx >> 28 & 1, 0);     /* HTT */
	ck_assert_uint_eq(en->ecx >> 31 & 1, 1);     /* hypervisor */
	ck_assert_uint_eq(en->ecx >> 24 & 1, 1);     /* TSC deadline */
	ck_assert_uint_eq(en->ecx >> 21 & 1, 1);     /* x2APIC */
	ck_assert_uint_eq(en->ecx >> 15 & 1, 0);     /* PDCM */
	ck_assert_uint_eq(en->ecx & 0x7fff, 0x7fff); /* the rest is KVM's */
	ck_assert_uint_eq(find(0x80000008, 0)->ecx & 0xff, 0);
	ck_assert_uint_eq(find(0x80000008, 0)->eax, UINT32_MAX);
}
END_TEST

START_TEST(test_tsc_deadline_follows_the_host)
{
	host();
	ck_assert_int_eq(cpuid_normalise(&t, 0, 1, false), 0);
	ck_assert_uint_eq(find(1, 0)->ecx >> 24 & 1, 0);
}
END_TEST

START_TEST(test_processors_are_cores_of_one_package)
{
	const struct kvm_cpuid_entry2 *en;

	host();
	ck_assert_int_eq(cpuid_normalise(&t, 5, 6, true), 0);
	en = find(1, 0);
	ck_assert_uint_eq(en->ebx >> 24, 5);
	ck_assert_uint_eq(en->ebx >> 16 & 0xff, 8);
	ck_assert_uint_eq(en->edx >> 28 & 1, 1);
	en = find(0xb, 0);
	ck_assert(en->eax == 0 && en->ebx == 1 && en->ecx == 0x100 && en->edx == 5);
	ck_assert_uint_eq(en->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	en = find(0xb, 1);
	ck_assert(en->eax == 3 && en->ebx == 6 && en->ecx == 0x201 && en->edx == 5);
	en = find(0xb, 2);
	ck_assert(en->eax == 0 && en->ebx == 0 && en->ecx == 2 && en->edx == 5);
	en = find(0x80000008, 0);
	ck_assert((en->ecx & 0xff) == 5 && (en->ecx >> 12 & 15) == 3);
	en = find(0x8000001e, 0);
	ck_assert(en->eax == 5 && en->ebx == 5 && en->ecx == 0);
}
END_TEST

START_TEST(test_last_level_cache_is_shared_and_the_first_is_not)
{
	host();
	ck_assert_int_eq(cpuid_normalise(&t, 1, 4, true), 0);
	ck_assert_uint_eq(find(4, 0)->eax >> 14 & 0xfff, 0);
	ck_assert_uint_eq(find(4, 0)->eax >> 26, 3);
	ck_assert_uint_eq(find(4, 3)->eax >> 14 & 0xfff, 3);
	ck_assert_uint_eq(find(4, 4)->eax, 0);
	ck_assert_uint_eq(find(0x8000001d, 3)->eax >> 14 & 0xfff, 3);
	ck_assert_uint_eq(find(0x8000001d, 3)->eax >> 26, 0);
}
END_TEST

START_TEST(test_performance_counters_are_not_there)
{
	const struct kvm_cpuid_entry2 *en;

	host();
	ck_assert_int_eq(cpuid_normalise(&t, 0, 1, true), 0);
	en = find(0xa, 0);
	ck_assert(en->eax == 0 && en->ebx == 0 && en->ecx == 0 && en->edx == 0);
	ck_assert_uint_eq(find(0x1f, 0)->ebx, 0);
	ck_assert_uint_eq(find(0x80000022, 0)->eax, 0);
	ck_assert_uint_eq(find(0x80000001, 0)->ecx, UINT32_MAX & ~(1u << 23 | 1u << 24 | 1u << 28));
}
END_TEST

START_TEST(test_topology_leaf_of_the_host_is_replaced_not_doubled)
{
	uint32_t before;

	host();
	add(0xb, 0)->ebx = 64;
	add(0xb, 1)->ebx = 128;
	before = t.nent;
	ck_assert_int_eq(cpuid_normalise(&t, 0, 2, true), 0);
	ck_assert_uint_eq(t.nent, before + 1);
	ck_assert_uint_eq(find(0xb, 0)->ebx, 1);
	ck_assert_uint_eq(find(0xb, 1)->ebx, 2);
}
END_TEST

START_TEST(test_an_old_processor_gets_no_topology_leaf)
{
	memset(&t, 0, sizeof(t));
	add(0, 0)->eax = 0xa;
	ck_assert_int_eq(cpuid_normalise(&t, 0, 1, true), 0);
	ck_assert_uint_eq(t.nent, 1);
}
END_TEST

START_TEST(test_a_full_table_is_an_error_not_an_overflow)
{
	host();
	while (t.nent < CPUID_ENTRIES_MAX - 2)
		(void)add(0x40000000, 0);
	ck_assert_int_eq(cpuid_normalise(&t, 0, 1, true), -ENOSPC);
	t.nent = CPUID_ENTRIES_MAX + 1;
	ck_assert_int_eq(cpuid_normalise(&t, 0, 1, true), -ENOSPC);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_one_processor_sees_itself_alone,        test_tsc_deadline_follows_the_host,
		test_processors_are_cores_of_one_package,    test_last_level_cache_is_shared_and_the_first_is_not,
		test_performance_counters_are_not_there,     test_topology_leaf_of_the_host_is_replaced_not_doubled,
		test_an_old_processor_gets_no_topology_leaf, test_a_full_table_is_an_error_not_an_overflow,
	};

	return suite_run("cpuid", tests, ARRAY_SIZE(tests));
}

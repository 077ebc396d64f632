// SPDX-License-Identifier: Apache-2.0
/* The MP table, read back as Linux reads it. */
#include <errno.h>
#include <string.h>

#include "boot/x86_64/mptable.h"
#include "tests/unit/fake/suite.h"

#define AT 0x3000u

static uint8_t ram[0x4000] __attribute__((aligned(4096)));
static struct gmem mem;

/* What a walk over the table's entries found */
struct seen {
	unsigned int cpus, boot_cpus, buses, ioapics, local;
	uint32_t pins, cpu_ids;
	uint8_t ioapic_id;
};

static void reset(void)
{
	memset(ram, 0, sizeof(ram));
	mem = (struct gmem){ 0 };
	ck_assert_int_eq(gmem_add(&mem, 0, sizeof(ram), ram), 0);
}

static unsigned int sum(const uint8_t *p, size_t len)
{
	unsigned int s = 0;

	while (len-- > 0)
		s += *p++;
	return s & 0xff;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void see(const uint8_t *p, struct seen *s)
{
	switch (p[0]) {
	case 0:
		s->cpus++;
		s->cpu_ids |= 1u << p[1];
		s->boot_cpus += (p[3] & 3) == 3;
		ck_assert_uint_eq(p[3] & 1, 1);
		return;
	case 1:
		s->buses++;
		ck_assert_mem_eq(p + 2, "ISA   ", 6);
		return;
	case 2:
		s->ioapics++;
		s->ioapic_id = p[1];
		ck_assert_uint_eq(p[3], 1);
		ck_assert_uint_eq(u32(p + 4), 0xfec00000);
		return;
	case 3:
		ck_assert_uint_eq(p[1], 0);
		ck_assert_uint_eq(p[2], 5); /* active high, edge */
		ck_assert_uint_eq(p[5], p[7]);
		ck_assert_uint_eq(p[6], s->ioapic_id);
		s->pins |= 1u << p[7];
		return;
	case 4: s->local++; return;
	default: ck_abort_msg("unknown entry %u", p[0]);
	}
}

static struct seen walk(void)
{
	const uint8_t *t = ram + AT, *p = t + 44;
	struct seen s = { 0 };
	unsigned int i, entries = t[34] | (unsigned int)t[35] << 8;
	size_t len = t[4] | (size_t)t[5] << 8;

	ck_assert_mem_eq(ram, "_MP_", 4);
	ck_assert_uint_eq(u32(ram + 4), AT);
	ck_assert_uint_eq(sum(ram, 16), 0);
	ck_assert_mem_eq(t, "PCMP", 4);
	ck_assert_uint_eq(sum(t, len), 0);
	ck_assert_uint_eq(u32(t + 36), 0xfee00000);
	for (i = 0; i < entries; i++) {
		see(p, &s);
		p += p[0] == 0 ? 20 : 8;
	}
	ck_assert_uint_eq((size_t)(p - t), len);
	return s;
}

START_TEST(test_table_names_processors_bus_chip_and_lines)
{
	struct seen s;

	reset();
	ck_assert_int_eq(mptable_write(&mem, AT, 2, 0x1fffe0 | 1u << 4), 0);
	s = walk();
	ck_assert_uint_eq(s.cpus, 2);
	ck_assert_uint_eq(s.cpu_ids, 3);
	ck_assert_uint_eq(s.boot_cpus, 1);
	ck_assert_uint_eq(s.buses, 1);
	ck_assert_uint_eq(s.ioapics, 1);
	ck_assert_uint_eq(s.ioapic_id, 2);
	ck_assert_uint_eq(s.pins, 0x1ffff0);
	ck_assert_uint_eq(s.local, 2);
}
END_TEST

START_TEST(test_largest_table_fits_its_last_kilobyte)
{
	struct seen s;

	reset();
	ck_assert_int_eq(mptable_write(&mem, AT, MPTABLE_CPUS_MAX, 0xffffff), 0);
	s = walk();
	ck_assert_uint_eq(s.cpus, MPTABLE_CPUS_MAX);
	ck_assert_uint_le(ram[AT + 4] | ram[AT + 5] << 8, 1024);
}
END_TEST

START_TEST(test_impossible_tables_are_refused)
{
	reset();
	ck_assert_int_eq(mptable_write(&mem, AT, 0, 0), -EINVAL);
	ck_assert_int_eq(mptable_write(&mem, AT, MPTABLE_CPUS_MAX + 1, 0), -EINVAL);
	ck_assert_int_eq(mptable_write(&mem, AT, 1, 1u << MPTABLE_PINS), -EINVAL);
	ck_assert_int_eq(mptable_write(&mem, UINT64_MAX, 1, 0), -EINVAL);
	ck_assert_int_eq(mptable_write(&mem, sizeof(ram) - 8, 1, 0), -EFAULT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_table_names_processors_bus_chip_and_lines,
		test_largest_table_fits_its_last_kilobyte,
		test_impossible_tables_are_refused,
	};

	return suite_run("mptable", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/core/bus and irq: which handler sees an access, and which accesses no handler sees.
 */
#include "vmm/core/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/core/irq.h"

struct probe {
	unsigned int reads, writes, size;
	uint64_t off, val;
};

static uint64_t probe_read(void *dev, uint64_t off, unsigned int size)
{
	struct probe *p = dev;

	p->reads++;
	p->off = off;
	p->size = size;
	return 0x1122334455667788ULL;
}

static void probe_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct probe *p = dev;

	p->writes++;
	p->off = off;
	p->size = size;
	p->val = val;
}

static const struct bus_ops probe_ops = { .read = probe_read, .write = probe_write };

START_TEST(test_access_reaches_the_device_at_its_offset)
{
	struct probe a = { 0 }, b = { 0 };
	struct bus bus = { 0 };

	ck_assert_int_eq(bus_add(&bus, 0x2000, 0x100, &probe_ops, &b), 0);
	ck_assert_int_eq(bus_add(&bus, 0x1000, 0x1000, &probe_ops, &a), 0);
	ck_assert_uint_eq(bus_read(&bus, 0x1ff8, 8), 0x1122334455667788ULL);
	ck_assert_uint_eq(a.off, 0xff8);
	bus_write(&bus, 0x2000, 4, 7);
	ck_assert_uint_eq(b.off, 0);
	ck_assert_uint_eq(b.val, 7);
	ck_assert_uint_eq(a.reads + a.writes + b.reads + b.writes, 2);
}
END_TEST

START_TEST(test_values_are_cut_to_the_size_of_the_access)
{
	struct probe p = { 0 };
	struct bus bus = { 0 };

	ck_assert_int_eq(bus_add(&bus, 0, 16, &probe_ops, &p), 0);
	ck_assert_uint_eq(bus_read(&bus, 0, 1), 0x88);
	ck_assert_uint_eq(bus_read(&bus, 0, 2), 0x7788);
	ck_assert_uint_eq(bus_read(&bus, 0, 4), 0x55667788);
	bus_write(&bus, 0, 1, UINT64_MAX);
	ck_assert_uint_eq(p.val, 0xff);
	bus_write(&bus, 0, 8, UINT64_MAX);
	ck_assert_uint_eq(p.val, UINT64_MAX);
}
END_TEST

START_TEST(test_access_to_nobody_reads_ones_and_writes_nothing)
{
	struct probe p = { 0 };
	struct bus bus = { 0 };

	ck_assert_int_eq(bus_add(&bus, 0x1000, 0x10, &probe_ops, &p), 0);
	ck_assert_uint_eq(bus_read(&bus, 0xfff, 1), 0xff);
	ck_assert_uint_eq(bus_read(&bus, 0x1010, 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&bus, UINT64_MAX, 8), UINT64_MAX);
	bus_write(&bus, 0, 4, 1);
	ck_assert_uint_eq(p.reads + p.writes, 0);
}
END_TEST

START_TEST(test_access_over_a_ranges_end_or_of_an_odd_size_reaches_nobody)
{
	struct probe p = { 0 }, q = { 0 };
	struct bus bus = { 0 };
	unsigned int size;

	ck_assert_int_eq(bus_add(&bus, 0x1000, 0x10, &probe_ops, &p), 0);
	ck_assert_int_eq(bus_add(&bus, 0x1010, 0x10, &probe_ops, &q), 0);
	ck_assert_uint_eq(bus_read(&bus, 0x100d, 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&bus, 0xffe, 4), 0xffffffff);
	bus_write(&bus, 0x100f, 2, 1);
	for (size = 0; size < 20; size++) {
		if (size == 1 || size == 2 || size == 4 || size == 8)
			continue;
		(void)bus_read(&bus, 0x1000, size);
		bus_write(&bus, 0x1000, size, 1);
	}
	bus_write(&bus, 0x1000, UINT32_MAX, 1);
	ck_assert_uint_eq(p.reads + p.writes + q.reads + q.writes, 0);
}
END_TEST

START_TEST(test_add_refuses_overlap_wrap_emptiness_and_one_too_many)
{
	struct bus bus = { 0 };
	uint64_t i;

	ck_assert_int_eq(bus_add(&bus, 0x1000, 0x1000, &probe_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&bus, 0x1fff, 1, &probe_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0x0800, 0x801, &probe_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0x1000, 0x10, &probe_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0, UINT64_MAX, &probe_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0x5000, 0, &probe_ops, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, 0, 0, &probe_ops, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, UINT64_MAX, 2, &probe_ops, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, UINT64_MAX, 1, &probe_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&bus, 0x0800, 0x800, &probe_ops, NULL), 0);
	for (i = 3; i < BUS_RANGES_MAX; i++)
		ck_assert_int_eq(bus_add(&bus, i * 0x10000, 0x10, &probe_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&bus, i * 0x10000, 0x10, &probe_ops, NULL), -ENOSPC);
	for (i = 1; i < bus.count; i++)
		ck_assert_uint_lt(bus.range[i - 1].base, bus.range[i].base);
}
END_TEST

START_TEST(test_every_range_of_a_full_bus_is_found)
{
	struct probe p[BUS_RANGES_MAX] = { 0 };
	struct bus bus = { 0 };
	uint64_t i;

	for (i = 0; i < BUS_RANGES_MAX; i++) { /* in an order that is neither up nor down */
		uint64_t at = i * 7 % BUS_RANGES_MAX;

		ck_assert_int_eq(bus_add(&bus, 0x1000 + at * 0x100, 0x80, &probe_ops, &p[at]), 0);
	}
	for (i = 0; i < BUS_RANGES_MAX; i++) {
		bus_write(&bus, 0x1000 + i * 0x100 + 0x7f, 1, i);
		bus_write(&bus, 0x1000 + i * 0x100 + 0x80, 1, i);
		ck_assert_uint_eq(p[i].writes, 1);
		ck_assert_uint_eq(p[i].val, i);
	}
}
END_TEST

START_TEST(test_irq_line_counts_edges_and_never_blocks)
{
	struct irq_line l;
	uint64_t n;

	ck_assert_int_eq(irq_line_init(&l, 5), 0);
	ck_assert_uint_eq(l.gsi, 5);
	ck_assert_int_ne(fcntl(l.fd, F_GETFD) & FD_CLOEXEC, 0);
	irq_raise(&l);
	irq_raise(&l);
	ck_assert_int_eq(read(l.fd, &n, sizeof(n)), sizeof(n));
	ck_assert_uint_eq(n, 2);
	n = UINT64_MAX - 1;
	ck_assert_int_eq(write(l.fd, &n, sizeof(n)), sizeof(n));
	irq_raise(&l); /* full: an edge is pending anyway */
	irq_line_fini(&l);
	ck_assert_int_eq(l.fd, -1);
	irq_raise(&l);
	irq_line_fini(&l);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_access_reaches_the_device_at_its_offset,
		test_values_are_cut_to_the_size_of_the_access,
		test_access_to_nobody_reads_ones_and_writes_nothing,
		test_access_over_a_ranges_end_or_of_an_odd_size_reaches_nobody,
		test_add_refuses_overlap_wrap_emptiness_and_one_too_many,
		test_every_range_of_a_full_bus_is_found,
		test_irq_line_counts_edges_and_never_blocks,
	};

	return suite_run("bus", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * virtio/vq: chains in and out of a split ring, honest and hostile; the fake driver writes the other side.
 */
#include "virtio/vq.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "tests/unit/fake/fake_drv.h"
#include "tests/unit/fake/suite.h"

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define RAM      (2ULL << 20)

struct ring {
	struct fake_vm vm;
	struct fake_drv d;
	struct vq q;
	struct vq_chain c;
	uint64_t buf; /* 1 MiB of guest memory to point at */
};

static struct ring R;

static void ring_init(uint16_t size, uint64_t features)
{
	struct vq_state st;

	memset(&R, 0, sizeof(R));
	fake_vm_init(&R.vm, RAM, false);
	fake_drv_ring(&R.d, &R.vm, 0, size, features);
	R.buf = fake_alloc(&R.vm, 1 << 20, 4096);
	st = fake_drv_state(&R.d, 0);
	ck_assert_int_eq(vq_setup(&R.q, &R.vm.mem, &st), 0);
}

static void ring_fini(void)
{
	fake_vm_fini(&R.vm);
}

static void desc(uint16_t i, uint64_t off, uint32_t len, uint16_t flags, uint16_t next)
{
	fake_drv_desc(&R.d, 0, i, R.buf + off, len, flags, next);
}

static int pop(void)
{
	return vq_pop(&R.q, &R.c);
}

/* Post descriptor `head` as it stands: the pop must fail with r, and go on failing. */
static void expect_refused(uint16_t head, int r)
{
	fake_drv_avail(&R.d, 0, head);
	ck_assert_int_eq(pop(), r);
	ck_assert_uint_eq(R.q.st.broken, 1);
	ck_assert_uint_eq(R.q.st.in_flight, 0);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert(!vq_want_notify(&R.q));
	ring_fini();
}

static void *at(uint64_t off)
{
	return fake_ptr(&R.vm, R.buf + off, 1);
}

/* --- setup --- */

START_TEST(test_setup_refuses_a_size_that_is_no_power_of_two_or_too_large)
{
	const uint16_t bad[] = { 0, 3, 5, 255, VQ_SIZE_MAX + 1, VQ_SIZE_MAX * 2, 32768, 65535 };
	struct vq q = { 0 };
	struct vq_state st;
	size_t i;

	ring_init(8, 0);
	st = fake_drv_state(&R.d, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		st.size = bad[i];
		ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EINVAL);
		ck_assert_uint_eq(q.st.ready, 0);
	}
	ring_fini();
}
END_TEST

START_TEST(test_setup_refuses_misaligned_rings)
{
	struct vq q = { 0 };
	struct vq_state good, st;

	ring_init(8, 0);
	good = fake_drv_state(&R.d, 0);
	st = good;
	st.desc_gpa += 8;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EINVAL);
	st = good;
	st.avail_gpa += 1;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EINVAL);
	st = good;
	st.used_gpa += 2;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EINVAL);
	ring_fini();
}
END_TEST

START_TEST(test_setup_refuses_rings_that_leave_memory_by_one_byte)
{
	const uint64_t end = FAKE_RAM0 + RAM;
	struct vq q = { 0 };
	struct vq_state good, st;

	ring_init(8, 0);
	good = fake_drv_state(&R.d, 0);
	st = good;
	st.desc_gpa = end - 8 * 16;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), 0);
	st.desc_gpa += 16;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EFAULT);
	st = good;
	st.avail_gpa = end - (6 + 2 * 8);
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), 0);
	st.avail_gpa += 2;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EFAULT);
	st = good;
	st.used_gpa = end - (6 + 8 * 8) - 2;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), 0);
	st.used_gpa += 4;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EFAULT);
	st.used_gpa = UINT64_MAX - 3;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EFAULT);
	ring_fini();
}
END_TEST

START_TEST(test_setup_refuses_a_saved_state_with_more_in_flight_than_descriptors)
{
	struct vq q = { 0 };
	struct vq_state st;

	ring_init(8, 0);
	st = fake_drv_state(&R.d, 0);
	st.in_flight = 8;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), 0);
	st.in_flight = 9;
	ck_assert_int_eq(vq_setup(&q, &R.vm.mem, &st), -EINVAL);
	ring_fini();
}
END_TEST

START_TEST(test_a_saved_queue_goes_on_where_it_stopped)
{
	struct vq copy = { 0 };
	struct vq_state st;

	ring_init(8, FAKE_EVENT_IDX);
	desc(0, 0, 10, 0, 0);
	desc(1, 10, 20, WRITE, 0);
	fake_drv_avail(&R.d, 0, 0);
	fake_drv_avail(&R.d, 0, 1);
	ck_assert_int_eq(pop(), 1);
	vq_push(&R.q, &R.c, 0);
	st = R.q.st;
	ck_assert_int_eq(vq_setup(&copy, &R.vm.mem, &st), 0);
	ck_assert_int_eq(vq_pop(&copy, &R.c), 1);
	ck_assert_uint_eq(R.c.head, 1);
	vq_push(&copy, &R.c, 20);
	ck_assert_uint_eq(fake_drv_used_idx(&R.d, 0), 2);
	ring_fini();
}
END_TEST

/* --- honest chains --- */

START_TEST(test_pop_gives_readable_and_writable_parts_inside_memory)
{
	ring_init(8, 0);
	ck_assert_int_eq(pop(), 0);
	desc(5, 0, 16, NEXT, 2);
	desc(2, 100, 4, NEXT, 7);
	desc(7, 4096, 512, NEXT | WRITE, 1);
	desc(1, 8192, 1, WRITE, 99 /* not followed */);
	fake_drv_avail(&R.d, 0, 5);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.head, 5);
	ck_assert_uint_eq(R.c.nseg, 4);
	ck_assert_uint_eq(R.c.rd.left, 20);
	ck_assert_uint_eq(R.c.wr.left, 513);
	ck_assert_ptr_eq(R.c.seg[0].iov_base, at(0));
	ck_assert_ptr_eq(R.c.seg[1].iov_base, at(100));
	ck_assert_ptr_eq(R.c.wr.v[0].iov_base, at(4096));
	ck_assert_ptr_eq(R.c.wr.v[1].iov_base, at(8192));
	ck_assert_uint_eq(R.q.st.in_flight, 1);
	ck_assert_int_eq(pop(), 0);
	ring_fini();
}
END_TEST

START_TEST(test_pop_takes_a_chain_as_long_as_the_queue)
{
	uint16_t i;

	ring_init(VQ_SIZE_MAX, 0);
	for (i = 0; i < VQ_SIZE_MAX; i++)
		desc(i, i, 1, i + 1 < VQ_SIZE_MAX ? NEXT : 0, (uint16_t)(i + 1));
	fake_drv_avail(&R.d, 0, 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.nseg, VQ_SIZE_MAX);
	ck_assert_uint_eq(R.c.rd.left, VQ_SIZE_MAX);
	ck_assert_uint_eq(R.c.wr.left, 0);
	ring_fini();
}
END_TEST

START_TEST(test_pop_and_push_survive_the_wrap_of_the_indices)
{
	struct fake_buf b;
	struct vq_state st;
	unsigned int i;
	uint16_t head;
	uint32_t len;

	ring_init(4, FAKE_EVENT_IDX);
	st = fake_drv_state(&R.d, 0);
	st.last_avail = st.used_idx = st.signalled_used = 65530;
	ck_assert_int_eq(vq_setup(&R.q, &R.vm.mem, &st), 0);
	R.d.q[0].last_used = 65530;
	fake_drv_idx(&R.d, 0, 65530);
	/* the ring's used index in memory is 0 before the first push */
	b = (struct fake_buf){ R.buf, 8, true };
	for (i = 0; i < 20; i++) {
		ck_assert_int_ge(fake_drv_add(&R.d, 0, &b, 1, FAKE_DIRECT), 0);
		ck_assert_int_eq(pop(), 1);
		vq_push(&R.q, &R.c, i);
		ck_assert_uint_eq(fake_drv_used_idx(&R.d, 0), (uint16_t)(65530 + i + 1));
		ck_assert(fake_drv_used(&R.d, 0, &head, &len));
		ck_assert_uint_eq(len, i);
		fake_drv_want_irq(&R.d, 0);
	}
	ring_fini();
}
END_TEST

START_TEST(test_pop_follows_an_indirect_table)
{
	const struct fake_buf b[] = { { 0, 16, false }, { 0, 4096, true }, { 0, 1, true } };
	struct fake_buf abs[3];
	size_t i;

	ring_init(8, FAKE_INDIRECT);
	for (i = 0; i < 3; i++)
		abs[i] = (struct fake_buf){ R.buf + 8192 * i, b[i].len, b[i].write };
	ck_assert_int_eq(fake_drv_add(&R.d, 0, abs, 3, FAKE_TABLE), 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.nseg, 3);
	ck_assert_uint_eq(R.c.rd.left, 16);
	ck_assert_uint_eq(R.c.wr.left, 4097);
	ck_assert_ptr_eq(R.c.wr.v[1].iov_base, at(16384));
	ring_fini();
}
END_TEST

/* A table of n entries at offset off of the buffer, a plain chain of 1-byte readable segments */
static void table(uint64_t off, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct vring_desc d = { R.buf + i, 1, i + 1 < n ? NEXT : 0, (uint16_t)(i + 1) };

		fake_vm_desc(&R.vm, R.buf + off, i, &d);
	}
}

static void table_entry(uint64_t off, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	const struct vring_desc d = { addr, len, flags, next };

	fake_vm_desc(&R.vm, R.buf + off, i, &d);
}

START_TEST(test_an_indirect_table_may_lie_at_any_address_and_be_of_full_length)
{
	ring_init(8, FAKE_INDIRECT);
	table(0x10001, 3);
	desc(0, 0x10001, 3 * 16, INDIRECT | WRITE /* ignored */, 0);
	fake_drv_avail(&R.d, 0, 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.rd.left, 3);
	table(0x20000, VQ_SEGS_MAX); /* longer than the queue */
	desc(1, 0x20000, VQ_SEGS_MAX * 16, INDIRECT, 0);
	fake_drv_avail(&R.d, 0, 1);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.nseg, VQ_SEGS_MAX);
	ring_fini();
}
END_TEST

START_TEST(test_a_chain_may_end_in_an_indirect_table)
{
	ring_init(8, FAKE_INDIRECT);
	table(0x10000, 2);
	desc(3, 100, 7, NEXT, 4);
	desc(4, 0x10000, 2 * 16, INDIRECT, 0);
	fake_drv_avail(&R.d, 0, 3);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.nseg, 3);
	ck_assert_uint_eq(R.c.rd.left, 9);
	ring_fini();
}
END_TEST

START_TEST(test_a_chain_of_exactly_the_byte_limit_is_taken)
{
	uint16_t i;

	ring_init(32, 0);
	for (i = 0; i < 16; i++) /* the same MiB, 16 times */
		desc(i, 0, 1 << 20, i < 15 ? NEXT : 0, (uint16_t)(i + 1));
	fake_drv_avail(&R.d, 0, 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.rd.left, VQ_CHAIN_BYTES_MAX);
	ring_fini();
}
END_TEST

/* --- hostile chains --- */

START_TEST(test_pop_refuses_a_head_outside_the_queue)
{
	ring_init(8, 0);
	expect_refused(8, -EPROTO);
	ring_init(8, 0);
	expect_refused(65535, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_a_next_outside_the_queue)
{
	ring_init(8, 0);
	desc(0, 0, 1, NEXT, 8);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_loops)
{
	ring_init(8, 0);
	desc(1, 0, 10, WRITE | NEXT, 1);
	expect_refused(1, -EPROTO);
	ring_init(8, 0);
	desc(0, 0, 10, NEXT, 1);
	desc(1, 0, 10, NEXT, 2);
	desc(2, 0, 10, NEXT, 1);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_more_available_than_the_queue_has)
{
	ring_init(8, 0);
	desc(0, 0, 1, 0, 0);
	fake_drv_idx(&R.d, 0, 8);
	ck_assert_int_eq(pop(), 1); /* just full */
	ring_fini();
	ring_init(8, 0);
	desc(0, 0, 1, 0, 0);
	fake_drv_idx(&R.d, 0, 9);
	ck_assert_int_eq(pop(), -EPROTO);
	ring_fini();
	ring_init(8, 0);
	fake_drv_idx(&R.d, 0, 65535);
	ck_assert_int_eq(pop(), -EPROTO);
	ring_fini();
}
END_TEST

START_TEST(test_pop_refuses_more_in_flight_than_the_queue_has)
{
	unsigned int i;

	ring_init(8, 0);
	desc(0, 0, 1, 0, 0);
	for (i = 0; i < 8; i++) {
		fake_drv_avail(&R.d, 0, 0); /* the same head, again and again */
		ck_assert_int_eq(pop(), 1);
	}
	ck_assert_uint_eq(R.q.st.in_flight, 8);
	fake_drv_avail(&R.d, 0, 0);
	ck_assert_int_eq(pop(), -EPROTO);
	ck_assert_uint_eq(R.q.st.in_flight, 8);
	ring_fini();
}
END_TEST

START_TEST(test_pop_refuses_readable_after_writable)
{
	ring_init(8, 0);
	desc(0, 0, 1, WRITE | NEXT, 1);
	desc(1, 0, 1, 0, 0);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_a_descriptor_of_length_0)
{
	ring_init(8, 0);
	desc(0, 0, 0, 0, 0);
	expect_refused(0, -EPROTO);
	ring_init(8, 0);
	desc(0, 0, 1, NEXT, 1);
	desc(1, 0, 0, WRITE, 0);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_addresses_that_are_not_memory)
{
	const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{ 0, 1 },
		{ FAKE_RAM0 - 1, 2 },
		{ FAKE_RAM0 + RAM - 1, 2 },
		{ FAKE_RAM0 + RAM, 1 },
		{ FAKE_RAM1 + FAKE_RAM1_LEN - 4, 5 },
		{ FAKE_MMIO, 4 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 3, 8 },
		{ FAKE_RAM0, VQ_CHAIN_BYTES_MAX },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_init(8, 0);
		fake_drv_desc(&R.d, 0, 0, bad[i].addr, bad[i].len, WRITE, 0);
		expect_refused(0, -EFAULT);
	}
}
END_TEST

START_TEST(test_pop_refuses_too_many_bytes)
{
	uint16_t i;

	ring_init(8, 0);
	desc(0, 0, UINT32_MAX, 0, 0);
	expect_refused(0, -EPROTO);
	ring_init(32, 0);
	for (i = 0; i < 17; i++)
		desc(i, 0, i < 16 ? 1 << 20 : 1, i < 16 ? NEXT : 0, (uint16_t)(i + 1));
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_indirect_tables_of_a_bad_length)
{
	const uint32_t bad[] = { 0, 1, 8, 15, 17, (VQ_SEGS_MAX + 1) * 16, 65536 * 16, UINT32_MAX, UINT32_MAX - 15 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_init(8, FAKE_INDIRECT);
		table(0x10000, VQ_SEGS_MAX + 2);
		desc(0, 0x10000, bad[i], INDIRECT, 0);
		expect_refused(0, -EPROTO);
	}
}
END_TEST

START_TEST(test_pop_refuses_an_indirect_table_outside_memory)
{
	ring_init(8, FAKE_INDIRECT);
	fake_drv_desc(&R.d, 0, 0, FAKE_RAM0 + RAM - 16, 32, INDIRECT, 0);
	expect_refused(0, -EFAULT);
	ring_init(8, FAKE_INDIRECT);
	fake_drv_desc(&R.d, 0, 0, UINT64_MAX - 15, 16, INDIRECT, 0);
	expect_refused(0, -EFAULT);
}
END_TEST

START_TEST(test_pop_refuses_nested_tables_and_indirect_with_next)
{
	ring_init(8, FAKE_INDIRECT);
	table(0x10000, 1);
	table_entry(0x20000, 0, R.buf + 0x10000, 16, INDIRECT, 0);
	desc(0, 0x20000, 16, INDIRECT, 0);
	expect_refused(0, -EPROTO);
	ring_init(8, FAKE_INDIRECT);
	table(0x10000, 1);
	desc(0, 0x10000, 16, INDIRECT | NEXT, 1);
	desc(1, 0, 1, 0, 0);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_a_table_that_loops_or_points_outside_itself)
{
	ring_init(8, FAKE_INDIRECT);
	table(0x10000, 4);
	table_entry(0x10000, 1, R.buf, 1, NEXT, 4);
	desc(0, 0x10000, 4 * 16, INDIRECT, 0);
	expect_refused(0, -EPROTO);
	ring_init(8, FAKE_INDIRECT);
	table(0x10000, 4);
	table_entry(0x10000, 3, R.buf, 1, NEXT, 0);
	desc(0, 0x10000, 4 * 16, INDIRECT, 0);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_pop_refuses_more_segments_than_a_chain_can_hold)
{
	ring_init(8, FAKE_INDIRECT);
	table(0x10000, VQ_SEGS_MAX);
	desc(0, 0, 1, NEXT, 1);
	desc(1, 0x10000, VQ_SEGS_MAX * 16, INDIRECT, 0);
	expect_refused(0, -EPROTO);
}
END_TEST

START_TEST(test_a_broken_queue_stays_broken_until_it_is_set_up_anew)
{
	struct vq_state st;

	ring_init(8, 0);
	fake_drv_avail(&R.d, 0, 9);
	ck_assert_int_eq(pop(), -EPROTO);
	desc(0, 0, 1, 0, 0);
	fake_drv_idx(&R.d, 0, 0);
	fake_drv_avail(&R.d, 0, 0);
	ck_assert_int_eq(pop(), -EPROTO);
	vq_reset(&R.q);
	ck_assert_int_eq(pop(), 0);
	st = fake_drv_state(&R.d, 0);
	ck_assert_int_eq(vq_setup(&R.q, &R.vm.mem, &st), 0);
	ck_assert_int_eq(pop(), 1);
	ring_fini();
}
END_TEST

struct flipper {
	bool stop; /* atomic */
};

/* A guest that changes its descriptor, good to bad in each way, while the device reads it */
static void *flip(void *arg)
{
	struct flipper *f = arg;
	const struct vring_desc kind[] = {
		{ R.buf, 16, 0, 0 },
		{ R.buf, 64, WRITE, 0 },
		{ R.buf, UINT32_MAX, 0, 0 },
		{ FAKE_RAM0 + RAM - 1, 16, 0, 0 },
		{ R.buf, 16, NEXT, 1 },
		{ R.buf, 16, NEXT, 99 },
		{ R.buf + 0x10000, 16, INDIRECT, 0 },
		{ UINT64_MAX, 16, WRITE, 0 },
	};
	unsigned int i = 0;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		fake_vm_desc(&R.vm, R.d.q[0].desc, 0, &kind[i++ % ARRAY_SIZE(kind)]);
		if (i % 64 == 0)
			(void)sched_yield();
	}
	return NULL;
}

static void check_inside_ram(const struct vq_chain *c)
{
	const uint8_t *ram = fake_ptr(&R.vm, FAKE_RAM0, RAM);
	unsigned int i;

	for (i = 0; i < c->nseg; i++) {
		const uint8_t *p = c->seg[i].iov_base;

		ck_assert(p >= ram && p < ram + RAM && c->seg[i].iov_len <= (size_t)(ram + RAM - p));
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

START_TEST(test_a_descriptor_changed_under_the_reader_never_leads_outside_memory)
{
	struct flipper f = { false };
	unsigned int good = 0, refused = 0, i;
	struct vq_state st;
	uint64_t end;
	pthread_t t;

	ring_init(8, FAKE_INDIRECT);
	table(0x10000, 1);
	desc(0, 0, 1, 0, 0);
	desc(1, 0, 1, WRITE, 0);
	st = fake_drv_state(&R.d, 0);
	ck_assert_int_eq(pthread_create(&t, NULL, flip, &f), 0);
	/* until the other thread has shown all it can; a busy machine that did not run it is no failure */
	end = now_ms() + 300;
	for (i = 0; i < 100 || ((good < 1000 || refused < 1000) && now_ms() < end); i++) {
		int r;

		fake_drv_idx(&R.d, 0, 0);
		fake_drv_avail(&R.d, 0, 0);
		vq_reset(&R.q);
		ck_assert_int_eq(vq_setup(&R.q, &R.vm.mem, &st), 0);
		r = pop();
		ck_assert(r == 1 || r == -EPROTO || r == -EFAULT);
		good += r == 1;
		refused += r < 0;
		if (r == 1)
			check_inside_ram(&R.c);
		if (i % 64 == 0)
			(void)sched_yield();
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_eq(good + refused, i);
	ring_fini();
}
END_TEST

/* --- giving back --- */

START_TEST(test_push_writes_the_used_element_then_its_index)
{
	uint16_t head;
	uint32_t len;

	ring_init(8, 0);
	desc(6, 0, 100, WRITE, 0);
	R.d.q[0].chain_len[6] = 1;
	R.d.q[0].nfree = 7;
	fake_drv_avail(&R.d, 0, 6);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(fake_drv_used_idx(&R.d, 0), 0);
	vq_push(&R.q, &R.c, 77);
	ck_assert_uint_eq(R.q.st.in_flight, 0);
	ck_assert(fake_drv_used(&R.d, 0, &head, &len));
	ck_assert_uint_eq(head, 6);
	ck_assert_uint_eq(len, 77);
	ck_assert(!fake_drv_used(&R.d, 0, &head, &len));
	ring_fini();
}
END_TEST

START_TEST(test_push_after_a_reset_is_dropped)
{
	struct vq_state st;

	ring_init(8, 0);
	desc(0, 0, 100, WRITE, 0);
	fake_drv_avail(&R.d, 0, 0);
	ck_assert_int_eq(pop(), 1);
	vq_reset(&R.q);
	vq_push(&R.q, &R.c, 1);
	ck_assert_uint_eq(fake_drv_used_idx(&R.d, 0), 0);
	st = fake_drv_state(&R.d, 0);
	ck_assert_int_eq(vq_setup(&R.q, &R.vm.mem, &st), 0);
	vq_push(&R.q, &R.c, 1); /* into the new ring: of an old generation */
	vq_unpop(&R.q, &R.c);
	ck_assert_uint_eq(fake_drv_used_idx(&R.d, 0), 0);
	ck_assert_uint_eq(R.q.st.in_flight, 0);
	ck_assert_uint_eq(R.q.st.last_avail, 0);
	ck_assert(!vq_should_signal(&R.q));
	ring_fini();
}
END_TEST

START_TEST(test_unpop_gives_the_same_chain_again)
{
	ring_init(8, FAKE_EVENT_IDX);
	desc(3, 0, 100, WRITE, 0);
	fake_drv_avail(&R.d, 0, 3);
	ck_assert_int_eq(pop(), 1);
	vq_unpop(&R.q, &R.c);
	ck_assert_uint_eq(R.q.st.in_flight, 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(R.c.head, 3);
	ring_fini();
}
END_TEST

static void pop_and_push(unsigned int n)
{
	while (n-- > 0) {
		fake_drv_avail(&R.d, 0, 0);
		ck_assert_int_eq(pop(), 1);
		vq_push(&R.q, &R.c, 0);
	}
}

START_TEST(test_signal_obeys_the_flag_without_event_index)
{
	ring_init(8, 0);
	desc(0, 0, 1, 0, 0);
	ck_assert(!vq_should_signal(&R.q)); /* nothing was pushed */
	pop_and_push(2);
	ck_assert(vq_should_signal(&R.q));
	ck_assert(!vq_should_signal(&R.q)); /* told once */
	fake_drv_avail_flags(&R.d, 0, VRING_AVAIL_F_NO_INTERRUPT);
	pop_and_push(1);
	ck_assert(!vq_should_signal(&R.q));
	ring_fini();
}
END_TEST

START_TEST(test_signal_obeys_the_event_index)
{
	ring_init(8, FAKE_EVENT_IDX);
	desc(0, 0, 1, 0, 0);
	fake_drv_avail_flags(&R.d, 0, VRING_AVAIL_F_NO_INTERRUPT); /* must be ignored (2.7.7.2) */
	pop_and_push(1);
	ck_assert(vq_should_signal(&R.q)); /* used_event 0: tell me at the first */
	pop_and_push(1);
	ck_assert(!vq_should_signal(&R.q)); /* used_event still 0 */
	fake_drv_used_event(&R.d, 0, 4);
	pop_and_push(2);
	ck_assert(!vq_should_signal(&R.q)); /* used_idx 4: element 4 comes next */
	pop_and_push(3);
	ck_assert(vq_should_signal(&R.q)); /* a batch that passes it */
	fake_drv_used_event(&R.d, 0, 65535);
	pop_and_push(3);
	ck_assert(!vq_should_signal(&R.q));
	ring_fini();
}
END_TEST

START_TEST(test_want_notify_says_when_more_came_meanwhile)
{
	ring_init(8, FAKE_EVENT_IDX);
	desc(0, 0, 1, 0, 0);
	pop_and_push(3);
	ck_assert(!vq_want_notify(&R.q));
	ck_assert_uint_eq(fake_drv_avail_event(&R.d, 0), 3);
	ck_assert_uint_eq(fake_drv_used_flags(&R.d, 0), 0);
	fake_drv_avail(&R.d, 0, 0);
	ck_assert(vq_want_notify(&R.q));
	vq_no_notify(&R.q);
	ck_assert_uint_eq(fake_drv_used_flags(&R.d, 0), 0);
	ring_fini();
}
END_TEST

START_TEST(test_no_notify_sets_the_flag_without_event_index)
{
	ring_init(8, 0);
	vq_no_notify(&R.q);
	ck_assert_uint_eq(fake_drv_used_flags(&R.d, 0), VRING_USED_F_NO_NOTIFY);
	ck_assert(!fake_drv_kick(&R.d, 0));
	ck_assert(!vq_want_notify(&R.q));
	ck_assert_uint_eq(fake_drv_used_flags(&R.d, 0), 0);
	ck_assert_uint_eq(fake_drv_avail_event(&R.d, 0), 0);
	ck_assert(fake_drv_kick(&R.d, 0));
	desc(0, 0, 1, 0, 0);
	fake_drv_avail(&R.d, 0, 0);
	ck_assert(vq_want_notify(&R.q));
	ring_fini();
}
END_TEST

START_TEST(test_a_queue_that_is_not_ready_does_nothing)
{
	struct vq q = { 0 };
	struct vq_chain *c = &R.c;

	c->generation = 0;
	ck_assert_int_eq(vq_pop(&q, c), 0);
	vq_push(&q, c, 1);
	vq_unpop(&q, c);
	ck_assert(!vq_should_signal(&q));
	ck_assert(!vq_want_notify(&q));
	vq_no_notify(&q);
	vq_reset(&q);
	ck_assert_uint_eq(q.generation, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_setup_refuses_a_size_that_is_no_power_of_two_or_too_large,
		test_setup_refuses_misaligned_rings,
		test_setup_refuses_rings_that_leave_memory_by_one_byte,
		test_setup_refuses_a_saved_state_with_more_in_flight_than_descriptors,
		test_a_saved_queue_goes_on_where_it_stopped,
		test_pop_gives_readable_and_writable_parts_inside_memory,
		test_pop_takes_a_chain_as_long_as_the_queue,
		test_pop_and_push_survive_the_wrap_of_the_indices,
		test_pop_follows_an_indirect_table,
		test_an_indirect_table_may_lie_at_any_address_and_be_of_full_length,
		test_a_chain_may_end_in_an_indirect_table,
		test_a_chain_of_exactly_the_byte_limit_is_taken,
		test_pop_refuses_a_head_outside_the_queue,
		test_pop_refuses_a_next_outside_the_queue,
		test_pop_refuses_loops,
		test_pop_refuses_more_available_than_the_queue_has,
		test_pop_refuses_more_in_flight_than_the_queue_has,
		test_pop_refuses_readable_after_writable,
		test_pop_refuses_a_descriptor_of_length_0,
		test_pop_refuses_addresses_that_are_not_memory,
		test_pop_refuses_too_many_bytes,
		test_pop_refuses_indirect_tables_of_a_bad_length,
		test_pop_refuses_an_indirect_table_outside_memory,
		test_pop_refuses_nested_tables_and_indirect_with_next,
		test_pop_refuses_a_table_that_loops_or_points_outside_itself,
		test_pop_refuses_more_segments_than_a_chain_can_hold,
		test_a_broken_queue_stays_broken_until_it_is_set_up_anew,
		test_a_descriptor_changed_under_the_reader_never_leads_outside_memory,
		test_push_writes_the_used_element_then_its_index,
		test_push_after_a_reset_is_dropped,
		test_unpop_gives_the_same_chain_again,
		test_signal_obeys_the_flag_without_event_index,
		test_signal_obeys_the_event_index,
		test_want_notify_says_when_more_came_meanwhile,
		test_no_notify_sets_the_flag_without_event_index,
		test_a_queue_that_is_not_ready_does_nothing,
	};

	return suite_run("vq", tests, ARRAY_SIZE(tests));
}

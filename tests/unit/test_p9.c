// SPDX-License-Identifier: Apache-2.0
/*
 * virtio/p9: a 9p server behind a queue, driven by an honest driver, a hostile one, and from several threads.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/unit/fake/fake_drv.h"
#include "tests/unit/fake/suite.h"
#include "tests/unit/ninep_client.h"
#include "virtio/p9.h"

#define REQ_CAP  8192
#define RESP_CAP 16384

static struct fake_vm vm;
static struct fake_drv drv;
static struct fake_call call;
static struct virtio_p9 *p9;
static struct nc_tree t;

/* The driver's own request and reply buffers */
static struct nc c;

static void up(void)
{
	struct ninep_entry entry;
	struct ninep_config cfg = { .root = NINEP_SYNTHETIC, .entry = &entry, .n = 1 };
	struct ninep *np;
	struct err e;

	log_init("test", "", -1, LOG_ERROR);
	nc_tree_make(&t);
	nc_put_file(t.root, "file", "hello");
	fake_vm_init(&vm, 4 << 20, true);
	entry = (struct ninep_entry){ .fd = fcntl(t.root, F_DUPFD_CLOEXEC, 0) };
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), 0);
	ck_assert_int_eq(virtio_p9_new(&p9, "rootfs", np, &vm.mem, vm.loop, &e), 0);
	ck_assert_int_eq(fake_fill(&vm, 1, virtio_p9_dev(p9)), 0);
	nc_init(&c, NULL);
	fake_call_init(&call, &vm, REQ_CAP, RESP_CAP);
}

static void down(void)
{
	fake_empty(&vm, 1);
	virtio_p9_free(p9);
	fake_vm_fini(&vm);
	nc_fini(&c);
	nc_tree_drop(&t);
}

/* What nc_begin() and so on have built, over the ring: 0 or -errno */
static int send_request(void)
{
	int len;

	wr_patch_u32(&c.w, 0, (uint32_t)c.w.len);
	len = fake_drv_call(&drv, 0, &call, c.req, c.w.len, c.resp, RESP_CAP);
	ck_assert_int_ge(len, P9_HEAD);
	c.resp_len = (size_t)len;
	return nc_answer(&c);
}

static int send_version(void)
{
	nc_begin(&c, P9_TVERSION);
	nc_u32(&c, 65536);
	nc_str(&c, "9P2000.L");
	return send_request();
}

static int send_attach(uint32_t fid)
{
	nc_begin(&c, P9_TATTACH);
	nc_u32(&c, fid);
	nc_u32(&c, P9_NOID);
	nc_str(&c, "");
	nc_str(&c, "");
	nc_u32(&c, 0);
	return send_request();
}

static int send_walk(uint32_t fid, uint32_t newfid, const char *a, const char *b)
{
	nc_begin(&c, P9_TWALK);
	nc_u32(&c, fid);
	nc_u32(&c, newfid);
	nc_u16(&c, b != NULL ? 2 : 1);
	nc_str(&c, a);
	if (b != NULL)
		nc_str(&c, b);
	return send_request();
}

static int send_lopen(uint32_t fid, uint32_t flags)
{
	nc_begin(&c, P9_TLOPEN);
	nc_u32(&c, fid);
	nc_u32(&c, flags);
	return send_request();
}

static void up_session(void)
{
	up();
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 128), 0);
	ck_assert_int_eq(send_version(), 0);
	ck_assert_int_eq(send_attach(0), 0);
}

START_TEST(test_the_device_tells_its_kind_and_tag)
{
	uint8_t config[8];

	up();
	ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_DEVICE_ID, 4), 9);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 128), 0);
	ck_assert_uint_eq(drv.features & 1, 1);
	fake_drv_config(&drv, 0, config, sizeof(config));
	ck_assert_int_eq(memcmp(config, "\6\0rootfs", 8), 0);
	ck_assert_ptr_nonnull(virtio_p9_server(p9));
	down();
}
END_TEST

START_TEST(test_a_tag_has_1_to_32_characters)
{
	char tag[P9_TAG_MAX + 2] = { 0 };
	struct virtio_p9 *none;
	struct err e;

	up();
	ck_assert_int_eq(virtio_p9_new(&none, "", NULL, &vm.mem, vm.loop, &e), -EINVAL);
	memset(tag, 't', P9_TAG_MAX + 1);
	ck_assert_int_eq(virtio_p9_new(&none, tag, NULL, &vm.mem, vm.loop, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "tag"));
	virtio_p9_free(NULL);
	down();
}
END_TEST

START_TEST(test_requests_reach_the_server_and_replies_the_driver)
{
	struct stat st;

	up_session();
	ck_assert_int_eq(send_walk(0, 1, "0", NULL), 0);
	nc_begin(&c, P9_TMKDIR);
	nc_u32(&c, 1);
	nc_str(&c, "made");
	nc_u32(&c, 0755);
	nc_u32(&c, P9_NOID);
	ck_assert_int_eq(send_request(), 0);
	ck_assert_int_eq(fstatat(t.root, "made", &st, 0), 0);
	ck_assert_int_eq(send_walk(0, 2, "0", "nothing"), 0);
	ck_assert_uint_eq(rd_u16(&c.r), 1); /* walked half way */
	ck_assert_int_eq(send_walk(1, 2, "nothing", NULL), -ENOENT);
	ck_assert_uint_ge(fake_irqs(&vm, 1), 1);
	down();
}
END_TEST

static void post_read(uint64_t req, uint64_t resp, uint32_t resp_len, enum fake_how how, unsigned int pieces)
{
	struct fake_buf b[32] = { { req, (uint32_t)c.w.len, false } };
	unsigned int i, n = 1;

	wr_patch_u32(&c.w, 0, (uint32_t)c.w.len);
	memcpy(fake_ptr(&vm, req, c.w.len), c.req, c.w.len);
	for (i = 0; i < pieces; i++) {
		uint32_t from = resp_len * i / pieces, to = resp_len * (i + 1) / pieces;

		b[n++] = (struct fake_buf){ resp + from, to - from, true };
	}
	ck_assert_int_ge(fake_drv_add(&drv, 0, b, n, how), 0);
}

static void begin_read(uint32_t fid, uint64_t off, uint32_t count)
{
	nc_begin(&c, P9_TREAD);
	nc_u32(&c, fid);
	nc_u64(&c, off);
	nc_u32(&c, count);
}

START_TEST(test_data_goes_straight_into_chains_of_many_pieces)
{
	static char text[10001];
	uint64_t req, resp;
	uint32_t len;
	uint16_t head;
	unsigned int i;

	up();
	for (i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 23);
	nc_put_file(t.root, "big", text);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 128), 0);
	ck_assert_int_eq(send_version(), 0);
	ck_assert_int_eq(send_attach(0), 0);
	ck_assert_int_eq(send_walk(0, 1, "0", "big"), 0);
	ck_assert_int_eq(send_lopen(1, 0), 0);
	req = fake_alloc(&vm, 64, 16);
	resp = fake_alloc(&vm, 16384, 16);
	for (i = 1; i < 31; i += 6) {
		begin_read(1, 0, 16000);
		memset(fake_ptr(&vm, resp, 16384), 0, 16384);
		post_read(req, resp, 16384, i % 2 != 0 ? FAKE_TABLE : FAKE_DIRECT, i);
		(void)fake_drv_kick(&drv, 0);
		ck_assert(fake_drv_wait(&drv, 0, &head, &len, 10000));
		ck_assert_uint_eq(len, P9_DATA_HEAD + 10000);
		ck_assert_int_eq(memcmp((char *)fake_ptr(&vm, resp, 16384) + P9_DATA_HEAD, text, 10000), 0);
	}
	down();
}
END_TEST

struct batch {
	uint64_t req, resp;
	unsigned int n;
	unsigned int answered;
};

#define BATCH 64 /* x 2 descriptors = the whole queue */

static void post_batch(struct batch *b, unsigned int n)
{
	unsigned int i;

	b->req = fake_alloc(&vm, (uint64_t)n * 32, 16);
	b->resp = fake_alloc(&vm, (uint64_t)n * 32, 16);
	for (i = 0; i < n; i++) {
		begin_read(1, i % 5, 1);
		post_read(b->req + 32 * i, b->resp + 32 * i, 32, FAKE_TABLE, 1);
	}
	b->n = n;
}

START_TEST(test_more_requests_than_slots_are_all_answered_in_order)
{
	enum { N = 3 * P9_REQUESTS_MAX };
	struct batch b = { 0 };
	unsigned int i;

	up();
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 256), 0);
	ck_assert_int_eq(send_version(), 0);
	ck_assert_int_eq(send_attach(0), 0);
	ck_assert_int_eq(send_walk(0, 1, "0", "file"), 0);
	ck_assert_int_eq(send_lopen(1, 0), 0);
	(void)fake_irqs(&vm, 1);
	fake_drv_want_irq(&drv, 0);
	post_batch(&b, N);
	(void)fake_drv_kick(&drv, 0);
	for (i = 0; i < N; i++) {
		const uint8_t *reply = fake_ptr(&vm, b.resp + 32 * i, 32);
		uint16_t head;
		uint32_t len;

		ck_assert(fake_drv_wait(&drv, 0, &head, &len, 10000));
		ck_assert_uint_eq(len, P9_DATA_HEAD + 1);
		ck_assert_uint_eq(reply[4], P9_TREAD + 1);
		ck_assert_uint_eq(reply[P9_DATA_HEAD], (uint8_t) "hello"[i % 5]);
	}
	ck_assert_uint_ge(fake_irqs(&vm, 1), 1);
	down();
}
END_TEST

START_TEST(test_an_interrupt_comes_for_the_last_of_a_batch)
{
	struct batch b = { 0 };
	unsigned int i, round;
	uint64_t irqs = 0;

	up();
	/* without event index every signal is an interrupt */
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_VERSION_1 | FAKE_INDIRECT | 1, 256), 0);
	ck_assert_int_eq(send_version(), 0);
	ck_assert_int_eq(send_attach(0), 0);
	ck_assert_int_eq(send_walk(0, 1, "0", "file"), 0);
	ck_assert_int_eq(send_lopen(1, 0), 0);
	for (round = 0; round < 5; round++) {
		(void)fake_irqs(&vm, 1);
		post_batch(&b, BATCH);
		(void)fake_drv_kick(&drv, 0);
		for (i = 0; i < BATCH; i++) {
			uint16_t head;
			uint32_t len;

			ck_assert(fake_drv_wait(&drv, 0, &head, &len, 10000));
		}
		irqs = fake_irqs(&vm, 1);
		ck_assert_uint_ge(irqs, 1);
		ck_assert_uint_le(irqs, BATCH);
	}
	down();
}
END_TEST

/* --- a hostile driver --- */

static void expect_needs_reset_then_life(void)
{
	unsigned int i;

	for (i = 0; i < 2000 && !fake_drv_needs_reset(&drv); i++) {
		(void)fake_step(&vm);
		(void)usleep(1000);
	}
	ck_assert(fake_drv_needs_reset(&drv));
	fake_drv_reset(&drv);
	for (i = 0; i < 2000 && fake_drv_status(&drv) != 0; i++) {
		(void)fake_step(&vm);
		(void)usleep(1000);
	}
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 128), 0);
	ck_assert_int_eq(send_version(), 0);
	ck_assert_int_eq(send_attach(0), 0);
}

static void post_raw(uint32_t req_len, uint32_t resp_len)
{
	struct fake_buf b[2];
	unsigned int n = 0;

	if (req_len != 0)
		b[n++] = (struct fake_buf){ call.req_gpa, req_len, false };
	if (resp_len != 0)
		b[n++] = (struct fake_buf){ call.resp_gpa, resp_len, true };
	ck_assert_int_ge(fake_drv_add(&drv, 0, b, n, FAKE_DIRECT), 0);
	(void)fake_drv_kick(&drv, 0);
}

START_TEST(test_a_request_without_a_head_or_a_place_for_the_reply_needs_a_reset)
{
	static const struct {
		uint32_t req, resp;
	} bad[] = { { 6, 100 }, { 0, 100 }, { 20, 0 }, { 20, P9_ERROR_LEN - 1 } };
	size_t i;

	up_session();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		post_raw(bad[i].req, bad[i].resp);
		expect_needs_reset_then_life();
	}
	down();
}
END_TEST

START_TEST(test_a_chain_outside_memory_needs_a_reset)
{
	up_session();
	fake_drv_desc(&drv, 0, 5, 0xffff00000000ULL, 64, 0, 0);
	fake_drv_avail(&drv, 0, 5);
	fake_drv_force_kick(&drv, 0);
	expect_needs_reset_then_life();
	fake_drv_avail(&drv, 0, 4000);
	fake_drv_force_kick(&drv, 0);
	expect_needs_reset_then_life();
	fake_drv_idx(&drv, 0, 9999);
	fake_drv_force_kick(&drv, 0);
	expect_needs_reset_then_life();
	down();
}
END_TEST

START_TEST(test_reset_waits_for_requests_in_progress_and_ends_the_session)
{
	struct batch b = { 0 };
	unsigned int i;

	up_session();
	ck_assert_int_eq(send_walk(0, 1, "0", "file"), 0);
	ck_assert_int_eq(send_lopen(1, 0), 0);
	post_batch(&b, BATCH);
	(void)fake_drv_kick(&drv, 0);
	for (i = 0; i < 100 && fake_step(&vm) == 0; i++)
		; /* the doorbell: requests are with the worker, and cannot come back before the next step */
	fake_drv_reset(&drv);
	ck_assert_uint_ne(fake_drv_status(&drv), 0);
	fake_drv_reg(&drv, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE); /* ignored meanwhile */
	for (i = 0; i < 5000 && fake_drv_status(&drv) != 0; i++) {
		(void)fake_step(&vm);
		(void)usleep(1000);
	}
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
	ck_assert_uint_eq(ninep_usage(virtio_p9_server(p9)).fids, 0);
	ck_assert_uint_eq(ninep_usage(virtio_p9_server(p9)).fds, 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 128), 0);
	ck_assert_int_eq(send_walk(0, 1, "0", "file"), -EPROTO); /* no session */
	ck_assert_int_eq(send_version(), 0);
	ck_assert_int_eq(send_attach(0), 0);
	down();
}
END_TEST

START_TEST(test_a_device_nobody_used_resets_at_once)
{
	up();
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 128), 0);
	fake_drv_reset(&drv);
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
	down();
}
END_TEST

START_TEST(test_a_device_is_freed_with_its_session_open)
{
	up_session();
	ck_assert_int_eq(send_walk(0, 1, "0", "file"), 0);
	ck_assert_int_eq(send_lopen(1, 2), 0);
	down();
}
END_TEST

START_TEST(test_chains_posted_before_driver_ok_are_served)
{
	uint16_t head;
	uint32_t len;

	up();
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	ck_assert_int_eq(fake_drv_features(&drv, FAKE_FEATURES | 1), 0);
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), 0);
	nc_begin(&c, P9_TVERSION);
	nc_u32(&c, 65536);
	nc_str(&c, "9P2000.L");
	post_read(call.req_gpa, call.resp_gpa, 64, FAKE_DIRECT, 1);
	ck_assert_int_eq(fake_drv_ok(&drv), 0);
	ck_assert(fake_drv_wait(&drv, 0, &head, &len, 10000));
	ck_assert_uint_eq(len, 21);
	down();
}
END_TEST

/* --- threads --- */

static void *run_loop(void *arg UNUSED)
{
	return loop_run(vm.loop) == 0 ? &vm : NULL;
}

static atomic_bool over;

/* The control socket's work: entries come while the guest walks them. */
static void *add_entries(void *arg UNUSED)
{
	int i;

	for (i = 1; i < 200; i++) {
		int fd = fcntl(t.root, F_DUPFD_CLOEXEC, 0), r;

		fake_lock(&vm);
		r = ninep_add_entry(virtio_p9_server(p9), fd, i % 2 != 0);
		fake_unlock(&vm);
		NC_CHECK(r == i);
		(void)sched_yield();
	}
	atomic_store(&over, true);
	return NULL;
}

/* A second vcpu that only looks */
static void *look(void *arg UNUSED)
{
	while (!atomic_load(&over)) {
		(void)fake_read(&vm, 1, VIRTIO_MMIO_STATUS, 4);
		(void)fake_read(&vm, 1, VIRTIO_MMIO_CONFIG, 1);
		(void)sched_yield();
	}
	return NULL;
}

/* As send_request(), while the loop runs on its own thread */
static int send_beside_loop(void)
{
	struct fake_buf b[2] = { { call.req_gpa, (uint32_t)c.w.len, false }, { call.resp_gpa, 256, true } };
	uint16_t head;
	uint32_t len;

	wr_patch_u32(&c.w, 0, (uint32_t)c.w.len);
	memcpy(fake_ptr(&vm, call.req_gpa, c.w.len), c.req, c.w.len);
	NC_CHECK(fake_drv_add(&drv, 0, b, 2, FAKE_DIRECT) >= 0);
	(void)fake_drv_kick(&drv, 0);
	while (!fake_drv_used(&drv, 0, &head, &len))
		(void)sched_yield();
	memcpy(c.resp, fake_ptr(&vm, call.resp_gpa, len), len);
	c.resp_len = len;
	return nc_answer(&c);
}

START_TEST(test_entries_are_added_while_the_guest_walks)
{
	pthread_t loop, adder, looker;
	unsigned int found = 0;
	char name[16];

	up_session();
	atomic_store(&over, false);
	ck_assert_int_eq(pthread_create(&loop, NULL, run_loop, NULL), 0);
	ck_assert_int_eq(pthread_create(&adder, NULL, add_entries, NULL), 0);
	ck_assert_int_eq(pthread_create(&looker, NULL, look, NULL), 0);
	while (found < 199) {
		(void)snprintf(name, sizeof(name), "%u", found + 1);
		nc_begin(&c, P9_TWALK);
		nc_u32(&c, 0);
		nc_u32(&c, found + 1);
		nc_u16(&c, 2);
		nc_str(&c, name);
		nc_str(&c, "file");
		if (send_beside_loop() == 0 && rd_u16(&c.r) == 2)
			found++;
	}
	(void)pthread_join(adder, NULL);
	(void)pthread_join(looker, NULL);
	loop_stop(vm.loop);
	(void)pthread_join(loop, NULL);
	down();
}
END_TEST

START_TEST(test_resets_race_with_requests_and_nothing_is_lost)
{
	pthread_t loop;
	unsigned int round;

	up_session();
	ck_assert_int_eq(pthread_create(&loop, NULL, run_loop, NULL), 0);
	for (round = 0; round < 60; round++) {
		struct fake_buf b[2] = { { call.req_gpa, 11, false }, { call.resp_gpa, 256, true } };
		unsigned int i;

		nc_begin(&c, P9_TCLUNK);
		nc_u32(&c, 77);
		wr_patch_u32(&c.w, 0, 11);
		memcpy(fake_ptr(&vm, call.req_gpa, 11), c.req, 11);
		for (i = 0; i < round % 20; i++)
			NC_CHECK(fake_drv_add(&drv, 0, b, 2, FAKE_DIRECT) >= 0);
		(void)fake_drv_kick(&drv, 0);
		fake_drv_reset(&drv);
		while (fake_drv_status(&drv) != 0)
			(void)sched_yield();
		NC_CHECK(fake_drv_probe(&drv, &vm, 1, FAKE_FEATURES | 1, 64) == 0);
		nc_begin(&c, P9_TVERSION);
		nc_u32(&c, 65536);
		nc_str(&c, "9P2000.L");
		NC_CHECK(send_beside_loop() == 0);
	}
	loop_stop(vm.loop);
	(void)pthread_join(loop, NULL);
	down();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_the_device_tells_its_kind_and_tag,
		test_a_tag_has_1_to_32_characters,
		test_requests_reach_the_server_and_replies_the_driver,
		test_data_goes_straight_into_chains_of_many_pieces,
		test_more_requests_than_slots_are_all_answered_in_order,
		test_an_interrupt_comes_for_the_last_of_a_batch,
		test_a_request_without_a_head_or_a_place_for_the_reply_needs_a_reset,
		test_a_chain_outside_memory_needs_a_reset,
		test_reset_waits_for_requests_in_progress_and_ends_the_session,
		test_a_device_nobody_used_resets_at_once,
		test_a_device_is_freed_with_its_session_open,
		test_chains_posted_before_driver_ok_are_served,
		test_entries_are_added_while_the_guest_walks,
		test_resets_race_with_requests_and_nothing_is_lost,
	};

	return suite_run("p9", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * virtio/vsock: the front-end with a fake driver, from rings to unix sockets and back; honest, hostile, and with two
 * vcpu threads beside the loop. The connections' own rules are tested in test_vsock_mux.c.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fake/fake_drv.h"
#include "tests/unit/fake/suite.h"
#include "virtio/vsock.h"
#include "vmm/base/fdio.h"

#define RX       0
#define TX       1
#define CID      42
#define GPORT    1024
#define CONTROL  77
#define HDR      sizeof(struct virtio_vsock_hdr)
#define RX_LEN   (HDR + 4096)
#define TX_LEN   (HDR + VSOCK_BUF_SIZE)
#define TX_SLOTS 8
#define FEATURES (FAKE_FEATURES | 1)

struct rig {
	struct fake_vm vm;
	struct fake_drv drv;
	struct virtio_vsock *v;
	struct sockaddr_un sa;
	int control;
	int fds, vm_fds;              /* before there was anything; with the VM alone */
	uint64_t rx_gpa[VQ_SIZE_MAX]; /* by head */
	uint64_t rx_pool, tx_pool;
	unsigned int tx_next;
	uint32_t alloc, fwd;     /* what the guest says in its packets */
	uint32_t sent, peer_fwd; /* of the one connection with data */
	enum fake_how how;
};

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void rig_init(struct rig *r, bool doorbells)
{
	struct vsock_config cfg = { .cid = CID, .control_port = CONTROL };
	struct err e = { 0 };
	int pair[2];

	*r = (struct rig){ .fds = count_fds(), .alloc = 1 << 18 };
	fake_vm_init(&r->vm, 2 << 20, doorbells);
	r->vm_fds = count_fds();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	r->control = pair[0];
	cfg.control_fd = pair[1];
	cfg.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r->sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(r->sa.sun_path + 1, sizeof(r->sa.sun_path) - 1, "kvmbox-test-vsock-%d", getpid());
	ck_assert_int_eq(bind(cfg.listen_fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	ck_assert_int_eq(listen(cfg.listen_fd, 16), 0);
	ck_assert_msg(virtio_vsock_new(&r->v, &cfg, &r->vm.mem, r->vm.loop, &e) == 0, "%s", e.text);
	ck_assert_int_eq(fake_fill(&r->vm, 0, virtio_vsock_dev(r->v)), 0);
	r->rx_pool = fake_alloc(&r->vm, 64 * RX_LEN, 16);
	r->tx_pool = fake_alloc(&r->vm, TX_SLOTS * TX_LEN, 16);
}

static void rig_fini(struct rig *r)
{
	fake_empty(&r->vm, 0);
	virtio_vsock_free(r->v);
	ck_assert_int_eq(count_fds(), r->vm_fds + 2); /* the control socket's other end, the slot's interrupt */
	fake_vm_fini(&r->vm);
	(void)close(r->control);
	ck_assert_int_eq(count_fds(), r->fds);
}

static void post(struct rig *r, uint64_t gpa, uint32_t len)
{
	struct fake_buf b = { gpa, len, true };
	int head = fake_drv_add(&r->drv, RX, &b, 1, FAKE_DIRECT);

	ck_assert_int_ge(head, 0);
	r->rx_gpa[head] = gpa;
}

static void probe(struct rig *r, uint64_t features, unsigned int buffers)
{
	unsigned int i;

	ck_assert_int_eq(fake_drv_probe(&r->drv, &r->vm, 0, features, 256), 0);
	for (i = 0; i < buffers; i++)
		post(r, r->rx_pool + i * RX_LEN, RX_LEN);
	if (buffers > 0)
		(void)fake_drv_kick(&r->drv, RX);
}

/* Callbacks until none is due */
static void run(struct rig *r)
{
	int i;

	for (i = 0; fake_step(&r->vm) > 0; i++)
		ck_assert_int_lt(i, 10000);
}

static void wire(struct rig *r, struct virtio_vsock_hdr *h, uint16_t op, uint32_t port, uint32_t len)
{
	*h = (struct virtio_vsock_hdr){ .src_cid = CID,
					.dst_cid = 2,
					.src_port = GPORT,
					.dst_port = port,
					.len = len,
					.type = VIRTIO_VSOCK_TYPE_STREAM,
					.op = op,
					.buf_alloc = r->alloc,
					.fwd_cnt = r->fwd };
}

/* One packet: header and payload in buffers of their own, as Linux does. No kick. */
static void put(struct rig *r, const struct virtio_vsock_hdr *h, const void *data, size_t len)
{
	uint64_t gpa = r->tx_pool + (r->tx_next++ % TX_SLOTS) * TX_LEN;
	struct fake_buf b[3] = { { gpa, HDR, false },
				 { gpa + HDR, (uint32_t)(len / 3), false },
				 { gpa + HDR + len / 3, (uint32_t)(len - len / 3), false } };
	struct fake_buf one[2] = { b[0], { gpa + HDR, (uint32_t)len, false } };

	memcpy(fake_ptr(&r->vm, gpa, HDR), h, HDR);
	if (len > 0)
		memcpy(fake_ptr(&r->vm, gpa + HDR, len), data, len);
	ck_assert_int_ge(fake_drv_add(&r->drv, TX, len < 3 ? one : b, len == 0 ? 1 : len < 3 ? 2 : 3, r->how), 0);
}

/* Take back what the device has used; returns how many */
static unsigned int reap(struct rig *r)
{
	unsigned int n = 0;
	uint16_t head;
	uint32_t len;

	while (fake_drv_used(&r->drv, TX, &head, &len)) {
		ck_assert_uint_eq(len, 0);
		n++;
	}
	return n;
}

static void send_op(struct rig *r, uint16_t op, uint32_t port)
{
	struct virtio_vsock_hdr h;

	wire(r, &h, op, port, 0);
	put(r, &h, NULL, 0);
	(void)fake_drv_kick(&r->drv, TX);
	run(r);
	ck_assert_uint_eq(reap(r), 1);
}

static void send_data(struct rig *r, uint32_t port, const void *data, uint32_t len)
{
	struct virtio_vsock_hdr h;

	wire(r, &h, VIRTIO_VSOCK_OP_RW, port, len);
	put(r, &h, data, len);
	(void)fake_drv_kick(&r->drv, TX);
	run(r);
	ck_assert_uint_eq(reap(r), 1);
	r->sent += len;
}

/* The next packet from the device, if any; its buffer goes back at once. */
static bool recv_packet(struct rig *r, struct virtio_vsock_hdr *h, void *data, size_t cap)
{
	uint16_t head;
	uint32_t len;
	uint64_t gpa;

	if (!fake_drv_used(&r->drv, RX, &head, &len))
		return false;
	gpa = r->rx_gpa[head];
	ck_assert_uint_ge(len, HDR);
	memcpy(h, fake_ptr(&r->vm, gpa, HDR), HDR);
	ck_assert_uint_eq(len, HDR + h->len);
	ck_assert_uint_le(h->len, cap);
	if (h->len > 0)
		memcpy(data, fake_ptr(&r->vm, gpa + HDR, h->len), h->len);
	post(r, gpa, RX_LEN);
	(void)fake_drv_kick(&r->drv, RX);
	return true;
}

static void ck_gets(struct rig *r, uint16_t op, uint32_t port)
{
	struct virtio_vsock_hdr h;

	ck_assert_msg(recv_packet(r, &h, NULL, 0), "no packet, op %u expected", op);
	ck_assert_uint_eq(h.op, op);
	ck_assert_uint_eq(h.src_cid, 2);
	ck_assert_uint_eq(h.dst_cid, CID);
	ck_assert_uint_eq(h.src_port, port);
	ck_assert_uint_eq(h.dst_port, GPORT);
	ck_assert_uint_eq(h.type, VIRTIO_VSOCK_TYPE_STREAM);
	ck_assert_uint_eq(h.flags, 0);
	ck_assert(op == VIRTIO_VSOCK_OP_RST || h.buf_alloc == VSOCK_BUF_SIZE);
}

static int dial(struct rig *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	ck_assert_int_eq(write_full(fd, "CONNECT 1024\n", 13), 0);
	return fd;
}

/* A client of the listening socket with its connection open: host port 2^30 */
static int opened(struct rig *r)
{
	char ok[32] = "";
	int fd = dial(r);

	run(r);
	ck_gets(r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30);
	send_op(r, VIRTIO_VSOCK_OP_RESPONSE, 1 << 30);
	ck_assert_int_eq(recv(fd, ok, sizeof(ok) - 1, MSG_DONTWAIT), 14);
	ck_assert_str_eq(ok, "OK 1073741824\n");
	return fd;
}

static void ck_closed(int fd)
{
	char c;

	ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

static void ck_broken(struct rig *r)
{
	uint16_t head;
	uint32_t len;
	int fd;

	run(r);
	ck_assert(fake_drv_needs_reset(&r->drv));
	/* the rings are left alone from now on */
	fd = dial(r);
	run(r);
	ck_assert(!fake_drv_used(&r->drv, RX, &head, &len));
	(void)close(fd);
	run(r);
	/* and comes back after a reset */
	fake_drv_reset(&r->drv);
	ck_assert_uint_eq(fake_drv_status(&r->drv), 0);
	probe(r, FEATURES, 4);
	send_op(r, VIRTIO_VSOCK_OP_RW, 5);
	ck_gets(r, VIRTIO_VSOCK_OP_RST, 5);
}

/* --- the parser --- */

START_TEST(test_parse_fails_on_every_prefix_and_on_a_length_past_the_chain)
{
	struct virtio_vsock_hdr w = { .src_cid = 1ULL << 40 | 3,
				      .dst_cid = 2,
				      .src_port = 0x01020304,
				      .dst_port = 7,
				      .len = 5,
				      .type = 1,
				      .op = 5,
				      .flags = 3,
				      .buf_alloc = 9,
				      .fwd_cnt = 0xfffffff0 };
	uint8_t buf[HDR + 5];
	struct vsock_hdr_host h;
	struct iovec v[2];
	struct giov g;
	size_t n;

	memcpy(buf, &w, HDR);
	memset(buf + HDR, 0x5a, 5);
	for (n = 0; n <= sizeof(buf); n++) {
		v[0] = (struct iovec){ buf, n / 2 };
		v[1] = (struct iovec){ buf + n / 2, n - n / 2 };
		g = giov_init(v, 2);
		ck_assert_int_eq(vsock_parse(&g, &h), n == sizeof(buf) ? 0 : -EPROTO);
	}
	ck_assert_uint_eq(g.left, 5);
	ck_assert_uint_eq(h.src_cid, 1ULL << 40 | 3);
	ck_assert_uint_eq(h.dst_cid, 2);
	ck_assert_uint_eq(h.src_port, 0x01020304);
	ck_assert_uint_eq(h.dst_port, 7);
	ck_assert_uint_eq(h.len, 5);
	ck_assert_uint_eq(h.type, 1);
	ck_assert_uint_eq(h.op, 5);
	ck_assert_uint_eq(h.flags, 3);
	ck_assert_uint_eq(h.buf_alloc, 9);
	ck_assert_uint_eq(h.fwd_cnt, 0xfffffff0);
	w.len = UINT32_MAX;
	memcpy(buf, &w, HDR);
	v[0] = (struct iovec){ buf, sizeof(buf) };
	g = giov_init(v, 1);
	ck_assert_int_eq(vsock_parse(&g, &h), -EPROTO);
}
END_TEST

/* --- honest --- */

START_TEST(test_the_device_says_what_it_is)
{
	struct virtio_vsock_config c;
	struct rig r;

	rig_init(&r, true);
	probe(&r, ~0ULL & ~(1ULL << 33), 0);
	ck_assert_uint_eq(fake_drv_get(&r.drv, VIRTIO_MMIO_DEVICE_ID), 19);
	ck_assert_uint_eq(r.drv.nqueues, 3);
	ck_assert_uint_eq(r.drv.q[RX].size, 64);
	ck_assert_uint_eq(r.drv.features, FEATURES);
	fake_drv_config(&r.drv, 0, &c, sizeof(c));
	ck_assert_uint_eq(c.guest_cid, CID);
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_flow_both_ways_with_every_kind_of_ring)
{
	static const uint64_t features[] = { FAKE_VERSION_1, FAKE_VERSION_1 | FAKE_EVENT_IDX,
					     FAKE_VERSION_1 | FAKE_INDIRECT, FEATURES };
	struct virtio_vsock_hdr h;
	char buf[4096];
	struct rig r;
	size_t i;
	int fd, bells;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		for (bells = 0; bells < 2; bells++) {
			rig_init(&r, bells != 0);
			r.how = (features[i] & FAKE_INDIRECT) != 0 ? FAKE_TABLE : FAKE_DIRECT;
			probe(&r, features[i], 8);
			fake_drv_want_irq(&r.drv, RX);
			fd = opened(&r);
			ck_assert_uint_gt(fake_irqs(&r.vm, 0), 0);
			ck_assert_int_eq(write_full(fd, "to the guest", 12), 0);
			run(&r);
			ck_assert(recv_packet(&r, &h, buf, sizeof(buf)));
			ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RW);
			ck_assert_uint_eq(h.len, 12);
			ck_assert_int_eq(memcmp(buf, "to the guest", 12), 0);
			send_data(&r, 1 << 30, "to the host", 11);
			ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 11);
			ck_assert_int_eq(memcmp(buf, "to the host", 11), 0);
			(void)close(fd);
			rig_fini(&r);
		}
	}
}
END_TEST

START_TEST(test_a_connect_before_the_driver_comes_is_held_until_it_has_buffers)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	fd = dial(&r);
	run(&r);
	probe(&r, FEATURES, 0);
	run(&r);
	post(&r, r.rx_pool, RX_LEN);
	(void)fake_drv_kick(&r.drv, RX);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_buffers_and_packets_posted_before_driver_ok_are_found_without_a_kick)
{
	struct virtio_vsock_hdr h;
	struct rig r;
	unsigned int q;

	rig_init(&r, true);
	ck_assert_int_eq(fake_drv_init(&r.drv, &r.vm, 0), 0);
	ck_assert_int_eq(fake_drv_features(&r.drv, FEATURES), 0);
	for (q = 0; q < 3; q++)
		ck_assert_int_eq(fake_drv_queue(&r.drv, q, 16), 0);
	post(&r, r.rx_pool, RX_LEN);
	wire(&r, &h, VIRTIO_VSOCK_OP_REQUEST, CONTROL, 0);
	put(&r, &h, NULL, 0);
	ck_assert_int_eq(fake_drv_ok(&r.drv), 0);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_RESPONSE, CONTROL);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_buffer_that_was_not_needed_is_kept_for_the_next_packet)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 0);
	/* in the queue for the guest, but gone when there is room */
	fd = dial(&r);
	run(&r);
	(void)close(fd);
	run(&r);
	post(&r, r.rx_pool, RX_LEN);
	(void)fake_drv_kick(&r.drv, RX);
	run(&r);
	fd = dial(&r);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30 | 1 << 10);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_each_direction_interrupts_when_asked_to)
{
	struct virtio_vsock_hdr h;
	struct rig r;
	int fd, events;

	for (events = 0; events < 2; events++) {
		rig_init(&r, true);
		probe(&r, events != 0 ? FEATURES : FAKE_VERSION_1, 8);
		fd = opened(&r);
		fake_drv_no_irq(&r.drv, TX);
		fake_drv_want_irq(&r.drv, RX);
		(void)fake_irqs(&r.vm, 0);
		ck_assert_int_eq(write_full(fd, "data", 4), 0);
		run(&r);
		ck_assert_uint_eq(fake_irqs(&r.vm, 0), 1);
		fake_drv_no_irq(&r.drv, RX);
		fake_drv_want_irq(&r.drv, TX);
		wire(&r, &h, VIRTIO_VSOCK_OP_RST, 9, 0); /* needs no answer */
		put(&r, &h, NULL, 0);
		(void)fake_drv_kick(&r.drv, TX);
		run(&r);
		ck_assert_uint_eq(fake_irqs(&r.vm, 0), 1);
		(void)close(fd);
		rig_fini(&r);
	}
}
END_TEST

START_TEST(test_a_batch_that_uses_up_the_receive_ring_goes_on_at_the_next_buffer)
{
	struct virtio_vsock_hdr h;
	static char buf[RX_LEN];
	unsigned int i;
	uint16_t head;
	uint32_t len;
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	fd = opened(&r);
	ck_assert(!recv_packet(&r, &h, NULL, 0));
	/* its buffer first, then 63 more of 100 bytes: filled in one batch, which asks for no notification */
	for (i = 0; i < 63; i++)
		post(&r, r.rx_pool + (i + 1) * RX_LEN, HDR + 100);
	(void)fake_drv_kick(&r.drv, RX);
	memset(buf, 'x', sizeof(buf));
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(write_full(fd, buf, RX_LEN), 0);
	run(&r);
	for (i = 0; i < 64; i++)
		ck_assert(fake_drv_used(&r.drv, RX, &head, &len));
	for (i = 0; i < 10; i++) {
		post(&r, r.rx_pool, HDR + 100);
		(void)fake_drv_kick(&r.drv, RX);
		run(&r);
		ck_assert(fake_drv_used(&r.drv, RX, &head, &len) && len == HDR + 100);
	}
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_event_queue_is_left_alone)
{
	struct fake_buf b;
	uint16_t head;
	uint32_t len;
	struct rig r;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	b = (struct fake_buf){ r.tx_pool, 4, true };
	ck_assert_int_ge(fake_drv_add(&r.drv, 2, &b, 1, FAKE_DIRECT), 0);
	fake_drv_force_kick(&r.drv, 2);
	run(&r);
	ck_assert(!fake_drv_used(&r.drv, 2, &head, &len));
	ck_assert(!fake_drv_needs_reset(&r.drv));
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_flood_of_packets_is_taken_in_batches_and_none_is_forgotten)
{
	struct virtio_vsock_hdr h;
	unsigned int got = 0, i, n;
	struct rig r;

	rig_init(&r, true);
	probe(&r, FEATURES, 32);
	for (i = 0; i < 64; i++) {
		wire(&r, &h, VIRTIO_VSOCK_OP_RW, 4000 + i, 0);
		put(&r, &h, NULL, 0);
		/* the pool's slots are reused, so send before they come round */
		if (i % TX_SLOTS == TX_SLOTS - 1) {
			(void)fake_drv_kick(&r.drv, TX);
			run(&r);
			ck_assert_uint_eq(reap(&r), TX_SLOTS);
		}
	}
	run(&r);
	while (recv_packet(&r, &h, NULL, 0)) {
		ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RST);
		ck_assert_uint_eq(h.src_port, 4000 + got++);
		run(&r);
	}
	ck_assert_uint_eq(got, 64);
	/* full rings, each a whole batch (of equal packets: the pool's slots come round); single ones between are
	 * kicked */
	for (i = 0; i < 6; i++) {
		for (n = 0; n < (i % 2 == 0 ? 64 : 1); n++) {
			wire(&r, &h, VIRTIO_VSOCK_OP_RST, 9, 0);
			put(&r, &h, NULL, 0);
		}
		(void)fake_drv_kick(&r.drv, TX);
		run(&r);
		ck_assert_uint_eq(reap(&r), n);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_stream_larger_than_a_batch_reaches_the_guest_whole)
{
	enum { TOTAL = 400 * 1024 };
	static uint8_t data[TOTAL], buf[4096];
	struct virtio_vsock_hdr h;
	uint32_t got = 0, said = 0;
	struct rig r;
	ssize_t n;
	int fd;

	rig_init(&r, true);
	r.alloc = 1 << 20;
	probe(&r, FEATURES, 64);
	for (n = 0; n < TOTAL; n++)
		data[n] = (uint8_t)(n * 7 >> 2);
	fd = opened(&r);
	while (got < TOTAL) {
		n = send(fd, data + said, TOTAL - said, MSG_DONTWAIT);
		said += n > 0 ? (uint32_t)n : 0;
		run(&r);
		while (recv_packet(&r, &h, buf, sizeof(buf))) {
			ck_assert_int_eq(memcmp(buf, data + got, h.len), 0);
			got += h.len;
		}
	}
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_megabyte_each_way_in_random_pieces_with_a_slow_reader_and_few_buffers)
{
	enum { TOTAL = 1 << 20 };
	static uint8_t up[TOTAL], down[TOTAL], buf[8192];
	uint32_t heard = 0, said = 0, taken = 0, len;
	struct virtio_vsock_hdr h;
	struct rig r;
	ssize_t n;
	int fd, i;

	srandom(11);
	for (i = 0; i < TOTAL; i++) {
		up[i] = (uint8_t)random();
		down[i] = (uint8_t)random();
	}
	rig_init(&r, true);
	r.how = FAKE_TABLE;
	r.alloc = 20000;
	probe(&r, FEATURES, 3);
	fd = opened(&r);
	r.sent = 0;
	while (heard < TOTAL || taken < TOTAL) {
		len = (uint32_t)min_size((size_t)random() % 20000, VSOCK_BUF_SIZE - (r.sent - r.peer_fwd));
		len = (uint32_t)min_size(len, TOTAL - r.sent);
		if (len > 0)
			send_data(&r, 1 << 30, up + r.sent, len);
		n = recv(fd, buf, (size_t)random() % sizeof(buf) + 1, MSG_DONTWAIT);
		ck_assert(n > 0 || (n < 0 && errno == EAGAIN));
		ck_assert(n < 0 || memcmp(buf, up + heard, (size_t)n) == 0);
		heard += n > 0 ? (uint32_t)n : 0;
		len = (uint32_t)min_size((size_t)random() % 7000 + 1, TOTAL - said);
		n = said < TOTAL ? send(fd, down + said, len, MSG_DONTWAIT) : 0;
		said += n > 0 ? (uint32_t)n : 0;
		run(&r);
		if (!recv_packet(&r, &h, buf, sizeof(buf)))
			continue;
		r.peer_fwd = h.fwd_cnt;
		ck_assert_int_eq(memcmp(buf, down + taken, h.len), 0);
		taken += h.len;
		r.fwd = taken;
		if (h.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
			send_op(&r, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1 << 30);
	}
	ck_assert_uint_eq(r.sent, TOTAL);
	ck_assert_uint_eq(taken, TOTAL);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_without_buffers_nothing_spins_and_the_next_buffer_goes_on)
{
	struct virtio_vsock_hdr h;
	char buf[4096];
	struct rig r;
	int fd, i;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	fd = opened(&r);
	/* take the only buffer away: receive without posting again */
	ck_assert_int_eq(write_full(fd, "one", 3), 0);
	run(&r);
	ck_assert_int_eq(write_full(fd, "two", 3), 0);
	run(&r);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(fake_step(&r.vm), 0);
	ck_assert(recv_packet(&r, &h, buf, sizeof(buf)) && h.len == 3 && memcmp(buf, "one", 3) == 0);
	run(&r);
	ck_assert(recv_packet(&r, &h, buf, sizeof(buf)) && h.len == 3 && memcmp(buf, "two", 3) == 0);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

/* --- reset --- */

START_TEST(test_a_reset_with_data_in_flight_closes_clients_and_the_device_starts_afresh)
{
	char byte;
	struct rig r;
	int fd, next;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fd = opened(&r);
	send_op(&r, VIRTIO_VSOCK_OP_REQUEST, CONTROL);
	ck_gets(&r, VIRTIO_VSOCK_OP_RESPONSE, CONTROL);
	ck_assert_int_eq(write_full(fd, "in flight", 9), 0);
	send_data(&r, 1 << 30, "taken", 5);
	next = dial(&r); /* not accepted yet */
	fake_drv_reset(&r.drv);
	ck_assert_uint_eq(fake_drv_status(&r.drv), 0);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	ck_closed(r.control);
	run(&r);
	probe(&r, FEATURES, 4);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30 | 1 << 10 | 1);
	send_op(&r, VIRTIO_VSOCK_OP_REQUEST, CONTROL);
	ck_gets(&r, VIRTIO_VSOCK_OP_RST, CONTROL);
	ck_assert_uint_eq(vsock_mux_unflushed(virtio_vsock_mux(r.v)), 0);
	(void)close(fd);
	(void)close(next);
	rig_fini(&r);
}
END_TEST

START_TEST(test_an_emptied_slot_leaves_held_clients_to_the_next_driver)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fake_empty(&r.vm, 0);
	fd = dial(&r);
	run(&r);
	ck_assert_int_eq(fake_fill(&r.vm, 0, virtio_vsock_dev(r.v)), 0);
	probe(&r, FEATURES, 4);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

/* --- hostile --- */

START_TEST(test_a_packet_shorter_than_a_header_needs_a_reset_and_ends_the_connections)
{
	struct fake_buf b;
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fd = opened(&r);
	b = (struct fake_buf){ r.tx_pool, HDR - 1, false };
	ck_assert_int_ge(fake_drv_add(&r.drv, TX, &b, 1, FAKE_DIRECT), 0);
	(void)fake_drv_kick(&r.drv, TX);
	run(&r);
	ck_closed(fd);
	ck_broken(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_length_past_the_chain_needs_a_reset)
{
	static const uint32_t lens[] = { 6, VSOCK_BUF_SIZE, 0x7fffffff, UINT32_MAX };
	struct virtio_vsock_hdr h;
	struct rig r;
	size_t i;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		wire(&r, &h, VIRTIO_VSOCK_OP_RW, 5, lens[i]);
		put(&r, &h, "12345", 5);
		(void)fake_drv_kick(&r.drv, TX);
		ck_broken(&r);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_behind_the_length_are_ignored)
{
	struct virtio_vsock_hdr h;
	char buf[16] = "";
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fd = opened(&r);
	wire(&r, &h, VIRTIO_VSOCK_OP_RW, 1 << 30, 3);
	put(&r, &h, "abcdef", 6);
	(void)fake_drv_kick(&r.drv, TX);
	run(&r);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 3);
	ck_assert_str_eq(buf, "abc");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_receive_buffer_without_room_for_a_byte_needs_a_reset)
{
	static const uint32_t lens[] = { 1, HDR - 1, HDR };
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, true);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		probe(&r, FEATURES, 0);
		post(&r, r.rx_pool, lens[i]);
		(void)fake_drv_kick(&r.drv, RX);
		fd = dial(&r);
		run(&r);
		ck_assert(fake_drv_needs_reset(&r.drv));
		(void)close(fd);
		run(&r);
		fake_drv_reset(&r.drv);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_receive_buffer_of_one_byte_carries_one_byte)
{
	struct virtio_vsock_hdr h;
	char buf[4];
	struct rig r;
	uint16_t head;
	uint32_t len;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	fd = opened(&r);
	ck_assert_int_eq(write_full(fd, "xyz", 3), 0);
	run(&r);
	ck_assert(recv_packet(&r, &h, buf, sizeof(buf)));
	post(&r, r.rx_pool + RX_LEN, HDR + 1);
	(void)fake_drv_kick(&r.drv, RX);
	run(&r);
	ck_assert_int_eq(write_full(fd, "12", 2), 0);
	run(&r);
	ck_assert(fake_drv_used(&r.drv, RX, &head, &len) && len == HDR + 2);
	ck_assert_int_eq(write_full(fd, "12", 2), 0);
	run(&r);
	ck_assert(fake_drv_used(&r.drv, RX, &head, &len) && len == HDR + 1);
	ck_assert(!fake_drv_needs_reset(&r.drv));
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_broken_rings_need_a_reset)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fake_drv_avail(&r.drv, TX, 200);
	fake_drv_force_kick(&r.drv, TX);
	ck_broken(&r);
	/* a bad receive ring shows when there is something to receive */
	fake_drv_reset(&r.drv);
	probe(&r, FEATURES, 0);
	fake_drv_avail(&r.drv, RX, 200);
	fake_drv_force_kick(&r.drv, RX);
	run(&r);
	ck_assert(!fake_drv_needs_reset(&r.drv));
	fd = dial(&r);
	ck_broken(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_cycling_through_ports_leaves_nothing_behind)
{
	struct virtio_vsock_hdr h;
	struct rig r;
	uint32_t i;

	rig_init(&r, true);
	probe(&r, FEATURES, 16);
	for (i = 0; i < 3000; i++) {
		wire(&r, &h, VIRTIO_VSOCK_OP_REQUEST, 100 + i, 0);
		h.src_port = i;
		put(&r, &h, NULL, 0);
		(void)fake_drv_kick(&r.drv, TX);
		run(&r);
		ck_assert_uint_eq(reap(&r), 1);
		ck_assert(recv_packet(&r, &h, NULL, 0));
		ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RST);
	}
	ck_assert(!recv_packet(&r, &h, NULL, 0));
	rig_fini(&r);
}
END_TEST

/* --- two vcpus, the loop, a client --- */

#define RACE_TOTAL (256u * 1024)

struct race {
	struct rig r;
	uint32_t guest_taken;  /* atomic: by the rx vcpu, told by the tx vcpu */
	uint32_t host_fwd;     /* atomic: seen by the rx vcpu, heeded by the tx vcpu */
	bool open;             /* atomic: RESPONSE seen */
	bool rx_done, tx_done; /* atomic */
	uint32_t bad;          /* atomic: bytes that were wrong */
};

static uint8_t race_byte(uint32_t i, bool up)
{
	return (uint8_t)((i * 13 >> 1) ^ (up ? 0x55 : 0));
}

static void *race_loop(void *arg)
{
	struct race *x = arg;

	return loop_run(x->r.vm.loop) == 0 ? NULL : arg;
}

/* One packet on the tx queue, waiting for its descriptors */
static void race_put(struct race *x, struct fake_drv *drv, uint16_t op, const uint8_t *data, uint32_t len)
{
	uint64_t gpa = x->r.tx_pool;
	struct fake_buf b[2] = { { gpa, HDR, false }, { gpa + HDR, len, false } };
	struct virtio_vsock_hdr h;
	uint16_t head;
	uint32_t used;

	wire(&x->r, &h, op, CONTROL, len);
	h.fwd_cnt = __atomic_load_n(&x->guest_taken, __ATOMIC_ACQUIRE);
	memcpy(fake_ptr(&x->r.vm, gpa, HDR), &h, HDR);
	if (len > 0)
		memcpy(fake_ptr(&x->r.vm, gpa + HDR, len), data, len);
	(void)!fake_drv_add(drv, TX, b, len > 0 ? 2 : 1, FAKE_TABLE);
	(void)fake_drv_kick(drv, TX);
	while (!fake_drv_used(drv, TX, &head, &used))
		(void)usleep(50);
}

static void *race_tx(void *arg)
{
	struct race *x = arg;
	struct fake_drv drv;
	uint8_t data[8192];
	uint32_t sent = 0, i;

	fake_drv_attach(&drv, &x->r.drv);
	race_put(x, &drv, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	while (!__atomic_load_n(&x->open, __ATOMIC_ACQUIRE))
		(void)usleep(50);
	while (sent < RACE_TOTAL || !__atomic_load_n(&x->rx_done, __ATOMIC_ACQUIRE)) {
		uint32_t free = VSOCK_BUF_SIZE - (sent - __atomic_load_n(&x->host_fwd, __ATOMIC_ACQUIRE));
		uint32_t len = (uint32_t)min_size(min_size(free, sizeof(data)), RACE_TOTAL - sent);

		for (i = 0; i < len; i++)
			data[i] = race_byte(sent + i, true);
		race_put(x, &drv, len > 0 ? VIRTIO_VSOCK_OP_RW : VIRTIO_VSOCK_OP_CREDIT_UPDATE, data, len);
		sent += len;
		if (sent == RACE_TOTAL)
			__atomic_store_n(&x->tx_done, true, __ATOMIC_RELAXED);
		(void)fake_drv_get(&drv, VIRTIO_MMIO_DEVICE_ID);
		if (len == 0)
			(void)usleep(200);
	}
	return NULL;
}

static void race_take(struct race *x, const struct virtio_vsock_hdr *h, const uint8_t *data)
{
	uint32_t taken = x->guest_taken, i;

	for (i = 0; i < h->len; i++)
		if (data[i] != race_byte(taken + i, false))
			__atomic_fetch_add(&x->bad, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&x->guest_taken, taken + h->len, __ATOMIC_RELEASE);
	__atomic_store_n(&x->host_fwd, h->fwd_cnt, __ATOMIC_RELEASE);
	if (h->op == VIRTIO_VSOCK_OP_RESPONSE)
		__atomic_store_n(&x->open, true, __ATOMIC_RELEASE);
	if (taken + h->len == RACE_TOTAL)
		__atomic_store_n(&x->rx_done, true, __ATOMIC_RELEASE);
}

/* Goes on until the guest's bytes are sent too: their credit comes through here. */
static void *race_rx(void *arg)
{
	struct race *x = arg;
	struct virtio_vsock_hdr h;
	struct fake_drv *drv = &x->r.drv;
	uint8_t config[8];
	uint16_t head;
	uint32_t len;

	while (!__atomic_load_n(&x->rx_done, __ATOMIC_RELAXED) || !__atomic_load_n(&x->tx_done, __ATOMIC_RELAXED)) {
		if (!fake_drv_used(drv, RX, &head, &len)) {
			fake_drv_config(drv, 0, config, sizeof(config));
			(void)usleep(50);
			continue;
		}
		memcpy(&h, fake_ptr(&x->r.vm, x->r.rx_gpa[head], HDR), HDR);
		race_take(x, &h, fake_ptr(&x->r.vm, x->r.rx_gpa[head] + HDR, RX_LEN - HDR));
		post(&x->r, x->r.rx_gpa[head], RX_LEN);
		(void)fake_drv_kick(drv, RX);
	}
	return NULL;
}

/* The client, in the test's thread: writes and reads all it can. */
static void race_host(struct race *x)
{
	static uint8_t buf[RACE_TOTAL];
	uint32_t said = 0, heard = 0, i;
	uint8_t got[4096];

	for (i = 0; i < RACE_TOTAL; i++)
		buf[i] = race_byte(i, false);
	while (said < RACE_TOTAL || heard < RACE_TOTAL) {
		struct pollfd p = { .fd = x->r.control, .events = (short)(POLLIN | (said < RACE_TOTAL ? POLLOUT : 0)) };
		ssize_t n;

		ck_assert_int_gt(poll(&p, 1, 20000), 0);
		n = said < RACE_TOTAL ? send(p.fd, buf + said, min_size(5000, RACE_TOTAL - said), MSG_DONTWAIT) : 0;
		said += n > 0 ? (uint32_t)n : 0;
		n = recv(p.fd, got, sizeof(got), MSG_DONTWAIT);
		for (i = 0; n > 0 && i < (uint32_t)n; i++)
			ck_assert_uint_eq(got[i], race_byte(heard + i, true));
		heard += n > 0 ? (uint32_t)n : 0;
	}
}

START_TEST(test_two_vcpus_and_the_loop_move_data_both_ways_and_a_reset_comes_between)
{
	static struct race x;
	pthread_t loop, tx, rx;
	void *failed;

	rig_init(&x.r, true);
	x.r.alloc = 16384;
	probe(&x.r, FEATURES, 16);
	ck_assert_int_eq(pthread_create(&loop, NULL, race_loop, &x), 0);
	ck_assert_int_eq(pthread_create(&tx, NULL, race_tx, &x), 0);
	ck_assert_int_eq(pthread_create(&rx, NULL, race_rx, &x), 0);
	race_host(&x);
	(void)pthread_join(tx, NULL);
	(void)pthread_join(rx, NULL);
	ck_assert_uint_eq(x.bad, 0);
	/* more for the guest, whose driver resets the device from this vcpu while the loop delivers */
	ck_assert_int_eq(write_full(x.r.control, "late", 4), 0);
	fake_drv_reset(&x.r.drv);
	ck_assert_uint_eq(fake_drv_status(&x.r.drv), 0);
	loop_stop(x.r.vm.loop);
	(void)pthread_join(loop, &failed);
	ck_assert_ptr_null(failed);
	ck_closed(x.r.control);
	rig_fini(&x.r);
}
END_TEST

/* --- set-up --- */

START_TEST(test_a_bad_configuration_leaves_nothing_behind)
{
	struct vsock_config cfg = { .cid = 1, .listen_fd = -1, .control_fd = -1 };
	struct err e = { 0 };
	struct virtio_vsock *v;
	int fds = count_fds(), vm_fds;
	struct fake_vm vm;

	fake_vm_init(&vm, 1 << 20, true);
	vm_fds = count_fds();
	ck_assert_int_eq(virtio_vsock_new(&v, &cfg, &vm.mem, vm.loop, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "CID 1"));
	ck_assert_int_eq(count_fds(), vm_fds);
	virtio_vsock_free(NULL);
	fake_vm_fini(&vm);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_parse_fails_on_every_prefix_and_on_a_length_past_the_chain,
		test_the_device_says_what_it_is,
		test_bytes_flow_both_ways_with_every_kind_of_ring,
		test_a_connect_before_the_driver_comes_is_held_until_it_has_buffers,
		test_buffers_and_packets_posted_before_driver_ok_are_found_without_a_kick,
		test_a_buffer_that_was_not_needed_is_kept_for_the_next_packet,
		test_each_direction_interrupts_when_asked_to,
		test_a_batch_that_uses_up_the_receive_ring_goes_on_at_the_next_buffer,
		test_the_event_queue_is_left_alone,
		test_a_flood_of_packets_is_taken_in_batches_and_none_is_forgotten,
		test_a_stream_larger_than_a_batch_reaches_the_guest_whole,
		test_a_megabyte_each_way_in_random_pieces_with_a_slow_reader_and_few_buffers,
		test_without_buffers_nothing_spins_and_the_next_buffer_goes_on,
		test_a_reset_with_data_in_flight_closes_clients_and_the_device_starts_afresh,
		test_an_emptied_slot_leaves_held_clients_to_the_next_driver,
		test_a_packet_shorter_than_a_header_needs_a_reset_and_ends_the_connections,
		test_a_length_past_the_chain_needs_a_reset,
		test_bytes_behind_the_length_are_ignored,
		test_a_receive_buffer_without_room_for_a_byte_needs_a_reset,
		test_a_receive_buffer_of_one_byte_carries_one_byte,
		test_broken_rings_need_a_reset,
		test_cycling_through_ports_leaves_nothing_behind,
		test_two_vcpus_and_the_loop_move_data_both_ways_and_a_reset_comes_between,
		test_a_bad_configuration_leaves_nothing_behind,
	};

	return suite_run("vsock", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A guest with a vsock device for tests: fake machine, fake driver, host clients.
 */
#ifndef KVMBOX_TEST_VSOCK_GUEST_H
#define KVMBOX_TEST_VSOCK_GUEST_H

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

static inline int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static inline void rig_init(struct rig *r, bool doorbells)
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

static inline void rig_fini(struct rig *r)
{
	fake_empty(&r->vm, 0);
	virtio_vsock_free(r->v);
	ck_assert_int_eq(count_fds(), r->vm_fds + 2); /* the control socket's other end, the slot's interrupt */
	fake_vm_fini(&r->vm);
	(void)close(r->control);
	ck_assert_int_eq(count_fds(), r->fds);
}

static inline void post(struct rig *r, uint64_t gpa, uint32_t len)
{
	struct fake_buf b = { gpa, len, true };
	int head = fake_drv_add(&r->drv, RX, &b, 1, FAKE_DIRECT);

	ck_assert_int_ge(head, 0);
	r->rx_gpa[head] = gpa;
}

static inline void probe(struct rig *r, uint64_t features, unsigned int buffers)
{
	unsigned int i;

	ck_assert_int_eq(fake_drv_probe(&r->drv, &r->vm, 0, features, 256), 0);
	for (i = 0; i < buffers; i++)
		post(r, r->rx_pool + i * RX_LEN, RX_LEN);
	if (buffers > 0)
		(void)fake_drv_kick(&r->drv, RX);
}

/* Callbacks until none is due */
static inline void run(struct rig *r)
{
	int i;

	for (i = 0; fake_step(&r->vm) > 0; i++)
		ck_assert_int_lt(i, 10000);
}

static inline void wire(struct rig *r, struct virtio_vsock_hdr *h, uint16_t op, uint32_t port, uint32_t len)
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
static inline void put(struct rig *r, const struct virtio_vsock_hdr *h, const void *data, size_t len)
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
static inline unsigned int reap(struct rig *r)
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

static inline void send_op(struct rig *r, uint16_t op, uint32_t port)
{
	struct virtio_vsock_hdr h;

	wire(r, &h, op, port, 0);
	put(r, &h, NULL, 0);
	(void)fake_drv_kick(&r->drv, TX);
	run(r);
	ck_assert_uint_eq(reap(r), 1);
}

static inline void send_data(struct rig *r, uint32_t port, const void *data, uint32_t len)
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
static inline bool recv_packet(struct rig *r, struct virtio_vsock_hdr *h, void *data, size_t cap)
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

static inline void ck_gets(struct rig *r, uint16_t op, uint32_t port)
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

static inline int dial(struct rig *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	ck_assert_int_eq(write_full(fd, "CONNECT 1024\n", 13), 0);
	return fd;
}

/* A client of the listening socket with its connection open: host port 2^30 */
static inline int opened(struct rig *r)
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

static inline void ck_closed(int fd)
{
	char c;

	ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

static inline void ck_broken(struct rig *r)
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

#endif

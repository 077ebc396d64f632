// SPDX-License-Identifier: Apache-2.0
/*
 * A vsock mux on its own for tests: packets by hand, no rings. Time comes by hand too (vsock_mux_tick()). Tests look
 * into struct vsock_mux where a state must be forced (counters near their wrap).
 */
#ifndef KVMBOX_TEST_VSOCK_RIG_H
#define KVMBOX_TEST_VSOCK_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/vsock_conn.h"
#include "tests/unit/fake/suite.h"
#include "vmm/base/fdio.h"

#define CID     5
#define GPORT   1024
#define CONTROL 77
#define OPENED  1024 /* the guest's buffer, as opened() says it */

#define OP_REQUEST  VIRTIO_VSOCK_OP_REQUEST
#define OP_RESPONSE VIRTIO_VSOCK_OP_RESPONSE
#define OP_RST      VIRTIO_VSOCK_OP_RST
#define OP_SHUTDOWN VIRTIO_VSOCK_OP_SHUTDOWN
#define OP_RW       VIRTIO_VSOCK_OP_RW
#define OP_UPDATE   VIRTIO_VSOCK_OP_CREDIT_UPDATE
#define OP_ASK      VIRTIO_VSOCK_OP_CREDIT_REQUEST
#define SHUT_R      VIRTIO_VSOCK_SHUTDOWN_RCV
#define SHUT_S      VIRTIO_VSOCK_SHUTDOWN_SEND

struct rig {
	struct loop *loop;
	struct vsock_mux *m;
	struct sockaddr_un sa; /* of the listening socket, abstract */
	int control;           /* the launcher's end */
	int fds;               /* open when the test began */
	char dir[32];          /* for path mode; "" */
	uint32_t alloc;        /* the guest's buf_alloc in what send_op() sends */
	uint32_t fwd;
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

static inline void ready_nothing(void *ctx)
{
	(void)ctx;
}

static const struct vsock_mux_ops rig_ops = { .ready = ready_nothing };

static inline int rig_listen(struct rig *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	r->sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(r->sa.sun_path + 1, sizeof(r->sa.sun_path) - 1, "kvmbox-test-%d", getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	return fd;
}

static inline void rig_init(struct rig *r, bool path)
{
	struct vsock_config cfg = { .cid = CID, .control_port = CONTROL };
	struct err e = { 0 };
	char name[64];
	int pair[2];

	*r = (struct rig){ .alloc = 1 << 20, .fds = count_fds() };
	ck_assert_int_eq(loop_new(&r->loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	r->control = pair[0];
	cfg.control_fd = pair[1];
	cfg.listen_fd = rig_listen(r);
	if (path) {
		strcpy(r->dir, "/tmp/vsock.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(r->dir));
		(void)snprintf(name, sizeof(name), "%s/s", r->dir);
		cfg.path = name;
	}
	ck_assert_msg(vsock_mux_new(&r->m, &cfg, r->loop, &rig_ops, NULL, &e) == 0, "%s", e.text);
}

static inline void rig_fini(struct rig *r)
{
	char name[64];

	vsock_mux_free(r->m);
	loop_free(r->loop);
	(void)close(r->control);
	ck_assert_int_eq(count_fds(), r->fds);
	if (r->dir[0] == '\0')
		return;
	(void)snprintf(name, sizeof(name), "%s/s_%u", r->dir, GPORT);
	(void)unlink(name);
	(void)rmdir(r->dir);
}

/* Callbacks until none is due; returns how many. A spinning one fails here. */
static inline int rig_run(struct rig *r)
{
	int n, all = 0;

	while ((n = loop_step(r->loop, 0)) > 0) {
		all += n;
		ck_assert_int_lt(all, 20000);
	}
	return all;
}

static inline int dial(struct rig *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	return fd;
}

static inline void say(int fd, const char *text)
{
	ck_assert_int_eq(write_full(fd, text, strlen(text)), 0);
}

/* What fd has now, at most cap bytes; -1 when nothing, 0 at its end */
static inline ssize_t hear(int fd, void *buf, size_t cap)
{
	ssize_t n = recv(fd, buf, cap, MSG_DONTWAIT);

	ck_assert(n >= 0 || errno == EAGAIN);
	return n;
}

static inline void ck_hears(int fd, const char *text)
{
	char buf[128] = "";

	ck_assert_int_eq(hear(fd, buf, sizeof(buf) - 1), (ssize_t)strlen(text));
	ck_assert_str_eq(buf, text);
}

static inline void ck_closed(int fd)
{
	char c;

	ck_assert_int_eq(hear(fd, &c, 1), 0);
}

static inline void ck_quiet(int fd)
{
	char c;

	ck_assert_int_eq(hear(fd, &c, 1), -1);
}

/* A packet of the guest, payload in three uneven pieces */
static inline void send_raw(struct rig *r, const struct vsock_hdr_host *h, const void *data)
{
	uint8_t *copy = malloc(h->len + 1U);
	struct iovec v[3];
	struct giov g;
	size_t a = h->len / 3;

	if (h->len > 0)
		memcpy(copy, data, h->len);
	v[0] = (struct iovec){ copy, a };
	v[1] = (struct iovec){ copy + a, 0 };
	v[2] = (struct iovec){ copy + a, h->len - a };
	g = giov_init(v, 3);
	vsock_mux_packet(r->m, h, &g);
	free(copy);
}

static inline struct vsock_hdr_host header(struct rig *r, uint16_t op, uint32_t host_port)
{
	return (struct vsock_hdr_host){ .src_cid = CID,
					.dst_cid = VSOCK_HOST_CID,
					.src_port = GPORT,
					.dst_port = host_port,
					.type = VIRTIO_VSOCK_TYPE_STREAM,
					.op = op,
					.buf_alloc = r->alloc,
					.fwd_cnt = r->fwd };
}

static inline void send_op(struct rig *r, uint16_t op, uint32_t host_port)
{
	struct vsock_hdr_host h = header(r, op, host_port);

	send_raw(r, &h, "");
}

static inline void send_shut(struct rig *r, uint32_t host_port, uint32_t flags)
{
	struct vsock_hdr_host h = header(r, OP_SHUTDOWN, host_port);

	h.flags = flags;
	send_raw(r, &h, "");
}

static inline void send_data(struct rig *r, uint32_t host_port, const void *data, uint32_t len)
{
	struct vsock_hdr_host h = header(r, OP_RW, host_port);

	h.len = len;
	send_raw(r, &h, data);
}

/* The next packet for the guest into a buffer of cap bytes */
static inline bool take(struct rig *r, struct vsock_hdr_host *h, void *buf, size_t cap)
{
	struct iovec v = { buf, cap };
	struct giov g = giov_init(&v, 1);

	if (!vsock_mux_fill(r->m, &g, h))
		return false;
	ck_assert_uint_le(h->len, cap);
	ck_assert(h->op == OP_RW || h->len == 0);
	return true;
}

static inline void ck_takes(struct rig *r, uint16_t op, uint32_t host_port)
{
	struct vsock_hdr_host h;
	char buf[4096];

	ck_assert_msg(take(r, &h, buf, sizeof(buf)), "no packet, op %u expected", op);
	ck_assert_uint_eq(h.op, op);
	ck_assert_uint_eq(h.src_cid, VSOCK_HOST_CID);
	ck_assert_uint_eq(h.dst_cid, CID);
	ck_assert_uint_eq(h.src_port, host_port);
	ck_assert_uint_eq(h.dst_port, GPORT);
	ck_assert_uint_eq(h.type, VIRTIO_VSOCK_TYPE_STREAM);
}

static inline void ck_takes_shut(struct rig *r, uint32_t host_port, uint32_t flags)
{
	struct vsock_hdr_host h;
	char buf[64];

	ck_assert(take(r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.op, OP_SHUTDOWN);
	ck_assert_uint_eq(h.src_port, host_port);
	ck_assert_uint_eq(h.flags, flags);
}

static inline void ck_takes_data(struct rig *r, const char *text)
{
	struct vsock_hdr_host h;
	char buf[128] = "";

	ck_assert(take(r, &h, buf, sizeof(buf) - 1));
	ck_assert_uint_eq(h.op, OP_RW);
	ck_assert_str_eq(buf, text);
}

static inline void ck_takes_nothing(struct rig *r)
{
	struct vsock_hdr_host h;
	char buf[64];

	ck_assert_msg(!take(r, &h, buf, sizeof(buf)), "op %u", h.op);
}

/* A client with its connection open; *port is the host's */
static inline int opened(struct rig *r, uint32_t *port)
{
	struct vsock_hdr_host h;
	char buf[64], ok[64];
	int fd = dial(r);

	say(fd, "CONNECT 1024\n");
	(void)rig_run(r);
	ck_assert(take(r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.op, OP_REQUEST);
	*port = h.src_port;
	send_op(r, OP_RESPONSE, *port);
	(void)snprintf(ok, sizeof(ok), "OK %u\n", *port);
	ck_hears(fd, ok);
	return fd;
}

static inline void small_sndbuf(struct rig *r, uint32_t port)
{
	unsigned int i;
	int size = 1;

	for (i = 0; i < r->m->used; i++)
		if (r->m->conn[i].host_port == port && r->m->conn[i].fd >= 0)
			(void)setsockopt(r->m->conn[i].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Fill the way to a client that does not read, up to the last byte of credit; returns the bytes sent. Pattern: i * 31
 * >> 3 */
static inline uint32_t stuff(struct rig *r, uint32_t port)
{
	uint8_t data[1024];
	uint32_t n = 0, i;

	small_sndbuf(r, port);
	while (r->m->conn[0].buf_len + sizeof(data) <= VSOCK_BUF_SIZE) {
		for (i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)((n + i) * 31 >> 3);
		send_data(r, port, data, sizeof(data));
		n += (uint32_t)sizeof(data);
		ck_assert_uint_lt(n, 1 << 22);
	}
	return n;
}

/* Read and check what stuff() sent, running the loop between; leaves the end of the stream to the caller. */
static inline void ck_unstuffs(struct rig *r, int fd, uint32_t total)
{
	uint8_t buf[3000];
	uint32_t n = 0;

	while (n < total) {
		ssize_t got = hear(fd, buf, sizeof(buf));
		ssize_t i;

		for (i = 0; i < got; i++)
			ck_assert_uint_eq(buf[i], (uint8_t)((n + (uint32_t)i) * 31 >> 3));
		ck_assert_msg(got > 0 || rig_run(r) > 0, "stuck at %u of %u", n, total);
		n += got > 0 ? (uint32_t)got : 0;
	}
	ck_assert_uint_eq(n, total);
}

#endif

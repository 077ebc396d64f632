// SPDX-License-Identifier: Apache-2.0
/*
 * devices/vsock_mux: connections, credit, half-close, refusals, bounds; packets by hand, no rings. Time comes by hand
 * too (vsock_mux_tick()). Looks into struct vsock_mux where a state must be forced (counters near their wrap).
 */
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

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void ready_nothing(void *ctx)
{
	(void)ctx;
}

static const struct vsock_mux_ops rig_ops = { .ready = ready_nothing };

static int rig_listen(struct rig *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	r->sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(r->sa.sun_path + 1, sizeof(r->sa.sun_path) - 1, "kvmbox-test-%d", getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	return fd;
}

static void rig_init(struct rig *r, bool path)
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

static void rig_fini(struct rig *r)
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
static int rig_run(struct rig *r)
{
	int n, all = 0;

	while ((n = loop_step(r->loop, 0)) > 0) {
		all += n;
		ck_assert_int_lt(all, 20000);
	}
	return all;
}

static int dial(struct rig *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&r->sa, sizeof(r->sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(write_full(fd, text, strlen(text)), 0);
}

/* What fd has now, at most cap bytes; -1 when nothing, 0 at its end */
static ssize_t hear(int fd, void *buf, size_t cap)
{
	ssize_t n = recv(fd, buf, cap, MSG_DONTWAIT);

	ck_assert(n >= 0 || errno == EAGAIN);
	return n;
}

static void ck_hears(int fd, const char *text)
{
	char buf[128] = "";

	ck_assert_int_eq(hear(fd, buf, sizeof(buf) - 1), (ssize_t)strlen(text));
	ck_assert_str_eq(buf, text);
}

static void ck_closed(int fd)
{
	char c;

	ck_assert_int_eq(hear(fd, &c, 1), 0);
}

static void ck_quiet(int fd)
{
	char c;

	ck_assert_int_eq(hear(fd, &c, 1), -1);
}

/* A packet of the guest, payload in three uneven pieces */
static void send_raw(struct rig *r, const struct vsock_hdr_host *h, const void *data)
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

static struct vsock_hdr_host header(struct rig *r, uint16_t op, uint32_t host_port)
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

static void send_op(struct rig *r, uint16_t op, uint32_t host_port)
{
	struct vsock_hdr_host h = header(r, op, host_port);

	send_raw(r, &h, NULL);
}

static void send_shut(struct rig *r, uint32_t host_port, uint32_t flags)
{
	struct vsock_hdr_host h = header(r, OP_SHUTDOWN, host_port);

	h.flags = flags;
	send_raw(r, &h, NULL);
}

static void send_data(struct rig *r, uint32_t host_port, const void *data, uint32_t len)
{
	struct vsock_hdr_host h = header(r, OP_RW, host_port);

	h.len = len;
	send_raw(r, &h, data);
}

/* The next packet for the guest into a buffer of cap bytes */
static bool take(struct rig *r, struct vsock_hdr_host *h, void *buf, size_t cap)
{
	struct iovec v = { buf, cap };
	struct giov g = giov_init(&v, 1);

	if (!vsock_mux_fill(r->m, &g, h))
		return false;
	ck_assert_uint_le(h->len, cap);
	ck_assert(h->op == OP_RW || h->len == 0);
	return true;
}

static void ck_takes(struct rig *r, uint16_t op, uint32_t host_port)
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

static void ck_takes_shut(struct rig *r, uint32_t host_port, uint32_t flags)
{
	struct vsock_hdr_host h;
	char buf[64];

	ck_assert(take(r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.op, OP_SHUTDOWN);
	ck_assert_uint_eq(h.src_port, host_port);
	ck_assert_uint_eq(h.flags, flags);
}

static void ck_takes_data(struct rig *r, const char *text)
{
	struct vsock_hdr_host h;
	char buf[128] = "";

	ck_assert(take(r, &h, buf, sizeof(buf) - 1));
	ck_assert_uint_eq(h.op, OP_RW);
	ck_assert_str_eq(buf, text);
}

static void ck_takes_nothing(struct rig *r)
{
	struct vsock_hdr_host h;
	char buf[64];

	ck_assert_msg(!take(r, &h, buf, sizeof(buf)), "op %u", h.op);
}

/* A client with its connection open; *port is the host's */
static int opened(struct rig *r, uint32_t *port)
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

static void small_sndbuf(struct rig *r, uint32_t port)
{
	unsigned int i;
	int size = 1;

	for (i = 0; i < r->m->used; i++)
		if (r->m->conn[i].host_port == port && r->m->conn[i].fd >= 0)
			(void)setsockopt(r->m->conn[i].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Fill the way to a client that does not read, up to the last byte of credit; returns the bytes sent. Pattern: i * 31
 * >> 3 */
static uint32_t stuff(struct rig *r, uint32_t port)
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
static void ck_unstuffs(struct rig *r, int fd, uint32_t total)
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

/* --- host to guest: CONNECT --- */

START_TEST(test_a_client_is_connected_and_bytes_flow_both_ways)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	/* a client that is gone before it is accepted must not hold up the loop */
	ck_assert_int_ne(fcntl(r.m->listen_fd, F_GETFL) & O_NONBLOCK, 0);
	fd = opened(&r, &port);
	ck_assert_uint_eq(port, 1073741824);
	say(fd, "to the guest");
	(void)rig_run(&r);
	ck_takes_data(&r, "to the guest");
	send_data(&r, port, "to the host", 11);
	ck_hears(fd, "to the host");
	ck_assert(!vsock_mux_ready(r.m));
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_line_may_come_in_pieces_and_what_follows_it_is_the_streams)
{
	static const char text[] = "CONNECT 1024\nearly";
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	for (i = 0; i < 12; i++) {
		ck_assert_int_eq(write_full(fd, text + i, 1), 0);
		(void)rig_run(&r);
		ck_takes_nothing(&r);
	}
	say(fd, text + 12);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	send_op(&r, OP_RESPONSE, 1073741824);
	(void)rig_run(&r);
	ck_takes_data(&r, "early");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_malformed_line_closes_the_client_without_an_answer)
{
	static const char *const bad[] = { "\n",
					   "CONNECT\n",
					   "CONNECT \n",
					   "CONNECT x\n",
					   "CONNECT 10 \n",
					   "CONNECT 10\r\n",
					   "CONNECT -1\n",
					   "CONNECT  1\n",
					   "CONNECT 4294967296\n",
					   "CONNECT 99999999999999999999999\n",
					   "connect 1024\n",
					   "OPENING 1024\n",
					   "CONNECT 000000000000000000001024\n",
					   "32 bytes of a line without end.." };
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = dial(&r);

		say(fd, bad[i]);
		(void)rig_run(&r);
		ck_closed(fd);
		ck_takes_nothing(&r);
		(void)close(fd);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_longest_line_of_32_bytes_and_the_highest_port_are_taken)
{
	struct vsock_hdr_host h;
	char buf[8];
	struct rig r;
	int fd[2];

	rig_init(&r, false);
	fd[0] = dial(&r);
	say(fd[0], "CONNECT 00000000000000000001024\n");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	fd[1] = dial(&r);
	say(fd[1], "CONNECT 4294967295\n");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.dst_port, UINT32_MAX);
	(void)close(fd[0]);
	(void)close(fd[1]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_silent_and_slow_clients_do_not_hold_up_others)
{
	uint32_t port;
	struct rig r;
	int quiet[8], fd, i;

	rig_init(&r, false);
	for (i = 0; i < 8; i++) {
		quiet[i] = dial(&r);
		if (i % 2 != 0)
			say(quiet[i], "CONN");
	}
	fd = opened(&r, &port);
	ck_assert_int_eq(rig_run(&r), 0);
	(void)close(fd);
	for (i = 0; i < 8; i++)
		(void)close(quiet[i]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_refusal_by_the_guest_closes_the_client_without_an_answer)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\nx");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	ck_quiet(fd);
	send_op(&r, OP_RST, 1073741824);
	ck_closed(fd);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_connect_is_held_until_the_guest_has_room_and_survives_a_reset)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\n");
	(void)rig_run(&r);
	vsock_mux_reset(r.m);
	ck_assert_int_eq(rig_run(&r), 0);
	ck_quiet(fd);
	ck_takes(&r, OP_REQUEST, 1073741824);
	send_op(&r, OP_RESPONSE, 1073741824);
	ck_hears(fd, "OK 1073741824\n");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_leaves_early_is_forgotten_before_and_reset_after_the_request)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\n");
	(void)rig_run(&r);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_nothing(&r);
	fd = dial(&r);
	say(fd, "CONNECT 1024\n");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824 + 1024);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes(&r, OP_RST, 1073741824 + 1024);
	ck_takes_nothing(&r);
	fd = dial(&r);
	(void)rig_run(&r);
	(void)close(fd);
	(void)rig_run(&r);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_a_client_left_before_it_went_are_delivered)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\nlast words");
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	(void)rig_run(&r);
	send_op(&r, OP_RESPONSE, 1073741824);
	(void)rig_run(&r);
	ck_takes_data(&r, "last words");
	ck_takes_shut(&r, 1073741824, SHUT_R | SHUT_S);
	send_op(&r, OP_RST, 1073741824);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

START_TEST(test_host_ports_are_unique_among_live_connections_and_not_reused_at_once)
{
	uint32_t port[3], again;
	struct rig r;
	int fd[3], i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++)
		fd[i] = opened(&r, &port[i]);
	ck_assert(port[0] != port[1] && port[1] != port[2] && port[0] != port[2]);
	send_op(&r, OP_RST, port[1]);
	(void)close(fd[1]);
	fd[1] = opened(&r, &again);
	ck_assert(again != port[0] && again != port[1] && again != port[2]);
	ck_assert_uint_eq(again >> 30, 1);
	send_op(&r, OP_RST, port[0]);
	ck_closed(fd[0]);
	(void)close(fd[0]);
	r.m->conn[0].gen = UINT32_MAX; /* as after 2^32 - 1 uses of the slot */
	for (i = 0; i < 2; i++) {
		fd[0] = opened(&r, &again);
		ck_assert_uint_eq(again, VSOCK_HOST_PORT | (i == 0 ? 0xfffffu << 10 : 0));
		send_op(&r, OP_RST, again);
		if (i == 0)
			(void)close(fd[0]);
	}
	for (i = 0; i < 3; i++)
		(void)close(fd[i]);
	rig_fini(&r);
}
END_TEST

/* --- guest to host --- */

START_TEST(test_the_control_port_takes_one_connection_and_then_none)
{
	struct vsock_hdr_host h;
	struct rig r;

	rig_init(&r, false);
	say(r.control, "hello");
	ck_assert_int_eq(rig_run(&r), 0);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RESPONSE, CONTROL);
	(void)rig_run(&r);
	ck_takes_data(&r, "hello");
	send_data(&r, CONTROL, "ready", 5);
	ck_hears(r.control, "ready");

	h = header(&r, OP_REQUEST, CONTROL);
	h.src_port = GPORT + 1;
	send_raw(&r, &h, NULL);
	ck_assert(take(&r, &h, NULL, 0));
	ck_assert_uint_eq(h.op, OP_RST);
	ck_assert_uint_eq(h.dst_port, GPORT + 1);

	send_op(&r, OP_RST, CONTROL);
	ck_closed(r.control);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RST, CONTROL);
	vsock_mux_reset(r.m);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RST, CONTROL);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_reset_before_the_control_port_was_used_leaves_it_open)
{
	struct rig r;

	rig_init(&r, false);
	vsock_mux_reset(r.m);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RESPONSE, CONTROL);
	vsock_mux_reset(r.m);
	ck_closed(r.control);
	rig_fini(&r);
}
END_TEST

START_TEST(test_without_a_path_every_other_port_is_refused)
{
	static const uint32_t port[] = { 0, 1, 22, 1024, CONTROL + 1, VSOCK_HOST_PORT, 0x80000000, UINT32_MAX };
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(port); i++) {
		send_op(&r, OP_REQUEST, port[i]);
		ck_takes(&r, OP_RST, port[i]);
	}
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

static int listen_at(const struct rig *r, uint32_t port)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.30s/s_%u", r->dir, port);
	(void)unlink(sa.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

START_TEST(test_without_a_path_no_file_name_is_made_up)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "_1024" };
	int cwd = open(".", O_RDONLY | O_CLOEXEC), srv;
	struct rig r;

	rig_init(&r, true); /* for its folder */
	ck_assert_int_eq(chdir(r.dir), 0);
	srv = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(srv, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(srv, 1), 0);
	r.m->path[0] = '\0';
	send_op(&r, OP_REQUEST, GPORT);
	ck_takes(&r, OP_RST, GPORT);
	(void)unlink(sa.sun_path);
	(void)close(srv);
	ck_assert_int_eq(fchdir(cwd), 0);
	rig_fini(&r);
	(void)close(cwd);
}
END_TEST

START_TEST(test_with_a_path_the_guest_reaches_who_listens_there_and_nobody_else)
{
	char name[64];
	struct rig r;
	int srv, fd;

	rig_init(&r, true);
	srv = listen_at(&r, GPORT);
	send_op(&r, OP_REQUEST, GPORT);
	ck_takes(&r, OP_RESPONSE, GPORT);
	fd = accept(srv, NULL, NULL);
	send_data(&r, GPORT, "from the guest", 14);
	ck_hears(fd, "from the guest");
	say(fd, "back");
	(void)rig_run(&r);
	ck_takes_data(&r, "back");
	(void)close(fd);
	send_op(&r, OP_REQUEST, GPORT + 1);
	ck_takes(&r, OP_RST, GPORT + 1);
	(void)close(srv);

	srv = listen_at(&r, VSOCK_HOST_PORT);
	send_op(&r, OP_REQUEST, VSOCK_HOST_PORT);
	ck_takes(&r, OP_RST, VSOCK_HOST_PORT);
	(void)snprintf(name, sizeof(name), "%s/s_%u", r.dir, VSOCK_HOST_PORT);
	(void)unlink(name);
	(void)close(srv);
	rig_fini(&r);
}
END_TEST

START_TEST(test_connections_to_one_port_are_told_apart_by_the_guests)
{
	enum { N = 200 };
	struct vsock_hdr_host h;
	uint32_t i, got;
	struct rig r;
	int srv, fd[N];

	rig_init(&r, true);
	srv = listen_at(&r, GPORT);
	for (i = 0; i < N; i++) {
		h = header(&r, OP_REQUEST, GPORT);
		h.src_port = 5000 + i;
		send_raw(&r, &h, NULL);
		ck_assert(take(&r, &h, NULL, 0) && h.op == OP_RESPONSE && h.dst_port == 5000 + i);
		fd[i] = accept(srv, NULL, NULL);
	}
	for (i = 0; i < N; i++) {
		h = header(&r, OP_RW, GPORT);
		h.src_port = 5000 + i;
		h.len = sizeof(i);
		send_raw(&r, &h, &i);
	}
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(hear(fd[i], &got, sizeof(got)), sizeof(got));
		ck_assert_uint_eq(got, i);
		/* leaves the hash from the middle of its chain */
		h = header(&r, OP_RST, GPORT);
		h.src_port = 5000 + i;
		send_raw(&r, &h, NULL);
		ck_closed(fd[i]);
		(void)close(fd[i]);
	}
	(void)close(srv);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_listener_with_a_full_backlog_refuses_and_does_not_block)
{
	struct vsock_hdr_host h;
	struct rig r;
	bool refused = false;
	uint32_t i;
	int srv;

	rig_init(&r, true);
	srv = listen_at(&r, GPORT);
	for (i = 0; i < 40 && !refused; i++) {
		h = header(&r, OP_REQUEST, GPORT);
		h.src_port = 5000 + i;
		send_raw(&r, &h, NULL);
		ck_assert(take(&r, &h, NULL, 0));
		refused = h.op == OP_RST;
	}
	ck_assert(refused);
	(void)close(srv);
	rig_fini(&r);
}
END_TEST

/* --- packets that belong nowhere --- */

START_TEST(test_packets_for_others_from_others_or_of_another_type_are_refused_by_their_mirror)
{
	struct vsock_hdr_host bad[5], h;
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = header(&r, OP_REQUEST, CONTROL);
	bad[0].dst_cid = 1;
	bad[1].dst_cid = CID;
	bad[2].dst_cid = VSOCK_HOST_CID | 1ULL << 32;
	bad[3].src_cid = CID + 1;
	bad[4].type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		send_raw(&r, &bad[i], NULL);
		ck_assert(take(&r, &h, NULL, 0));
		ck_assert_uint_eq(h.op, OP_RST);
		ck_assert_uint_eq(h.src_cid, bad[i].dst_cid);
		ck_assert_uint_eq(h.dst_cid, bad[i].src_cid);
		ck_assert_uint_eq(h.src_port, bad[i].dst_port);
		ck_assert_uint_eq(h.dst_port, bad[i].src_port);
		ck_assert_uint_eq(h.type, bad[i].type);
		bad[i].op = OP_RST;
		send_raw(&r, &bad[i], NULL);
		ck_takes_nothing(&r);
	}
	/* none of them used up the control port */
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RESPONSE, CONTROL);
	rig_fini(&r);
}
END_TEST

START_TEST(test_packets_for_no_connection_are_answered_rst_except_rst)
{
	static const uint16_t ops[] = { 0, OP_RESPONSE, OP_SHUTDOWN, OP_RW, OP_UPDATE, OP_ASK, 8, 0xffff };
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		send_op(&r, ops[i], 4000);
		ck_takes(&r, OP_RST, 4000);
	}
	send_op(&r, OP_RST, 4000);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_refusals_that_wait_for_room_are_bounded)
{
	struct vsock_hdr_host h;
	struct rig r;
	uint32_t i;

	rig_init(&r, false);
	for (i = 0; i < 4 * VSOCK_RSTS_MAX; i++)
		send_op(&r, OP_RW, 4000 + i);
	for (i = 0; i < VSOCK_RSTS_MAX; i++)
		ck_takes(&r, OP_RST, 4000 + i);
	ck_assert(!take(&r, &h, NULL, 0));
	send_op(&r, OP_RW, 9);
	vsock_mux_reset(r.m);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_packet_of_the_wrong_kind_resets_its_connection)
{
	static const uint16_t ops[] = { 0, OP_REQUEST, OP_RESPONSE, 8, 0xffff };
	uint32_t port;
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		fd = opened(&r, &port);
		send_op(&r, ops[i], port);
		ck_closed(fd);
		/* what comes before the guest has seen the RST is not answered again */
		send_op(&r, OP_RW, port);
		ck_takes(&r, OP_RST, port);
		ck_takes_nothing(&r);
		(void)close(fd);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_before_its_response_only_response_or_rst_is_taken)
{
	static const uint16_t ops[] = { 0, OP_REQUEST, OP_SHUTDOWN, OP_RW, OP_UPDATE, OP_ASK, 8 };
	struct vsock_hdr_host h;
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		fd = dial(&r);
		say(fd, "CONNECT 1024\n");
		(void)rig_run(&r);
		/* guessed before the REQUEST: the connection is not the guest's yet */
		send_op(&r, OP_RESPONSE, VSOCK_HOST_PORT | (r.m->conn[0].gen & 0xfffff) << 10);
		ck_assert(take(&r, &h, NULL, 0) && h.op == OP_RST);
		ck_assert(take(&r, &h, NULL, 0) && h.op == OP_REQUEST);
		send_op(&r, ops[i], h.src_port);
		ck_closed(fd);
		ck_takes(&r, OP_RST, h.src_port);
		(void)close(fd);
	}
	rig_fini(&r);
}
END_TEST

/* --- credit --- */

START_TEST(test_a_guest_may_use_all_its_credit_and_not_a_byte_more)
{
	uint8_t byte = 1;
	uint32_t port, n;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	while (r.m->conn[0].buf_len < VSOCK_BUF_SIZE)
		send_data(&r, port, &byte, 1);
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	ck_assert_uint_gt(n, 60000);
	send_data(&r, port, &byte, 1);
	/* cut off: RST, the client sees its end, what waited is dropped */
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_packet_longer_than_the_whole_buffer_resets)
{
	static uint8_t big[VSOCK_BUF_SIZE + 1];
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_data(&r, port, big, VSOCK_BUF_SIZE + 1);
	ck_takes(&r, OP_RST, port);
	ck_closed(fd);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_guest_is_told_of_room_when_half_its_window_was_taken)
{
	static uint8_t half[VSOCK_BUF_SIZE / 2];
	struct vsock_hdr_host h;
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_data(&r, port, half, sizeof(half) - 1);
	ck_takes_nothing(&r);
	send_data(&r, port, half, 1);
	ck_assert(take(&r, &h, NULL, 0));
	ck_assert_uint_eq(h.op, OP_UPDATE);
	ck_assert_uint_eq(h.fwd_cnt, sizeof(half));
	ck_assert_uint_eq(h.buf_alloc, VSOCK_BUF_SIZE);
	ck_takes_nothing(&r);
	send_data(&r, port, half, 7);
	ck_takes_nothing(&r);
	send_op(&r, OP_ASK, port);
	ck_assert(take(&r, &h, NULL, 0));
	ck_assert_uint_eq(h.op, OP_UPDATE);
	ck_assert_uint_eq(h.fwd_cnt, sizeof(half) + 7);
	send_op(&r, OP_UPDATE, port);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_host_keeps_to_the_guests_credit_asks_once_and_goes_on_when_told)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[64];
	struct rig r;
	int fd;

	rig_init(&r, false);
	r.alloc = 10;
	fd = opened(&r, &port);
	say(fd, "0123456789abcdefghij!");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.len, 10);
	ck_takes(&r, OP_ASK, port);
	ck_takes_nothing(&r);
	ck_assert_int_eq(rig_run(&r), 0);
	r.fwd = 3;
	send_op(&r, OP_UPDATE, port);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.len, 3);
	ck_assert_int_eq(memcmp(buf, "abc", 3), 0);
	r.alloc = 4; /* a guest that shrinks its buffer below what is in flight */
	send_op(&r, OP_UPDATE, port);
	ck_takes(&r, OP_ASK, port);
	ck_takes_nothing(&r);
	r.alloc = 1000;
	send_op(&r, OP_UPDATE, port);
	(void)rig_run(&r);
	ck_takes_data(&r, "defghij!");
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_credit_counters_wrap_and_absurd_figures_do_no_harm)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[64];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	r.m->conn[0].tx_cnt = UINT32_MAX - 3;
	r.m->conn[0].fwd_cnt = UINT32_MAX - 1;
	r.m->conn[0].told_fwd = UINT32_MAX - 1;
	r.alloc = 8;
	r.fwd = UINT32_MAX - 3;
	send_data(&r, port, "wrap", 4);
	ck_hears(fd, "wrap");
	say(fd, "0123456789");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.len, 8);
	ck_assert_uint_eq(h.fwd_cnt, 2);
	ck_takes(&r, OP_ASK, port);
	r.fwd = 4;
	send_op(&r, OP_UPDATE, port);
	(void)rig_run(&r);
	ck_takes_data(&r, "89");
	/* taken more than was ever sent, and room for more than there is */
	r.fwd = 1000000;
	send_op(&r, OP_UPDATE, port);
	say(fd, "x");
	(void)rig_run(&r);
	ck_takes(&r, OP_ASK, port);
	r.alloc = UINT32_MAX;
	send_op(&r, OP_UPDATE, port);
	(void)rig_run(&r);
	ck_takes_data(&r, "x");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_guest_that_asks_while_the_host_waits_for_credit_is_answered)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	r.alloc = 0;
	fd = opened(&r, &port);
	say(fd, "waits");
	(void)rig_run(&r);
	ck_takes(&r, OP_ASK, port);
	send_op(&r, OP_ASK, port);
	ck_takes(&r, OP_UPDATE, port);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_read_that_just_empties_the_client_is_not_its_end)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[4];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	say(fd, "12345678");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.len == 4);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.len == 4);
	ck_takes_nothing(&r);
	say(fd, "more");
	(void)rig_run(&r);
	ck_takes_data(&r, "more");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_connections_take_turns)
{
	struct vsock_hdr_host h;
	uint32_t port[3];
	unsigned int seen[3] = { 0 };
	char junk[3000] = "", buf[100];
	struct rig r;
	int fd[3], i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++)
		fd[i] = opened(&r, &port[i]);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(write_full(fd[i], junk, sizeof(junk)), 0);
	(void)rig_run(&r);
	for (i = 0; i < 30; i++) {
		ck_assert(take(&r, &h, buf, sizeof(buf)));
		ck_assert_uint_eq(h.len, 100);
		seen[h.src_port == port[0] ? 0 : h.src_port == port[1] ? 1 : 2]++;
	}
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(seen[i], 10);
		(void)close(fd[i]);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_nothing_spins_while_the_guest_gives_no_buffers)
{
	uint32_t port[3];
	struct rig r;
	int fd[3], i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++)
		fd[i] = opened(&r, &port[i]);
	say(fd[0], "waits");
	ck_assert_int_eq(shutdown(fd[1], SHUT_WR), 0);
	say(fd[2], "left behind");
	(void)close(fd[2]);
	(void)rig_run(&r);
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert(vsock_mux_ready(r.m));
	(void)close(fd[0]);
	(void)close(fd[1]);
	rig_fini(&r);
}
END_TEST

/* --- closing --- */

START_TEST(test_half_close_by_the_guest_flushes_then_ends_the_clients_input_only)
{
	uint32_t port, n;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	send_shut(&r, port, SHUT_S);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	say(fd, "still here");
	(void)rig_run(&r);
	ck_takes_data(&r, "still here");
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	/* more after the end breaks the protocol */
	send_data(&r, port, "?", 1);
	ck_takes(&r, OP_RST, port);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_half_close_by_the_client_is_told_after_its_last_byte)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[4];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	say(fd, "12345678");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.op == OP_RW && h.len == 4);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.op == OP_RW && h.len == 4);
	ck_takes_shut(&r, port, SHUT_S);
	ck_takes_nothing(&r);
	ck_assert_int_eq(rig_run(&r), 0);
	send_data(&r, port, "answer", 6);
	ck_hears(fd, "answer");
	/* the other half, by closing: the guest's writers must get EPIPE */
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_S | SHUT_R);
	ck_assert_int_eq(rig_run(&r), 0);
	send_shut(&r, port, SHUT_S | SHUT_R);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_guest_that_receives_no_more_gives_the_client_epipe)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	say(fd, "unread");
	send_shut(&r, port, SHUT_R);
	ck_assert_int_lt(send(fd, "x", 1, MSG_NOSIGNAL), 0);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(rig_run(&r), 0);
	ck_takes_nothing(&r);
	send_data(&r, port, "the other way", 13);
	ck_hears(fd, "the other way");
	send_shut(&r, port, SHUT_S);
	ck_takes(&r, OP_RST, port);
	ck_closed(fd); /* and no ECONNRESET for what was not read */
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_reads_no_more_gives_the_guest_shutdown_rcv_and_may_go_on_writing)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	ck_assert_int_eq(rig_run(&r), 0);
	send_data(&r, port, "x", 1);
	ck_takes_shut(&r, port, SHUT_R);
	send_data(&r, port, "on its way", 10); /* swallowed */
	say(fd, "more");
	(void)rig_run(&r);
	ck_takes_data(&r, "more");
	ck_assert_uint_eq(r.m->conn[0].fwd_cnt, 11);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_R | SHUT_S);
	send_op(&r, OP_RST, port);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_close_by_the_guest_flushes_every_byte_then_rst)
{
	uint32_t port, n;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	say(fd, "never read by the guest");
	send_shut(&r, port, SHUT_S | SHUT_R);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 1);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_close_by_the_guest_with_nothing_waiting_is_answered_at_once)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_shut(&r, port, 0);
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	send_shut(&r, port, ~0U);
	ck_closed(fd);
	ck_takes(&r, OP_RST, port);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_slow_client_outlives_the_linger_and_loses_no_byte)
{
	uint32_t port, n;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	send_shut(&r, port, SHUT_S | SHUT_R);
	for (i = 1; i < VSOCK_LINGER_TICKS; i++)
		vsock_mux_tick(r.m);
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	vsock_mux_tick(r.m);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FLUSH);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 1);
	/* the ports are free for the guest: this is no connection any more */
	send_op(&r, OP_UPDATE, port);
	ck_takes(&r, OP_RST, port);
	vsock_mux_reset(r.m);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_slow_client_sees_its_end_though_the_guest_has_no_room_for_the_rst)
{
	uint32_t port, n;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	send_shut(&r, port, SHUT_S | SHUT_R);
	for (i = 0; i < VSOCK_LINGER_TICKS; i++)
		vsock_mux_tick(r.m);
	ck_assert_uint_eq(r.m->conn[0].state, VC_DYING);
	send_op(&r, OP_UPDATE, port);
	send_op(&r, OP_RESPONSE, port);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_what_was_taken_from_the_guest_is_delivered_after_its_rst_and_after_a_reset)
{
	uint32_t port, n;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	for (i = 0; i < 2; i++) {
		fd = opened(&r, &port);
		n = stuff(&r, port);
		if (i == 0)
			send_op(&r, OP_RST, port);
		else
			vsock_mux_reset(r.m);
		ck_unstuffs(&r, fd, n);
		(void)rig_run(&r);
		ck_closed(fd);
		ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
		(void)close(fd);
	}
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_goes_while_bytes_wait_ends_the_connection_in_every_state)
{
	uint32_t port;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++) {
		fd = opened(&r, &port);
		(void)stuff(&r, port);
		if (i == 1) /* DYING */
			send_shut(&r, port, SHUT_S | SHUT_R);
		while (i == 1 && r.m->conn[0].state == VC_OPEN)
			vsock_mux_tick(r.m);
		if (i == 2) /* FLUSH */
			send_op(&r, OP_RST, port);
		(void)close(fd);
		(void)rig_run(&r);
		ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
		if (i == 0)
			ck_takes_shut(&r, port, SHUT_S | SHUT_R);
		if (i == 0)
			send_shut(&r, port, SHUT_S | SHUT_R);
		if (i != 2)
			ck_takes(&r, OP_RST, port);
		ck_takes_nothing(&r);
		ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_guest_that_never_closes_its_side_is_reset_after_the_linger_whatever_it_sends)
{
	uint32_t port;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_S | SHUT_R);
	for (i = 0; i < VSOCK_LINGER_TICKS; i++) {
		send_op(&r, OP_UPDATE, port);
		ck_takes_nothing(&r);
		ck_assert(r.m->ticking);
		vsock_mux_tick(r.m);
	}
	ck_assert(!r.m->ticking);
	ck_takes(&r, OP_RST, port);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_time_does_nothing_to_a_healthy_connection)
{
	uint32_t port;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	for (i = 0; i < 600; i++)
		vsock_mux_tick(r.m);
	ck_assert(!r.m->ticking);
	ck_takes_nothing(&r);
	send_data(&r, port, "alive", 5);
	ck_hears(fd, "alive");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_that_wait_for_a_client_that_stops_reading_are_counted_as_taken)
{
	uint32_t port, n;
	char buf[8192];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	/* noticed at the next write, once there is room for one */
	while (hear(fd, buf, sizeof(buf)) > 0)
		;
	(void)rig_run(&r);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
	ck_assert_uint_eq(r.m->conn[0].fwd_cnt, n);
	ck_takes_shut(&r, port, SHUT_R);
	say(fd, "still writes");
	(void)rig_run(&r);
	ck_takes_data(&r, "still writes");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_closes_with_the_guests_bytes_unread_is_an_end_and_not_an_error)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_data(&r, port, "unread", 6);
	say(fd, "bye");
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_data(&r, "bye");
	ck_takes_shut(&r, port, SHUT_S | SHUT_R);
	send_op(&r, OP_RST, port);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_stopped_reading_before_the_answer_still_has_its_bytes_delivered)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\nbytes");
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT);
	send_op(&r, OP_RESPONSE, VSOCK_HOST_PORT);
	(void)rig_run(&r);
	ck_takes_data(&r, "bytes");
	ck_takes_shut(&r, VSOCK_HOST_PORT, SHUT_R);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

/* --- bounds --- */

static void many_fds(void)
{
	struct rlimit l;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = l.rlim_max < 4096 ? l.rlim_max : 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
}

START_TEST(test_a_full_table_makes_clients_wait_and_refuses_the_guest)
{
	static int fd[VSOCK_CONNS_MAX + 2];
	struct rig r;
	int i;

	many_fds();
	rig_init(&r, false);
	for (i = 0; i < VSOCK_CONNS_MAX + 2; i++) {
		fd[i] = dial(&r);
		say(fd[i], "CONNECT 1024\n");
		(void)rig_run(&r);
	}
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert(r.m->listen_off);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RST, CONTROL);
	for (i = 0; i < VSOCK_CONNS_MAX; i++)
		ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | i);
	ck_takes_nothing(&r);
	/* a slot freed: the next client has it, under a new port */
	send_op(&r, OP_RST, VSOCK_HOST_PORT | 5);
	ck_closed(fd[5]);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 1 << 10 | 5);
	ck_assert(r.m->listen_off);
	(void)close(fd[7]);
	(void)rig_run(&r);
	ck_takes(&r, OP_RST, VSOCK_HOST_PORT | 7);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 1 << 10 | 7);
	/* every one is still found by its ports */
	for (i = 0; i < VSOCK_CONNS_MAX; i++)
		if (i != 5 && i != 7)
			send_op(&r, OP_RESPONSE, VSOCK_HOST_PORT | i);
	ck_takes_nothing(&r);
	for (i = 0; i < VSOCK_CONNS_MAX + 2; i++)
		if (i != 7)
			(void)close(fd[i]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_thousands_of_connections_one_after_another_leave_nothing_behind)
{
	uint32_t port, i;
	struct rig r;
	int fd;

	rig_init(&r, false);
	for (i = 0; i < LOOP_SOURCES_MAX + 10; i++) {
		fd = opened(&r, &port);
		ck_assert_uint_eq(port, VSOCK_HOST_PORT | i << 10);
		send_op(&r, OP_RST, port);
		(void)close(fd);
	}
	ck_assert_uint_eq(r.m->used, 1);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_buffer_gives_its_memory_back_when_its_client_is_gone)
{
	unsigned char page[VSOCK_BUF_SIZE / 4096];
	uint32_t port;
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	(void)stuff(&r, port);
	ck_assert_int_eq(mincore(r.m->buf, VSOCK_BUF_SIZE, page), 0);
	ck_assert(page[0] & 1);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_R | SHUT_S);
	ck_assert_int_eq(mincore(r.m->buf, VSOCK_BUF_SIZE, page), 0);
	for (i = 0; i < ARRAY_SIZE(page); i++)
		ck_assert(!(page[i] & 1));
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_host_without_fds_is_asked_again_every_second)
{
	struct rlimit l, low;
	uint32_t port;
	struct rig r;
	int fd, next, other;

	rig_init(&r, false);
	other = opened(&r, &port);
	fd = dial(&r);
	next = dup(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	low = l;
	low.rlim_cur = (rlim_t)next;
	(void)close(next);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	next = dup(fd); /* the last one */
	(void)rig_run(&r);
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert(r.m->ticking);
	/* a slot that becomes free is no reason to try */
	send_op(&r, OP_RST, port);
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	vsock_mux_tick(r.m);
	(void)close(fd);
	(void)close(other);
	if (next >= 0)
		(void)close(next);
	fd = opened(&r, &port);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_reset_ends_every_kind_of_connection_and_queues_nothing)
{
	uint32_t port[2];
	struct rig r;
	int fd[4], i;

	rig_init(&r, false);
	fd[0] = opened(&r, &port[0]);
	fd[1] = opened(&r, &port[1]);
	fd[2] = dial(&r);
	say(fd[2], "CONNECT 1024\n");
	fd[3] = dial(&r);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 2);
	say(fd[0], "in flight");
	send_op(&r, 99, port[1]); /* DYING */
	(void)rig_run(&r);
	vsock_mux_reset(r.m);
	for (i = 0; i < 3; i++)
		ck_closed(fd[i]);
	ck_takes_nothing(&r);
	/* one whose line was not complete has lost nothing */
	ck_quiet(fd[3]);
	say(fd[3], "CONNECT 1024\n");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 3);
	for (i = 0; i < 4; i++)
		(void)close(fd[i]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_megabyte_each_way_in_random_pieces_arrives_byte_exact)
{
	enum { TOTAL = 1 << 20 };
	static uint8_t up[TOTAL], down[TOTAL], got[TOTAL], room[VSOCK_BUF_SIZE];
	uint32_t sent = 0, heard = 0, said = 0, taken = 0, credit, fwd_seen = 0, port;
	struct vsock_hdr_host h;
	struct rig r;
	ssize_t n;
	int fd, i;

	srandom(7);
	for (i = 0; i < TOTAL; i++) {
		up[i] = (uint8_t)random();
		down[i] = (uint8_t)random();
	}
	rig_init(&r, false);
	r.alloc = 30000;
	fd = opened(&r, &port);
	small_sndbuf(&r, port);
	while (heard < TOTAL || taken < TOTAL) {
		uint32_t len = (uint32_t)random() % 9000 + 1;

		credit = VSOCK_BUF_SIZE - (sent - fwd_seen);
		len = (uint32_t)min_size(min_size(len, credit), TOTAL - sent);
		if (random() % 2 != 0 && len > 0)
			send_data(&r, port, up + sent, len), sent += len;
		n = hear(fd, got + heard, min_size((size_t)random() % 5000 + 1, TOTAL - heard));
		heard += n > 0 ? (uint32_t)n : 0;
		len = (uint32_t)min_size((size_t)random() % 7000 + 1, TOTAL - said);
		n = said < TOTAL ? send(fd, down + said, len, MSG_DONTWAIT) : 0;
		said += n > 0 ? (uint32_t)n : 0;
		(void)rig_run(&r);
		if (!take(&r, &h, room, (size_t)random() % 5000 + 1))
			continue;
		fwd_seen = h.fwd_cnt;
		ck_assert(h.op == OP_RW || h.op == OP_UPDATE || h.op == OP_ASK);
		ck_assert_uint_le(taken + h.len - r.fwd, r.alloc);
		ck_assert_int_eq(memcmp(room, down + taken, h.len), 0);
		taken += h.len;
		if (h.op == OP_ASK || random() % 4 == 0) {
			r.fwd = taken - (uint32_t)random() % (taken - r.fwd + 1);
			send_op(&r, OP_UPDATE, port);
		}
	}
	ck_assert_int_eq(memcmp(got, up, TOTAL), 0);
	ck_assert_uint_eq(taken, TOTAL);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

/* --- configuration --- */

START_TEST(test_configurations_that_cannot_work_are_refused_with_the_way_out)
{
	char longest[98], too_long[99];
	const struct vsock_config bad[] = {
		{ .cid = 2, .listen_fd = -1, .control_fd = -1 },
		{ .cid = UINT32_MAX, .listen_fd = -1, .control_fd = -1 },
		{ .cid = 3, .listen_fd = -1, .control_fd = -1, .path = "" },
		{ .cid = 3, .listen_fd = -1, .control_fd = -1, .path = too_long },
		{ .cid = 3, .listen_fd = -1, .control_fd = 0, .control_port = VSOCK_HOST_PORT + 5 },
		{ .cid = 3, .listen_fd = 9999, .control_fd = -1 },
	};
	struct vsock_config good = { .cid = 3, .listen_fd = -1, .control_fd = -1, .path = longest };
	int fds = count_fds();
	struct vsock_mux *m;
	struct loop *loop;
	struct err e;
	size_t i;

	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	memcpy(longest, too_long + 1, sizeof(longest));
	longest[96] = '\0';
	ck_assert_int_eq(loop_new(&loop), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct err){ 0 };
		ck_assert_int_lt(vsock_mux_new(&m, &bad[i], loop, &rig_ops, NULL, &e), 0);
		ck_assert_int_ne(e.code, 0);
		ck_assert_ptr_nonnull(strstr(e.text, "vsock: "));
	}
	ck_assert_int_eq(vsock_mux_new(&m, &good, loop, &rig_ops, NULL, &e), 0);
	vsock_mux_free(m);
	vsock_mux_free(NULL);
	loop_free(loop);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_client_is_connected_and_bytes_flow_both_ways,
		test_a_line_may_come_in_pieces_and_what_follows_it_is_the_streams,
		test_a_malformed_line_closes_the_client_without_an_answer,
		test_the_longest_line_of_32_bytes_and_the_highest_port_are_taken,
		test_silent_and_slow_clients_do_not_hold_up_others,
		test_a_refusal_by_the_guest_closes_the_client_without_an_answer,
		test_a_connect_is_held_until_the_guest_has_room_and_survives_a_reset,
		test_a_client_that_leaves_early_is_forgotten_before_and_reset_after_the_request,
		test_bytes_a_client_left_before_it_went_are_delivered,
		test_host_ports_are_unique_among_live_connections_and_not_reused_at_once,
		test_the_control_port_takes_one_connection_and_then_none,
		test_a_reset_before_the_control_port_was_used_leaves_it_open,
		test_without_a_path_every_other_port_is_refused,
		test_without_a_path_no_file_name_is_made_up,
		test_with_a_path_the_guest_reaches_who_listens_there_and_nobody_else,
		test_connections_to_one_port_are_told_apart_by_the_guests,
		test_a_listener_with_a_full_backlog_refuses_and_does_not_block,
		test_packets_for_others_from_others_or_of_another_type_are_refused_by_their_mirror,
		test_packets_for_no_connection_are_answered_rst_except_rst,
		test_refusals_that_wait_for_room_are_bounded,
		test_a_packet_of_the_wrong_kind_resets_its_connection,
		test_before_its_response_only_response_or_rst_is_taken,
		test_a_guest_may_use_all_its_credit_and_not_a_byte_more,
		test_a_packet_longer_than_the_whole_buffer_resets,
		test_the_guest_is_told_of_room_when_half_its_window_was_taken,
		test_the_host_keeps_to_the_guests_credit_asks_once_and_goes_on_when_told,
		test_credit_counters_wrap_and_absurd_figures_do_no_harm,
		test_a_guest_that_asks_while_the_host_waits_for_credit_is_answered,
		test_a_read_that_just_empties_the_client_is_not_its_end,
		test_connections_take_turns,
		test_nothing_spins_while_the_guest_gives_no_buffers,
		test_half_close_by_the_guest_flushes_then_ends_the_clients_input_only,
		test_half_close_by_the_client_is_told_after_its_last_byte,
		test_a_guest_that_receives_no_more_gives_the_client_epipe,
		test_a_client_that_reads_no_more_gives_the_guest_shutdown_rcv_and_may_go_on_writing,
		test_close_by_the_guest_flushes_every_byte_then_rst,
		test_close_by_the_guest_with_nothing_waiting_is_answered_at_once,
		test_a_slow_client_outlives_the_linger_and_loses_no_byte,
		test_a_slow_client_sees_its_end_though_the_guest_has_no_room_for_the_rst,
		test_what_was_taken_from_the_guest_is_delivered_after_its_rst_and_after_a_reset,
		test_a_client_that_goes_while_bytes_wait_ends_the_connection_in_every_state,
		test_a_guest_that_never_closes_its_side_is_reset_after_the_linger_whatever_it_sends,
		test_time_does_nothing_to_a_healthy_connection,
		test_bytes_that_wait_for_a_client_that_stops_reading_are_counted_as_taken,
		test_a_client_that_closes_with_the_guests_bytes_unread_is_an_end_and_not_an_error,
		test_a_client_that_stopped_reading_before_the_answer_still_has_its_bytes_delivered,
		test_a_full_table_makes_clients_wait_and_refuses_the_guest,
		test_thousands_of_connections_one_after_another_leave_nothing_behind,
		test_a_buffer_gives_its_memory_back_when_its_client_is_gone,
		test_a_host_without_fds_is_asked_again_every_second,
		test_a_reset_ends_every_kind_of_connection_and_queues_nothing,
		test_a_megabyte_each_way_in_random_pieces_arrives_byte_exact,
		test_configurations_that_cannot_work_are_refused_with_the_way_out,
	};

	return suite_run("vsock_mux", tests, ARRAY_SIZE(tests));
}

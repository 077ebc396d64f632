// SPDX-License-Identifier: Apache-2.0
#include "devices/vsock_conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define HUSH_READS 64

/* Bytes written, 0 when fd takes none now, -errno. */
static ssize_t sock_send(int fd, struct iovec *iov, unsigned int n)
{
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t r;

	do
		r = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return r;
	return errno == EAGAIN ? 0 : -errno;
}

/* Bytes read, 0 at end of file, -errno with -EAGAIN when there are none now. */
static ssize_t sock_recv(int fd, struct iovec *iov, unsigned int n, int flags)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t r;

	do
		r = recvmsg(fd, &msg, flags | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/*
 * A unix socket that is closed with bytes unread gives its peer ECONNRESET in place of the end of file. So stop the
 * peer, then read away what it had sent; a peer with more in flight than HUSH_READS take gets the ECONNRESET.
 */
static void sock_hush(int fd)
{
	char junk[4096];
	struct iovec iov = { .iov_base = junk, .iov_len = sizeof(junk) };
	int i;

	(void)shutdown(fd, SHUT_RDWR);
	for (i = 0; i < HUSH_READS; i++)
		if (sock_recv(fd, &iov, 1, 0) <= 0)
			return;
}

static void conn_close_fd(struct vsock_conn *c)
{
	if (c->fd < 0)
		return;
	loop_del(c->m->loop, c->id);
	if (!c->host_eof)
		sock_hush(c->fd);
	fd_close(&c->fd);
	c->id = 0;
	c->events = 0;
	c->readable = false;
	c->buf_len = 0;
	c->buf_head = 0;
	if (c->buf_used)
		(void)madvise(conn_buf(c), VSOCK_BUF_SIZE, MADV_DONTNEED);
	c->buf_used = false;
}

void conn_drop(struct vsock_conn *c)
{
	conn_close_fd(c);
	mux_release(c);
}

void conn_guest_over(struct vsock_conn *c)
{
	mux_hash_del(c);
	if (c->fd >= 0 && c->buf_len > 0)
		c->state = VC_FLUSH;
	else
		conn_drop(c);
}

/* The guest broke the protocol: end it at once. */
static void conn_abort(struct vsock_conn *c)
{
	conn_close_fd(c);
	c->state = VC_DYING;
}

/* --- what follows from the flags --- */

static bool conn_can_read(const struct vsock_conn *c)
{
	return c->fd >= 0 && !c->host_eof && (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0;
}

static uint8_t conn_shut(const struct vsock_conn *c)
{
	uint8_t want = c->told_shut;

	if (c->fd < 0)
		want |= VSOCK_SHUT_BOTH;
	if (c->host_eof)
		want |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (c->host_gone)
		want |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	return want;
}

static void conn_linger(struct vsock_conn *c)
{
	if (c->linger > 0)
		return;
	c->linger = VSOCK_LINGER_TICKS;
	mux_need_tick(c->m);
}

static void conn_check_open(struct vsock_conn *c)
{
	bool guest_sent_all = (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0 && c->buf_len == 0;

	if (c->fd >= 0 && guest_sent_all && !c->wr_shut) {
		(void)shutdown(c->fd, SHUT_WR);
		c->wr_shut = true;
	}
	if (!conn_can_read(c) && (c->wr_shut || c->host_gone))
		conn_close_fd(c);
	if (c->fd < 0 && c->guest_shut == VSOCK_SHUT_BOTH)
		c->state = VC_DYING;
	else if (c->fd < 0 || c->guest_shut == VSOCK_SHUT_BOTH)
		conn_linger(c);
}

/* After a change of the host's end or of what either side has shut down. May free c. */
static void conn_check(struct vsock_conn *c)
{
	bool taken = c->buf_len == 0;

	if (c->state == VC_OPEN)
		conn_check_open(c);
	else if (c->state == VC_DYING && taken)
		conn_close_fd(c);
	else if (c->state == VC_FLUSH && taken)
		conn_drop(c);
}

static uint32_t conn_events(const struct vsock_conn *c)
{
	uint32_t out = c->buf_len > 0 ? EPOLLOUT : 0;

	/* EPOLLHUP would be reported without end; what is left is read without being told. */
	if (c->host_hup)
		return 0;
	if (c->state == VC_LINE)
		return EPOLLIN;
	if (c->state == VC_HELD || c->state == VC_ASKED)
		return EPOLLHUP;
	if (c->state != VC_OPEN)
		return out;
	return EPOLLHUP | out | (conn_can_read(c) && !c->readable ? EPOLLIN : 0);
}

void conn_watch(struct vsock_conn *c)
{
	uint32_t ev;

	if (c->state == VC_FREE || c->fd < 0)
		return;
	ev = conn_events(c);
	if (ev == c->events)
		return;
	loop_mod_fd(c->m->loop, c->id, ev);
	c->events = ev;
}

static uint32_t conn_credit(const struct vsock_conn *c)
{
	uint32_t in_flight = c->tx_cnt - c->peer_fwd;

	return in_flight < c->peer_alloc ? c->peer_alloc - in_flight : 0;
}

bool conn_ready(const struct vsock_conn *c)
{
	if (c->state == VC_HELD || c->state == VC_DYING)
		return true;
	if (c->state != VC_OPEN)
		return false;
	if (c->owe_response || c->owe_credit || conn_shut(c) != c->told_shut)
		return true;
	return c->readable && conn_can_read(c) && (conn_credit(c) > 0 || !c->asked_credit);
}

bool conn_tick(struct vsock_conn *c)
{
	if (c->linger == 0 || --c->linger > 0)
		return false;
	c->state = VC_DYING;
	conn_check(c);
	return true;
}

/* --- guest to host --- */

static void conn_forwarded(struct vsock_conn *c, uint32_t n)
{
	c->fwd_cnt += n;
	if ((uint32_t)(c->fwd_cnt - c->told_fwd) >= VSOCK_BUF_SIZE / 2)
		c->owe_credit = true;
}

/* The client takes nothing any more; what it has sent is still for the guest. */
static void conn_host_gone(struct vsock_conn *c)
{
	c->host_gone = true;
	conn_forwarded(c, c->buf_len);
	c->buf_len = 0;
}

/* Closed, or both directions shut down: reads give what is left and then the end, never -EAGAIN. */
static void conn_host_hup(struct vsock_conn *c)
{
	c->host_hup = true;
	c->readable = true;
	conn_host_gone(c);
}

/* The next len bytes of payload go to the buffer, which has room for them. */
static int conn_store(struct vsock_conn *c, struct giov *payload, uint32_t len)
{
	uint32_t tail = (c->buf_head + c->buf_len) % VSOCK_BUF_SIZE;
	uint32_t part = (uint32_t)min_size(len, VSOCK_BUF_SIZE - tail);
	int r;

	c->buf_used = true;
	r = giov_get(payload, conn_buf(c) + tail, part);
	if (r == 0)
		r = giov_get(payload, conn_buf(c), len - part);
	if (r == 0)
		c->buf_len += len;
	return r;
}

/* Writes guest memory straight to the client when nothing waits before it. Returns bytes taken or -errno. */
static ssize_t conn_pass(struct vsock_conn *c, struct giov payload, uint32_t len)
{
	struct iovec iov[VSOCK_IOV_MAX];
	int n;

	if (c->buf_len > 0)
		return 0;
	n = giov_take(&payload, len, iov, VSOCK_IOV_MAX);
	if (n < 0)
		return n;
	return sock_send(c->fd, iov, (unsigned int)n);
}

static void conn_rw(struct vsock_conn *c, uint32_t len, struct giov *payload)
{
	ssize_t n;

	if ((c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0 || len > VSOCK_BUF_SIZE - c->buf_len) {
		conn_abort(c);
		return;
	}
	if (len == 0)
		return;
	if (c->host_gone) {
		conn_forwarded(c, len);
		return;
	}
	n = conn_pass(c, *payload, len);
	if (n < 0) {
		conn_host_gone(c);
		conn_forwarded(c, len);
		return;
	}
	conn_forwarded(c, (uint32_t)n);
	if (giov_skip(payload, (size_t)n) < 0 || conn_store(c, payload, len - (uint32_t)n) < 0)
		conn_abort(c);
}

static void conn_flush(struct vsock_conn *c)
{
	uint32_t part = (uint32_t)min_size(c->buf_len, VSOCK_BUF_SIZE - c->buf_head);
	struct iovec iov[2] = { { conn_buf(c) + c->buf_head, part }, { conn_buf(c), c->buf_len - part } };
	ssize_t n = sock_send(c->fd, iov, 2);

	if (n < 0) {
		conn_host_gone(c);
		return;
	}
	c->buf_len -= (uint32_t)n;
	c->buf_head = c->buf_len == 0 ? 0 : (c->buf_head + (uint32_t)n) % VSOCK_BUF_SIZE;
	conn_forwarded(c, (uint32_t)n);
}

/* The guest's listener accepted: tell the client. Nothing was written to it before, so a short write is a fault. */
static void conn_open(struct vsock_conn *c)
{
	char ok[24];
	int len = snprintf(ok, sizeof(ok), "OK %u\n", c->host_port);
	struct iovec iov = { .iov_base = ok, .iov_len = (size_t)len };
	ssize_t n;

	c->state = VC_OPEN;
	n = sock_send(c->fd, &iov, 1);
	if (n == len)
		return;
	if (n >= 0)
		c->host_eof = true;
	conn_host_gone(c);
}

static void conn_shutdown(struct vsock_conn *c, uint32_t flags)
{
	if ((flags & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0 && conn_can_read(c))
		(void)shutdown(c->fd, SHUT_RD);
	c->guest_shut |= (uint8_t)(flags & VSOCK_SHUT_BOTH);
}

static void conn_packet_open(struct vsock_conn *c, const struct vsock_hdr_host *h, struct giov *payload)
{
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RW: conn_rw(c, h->len, payload); break;
	case VIRTIO_VSOCK_OP_SHUTDOWN: conn_shutdown(c, h->flags); break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST: c->owe_credit = true; break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE: break; /* every packet says it */
	default: conn_abort(c); break;
	}
}

void conn_packet(struct vsock_conn *c, const struct vsock_hdr_host *h, struct giov *payload)
{
	if (h->op == VIRTIO_VSOCK_OP_RST) {
		conn_guest_over(c);
		return;
	}
	if (c->state == VC_DYING)
		return;
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	if (conn_credit(c) > 0)
		c->asked_credit = false;
	if (c->state == VC_OPEN)
		conn_packet_open(c, h, payload);
	else if (h->op == VIRTIO_VSOCK_OP_RESPONSE)
		conn_open(c);
	else
		conn_abort(c);
	conn_check(c);
}

/* --- host to guest --- */

static void conn_header(struct vsock_conn *c, struct vsock_hdr_host *h, enum virtio_vsock_op op)
{
	*h = (struct vsock_hdr_host){ .src_cid = VSOCK_HOST_CID,
				      .dst_cid = c->m->cid,
				      .src_port = c->host_port,
				      .dst_port = c->guest_port,
				      .type = VIRTIO_VSOCK_TYPE_STREAM,
				      .op = (uint16_t)op,
				      .buf_alloc = VSOCK_BUF_SIZE,
				      .fwd_cnt = c->fwd_cnt };
	c->told_fwd = c->fwd_cnt;
	c->owe_credit = false;
}

/* Read from the client into the guest's buffer. False when there was nothing, or end of file. */
static bool conn_read(struct vsock_conn *c, const struct giov *room, struct vsock_hdr_host *h)
{
	size_t want = min_size(min_size(room->left, conn_credit(c)), VSOCK_BUF_SIZE);
	struct iovec iov[VSOCK_IOV_MAX];
	struct giov front = *room; /* stays whole for the next connection when there is nothing to read */
	int n = giov_take(&front, want, iov, VSOCK_IOV_MAX);
	ssize_t r = n < 0 ? n : sock_recv(c->fd, iov, (unsigned int)n, 0);

	if (r > 0) {
		/* Less than asked for: empty now, unless it must be read to its end without being told. */
		c->readable = (size_t)r == want || c->host_hup;
		conn_header(c, h, VIRTIO_VSOCK_OP_RW);
		h->len = (uint32_t)r;
		c->tx_cnt += h->len;
		return true;
	}
	c->readable = false;
	if (r == -EAGAIN)
		return false;
	c->host_eof = true;
	if (r < 0)
		conn_host_gone(c);
	conn_check(c);
	return false;
}

static bool conn_fill_open(struct vsock_conn *c, const struct giov *room, struct vsock_hdr_host *h)
{
	enum virtio_vsock_op op = VIRTIO_VSOCK_OP_INVALID;

	if (c->owe_response) {
		c->owe_response = false;
		conn_header(c, h, VIRTIO_VSOCK_OP_RESPONSE);
		return true;
	}
	if (c->readable && conn_can_read(c) && conn_credit(c) > 0 && conn_read(c, room, h))
		return true;
	if (c->state != VC_OPEN)
		return false;
	if (conn_shut(c) != c->told_shut) {
		op = VIRTIO_VSOCK_OP_SHUTDOWN;
	} else if (c->readable && conn_can_read(c) && conn_credit(c) == 0 && !c->asked_credit) {
		c->asked_credit = true;
		op = VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	} else if (c->owe_credit) {
		op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	}
	if (op == VIRTIO_VSOCK_OP_INVALID)
		return false;
	conn_header(c, h, op);
	if (op == VIRTIO_VSOCK_OP_SHUTDOWN) {
		c->told_shut = conn_shut(c);
		h->flags = c->told_shut;
	}
	return true;
}

bool conn_fill(struct vsock_conn *c, const struct giov *room, struct vsock_hdr_host *h)
{
	if (c->state == VC_HELD) {
		mux_hash_add(c);
		c->state = VC_ASKED;
		conn_header(c, h, VIRTIO_VSOCK_OP_REQUEST);
		return true;
	}
	if (c->state == VC_OPEN && conn_fill_open(c, room, h))
		return true;
	if (c->state != VC_DYING)
		return false;
	conn_header(c, h, VIRTIO_VSOCK_OP_RST);
	conn_guest_over(c);
	return true;
}

/* --- the client's end --- */

/* "CONNECT port\n", complete */
static bool line_parse(const char *line, size_t len, uint32_t *port)
{
	static const char verb[] = "CONNECT ";
	const size_t first = sizeof(verb) - 1;
	uint64_t v = 0;
	size_t i;

	if (len < first + 2 || memcmp(line, verb, first) != 0)
		return false;
	for (i = first; i < len - 1; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(line[i] - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*port = (uint32_t)v;
	return true;
}

/* Looks first, then takes no byte behind the newline: those are the stream's. */
static void conn_line(struct vsock_conn *c)
{
	char *at = c->line + c->line_len;
	struct iovec iov = { .iov_base = at, .iov_len = VSOCK_LINE_MAX - c->line_len };
	ssize_t n = sock_recv(c->fd, &iov, 1, MSG_PEEK);
	const char *nl;

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		conn_drop(c);
		return;
	}
	nl = memchr(at, '\n', (size_t)n);
	iov.iov_len = nl != NULL ? (size_t)(nl - at) + 1 : (size_t)n;
	n = sock_recv(c->fd, &iov, 1, 0);
	if (n != (ssize_t)iov.iov_len) {
		conn_drop(c);
		return;
	}
	c->line_len = (uint8_t)(c->line_len + n);
	if (nl != NULL && line_parse(c->line, c->line_len, &c->guest_port))
		c->state = VC_HELD;
	else if (nl != NULL || c->line_len == VSOCK_LINE_MAX)
		conn_drop(c);
}

/* The client closed before the guest's answer: carry on for the bytes it left, if any. */
static void conn_left(struct vsock_conn *c)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	if (sock_recv(c->fd, &iov, 1, MSG_PEEK) > 0)
		conn_host_hup(c);
	else if (c->state == VC_HELD)
		conn_drop(c);
	else
		conn_abort(c);
}

static void conn_event(void *arg, uint32_t ev)
{
	struct vsock_conn *c = arg;
	bool hup = (ev & (EPOLLHUP | EPOLLERR)) != 0;

	if (c->state == VC_LINE) {
		conn_line(c);
	} else if (c->state == VC_HELD || c->state == VC_ASKED) {
		conn_left(c);
	} else {
		if ((ev & EPOLLOUT) != 0)
			conn_flush(c);
		if (hup)
			conn_host_hup(c);
		if ((ev & EPOLLIN) != 0)
			c->readable = true;
		conn_check(c);
	}
	mux_kick(c);
	conn_watch(c);
}

int conn_attach(struct vsock_conn *c, int fd, enum vsock_state state)
{
	uint32_t ev;

	c->fd = fd;
	c->state = (uint8_t)state;
	ev = conn_events(c);
	c->id = loop_add_fd(c->m->loop, fd, ev, conn_event, c);
	if (c->id == 0) {
		c->fd = -1;
		return -ENOSPC;
	}
	c->events = ev;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "devices/vsock_conn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define SECOND_NS 1000000000ULL
#define BUFS_LEN  ((size_t)VSOCK_CONNS_MAX * VSOCK_BUF_SIZE)

static_assert(VSOCK_PATH_MAX == sizeof(((struct sockaddr_un *)NULL)->sun_path), "unix(7)");

/* --- slots --- */

static struct vsock_conn *slot_get(struct vsock_mux *m, uint16_t link)
{
	return link == 0 ? NULL : &m->conn[link - 1];
}

static uint16_t slot_link(const struct vsock_conn *c)
{
	return (uint16_t)(conn_slot(c) + 1);
}

struct vsock_conn *mux_alloc(struct vsock_mux *m)
{
	struct vsock_conn *c = slot_get(m, m->free_head);

	if (c != NULL)
		m->free_head = c->next_hash;
	else if (m->used < VSOCK_CONNS_MAX)
		c = &m->conn[m->used++];
	else
		return NULL;
	*c = (struct vsock_conn){ .m = m, .fd = -1, .gen = c->gen, .next_ready = c->next_ready, .queued = c->queued };
	return c;
}

void mux_release(struct vsock_conn *c)
{
	struct vsock_mux *m = c->m;

	c->state = VC_FREE;
	c->gen++;
	c->next_hash = m->free_head;
	m->free_head = slot_link(c);
	if (m->listen_off && !m->listen_bad) {
		m->listen_off = false;
		loop_mod_fd(m->loop, m->listen_id, EPOLLIN);
	}
}

static uint16_t *bucket_of(struct vsock_mux *m, uint32_t host_port, uint32_t guest_port)
{
	uint32_t h = (host_port * 2654435761u) ^ guest_port;

	h *= 2246822519u;
	return &m->bucket[(h >> 16 ^ h) % VSOCK_BUCKETS];
}

static struct vsock_conn *mux_find(struct vsock_mux *m, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_conn *c = slot_get(m, *bucket_of(m, host_port, guest_port));

	while (c != NULL && (c->host_port != host_port || c->guest_port != guest_port))
		c = slot_get(m, c->next_hash);
	return c;
}

void mux_hash_add(struct vsock_conn *c)
{
	uint16_t *b = bucket_of(c->m, c->host_port, c->guest_port);

	c->next_hash = *b;
	*b = slot_link(c);
}

void mux_hash_del(struct vsock_conn *c)
{
	uint16_t *at = bucket_of(c->m, c->host_port, c->guest_port);

	while (*at != slot_link(c)) {
		BUG_ON(*at == 0);
		at = &c->m->conn[*at - 1].next_hash;
	}
	*at = c->next_hash;
}

/* --- the queue of connections with something for the guest; what became idle or free meanwhile is skipped when met ---
 */

static void ready_push(struct vsock_conn *c)
{
	struct vsock_mux *m = c->m;

	if (c->queued)
		return;
	c->queued = true;
	c->next_ready = 0;
	if (m->ready_tail == 0)
		m->ready_head = slot_link(c);
	else
		m->conn[m->ready_tail - 1].next_ready = slot_link(c);
	m->ready_tail = slot_link(c);
}

static struct vsock_conn *ready_pop(struct vsock_mux *m)
{
	struct vsock_conn *c = slot_get(m, m->ready_head);

	if (c == NULL)
		return NULL;
	m->ready_head = c->next_ready;
	if (m->ready_head == 0)
		m->ready_tail = 0;
	c->queued = false;
	return c;
}

void mux_kick(struct vsock_conn *c)
{
	struct vsock_mux *m = c->m;

	if (!conn_ready(c))
		return;
	ready_push(c);
	m->ops->ready(m->ctx);
}

bool vsock_mux_ready(const struct vsock_mux *m)
{
	return m->rst_len > 0 || m->ready_head != 0;
}

bool vsock_mux_fill(struct vsock_mux *m, const struct giov *room, struct vsock_hdr_host *h)
{
	struct vsock_conn *c;

	if (m->rst_len > 0) {
		const struct vsock_rst *r = &m->rst[m->rst_head];

		*h = (struct vsock_hdr_host){ .src_cid = r->src_cid,
					      .dst_cid = r->dst_cid,
					      .src_port = r->src_port,
					      .dst_port = r->dst_port,
					      .type = r->type,
					      .op = VIRTIO_VSOCK_OP_RST };
		m->rst_head = (m->rst_head + 1) % VSOCK_RSTS_MAX;
		m->rst_len--;
		return true;
	}
	while ((c = ready_pop(m)) != NULL) {
		bool got = conn_fill(c, room, h);

		/* One that stays ready needs no watching: whoever queued it does that, or has done it. */
		if (conn_ready(c))
			ready_push(c);
		else
			conn_watch(c);
		if (got)
			return true;
	}
	return false;
}

/* --- packets of the guest --- */

/* Answer RST to a packet that belongs to no connection, from where it was sent to. */
static void mux_refuse(struct vsock_mux *m, const struct vsock_hdr_host *h)
{
	if (h->op == VIRTIO_VSOCK_OP_RST || m->rst_len == VSOCK_RSTS_MAX)
		return;
	m->rst[(m->rst_head + m->rst_len) % VSOCK_RSTS_MAX] = (struct vsock_rst){ .src_cid = h->dst_cid,
										  .dst_cid = h->src_cid,
										  .src_port = h->dst_port,
										  .dst_port = h->src_port,
										  .type = h->type };
	m->rst_len++;
	m->ops->ready(m->ctx);
}

/* Connect to PATH_port. Returns the fd or -errno; never blocks. */
static int path_connect(const struct vsock_mux *m, uint32_t port)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s_%u", m->path, port);
	int fd, r;

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

/* The ports of the host's own ends, which no guest may take, so that they are unique. */
static bool port_is_ours(uint32_t port)
{
	return (port & ~(VSOCK_HOST_PORT - 1)) == VSOCK_HOST_PORT;
}

/* An fd for a REQUEST to this port, or -errno */
static int mux_dial(struct vsock_mux *m, uint32_t port)
{
	if (m->control_fd >= 0 && port == m->control_port)
		return fd_steal(&m->control_fd);
	if (m->path[0] == '\0' || port_is_ours(port))
		return -ECONNREFUSED;
	return path_connect(m, port);
}

static void mux_request(struct vsock_mux *m, const struct vsock_hdr_host *h)
{
	struct vsock_conn *c = mux_alloc(m);
	int fd;

	if (c == NULL) {
		mux_refuse(m, h);
		return;
	}
	fd = mux_dial(m, h->dst_port);
	if (fd < 0 || conn_attach(c, fd, VC_OPEN) < 0) {
		fd_close(&fd);
		mux_release(c);
		mux_refuse(m, h);
		return;
	}
	c->host_port = h->dst_port;
	c->guest_port = h->src_port;
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	c->owe_response = true;
	mux_hash_add(c);
	mux_kick(c);
}

void vsock_mux_packet(struct vsock_mux *m, const struct vsock_hdr_host *h, struct giov *payload)
{
	struct vsock_conn *c;

	if (h->src_cid != m->cid || h->dst_cid != VSOCK_HOST_CID || h->type != VIRTIO_VSOCK_TYPE_STREAM) {
		mux_refuse(m, h);
		return;
	}
	c = mux_find(m, h->dst_port, h->src_port);
	if (c != NULL) {
		conn_packet(c, h, payload);
		mux_kick(c);
		conn_watch(c);
	} else if (h->op == VIRTIO_VSOCK_OP_REQUEST) {
		mux_request(m, h);
	} else {
		mux_refuse(m, h);
	}
}

/* --- clients --- */

static void listen_pause(struct vsock_mux *m)
{
	m->listen_off = true;
	loop_mod_fd(m->loop, m->listen_id, 0);
}

/* accept() failed for want of fds or memory: not watched until the next tick, or the loop would spin. */
static void listen_failed(struct vsock_mux *m, int error)
{
	if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
		return;
	if (log_limited(&m->limit))
		log_warn("vsock", "cannot accept a client: %s; trying again every second", strerror(error));
	m->listen_bad = true;
	listen_pause(m);
	mux_need_tick(m);
}

/* One client at a time: the others are still there when the loop comes round again. */
static void listen_event(void *arg, uint32_t events)
{
	struct vsock_mux *m = arg;
	struct vsock_conn *c;
	int fd;

	(void)events;
	if (m->free_head == 0 && m->used == VSOCK_CONNS_MAX) {
		listen_pause(m);
		return;
	}
	fd = accept4(m->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		listen_failed(m, errno);
		return;
	}
	c = mux_alloc(m);
	if (c != NULL && conn_attach(c, fd, VC_LINE) == 0) {
		c->host_port = VSOCK_HOST_PORT | (c->gen & 0xfffff) << 10 | conn_slot(c);
		return;
	}
	(void)close(fd);
	if (c != NULL)
		mux_release(c);
}

/* --- time, reset, life --- */

void mux_need_tick(struct vsock_mux *m)
{
	if (m->ticking)
		return;
	m->ticking = true;
	loop_set_timer(m->loop, m->timer, SECOND_NS);
}

void vsock_mux_tick(struct vsock_mux *m)
{
	bool again = false;
	unsigned int i;

	m->ticking = false;
	if (m->listen_bad) {
		m->listen_bad = false;
		m->listen_off = false;
		loop_mod_fd(m->loop, m->listen_id, EPOLLIN);
	}
	for (i = 0; i < m->used; i++) {
		struct vsock_conn *c = &m->conn[i];

		if (c->state == VC_OPEN && conn_tick(c)) {
			mux_kick(c);
			conn_watch(c);
		}
		again = again || (c->state == VC_OPEN && c->linger > 0);
	}
	if (again)
		mux_need_tick(m);
}

static void timer_event(void *arg, uint32_t events)
{
	(void)events;
	vsock_mux_tick(arg);
}

void vsock_mux_reset(struct vsock_mux *m)
{
	unsigned int i;

	m->rst_len = 0;
	for (i = 0; i < m->used; i++) {
		struct vsock_conn *c = &m->conn[i];

		if (c->state == VC_ASKED || c->state == VC_OPEN || c->state == VC_DYING)
			conn_guest_over(c);
		conn_watch(c);
	}
}

unsigned int vsock_mux_unflushed(const struct vsock_mux *m)
{
	unsigned int i, n = 0;

	for (i = 0; i < m->used; i++)
		n += m->conn[i].state != VC_FREE && m->conn[i].buf_len > 0;
	return n;
}

static int config_check(const struct vsock_config *cfg, struct err *e)
{
	static const char port[] = "_4294967295";

	if (cfg->cid < 3 || cfg->cid >= UINT32_MAX)
		return err_say(e, EINVAL, "vsock: guest CID %" PRIu64 " is reserved or too large; use 3 to 4294967294",
			       cfg->cid);
	if (cfg->control_fd >= 0 && port_is_ours(cfg->control_port))
		return err_say(e, EINVAL, "vsock: control port %u is among the host's own; use one below %u",
			       cfg->control_port, VSOCK_HOST_PORT);
	if (cfg->path == NULL)
		return 0;
	if (cfg->path[0] == '\0')
		return err_say(e, EINVAL, "vsock: the path is empty; name the socket");
	if (strlen(cfg->path) + sizeof(port) > VSOCK_PATH_MAX)
		return err_say(e, ENAMETOOLONG, "vsock: `%s` is too long for a unix socket; use at most %zu bytes",
			       cfg->path, VSOCK_PATH_MAX - sizeof(port));
	return 0;
}

/* One mapping for all buffers: small pages, since a huge one would cost 2 MiB for a byte, and never in a core file. */
static int bufs_map(struct vsock_mux *m)
{
	void *p = mmap(NULL, BUFS_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	(void)madvise(p, BUFS_LEN, MADV_NOHUGEPAGE); /* EINVAL: a kernel without huge pages */
	(void)madvise(p, BUFS_LEN, MADV_DONTDUMP);
	m->buf = p;
	return 0;
}

static int mux_start(struct vsock_mux *m, int listen_fd)
{
	int r = bufs_map(m);

	if (r < 0)
		return r;
	m->timer = loop_add_timer(m->loop, timer_event, m);
	if (m->timer == 0)
		return -EMFILE;
	if (listen_fd < 0)
		return 0;
	r = fd_set_nonblock(listen_fd, true);
	if (r < 0)
		return r;
	m->listen_id = loop_add_fd(m->loop, listen_fd, EPOLLIN, listen_event, m);
	return m->listen_id == 0 ? -ENOSPC : 0;
}

int vsock_mux_new(struct vsock_mux **out, const struct vsock_config *cfg, struct loop *loop,
		  const struct vsock_mux_ops *ops, void *ctx, struct err *e)
{
	struct vsock_mux *m;
	int r = config_check(cfg, e);

	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return err_set(e, ENOMEM, "vsock: connection table");
	m->loop = loop;
	m->ops = ops;
	m->ctx = ctx;
	m->cid = cfg->cid;
	m->listen_fd = -1;
	m->control_fd = -1;
	m->control_port = cfg->control_port;
	if (cfg->path != NULL)
		memcpy(m->path, cfg->path, strlen(cfg->path) + 1);
	r = mux_start(m, cfg->listen_fd);
	if (r < 0) {
		vsock_mux_free(m);
		return err_set(e, -r, "vsock: setting up %u connections", VSOCK_CONNS_MAX);
	}
	m->listen_fd = cfg->listen_fd;
	m->control_fd = cfg->control_fd;
	*out = m;
	return 0;
}

void vsock_mux_free(struct vsock_mux *m)
{
	unsigned int i;

	if (m == NULL)
		return;
	/* First, or a freed slot would watch it again. */
	loop_del(m->loop, m->listen_id);
	for (i = 0; i < m->used; i++)
		if (m->conn[i].state != VC_FREE)
			conn_drop(&m->conn[i]);
	loop_del(m->loop, m->timer);
	fd_close(&m->listen_fd);
	fd_close(&m->control_fd);
	if (m->buf != NULL)
		(void)munmap(m->buf, BUFS_LEN);
	free(m);
}

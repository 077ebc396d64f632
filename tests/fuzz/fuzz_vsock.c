// SPDX-License-Identifier: Apache-2.0
/*
 * The vsock device from rings to unix sockets: the input is a list of things that a guest, its driver and host clients
 * do.
 *
 * Oracles, beside the sanitizers: every packet for the guest is well-formed and belongs to a connection in a state
 * where it makes sense; the host keeps to the guest's credit; a guest that keeps to its own is not cut off; every byte
 * arrives once, in order, and in the end all do (both ways, unless somebody broke the protocol or went away); the loop
 * comes to rest; no fd is left open.
 *
 * A connection on which the guest broke a rule is `wild`: only the shape of packets is checked from then on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fake/fake_drv.h"
#include "virtio/vsock.h"
#include "vmm/base/cursor.h"
#include "vmm/base/fdio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RX        0
#define TX        1
#define CID       3
#define CONTROL   77
#define PATH_PORT 1024
#define CLIENTS   8
#define CONNS     16
#define RX_BUFS   64
#define RX_LEN    1024
#define PORT0     20000 /* guest ports of modelled clients: PORT0 + their number */
#define HDR       sizeof(struct virtio_vsock_hdr)
#define TX_LEN    (HDR + 70000)
#define STEPS_MAX 400
#define RESETS    6

#define oracle(cond)                                                                                                   \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "oracle at line %d: %s\n", __LINE__, #cond);                                   \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* A host process: one that dialled, the launcher's end of the control socket, or a listener's accepted end */
struct client {
	int fd;   /* -1: unused or closed */
	bool raw; /* wrote its line from the input: no model */
	bool ok;  /* the stream has begun for its reader */
	int shut; /* bit 0: reads no more, bit 1: writes no more */
	int conn; /* -1: none yet */
	uint32_t wrote, heard;
	char line[32];
	unsigned int line_len;
};

enum phase { ASKED, WANTED, OPEN, OVER };

struct conn {
	uint32_t hp, gp;
	int client; /* -1: none known */
	enum phase phase;
	bool wild, may_end;
	uint8_t guest_shut, host_shut;
	uint32_t sent, fwd_seen;
	uint32_t taken;
	uint64_t bound; /* the most the host may ever have sent */
	uint32_t alloc, fwd;
};

static struct state {
	struct fake_vm vm;
	struct fake_drv drv;
	struct virtio_vsock *v;
	struct rd in;
	struct sockaddr_un sa;
	socklen_t sa_len;
	struct client client[CLIENTS];
	struct conn conn[CONNS];
	unsigned int nclients, nconns, resets;
	int low;      /* the first fd of this run */
	bool starved; /* leave what was dialled to the caller */
	bool alive;   /* the driver has the device */
	uint64_t tx_gpa, rx_gpa[RX_BUFS], rx_of[VQ_SIZE_MAX];
	uint64_t rx_free; /* bits */
	uint16_t next_port;
} s;

static int path_listener = -1;
static char dir[] = "/tmp/kvmbox-fuzz-XXXXXX";

static uint8_t up_byte(unsigned int conn, uint32_t off)
{
	return (uint8_t)(conn * 37 + off * 7 + (off >> 8));
}

static uint8_t down_byte(unsigned int client, uint32_t off)
{
	return (uint8_t)((client * 91 + off * 13 + (off >> 8)) ^ 0x5a);
}

/* --- once a process: the listener of PATH_PORT --- */

static void forget_path(void)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/s_%d", dir, PATH_PORT);
	(void)unlink(name);
	(void)rmdir(dir);
}

static void path_init(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (path_listener >= 0)
		return;
	log_init("fuzz", "", -1, LOG_ERROR);
	oracle(mkdtemp(dir) != NULL);
	(void)atexit(forget_path);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s_%d", dir, PATH_PORT);
	path_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	oracle(bind(path_listener, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	oracle(listen(path_listener, 4) == 0);
}

/* --- set-up --- */

static struct client *client_new(int fd)
{
	struct client *c = &s.client[s.nclients++];

	*c = (struct client){ .fd = fd, .conn = -1 };
	return c;
}

static void device_new(bool path)
{
	char name[64];
	struct vsock_config cfg = { .cid = CID, .control_port = CONTROL, .path = path ? name : NULL };
	struct err e = { 0 };
	int pair[2];

	(void)snprintf(name, sizeof(name), "%s/s", dir);
	cfg.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s.sa.sun_family = AF_UNIX;
	s.sa_len = sizeof(s.sa);
	/* no name: the kernel chooses an abstract one */
	oracle(bind(cfg.listen_fd, (struct sockaddr *)&s.sa, sizeof(sa_family_t)) == 0);
	oracle(getsockname(cfg.listen_fd, (struct sockaddr *)&s.sa, &s.sa_len) == 0);
	oracle(listen(cfg.listen_fd, 16) == 0);
	oracle(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	cfg.control_fd = pair[1];
	client_new(pair[0])->ok = true;
	oracle(virtio_vsock_new(&s.v, &cfg, &s.vm.mem, s.vm.loop, &e) == 0);
}

/* Configurations that must fail, and leave nothing */
static void device_refuses(uint8_t how)
{
	char name[128];
	struct vsock_config cfg = { .cid = 3, .listen_fd = -1, .control_fd = -1 };
	struct virtio_vsock *v;
	struct err e = { 0 };

	memset(name, 'x', sizeof(name) - 1);
	name[127] = '\0';
	switch (how & 7) {
	case 0: cfg.cid = how & 3; break;
	case 1: cfg.cid = UINT64_MAX; break;
	case 2: cfg.path = ""; break;
	case 3: cfg.path = name; break;
	case 4: cfg.listen_fd = 100000; break;
	default:
		cfg.control_fd = 0;
		cfg.control_port = 1 << 30;
		break;
	}
	oracle(virtio_vsock_new(&v, &cfg, &s.vm.mem, s.vm.loop, &e) < 0 && e.code != 0 && e.text[0] != '\0');
}

static void run(void)
{
	int i;

	for (i = 0; fake_step(&s.vm) > 0; i++)
		oracle(i < 5000);
	if (fake_drv_needs_reset(&s.drv))
		s.alive = false;
}

static void probe(void)
{
	unsigned int i;

	oracle(fake_drv_probe(&s.drv, &s.vm, 0, FAKE_FEATURES | 1, 64) == 0);
	s.rx_free = UINT64_MAX;
	s.alive = true;
	for (i = 0; i < s.nconns; i++)
		s.conn[i].phase = OVER;
}

static struct conn *conn_find(uint32_t hp, uint32_t gp)
{
	unsigned int i;

	for (i = 0; i < s.nconns; i++)
		if (s.conn[i].phase != OVER && s.conn[i].hp == hp && s.conn[i].gp == gp)
			return &s.conn[i];
	return NULL;
}

/* One that is over, whose last packets were on their way */
static bool conn_was(uint32_t hp, uint32_t gp)
{
	unsigned int i;

	for (i = 0; i < s.nconns; i++)
		if (s.conn[i].hp == hp && s.conn[i].gp == gp)
			return true;
	return false;
}

static struct conn *conn_new(uint32_t hp, uint32_t gp, int client, enum phase phase)
{
	struct conn *c;

	if (s.nconns == CONNS)
		return NULL;
	c = &s.conn[s.nconns++];
	*c = (struct conn){ .hp = hp, .gp = gp, .client = client, .phase = phase };
	if (client >= 0) {
		s.client[client].conn = (int)(c - s.conn);
		c->may_end = s.client[client].shut != 0;
	}
	return c;
}

/* --- the guest sends --- */

static void tx(const struct virtio_vsock_hdr *h, size_t hdr_len, size_t len)
{
	struct fake_buf b[3] = { { s.tx_gpa, (uint32_t)hdr_len, false },
				 { s.tx_gpa + HDR, (uint32_t)(len / 2), false },
				 { s.tx_gpa + HDR + len / 2, (uint32_t)(len - len / 2), false } };
	uint16_t head;
	uint32_t used;

	memcpy(fake_ptr(&s.vm, s.tx_gpa, HDR), h, HDR);
	if (len == 1)
		b[1].len = 1;
	(void)!fake_drv_add(&s.drv, TX, b, len == 0 ? 1 : len == 1 ? 2 : 3, FAKE_TABLE);
	(void)fake_drv_kick(&s.drv, TX);
	run();
	oracle((fake_drv_used(&s.drv, TX, &head, &used) && used == 0) || !s.alive);
}

static struct virtio_vsock_hdr header(uint32_t hp, uint32_t gp, uint16_t op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID, .dst_cid = 2, .src_port = gp, .dst_port = hp, .type = 1, .op = op
	};
}

/* What the guest says of its buffer: honest, or absurd and then wild */
static void announce(struct conn *c, struct virtio_vsock_hdr *h)
{
	static const uint32_t allocs[] = { 0, 1, 100, 5000, 262144, 262144, 262144, 262144 };
	uint8_t how = rd_u8(&s.in);

	c->alloc = allocs[how % 8];
	c->fwd = c->taken;
	if (how >= 250) {
		c->wild = true;
		c->alloc = rd_u32(&s.in);
		c->fwd = rd_u32(&s.in);
	}
	if (c->bound < (uint64_t)c->fwd + c->alloc)
		c->bound = (uint64_t)c->fwd + c->alloc;
	h->buf_alloc = c->alloc;
	h->fwd_cnt = c->fwd;
}

static void guest_rw(struct conn *c, struct virtio_vsock_hdr *h, bool greedy)
{
	uint32_t room = VSOCK_BUF_SIZE - (c->sent - c->fwd_seen);
	uint32_t len = rd_u16(&s.in), i;
	uint8_t *p = fake_ptr(&s.vm, s.tx_gpa + HDR, TX_LEN - HDR);

	if (greedy) {
		len = VSOCK_BUF_SIZE + 1 + len % 1000;
		c->wild = true;
	} else if (len > room) {
		len = room;
	}
	if ((c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0 || c->phase == ASKED)
		c->wild = true;
	for (i = 0; i < len; i++)
		p[i] = up_byte((unsigned int)(c - s.conn), c->sent + i);
	h->len = len;
	c->sent += len;
	tx(h, HDR, len);
}

/* A second REQUEST from the same port, when the first connection is over by now, reaches the listener again. */
static void drop_strays(void)
{
	int fd;

	while ((fd = accept4(path_listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		(void)close(fd);
}

/* A packet on a connection the guest knows */
static void guest_packet(void)
{
	static const uint16_t ops[] = { VIRTIO_VSOCK_OP_RW,
					VIRTIO_VSOCK_OP_RW,
					VIRTIO_VSOCK_OP_CREDIT_UPDATE,
					VIRTIO_VSOCK_OP_SHUTDOWN,
					VIRTIO_VSOCK_OP_CREDIT_REQUEST,
					VIRTIO_VSOCK_OP_RST,
					VIRTIO_VSOCK_OP_RESPONSE,
					VIRTIO_VSOCK_OP_REQUEST };
	uint8_t how = rd_u8(&s.in), what = rd_u8(&s.in);
	struct virtio_vsock_hdr h;
	struct conn *c;

	if (s.nconns == 0)
		return;
	c = &s.conn[how % s.nconns];
	if (c->phase == OVER)
		return;
	h = header(c->hp, c->gp, what == 255 ? rd_u16(&s.in) : ops[what % 8]);
	if (c->phase == ASKED && (what & 8) == 0)
		h.op = VIRTIO_VSOCK_OP_RESPONSE;
	announce(c, &h);
	if (h.op == VIRTIO_VSOCK_OP_RW) {
		guest_rw(c, &h, (what & 0xf0) == 0xf0);
		return;
	}
	if (h.op == VIRTIO_VSOCK_OP_SHUTDOWN)
		h.flags = rd_u8(&s.in);
	if (h.op == VIRTIO_VSOCK_OP_SHUTDOWN && c->phase != ASKED) {
		c->guest_shut |= h.flags & 3;
		c->may_end = c->may_end || c->guest_shut == 3;
	} else if (h.op == VIRTIO_VSOCK_OP_RST) {
		c->phase = OVER;
	} else if (c->phase == ASKED && h.op == VIRTIO_VSOCK_OP_RESPONSE) {
		c->phase = OPEN;
	} else if (c->phase == ASKED ||
		   (h.op != VIRTIO_VSOCK_OP_CREDIT_UPDATE && h.op != VIRTIO_VSOCK_OP_CREDIT_REQUEST)) {
		c->wild = true;
	}
	tx(&h, HDR, 0);
	drop_strays();
}

static void guest_request(void)
{
	static const uint32_t ports[] = { CONTROL, PATH_PORT, PATH_PORT, PATH_PORT + 1, 1 << 30, 0 };
	uint8_t how = rd_u8(&s.in);
	uint32_t hp = ports[how % ARRAY_SIZE(ports)], gp = s.next_port++;
	struct virtio_vsock_hdr h = header(hp, gp, VIRTIO_VSOCK_OP_REQUEST);
	int client = -1, fd = -1;
	struct conn *c;

	if (s.nconns == CONNS || s.nclients == CLIENTS)
		return;
	if (hp == CONTROL && s.client[0].conn < 0)
		client = 0;
	c = conn_new(hp, gp, client, WANTED);
	announce(c, &h);
	tx(&h, HDR, 0);
	if (hp == PATH_PORT)
		fd = accept4(path_listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		c->client = (int)s.nclients;
		client_new(fd)->conn = (int)(c - s.conn);
		s.client[c->client].ok = true;
	} else if (client < 0) {
		c->may_end = true;
	}
}

/* Header from the input; one that meets a connection makes it wild. */
static void guest_raw(void)
{
	struct virtio_vsock_hdr h;
	uint8_t how = rd_u8(&s.in);
	struct conn *c;
	size_t len;

	rd_copy(&s.in, &h, sizeof(h));
	if ((how & 1) != 0)
		h.src_cid = CID;
	if ((how & 2) != 0)
		h.dst_cid = 2;
	if ((how & 4) != 0)
		h.type = 1;
	if ((how & 8) != 0)
		h.op = VIRTIO_VSOCK_OP_RW;
	len = (how & 16) != 0 ? 300 : 0;
	if ((how & 32) != 0)
		h.len = (uint32_t)len;
	/* Never a connection that the model does not know of */
	if (h.op == VIRTIO_VSOCK_OP_REQUEST && (h.dst_port == CONTROL || h.dst_port == PATH_PORT))
		h.dst_port++;
	c = conn_find(h.dst_port, h.src_port);
	if (c != NULL)
		c->wild = true;
	tx(&h, (how & 64) != 0 ? HDR - 1 : HDR, len);
}

/* As many packets at once as the ring holds */
static void burst(void)
{
	struct virtio_vsock_hdr h = header(9, 9, VIRTIO_VSOCK_OP_RST);
	struct fake_buf b = { s.tx_gpa, HDR, false };
	unsigned int i;
	uint16_t head;
	uint32_t used;

	if (rd_u8(&s.in) < 128)
		h.op = VIRTIO_VSOCK_OP_RW;
	memcpy(fake_ptr(&s.vm, s.tx_gpa, HDR), &h, HDR);
	for (i = 0; i < 64; i++)
		oracle(fake_drv_add(&s.drv, TX, &b, 1, FAKE_DIRECT) >= 0);
	(void)fake_drv_kick(&s.drv, TX);
	run();
	for (i = 0; i < 64; i++)
		oracle((fake_drv_used(&s.drv, TX, &head, &used) && used == 0) || !s.alive);
}

/* --- the guest receives --- */

static void post(void)
{
	uint32_t len = rd_u16(&s.in) % RX_LEN + 1;
	struct fake_buf b;
	int head, i;

	/* mostly usable */
	if (len <= HDR && rd_u8(&s.in) < 240)
		len += HDR;
	if (s.rx_free == 0)
		return;
	i = __builtin_ctzll(s.rx_free);
	b = (struct fake_buf){ s.rx_gpa[i], len, true };
	head = fake_drv_add(&s.drv, RX, &b, 1, FAKE_DIRECT);
	oracle(head >= 0);
	s.rx_free &= s.rx_free - 1;
	s.rx_of[head] = (uint64_t)i << 32 | len;
	(void)fake_drv_kick(&s.drv, RX);
	run();
}

static void got_request(const struct virtio_vsock_hdr *h)
{
	uint32_t client = h->dst_port - PORT0;
	unsigned int i;

	oracle(h->src_port >> 30 == 1);
	for (i = 0; i < s.nconns; i++)
		oracle(s.conn[i].phase == OVER || s.conn[i].phase == WANTED || s.conn[i].hp != h->src_port);
	if (client >= s.nclients || s.client[client].raw || s.client[client].conn >= 0)
		client = UINT32_MAX;
	(void)conn_new(h->src_port, h->dst_port, (int)client, ASKED);
}

static void got_rw(struct conn *c, const struct virtio_vsock_hdr *h, const uint8_t *data)
{
	uint32_t i;

	oracle(c->phase == OPEN);
	oracle((c->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) == 0);
	oracle(h->len > 0 && c->taken + h->len <= c->bound);
	for (i = 0; c->client >= 0 && i < h->len; i++)
		oracle(data[i] == down_byte((unsigned int)c->client, c->taken + i));
	c->taken += h->len;
	if (c->client >= 0)
		oracle(c->taken <= s.client[c->client].wrote);
}

static void got_packet(struct conn *c, const struct virtio_vsock_hdr *h, const uint8_t *data)
{
	if (h->op == VIRTIO_VSOCK_OP_RST) {
		oracle(c->wild || c->may_end);
		c->phase = OVER;
		return;
	}
	if (c->wild)
		return;
	oracle(h->fwd_cnt >= c->fwd_seen && h->fwd_cnt <= c->sent);
	c->fwd_seen = h->fwd_cnt;
	if (h->op == VIRTIO_VSOCK_OP_RESPONSE) {
		oracle(c->phase == WANTED);
		c->phase = OPEN;
	} else if (h->op == VIRTIO_VSOCK_OP_RW) {
		got_rw(c, h, data);
	} else if (h->op == VIRTIO_VSOCK_OP_SHUTDOWN) {
		oracle(c->phase == OPEN && (h->flags & ~3U) == 0 && (h->flags & c->host_shut) == c->host_shut);
		oracle(h->flags != c->host_shut);
		c->host_shut = (uint8_t)h->flags;
	} else {
		oracle(c->phase == OPEN);
	}
}

/* One packet from the receive queue; false when there was none */
static bool take(void)
{
	struct virtio_vsock_hdr h;
	const uint8_t *p;
	struct conn *c;
	uint16_t head;
	uint32_t len;
	uint64_t of;

	if (!fake_drv_used(&s.drv, RX, &head, &len))
		return false;
	of = s.rx_of[head];
	p = fake_ptr(&s.vm, s.rx_gpa[of >> 32], RX_LEN);
	s.rx_free |= 1ULL << (of >> 32);
	oracle(len >= HDR && len <= (uint32_t)of);
	memcpy(&h, p, HDR);
	oracle(len == HDR + h.len);
	oracle(h.op >= VIRTIO_VSOCK_OP_REQUEST && h.op <= VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	oracle(h.op == VIRTIO_VSOCK_OP_RW || h.len == 0);
	c = conn_find(h.src_port, h.dst_port);
	if (h.op == VIRTIO_VSOCK_OP_RST) {
		if (c != NULL && h.src_cid == 2 && h.dst_cid == CID && h.type == 1)
			got_packet(c, &h, NULL);
		return true;
	}
	oracle(h.src_cid == 2 && h.dst_cid == CID && h.type == 1 && h.buf_alloc == VSOCK_BUF_SIZE);
	oracle(h.op == VIRTIO_VSOCK_OP_SHUTDOWN || h.flags == 0);
	if (h.op == VIRTIO_VSOCK_OP_REQUEST)
		got_request(&h);
	else if (c != NULL)
		got_packet(c, &h, p + HDR);
	else
		oracle(s.nconns == CONNS || conn_was(h.src_port, h.dst_port));
	return true;
}

/* --- host clients --- */

static int lowest_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	(void)close(fd);
	return fd;
}

static void tick(void)
{
	fake_lock(&s.vm);
	vsock_mux_tick(virtio_vsock_mux(s.v));
	fake_unlock(&s.vm);
	run();
}

static struct client *client_pick(void)
{
	struct client *c = &s.client[rd_u8(&s.in) % s.nclients];

	return c->fd >= 0 ? c : NULL;
}

static void client_may_end(struct client *c)
{
	if (c->conn >= 0)
		s.conn[c->conn].may_end = true;
}

static void client_dial(void)
{
	uint8_t how = rd_u8(&s.in);
	struct client *c;
	char text[64];
	size_t len;
	unsigned int i;
	int fd;

	if (s.nclients == CLIENTS)
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	oracle(connect(fd, (struct sockaddr *)&s.sa, s.sa_len) == 0);
	c = client_new(fd);
	if (how < 160) {
		len = (size_t)snprintf(text, sizeof(text), "CONNECT %u\n", PORT0 + s.nclients - 1);
	} else {
		c->raw = true;
		len = how % 50;
		rd_copy(&s.in, text, len);
		if ((how & 1) != 0)
			memcpy(text, "CONNECT ", min_size(len, 8));
		/* no port that a modelled client could have */
		for (i = 0; i < len; i++)
			if (text[i] == '2')
				text[i] = '3';
	}
	oracle(write_full(fd, text, len) == 0);
	if (!s.starved)
		run();
}

static void client_write(void)
{
	struct client *c = client_pick();
	uint32_t len = rd_u16(&s.in) % 8000, i;
	uint8_t buf[8000];
	ssize_t n;

	if (c == NULL || (c->shut & 2) != 0)
		return;
	for (i = 0; i < len; i++)
		buf[i] = down_byte((unsigned int)(c - s.client), c->wrote + i);
	n = send(c->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	c->wrote += n > 0 ? (uint32_t)n : 0;
	run();
}

static void client_heard(struct client *c, const uint8_t *buf, size_t len)
{
	const struct conn *conn;
	char want[32];
	size_t i;

	for (i = 0; i < len && !c->ok; i++) {
		oracle(c->line_len < sizeof(c->line) - 1);
		c->line[c->line_len++] = (char)buf[i];
		c->ok = buf[i] == '\n';
	}
	if (c->raw || c->conn < 0)
		return;
	conn = &s.conn[c->conn];
	(void)snprintf(want, sizeof(want), "OK %u\n", conn->hp);
	oracle(c->line_len == 0 || strncmp(c->line, want, c->line_len) == 0);
	for (; i < len && !conn->wild; i++)
		oracle(buf[i] == up_byte((unsigned int)c->conn, c->heard++));
	oracle(conn->wild || c->heard <= conn->sent);
}

/* Reads at most cap bytes; returns whether there were any. */
static bool client_read(struct client *c, size_t cap)
{
	uint8_t buf[8192];
	ssize_t n;

	if (c->fd < 0 || (c->shut & 1) != 0)
		return false;
	n = recv(c->fd, buf, min_size(cap, sizeof(buf)), MSG_DONTWAIT);
	if (n <= 0)
		return false;
	client_heard(c, buf, (size_t)n);
	run();
	return true;
}

static void client_shut(void)
{
	uint8_t how = rd_u8(&s.in) % 3;
	struct client *c = client_pick();

	if (c == NULL)
		return;
	(void)shutdown(c->fd, how == 0 ? SHUT_RD : how == 1 ? SHUT_WR : SHUT_RDWR);
	c->shut |= how == 0 ? 1 : how == 1 ? 2 : 3;
	client_may_end(c);
	run();
}

static void client_close(void)
{
	struct client *c = client_pick();

	if (c == NULL)
		return;
	c->shut = 3;
	client_may_end(c);
	fd_close(&c->fd);
	run();
}

/* Small send buffers on every socket there is, the device's too: so that writes fall short. */
static void small_buffers(void)
{
	const int size = 1;
	int fd;

	for (fd = s.low; fd < s.low + 64; fd++)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* A client comes while the process has no fd left; it is served later. */
static void client_starved(void)
{
	struct rlimit l, none;
	unsigned int n = s.nclients;

	oracle(getrlimit(RLIMIT_NOFILE, &l) == 0);
	none = l;
	s.starved = true;
	client_dial();
	if (s.nclients > n) {
		none.rlim_cur = (rlim_t)lowest_fd();
		oracle(setrlimit(RLIMIT_NOFILE, &none) == 0);
		run();
		oracle(setrlimit(RLIMIT_NOFILE, &l) == 0);
		tick();
	}
	s.starved = false;
}

/* --- time, resets, the end --- */

static void reset(void)
{
	unsigned int i;

	if (s.resets++ >= RESETS)
		return;
	fake_drv_reset(&s.drv);
	oracle(fake_drv_status(&s.drv) == 0);
	for (i = 0; i < s.nconns; i++)
		s.conn[i].wild = s.conn[i].may_end = true;
	probe();
	run();
}

static bool step(void)
{
	uint8_t op = rd_u8(&s.in) % 17;

	if (!rd_ok(&s.in))
		return false;
	if (!s.alive && (op < 7 || op == 15))
		op = 16;
	switch (op) {
	case 0:
	case 1: guest_packet(); break;
	case 2: guest_request(); break;
	case 3: guest_raw(); break;
	case 4: post(); break;
	case 5:
	case 6: (void)take(); break;
	case 7: client_dial(); break;
	case 8: client_write(); break;
	case 9: (void)client_read(&s.client[rd_u8(&s.in) % s.nclients], rd_u16(&s.in) % 8192 + 1U); break;
	case 10: client_shut(); break;
	case 11: client_close(); break;
	case 12: tick(); break;
	case 13: small_buffers(); break;
	case 14: client_starved(); break;
	case 15: burst(); break;
	default:
		if (!s.alive || rd_u8(&s.in) < 64)
			reset();
		break;
	}
	return rd_ok(&s.in);
}

/* Plenty of buffers and credit, everybody reads: true while something moves. */
static bool settle_once(void)
{
	static const uint8_t large[3] = { 0xff, 0x03, 0x04 };
	bool moved = false;
	unsigned int i;

	for (i = 0; i < RX_BUFS && s.alive; i++) {
		s.in = rd_init(large, sizeof(large));
		post();
	}
	while (s.alive && take())
		moved = true;
	for (i = 0; i < s.nconns && s.alive; i++) {
		struct conn *c = &s.conn[i];
		struct virtio_vsock_hdr h = header(c->hp, c->gp, VIRTIO_VSOCK_OP_CREDIT_UPDATE);

		if (c->phase != OPEN || c->wild || (c->alloc > 200000 && c->fwd == c->taken))
			continue;
		s.in = rd_init(&large[2], 1);
		announce(c, &h);
		tx(&h, HDR, 0);
		moved = true;
	}
	for (i = 0; i < s.nclients; i++)
		while (client_read(&s.client[i], 8192))
			moved = true;
	return moved;
}

static void settle(void)
{
	unsigned int i;

	for (i = 0; settle_once(); i++)
		oracle(i < 20000);
	for (i = 0; i < s.nconns && s.alive; i++) {
		const struct conn *c = &s.conn[i];
		const struct client *k = c->client >= 0 ? &s.client[c->client] : NULL;

		if (c->wild || k == NULL || c->phase != OPEN)
			continue;
		if ((k->shut & 1) == 0)
			oracle(k->heard == c->sent && k->ok);
		if ((c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0 && k->fd >= 0)
			oracle(c->taken == k->wrote);
	}
	oracle(!s.alive || loop_step(s.vm.loop, 0) == 0);
	for (i = 0; i < s.nclients; i++)
		if (s.client[i].fd >= 0 && (s.client[i].shut & 1) != 0)
			return;
	oracle(vsock_mux_unflushed(virtio_vsock_mux(s.v)) == 0);
}

static void finish(void)
{
	unsigned int i;

	fake_empty(&s.vm, 0);
	virtio_vsock_free(s.v);
	fake_vm_fini(&s.vm);
	for (i = 0; i < s.nclients; i++)
		fd_close(&s.client[i].fd);
	drop_strays();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i;
	uint8_t how;
	int low;

	path_init();
	low = lowest_fd();
	s = (struct state){ .in = rd_init(data, size), .next_port = 30000, .low = low };
	fake_vm_init(&s.vm, 1 << 20, true);
	how = rd_u8(&s.in);
	if (how >= 0xf8)
		device_refuses(how);
	device_new((how & 1) != 0);
	oracle(fake_fill(&s.vm, 0, virtio_vsock_dev(s.v)) == 0);
	s.tx_gpa = fake_alloc(&s.vm, TX_LEN, 16);
	for (i = 0; i < RX_BUFS; i++)
		s.rx_gpa[i] = fake_alloc(&s.vm, RX_LEN, 16);
	probe();
	for (i = 0; i < STEPS_MAX && step(); i++)
		;
	settle();
	finish();
	oracle(lowest_fd() == low);
	return 0;
}

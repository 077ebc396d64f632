// SPDX-License-Identifier: Apache-2.0
/*
 * One connection of the vsock mux: its state machine, buffer and credit. Private to devices/vsock_*.c.
 *
 * A connection has two ends that die apart: the guest's (known to the guest by its pair of ports, found by hash) and
 * the host's (an fd). The slot is free when both are gone. Threads: device lock held.
 *
 *   state   guest  fd    meaning
 *   FREE    no     no    on the free list
 *   LINE    no     yes   a client that has not finished its CONNECT line
 *   HELD    no     yes   line complete; REQUEST owed to the guest
 *   ASKED   yes    yes   REQUEST given; RESPONSE or RST must come
 *   OPEN    yes    maybe bytes flow; RESPONSE may be owed; fd gone once the host can neither send nor take
 *   DYING   yes    maybe RST owed to the guest; fd only while it has bytes to take
 *   FLUSH   no     yes   the guest's end is over; the client takes what is left
 *
 *   event                        LINE      HELD      ASKED         OPEN                         DYING      FLUSH
 *   line complete                HELD
 *   bad line, client gone        FREE      FREE (1)  DYING (1)
 *   room in the guest's queue              ASKED     -             RESPONSE, data, SHUTDOWN ..  FLUSH/FREE -
 *   guest: RESPONSE              (2)       (2)       OPEN, "OK"    DYING (3)                    -          (2)
 *   guest: RST                   (2)       (2)       FREE          FLUSH/FREE                   FLUSH/FREE (2)
 *   guest: SHUTDOWN              (2)       (2)       DYING (3)     OPEN; both: flush, DYING     -          (2)
 *   guest: RW                    (2)       (2)       DYING (3)     OPEN; past credit: DYING (3) -          (2)
 *   guest: REQUEST, unknown op   (2)       (2)       DYING (3)     DYING (3)                    -          (2)
 *   host: end of file                                -             OPEN, SHUTDOWN(SEND) owed
 *   host: takes nothing any more                     (1)           OPEN, SHUTDOWN(RCV) owed     fd closed  FREE
 *   host: both                                                     OPEN, fd closed, lingers
 *   bytes all taken                                                shutdown(SHUT_WR); both: DYING fd closed FREE
 *   lingered for too long                                          DYING
 *   driver reset                 -         -         FREE          FLUSH/FREE                   FLUSH/FREE -
 *
 *   (1) a client that left bytes behind is carried on and its bytes delivered
 *   (2) not found by its ports: answered RST by the mux
 *   (3) the guest broke the protocol: what it had sent and nobody had taken is dropped
 *   FLUSH/FREE: FLUSH with bytes that the host has not taken, FREE without. "-": nothing. Empty: cannot be.
 *
 * Credit, both ways with counters modulo 2^32. Guest to host: the guest may have VSOCK_BUF_SIZE bytes beyond fwd_cnt on
 * the way; fwd_cnt grows when the host takes bytes, so what arrives always fits the buffer, and a guest that sends more
 * is cut off. Host to guest: at most peer_alloc bytes beyond peer_fwd, both as the guest said last, whatever they are.
 *
 * EPOLLIN is watched only while nothing is known to be readable; a readable connection waits in the mux's ready queue
 * for the guest's buffers, or, without credit, for a packet of the guest. So neither spins.
 */
#ifndef KVMBOX_VSOCK_CONN_H
#define KVMBOX_VSOCK_CONN_H

#include <linux/virtio_vsock.h>

#include "devices/vsock_mux.h"
#include "vmm/base/log.h"

#define VSOCK_SHUT_BOTH    (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define VSOCK_LINE_MAX     32
#define VSOCK_LINGER_TICKS 3          /* between 2 and 3 seconds */
#define VSOCK_HOST_PORT    (1u << 30) /* ports of the host's own ends: 01, 20 bits of generation, 10 bits of slot */
#define VSOCK_BUCKETS      2048
#define VSOCK_PATH_MAX     108

static_assert(VSOCK_CONNS_MAX == 1u << 10, "a slot fits the host port's ten bits");

enum vsock_state { VC_FREE, VC_LINE, VC_HELD, VC_ASKED, VC_OPEN, VC_DYING, VC_FLUSH };

/* Links are slot + 1, so that memory of zeros is an empty table and unused slots stay untouched. */
struct vsock_conn {
	struct vsock_mux *m;
	loop_id id;
	int fd;
	uint32_t events; /* watched */
	uint32_t host_port, guest_port;
	uint32_t gen; /* how often the slot was used; survives */

	uint32_t fwd_cnt, told_fwd;            /* bytes the host took; as the guest knows */
	uint32_t tx_cnt, peer_fwd, peer_alloc; /* bytes given to the guest; the guest's own figures */
	uint32_t buf_head, buf_len;            /* ring of bytes from the guest that wait for the host */

	uint16_t next_hash;  /* or next on the free list */
	uint16_t next_ready; /* survives with queued */
	bool queued;         /* in the ready queue, perhaps left over from an earlier use of the slot */

	uint8_t state;
	uint8_t guest_shut; /* SHUTDOWN flags of the guest */
	uint8_t told_shut;  /* SHUTDOWN flags given to the guest */
	uint8_t linger;     /* ticks left, 0: not lingering */
	uint8_t line_len;
	bool readable;  /* fd has bytes or end of file for us */
	bool host_eof;  /* nothing more to read from fd */
	bool host_gone; /* fd takes nothing any more */
	bool host_hup;  /* and EPOLLHUP was seen */
	bool wr_shut;   /* shutdown(SHUT_WR) done */
	bool buf_used;  /* pages of the buffer were touched */
	bool owe_response, owe_credit, asked_credit;
	char line[VSOCK_LINE_MAX];
};

struct vsock_rst {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint16_t type;
};

struct vsock_mux {
	struct loop *loop;
	const struct vsock_mux_ops *ops;
	void *ctx;
	uint64_t cid;
	int listen_fd;
	loop_id listen_id;
	bool listen_off; /* not watched: table full, or accept failed */
	bool listen_bad; /* accept failed: the next tick tries again */
	int control_fd;
	uint32_t control_port;
	loop_id timer;
	bool ticking;
	uint8_t *buf; /* VSOCK_CONNS_MAX * VSOCK_BUF_SIZE, reserved */
	uint16_t free_head, ready_head, ready_tail;
	unsigned int used; /* slots ever used */
	unsigned int rst_head, rst_len;
	struct log_limit limit;
	char path[VSOCK_PATH_MAX]; /* "": none */
	struct vsock_rst rst[VSOCK_RSTS_MAX];
	uint16_t bucket[VSOCK_BUCKETS];
	struct vsock_conn conn[VSOCK_CONNS_MAX];
};

/* --- vsock_conn.c --- */

/* Take over fd and watch it. 0, or -ENOSPC: fd stays the caller's. */
int conn_attach(struct vsock_conn *c, int fd, enum vsock_state state) MUST_CHECK;
/* A packet of the guest for a connection it knows. */
void conn_packet(struct vsock_conn *c, const struct vsock_hdr_host *h, struct giov *payload);
/* One packet for the guest, if this connection owes one. */
bool conn_fill(struct vsock_conn *c, const struct giov *room, struct vsock_hdr_host *h) MUST_CHECK;
/* Would conn_fill() have something? */
bool conn_ready(const struct vsock_conn *c);
/* After any change: what to watch on the fd. */
void conn_watch(struct vsock_conn *c);
/* The guest no longer knows the connection. */
void conn_guest_over(struct vsock_conn *c);
/* A tick for an OPEN connection; true when it changed. */
bool conn_tick(struct vsock_conn *c) MUST_CHECK;
/* Close the fd, if any, and free the slot. */
void conn_drop(struct vsock_conn *c);

/* --- vsock_mux.c --- */

struct vsock_conn *mux_alloc(struct vsock_mux *m); /* FREE state, fd -1; NULL: table full */
void mux_release(struct vsock_conn *c);            /* back to the free list */
void mux_hash_add(struct vsock_conn *c);
void mux_hash_del(struct vsock_conn *c);
/* Queue c if it is ready, and let the front-end know. c may be freed by this. */
void mux_kick(struct vsock_conn *c);
/* Have ticks until nothing lingers. */
void mux_need_tick(struct vsock_mux *m);

static inline unsigned int conn_slot(const struct vsock_conn *c)
{
	return (unsigned int)(c - c->m->conn);
}

static inline uint8_t *conn_buf(const struct vsock_conn *c)
{
	return c->m->buf + (size_t)conn_slot(c) * VSOCK_BUF_SIZE;
}

#endif

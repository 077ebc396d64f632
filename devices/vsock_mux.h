// SPDX-License-Identifier: Apache-2.0
/*
 * Virtio socket connections on the one side, unix sockets on the other. Knows no rings: the front-end feeds packets in
 * with vsock_mux_packet() and takes packets for the guest out with vsock_mux_fill().
 *
 * Host to guest: a client of the listening socket writes "CONNECT port\n" and is answered "OK hostport\n" once a
 * guest's listener has accepted; raw bytes follow both ways. Bytes behind the newline belong to the stream. A refused
 * or malformed CONNECT is closed without an answer. Until the guest's driver is there, a CONNECT is held. Guest to host
 * (CID 2): only the control port, once, which is then closed for ever; and, with a path, PATH_port, if somebody listens
 * there. Ports from 2^30 to 2^31 - 1 are the host's own ends and never connect. The rest is answered RST.
 *
 * Trust: packets come from the guest, hostile; the front-end copied the header and checked that `len` bytes of payload
 * follow. Clients of the listening socket may be slow, silent or malformed, but are not let to harm each other.
 * Bounds: VSOCK_CONNS_MAX connections with VSOCK_BUF_SIZE bytes each towards the host, all reserved at the start and
 * touched only when used; VSOCK_RSTS_MAX refusals wait for room in the guest's queue, more are dropped.
 * Threads: device lock held, by vsock_mux_new() and vsock_mux_free() too once the loop runs.
 */
#ifndef KVMBOX_VSOCK_MUX_H
#define KVMBOX_VSOCK_MUX_H

#include "vmm/base/err.h"
#include "vmm/core/giov.h"
#include "vmm/core/loop.h"

#define VSOCK_CONNS_MAX 1024
#define VSOCK_BUF_SIZE  65536u
#define VSOCK_RSTS_MAX  128
#define VSOCK_IOV_MAX   256 /* no cursor given to the mux has more segments */
#define VSOCK_HOST_CID  2

struct vsock_config {
	uint64_t cid;          /* the guest's: 3 .. 2^32 - 2 */
	int listen_fd;         /* listening AF_UNIX stream socket; -1: no host-to-guest connections */
	uint32_t control_port; /* the guest's first REQUEST to it is bound to control_fd */
	int control_fd;        /* connected AF_UNIX stream socket; -1: no control port */
	const char *path;      /* guest-to-host connections go to PATH_port; NULL: none. Copied. */
};

/* A packet's header in host byte order, copied out of guest memory */
struct vsock_hdr_host {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len; /* of the payload */
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
};

struct vsock_mux_ops {
	/* There may be a packet for the guest: call vsock_mux_fill(), from here if convenient. */
	void (*ready)(void *ctx);
};

struct vsock_mux;

/* On success the fds of cfg belong to the mux, which closes them; on failure they stay the caller's. */
int vsock_mux_new(struct vsock_mux **out, const struct vsock_config *cfg, struct loop *loop,
		  const struct vsock_mux_ops *ops, void *ctx, struct err *e) MUST_CHECK;
void vsock_mux_free(struct vsock_mux *m); /* NULL ok; what was not delivered is lost */

/* One packet of the guest; payload has at least h->len bytes. Never fails: what is wrong is answered RST. */
void vsock_mux_packet(struct vsock_mux *m, const struct vsock_hdr_host *h, struct giov *payload);

/* May vsock_mux_fill() have something? */
bool vsock_mux_ready(const struct vsock_mux *m);

/*
 * The next packet for the guest: its header into *h and h->len bytes of payload to the front of room, which must not
 * be empty. Connections take turns. Returns false when there is none; nothing was written then.
 */
bool vsock_mux_fill(struct vsock_mux *m, const struct giov *room, struct vsock_hdr_host *h) MUST_CHECK;

/*
 * The guest's driver was reset: every connection ends for both sides, except that CONNECTs the guest has not seen yet
 * stay held and bytes already taken from the guest still go to their clients. A used control port stays closed.
 */
void vsock_mux_reset(struct vsock_mux *m);

/* One second of the mux's timer, which runs only when it is needed; for tests. */
void vsock_mux_tick(struct vsock_mux *m);

/* Connections with bytes from the guest that their clients have not taken yet: wait for 0 (bounded) before the VM
 * exits. */
unsigned int vsock_mux_unflushed(const struct vsock_mux *m);

#endif

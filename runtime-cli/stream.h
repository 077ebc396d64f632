// SPDX-License-Identifier: Apache-2.0
/*
 * One stream of a guest process on the host: a connection through kvmbox-vmm to the agent, its handshake, then pumps.
 *
 * Handshake: "CONNECT port\n" and an ATTACH frame go out together; "OK n\n" and an OK frame come back; from then on raw
 * bytes. A terminal has two pumps on one connection, the others one.
 */
#ifndef KVMBOX_STREAM_H
#define KVMBOX_STREAM_H

#include "guest-init/proto/proto.h"
#include "runtime-cli/pump.h"

#define STREAM_POLLFDS 4

struct stream {
	enum proto_stream kind;
	int conn;           /* connected to vsock.sock; owned; -1: this stream is not used */
	bool attached;      /* the handshake is over */
	uint8_t shake[256]; /* handshake bytes so far */
	size_t shake_len;
	struct pump_end host_in, host_out;
	struct pump *in;  /* host to guest: stdin and tty; owned; NULL: none */
	struct pump *out; /* guest to host: stdout, stderr and tty */
};

/* Takes conn. host_in and host_out: what applies to the kind; fd -1 otherwise. 0 or -ENOMEM. */
int stream_init(struct stream *s, enum proto_stream kind, int conn, struct pump_end host_in,
		struct pump_end host_out) MUST_CHECK;

int stream_attach(struct stream *s, uint32_t proc) MUST_CHECK; /* send the handshake: 0 or -errno */

/* Fills STREAM_POLLFDS entries. */
void stream_prepare(const struct stream *s, struct pollfd *pfd);

/* Acts on the result of poll(): 0; -ECONNREFUSED when the guest refuses the stream; -EPROTO. */
int stream_run(struct stream *s, const struct pollfd *pfd) MUST_CHECK;

/* All the guest wrote to it has been delivered, or cannot be; true for an unused stream and for stdin. */
bool stream_drained(const struct stream *s);

#endif

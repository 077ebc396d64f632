// SPDX-License-Identifier: Apache-2.0
/*
 * The monitor's side of the control connection with the guest's agent: frames out by a queue, frames in one by one.
 *
 * Trust: everything that comes in is written by the guest. A frame is bounded by PROTO_MAX_TO_HOST, an answer must
 * belong to a request in the table; anything else is -EPROTO and the caller ends the VM.
 * Threads: one. Nothing is allocated after agent_init().
 */
#ifndef KVMBOX_AGENT_H
#define KVMBOX_AGENT_H

#include "guest-init/proto/proto.h"

#define AGENT_PENDING_MAX 32
#define AGENT_OUT_SPARE   ((size_t)16 << 10)

struct agent_pending {
	uint32_t seq; /* 0: free */
	uint16_t type;
	int client; /* whoever waits for the answer; -1: nobody. Not owned. */
};

struct agent {
	int fd;
	uint8_t *out; /* queue, owned */
	size_t out_cap, out_head, out_len;
	uint8_t *in; /* owned */
	size_t in_len;
	uint32_t next_seq;
	struct agent_pending pending[AGENT_PENDING_MAX];
};

/* A whole answer or event, valid during the callback */
struct agent_event {
	uint16_t type;                        /* PROTO_OK, PROTO_ERROR, PROTO_HELLO, PROTO_EXITED */
	uint16_t request;                     /* OK and ERROR: type of the request */
	int client;                           /* OK and ERROR: who asked */
	uint32_t code;                        /* ERROR: errno */
	char text[PROTO_TEXT_MAX + 1];        /* ERROR: escaped text; HELLO: the agent's version */
	uint16_t major;                       /* HELLO */
	uint32_t proc, status, signal, flags; /* EXITED */
};

/* create_len: length of the largest request that will be sent. 0 or -ENOMEM. fd stays the caller's. */
int agent_init(struct agent *a, int fd, size_t create_len) MUST_CHECK;
void agent_fini(struct agent *a);

/* Queue a request whose body the caller has encoded as TLVs. 0, -ENOBUFS when the queue or the table is full. */
int agent_request(struct agent *a, enum proto_type type, const void *body, size_t len, int client) MUST_CHECK;
int agent_signal(struct agent *a, uint32_t proc, uint32_t signo, bool all, int client) MUST_CHECK;
int agent_winsize(struct agent *a, uint32_t proc, uint16_t rows, uint16_t cols) MUST_CHECK;

/* Forget a client that went away; its answers are dropped. */
void agent_forget(struct agent *a, int client);

static inline bool agent_has_output(const struct agent *a)
{
	return a->out_len > 0;
}

int agent_flush(struct agent *a) MUST_CHECK; /* send what fits: 0 or -errno */

/* Read once and hand every whole frame to fn. 0; -EPIPE at end of file; -EPROTO; fn's negative result. */
int agent_read(struct agent *a, int (*fn)(void *ctx, const struct agent_event *ev), void *ctx) MUST_CHECK;

#endif

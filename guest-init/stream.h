// SPDX-License-Identifier: Apache-2.0
/*
 * Streams of the container's processes: raw bytes between a pipe or pty here and a connection to the host.
 *
 * Each is independent. Bytes move by splice() without a buffer of ours between pipe and connection, by two small
 * buffers between pty and connection; a side that is full stops the other, nothing is dropped.
 *
 *     state      the connection                            the pipe or pty          left when
 *     GREETING   ATTACH not yet whole                      none                     ATTACH was read: answered OK
 *     HELD       attached, its process is not made yet     none                     stream_join()
 *     OPEN       bytes move                                owned                    see below
 *     LINGER     closed for writing, the peer still reads  closed                   the peer closes
 *
 *     OPEN, input:  end of file or reset by the host -> pipe closed, connection closed (a pty stays open)
 *                   pipe without readers             -> connection closed, so that the host's writer fails
 *     OPEN, output: all writers gone                 -> connection closed for writing, LINGER
 *                   the host reads no more           -> pipe closed: the process gets SIGPIPE; connection closed
 *
 * Trust: the peer is the host, but frames are bounded and checked; the container fills and closes pipes as it likes.
 * One thread, the loop's.
 */
#ifndef KVMBOX_STREAM_H
#define KVMBOX_STREAM_H

#include "guest-init/evloop.h"
#include "guest-init/proto/proto.h"

#define STREAM_MAX        512
#define STREAM_ATTACH_MAX 128 /* header and body */

struct stream;

/* The owner's part. proc is a process number of the protocol. */
struct stream_ops {
	/* ATTACH of (proc, kind). 0: it goes on, in HELD; -errno: answered with an error and closed */
	int (*may_attach)(void *ctx, uint32_t proc, enum proto_stream kind);
	/* It was attached, or its output has ended. May join, not free. */
	void (*changed)(void *ctx, uint32_t proc);
};

struct stream_set {
	struct evloop *loop;
	struct stream *head;
	unsigned int count;
	const struct stream_ops *ops;
	void *ctx;
};

void stream_set_init(struct stream_set *set, struct evloop *loop, const struct stream_ops *ops, void *ctx);
void stream_set_fini(struct stream_set *set); /* closes all */

/* Take a fresh connection (non-blocking, close-on-exec; closed when there is no room for it). */
void stream_accept(struct stream_set *set, int fd);

/* The attached stream of that process, in HELD or OPEN, or NULL. */
struct stream *stream_find(struct stream_set *set, uint32_t proc, enum proto_stream kind);

/* HELD to OPEN: the stream owns local from now on. */
void stream_join(struct stream *st, int local);

/* Its process has ended: a pty that nobody has open is at its end. */
void stream_process_ended(struct stream *st);

bool stream_is_open(const struct stream *st); /* OPEN, that is, joined */

/* The process has written nothing that the connection has not taken, at this moment. */
bool stream_is_idle(const struct stream *st);

/* End it as it stands: output that was taken still reaches the host. */
void stream_end(struct stream *st);

/* Window size of a pty's stream. -errno */
int stream_winsize(struct stream *st, uint16_t rows, uint16_t columns) MUST_CHECK;

/* Streams that stopped only because others shall have a turn: true when there are such; run them. */
bool stream_has_more(const struct stream_set *set);
void stream_run_more(struct stream_set *set);

#endif

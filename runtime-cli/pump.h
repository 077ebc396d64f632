// SPDX-License-Identifier: Apache-2.0
/*
 * One direction of one stream: bytes from an fd to another, with back-pressure, half-close and no byte lost.
 *
 * A pump reads only into free buffer space, so a slow reader stops the writer. End of file is handed on after the last
 * byte: a socket is shut down for writing, any other fd is closed. When the reader is gone, the source is closed (a
 * socket: shut down for reading), so that the writer gets its EPIPE.
 *
 * The host's fds are shared with other processes: their flags are never changed. Pipes and terminals are opened anew as
 * non-blocking (pump_open_host), sockets are used with MSG_DONTWAIT, and a pipe that cannot be opened anew is written
 * in pieces of PIPE_BUF, which do not block after POLLOUT.
 */
#ifndef KVMBOX_PUMP_H
#define KVMBOX_PUMP_H

#include <poll.h>

#include "vmm/base/compat.h"

#define PUMP_BUF ((size_t)64 << 10)

enum pump_kind { PUMP_SOCKET, PUMP_NONBLOCK, PUMP_CAREFUL, PUMP_PLAIN };

struct pump_end {
	int fd; /* -1: closed */
	enum pump_kind kind;
};

struct pump {
	struct pump_end from, to;
	size_t head, len; /* bytes waiting in buf */
	bool eof;         /* nothing more comes from `from` */
	bool done;        /* all delivered, or nobody to deliver to */
	uint8_t buf[PUMP_BUF];
};

/* Describe a host fd for a pump, opened anew where that avoids blocking. The new fd replaces the old (same number). */
struct pump_end pump_open_host(int fd, bool writing);

static inline struct pump_end pump_socket(int fd)
{
	return (struct pump_end){ .fd = fd, .kind = PUMP_SOCKET };
}

void pump_init(struct pump *p, struct pump_end from, struct pump_end to);

/* What to wait for: fills two pollfds (fd -1 where nothing is to be waited for). */
void pump_prepare(const struct pump *p, struct pollfd pfd[2]);

/* Act on the result of poll(). */
void pump_run(struct pump *p, const struct pollfd pfd[2]);

/* Bytes that belong to the stream but were read with its handshake; before any pump_run(). Fits by construction. */
void pump_preload(struct pump *p, const void *data, size_t len);

#endif

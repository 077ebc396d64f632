// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

static bool reopen(int fd, bool writing)
{
	char path[32];
	int new, flags = (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	new = open(path, flags);
	if (new < 0)
		return false;
	if (dup3(new, fd, O_CLOEXEC) < 0) {
		(void)close(new);
		return false;
	}
	(void)close(new);
	return true;
}

struct pump_end pump_open_host(int fd, bool writing)
{
	struct pump_end end = { .fd = fd, .kind = PUMP_PLAIN };
	struct stat st;

	if (fstat(fd, &st) < 0)
		end.fd = -1;
	else if (S_ISSOCK(st.st_mode))
		end.kind = PUMP_SOCKET;
	else if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd) == 1))
		end.kind = reopen(fd, writing) ? PUMP_NONBLOCK : PUMP_CAREFUL;
	return end;
}

void pump_init(struct pump *p, struct pump_end from, struct pump_end to)
{
	p->from = from;
	p->to = to;
	p->head = p->len = 0;
	p->eof = from.fd < 0;
	p->done = to.fd < 0;
}

void pump_preload(struct pump *p, const void *data, size_t len)
{
	BUG_ON(p->len != 0 || len > PUMP_BUF);
	memcpy(p->buf, data, len);
	p->head = 0;
	p->len = len;
}

static void end_source(struct pump_end *end)
{
	if (end->kind == PUMP_SOCKET && end->fd >= 0)
		(void)shutdown(end->fd, SHUT_RD);
	else
		fd_close(&end->fd);
	end->fd = -1;
}

static void end_sink(struct pump_end *end)
{
	if (end->kind == PUMP_SOCKET && end->fd >= 0)
		(void)shutdown(end->fd, SHUT_WR);
	else
		fd_close(&end->fd);
	end->fd = -1;
}

/* The reader is gone, or the source has ended and all is delivered. */
static void pump_finish(struct pump *p)
{
	p->done = true;
	p->eof = true;
	p->len = 0;
	end_source(&p->from);
	end_sink(&p->to);
}

void pump_prepare(const struct pump *p, struct pollfd pfd[2])
{
	pfd[0] = (struct pollfd){ .fd = -1 };
	pfd[1] = (struct pollfd){ .fd = -1 };
	if (p->done)
		return;
	if (!p->eof && p->len < PUMP_BUF)
		pfd[0] = (struct pollfd){ .fd = p->from.fd, .events = POLLIN };
	/* With nothing to write, still hear that a pipe's reader has gone (POLLERR needs no asking). */
	pfd[1] = (struct pollfd){ .fd = p->to.fd, .events = p->len > 0 ? POLLOUT : 0 };
}

static ssize_t end_read(const struct pump_end *end, void *buf, size_t len)
{
	if (end->kind == PUMP_SOCKET)
		return recv(end->fd, buf, len, MSG_DONTWAIT);
	return read(end->fd, buf, len);
}

static ssize_t end_write(const struct pump_end *end, const void *buf, size_t len)
{
	if (end->kind == PUMP_SOCKET)
		return send(end->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(end->fd, buf, end->kind == PUMP_CAREFUL ? min_size(len, PIPE_BUF) : len);
}

static bool transient(int err)
{
	return err == EAGAIN || err == EINTR;
}

/* The buffer is linear: it is moved to the front when it has run empty, or when its tail is used up. */
static void pump_fill(struct pump *p)
{
	ssize_t n;

	if (p->len == 0)
		p->head = 0;
	if (p->head + p->len == PUMP_BUF) {
		memmove(p->buf, p->buf + p->head, p->len);
		p->head = 0;
	}
	n = end_read(&p->from, p->buf + p->head + p->len, PUMP_BUF - p->head - p->len);
	if (n < 0 && transient(errno))
		return;
	if (n <= 0) { /* a terminal or socket whose other end is gone reads as an error: the end all the same */
		p->eof = true;
		end_source(&p->from);
		return;
	}
	p->len += (size_t)n;
}

static void pump_drain(struct pump *p)
{
	ssize_t n = end_write(&p->to, p->buf + p->head, p->len);

	if (n < 0 && transient(errno))
		return;
	if (n < 0) {
		pump_finish(p);
		return;
	}
	p->head += (size_t)n;
	p->len -= (size_t)n;
}

void pump_run(struct pump *p, const struct pollfd pfd[2])
{
	if (p->done)
		return;
	if (!p->eof && p->len < PUMP_BUF && (pfd[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0)
		pump_fill(p);
	/* Try at once what was just read: the common reader is ready. */
	if (p->len > 0)
		pump_drain(p);
	else if ((pfd[1].revents & (POLLERR | POLLNVAL)) != 0 ||
		 (p->to.kind == PUMP_SOCKET && (pfd[1].revents & POLLHUP) != 0))
		pump_finish(p);
	if (p->eof && p->len == 0 && !p->done)
		pump_finish(p);
}

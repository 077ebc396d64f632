// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/base/fdio.h"

static int make_pump(struct pump **out, struct pump_end from, struct pump_end to)
{
	struct pump *p = malloc(sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	pump_init(p, from, to);
	*out = p;
	return 0;
}

int stream_init(struct stream *s, enum proto_stream kind, int conn, struct pump_end host_in, struct pump_end host_out)
{
	int r = 0;

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->conn = conn;
	s->host_in = host_in;
	s->host_out = host_out;
	if (conn < 0)
		return 0;
	if (kind == PROTO_STDIN || kind == PROTO_TTY)
		r = make_pump(&s->in, host_in, pump_socket(conn));
	if (r == 0 && kind != PROTO_STDIN)
		r = make_pump(&s->out, pump_socket(conn), host_out);
	return r;
}

int stream_attach(struct stream *s, uint32_t proc)
{
	uint8_t buf[128];
	struct wr w = wr_init(buf, sizeof(buf));
	char line[32];
	size_t mark;
	ssize_t n;

	if (s->conn < 0)
		return 0;
	n = snprintf(line, sizeof(line), "CONNECT %d\n", PROTO_PORT_STREAM);
	wr_bytes(&w, line, (size_t)n);
	mark = proto_begin(&w, PROTO_ATTACH, 1);
	proto_put_u32(&w, PROTO_T_PROC, proc);
	proto_put_u32(&w, PROTO_T_STREAM, s->kind);
	proto_end(&w, mark);
	n = send(s->conn, buf, w.len, MSG_DONTWAIT | MSG_NOSIGNAL); /* an empty socket buffer takes it whole */
	if (n < 0)
		return -errno;
	return (size_t)n == w.len ? 0 : -EIO;
}

/* "OK 123\n", then one OK frame. 1: complete, with *used bytes of it; 0: more needed; negative: refused. */
static int shake_parse(const uint8_t *buf, size_t len, size_t *used)
{
	const uint8_t *nl = memchr(buf, '\n', len);
	struct proto_frame f;
	size_t line;
	int r;

	if (nl == NULL)
		return len < 32 ? 0 : -EPROTO;
	if (len < 3 || memcmp(buf, "OK ", 3) != 0)
		return -EPROTO;
	line = (size_t)(nl - buf) + 1;
	r = proto_frame_next(buf + line, len - line, 128, &f);
	if (r <= 0)
		return r;
	if (f.type != PROTO_OK)
		return -ECONNREFUSED;
	*used = line + f.total;
	return 1;
}

static int shake_run(struct stream *s)
{
	ssize_t n = recv(s->conn, s->shake + s->shake_len, sizeof(s->shake) - s->shake_len, MSG_DONTWAIT);
	size_t used;
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNREFUSED;
	s->shake_len += (size_t)n;
	r = shake_parse(s->shake, s->shake_len, &used);
	if (r == 0 && s->shake_len == sizeof(s->shake))
		return -EPROTO;
	if (r <= 0)
		return r;
	s->attached = true;
	if (s->out != NULL)
		pump_preload(s->out, s->shake + used, s->shake_len - used);
	return 0;
}

void stream_prepare(const struct stream *s, struct pollfd *pfd)
{
	size_t i;

	for (i = 0; i < STREAM_POLLFDS; i++)
		pfd[i] = (struct pollfd){ .fd = -1 };
	if (s->conn < 0)
		return;
	if (!s->attached) {
		pfd[0] = (struct pollfd){ .fd = s->conn, .events = POLLIN };
		return;
	}
	if (s->in != NULL)
		pump_prepare(s->in, pfd);
	if (s->out != NULL)
		pump_prepare(s->out, pfd + 2);
}

int stream_run(struct stream *s, const struct pollfd *pfd)
{
	if (s->conn < 0)
		return 0;
	if (!s->attached)
		return pfd[0].revents != 0 ? shake_run(s) : 0;
	if (s->in != NULL)
		pump_run(s->in, pfd);
	if (s->out != NULL)
		pump_run(s->out, pfd + 2);
	/*
	 * When the reader on the host is gone, or the guest has finished, the connection goes: a guest that still
	 * writes gets a reset. A finished stdin stays open until the end, so that no byte of it can be lost to a reset.
	 */
	if (s->out != NULL && s->out->done)
		fd_close(&s->conn);
	return 0;
}

bool stream_drained(const struct stream *s)
{
	return s->conn < 0 || s->out == NULL || s->out->done;
}

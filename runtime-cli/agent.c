// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/base/log.h"

#define IN_CAP (PROTO_HEADER_LEN + PROTO_MAX_TO_HOST)

int agent_init(struct agent *a, int fd, size_t create_len)
{
	memset(a, 0, sizeof(*a));
	a->fd = fd;
	a->next_seq = 1;
	a->out_cap = create_len + AGENT_OUT_SPARE;
	a->out = malloc(a->out_cap);
	a->in = malloc(IN_CAP);
	if (a->out != NULL && a->in != NULL)
		return 0;
	agent_fini(a);
	return -ENOMEM;
}

void agent_fini(struct agent *a)
{
	free(a->out);
	free(a->in);
	a->out = a->in = NULL;
}

static struct agent_pending *pending_find(struct agent *a, uint32_t seq)
{
	size_t i;

	for (i = 0; i < AGENT_PENDING_MAX; i++)
		if (a->pending[i].seq == seq)
			return &a->pending[i];
	return NULL;
}

void agent_forget(struct agent *a, int client)
{
	size_t i;

	for (i = 0; i < AGENT_PENDING_MAX; i++)
		if (a->pending[i].client == client)
			a->pending[i].client = -1;
}

int agent_request(struct agent *a, enum proto_type type, const void *body, size_t len, int client)
{
	struct agent_pending *slot = pending_find(a, 0);
	struct wr w;
	size_t mark;

	if (a->out_head > 0) {
		memmove(a->out, a->out + a->out_head, a->out_len);
		a->out_head = 0;
	}
	w = wr_init(a->out + a->out_len, a->out_cap - a->out_len);
	mark = proto_begin(&w, type, a->next_seq);
	wr_bytes(&w, body, len);
	proto_end(&w, mark);
	if (slot == NULL || !wr_ok(&w))
		return -ENOBUFS;
	*slot = (struct agent_pending){ .seq = a->next_seq, .type = (uint16_t)type, .client = client };
	a->out_len += w.len;
	if (++a->next_seq == 0)
		a->next_seq = 1;
	return 0;
}

int agent_signal(struct agent *a, uint32_t proc, uint32_t signo, bool all, int client)
{
	uint8_t body[64];
	struct wr w = wr_init(body, sizeof(body));

	proto_put_u32(&w, PROTO_T_PROC, proc);
	proto_put_u32(&w, PROTO_T_SIGNO, signo);
	proto_put_u8(&w, PROTO_T_ALL, all ? 1 : 0);
	return agent_request(a, PROTO_SIGNAL, body, w.len, client);
}

int agent_winsize(struct agent *a, uint32_t proc, uint16_t rows, uint16_t cols)
{
	uint8_t body[64];
	struct wr w = wr_init(body, sizeof(body));
	uint16_t size[2] = { rows, cols };

	proto_put_u32(&w, PROTO_T_PROC, proc);
	proto_put_bytes(&w, PROTO_T_WINSIZE, size, sizeof(size));
	return agent_request(a, PROTO_WINSIZE, body, w.len, -1);
}

int agent_flush(struct agent *a)
{
	while (a->out_len > 0) {
		ssize_t n = send(a->fd, a->out + a->out_head, a->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		a->out_head += (size_t)n;
		a->out_len -= (size_t)n;
	}
	a->out_head = 0;
	return 0;
}

static int decode_text(struct rd value, struct agent_event *ev)
{
	const char *s;
	size_t len;
	int r = proto_get_str(value, &s, &len);

	if (r < 0)
		return r;
	(void)log_escape(ev->text, sizeof(ev->text), s, len);
	return 0;
}

static int decode_status(struct rd value, struct agent_event *ev)
{
	ev->status = rd_u32(&value);
	ev->signal = rd_u32(&value);
	ev->flags = rd_u32(&value);
	return rd_done(&value) && ev->status <= 255 && ev->signal <= 64 ? 0 : -EPROTO;
}

static int decode_tlv(const struct proto_tlv *t, struct agent_event *ev)
{
	struct rd v = t->value;

	switch (t->tag) {
	case PROTO_T_VERSION: ev->major = rd_u16(&v); return rd_ok(&v) ? 0 : -EPROTO;
	case PROTO_T_BUILD:
	case PROTO_T_TEXT: return decode_text(v, ev);
	case PROTO_T_ERRNO: return proto_get_u32(v, &ev->code);
	case PROTO_T_PROC: return proto_get_u32(v, &ev->proc);
	case PROTO_T_STATUS: return decode_status(v, ev);
	default: return t->critical ? -EPROTO : 0;
	}
}

static int decode(struct agent *a, const struct proto_frame *f, struct agent_event *ev)
{
	struct rd body = f->body;
	struct agent_pending *p;
	struct proto_tlv t;
	int r;

	*ev = (struct agent_event){ .type = f->type, .client = -1 };
	while ((r = proto_tlv_next(&body, &t)) > 0) {
		r = decode_tlv(&t, ev);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (f->type == PROTO_HELLO || f->type == PROTO_EXITED)
		return 0;
	if ((f->type != PROTO_OK && f->type != PROTO_ERROR) || f->seq == 0)
		return -EPROTO;
	p = pending_find(a, f->seq);
	if (p == NULL)
		return -EPROTO;
	ev->request = p->type;
	ev->client = p->client;
	p->seq = 0;
	return 0;
}

int agent_read(struct agent *a, int (*fn)(void *ctx, const struct agent_event *ev), void *ctx)
{
	ssize_t n = recv(a->fd, a->in + a->in_len, IN_CAP - a->in_len, MSG_DONTWAIT);
	struct agent_event ev;
	struct proto_frame f;
	size_t used = 0;
	int r = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	a->in_len += (size_t)n;
	while (r >= 0 && (r = proto_frame_next(a->in + used, a->in_len - used, PROTO_MAX_TO_HOST, &f)) > 0) {
		r = decode(a, &f, &ev);
		if (r == 0)
			r = fn(ctx, &ev);
		used += f.total;
	}
	memmove(a->in, a->in + used, a->in_len - used);
	a->in_len -= used;
	return r;
}

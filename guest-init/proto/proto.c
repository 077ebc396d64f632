// SPDX-License-Identifier: Apache-2.0
/*
 * Frames and TLVs of the agent protocol; see proto.h for the format. Pure: no I/O, no allocation, no state.
 *
 * Trust: both ends read with this file, and each treats what it reads as hostile. Nothing is taken from a frame before
 * all of its bytes are there, and every value has exactly one width.
 */
#include "guest-init/proto/proto.h"

#include <errno.h>
#include <string.h>

#define TLV_HEADER_LEN 8

int proto_frame_next(const uint8_t *buf, size_t len, size_t max, struct proto_frame *f)
{
	struct rd r = rd_init(buf, len);
	uint32_t body_len;

	if (len < PROTO_HEADER_LEN)
		return 0;
	body_len = rd_u32(&r);
	f->type = rd_u16(&r);
	f->flags = rd_u16(&r);
	f->seq = rd_u32(&r);
	if (f->flags != 0)
		return -EPROTO;
	if (body_len > max)
		return -EMSGSIZE;
	if (body_len > r.left)
		return 0;
	f->body = rd_init(r.p, body_len);
	f->total = PROTO_HEADER_LEN + (size_t)body_len;
	return 1;
}

int proto_tlv_next(struct rd *body, struct proto_tlv *t)
{
	uint32_t len;
	uint16_t tag, zero;

	if (rd_ok(body) && body->left == 0)
		return 0;
	tag = rd_u16(body);
	zero = rd_u16(body);
	len = rd_u32(body);
	t->value = rd_sub(body, len);
	if (!rd_ok(body) || zero != 0)
		return -EPROTO;
	t->critical = (tag & PROTO_CRITICAL) != 0;
	t->tag = (uint16_t)(tag & ~PROTO_CRITICAL);
	return 1;
}

/* --- writing --- */

size_t proto_begin(struct wr *w, enum proto_type type, uint32_t seq)
{
	size_t mark = w->len;

	wr_u32(w, 0);
	wr_u16(w, (uint16_t)type);
	wr_u16(w, 0);
	wr_u32(w, seq);
	return mark;
}

void proto_end(struct wr *w, size_t mark)
{
	if (!wr_ok(w))
		return;
	wr_patch_u32(w, mark, (uint32_t)(w->len - mark - PROTO_HEADER_LEN));
}

static void tlv_header(struct wr *w, uint16_t tag, size_t len)
{
	if (len > UINT32_MAX) {
		w->bad = true;
		return;
	}
	wr_u16(w, tag);
	wr_u16(w, 0);
	wr_u32(w, (uint32_t)len);
}

void proto_put_bytes(struct wr *w, uint16_t tag, const void *p, size_t len)
{
	tlv_header(w, tag, len);
	wr_bytes(w, p, len);
}

void proto_put_str(struct wr *w, uint16_t tag, const char *s)
{
	proto_put_bytes(w, tag, s, strlen(s));
}

void proto_put_u8(struct wr *w, uint16_t tag, uint8_t v)
{
	proto_put_bytes(w, tag, &v, sizeof(v));
}

void proto_put_u32(struct wr *w, uint16_t tag, uint32_t v)
{
	proto_put_bytes(w, tag, &v, sizeof(v));
}

void proto_put_u64(struct wr *w, uint16_t tag, uint64_t v)
{
	proto_put_bytes(w, tag, &v, sizeof(v));
}

/* An inner string; a length that does not fit spoils the writer. */
static void wr_str(struct wr *w, const char *s, size_t len)
{
	if (len > UINT32_MAX) {
		w->bad = true;
		return;
	}
	wr_u32(w, (uint32_t)len);
	wr_bytes(w, s, len);
}

void proto_put_mount(struct wr *w, const struct proto_mount *m)
{
	size_t fixed = 2 * 4 + 3 * 8 + 3 * 4;

	tlv_header(w, PROTO_T_MOUNT | PROTO_CRITICAL, fixed + m->destination_len + m->type_len + m->data_len);
	wr_u32(w, m->entry);
	wr_u32(w, m->bits);
	wr_u64(w, m->flags);
	wr_u64(w, m->clear);
	wr_u64(w, m->propagation);
	wr_str(w, m->destination, m->destination_len);
	wr_str(w, m->type, m->type_len);
	wr_str(w, m->data, m->data_len);
}

void proto_put_device(struct wr *w, const struct proto_device *d)
{
	tlv_header(w, PROTO_T_DEVICE | PROTO_CRITICAL, 5 * 4 + 4 + d->path_len);
	wr_u32(w, d->mode);
	wr_u32(w, d->major);
	wr_u32(w, d->minor);
	wr_u32(w, d->uid);
	wr_u32(w, d->gid);
	wr_str(w, d->path, d->path_len);
}

void proto_put_error(struct wr *w, uint32_t seq, int errnum, const char *text)
{
	size_t mark = proto_begin(w, PROTO_ERROR, seq);

	proto_put_u32(w, PROTO_T_ERRNO, (uint32_t)errnum);
	proto_put_bytes(w, PROTO_T_TEXT, text, strnlen(text, PROTO_TEXT_MAX));
	proto_end(w, mark);
}

/* --- reading --- */

int proto_get_u8(struct rd v, uint8_t *out)
{
	*out = rd_u8(&v);
	return rd_done(&v) ? 0 : -EPROTO;
}

int proto_get_u32(struct rd v, uint32_t *out)
{
	*out = rd_u32(&v);
	return rd_done(&v) ? 0 : -EPROTO;
}

int proto_get_u64(struct rd v, uint64_t *out)
{
	*out = rd_u64(&v);
	return rd_done(&v) ? 0 : -EPROTO;
}

static int str_take(struct rd *r, size_t n, const char **s, size_t *len)
{
	const uint8_t *p = rd_bytes(r, n);

	*s = "";
	*len = 0;
	if (p == NULL || memchr(p, 0, n) != NULL)
		return -EPROTO;
	*s = (const char *)p;
	*len = n;
	return 0;
}

int proto_get_str(struct rd v, const char **s, size_t *len)
{
	return str_take(&v, v.left, s, len);
}

int proto_rd_str(struct rd *r, const char **s, size_t *len)
{
	return str_take(r, rd_u32(r), s, len);
}

int proto_get_mount(struct rd v, struct proto_mount *out)
{
	int a, b, c;

	out->entry = rd_u32(&v);
	out->bits = rd_u32(&v);
	out->flags = rd_u64(&v);
	out->clear = rd_u64(&v);
	out->propagation = rd_u64(&v);
	a = proto_rd_str(&v, &out->destination, &out->destination_len);
	b = proto_rd_str(&v, &out->type, &out->type_len);
	c = proto_rd_str(&v, &out->data, &out->data_len);
	return a == 0 && b == 0 && c == 0 && rd_done(&v) ? 0 : -EPROTO;
}

int proto_get_device(struct rd v, struct proto_device *out)
{
	int r;

	out->mode = rd_u32(&v);
	out->major = rd_u32(&v);
	out->minor = rd_u32(&v);
	out->uid = rd_u32(&v);
	out->gid = rd_u32(&v);
	r = proto_rd_str(&v, &out->path, &out->path_len);
	return r == 0 && rd_done(&v) ? 0 : -EPROTO;
}

const char *proto_type_name(uint16_t type)
{
	static const char *const name[] = {
		[PROTO_HELLO] = "HELLO",       [PROTO_OK] = "OK",           [PROTO_ERROR] = "ERROR",
		[PROTO_SETUP] = "SETUP",       [PROTO_CREATE] = "CREATE",   [PROTO_START] = "START",
		[PROTO_SIGNAL] = "SIGNAL",     [PROTO_WINSIZE] = "WINSIZE", [PROTO_EXITED] = "EXITED",
		[PROTO_SHUTDOWN] = "SHUTDOWN", [PROTO_ATTACH] = "ATTACH",   [PROTO_BIND] = "BIND",
		[PROTO_PING] = "PING",
	};
	static_assert(ARRAY_SIZE(name) == PROTO_TYPE_END, "a name for every type");

	if (type >= ARRAY_SIZE(name) || name[type] == NULL)
		return "type?";
	return name[type];
}

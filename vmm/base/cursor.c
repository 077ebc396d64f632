// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/cursor.h"

const uint8_t *rd_bytes(struct rd *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->bad || len > r->left) {
		r->bad = true;
		r->left = 0;
		return NULL;
	}
	r->p += len;
	r->left -= len;
	return p;
}

void rd_copy(struct rd *r, void *dst, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (p != NULL && len != 0)
		memcpy(dst, p, len);
	else
		memset(dst, 0, len);
}

uint8_t rd_u8(struct rd *r)
{
	uint8_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

uint16_t rd_u16(struct rd *r)
{
	uint16_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

uint32_t rd_u32(struct rd *r)
{
	uint32_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

uint64_t rd_u64(struct rd *r)
{
	uint64_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

struct rd rd_sub(struct rd *r, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (p == NULL)
		return (struct rd){ .bad = true };
	return rd_init(p, len);
}

uint8_t *wr_room(struct wr *w, size_t len)
{
	uint8_t *p;

	if (w->bad || len > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	p = w->p + w->len;
	w->len += len;
	return p;
}

void wr_bytes(struct wr *w, const void *src, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p != NULL && len != 0)
		memcpy(p, src, len);
}

void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_u16(struct wr *w, uint16_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_u32(struct wr *w, uint32_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_u64(struct wr *w, uint64_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_patch_u32(struct wr *w, size_t off, uint32_t v)
{
	if (w->bad)
		return;
	BUG_ON(off > w->len || w->len - off < sizeof(v));
	memcpy(w->p + off, &v, sizeof(v));
}

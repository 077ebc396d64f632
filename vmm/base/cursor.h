// SPDX-License-Identifier: Apache-2.0
/*
 * Bounded little-endian cursors with a sticky error: struct rd reads a message that was copied to host memory,
 * struct wr writes one into a caller's buffer. For 9p, the agent protocol, cpio.
 *
 * Read everything, then test rd_done() or rd_ok() once: a bad cursor yields zeros and empty strings and stays bad,
 * so no later read runs off. Neither allocates.
 */
#ifndef KVMBOX_CURSOR_H
#define KVMBOX_CURSOR_H

#include <string.h>

#include "vmm/base/compat.h"

struct rd {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline struct rd rd_init(const void *p, size_t len)
{
	return (struct rd){ .p = p, .left = len };
}

static inline bool rd_ok(const struct rd *r)
{
	return !r->bad;
}

/* true when nothing was short and every byte was used */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->left == 0;
}

/* len bytes in place, or NULL */
const uint8_t *rd_bytes(struct rd *r, size_t len);
void rd_copy(struct rd *r, void *dst, size_t len); /* zeros when short */
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
/* A cursor on the next len bytes, which are consumed here; bad when short. */
struct rd rd_sub(struct rd *r, size_t len);

struct wr {
	uint8_t *p;
	size_t len; /* bytes written so far */
	size_t cap;
	bool bad;
};

static inline struct wr wr_init(void *p, size_t cap)
{
	return (struct wr){ .p = p, .cap = cap };
}

static inline bool wr_ok(const struct wr *w)
{
	return !w->bad;
}

/* Room for len bytes, to be filled by the caller; NULL when full */
uint8_t *wr_room(struct wr *w, size_t len);
void wr_bytes(struct wr *w, const void *src, size_t len);
void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
/* Overwrite 4 bytes at offset off, which were written before (a length known later). */
void wr_patch_u32(struct wr *w, size_t off, uint32_t v);

#endif

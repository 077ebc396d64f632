// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Small requests share a block; one that does not fit gets a block of its own. */
#define ARENA_BLOCK ((size_t)16 << 10)
#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	_Alignas(ARENA_ALIGN) unsigned char bytes[];
};

static void *block_take(struct arena_block *b, size_t len)
{
	void *p;

	if (b == NULL || len > b->cap - b->used)
		return NULL;
	p = b->bytes + b->used;
	b->used += len;
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	struct arena_block *b;
	size_t len, cap;
	void *p;

	if (ckd_mul(&len, n, size) || ckd_add(&len, len, len == 0 ? ARENA_ALIGN : ARENA_ALIGN - 1))
		return NULL;
	len -= len % ARENA_ALIGN;
	p = block_take(a->blocks, len);
	if (p != NULL)
		return p;
	cap = len > ARENA_BLOCK ? len : ARENA_BLOCK;
	if (ckd_add(&cap, cap, sizeof(*b)))
		return NULL;
	b = calloc(1, cap);
	if (b == NULL)
		return NULL;
	b->cap = cap - sizeof(*b);
	b->next = a->blocks;
	a->blocks = b;
	return block_take(b, len);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		s = arena_array(a, 1, (size_t)n + 1);
	if (s != NULL)
		(void)vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return s;
}

void arena_free(struct arena *a)
{
	struct arena_block *b, *next;

	for (b = a->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	a->blocks = NULL;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Memory that is freed all at once: what config.json and a plan are made of.
 *
 * Zero-initialise; arena_free() may be called on that too. Every function returns NULL when memory is short and the
 * caller reports it. Not thread-safe.
 */
#ifndef KVMBOX_ARENA_H
#define KVMBOX_ARENA_H

#include "vmm/base/compat.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
};

/* n objects of size bytes each, zeroed, aligned for any type; never NULL for n == 0 */
void *arena_array(struct arena *a, size_t n, size_t size) MUST_CHECK;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
void arena_free(struct arena *a);

#endif

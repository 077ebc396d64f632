// SPDX-License-Identifier: Apache-2.0
/*
 * A cursor over one direction of a descriptor chain: iovecs that were checked by gmem_slice().
 *
 * get and put copy; take hands out the iovecs themselves for zero-copy I/O. All consume from the front, none reads
 * past what is left, and a failed call consumes nothing. Not thread-safe; owned by whoever owns the chain.
 */
#ifndef KVMBOX_GIOV_H
#define KVMBOX_GIOV_H

#include <sys/uio.h>

#include "vmm/base/compat.h"

struct giov {
	struct iovec *v; /* the chain's array, not owned; never modified */
	unsigned int n;  /* entries left in v, the first partly used */
	size_t off;      /* used bytes of v[0] */
	size_t left;     /* bytes left in all */
};

struct giov giov_init(struct iovec *v, unsigned int n);

int giov_get(struct giov *g, void *dst, size_t len) MUST_CHECK;       /* all len bytes, or -EPROTO */
int giov_put(struct giov *g, const void *src, size_t len) MUST_CHECK; /* all len bytes, or -ENOSPC */
int giov_skip(struct giov *g, size_t len) MUST_CHECK;                 /* or -EPROTO */

/*
 * The next len bytes as at most max iovecs, adjacent ones merged. Returns their number, -EPROTO when fewer bytes are
 * left, -E2BIG when max is too small.
 */
int giov_take(struct giov *g, size_t len, struct iovec *out, unsigned int max) MUST_CHECK;

/* Split off the last len bytes (a status byte, say) as *tail; g keeps the rest. 0 or -EPROTO. */
int giov_split_tail(struct giov *g, size_t len, struct giov *tail) MUST_CHECK;

#endif

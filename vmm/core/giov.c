// SPDX-License-Identifier: Apache-2.0
#include "vmm/core/giov.h"

#include <errno.h>
#include <string.h>

struct giov giov_init(struct iovec *v, unsigned int n)
{
	struct giov g = { .v = v, .n = n };
	unsigned int i;

	for (i = 0; i < n; i++)
		g.left += v[i].iov_len;
	return g;
}

/* The next contiguous piece of at most max bytes, consumed. Only with 0 < max <= left, so an entry is there. */
static struct iovec giov_piece(struct giov *g, size_t max)
{
	struct iovec piece;

	while (g->off == g->v->iov_len) {
		BUG_ON(g->n == 0);
		g->v++;
		g->n--;
		g->off = 0;
	}
	piece.iov_base = (uint8_t *)g->v->iov_base + g->off;
	piece.iov_len = min_size(max, g->v->iov_len - g->off);
	g->off += piece.iov_len;
	g->left -= piece.iov_len;
	return piece;
}

int giov_get(struct giov *g, void *dst, size_t len)
{
	size_t done = 0;

	if (len > g->left)
		return -EPROTO;
	while (done < len) {
		struct iovec p = giov_piece(g, len - done);

		memcpy((uint8_t *)dst + done, p.iov_base, p.iov_len);
		done += p.iov_len;
	}
	return 0;
}

int giov_put(struct giov *g, const void *src, size_t len)
{
	size_t done = 0;

	if (len > g->left)
		return -ENOSPC;
	while (done < len) {
		struct iovec p = giov_piece(g, len - done);

		memcpy(p.iov_base, (const uint8_t *)src + done, p.iov_len);
		done += p.iov_len;
	}
	return 0;
}

int giov_skip(struct giov *g, size_t len)
{
	size_t done = 0;

	if (len > g->left)
		return -EPROTO;
	while (done < len)
		done += giov_piece(g, len - done).iov_len;
	return 0;
}

static bool iov_adjacent(const struct iovec *a, const struct iovec *b)
{
	return (uint8_t *)a->iov_base + a->iov_len == (uint8_t *)b->iov_base;
}

int giov_take(struct giov *g, size_t len, struct iovec *out, unsigned int max)
{
	struct giov at = *g;
	unsigned int n = 0;
	size_t done = 0;

	if (len > g->left)
		return -EPROTO;
	while (done < len) {
		struct iovec p = giov_piece(&at, len - done);

		done += p.iov_len;
		if (n > 0 && iov_adjacent(&out[n - 1], &p)) {
			out[n - 1].iov_len += p.iov_len;
			continue;
		}
		if (n == max)
			return -E2BIG;
		out[n++] = p;
	}
	*g = at;
	return (int)n;
}

int giov_split_tail(struct giov *g, size_t len, struct giov *tail)
{
	struct giov at = *g;

	if (len > g->left || giov_skip(&at, g->left - len) != 0)
		return -EPROTO;
	g->left -= len;
	*tail = at;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "vmm/core/bus.h"

#include <errno.h>
#include <string.h>

int bus_add(struct bus *b, uint64_t base, uint64_t len, const struct bus_ops *ops, void *dev)
{
	struct bus_range *r = b->range;
	unsigned int at = 0;
	uint64_t last;

	if (len == 0 || ckd_add(&last, base, len - 1))
		return -EINVAL;
	while (at < b->count && r[at].base < base)
		at++;
	if (at > 0 && base - r[at - 1].base < r[at - 1].len)
		return -EEXIST;
	if (at < b->count && r[at].base - base < len)
		return -EEXIST;
	if (b->count == BUS_RANGES_MAX)
		return -ENOSPC;
	memmove(&r[at + 1], &r[at], (b->count - at) * sizeof(*r));
	r[at] = (struct bus_range){ .base = base, .len = len, .ops = ops, .dev = dev };
	b->count++;
	return 0;
}

/* The range that holds all of [addr, addr + size), or NULL */
static const struct bus_range *bus_find(const struct bus *b, uint64_t addr, unsigned int size)
{
	unsigned int lo = 0, hi = b->count;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return NULL;
	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct bus_range *r = &b->range[mid];

		if (addr < r->base)
			hi = mid;
		else if (addr - r->base >= r->len)
			lo = mid + 1;
		else
			return size <= r->len - (addr - r->base) ? r : NULL;
	}
	return NULL;
}

static uint64_t bus_cut(uint64_t v, unsigned int size)
{
	return size < 8 ? v & ((1ULL << size * 8) - 1) : v;
}

uint64_t bus_read(const struct bus *b, uint64_t addr, unsigned int size)
{
	const struct bus_range *r = bus_find(b, addr, size);
	uint64_t v = UINT64_MAX;

	if (r != NULL)
		v = r->ops->read(r->dev, addr - r->base, size);
	return bus_cut(v, size);
}

void bus_write(const struct bus *b, uint64_t addr, unsigned int size, uint64_t val)
{
	const struct bus_range *r = bus_find(b, addr, size);

	if (r != NULL)
		r->ops->write(r->dev, addr - r->base, size, bus_cut(val, size));
}

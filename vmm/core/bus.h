// SPDX-License-Identifier: Apache-2.0
/*
 * Address ranges to device handlers: one struct bus for memory-mapped I/O, one for ports.
 *
 * The table is fixed before the vcpus run. A handler is called with off + size <= the range's length and size in
 * {1, 2, 4, 8}; other accesses never reach a device: reads give all ones, writes go nowhere. Values are cut to size
 * bytes in both directions. Callers hold the device lock (loop.h).
 */
#ifndef KVMBOX_BUS_H
#define KVMBOX_BUS_H

#include "vmm/base/compat.h"

#define BUS_RANGES_MAX 40

struct bus_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	void (*write)(void *dev, uint64_t off, unsigned int size, uint64_t val);
};

struct bus_range {
	uint64_t base;
	uint64_t len;
	const struct bus_ops *ops;
	void *dev;
};

struct bus {
	struct bus_range range[BUS_RANGES_MAX]; /* sorted by base */
	unsigned int count;
};

/* 0, -ENOSPC, -EEXIST for an overlap, -EINVAL for an empty or wrapping range */
int bus_add(struct bus *b, uint64_t base, uint64_t len, const struct bus_ops *ops, void *dev) MUST_CHECK;

uint64_t bus_read(const struct bus *b, uint64_t addr, unsigned int size);
void bus_write(const struct bus *b, uint64_t addr, unsigned int size, uint64_t val);

#endif

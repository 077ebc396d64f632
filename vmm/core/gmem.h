// SPDX-License-Identifier: Apache-2.0
/*
 * Guest memory: the only place that turns a guest-physical address (GPA) into a host pointer.
 *
 * Regions are fixed before the vcpus run; afterwards every function is safe from any thread. Contents may change at
 * any time under the reader: copy once, then check, then use.
 */
#ifndef KVMBOX_GMEM_H
#define KVMBOX_GMEM_H

#include "vmm/base/compat.h"

#define GMEM_REGIONS_MAX 4
#define GMEM_ALIGN       16 /* of regions, in both spaces: ring words are then aligned for atomic loads */

struct gmem_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

struct gmem {
	struct gmem_region region[GMEM_REGIONS_MAX];
	unsigned int count;
};

/* A checked range: lies wholly inside one region, valid as long as the VM lives. Made by gmem_slice() only. */
struct gslice {
	uint8_t *p;
	size_t len;
};

/*
 * Add memory that the caller owns (mmap'ed by the VM or a test's array). 0, -ENOSPC, -EINVAL (empty, wraps, overlaps,
 * gpa or hva not a multiple of GMEM_ALIGN).
 */
int gmem_add(struct gmem *m, uint64_t gpa, uint64_t size, uint8_t *hva) MUST_CHECK;

/* 0 or -EFAULT; a range of length 0 is accepted anywhere inside a region */
int gmem_slice(const struct gmem *m, uint64_t gpa, uint64_t len, struct gslice *out) MUST_CHECK;

int gmem_read(const struct gmem *m, uint64_t gpa, void *dst, size_t len) MUST_CHECK;
int gmem_write(const struct gmem *m, uint64_t gpa, const void *src, size_t len) MUST_CHECK;
int gmem_zero(const struct gmem *m, uint64_t gpa, uint64_t len) MUST_CHECK;

#endif

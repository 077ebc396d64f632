// SPDX-License-Identifier: Apache-2.0
#include "vmm/core/gmem.h"

#include <errno.h>
#include <string.h>

static bool region_overlaps(const struct gmem_region *r, uint64_t gpa, uint64_t size)
{
	if (gpa >= r->gpa)
		return gpa - r->gpa < r->size;
	return r->gpa - gpa < size;
}

int gmem_add(struct gmem *m, uint64_t gpa, uint64_t size, uint8_t *hva)
{
	uint64_t last;
	unsigned int i;

	if (hva == NULL || size == 0 || size > SIZE_MAX || ckd_add(&last, gpa, size - 1))
		return -EINVAL;
	if (gpa % GMEM_ALIGN != 0 || (uintptr_t)hva % GMEM_ALIGN != 0)
		return -EINVAL;
	for (i = 0; i < m->count; i++)
		if (region_overlaps(&m->region[i], gpa, size))
			return -EINVAL;
	if (m->count == GMEM_REGIONS_MAX)
		return -ENOSPC;
	m->region[m->count].gpa = gpa;
	m->region[m->count].size = size;
	m->region[m->count].hva = hva;
	m->count++;
	return 0;
}

int gmem_slice(const struct gmem *m, uint64_t gpa, uint64_t len, struct gslice *out)
{
	unsigned int i;

	for (i = 0; i < m->count; i++) {
		const struct gmem_region *r = &m->region[i];

		if (gpa < r->gpa || gpa - r->gpa >= r->size)
			continue;
		if (len > r->size - (gpa - r->gpa))
			return -EFAULT;
		*out = (struct gslice){ r->hva + (gpa - r->gpa), (size_t)len };
		return 0;
	}
	return -EFAULT;
}

int gmem_read(const struct gmem *m, uint64_t gpa, void *dst, size_t len)
{
	struct gslice s;
	int r = gmem_slice(m, gpa, len, &s);

	if (r == 0 && len != 0)
		memcpy(dst, s.p, len);
	return r;
}

int gmem_write(const struct gmem *m, uint64_t gpa, const void *src, size_t len)
{
	struct gslice s;
	int r = gmem_slice(m, gpa, len, &s);

	if (r == 0 && len != 0)
		memcpy(s.p, src, len);
	return r;
}

int gmem_zero(const struct gmem *m, uint64_t gpa, uint64_t len)
{
	struct gslice s;
	int r = gmem_slice(m, gpa, len, &s);

	if (r == 0)
		memset(s.p, 0, s.len);
	return r;
}

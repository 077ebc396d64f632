// SPDX-License-Identifier: Apache-2.0
#include "devices/ninep_fid.h"

#include <errno.h>

#include "devices/ninep_priv.h"

struct ninep_fid *ninep_fid_find(struct ninep *np, uint32_t number)
{
	if (number >= NINEP_FIDS_MAX || np->fids.fid[number].state == NINEP_FREE)
		return NULL;
	return &np->fids.fid[number];
}

struct ninep_fid *ninep_fid_file(struct ninep *np, uint32_t number)
{
	struct ninep_fid *f = ninep_fid_find(np, number);

	return f != NULL && f->state != NINEP_XATTR ? f : NULL;
}

int ninep_fid_check(const struct ninep *np, uint32_t number)
{
	if (number >= NINEP_FIDS_MAX)
		return -ENFILE;
	return np->fids.fid[number].state == NINEP_FREE ? 0 : -EBADF;
}

struct ninep_fid *ninep_fid_new(struct ninep *np, uint32_t number, struct ninep_node *node, uint32_t uid, int *error)
{
	struct ninep_fid *f;

	*error = ninep_fid_check(np, number);
	if (*error != 0)
		return NULL;
	f = &np->fids.fid[number];
	*f = (struct ninep_fid){ .state = NINEP_WALKED, .fd = -1, .donor = -1, .uid = uid, .node = node };
	np->fids.live++;
	if (number >= np->fids.high)
		np->fids.high = number + 1;
	return f;
}

void ninep_fid_drop(struct ninep *np, struct ninep_fid *f)
{
	if (f->locked != 0)
		ninep_lock_drop(np, f);
	ninep_xattr_free(np, f->xattr);
	ninep_close(np, &f->fd);
	ninep_close(np, &f->donor);
	ninep_node_put(np, f->node);
	*f = (struct ninep_fid){ .state = NINEP_FREE };
	np->fids.live--;
}

void ninep_fids_reset(struct ninep *np)
{
	uint32_t i;

	for (i = 0; i < np->fids.high; i++)
		if (np->fids.fid[i].state != NINEP_FREE)
			ninep_fid_drop(np, &np->fids.fid[i]);
	np->fids.high = 0;
}

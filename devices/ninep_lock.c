// SPDX-License-Identifier: Apache-2.0
/*
 * Order of work. To lock: the host first, over the whole range (what other owners in the guest hold there is of the
 * same kind or the guest's kernel would have refused), then the table. To unlock: the table first, then the host for
 * the parts that no range of the table covers any more.
 */
#include "devices/ninep_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "devices/ninep_priv.h"

static struct ninep_range *range_at(struct ninep_locks *t, uint16_t i)
{
	return i == 0 ? NULL : &t->range[i - 1];
}

static bool range_room(const struct ninep_locks *t, unsigned int n)
{
	return (unsigned int)NINEP_LOCKS_MAX - t->live >= n;
}

/* Only with range_room() */
static void range_add(struct ninep_locks *t, struct ninep_locked *l, struct ninep_range r)
{
	uint16_t i = t->free;

	if (i != 0)
		t->free = range_at(t, i)->next;
	else
		i = ++t->used;
	r.next = l->ranges;
	t->range[i - 1] = r;
	l->ranges = i;
	t->live++;
}

/* Unlink the range that *link names. */
static void range_del(struct ninep_locks *t, uint16_t *link)
{
	uint16_t i = *link;

	*link = range_at(t, i)->next;
	range_at(t, i)->next = t->free;
	t->free = i;
	t->live--;
}

static struct ninep_locked *locked_find(struct ninep_locks *t, const struct ninep_node *n)
{
	unsigned int i;

	for (i = 0; i < t->high; i++)
		if (t->file[i].used && t->file[i].dev == n->dev && t->file[i].ino == n->ino)
			return &t->file[i];
	return NULL;
}

/* Its own description of the file, open for both kinds of lock if that can be had. */
static struct ninep_locked *locked_new(struct ninep *np, const struct ninep_fid *f)
{
	struct ninep_locks *t = &np->locks;
	struct ninep_node *n = f->node;
	struct statx st;
	unsigned int i;
	int fd;

	for (i = 0; i < NINEP_LOCKED_MAX && t->file[i].used; i++)
		;
	if (i == NINEP_LOCKED_MAX)
		return NULL;
	fd = n->mode == S_IFREG && !n->ro ? ninep_node_open(np, n, O_RDWR, -1, &st) : -EROFS;
	if (fd < 0)
		fd = ninep_dup(np, f->fd);
	if (fd < 0)
		return NULL;
	t->file[i] = (struct ninep_locked){ .used = true, .fd = fd, .dev = n->dev, .ino = n->ino };
	t->files++;
	if (i >= t->high)
		t->high = (uint16_t)(i + 1);
	return &t->file[i];
}

static int host_lock(int fd, int cmd, short type, int64_t start, int64_t end, struct flock *out)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start };

	fl.l_len = end == INT64_MAX ? 0 : end - start + 1;
	if (fcntl(fd, cmd, &fl) < 0)
		return -errno;
	if (out != NULL)
		*out = fl;
	return 0;
}

static void locked_drop_if_empty(struct ninep *np, struct ninep_locked *l)
{
	if (l->ranges != 0)
		return;
	/* a close is not enough when the description is shared with a fid or an entry */
	(void)host_lock(l->fd, F_OFD_SETLK, F_UNLCK, 0, INT64_MAX, NULL);
	ninep_close(np, &l->fd);
	l->used = false;
	np->locks.files--;
}

/* Take the owner's ranges out of [start, end]; a range that sticks out keeps what sticks out. */
static void owner_clear(struct ninep_locks *t, struct ninep_locked *l, uint32_t owner, int64_t start, int64_t end)
{
	uint16_t *link = &l->ranges;
	struct ninep_range *r;

	while ((r = range_at(t, *link)) != NULL) {
		if (r->owner != owner || r->end < start || r->start > end) {
			link = &r->next;
			continue;
		}
		if (r->start < start && r->end > end) {
			struct ninep_range tail = *r;

			if (!range_room(t, 1))
				return; /* cannot be split: stays whole */
			r->end = start - 1;
			tail.start = end + 1;
			range_add(t, l, tail);
			return; /* an owner's ranges don't overlap */
		}
		if (r->start < start) {
			r->end = start - 1;
		} else if (r->end > end) {
			r->start = end + 1;
		} else {
			range_del(t, link);
			continue;
		}
		link = &r->next;
	}
}

/* Grow a new range over its owner's neighbours of the same type: byte by byte locking stays one range. */
static void owner_merge(struct ninep_locks *t, struct ninep_locked *l, struct ninep_range *new)
{
	uint16_t *link = &l->ranges;
	struct ninep_range *r;

	while ((r = range_at(t, *link)) != NULL) {
		bool before = r->end != INT64_MAX && r->end + 1 == new->start;
		bool after = new->end != INT64_MAX &&new->end + 1 == r->start;

		if (r->owner != new->owner || r->type != new->type || r->fid != new->fid || (!before && !after)) {
			link = &r->next;
			continue;
		}
		new->start = before ? r->start : new->start;
		new->end = after ? r->end : new->end;
		range_del(t, link);
	}
}

/*
 * Unlock on the host the parts of [start, end] that no range covers. From a position: the next one that is free, then
 * how far it is free; at most one step a range and one more.
 */
static void host_unlock_gaps(struct ninep_locks *t, const struct ninep_locked *l, int64_t start, int64_t end)
{
	const struct ninep_range *r;
	unsigned int steps;
	int64_t at = start;

	for (steps = 0; steps <= 2 * NINEP_LOCKS_MAX && at <= end; steps++) {
		const struct ninep_range *over = NULL;
		int64_t stop = end;

		for (r = range_at(t, l->ranges); r != NULL; r = range_at(t, r->next)) {
			if (r->start <= at && r->end >= at)
				over = r;
			else if (r->start > at && r->start - 1 < stop)
				stop = r->start - 1;
		}
		if (over != NULL) {
			stop = over->end;
		} else if (host_lock(l->fd, F_OFD_SETLK, F_UNLCK, at, stop, NULL) != 0) {
			return; /* no memory to split a lock: it stays until the file is closed */
		}
		if (stop == INT64_MAX)
			return;
		at = stop + 1;
	}
}

static int flock_instead(struct ninep_fid *f, uint8_t type)
{
	if (flock(f->fd, (type == P9_LOCK_WR ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? P9_LOCK_BLOCKED : -errno;
	f->flocked = true;
	return P9_LOCK_SUCCESS;
}

static void lock_release(struct ninep *np, struct ninep_fid *f, const struct ninep_lock_req *q)
{
	struct ninep_locked *l = locked_find(&np->locks, f->node);

	if (f->flocked) {
		(void)flock(f->fd, LOCK_UN);
		f->flocked = false;
	}
	if (l == NULL)
		return;
	owner_clear(&np->locks, l, q->owner, q->start, q->end);
	if (l->ranges != 0)
		host_unlock_gaps(&np->locks, l, q->start, q->end);
	locked_drop_if_empty(np, l);
}

int ninep_lock_set(struct ninep *np, struct ninep_fid *f, const struct ninep_lock_req *q)
{
	struct ninep_range new = { .type = q->type,
				   .owner = q->owner,
				   .fid = (uint32_t)(f - np->fids.fid),
				   .start = q->start,
				   .end = q->end };
	struct ninep_locks *t = &np->locks;
	struct ninep_locked *l;
	int r;

	if (q->type == P9_LOCK_UN) {
		lock_release(np, f, q);
		return P9_LOCK_SUCCESS;
	}
	/* a split and the range itself */
	if (!range_room(t, 2))
		return P9_LOCK_ERROR;
	l = locked_find(t, f->node);
	if (l == NULL)
		l = locked_new(np, f);
	if (l == NULL)
		return P9_LOCK_ERROR;
	f->locked = (uint16_t)(l - t->file + 1);
	r = host_lock(l->fd, F_OFD_SETLK, q->type == P9_LOCK_WR ? F_WRLCK : F_RDLCK, q->start, q->end, NULL);
	if (r == 0) {
		owner_clear(t, l, q->owner, q->start, q->end);
		owner_merge(t, l, &new);
		range_add(t, l, new);
		return P9_LOCK_SUCCESS;
	}
	locked_drop_if_empty(np, l);
	if (r == -EBADF)
		return flock_instead(f, q->type);
	return r == -EAGAIN || r == -EACCES ? P9_LOCK_BLOCKED : r;
}

int ninep_lock_test(struct ninep *np, const struct ninep_fid *f, struct ninep_lock_req *q)
{
	const struct ninep_locked *l = locked_find(&np->locks, f->node);
	/* Linux sends "unlock" here, whatever was asked: then anything in the way counts */
	short type = q->type == P9_LOCK_RD ? F_RDLCK : F_WRLCK;
	struct flock fl = { .l_type = F_UNLCK };
	int r = host_lock(l != NULL ? l->fd : f->fd, F_OFD_GETLK, type, q->start, q->end, &fl);

	if (r != 0)
		return r;
	q->type = fl.l_type == F_UNLCK ? P9_LOCK_UN : fl.l_type == F_RDLCK ? P9_LOCK_RD : P9_LOCK_WR;
	if (fl.l_type == F_UNLCK)
		return 0;
	q->start = fl.l_start;
	q->end = fl.l_len == 0 ? INT64_MAX : fl.l_start + fl.l_len - 1;
	return 0;
}

void ninep_lock_drop(struct ninep *np, struct ninep_fid *f)
{
	struct ninep_locked *l = &np->locks.file[f->locked - 1];
	const uint32_t fid = (uint32_t)(f - np->fids.fid);
	struct ninep_range *r;
	uint16_t *link;
	bool some = false;

	if (!l->used)
		return;
	for (link = &l->ranges; (r = range_at(&np->locks, *link)) != NULL;) {
		if (r->fid != fid) {
			link = &r->next;
			continue;
		}
		range_del(&np->locks, link);
		some = true;
	}
	if (some && l->ranges != 0)
		host_unlock_gaps(&np->locks, l, 0, INT64_MAX);
	locked_drop_if_empty(np, l);
}

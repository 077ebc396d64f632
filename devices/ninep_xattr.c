// SPDX-License-Identifier: Apache-2.0
#include "devices/ninep_xattr.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "devices/ninep_priv.h"

static bool xattr_served(const char *name)
{
	static const char *const whole[] = { "security.capability", "system.posix_acl_access",
					     "system.posix_acl_default" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(whole); i++)
		if (strcmp(name, whole[i]) == 0)
			return true;
	if (strncmp(name, "trusted.overlay.", 16) == 0)
		return false;
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0;
}

/* --- slots --- */

static struct ninep_xattr *xattr_new(struct ninep *np)
{
	struct ninep_xattrs *t = &np->xattrs;
	struct ninep_xattr *x = t->free;

	if (x != NULL)
		t->free = x->next;
	else if (t->used < NINEP_XATTRS_MAX)
		x = &t->slot[t->used++];
	else
		return NULL;
	t->live++;
	*x = (struct ninep_xattr){ .value = t->pool[x - t->slot] };
	return x;
}

void ninep_xattr_free(struct ninep *np, struct ninep_xattr *x)
{
	if (x == NULL)
		return;
	if (x->size > sizeof(np->xattrs.pool[0]) / 16)
		(void)madvise(x->value, NINEP_XATTR_SIZE,
			      MADV_DONTNEED); /* large values are rare: give the pages back */
	x->next = np->xattrs.free;
	np->xattrs.free = x;
	np->xattrs.live--;
}

/* --- the host's calls --- */

/* A file as the xattr calls want it: an open fd, or one component of the working directory. */
struct xattr_at {
	int fd; /* -1: use name */
	const char *name;
};

static int xattr_io_fd(const struct ninep_fid *f)
{
	if (f->fd >= 0)
		return f->fd;
	if (f->donor >= 0)
		return f->donor;
	return f->node->io_fd ? f->node->fd : -1;
}

/* Ends with xattr_leave(), also after an error. */
static int xattr_enter(struct ninep *np, const struct ninep_fid *f, struct xattr_at *at)
{
	struct ninep_node *n = f->node;
	int dir, r;

	at->fd = xattr_io_fd(f);
	if (at->fd >= 0)
		return 0;
	if (n->fd < 0)
		return -EOPNOTSUPP; /* the synthetic root */
	at->name = n->mode == S_IFDIR ? "." : n->name;
	dir = n->mode == S_IFDIR ? n->fd : n->parent->fd;
	if (n->mode != S_IFDIR) {
		r = ninep_node_verify(np, n);
		if (r != 0)
			return r;
	}
	return fchdir(dir) == 0 ? 0 : -errno;
}

/* Nothing of the guest's stays the working directory. */
static void xattr_leave(const struct xattr_at *at)
{
	if (at->fd < 0 && chdir("/") < 0)
		return; /* of use to nobody else all the same: no call here uses relative paths but these */
}

static ssize_t xattr_get(const struct xattr_at *at, const char *name, void *value)
{
	ssize_t n;

	if (at->fd >= 0)
		n = fgetxattr(at->fd, name, value, NINEP_XATTR_SIZE);
	else
		n = lgetxattr(at->name, name, value, NINEP_XATTR_SIZE);
	return n < 0 ? -errno : n;
}

/* Only the names that are served */
static ssize_t xattr_list(const struct xattr_at *at, uint8_t *value)
{
	char *list = (char *)value;
	size_t in = 0, out = 0;
	ssize_t n;

	if (at->fd >= 0)
		n = flistxattr(at->fd, list, NINEP_XATTR_SIZE);
	else
		n = llistxattr(at->name, list, NINEP_XATTR_SIZE);
	if (n < 0)
		return -errno;
	while (in < (size_t)n) {
		size_t len = strnlen(list + in, (size_t)n - in) + 1;

		if (len <= (size_t)n - in && xattr_served(list + in)) {
			memmove(list + out, list + in, len);
			out += len;
		}
		in += len;
	}
	return (ssize_t)out;
}

int ninep_xattr_read(struct ninep *np, const struct ninep_fid *f, const char *name, struct ninep_xattr **out)
{
	struct xattr_at at = { .fd = -1 };
	struct ninep_xattr *x;
	ssize_t n;

	if (name[0] != '\0' && !xattr_served(name))
		return -EOPNOTSUPP;
	x = xattr_new(np);
	if (x == NULL)
		return -ENFILE;
	n = xattr_enter(np, f, &at);
	if (n == 0)
		n = name[0] != '\0' ? xattr_get(&at, name, x->value) : xattr_list(&at, x->value);
	xattr_leave(&at);
	if (n < 0) {
		ninep_xattr_free(np, x);
		return (int)n;
	}
	x->size = (uint32_t)n;
	*out = x;
	return 0;
}

int ninep_xattr_write(struct ninep *np, const char *name, uint64_t size, uint32_t flags, struct ninep_xattr **out)
{
	struct ninep_xattr *x;

	if (!xattr_served(name))
		return -EOPNOTSUPP;
	if (size > NINEP_XATTR_SIZE)
		return -E2BIG;
	if (flags != 0 && flags != XATTR_CREATE && flags != XATTR_REPLACE)
		return -EINVAL;
	x = xattr_new(np);
	if (x == NULL)
		return -ENFILE;
	x->writing = true;
	x->size = (uint32_t)size;
	x->flags = (int)flags;
	memcpy(x->name, name, strlen(name) + 1);
	*out = x;
	return 0;
}

static int xattr_set(const struct xattr_at *at, const struct ninep_xattr *x)
{
	bool removal = x->size == 0 && x->flags == XATTR_REPLACE;
	int r;

	if (removal)
		r = at->fd >= 0 ? fremovexattr(at->fd, x->name) : lremovexattr(at->name, x->name);
	else if (at->fd >= 0)
		r = fsetxattr(at->fd, x->name, x->value, x->size, x->flags);
	else
		r = lsetxattr(at->name, x->name, x->value, x->size, x->flags);
	return r < 0 ? -errno : 0;
}

int ninep_xattr_store(struct ninep *np, const struct ninep_fid *f)
{
	struct xattr_at at = { .fd = -1 };
	int r;

	if (f->xattr->have != f->xattr->size)
		return -EIO;
	r = xattr_enter(np, f, &at);
	if (r == 0)
		r = xattr_set(&at, f->xattr);
	xattr_leave(&at);
	return r;
}

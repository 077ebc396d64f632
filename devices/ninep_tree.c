// SPDX-License-Identifier: Apache-2.0
/*
 * 9p requests that change the tree: lcreate, mkdir, mknod, symlink, link, rename, unlink.
 *
 * All act on one checked component in a directory's own fd. What the guest removes or renames is told to the nodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/ninep_priv.h"

/* The directory of a fid, for a change in it. 0, -EBADF, -ENOTDIR, -EROFS (also: the synthetic root). */
static int dir_for_change(struct ninep *np, uint32_t number, struct ninep_fid **f)
{
	*f = ninep_fid_file(np, number);
	if (*f == NULL)
		return -EBADF;
	if ((*f)->node->mode != S_IFDIR)
		return -ENOTDIR;
	return (*f)->node->ro ? -EROFS : 0;
}

/* The reply for what was just made as name in d */
static int put_new_qid(struct ninep *np, const struct ninep_node *d, const char *name, struct ninep_io *io)
{
	struct ninep_qid qid;
	struct statx st;
	int r = ninep_statx(d->fd, name, &st);

	if (r == 0)
		r = ninep_qid_of(&np->qids, &st, &qid);
	if (r == 0)
		ninep_put_qid(&io->out, &qid);
	return r;
}

static int make(struct ninep *np, struct ninep_msg *m, const struct ninep_fid *f, struct ninep_io *io)
{
	const char *name = m->name[0];
	int d = f->node->fd, r;

	r = ninep_cred_enter(&np->cred, f->uid, m->gid);
	if (r != 0)
		return r;
	if (m->type == P9_TMKDIR)
		r = mkdirat(d, name, m->mode & 07777);
	else if (m->type == P9_TSYMLINK)
		r = symlinkat(m->target, d, name);
	else
		r = mknodat(d, name, m->mode, makedev(m->major, m->minor));
	r = r < 0 ? -errno : 0;
	ninep_cred_leave(&np->cred);
	return r != 0 ? r : put_new_qid(np, f->node, name, io);
}

int ninep_do_mkdir(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f;
	int r = dir_for_change(np, m->fid, &f);

	return r != 0 ? r : make(np, m, f, io);
}

int ninep_do_symlink(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	return ninep_do_mkdir(np, m, io);
}

/* Devices too may be made (a container has CAP_MKNOD): they are opened by nobody here, and the mount has nodev. */
int ninep_do_mknod(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	const uint32_t type = m->mode & S_IFMT;

	if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK)
		return -EINVAL;
	if ((m->mode & ~(uint32_t)(S_IFMT | 07777)) != 0 || m->major > 0xfff || m->minor > 0xfffff)
		return -EINVAL;
	return ninep_do_mkdir(np, m, io);
}

/* Make or open name in the directory of f. A file that is there already is opened as any other. */
static int create_open(struct ninep *np, const struct ninep_msg *m, const struct ninep_fid *f, int flags)
{
	const char *name = m->name[0];
	int fd, r = ninep_cred_enter(&np->cred, f->uid, m->gid);

	if (r != 0)
		return r;
	fd = ninep_openat(np, f->node->fd, name, flags | O_CREAT | O_EXCL, m->mode & 07777);
	ninep_cred_leave(&np->cred);
	return fd;
}

static int create_or_open(struct ninep *np, struct ninep_msg *m, struct ninep_fid *f, struct ninep_node **n,
			  struct statx *st)
{
	int flags = (int)(m->flags & P9_O_ACCMODE);
	int fd = create_open(np, m, f, flags), r;
	bool made = fd >= 0;

	if (!made && (fd != -EEXIST || (m->flags & P9_O_EXCL) != 0))
		return fd;
	r = ninep_node_walk(np, f->node, m->name[0], n, st);
	if (r == 0 && !made)
		r = fd = ninep_node_open(np, *n, flags, -1, st);
	else if (r == 0)
		r = ninep_statx(fd, "", st);
	if (r >= 0 && !ninep_node_is(*n, st))
		r = -ESTALE; /* replaced behind our back already */
	if (r >= 0 && !made && (m->flags & P9_O_TRUNC) != 0 && ftruncate(fd, 0) < 0)
		r = -errno;
	if (r >= 0)
		return fd;
	ninep_close(np, &fd);
	return r;
}

int ninep_do_lcreate(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_node *n = NULL;
	struct ninep_qid qid;
	struct ninep_fid *f;
	struct statx st;
	int fd, r = dir_for_change(np, m->fid, &f);

	if (r == 0 && f->state != NINEP_WALKED)
		r = -EBADF;
	if (r == 0 && ((m->flags & ~P9_O_KNOWN) != 0 || (m->flags & P9_O_ACCMODE) == P9_O_NOACCESS))
		r = -EINVAL;
	if (r != 0)
		return r;
	fd = create_or_open(np, m, f, &n, &st);
	r = fd < 0 ? fd : ninep_qid_of(&np->qids, &st, &qid);
	if (r != 0) {
		ninep_close(np, &fd);
		ninep_node_put(np, n);
		return r;
	}
	ninep_node_put(np, f->node);
	f->node = n;
	f->fd = fd;
	f->state = NINEP_OPEN;
	f->write = (m->flags & P9_O_ACCMODE) != 0;
	f->append = (m->flags & P9_O_APPEND) != 0;
	f->dsync = (m->flags & P9_O_DSYNC) != 0;
	f->sync = (m->flags & P9_O_SYNC) != 0;
	ninep_put_qid(&io->out, &qid);
	wr_u32(&io->out, 0); /* iounit: as much as msize allows */
	return 0;
}

/* A second name for the file of fid2. Across entries it is refused as across mounts, even if they are one mount. */
int ninep_do_link(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *f = ninep_fid_file(np, m->fid2), *d;
	struct ninep_node *n;
	int r = dir_for_change(np, m->fid, &d);

	if (r != 0)
		return r;
	if (f == NULL)
		return -EBADF;
	n = f->node;
	if (n->fd < 0)
		return -EPERM;
	if (n->entry != d->node->entry)
		return -EXDEV;
	/* never by the node's own fd: what the host has moved away must not come back */
	r = ninep_node_verify(np, n);
	if (r != 0)
		return r;
	return linkat(n->parent->fd, n->name, d->node->fd, m->name[0], 0) == 0 ? 0 : -errno;
}

static int rename_in(struct ninep *np, struct ninep_node *from, const char *a, struct ninep_node *to, const char *b)
{
	if (from->entry != to->entry)
		return -EXDEV;
	if (renameat(from->fd, a, to->fd, b) < 0)
		return -errno;
	ninep_node_renamed(np, from, a, to, b);
	return 0;
}

int ninep_do_renameat(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *from, *to;
	int r = dir_for_change(np, m->fid, &from);

	if (r == 0)
		r = dir_for_change(np, m->fid2, &to);
	return r != 0 ? r : rename_in(np, from->node, m->name[0], to->node, m->name[1]);
}

/* The name a node has now, for a call that takes its parent and name: verified, in a directory that may be changed */
static int named_for_change(struct ninep *np, struct ninep_node *n)
{
	if (n->ro)
		return -EROFS;
	if (n->fd < 0 || n == np->nodes.entry[n->entry])
		return -EBUSY; /* a root */
	return ninep_node_verify(np, n);
}

int ninep_do_rename(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *f = ninep_fid_file(np, m->fid), *d;
	char name[NINEP_NAME_MAX + 1];
	int r = dir_for_change(np, m->fid2, &d);

	if (r != 0)
		return r;
	if (f == NULL)
		return -EBADF;
	r = named_for_change(np, f->node);
	if (r != 0)
		return r;
	memcpy(name, f->node->name, sizeof(name)); /* the node's own is rewritten on the way */
	return rename_in(np, f->node->parent, name, d->node, m->name[0]);
}

int ninep_do_unlinkat(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *d;
	int r = dir_for_change(np, m->fid, &d);

	if (r != 0)
		return r;
	if ((m->flags & ~P9_AT_REMOVEDIR) != 0)
		return -EINVAL;
	if (unlinkat(d->node->fd, m->name[0], m->flags != 0 ? AT_REMOVEDIR : 0) < 0)
		return -errno;
	ninep_node_unlinked(np, d->node, m->name[0]);
	return 0;
}

/* Tremove: the fid is gone afterwards, whatever happened. */
int ninep_do_remove(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *f = ninep_fid_find(np, m->fid);
	struct ninep_node *n;
	int r;

	if (f == NULL)
		return -EBADF;
	n = f->node;
	r = f->state == NINEP_XATTR ? -EBADF : named_for_change(np, n);
	if (r == 0 && unlinkat(n->parent->fd, n->name, n->mode == S_IFDIR ? AT_REMOVEDIR : 0) < 0)
		r = -errno;
	if (r == 0)
		ninep_node_unlinked(np, n->parent, n->name);
	ninep_fid_drop(np, f);
	return r;
}

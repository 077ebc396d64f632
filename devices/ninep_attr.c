// SPDX-License-Identifier: Apache-2.0
/*
 * 9p requests about one file's attributes: getattr, setattr, statfs, readlink, xattrs.
 *
 * A fid's open fd is used where the call needs one, so that all work on files that have no name any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "devices/ninep_priv.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

int ninep_do_statfs(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	const struct ninep_fid *f = ninep_fid_file(np, m->fid);
	struct statfs fs = { .f_bsize = 4096, .f_namelen = NINEP_NAME_MAX };
	struct wr *w = &io->out;
	uint64_t fsid;

	if (f == NULL)
		return -EBADF;
	if (f->node->fd >= 0 && fstatfs(f->node->fd, &fs) < 0)
		return -errno;
	memcpy(&fsid, &fs.f_fsid, sizeof(fsid));
	/* not the host's type: programs choose by it what works, and here that is what works on 9p */
	wr_u32(w, V9FS_MAGIC);
	wr_u32(w, (uint32_t)fs.f_bsize);
	wr_u64(w, fs.f_blocks);
	wr_u64(w, fs.f_bfree);
	wr_u64(w, fs.f_bavail);
	wr_u64(w, fs.f_files);
	wr_u64(w, fs.f_ffree);
	wr_u64(w, fsid);
	wr_u32(w, (uint32_t)fs.f_namelen);
	return 0;
}

int ninep_do_getattr(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	const struct ninep_fid *f = ninep_fid_file(np, m->fid);
	struct ninep_qid qid = ninep_qid_root();
	struct statx st;
	int r;

	if (f == NULL)
		return -EBADF;
	r = f->fd >= 0 ? ninep_statx(f->fd, "", &st) : ninep_node_stat(np, f->node, &st);
	if (r == 0 && f->node->fd >= 0)
		r = ninep_qid_of(&np->qids, &st, &qid);
	if (r != 0)
		return r;
	ninep_put_attr(&io->out, &qid, &st);
	return 0;
}

int ninep_do_readlink(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	const struct ninep_fid *f = ninep_fid_file(np, m->fid);
	ssize_t n;

	if (f == NULL)
		return -EBADF;
	if (f->node->mode != S_IFLNK)
		return -EINVAL;
	n = readlinkat(f->node->fd, "", m->target, sizeof(m->target));
	if (n < 0)
		return -errno;
	ninep_put_str(&io->out, m->target, (size_t)n);
	return 0;
}

/* --- setattr --- */

/* An fd of the fid's file that fchmod() and the like accept, or -1 */
static int real_fd(const struct ninep_fid *f)
{
	if (f->fd >= 0)
		return f->fd;
	if (f->donor >= 0)
		return f->donor;
	return f->node->io_fd ? f->node->fd : -1;
}

static int set_size(struct ninep *np, struct ninep_fid *f, uint64_t size)
{
	struct statx st;
	int fd, r;

	if (size > INT64_MAX)
		return -EFBIG;
	if (f->fd >= 0 && f->write)
		return ftruncate(f->fd, (off_t)size) == 0 ? 0 : -errno;
	fd = ninep_node_open(np, f->node, O_WRONLY, f->donor, &st);
	if (fd < 0)
		return fd;
	r = ftruncate(fd, (off_t)size) == 0 ? 0 : -errno;
	ninep_close(np, &fd);
	return r;
}

/*
 * Hosts before Linux 6.6 cannot chmod an O_PATH fd: open the file, or, when it is of a kind that is not opened or may
 * not be read, go by its name. A symlink put in its place just then would be followed, which the launcher's empty root
 * and detached tree keep inside.
 */
static int chmod_old(struct ninep *np, struct ninep_node *n, mode_t mode)
{
	struct statx st;
	int fd = ninep_node_open(np, n, O_RDONLY, -1, &st), r;

	if (fd >= 0) {
		r = fchmod(fd, mode) == 0 ? 0 : -errno;
		ninep_close(np, &fd);
		return r;
	}
	if (n->mode == S_IFLNK)
		return -EOPNOTSUPP;
	if (fd != -ENXIO && fd != -EACCES)
		return fd;
	r = ninep_node_verify(np, n);
	if (r != 0)
		return r;
	return fchmodat(n->parent->fd, n->name, mode, 0) == 0 ? 0 : -errno;
}

static int set_mode(struct ninep *np, struct ninep_fid *f, uint32_t mode)
{
	int fd = real_fd(f);

	mode &= 07777;
	if (fd >= 0)
		return fchmod(fd, mode) == 0 ? 0 : -errno;
	if (!np->old_host) {
		if (syscall(SYS_fchmodat2, f->node->fd, "", mode, AT_EMPTY_PATH) == 0)
			return 0;
		/* EPERM: perhaps a filter around us that does not know the call */
		if (errno != ENOSYS && errno != EPERM)
			return -errno;
	}
	return chmod_old(np, f->node, mode);
}

static int set_owner(const struct ninep_fid *f, uint32_t uid, uint32_t gid)
{
	if (fchownat(f->node->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int time_from(const struct ninep_msg *m, uint32_t set, uint32_t val, const struct ninep_time *t,
		     struct timespec *out)
{
	out->tv_sec = 0;
	out->tv_nsec = UTIME_OMIT;
	if ((m->valid & set) == 0)
		return 0;
	out->tv_nsec = UTIME_NOW;
	if ((m->valid & val) == 0)
		return 0;
	if (t->nsec >= 1000000000U)
		return -EINVAL; /* among others UTIME_NOW and UTIME_OMIT */
	out->tv_sec = (time_t)t->sec;
	out->tv_nsec = (long)t->nsec;
	return 0;
}

static int set_times(const struct ninep_fid *f, const struct ninep_msg *m)
{
	struct timespec ts[2];
	int r = time_from(m, P9_SET_ATIME, P9_SET_ATIME_VAL, &m->atime, &ts[0]);

	if (r == 0)
		r = time_from(m, P9_SET_MTIME, P9_SET_MTIME_VAL, &m->mtime, &ts[1]);
	if (r != 0)
		return r;
	return utimensat(f->node->fd, "", ts, AT_EMPTY_PATH) == 0 ? 0 : -errno;
}

/*
 * In an order in which no step undoes an earlier one: a new size sets times and clears set-id bits, a new owner clears
 * set-id bits, so the mode comes after them and the times last.
 */
int ninep_do_setattr(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	const uint32_t ids = P9_SET_UID | P9_SET_GID, times = P9_SET_ATIME | P9_SET_MTIME;
	struct ninep_fid *f = ninep_fid_file(np, m->fid);
	int r = 0;

	if (f == NULL)
		return -EBADF;
	if (f->node->ro)
		return -EROFS;
	if ((m->valid & ~P9_SET_KNOWN) != 0)
		return -EINVAL;
	if ((m->valid & P9_SET_SIZE) != 0)
		r = set_size(np, f, m->size);
	/* a change time alone: what sets it and nothing else */
	if (r == 0 && ((m->valid & ids) != 0 || m->valid == P9_SET_CTIME))
		r = set_owner(f, (m->valid & P9_SET_UID) != 0 ? m->uid : P9_NOID,
			      (m->valid & P9_SET_GID) != 0 ? m->gid : P9_NOID);
	if (r == 0 && (m->valid & P9_SET_MODE) != 0)
		r = set_mode(np, f, m->mode);
	if (r == 0 && (m->valid & times) != 0)
		r = set_times(f, m);
	return r;
}

/* --- xattrs --- */

int ninep_do_xattrwalk(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	const struct ninep_fid *f = ninep_fid_file(np, m->fid);
	struct ninep_xattr *x;
	struct ninep_fid *new;
	int r;

	if (f == NULL)
		return -EBADF;
	r = ninep_fid_check(np, m->fid2);
	if (r == 0)
		r = ninep_xattr_read(np, f, m->name[0], &x);
	if (r != 0)
		return r;
	new = ninep_fid_new(np, m->fid2, f->node, f->uid, &r);
	BUG_ON(new == NULL);
	ninep_node_get(f->node);
	new->state = NINEP_XATTR;
	new->xattr = x;
	wr_u64(&io->out, x->size);
	return 0;
}

int ninep_do_xattrcreate(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *f = ninep_fid_find(np, m->fid);
	int r;

	if (f == NULL || f->state != NINEP_WALKED)
		return -EBADF;
	if (f->node->ro)
		return -EROFS;
	r = ninep_xattr_write(np, m->name[0], m->size, m->flags, &f->xattr);
	if (r == 0)
		f->state = NINEP_XATTR;
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * 9p requests on open files: lopen, read, write, readdir, fsync, locks.
 *
 * Payload moves between the file and the guest's memory without a copy, in calls of at most NINEP_SEGS_MAX segments.
 * A write() is in the file before its reply is made.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/ninep_priv.h"

static int fid_open(struct ninep *np, struct ninep_fid *f, uint32_t flags, struct ninep_qid *qid)
{
	int host = (int)(flags & P9_O_ACCMODE) | ((flags & P9_O_NOATIME) != 0 ? O_NOATIME : 0);
	struct statx st;
	int fd, r;

	fd = ninep_node_open(np, f->node, host, f->donor, &st);
	if (fd < 0)
		return fd;
	r = ninep_qid_of(&np->qids, &st, qid);
	if (r == 0 && (flags & P9_O_TRUNC) != 0 && (flags & P9_O_ACCMODE) != 0 && ftruncate(fd, 0) < 0)
		r = -errno;
	if (r != 0) {
		ninep_close(np, &fd);
		return r;
	}
	f->fd = fd;
	return 0;
}

int ninep_do_lopen(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = ninep_fid_find(np, m->fid);
	struct ninep_qid qid = ninep_qid_root();
	uint32_t mode = m->flags & P9_O_ACCMODE;
	int r = 0;

	if (f == NULL || f->state != NINEP_WALKED)
		return -EBADF;
	if ((m->flags & ~P9_O_KNOWN) != 0 || mode == P9_O_NOACCESS)
		return -EINVAL;
	if ((m->flags & P9_O_DIRECTORY) != 0 && f->node->mode != S_IFDIR)
		return -ENOTDIR;
	if (f->node->mode == S_IFDIR && mode != 0)
		return -EISDIR;
	if (f->node->ro && (mode != 0 || (m->flags & P9_O_TRUNC) != 0))
		return -EROFS;
	if (f->node->fd >= 0)
		r = fid_open(np, f, m->flags, &qid);
	if (r != 0)
		return r;
	f->state = NINEP_OPEN;
	f->write = mode != 0;
	f->append = (m->flags & P9_O_APPEND) != 0;
	f->dsync = (m->flags & P9_O_DSYNC) != 0;
	f->sync = (m->flags & P9_O_SYNC) != 0;
	ninep_put_qid(&io->out, &qid);
	wr_u32(&io->out, 0); /* iounit: as much as msize allows */
	return 0;
}

/* --- read and write --- */

/* Bytes in the next NINEP_SEGS_MAX entries of g, at most max: what one call can take */
static size_t giov_span(const struct giov *g, size_t max)
{
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < g->n && i < NINEP_SEGS_MAX && len < max; i++)
		len += g->v[i].iov_len - (i == 0 ? g->off : 0);
	return min_size(len, max);
}

typedef ssize_t (*io_call)(int fd, const struct iovec *v, int n, off_t off, int flags);

/*
 * len bytes between g and the file at off. Returns what was moved, less than len at the end of the file or after an
 * error that came later than the first byte; -errno. Empty entries make a call move nothing, so those are bounded
 * apart.
 */
static ssize_t io_run(io_call call, const struct ninep_fid *f, struct giov *g, size_t len, uint64_t off, int flags)
{
	struct iovec v[NINEP_SEGS_MAX];
	size_t done = 0;

	while (done < len) {
		size_t part = giov_span(g, len - done);
		int n = giov_take(g, part, v, NINEP_SEGS_MAX);
		ssize_t moved;

		if (n < 0)
			return done > 0 ? (ssize_t)done : n;
		if (part == 0) { /* NINEP_SEGS_MAX empty entries: they are gone now */
			g->v += NINEP_SEGS_MAX;
			g->n -= NINEP_SEGS_MAX;
			g->off = 0;
			continue;
		}
		moved = call(f->fd, v, n, (off_t)(off + done), flags);
		if (moved < 0)
			return done > 0 ? (ssize_t)done : -errno;
		done += (size_t)moved;
		if ((size_t)moved < part)
			break;
	}
	return (ssize_t)done;
}

static int xattr_read_part(const struct ninep_xattr *x, const struct ninep_msg *m, struct ninep_io *io)
{
	size_t n = m->off < x->size ? x->size - (size_t)m->off : 0;

	if (x->writing)
		return -EBADF;
	n = min_size(min_size(n, m->count), io->data.left);
	if (n > 0 && giov_put(&io->data, x->value + m->off, n) != 0)
		return -EPROTO;
	io->data_len = n;
	return 0;
}

static int read_file(const struct ninep_fid *f, const struct ninep_msg *m, struct ninep_io *io)
{
	size_t len = min_size(m->count, io->data.left);
	ssize_t n;

	if (f->state != NINEP_OPEN)
		return -EBADF;
	if (f->node->mode == S_IFDIR)
		return -EISDIR;
	if (m->off > INT64_MAX - len)
		return -EINVAL;
	n = io_run(preadv2, f, &io->data, len, m->off, 0);
	if (n < 0)
		return (int)n;
	io->data_len = (size_t)n;
	return 0;
}

int ninep_do_read(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = ninep_fid_find(np, m->fid);
	int r;

	if (f == NULL)
		return -EBADF;
	r = f->state == NINEP_XATTR ? xattr_read_part(f->xattr, m, io) : read_file(f, m, io);
	if (r == 0)
		wr_u32(&io->out, (uint32_t)io->data_len);
	return r;
}

static int xattr_write_part(struct ninep_xattr *x, const struct ninep_msg *m, struct ninep_io *io)
{
	if (!x->writing)
		return -EBADF;
	if (m->off != x->have || m->count > x->size - x->have)
		return -EINVAL; /* in order, and no more than was announced */
	if (m->count > 0 && giov_get(io->source, x->value + x->have, m->count) != 0)
		return -EPROTO;
	x->have += m->count;
	wr_u32(&io->out, m->count);
	return 0;
}

int ninep_do_write(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = ninep_fid_find(np, m->fid);
	int flags;
	ssize_t n;

	if (f == NULL)
		return -EBADF;
	if (f->state == NINEP_XATTR)
		return xattr_write_part(f->xattr, m, io);
	if (f->state != NINEP_OPEN || !f->write)
		return -EBADF;
	if (m->off > INT64_MAX - (uint64_t)m->count)
		return -EFBIG;
	flags = (f->append ? RWF_APPEND : 0) | (f->sync ? RWF_SYNC : 0) | (f->dsync ? RWF_DSYNC : 0);
	n = io_run(pwritev2, f, io->source, m->count, m->off, flags);
	if (n < 0)
		return (int)n;
	wr_u32(&io->out, (uint32_t)n);
	return 0;
}

int ninep_do_fsync(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *f = ninep_fid_file(np, m->fid);
	int r;

	if (f == NULL || f->state != NINEP_OPEN)
		return -EBADF;
	if (f->fd < 0)
		return 0; /* the synthetic root */
	r = m->flags != 0 ? fdatasync(f->fd) : fsync(f->fd);
	return r < 0 ? -errno : 0;
}

/* --- readdir --- */

struct dirent_out {
	uint64_t path; /* qid */
	uint64_t next; /* offset to go on from */
	uint8_t type;
	const char *name;
};

/* One entry into the reply. false: no room. */
static bool put_dirent(struct ninep_io *io, const struct dirent_out *d)
{
	uint8_t buf[P9_QID_LEN + 8 + 1 + 2 + NINEP_NAME_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	struct ninep_qid qid = { .path = d->path };

	qid.type = d->type == DT_DIR ? P9_QT_DIR : d->type == DT_LNK ? P9_QT_SYMLINK : 0;
	ninep_put_qid(&w, &qid); /* version 0: not known here */
	wr_u64(&w, d->next);
	wr_u8(&w, d->type);
	ninep_put_str(&w, d->name, strlen(d->name));
	if (!wr_ok(&w) || giov_put(&io->data, buf, w.len) != 0)
		return false;
	io->data_len += w.len;
	return true;
}

/* Nothing at all would mean the end of the directory. */
static int no_room(const struct ninep_io *io)
{
	return io->data_len != 0 ? 0 : -EINVAL;
}

/* Offset 0 is ".", 1 "..", 2 + i entry i. */
static int readdir_root(struct ninep *np, uint64_t off, struct ninep_io *io)
{
	uint64_t n = atomic_load_explicit(&np->nentries, memory_order_acquire) + 2, i;
	char name[16] = ".";

	for (i = off; i < n; i++) {
		struct dirent_out d = { .path = 1, .next = i + 1, .type = DT_DIR, .name = name };
		struct statx st;
		int r;

		if (i == 1)
			(void)snprintf(name, sizeof(name), "..");
		if (i >= 2) {
			(void)snprintf(name, sizeof(name), "%u", (unsigned int)(i - 2));
			r = ninep_statx(np->entry[i - 2].fd, "", &st);
			if (r == 0)
				r = ninep_qid_path(&np->qids, ninep_dev(&st), st.stx_ino, &d.path);
			if (r != 0)
				return r;
			d.type = (uint8_t)IFTODT(st.stx_mode);
		}
		if (!put_dirent(io, &d))
			return no_room(io);
	}
	return 0;
}

static int dirent_path(struct ninep *np, const struct ninep_node *n, const struct dirent64 *e, uint64_t *path)
{
	if (e->d_name[0] == '.' && e->d_name[1] == '\0')
		return ninep_qid_path(&np->qids, n->dev, n->ino, path);
	if (strcmp(e->d_name, "..") == 0) {
		/* the host's number would be that of a directory above an entry */
		n = n->parent;
		*path = ninep_qid_root().path;
		return n->fd < 0 ? 0 : ninep_qid_path(&np->qids, n->dev, n->ino, path);
	}
	return ninep_qid_path(&np->qids, n->dev, e->d_ino, path);
}

/* Put the entries of one getdents64(). Returns 1: all, 0: the reply is full, -errno. */
static int put_dents(struct ninep *np, const struct ninep_fid *f, size_t len, struct ninep_io *io)
{
	size_t at = 0;

	while (at < len) {
		const struct dirent64 *e = (const void *)(np->dents + at);
		struct dirent_out d = { .next = (uint64_t)e->d_off, .type = e->d_type, .name = e->d_name };
		int r = dirent_path(np, f->node, e, &d.path);

		if (r != 0)
			return r;
		if (!put_dirent(io, &d))
			return no_room(io);
		at += e->d_reclen;
	}
	return 1;
}

static int readdir_host(struct ninep *np, const struct ninep_fid *f, uint64_t off, struct ninep_io *io)
{
	long n;
	int r = 1;

	if (off > INT64_MAX)
		return -EINVAL;
	if (lseek(f->fd, (off_t)off, SEEK_SET) < 0)
		return -errno;
	while (r == 1) {
		n = syscall(SYS_getdents64, f->fd, np->dents, sizeof(np->dents));
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		r = put_dents(np, f, (size_t)n, io);
	}
	return r < 0 ? r : 0;
}

int ninep_do_readdir(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = ninep_fid_file(np, m->fid);
	int r;

	if (f == NULL || f->state != NINEP_OPEN)
		return -EBADF;
	if (f->node->mode != S_IFDIR)
		return -ENOTDIR;
	if (io->data.left > m->count)
		io->data.left = m->count;
	if (f->fd < 0)
		r = readdir_root(np, m->off, io);
	else
		r = readdir_host(np, f, m->off, io);
	if (r != 0)
		return r;
	wr_u32(&io->out, (uint32_t)io->data_len);
	return 0;
}

/* --- locks --- */

static int lock_range(const struct ninep_msg *m, struct ninep_lock_req *q)
{
	if (m->lock > P9_LOCK_UN || m->off > INT64_MAX)
		return -EINVAL;
	if (m->size > INT64_MAX - m->off)
		return -EOVERFLOW;
	q->type = m->lock;
	q->owner = m->proc;
	q->start = (int64_t)m->off;
	q->end = m->size == 0 ? INT64_MAX : (int64_t)(m->off + m->size - 1);
	return 0;
}

static struct ninep_fid *fid_for_lock(struct ninep *np, uint32_t number)
{
	struct ninep_fid *f = ninep_fid_file(np, number);

	return f != NULL && f->state == NINEP_OPEN && f->fd >= 0 ? f : NULL;
}

int ninep_do_lock(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = fid_for_lock(np, m->fid);
	struct ninep_lock_req q;
	int r = lock_range(m, &q);

	if (f == NULL)
		return -EBADF;
	if (r == 0)
		r = ninep_lock_set(np, f, &q);
	if (r < 0)
		return r;
	wr_u8(&io->out, (uint8_t)r);
	return 0;
}

int ninep_do_getlock(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = fid_for_lock(np, m->fid);
	struct ninep_lock_req q;
	int r = lock_range(m, &q);

	if (f == NULL)
		return -EBADF;
	if (r == 0)
		r = ninep_lock_test(np, f, &q);
	if (r != 0)
		return r;
	wr_u8(&io->out, q.type);
	wr_u64(&io->out, (uint64_t)q.start);
	wr_u64(&io->out, q.end == INT64_MAX ? 0 : (uint64_t)(q.end - q.start + 1));
	wr_u32(&io->out, q.type == P9_LOCK_UN ? m->proc : 0); /* the host's process numbers are not told */
	ninep_put_str(&io->out, "", 0);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A 9p client for tests: builds requests, hands them to ninep_handle() and checks that each reply is well-formed.
 *
 *     nc_begin(&c, P9_TWALK); nc_u32(&c, 0); nc_u32(&c, 1); nc_u16(&c, 1); nc_str(&c, "etc");
 *     r = nc_call(&c);              0, or -errno of Rlerror; c.r reads the reply's body
 *
 * nc_call() aborts the test when the reply is malformed. One thread.
 */
#ifndef KVMBOX_NINEP_CLIENT_H
#define KVMBOX_NINEP_CLIENT_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/ninep.h"
#include "devices/ninep_msg.h"

#define NC_MAX (600 * 1024)

/* ck_assert() writes a line to a file each time it holds: too slow for what every request checks. */
#define NC_CHECK(cond)                                                                                                 \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			ck_abort_msg("%s:%d: %s", __FILE__, __LINE__, #cond);                                          \
	} while (0)

struct nc {
	struct ninep *np;
	struct wr w;
	struct rd r;     /* the last reply's body */
	size_t resp_len; /* the last reply, whole */
	size_t resp_cap; /* room to offer */
	uint16_t tag;
	uint8_t *req;
	uint8_t *resp;
};

static inline void nc_begin(struct nc *c, uint8_t type)
{
	c->w = wr_init(c->req, NC_MAX);
	c->tag++;
	wr_u32(&c->w, 0);
	wr_u8(&c->w, type);
	wr_u16(&c->w, c->tag);
}

static inline void nc_u8(struct nc *c, uint8_t v)
{
	wr_u8(&c->w, v);
}

static inline void nc_u16(struct nc *c, uint16_t v)
{
	wr_u16(&c->w, v);
}

static inline void nc_u32(struct nc *c, uint32_t v)
{
	wr_u32(&c->w, v);
}

static inline void nc_u64(struct nc *c, uint64_t v)
{
	wr_u64(&c->w, v);
}

static inline void nc_strn(struct nc *c, const void *s, size_t len)
{
	wr_u16(&c->w, (uint16_t)len);
	wr_bytes(&c->w, s, len);
}

static inline void nc_str(struct nc *c, const char *s)
{
	nc_strn(c, s, strlen(s));
}

/* Reply to len bytes of the request as they are; 0 when the server gave none. */
static inline size_t nc_raw(struct nc *c, size_t len)
{
	struct iovec out[2] = { { c->req, min_size(len, 5) }, { c->req + min_size(len, 5), len - min_size(len, 5) } };
	struct iovec in[2] = { { c->resp, min_size(c->resp_cap, 9) },
			       { c->resp + min_size(c->resp_cap, 9), c->resp_cap - min_size(c->resp_cap, 9) } };
	struct giov req = giov_init(out, 2), resp = giov_init(in, 2);

	memset(c->resp, 0xee, 64);
	c->resp_len = ninep_handle(c->np, &req, &resp);
	NC_CHECK(c->resp_len <= c->resp_cap);
	return c->resp_len;
}

/* The answer to what is in req: 0 or -errno. Aborts when it is not a reply to it. */
static inline int nc_answer(struct nc *c)
{
	struct rd r = rd_init(c->resp, c->resp_len);
	uint8_t type;
	uint32_t e;

	NC_CHECK(c->resp_len >= P9_HEAD);
	NC_CHECK(rd_u32(&r) == c->resp_len);
	type = rd_u8(&r);
	NC_CHECK(rd_u16(&r) == c->tag);
	c->r = r;
	if (type == P9_RLERROR) {
		NC_CHECK(c->resp_len == P9_ERROR_LEN);
		e = rd_u32(&r);
		NC_CHECK(e > 0);
		NC_CHECK(e < 4096);
		return -(int)e;
	}
	NC_CHECK(type == c->req[4] + 1U);
	return 0;
}

static inline int nc_call(struct nc *c)
{
	NC_CHECK(wr_ok(&c->w));
	wr_patch_u32(&c->w, 0, (uint32_t)c->w.len);
	NC_CHECK(nc_raw(c, c->w.len) > 0);
	return nc_answer(c);
}

/* --- whole requests --- */

static inline int nc_version(struct nc *c, uint32_t msize)
{
	nc_begin(c, P9_TVERSION);
	nc_u32(c, msize);
	nc_str(c, "9P2000.L");
	return nc_call(c);
}

static inline int nc_attach(struct nc *c, uint32_t fid, uint32_t uid)
{
	nc_begin(c, P9_TATTACH);
	nc_u32(c, fid);
	nc_u32(c, P9_NOID);
	nc_str(c, "user");
	nc_str(c, "");
	nc_u32(c, uid);
	return nc_call(c);
}

/* "a/b/c" in one walk; "" clones. -ENOENT also when it stopped on the way. */
static inline int nc_walk(struct nc *c, uint32_t fid, uint32_t newfid, const char *path)
{
	char buf[4096], *at = buf, *name;
	uint16_t n = 0;
	size_t count;
	int r;

	NC_CHECK(strlen(path) < sizeof(buf));
	memcpy(buf, path, strlen(path) + 1);
	nc_begin(c, P9_TWALK);
	nc_u32(c, fid);
	nc_u32(c, newfid);
	count = c->w.len;
	nc_u16(c, 0);
	while ((name = strsep(&at, "/")) != NULL && (name[0] != '\0' || n > 0)) {
		nc_str(c, name);
		n++;
	}
	memcpy(c->req + count, &n, sizeof(n));
	r = nc_call(c);
	if (r == 0 && rd_u16(&c->r) != n)
		return -ENOENT;
	return r;
}

static inline int nc_lopen(struct nc *c, uint32_t fid, uint32_t flags)
{
	nc_begin(c, P9_TLOPEN);
	nc_u32(c, fid);
	nc_u32(c, flags);
	return nc_call(c);
}

static inline int nc_lcreate(struct nc *c, uint32_t fid, const char *name, uint32_t flags, uint32_t mode, uint32_t gid)
{
	nc_begin(c, P9_TLCREATE);
	nc_u32(c, fid);
	nc_str(c, name);
	nc_u32(c, flags);
	nc_u32(c, mode);
	nc_u32(c, gid);
	return nc_call(c);
}

static inline int nc_clunk(struct nc *c, uint32_t fid)
{
	nc_begin(c, P9_TCLUNK);
	nc_u32(c, fid);
	return nc_call(c);
}

static inline int nc_remove(struct nc *c, uint32_t fid)
{
	nc_begin(c, P9_TREMOVE);
	nc_u32(c, fid);
	return nc_call(c);
}

/* Bytes written or -errno */
static inline int nc_write(struct nc *c, uint32_t fid, uint64_t off, const void *p, size_t len)
{
	int r;

	nc_begin(c, P9_TWRITE);
	nc_u32(c, fid);
	nc_u64(c, off);
	nc_u32(c, (uint32_t)len);
	wr_bytes(&c->w, p, len);
	r = nc_call(c);
	return r < 0 ? r : (int)rd_u32(&c->r);
}

/* Bytes read, at c->r.p, or -errno */
static inline int nc_read(struct nc *c, uint32_t fid, uint64_t off, uint32_t count)
{
	int r;

	nc_begin(c, P9_TREAD);
	nc_u32(c, fid);
	nc_u64(c, off);
	nc_u32(c, count);
	r = nc_call(c);
	return r < 0 ? r : (int)rd_u32(&c->r);
}

static inline int nc_readdir(struct nc *c, uint32_t fid, uint64_t off, uint32_t count)
{
	int r;

	nc_begin(c, P9_TREADDIR);
	nc_u32(c, fid);
	nc_u64(c, off);
	nc_u32(c, count);
	r = nc_call(c);
	return r < 0 ? r : (int)rd_u32(&c->r);
}

static inline int nc_mkdir(struct nc *c, uint32_t fid, const char *name, uint32_t mode, uint32_t gid)
{
	nc_begin(c, P9_TMKDIR);
	nc_u32(c, fid);
	nc_str(c, name);
	nc_u32(c, mode);
	nc_u32(c, gid);
	return nc_call(c);
}

static inline int nc_symlink(struct nc *c, uint32_t fid, const char *name, const char *target, uint32_t gid)
{
	nc_begin(c, P9_TSYMLINK);
	nc_u32(c, fid);
	nc_str(c, name);
	nc_str(c, target);
	nc_u32(c, gid);
	return nc_call(c);
}

static inline int nc_mknod(struct nc *c, uint32_t fid, const char *name, uint32_t mode, uint32_t maj, uint32_t min)
{
	nc_begin(c, P9_TMKNOD);
	nc_u32(c, fid);
	nc_str(c, name);
	nc_u32(c, mode);
	nc_u32(c, maj);
	nc_u32(c, min);
	nc_u32(c, P9_NOID);
	return nc_call(c);
}

static inline int nc_link(struct nc *c, uint32_t dfid, uint32_t fid, const char *name)
{
	nc_begin(c, P9_TLINK);
	nc_u32(c, dfid);
	nc_u32(c, fid);
	nc_str(c, name);
	return nc_call(c);
}

static inline int nc_rename(struct nc *c, uint32_t fid, uint32_t dfid, const char *name)
{
	nc_begin(c, P9_TRENAME);
	nc_u32(c, fid);
	nc_u32(c, dfid);
	nc_str(c, name);
	return nc_call(c);
}

static inline int nc_renameat(struct nc *c, uint32_t from, const char *a, uint32_t to, const char *b)
{
	nc_begin(c, P9_TRENAMEAT);
	nc_u32(c, from);
	nc_str(c, a);
	nc_u32(c, to);
	nc_str(c, b);
	return nc_call(c);
}

static inline int nc_unlinkat(struct nc *c, uint32_t fid, const char *name, uint32_t flags)
{
	nc_begin(c, P9_TUNLINKAT);
	nc_u32(c, fid);
	nc_str(c, name);
	nc_u32(c, flags);
	return nc_call(c);
}

struct nc_attr {
	uint64_t valid, nlink, rdev, size, mtime;
	struct ninep_qid qid;
	uint32_t mode, uid, gid;
};

static inline struct ninep_qid nc_rd_qid(struct nc *c)
{
	struct ninep_qid q;

	q.type = rd_u8(&c->r);
	q.version = rd_u32(&c->r);
	q.path = rd_u64(&c->r);
	return q;
}

static inline int nc_getattr(struct nc *c, uint32_t fid, struct nc_attr *a)
{
	int r;

	nc_begin(c, P9_TGETATTR);
	nc_u32(c, fid);
	nc_u64(c, UINT64_MAX);
	r = nc_call(c);
	if (r < 0)
		return r;
	a->valid = rd_u64(&c->r);
	a->qid = nc_rd_qid(c);
	a->mode = rd_u32(&c->r);
	a->uid = rd_u32(&c->r);
	a->gid = rd_u32(&c->r);
	a->nlink = rd_u64(&c->r);
	a->rdev = rd_u64(&c->r);
	a->size = rd_u64(&c->r);
	(void)rd_u64(&c->r); /* block size */
	(void)rd_u64(&c->r); /* blocks */
	(void)rd_u64(&c->r); /* atime */
	(void)rd_u64(&c->r);
	a->mtime = rd_u64(&c->r);
	(void)rd_bytes(&c->r, 7 * 8);
	NC_CHECK(rd_done(&c->r));
	return 0;
}

static inline int nc_setattr(struct nc *c, uint32_t fid, uint32_t valid, const struct nc_attr *a)
{
	nc_begin(c, P9_TSETATTR);
	nc_u32(c, fid);
	nc_u32(c, valid);
	nc_u32(c, a->mode);
	nc_u32(c, a->uid);
	nc_u32(c, a->gid);
	nc_u64(c, a->size);
	nc_u64(c, a->mtime);
	nc_u64(c, 0);
	nc_u64(c, a->mtime);
	nc_u64(c, 0);
	return nc_call(c);
}

static inline int nc_truncate(struct nc *c, uint32_t fid, uint64_t size)
{
	return nc_setattr(c, fid, P9_SET_SIZE, &(struct nc_attr){ .size = size });
}

/* Length of the target, at c->r.p */
static inline int nc_readlink(struct nc *c, uint32_t fid)
{
	int r;

	nc_begin(c, P9_TREADLINK);
	nc_u32(c, fid);
	r = nc_call(c);
	return r < 0 ? r : rd_u16(&c->r);
}

/* Size or -errno */
static inline int nc_xattrwalk(struct nc *c, uint32_t fid, uint32_t newfid, const char *name)
{
	int r;

	nc_begin(c, P9_TXATTRWALK);
	nc_u32(c, fid);
	nc_u32(c, newfid);
	nc_str(c, name);
	r = nc_call(c);
	return r < 0 ? r : (int)rd_u64(&c->r);
}

static inline int nc_xattrcreate(struct nc *c, uint32_t fid, const char *name, uint64_t size, uint32_t flags)
{
	nc_begin(c, P9_TXATTRCREATE);
	nc_u32(c, fid);
	nc_str(c, name);
	nc_u64(c, size);
	nc_u32(c, flags);
	return nc_call(c);
}

static inline int nc_fsync(struct nc *c, uint32_t fid, uint32_t datasync)
{
	nc_begin(c, P9_TFSYNC);
	nc_u32(c, fid);
	nc_u32(c, datasync);
	return nc_call(c);
}

/* P9_LOCK_SUCCESS and so on, or -errno */
static inline int nc_lock(struct nc *c, uint32_t fid, uint8_t type, uint64_t start, uint64_t len, uint32_t proc)
{
	int r;

	nc_begin(c, P9_TLOCK);
	nc_u32(c, fid);
	nc_u8(c, type);
	nc_u32(c, 1);
	nc_u64(c, start);
	nc_u64(c, len);
	nc_u32(c, proc);
	nc_str(c, "guest");
	r = nc_call(c);
	return r < 0 ? r : rd_u8(&c->r);
}

/* The type in the way, P9_LOCK_UN: none */
static inline int nc_getlock(struct nc *c, uint32_t fid, uint8_t type, uint64_t start, uint64_t len, uint32_t proc)
{
	int r;

	nc_begin(c, P9_TGETLOCK);
	nc_u32(c, fid);
	nc_u8(c, type);
	nc_u64(c, start);
	nc_u64(c, len);
	nc_u32(c, proc);
	nc_str(c, "guest");
	r = nc_call(c);
	return r < 0 ? r : rd_u8(&c->r);
}

static inline int nc_statfs(struct nc *c, uint32_t fid)
{
	nc_begin(c, P9_TSTATFS);
	nc_u32(c, fid);
	return nc_call(c);
}

/* --- a tree to serve --- */

/*
 *     T/              a temporary directory
 *     T/outside/      what must never change: canary
 *     T/root/         what is served
 */
struct nc_tree {
	char path[64];
	int top;     /* fd of T */
	int outside; /* T/outside */
	int root;    /* T/root */
	struct stat canary;
};

static inline void nc_put_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static inline void nc_get_file(int dir, const char *name, char *buf, size_t cap)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, buf, cap - 1);
	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	(void)close(fd);
}

static inline int nc_open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline void nc_tree_make(struct nc_tree *t)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(t->path, sizeof(t->path), "%.40s/ninep.XXXXXX", base != NULL ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(t->path));
	t->top = nc_open_dir(AT_FDCWD, t->path);
	ck_assert_int_eq(mkdirat(t->top, "outside", 0755), 0);
	ck_assert_int_eq(mkdirat(t->top, "root", 0755), 0);
	t->outside = nc_open_dir(t->top, "outside");
	t->root = nc_open_dir(t->top, "root");
	nc_put_file(t->outside, "canary", "alive");
	ck_assert_int_eq(fstatat(t->outside, "canary", &t->canary, 0), 0);
}

static inline void nc_canary_lives(const struct nc_tree *t)
{
	struct stat st;
	char text[16];

	ck_assert_int_eq(fstatat(t->outside, "canary", &st, 0), 0);
	ck_assert_uint_eq(st.st_ino, t->canary.st_ino);
	ck_assert_uint_eq(st.st_nlink, t->canary.st_nlink);
	ck_assert_uint_eq(st.st_mode, t->canary.st_mode);
	ck_assert_uint_eq(st.st_uid, t->canary.st_uid);
	ck_assert_int_eq(st.st_ctim.tv_sec, t->canary.st_ctim.tv_sec);
	ck_assert_int_eq(st.st_ctim.tv_nsec, t->canary.st_ctim.tv_nsec);
	nc_get_file(t->outside, "canary", text, sizeof(text));
	ck_assert_str_eq(text, "alive");
}

static inline void nc_tree_drop(struct nc_tree *t)
{
	char cmd[128];
	pid_t pid;
	int status;

	nc_canary_lives(t);
	(void)close(t->root);
	(void)close(t->outside);
	(void)close(t->top);
	(void)snprintf(cmd, sizeof(cmd), "%s", t->path);
	pid = vfork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", cmd, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
}

static inline void nc_init(struct nc *c, struct ninep *np)
{
	*c = (struct nc){ .np = np, .resp_cap = NC_MAX, .req = malloc(NC_MAX), .resp = malloc(NC_MAX) };
	ck_assert(c->req != NULL && c->resp != NULL);
}

static inline void nc_fini(struct nc *c)
{
	ninep_free(c->np);
	free(c->req);
	free(c->resp);
}

/* A client with a session on t's root (plain, or as entry 0), attached as fid 0 by uid 0. */
static inline void nc_serve(struct nc *c, const struct nc_tree *t, const struct ninep_config *like)
{
	struct ninep_entry entry = { .fd = fcntl(t->root, F_DUPFD_CLOEXEC, 0) };
	struct ninep_config cfg = like != NULL ? *like : (struct ninep_config){ .root = NINEP_PLAIN };
	struct ninep *np;
	struct err e;

	if (like != NULL && like->entry != NULL)
		entry.ro = like->entry[0].ro;
	cfg.entry = &entry;
	cfg.n = 1;
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), 0);
	ck_assert_int_eq(ninep_worker_init(np), 0);
	nc_init(c, np);
	ck_assert_int_eq(nc_version(c, NINEP_MSIZE_MAX), 0);
	ck_assert_int_eq(nc_attach(c, 0, 0), 0);
}

#endif

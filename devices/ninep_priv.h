// SPDX-License-Identifier: Apache-2.0
/*
 * The 9p server's insides, for devices/ninep*.c only: one struct, mapped whole, touched where used.
 *
 * Who may touch what: entry[] and nentries are written by ninep_add_entry() on the loop thread before nentries is
 * published (release) and read by the worker after it has read nentries (acquire). All else is the worker's.
 */
#ifndef KVMBOX_NINEP_PRIV_H
#define KVMBOX_NINEP_PRIV_H

#include <stdatomic.h>

#include "devices/ninep_cred.h"
#include "devices/ninep_fid.h"
#include "devices/ninep_lock.h"
#include "devices/ninep_node.h"
#include "devices/ninep_qid.h"
#include "devices/ninep_xattr.h"

struct ninep_export {
	int fd;
	bool ro;
	bool io; /* fd is open for I/O, not O_PATH */
};

struct ninep {
	/* fixed by ninep_new() */
	enum ninep_root root;
	bool old_host;
	unsigned int fd_max;
	unsigned int ndeny;
	uint64_t deny_dev[NINEP_DENY_MAX];
	struct statx_timestamp born; /* times of the synthetic root */
	struct ninep_cred cred;

	_Atomic unsigned int nentries;
	struct ninep_export entry[NINEP_ENTRIES_MAX];

	/* the worker's */
	uint32_t msize;   /* 0: no session */
	unsigned int fds; /* open, the entries' not counted */
	struct ninep_msg msg;
	uint8_t in[NINEP_HEAD_MAX];
	uint8_t out[NINEP_HEAD_MAX];
	_Alignas(8) uint8_t dents[32768];
	struct ninep_locks locks;
	struct ninep_qids qids;
	struct ninep_fids fids;
	struct ninep_nodes nodes;
	struct ninep_xattrs xattrs;
};

/* A request in work */
struct ninep_io {
	struct wr out;       /* the reply's body, without what goes to data */
	struct giov *source; /* payload of Twrite */
	struct giov data;    /* room for the payload of Rread and Rreaddir */
	size_t data_len;     /* what was put there */
};

typedef int (*ninep_handler)(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);

/* ninep_attr.c */
int ninep_do_statfs(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_getattr(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_setattr(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_readlink(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_xattrwalk(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_xattrcreate(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
/* ninep_tree.c */
int ninep_do_lcreate(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_symlink(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_mknod(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_mkdir(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_link(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_rename(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_renameat(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_unlinkat(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_remove(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
/* ninep_io.c */
int ninep_do_lopen(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_read(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_write(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_readdir(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_fsync(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_lock(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);
int ninep_do_getlock(struct ninep *np, struct ninep_msg *m, struct ninep_io *io);

/*
 * The host's calls, with the fd budget kept: every fd that these return is counted and is closed by ninep_close().
 * ninep_openat() is openat2() of one component that stays beneath dirfd and follows no symlink. -errno, -EMFILE.
 */
int ninep_openat(struct ninep *np, int dirfd, const char *name, int flags, unsigned int mode) MUST_CHECK;
int ninep_dup(struct ninep *np, int fd) MUST_CHECK;
void ninep_close(struct ninep *np, int *fd);
/* 0 or -errno; name "": dirfd's own file */
int ninep_statx(int dirfd, const char *name, struct statx *st) MUST_CHECK;

#endif

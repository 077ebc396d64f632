// SPDX-License-Identifier: Apache-2.0
/*
 * The fid table: numbers the guest's client chose, each below NINEP_FIDS_MAX (Linux takes the lowest free one), so a
 * lookup is an index.
 *
 *     state    node  fd                    may become
 *     free     -     -                     walked (Tattach, Twalk), xattr (Txattrwalk)
 *     walked   yes   -                     open (Tlopen, Tlcreate), xattr (Txattrcreate), free
 *     open     yes   the open file         free
 *     xattr    yes   -                     free; a written xattr is stored by Tclunk
 *
 * Threads: the worker.
 */
#ifndef KVMBOX_NINEP_FID_H
#define KVMBOX_NINEP_FID_H

#include "devices/ninep_node.h"

enum ninep_fid_state { NINEP_FREE, NINEP_WALKED, NINEP_OPEN, NINEP_XATTR };

struct ninep_xattr;

struct ninep_fid {
	uint8_t state;
	bool write;      /* fd may be written to */
	bool append;     /* every write goes to the end */
	bool sync;       /* O_SYNC, */
	bool dsync;      /* O_DSYNC: each write waits for the disk */
	bool flocked;    /* holds flock(), see ninep_lock.h */
	uint16_t locked; /* index + 1 of the file's locks when it has asked for one */
	int fd;          /* open; -1 for the synthetic root too */
	int donor;       /* an fd for the same file that another fid had open, or -1 */
	uint32_t uid;    /* the user of its attach; P9_NOID: the server's */
	struct ninep_node *node;
	struct ninep_xattr *xattr;
};

struct ninep_fids {
	uint32_t live;
	uint32_t high; /* one above the highest number ever used in this session */
	struct ninep_fid fid[NINEP_FIDS_MAX];
};

/* NULL when the number is not in use */
struct ninep_fid *ninep_fid_find(struct ninep *np, uint32_t number);
/* A fid that stands for a file (not an xattr), or NULL. */
struct ninep_fid *ninep_fid_file(struct ninep *np, uint32_t number);
/* A free number takes the caller's reference to node. NULL when in use or too high (*error: -EBADF, -ENFILE). */
struct ninep_fid *ninep_fid_new(struct ninep *np, uint32_t number, struct ninep_node *node, uint32_t uid, int *error);
/* Would ninep_fid_new() succeed? 0 or its error. */
int ninep_fid_check(const struct ninep *np, uint32_t number) MUST_CHECK;
/* Back to free: closes, unlocks, drops the xattr (storing it is Tclunk's work). */
void ninep_fid_drop(struct ninep *np, struct ninep_fid *f);
void ninep_fids_reset(struct ninep *np);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * qids: one 64-bit path for each file of all the host's file systems that a server shows, never two files with one.
 *
 * path = index << 48 | the low 48 bits of the inode number, where the index stands for a pair (st_dev, the upper 16
 * bits of the inode number) and is given out at first sight. Upper bits are common: overlayfs puts its layer there.
 * Index 0 is the synthetic root's. When all indices are taken (a FUSE file system with random 64-bit numbers) new pairs
 * get -ENFILE. An index is never given back: a path means the same file as long as the server lives.
 *
 * version changes with the file's times and is never 0, which would turn off all caching in Linux' client.
 * Threads: the worker.
 */
#ifndef KVMBOX_NINEP_QID_H
#define KVMBOX_NINEP_QID_H

#include "devices/ninep_msg.h"

#define NINEP_QID_BUCKETS 1024

struct ninep_qid_pair {
	uint64_t dev;
	uint16_t high; /* ino >> 48 */
	uint16_t next; /* in the bucket; 0: none */
};

/* All zero is an empty table. */
struct ninep_qids {
	uint32_t n; /* pairs in use, the first at index 1 */
	uint16_t bucket[NINEP_QID_BUCKETS];
	struct ninep_qid_pair pair[NINEP_DEVICES_MAX + 1];
};

/* 0 or -ENFILE */
int ninep_qid_path(struct ninep_qids *t, uint64_t dev, uint64_t ino, uint64_t *path) MUST_CHECK;
int ninep_qid_of(struct ninep_qids *t, const struct statx *st, struct ninep_qid *out) MUST_CHECK;
struct ninep_qid ninep_qid_root(void);

/* st_dev as one number */
uint64_t ninep_dev(const struct statx *st);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes: what fids refer to. A node is a file with the name and directory by which the guest reached it, held by an
 * O_PATH fd; fids that reached it by the same way share it.
 *
 *        root (plain: a directory's fd; synthetic: no fd)
 *          '- entry 0 (the entry's fd)          each node holds a reference to its parent, so a
 *               '- "etc" (O_PATH)               directory that is needed to open a child by name, or
 *                    '- "passwd" (O_PATH)       for "..", is there as long as the child
 *
 * Why a name is kept: an O_PATH fd cannot be opened for reading without /proc, and file handles are not used (see
 * ninep.h). So a file is opened by name in its parent and compared with the node's own fd: device, inode and mount must
 * be the same, else ESTALE. The guest's own renames move nodes along, its unlinks make them nameless ("named" is
 * false); a nameless file can be opened only through a donor, an fd that is open for it already: fids made from an
 * open fid keep one, and so has an entry that is a single file.
 *
 * ".." is node->parent. It is right for whatever the guest renamed, and for what the host moved it is an older
 * truth, but never a directory that the guest could not reach.
 *
 * Threads: the worker.
 */
#ifndef KVMBOX_NINEP_NODE_H
#define KVMBOX_NINEP_NODE_H

#include <sys/stat.h>

#include "devices/ninep.h"

#define NINEP_NODE_BUCKETS 8192

struct ninep_node {
	int fd;                    /* O_PATH | O_NOFOLLOW; -1: the synthetic root */
	bool own_fd;               /* else the entry's */
	bool io_fd;                /* the entry's fd is open for I/O */
	bool ro;                   /* of its entry */
	bool named;                /* (parent, name) is in the hash and is believed to name this file */
	uint16_t mode;             /* the type part only */
	uint16_t entry;            /* the entry it lies in; nothing is moved or linked from one to another */
	uint32_t refs;             /* fids and child nodes; 0: free */
	uint64_t dev, ino, mnt;    /* identity, renewed when it seems to differ (overlayfs' copy up) */
	struct ninep_node *parent; /* the root's is itself */
	uint32_t next;             /* in the hash bucket, or in the free list: index + 1, 0: end */
	char name[NINEP_NAME_MAX + 1];
};

struct ninep_nodes {
	uint32_t used; /* nodes ever taken: those above were never touched */
	uint32_t live;
	uint64_t seed;
	uint32_t free;
	struct ninep_node *root;                     /* the synthetic one, while it is referred to */
	struct ninep_node *entry[NINEP_ENTRIES_MAX]; /* likewise; nameless */
	uint32_t bucket[NINEP_NODE_BUCKETS];
	struct ninep_node node[NINEP_NODES_MAX];
};

void ninep_node_get(struct ninep_node *n);
void ninep_node_put(struct ninep *np, struct ninep_node *n); /* NULL ok */
void ninep_nodes_reset(struct ninep *np);                    /* drop all; no fid may be left */

/* The root, with a reference. 0, -ENFILE. */
int ninep_node_root(struct ninep *np, struct ninep_node **out, struct statx *st) MUST_CHECK;

/*
 * The file called name (one checked component, or "..") in d, with a reference; *st is its state now. -ENOTDIR,
 * -ENOENT, -EACCES (a refused file system), -ENFILE, -EMFILE, -errno.
 */
int ninep_node_walk(struct ninep *np, struct ninep_node *d, const char *name, struct ninep_node **out,
		    struct statx *st) MUST_CHECK;

/* The state of the node's file; the synthetic root's is made up. 0 or -errno. */
int ninep_node_stat(struct ninep *np, const struct ninep_node *n, struct statx *st) MUST_CHECK;

/*
 * Open the node's file: flags are the host's O_ACCMODE and O_NOATIME. donor is an fd open for the same file, or -1.
 * Returns an fd with *st of it, -ENXIO (neither regular nor a directory), -ELOOP (symlink), -EISDIR, -ESTALE, -EMFILE,
 * -errno.
 */
int ninep_node_open(struct ninep *np, struct ninep_node *n, int flags, int donor, struct statx *st) MUST_CHECK;

/* Does (parent, name) still name this file? 0, -ESTALE, -errno. */
int ninep_node_verify(struct ninep *np, struct ninep_node *n) MUST_CHECK;

/* Does st describe the node's file? */
bool ninep_node_is(struct ninep_node *n, const struct statx *st);

/* What the guest did by our hands: (d, name) was removed; (from, a) became (to, b). */
void ninep_node_unlinked(struct ninep *np, struct ninep_node *d, const char *name);
void ninep_node_renamed(struct ninep *np, struct ninep_node *from, const char *a, struct ninep_node *to, const char *b);

/* 0, or -EACCES when fd lies on a file system that is never served */
int ninep_mount_check(const struct ninep *np, int fd, uint64_t dev) MUST_CHECK;

#endif

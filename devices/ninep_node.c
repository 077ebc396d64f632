// SPDX-License-Identifier: Apache-2.0
#include "devices/ninep_node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "devices/ninep_priv.h"

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif
#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570
#endif
#ifndef FUSECTL_SUPER_MAGIC
#define FUSECTL_SUPER_MAGIC 0x65735543
#endif
#ifndef RPC_PIPEFS_MAGIC
#define RPC_PIPEFS_MAGIC 0x67596969
#endif
#ifndef NFSD_MAGIC
#define NFSD_MAGIC 0x6e667364
#endif

/* File systems that are interfaces to the host's kernel. devtmpfs has tmpfs' number: see deny_dev. */
static const uint32_t refused[] = {
	AAFS_MAGIC,          AUTOFS_SUPER_MAGIC,   BINFMTFS_MAGIC,   BPF_FS_MAGIC,       CGROUP2_SUPER_MAGIC,
	CGROUP_SUPER_MAGIC,  CONFIGFS_MAGIC,       DEBUGFS_MAGIC,    DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC,
	FUSECTL_SUPER_MAGIC, MQUEUE_MAGIC,         NFSD_MAGIC,       NSFS_MAGIC,         PROC_SUPER_MAGIC,
	PSTOREFS_MAGIC,      RDTGROUP_SUPER_MAGIC, RPC_PIPEFS_MAGIC, SECURITYFS_MAGIC,   SELINUX_MAGIC,
	SMACK_MAGIC,         SYSFS_MAGIC,          TRACEFS_MAGIC,    XENFS_SUPER_MAGIC,
};

int ninep_mount_check(const struct ninep *np, int fd, uint64_t dev)
{
	struct statfs fs;
	size_t i;

	for (i = 0; i < np->ndeny; i++)
		if (np->deny_dev[i] == dev)
			return -EACCES;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		if ((uint32_t)fs.f_type == refused[i])
			return -EACCES;
	return 0;
}

/* --- the table --- */

static uint32_t *node_bucket(struct ninep_nodes *t, const struct ninep_node *parent, const char *name)
{
	uint64_t h = t->seed ^ (uint64_t)(parent - t->node) * 0x9e3779b97f4a7c15ULL;

	for (; *name != '\0'; name++) {
		h = (h ^ (uint8_t)*name) * 0x2545f4914f6cdd1dULL;
		h ^= h >> 29;
	}
	return &t->bucket[(h >> 32) % NINEP_NODE_BUCKETS];
}

static struct ninep_node *node_at(struct ninep_nodes *t, uint32_t i)
{
	return i == 0 ? NULL : &t->node[i - 1];
}

static struct ninep_node *node_find(struct ninep_nodes *t, const struct ninep_node *parent, const char *name)
{
	struct ninep_node *n = node_at(t, *node_bucket(t, parent, name));

	while (n != NULL && (n->parent != parent || strcmp(n->name, name) != 0))
		n = node_at(t, n->next);
	return n;
}

static void node_hash(struct ninep_nodes *t, struct ninep_node *n)
{
	uint32_t *b = node_bucket(t, n->parent, n->name);

	n->next = *b;
	*b = (uint32_t)(n - t->node) + 1;
	n->named = true;
}

static void node_unhash(struct ninep_nodes *t, struct ninep_node *n)
{
	uint32_t *link = node_bucket(t, n->parent, n->name);
	const uint32_t index = (uint32_t)(n - t->node) + 1;

	if (!n->named)
		return;
	while (*link != index)
		link = &t->node[*link - 1].next;
	*link = n->next;
	n->named = false;
}

static struct ninep_node *node_new(struct ninep_nodes *t, struct ninep_node *parent, const struct statx *st)
{
	struct ninep_node *n = node_at(t, t->free);

	if (n != NULL)
		t->free = n->next;
	else if (t->used < NINEP_NODES_MAX)
		n = &t->node[t->used++];
	else
		return NULL;
	t->live++;
	n->fd = -1;
	n->own_fd = false;
	n->io_fd = false;
	n->ro = false;
	n->named = false;
	n->entry = 0;
	n->refs = 1;
	n->mode = (uint16_t)(st->stx_mode & S_IFMT);
	n->dev = ninep_dev(st);
	n->ino = st->stx_ino;
	n->mnt = st->stx_mnt_id;
	n->next = 0;
	n->name[0] = '\0';
	n->parent = parent != NULL ? parent : n;
	if (parent != NULL)
		parent->refs++;
	return n;
}

void ninep_node_get(struct ninep_node *n)
{
	n->refs++;
}

static void node_release(struct ninep *np, struct ninep_node *n)
{
	node_unhash(&np->nodes, n);
	if (np->nodes.root == n)
		np->nodes.root = NULL;
	else if (n == np->nodes.entry[n->entry])
		np->nodes.entry[n->entry] = NULL;
	if (n->own_fd)
		ninep_close(np, &n->fd);
	n->fd = -1;
	n->refs = 0;
	n->next = np->nodes.free;
	np->nodes.free = (uint32_t)(n - np->nodes.node) + 1;
	np->nodes.live--;
}

void ninep_node_put(struct ninep *np, struct ninep_node *n)
{
	while (n != NULL && --n->refs == 0) {
		struct ninep_node *parent = n->parent != n ? n->parent : NULL;

		node_release(np, n);
		n = parent;
	}
}

/* By sweeping: parents that the host's renames made circular would keep each other. */
void ninep_nodes_reset(struct ninep *np)
{
	uint32_t i;

	for (i = 0; i < np->nodes.used; i++)
		if (np->nodes.node[i].refs != 0)
			node_release(np, &np->nodes.node[i]);
}

/* --- making nodes --- */

static int node_of_entry(struct ninep *np, unsigned int entry, struct ninep_node *parent, struct ninep_node **out,
			 struct statx *st)
{
	const struct ninep_export *x = &np->entry[entry];
	struct ninep_node *n = np->nodes.entry[entry];
	int r = ninep_statx(x->fd, "", st);

	if (r != 0)
		return r;
	*out = n;
	if (n != NULL) {
		n->refs++;
		return 0;
	}
	n = node_new(&np->nodes, parent, st);
	if (n == NULL)
		return -ENFILE;
	np->nodes.entry[entry] = n;
	n->fd = x->fd;
	n->io_fd = x->io;
	n->ro = x->ro;
	n->entry = (uint16_t)entry;
	*out = n;
	return 0;
}

static void synthetic_stat(const struct ninep *np, struct statx *st)
{
	*st = (struct statx){ .stx_mask = STATX_BASIC_STATS,
			      .stx_mode = S_IFDIR | 0555,
			      .stx_nlink = 2,
			      .stx_ino = 1,
			      .stx_blksize = 4096,
			      .stx_atime = np->born,
			      .stx_mtime = np->born,
			      .stx_ctime = np->born };
}

int ninep_node_root(struct ninep *np, struct ninep_node **out, struct statx *st)
{
	if (np->root == NINEP_PLAIN)
		return node_of_entry(np, 0, NULL, out, st);
	synthetic_stat(np, st);
	*out = np->nodes.root;
	if (*out != NULL) {
		(*out)->refs++;
		return 0;
	}
	*out = node_new(&np->nodes, NULL, st);
	if (*out == NULL)
		return -ENFILE;
	(*out)->ro = true;
	np->nodes.root = *out;
	return 0;
}

/* "0" to "nentries - 1", without leading zeros */
static int node_walk_entry(struct ninep *np, struct ninep_node *root, const char *name, struct ninep_node **out,
			   struct statx *st)
{
	unsigned int n = atomic_load_explicit(&np->nentries, memory_order_acquire);
	unsigned int i = 0;
	const char *p;

	if (name[0] == '0' && name[1] != '\0')
		return -ENOENT;
	for (p = name; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return -ENOENT;
		i = i * 10 + (unsigned int)(*p - '0');
		if (i >= n)
			return -ENOENT;
	}
	return node_of_entry(np, i, root, out, st);
}

bool ninep_node_is(struct ninep_node *n, const struct statx *st)
{
	struct statx now;

	if (st->stx_mnt_id != n->mnt)
		return false;
	if (st->stx_ino == n->ino && ninep_dev(st) == n->dev)
		return true;
	/* perhaps our own file has changed its number: overlayfs does so when it copies a file up */
	if (ninep_statx(n->fd, "", &now) != 0)
		return false;
	n->dev = ninep_dev(&now);
	n->ino = now.stx_ino;
	return st->stx_ino == n->ino && ninep_dev(st) == n->dev;
}

/* A node for fd, which was just opened as name in d: the one we have, or a new one that takes fd. */
static int node_for(struct ninep *np, struct ninep_node *d, const char *name, int *fd, const struct statx *st,
		    struct ninep_node **out)
{
	struct ninep_node *n = node_find(&np->nodes, d, name);

	if (n != NULL && ninep_node_is(n, st)) {
		n->refs++;
		*out = n;
		return 0;
	}
	if (n != NULL)
		node_unhash(&np->nodes, n); /* the host has put another file there */
	n = node_new(&np->nodes, d, st);
	if (n == NULL)
		return -ENFILE;
	n->fd = *fd;
	n->own_fd = true;
	*fd = -1;
	n->ro = d->ro;
	n->entry = d->entry;
	memcpy(n->name, name, strlen(name) + 1);
	node_hash(&np->nodes, n);
	*out = n;
	return 0;
}

int ninep_node_walk(struct ninep *np, struct ninep_node *d, const char *name, struct ninep_node **out, struct statx *st)
{
	int fd, r;

	if (d->mode != S_IFDIR)
		return -ENOTDIR;
	if (strcmp(name, "..") == 0) {
		r = ninep_node_stat(np, d->parent, st);
		if (r == 0) {
			d->parent->refs++;
			*out = d->parent;
		}
		return r;
	}
	if (d->fd < 0)
		return node_walk_entry(np, d, name, out, st);
	fd = ninep_openat(np, d->fd, name, O_PATH, 0);
	if (fd < 0)
		return fd;
	r = ninep_statx(fd, "", st);
	if (r == 0 && st->stx_mnt_id != d->mnt)
		r = ninep_mount_check(np, fd, ninep_dev(st));
	if (r == 0)
		r = node_for(np, d, name, &fd, st, out);
	ninep_close(np, &fd);
	return r;
}

int ninep_node_stat(struct ninep *np, const struct ninep_node *n, struct statx *st)
{
	if (n->fd >= 0)
		return ninep_statx(n->fd, "", st);
	synthetic_stat(np, st);
	return 0;
}

/* --- using nodes --- */

int ninep_node_verify(struct ninep *np UNUSED, struct ninep_node *n)
{
	struct statx st;
	int r;

	if (!n->named)
		return -ESTALE;
	r = ninep_statx(n->parent->fd, n->name, &st);
	if (r == -ENOENT || r == -ENOTDIR)
		return -ESTALE;
	if (r != 0)
		return r;
	return ninep_node_is(n, &st) ? 0 : -ESTALE;
}

static int open_by_name(struct ninep *np, struct ninep_node *n, int flags, struct statx *st)
{
	int fd, r;

	if (!n->named)
		return -ESTALE;
	/* O_NONBLOCK: should it be a fifo by now, we don't wait for its other end */
	fd = ninep_openat(np, n->parent->fd, n->name, flags | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -EPERM && (flags & O_NOATIME) != 0)
		fd = ninep_openat(np, n->parent->fd, n->name, (flags & ~O_NOATIME) | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENXIO)
		return -ESTALE;
	if (fd < 0)
		return fd;
	r = ninep_statx(fd, "", st);
	if (r == 0 && !ninep_node_is(n, st))
		r = -ESTALE;
	if (r != 0)
		ninep_close(np, &fd);
	return r != 0 ? r : fd;
}

/* Share an open file if its access mode allows what flags ask for. */
static int open_by_donor(struct ninep *np, int donor, int flags, struct statx *st)
{
	int have = fcntl(donor, F_GETFL), fd, r;

	if (have < 0 || (have & O_PATH) != 0)
		return -ESTALE;
	if ((have & O_ACCMODE) != O_RDWR && (have & O_ACCMODE) != (flags & O_ACCMODE))
		return -EACCES;
	fd = ninep_dup(np, donor);
	if (fd < 0)
		return fd;
	r = ninep_statx(fd, "", st);
	if (r != 0)
		ninep_close(np, &fd);
	return r != 0 ? r : fd;
}

static int open_dir(struct ninep *np, struct ninep_node *n, int flags, struct statx *st)
{
	int fd, r;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	fd = ninep_openat(np, n->fd, ".", (flags & ~O_NOATIME) | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = ninep_statx(fd, "", st);
	if (r != 0)
		ninep_close(np, &fd);
	return r != 0 ? r : fd;
}

int ninep_node_open(struct ninep *np, struct ninep_node *n, int flags, int donor, struct statx *st)
{
	int fd;

	if (n->mode == S_IFDIR)
		return open_dir(np, n, flags, st);
	if (n->mode == S_IFLNK)
		return -ELOOP;
	if (n->mode != S_IFREG)
		return -ENXIO;
	fd = open_by_name(np, n, flags, st);
	if (fd == -ESTALE && donor >= 0)
		fd = open_by_donor(np, donor, flags, st);
	if (fd == -ESTALE && n->io_fd)
		fd = open_by_donor(np, n->fd, flags, st);
	return fd;
}

void ninep_node_unlinked(struct ninep *np, struct ninep_node *d, const char *name)
{
	struct ninep_node *n = node_find(&np->nodes, d, name);

	if (n != NULL)
		node_unhash(&np->nodes, n);
}

void ninep_node_renamed(struct ninep *np, struct ninep_node *from, const char *a, struct ninep_node *to, const char *b)
{
	struct ninep_node *n = node_find(&np->nodes, from, a);
	struct ninep_node *old = node_find(&np->nodes, to, b);

	if (n != NULL && n == old)
		return;
	/* rename() of one hard link onto another does nothing: both names stay */
	if (n != NULL && ninep_node_verify(np, n) == 0)
		return;
	if (old != NULL)
		node_unhash(&np->nodes, old);
	if (n == NULL)
		return;
	node_unhash(&np->nodes, n);
	ninep_node_get(to);
	ninep_node_put(np, n->parent);
	n->parent = to;
	memcpy(n->name, b, strlen(b) + 1);
	node_hash(&np->nodes, n);
}

// SPDX-License-Identifier: Apache-2.0
#include "guest-init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/inroot.h"
#include "vmm/base/fdio.h"

#define MS_NOSYMFOLLOW_ 256 /* not in Debian 12's sys/mount.h */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

static uint64_t attr_bits(uint64_t flags)
{
	static const struct {
		uint64_t ms, attr;
	} map[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },         { MS_NOSUID, MOUNT_ATTR_NOSUID },
		{ MS_NODEV, MOUNT_ATTR_NODEV },           { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME }, { MS_NOSYMFOLLOW_, MOUNT_ATTR_NOSYMFOLLOW },
	};
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if ((flags & map[i].ms) != 0)
			bits |= map[i].attr;
	return bits;
}

struct mount_attr mounts_attr(uint64_t flags, uint64_t clear)
{
	const uint64_t atime = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;
	struct mount_attr a = { .attr_set = attr_bits(flags), .attr_clr = attr_bits(clear & ~flags) };

	/* one of three, not bits: whatever is asked for, the others have to be cleared; relatime is zero */
	if (((flags | clear) & atime) != 0)
		a.attr_clr |= MOUNT_ATTR__ATIME;
	if ((flags & MS_NOATIME) != 0)
		a.attr_set |= MOUNT_ATTR_NOATIME;
	else if ((flags & MS_STRICTATIME) != 0)
		a.attr_set |= MOUNT_ATTR_STRICTATIME;
	return a;
}

int mounts_setattr(int fd, struct mount_attr attr, unsigned int flags)
{
	if (attr.attr_set == 0 && attr.attr_clr == 0 && attr.propagation == 0)
		return 0;
	return mount_setattr(fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) == 0 ? 0 : -errno;
}

int mounts_clone(int fd)
{
	int tree = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return tree < 0 ? -errno : tree;
}

int mounts_clone_entry(int shares, uint32_t entry)
{
	char name[16];
	int tree;

	(void)snprintf(name, sizeof(name), "%u", entry);
	tree = open_tree(shares, name, AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return tree < 0 ? -errno : tree;
}

int mounts_attach(int tree, int at)
{
	return move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0 ? 0 : -errno;
}

static bool is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int set_propagation(int fd, uint64_t propagation)
{
	struct mount_attr a = { .propagation = propagation & ~(uint64_t)MS_REC };

	return mounts_setattr(fd, a, (propagation & MS_REC) != 0 ? AT_RECURSIVE : 0);
}

static int bind_entry(int root, int shares, const struct spec_mount *m, struct err *e)
{
	autofd tree = mounts_clone_entry(shares, m->entry);
	autofd at = -1;
	int r;

	if (tree < 0)
		return err_set(e, -tree, "mounts: `%s`: entry %u", m->destination, m->entry);
	at = inroot_make(root, m->destination, (m->bits & PROTO_MOUNT_FILE) != 0 ? INROOT_FILE : INROOT_DIR);
	if (at < 0)
		return err_set(e, -at, "mounts: `%s`: make the mount point", m->destination);
	r = mounts_setattr(tree, mounts_attr(m->flags, m->clear), 0);
	if (r < 0)
		return err_set(e, -r, "mounts: `%s`: set its options", m->destination);
	r = mounts_attach(tree, at);
	if (r == -EINVAL && is_dir(tree) != is_dir(at))
		return err_say(e, ENOTDIR,
			       "mounts: `%s`: source and destination are not both directories or both files",
			       m->destination);
	if (r < 0)
		return err_set(e, -r, "mounts: `%s`: bind", m->destination);
	r = set_propagation(tree, m->propagation);
	return r < 0 ? err_set(e, -r, "mounts: `%s`: set its propagation", m->destination) : 0;
}

/*
 * The mount point of a file system. What proc and sysfs are mounted on decides what masked and read-only paths mean, so
 * an image may not send them elsewhere by a symlink.
 */
static int fs_mount_point(int root, const struct spec_mount *m, struct err *e)
{
	bool plain = strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0;
	int at = inroot_path(root, m->destination, plain ? INROOT_NO_SYMLINKS : 0);

	if (at == -ENOENT) {
		at = inroot_make(root, m->destination, INROOT_DIR);
		if (at >= 0 && plain) {
			(void)close(at);
			at = inroot_path(root, m->destination, INROOT_NO_SYMLINKS);
		}
	}
	if (at == -ELOOP && plain)
		return err_say(e, ELOOP, "mounts: `%s`: %s is not mounted through a symlink", m->destination, m->type);
	return at < 0 ? err_set(e, -at, "mounts: `%s`: make the mount point", m->destination) : at;
}

static int mount_fs(int root, const struct spec_mount *m, struct err *e)
{
	/* there is no cgroup v1 in the guest; what asks for it means "the cgroup tree" */
	const char *type = strcmp(m->type, "cgroup") == 0 ? "cgroup2" : m->type;
	autofd at = fs_mount_point(root, m, e);
	autofd top = -1;
	int r;

	if (at < 0)
		return at;
	/* by way of the working directory: mount(2) takes no descriptor, and a path could lead elsewhere by now */
	if (fchdir(at) < 0)
		return err_set(e, errno, "mounts: `%s`: enter", m->destination);
	if (mount(type, ".", type, m->flags, m->data) < 0) {
		if (errno == ENODEV)
			return err_say(e, ENODEV, "mounts: `%s`: the guest's kernel has no file system type `%s`",
				       m->destination, type);
		return err_set(e, errno, "mounts: `%s`: mount %s with options `%s`", m->destination, type, m->data);
	}
	if (m->propagation == 0)
		return 0;
	top = inroot_path(root, m->destination, 0);
	r = top < 0 ? top : set_propagation(top, m->propagation);
	return r < 0 ? err_set(e, -r, "mounts: `%s`: set its propagation", m->destination) : 0;
}

int mounts_apply(int root, int shares, const struct spec_mount *m, struct err *e)
{
	return m->entry != PROTO_NO_ENTRY ? bind_entry(root, shares, m, e) : mount_fs(root, m, e);
}

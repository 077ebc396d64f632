// SPDX-License-Identifier: Apache-2.0
#include "guest-init/masks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest-init/inroot.h"
#include "guest-init/mounts.h"
#include "vmm/base/fdio.h"

/* One tmpfs covers all masked directories: the first mount of it, whose copies go to the others. */
struct covers {
	int null;
	int tmpfs;
};

/* With the container's own /dev/null, which is there by now: the agent's is not for others to chmod. */
static int cover_file(struct covers *c, int root, int at)
{
	autofd tree = -1;
	struct stat st;

	if (c->null < 0)
		c->null = inroot_path(root, "/dev/null", 0);
	if (c->null < 0)
		return c->null;
	if (fstat(c->null, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return -ENODEV;
	tree = mounts_clone(c->null);
	return tree < 0 ? tree : mounts_attach(tree, at);
}

static int cover_dir(struct covers *c, int root, const char *path, int at)
{
	autofd tree = -1;

	if (c->tmpfs >= 0) {
		tree = mounts_clone(c->tmpfs);
		return tree < 0 ? tree : mounts_attach(tree, at);
	}
	if (fchdir(at) < 0 || mount("tmpfs", ".", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k") < 0)
		return -errno;
	c->tmpfs = inroot_path(root, path, 0);
	return c->tmpfs < 0 ? c->tmpfs : 0;
}

static int hide_one(struct covers *c, int root, const char *path, struct err *e)
{
	autofd at = inroot_path(root, path, 0);
	struct stat st;
	int r;

	if (at == -ENOENT || at == -ENOTDIR)
		return 0;
	if (at < 0 || fstat(at, &st) < 0)
		return err_set(e, at < 0 ? -at : errno, "linux.maskedPaths: `%s`", path);
	r = S_ISDIR(st.st_mode) ? cover_dir(c, root, path, at) : cover_file(c, root, at);
	return r < 0 ? err_set(e, -r, "linux.maskedPaths: `%s`: cover it", path) : 0;
}

int masks_hide(int root, const char *const *paths, size_t n, struct err *e)
{
	struct covers c = { .null = -1, .tmpfs = -1 };
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++)
		r = hide_one(&c, root, paths[i], e);
	fd_close(&c.null);
	fd_close(&c.tmpfs);
	return r;
}

static int readonly_one(int root, const char *path, struct err *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	autofd at = inroot_path(root, path, 0);
	autofd tree = -1;
	int r;

	if (at == -ENOENT || at == -ENOTDIR)
		return 0;
	if (at < 0)
		return err_set(e, -at, "linux.readonlyPaths: `%s`", path);
	tree = open_tree(at, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return err_set(e, errno, "linux.readonlyPaths: `%s`: copy the mount", path);
	r = mounts_setattr(tree, ro, AT_RECURSIVE);
	if (r == 0)
		r = mounts_attach(tree, at);
	return r < 0 ? err_set(e, -r, "linux.readonlyPaths: `%s`: bind read-only", path) : 0;
}

int masks_readonly(int root, const char *const *paths, size_t n, struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++)
		r = readonly_one(root, paths[i], e);
	return r;
}

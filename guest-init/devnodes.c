// SPDX-License-Identifier: Apache-2.0
#include "guest-init/devnodes.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest-init/inroot.h"
#include "guest-init/mounts.h"
#include "vmm/base/fdio.h"

#define DEVPTS_MAGIC 0x1cd1

struct node {
	const char *name;
	unsigned int major, minor;
};

static const struct node default_nodes[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct {
	const char *name, *target;
} default_links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
};

static bool is_node(int dir, const char *name, mode_t type, dev_t rdev)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == type && st.st_rdev == rdev;
}

/* Where no node can be made (a root shared by a server without that right), the agent's own is bound to a file. */
static int bind_own_node(int root, const struct node *n)
{
	char path[32];
	autofd own = -1;
	autofd tree = -1;
	autofd at = -1;

	(void)snprintf(path, sizeof(path), "/dev/%s", n->name);
	if (mknod(path, S_IFCHR | 0666, makedev(n->major, n->minor)) < 0 && errno != EEXIST)
		return -errno;
	own = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (own < 0)
		return -errno;
	tree = mounts_clone(own);
	if (tree < 0)
		return tree;
	at = inroot_make(root, path, INROOT_FILE);
	return at < 0 ? at : mounts_attach(tree, at);
}

static int default_node(int root, int dev, const struct node *n, struct err *e)
{
	dev_t rdev = makedev(n->major, n->minor);
	int r;

	if (mknodat(dev, n->name, S_IFCHR | 0666, rdev) == 0 || is_node(dev, n->name, S_IFCHR, rdev))
		return 0;
	r = bind_own_node(root, n);
	return r < 0 ? err_set(e, -r, "make device /dev/%s", n->name) : 0;
}

int devnodes_defaults(int root, struct err *e)
{
	autofd dev = inroot_make(root, "/dev", INROOT_DIR);
	size_t i;
	int r;

	if (dev < 0)
		return err_set(e, -dev, "make directory /dev");
	for (i = 0; i < ARRAY_SIZE(default_nodes); i++) {
		r = default_node(root, dev, &default_nodes[i], e);
		if (r < 0)
			return r;
	}
	for (i = 0; i < ARRAY_SIZE(default_links); i++)
		if (symlinkat(default_links[i].target, dev, default_links[i].name) < 0 && errno != EEXIST &&
		    errno != EROFS)
			return err_set(e, errno, "make link /dev/%s", default_links[i].name);
	return 0;
}

int devnodes_add(int root, const struct spec_device *d, struct err *e)
{
	char name[NAME_MAX + 1];
	autofd dir = inroot_parent(root, d->path, name);

	if (dir < 0)
		return err_set(e, -dir, "linux.devices: `%s`", d->path);
	if (mknodat(dir, name, d->mode, d->rdev) < 0) {
		int code = errno;

		if (code == EEXIST && is_node(dir, name, d->mode & S_IFMT, d->rdev))
			return 0;
		if (code == EEXIST)
			return err_say(e, EEXIST, "linux.devices: `%s` is there already and is something else",
				       d->path);
		return err_set(e, code, "linux.devices: `%s`: make the node (it needs a tmpfs on its directory)",
			       d->path);
	}
	if ((d->uid != 0 || d->gid != 0) && fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "linux.devices: `%s`: set its owner", d->path);
	return 0;
}

static int bind_console(int root, int pts, unsigned int number)
{
	char name[16];
	autofd slave = -1;
	autofd tree = -1;
	autofd at = -1;

	(void)snprintf(name, sizeof(name), "%u", number);
	slave = openat(pts, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	tree = mounts_clone(slave);
	if (tree < 0)
		return tree;
	at = inroot_make(root, "/dev/console", INROOT_FILE);
	return at < 0 ? at : mounts_attach(tree, at);
}

int devnodes_pty(int root, const struct spec *s, struct devnodes_pty *out, struct err *e)
{
	struct winsize ws = { .ws_row = s->rows, .ws_col = s->columns };
	autofd pts = inroot_path(root, "/dev/pts", 0);
	autofd master = -1;
	autofd slave = -1;
	unsigned int number;
	struct statfs fs;
	int zero = 0, r;

	if (pts < 0 || fstatfs(pts, &fs) < 0 || fs.f_type != DEVPTS_MAGIC)
		return err_say(e, ENOTTY, "process.terminal: no devpts is mounted at /dev/pts; add it to mounts");
	master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (master < 0)
		return err_set(e, errno, "process.terminal: open /dev/pts/ptmx");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &number) < 0 ||
	    ioctl(master, TIOCSWINSZ, &ws) < 0)
		return err_set(e, errno, "process.terminal: set up the pty");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || fchown(slave, s->uid, (gid_t)-1) < 0)
		return err_set(e, errno, "process.terminal: open the pty");
	r = bind_console(root, pts, number);
	if (r < 0)
		return err_set(e, -r, "process.terminal: bind the pty to /dev/console");
	out->master = fd_steal(&master);
	out->slave = fd_steal(&slave);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

static int open_in_root(int root, const char *path, uint64_t flags, uint64_t mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
				.mode = mode,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd;

	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int tree_clone(const char *path, bool recursive, bool ro, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (ro ? MOUNT_ATTR_RDONLY : 0),
				   .propagation = MS_PRIVATE };
	unsigned int rec = recursive ? AT_RECURSIVE : 0;
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | rec);

	if (fd < 0)
		return err_set(e, errno, "open the tree `%s`", path);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | rec, &attr, sizeof(attr)) < 0) {
		(void)err_set(e, errno, "make the tree `%s` private%s", path, ro ? " and read-only" : "");
		fd_close(&fd);
		return -e->code;
	}
	return fd;
}

int tree_open_file(int *fd, bool ro, const char *path, struct err *e)
{
	char link[32];
	int file = -1;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
	if (!ro)
		file = open(link, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		file = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return err_set(e, errno, "open `%s`", path);
	(void)close(*fd);
	*fd = file;
	return 0;
}

/*
 * Open the folder `path` (len bytes) below root, making what is missing one component at a time. Each step resolves the
 * whole prefix in the root again: slower than walking, but a symlink in the middle is followed inside the root as it
 * should be.
 */
static int open_dirs(int root, const char *path, size_t len)
{
	char part[PATH_MAX];
	size_t i;
	int dir = open_in_root(root, ".", O_PATH | O_DIRECTORY, 0);

	for (i = 1; i <= len && len > 0 && dir >= 0; i++) {
		size_t from = i;
		int next;

		if (path[i] != '/' && i != len)
			continue;
		while (from > 0 && path[from - 1] != '/')
			from--;
		if (from == i)
			continue; /* an empty component */
		memcpy(part, path, i);
		part[i] = '\0';
		next = open_in_root(root, part, O_PATH | O_DIRECTORY, 0);
		if (next == -ENOENT && mkdirat(dir, part + from, 0755) < 0 && errno != EEXIST)
			next = -errno;
		else if (next == -ENOENT)
			next = open_in_root(root, part, O_PATH | O_DIRECTORY, 0);
		(void)close(dir);
		dir = next;
	}
	return dir;
}

int tree_make_point(int root, const char *dest, bool file, struct err *e)
{
	const char *slash = strrchr(dest, '/'), *name = slash != NULL ? slash + 1 : dest;
	struct stat st;
	int fd, r;

	if (strlen(dest) >= PATH_MAX)
		return err_say(e, ENAMETOOLONG, "mount destination `%.200s`: too long", dest);
	fd = open_in_root(root, dest, O_PATH, 0);
	if (fd >= 0) {
		r = fstat(fd, &st) < 0 ? -errno : 0;
		(void)close(fd);
		if (r == 0 && S_ISDIR(st.st_mode) == file)
			return err_say(e, file ? EISDIR : ENOTDIR,
				       "mount destination `%.200s` in the rootfs is %s folder", dest,
				       file ? "a" : "not a");
		return r < 0 ? err_set(e, -r, "mount destination `%.200s`", dest) : 0;
	}
	fd = fd != -ENOENT ? fd : open_dirs(root, dest, file ? (size_t)(name - dest) : strlen(dest));
	if (fd >= 0 && file) {
		int made = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

		r = made < 0 && errno != EEXIST ? -errno : 0;
		fd_close(&made);
		fd_close(&fd);
		fd = r;
	}
	if (fd < 0)
		return err_set(e, -fd, "make the mount destination `%.200s` in the rootfs", dest);
	if (!file)
		(void)close(fd);
	return 0;
}

int tree_enter(int root, const char *over)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (syscall(SYS_move_mount, root, "", AT_FDCWD, over, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	if (chdir(over) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

int tree_attach(int fd, const char *dest)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), point, r = 0;

	if (root < 0)
		return -errno;
	point = open_in_root(root, dest, O_PATH, 0);
	(void)close(root);
	if (point < 0)
		return point;
	if (syscall(SYS_move_mount, fd, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = -errno;
	(void)close(point);
	return r;
}

int tree_mount_proc(const char *dest)
{
	int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC), mnt = -1, r = 0;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
				   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mnt < 0)
		r = -errno;
	(void)close(fs);
	if (mnt >= 0) {
		r = tree_attach(mnt, dest);
		(void)close(mnt);
	}
	return r;
}

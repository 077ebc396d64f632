// SPDX-License-Identifier: Apache-2.0
#include "guest-init/inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define TRIES_MAX 64 /* of look-ups disturbed by a rename, and of components made by two at once */
#define LINKS_MAX 40 /* of dangling symlinks followed by hand; the kernel's own limit */

static int open2(int root, const char *path, uint64_t o_flags, uint64_t resolve)
{
	struct open_how how = { .flags = o_flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | resolve };
	unsigned int i;
	long fd = -1;

	for (i = 0; i < TRIES_MAX; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int inroot_path(int root, const char *path, unsigned int flags)
{
	return open2(root, path, O_PATH, (flags & INROOT_NO_SYMLINKS) != 0 ? RESOLVE_NO_SYMLINKS : 0);
}

int inroot_open_file(int root, const char *path, int o_flags)
{
	return open2(root, path, (uint64_t)(unsigned int)o_flags, 0);
}

/* One component in parent; an existing one of any kind is -EEXIST. */
static int make_one(int parent, const char *name, bool dir)
{
	int r = dir ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0);

	return r == 0 ? 0 : -errno;
}

/*
 * path[0..at) is there, path[at..end) exists but leads nowhere: when it is a symlink, put its target in its place, so
 * that what it names can be made. A component that is none (any more) is left for another look.
 */
static int follow_by_hand(int parent, char *path, size_t at, size_t end)
{
	char target[PATH_MAX], whole[PATH_MAX], name[NAME_MAX + 1];
	ssize_t n;
	int len;

	memcpy(name, path + at, end - at);
	name[end - at] = '\0';
	n = readlinkat(parent, name, target, sizeof(target) - 1);
	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	target[n] = '\0';
	len = snprintf(whole, sizeof(whole), "%.*s%s%s", target[0] == '/' ? 0 : (int)at, path, target, path + end);
	if (len < 0 || (size_t)len >= sizeof(whole))
		return -ENAMETOOLONG;
	memcpy(path, whole, (size_t)len + 1);
	return 0;
}

/* path[0..end), whose last component path[at..end) is made in parent when it is missing. */
static int look_or_make(int root, int parent, char *path, size_t at, size_t end, bool dir)
{
	char cut = path[end];
	int fd;

	path[end] = '\0';
	fd = inroot_path(root, path, 0);
	if (fd == -ENOENT) {
		fd = make_one(parent, path + at, dir);
		if (fd == 0)
			fd = inroot_path(root, path, 0);
	}
	path[end] = cut;
	return fd;
}

/* Walk down, making what is missing. The last component, or -errno; -EAGAIN: path was changed, walk again. */
static int walk_making(int root, char *path, enum inroot_kind kind)
{
	autofd parent = inroot_path(root, "/", 0);
	size_t at = 0, end;

	while (parent >= 0) {
		bool last;
		int fd;

		at += strspn(path + at, "/");
		end = at + strcspn(path + at, "/");
		if (end == at)
			break;
		if (end - at > NAME_MAX)
			return -ENAMETOOLONG;
		last = path[end + strspn(path + end, "/")] == '\0';
		fd = look_or_make(root, parent, path, at, end, !last || kind == INROOT_DIR);
		if (fd == -EEXIST) {
			int r = follow_by_hand(parent, path, at, end);

			return r < 0 ? r : -EAGAIN;
		}
		fd_close(&parent);
		parent = fd;
		at = end;
	}
	return fd_steal(&parent);
}

int inroot_make(int root, const char *path, enum inroot_kind kind)
{
	char work[PATH_MAX];
	unsigned int i;
	int r = inroot_path(root, path, 0);

	if (r != -ENOENT)
		return r;
	if (strlen(path) >= sizeof(work))
		return -ENAMETOOLONG;
	memcpy(work, path, strlen(path) + 1);
	for (i = 0; i < LINKS_MAX; i++) {
		r = walk_making(root, work, kind);
		if (r != -EAGAIN)
			return r;
	}
	return -ELOOP;
}

int inroot_parent(int root, const char *path, char *name)
{
	char dir[PATH_MAX];
	size_t len = strlen(path), at;

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (at = len; at > 0 && path[at - 1] != '/'; at--)
		;
	if (len - at > NAME_MAX || at >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(name, path + at, len - at);
	name[len - at] = '\0';
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	memcpy(dir, path, at);
	dir[at] = '\0';
	return inroot_make(root, at == 0 ? "/" : dir, INROOT_DIR);
}

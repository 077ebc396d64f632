// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define CGROUP_MOUNT  "/sys/fs/cgroup"
#define CGROUP_PARENT "/kvmbox"

int cgroup_path(char *out, size_t cap, const char *cgroups_path, const char *id, struct err *e)
{
	const char *p = cgroups_path;
	int n;

	if (p == NULL || p[0] == '\0') {
		n = snprintf(out, cap, CGROUP_PARENT "/%s", id);
	} else {
		if (p[0] != '/' && strchr(p, ':') != NULL)
			return err_say(e, EINVAL,
				       "linux.cgroupsPath `%s`: the systemd form is not supported by this "
				       "version; use the engine's cgroupfs manager (podman --cgroup-manager=cgroupfs)",
				       p);
		if (strcmp(p, "..") == 0 || strncmp(p, "../", 3) == 0 || strstr(p, "/../") != NULL ||
		    (strlen(p) >= 3 && strcmp(p + strlen(p) - 3, "/..") == 0))
			return err_say(e, EINVAL, "linux.cgroupsPath `%s` holds `..`", p);
		while (*p == '/')
			p++;
		if (*p == '\0')
			return err_say(e, EINVAL, "linux.cgroupsPath is the root cgroup; name one below it");
		n = snprintf(out, cap, "/%s", p);
	}
	return n < 0 || (size_t)n >= cap ? err_say(e, ENAMETOOLONG, "linux.cgroupsPath is too long") : 0;
}

static int open_mount(struct err *e)
{
	struct statfs fs;
	int fd = open(CGROUP_MOUNT, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "open %s", CGROUP_MOUNT);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC) {
		fd_close(&fd);
		return err_say(e, ENOTSUP,
			       "%s is not cgroup version 2, which kvmbox needs; boot the host with "
			       "systemd.unified_cgroup_hierarchy=1",
			       CGROUP_MOUNT);
	}
	return fd;
}

static int open_cgroup(const char *path, struct err *e)
{
	autofd mount = open_mount(e);
	int fd;

	if (mount < 0)
		return mount;
	fd = openat(mount, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_set(e, errno, "open the cgroup `%s`", path);
	return fd;
}

static bool populated(int dir)
{
	autofd fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char buf[256];
	ssize_t n = fd < 0 ? -1 : pread_full(fd, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return false;
	buf[n] = '\0';
	return strstr(buf, "populated 1") != NULL;
}

/* Another container's delete may remove the shared parent between our two mkdirs: try again then. */
static int make_parts(int mount, const char *path)
{
	char part[PATH_MAX];
	size_t i, len = strlen(path);

	for (i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path + 1, i - 1);
		part[i - 1] = '\0';
		if (mkdirat(mount, part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int cgroup_make(const char *path, struct err *e)
{
	autofd mount = open_mount(e);
	int fd, r, tries = 0;

	if (mount < 0)
		return mount;
	do
		r = make_parts(mount, path);
	while (r == -ENOENT && ++tries < 100);
	if (r < 0)
		return err_set(e, -r, "make the cgroup `%s`", path);
	fd = openat(mount, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open the cgroup `%s`", path);
	if (populated(fd)) {
		fd_close(&fd);
		return err_say(e, EEXIST,
			       "the cgroup `%s` already has processes; give each container its own "
			       "linux.cgroupsPath",
			       path);
	}
	return fd;
}

static int wait_empty(int dir, const char *path, struct err *e)
{
	struct pollfd p = { .fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC), .events = POLLPRI };
	char buf[256];
	ssize_t n;
	int r = 0;

	if (p.fd < 0)
		return err_set(e, errno, "open cgroup.events of `%s`", path);
	for (;;) {
		n = pread_full(p.fd, buf, sizeof(buf) - 1, 0);
		if (n == -ENODEV) /* removed meanwhile */
			break;
		if (n < 0) {
			r = err_set(e, (int)-n, "read cgroup.events of `%s`", path);
			break;
		}
		buf[n] = '\0';
		if (strstr(buf, "populated 1") == NULL)
			break;
		if (poll(&p, 1, -1) < 0 && errno != EINTR) {
			r = err_set(e, errno, "wait for the cgroup `%s`", path);
			break;
		}
	}
	fd_close(&p.fd);
	return r;
}

int cgroup_wait_empty(const char *path, struct err *e)
{
	autofd dir = open_cgroup(path, e);

	if (dir == -ENOENT)
		return 0;
	return dir < 0 ? dir : wait_empty(dir, path, e);
}

int cgroup_kill(const char *path, struct err *e)
{
	autofd dir = open_cgroup(path, e);
	autofd fd = -1;

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return dir;
	if (!populated(dir))
		return 0;
	fd = openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write_full(fd, "1", 1) < 0)
		return err_set(e, errno, "kill the processes of the cgroup `%s`", path);
	return wait_empty(dir, path, e);
}

/* Children first; depth is bounded by the kernel's own limit on cgroup depth and by this one. */
static int remove_below(int parent, const char *name, unsigned int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		r = errno == ENOENT ? 0 : -errno;
		fd_close(&fd);
		return r;
	}
	while (r == 0 && depth > 0 && (entry = readdir(d)) != NULL)
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_below(dirfd(d), entry->d_name, depth - 1);
	(void)closedir(d);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int cgroup_remove(const char *path, struct err *e)
{
	autofd mount = open_mount(e);
	int r;

	if (mount < 0)
		return mount;
	r = remove_below(mount, path + 1, 32);
	if (r < 0)
		return err_set(e, -r, "remove the cgroup `%s`", path);
	if (strncmp(path, CGROUP_PARENT "/", sizeof(CGROUP_PARENT)) == 0)
		(void)unlinkat(mount, CGROUP_PARENT + 1, AT_REMOVEDIR); /* stays while others are in it */
	return 0;
}

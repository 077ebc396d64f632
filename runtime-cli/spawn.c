// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/spawn.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP_MAX 160

pid_t spawn(uint64_t flags, int cgroup_fd, int (*fn)(void *arg), void *arg)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(fn(arg));
	return pid;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

int spawn_close_others(const int *keep, size_t n)
{
	int sorted[KEEP_MAX];
	unsigned int next = STDERR_FILENO + 1;
	size_t i;

	if (n > KEEP_MAX)
		return -E2BIG;
	memcpy(sorted, keep, n * sizeof(*keep));
	qsort(sorted, n, sizeof(*sorted), by_number);
	for (i = 0; i < n; i++) {
		if (sorted[i] < (int)next)
			continue;
		if ((unsigned int)sorted[i] > next && close_range(next, (unsigned int)sorted[i] - 1, 0) < 0)
			return -errno;
		next = (unsigned int)sorted[i] + 1;
	}
	return close_range(next, ~0U, 0) < 0 ? -errno : 0;
}

int spawn_empty_root(const char *over)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (mount("kvmbox", over, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=0555") < 0)
		return -errno;
	if (chdir(over) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

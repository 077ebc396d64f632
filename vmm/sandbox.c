// SPDX-License-Identifier: Apache-2.0
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/base/step.h"

/*
 * The table of open files grows by doubling, and while several threads share it each growth waits for an RCU grace
 * period. This many at once, while there is one thread, cost 8 KiB.
 */
#define FD_TABLE 1024

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int sandbox_close_others(int *keep, unsigned int n)
{
	unsigned int from = 3, i;

	if (n > 1)
		qsort(keep, n, sizeof(*keep), compare);
	for (i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)keep[i];

		if (fd > from && close_range(from, fd - 1, 0) < 0)
			return -errno;
		if (fd >= from)
			from = fd + 1;
	}
	return close_range(from, UINT32_MAX, 0) < 0 ? -errno : 0;
}

/* All fds the hard limit allows: a guest's open files are ours (the 9p server keeps to a part of it) */
static void raise_fd_limit(void)
{
	struct rlimit r;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* refused: the limit stays what it was */
	}
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FD_TABLE - 1);
	if (fd >= 0)
		(void)close(fd);
}

int sandbox_enter(const struct vm_config *cfg, struct err *e)
{
	const struct rlimit none = { 0, 0 };
	int keep[CONFIG_FDS_MAX + 1];
	unsigned int n = config_fds(cfg, keep);
	int r;

	if (step_fd() >= 0)
		keep[n++] = step_fd();
	r = sandbox_close_others(keep, n);
	if (r < 0)
		return err_set(e, -r, "close_range (Linux 5.15 or newer is needed)");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, errno, "PR_SET_DUMPABLE");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(e, errno, "RLIMIT_CORE");
	raise_fd_limit();
	return 0;
}

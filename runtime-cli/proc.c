// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

/* Reads state and start time; the command name in between may hold any byte, so count from the last ')'. */
static int proc_stat(pid_t pid, char *state, uint64_t *start)
{
	char path[32], buf[1024], *p, *end;
	autofd fd = -1;
	ssize_t n;
	int i;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read_full(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return -ESRCH;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (p == NULL || p[1] != ' ' || p[2] == '\0')
		return -EPROTO;
	*state = p[2];
	p += 2;
	for (i = 3; i < 22; i++) {
		p = strchr(p, ' ');
		if (p == NULL)
			return -EPROTO;
		p++;
	}
	errno = 0;
	*start = strtoull(p, &end, 10);
	return errno != 0 || end == p ? -EPROTO : 0;
}

int proc_identify(struct proc *p, pid_t pid)
{
	char state;

	p->pid = pid;
	return proc_stat(pid, &state, &p->start);
}

bool proc_alive(const struct proc *p)
{
	uint64_t start = 0;
	char state = 'X';

	if (p->pid <= 0 || proc_stat(p->pid, &state, &start) < 0)
		return false;
	return start == p->start && state != 'Z' && state != 'X';
}

int proc_open(const struct proc *p)
{
	int fd;

	if (p->pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (fd < 0)
		return -errno;
	if (proc_alive(p))
		return fd;
	(void)close(fd);
	return -ESRCH;
}

int proc_signal_fd(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_wait_fd(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, -1);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * run: create, start, wait. In the foreground this process hands signals and the terminal's size to the container's
 * process, and ends with its status; the VM's own end goes on behind it, watched by a child that removes cgroup and
 * state.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime-cli/create.h"
#include "runtime-cli/spawn.h"
#include "vmm/base/fdio.h"
#include "vmm/base/step.h"

const char cmd_run_help[] =
	"usage: kvmbox run [options] BUNDLE/            run the bundle in that folder, named after it\n"
	"       kvmbox run [options] --bundle DIR ID    as engines call it\n\n"
	"Boot a VM, run the container in it, wait for it, remove it. The exit status is the container's\n"
	"(128 + n when signal n ended it; 255 when the VM itself died).\n\n"
	"  -b, --bundle DIR       folder with config.json\n"
	"  -d, --detach           do not wait; `kvmbox delete ID` removes it later\n"
	"      --keep             do not remove the container when it has ended\n"
	"      --cold             boot anew (this version always does)\n"
	"      --pid-file FILE    write the pid of the process that stands for the container\n"
	"      --no-pivot, --no-new-keyring, --no-subreaper\n"
	"                         accepted; a VM needs none of them\n"
	"  -h, --help\n";

/* The terminal as we found it, for the end of the run */
struct raw {
	bool set;
	struct termios saved;
};

static void raw_begin(struct raw *raw, const struct container *c)
{
	struct termios t;

	if (!c->terminal || tcgetattr(STDIN_FILENO, &raw->saved) < 0)
		return;
	t = raw->saved;
	cfmakeraw(&t);
	raw->set = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

static void raw_end(struct raw *raw)
{
	if (raw->set)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw->saved);
	raw->set = false;
}

static int forward_signals(const struct container *c, int pidfd)
{
	struct signalfd_siginfo si;

	while (read(c->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		if (proc_signal_fd(pidfd, (int)si.ssi_signo) == -ESRCH)
			return 0; /* it has just ended */
	}
	return 0;
}

static int wait_status(const struct container *c, struct err *e)
{
	siginfo_t si;

	if (waitid(P_PID, (id_t)c->state.monitor.pid, &si, WEXITED) < 0)
		return err_set(e, errno, "wait for the monitor");
	if (si.si_code == CLD_EXITED)
		return si.si_status;
	return 128 + si.si_status;
}

static int wait_container(const struct container *c, struct err *e)
{
	autofd pidfd = proc_open(&c->state.monitor);
	struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = c->signals, .events = POLLIN } };

	while (pidfd >= 0) { /* a monitor that is gone already leaves only its status to fetch */
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return err_set(e, errno, "wait for the container");
		if (p[1].revents != 0)
			(void)forward_signals(c, pidfd);
		if (p[0].revents != 0)
			break;
	}
	return wait_status(c, e);
}

/* The child behind the exit: holds none of our fds but the state's, waits for the VM's end, removes what is left. */
static int destroy_behind(void *arg)
{
	struct container *c = arg;
	int keep[] = { c->state.dir, c->rootfd, step_fd() };
	struct err e;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		return 1;
	if (spawn_close_others(keep, ARRAY_SIZE(keep)) < 0)
		return 1;
	if (state_lock(&c->state, c->rootfd, &e) < 0) /* deleted meanwhile */
		return 0;
	return container_destroy(&c->state, c->rootfd, &e) < 0 ? 1 : 0;
}

static void say_reason(const struct container *c, int status)
{
	char reason[512];

	if (status == 0)
		return;
	state_reason(&c->state, reason, sizeof(reason));
	if (reason[0] != '\0')
		(void)fprintf(stderr, "kvmbox: %s\n", reason);
}

/* Until the end of the container; afterwards its own child of ours cleans up. */
static int foreground(struct container *c, const struct create_opts *o, struct raw *raw, struct err *e)
{
	int status = wait_container(c, e);
	pid_t pid;

	raw_end(raw);
	if (status < 0)
		return status;
	say_reason(c, status);
	step("cli:before-exit");
	if (o->keep)
		return status;
	pid = spawn(0, -1, destroy_behind, c);
	if (pid < 0)
		return err_set(e, -pid, "start the clean-up; `kvmbox delete --force %s` does it", c->state.id);
	return status;
}

int cmd_run(const struct cli *cli, int argc, char **argv, struct err *e)
{
	struct container c = CONTAINER_INIT;
	struct create_opts o = { 0 };
	struct raw raw = { 0 };
	int r = create_parse(&o, true, argc, argv, e);

	if (r != 0)
		return r;
	r = create_container(cli, &o, &c, e);
	if (r == 0) {
		raw_begin(&raw, &c);
		r = create_commit(&c, true, e);
		if (r < 0) {
			raw_end(&raw);
			create_undo(&c);
		}
	}
	if (r == 0 && !o.detach)
		r = foreground(&c, &o, &raw, e);
	container_fini(&c);
	return r;
}

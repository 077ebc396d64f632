// SPDX-License-Identifier: Apache-2.0
#include "guest-init/child.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/caps.h"
#include "guest-init/sysctl.h"
#include "guest-init/userinfo.h"
#include "vmm/base/fdio.h"

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND  127

/* What an engine would show for a program that could not be run. */
NORETURN static void fail(int sync, const struct err *e)
{
	struct child_report r = { .kind = CHILD_FAILED, .code = e->code };
	int sent;

	(void)snprintf(r.text, sizeof(r.text), "%.*s", (int)sizeof(r.text) - 1, e->text);
	sent = fds_send(sync, &r, sizeof(r), NULL, 0);
	(void)sent; /* without an agent there is nobody to tell */
	_exit(e->code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

/* Every descriptor of the agent's but 0, 1, 2 and these two: one left open would keep a stream from ending. */
static int keep_two(int a, int b)
{
	unsigned int lo = (unsigned int)(a < b ? a : b), hi = (unsigned int)(a < b ? b : a);

	if (lo > 3 && close_range(3, lo - 1, 0) < 0)
		return -errno;
	if (hi > lo + 1 && close_range(lo + 1, hi - 1, 0) < 0)
		return -errno;
	return close_range(hi + 1, ~0u, 0) == 0 ? 0 : -errno;
}

static int take_stdio(const struct child_args *a, struct err *e)
{
	struct stat st;
	int i, r;

	for (i = 0; i < 3 && !a->spec->terminal; i++) {
		/* so that a user other than root may open /dev/stdout again; /dev/null stays as it is */
		if (fstat(a->stdio[i], &st) < 0 ||
		    (S_ISFIFO(st.st_mode) && fchown(a->stdio[i], a->spec->uid, (gid_t)-1) < 0))
			return err_set(e, errno, "streams: give descriptor %d to the user", i);
		if (dup2(a->stdio[i], i) < 0)
			return err_set(e, errno, "streams: descriptor %d", i);
	}
	r = keep_two(a->sync, a->proc);
	return r < 0 ? err_set(e, -r, "streams: close the agent's descriptors") : 0;
}

static int loopback_up(struct err *e)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	autofd s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		return err_set(e, errno, "linux.namespaces: network: bring up lo");
	return 0;
}

static int enter_namespaces(const struct spec *s, struct err *e)
{
	/* here, not in clone: there it would be rooted in the agent's own cgroup */
	if ((s->namespaces & CLONE_NEWCGROUP) != 0 && unshare(CLONE_NEWCGROUP) < 0)
		return err_set(e, errno, "linux.namespaces: cgroup");
	if (s->hostname != NULL && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_set(e, errno, "hostname");
	if (s->domainname != NULL && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return err_set(e, errno, "domainname");
	return (s->namespaces & CLONE_NEWNET) != 0 ? loopback_up(e) : 0;
}

static int take_terminal(struct devnodes_pty *pty, struct err *e)
{
	int i;

	if (ioctl(pty->slave, TIOCSCTTY, 0) < 0)
		return err_set(e, errno, "process.terminal: make it the controlling one");
	for (i = 0; i < 3; i++)
		if (dup2(pty->slave, i) < 0)
			return err_set(e, errno, "process.terminal: descriptor %d", i);
	fd_close(&pty->slave);
	return 0;
}

static int write_oom_score(const struct child_args *a, struct err *e)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", a->spec->oom_score);
	autofd fd = openat(a->proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return err_set(e, errno, "process.oomScoreAdj: %s", text);
	return 0;
}

static int limit(const struct spec *s, struct err *e)
{
	size_t i;

	for (i = 0; i < s->rlimit_count; i++) {
		const struct spec_rlimit *l = &s->rlimits[i];
		struct rlimit rl = { .rlim_cur = l->soft, .rlim_max = l->hard };

		if (setrlimit((unsigned int)l->resource, &rl) < 0)
			return err_set(e, errno, "process.rlimits: resource %d to %llu:%llu", l->resource,
				       (unsigned long long)l->soft, (unsigned long long)l->hard);
	}
	return 0;
}

/* The directory is entered with root's rights where those suffice, otherwise as the user (a file server's root squash).
 */
static int become_user(const struct spec *s, struct err *e)
{
	int r;
	bool inside = chdir(s->cwd) == 0;

	if (!inside && errno != EACCES && errno != EPERM)
		return err_set(e, errno, "process.cwd: `%.200s`", s->cwd);
	r = limit(s, e);
	if (r == 0)
		r = caps_become(s, e);
	if (r < 0)
		return r;
	if (!inside && chdir(s->cwd) < 0)
		return err_set(e, errno, "process.cwd: `%.200s`", s->cwd);
	if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "process.noNewPrivileges");
	return 0;
}

/* HOME as the container's passwd file has it, when the environment has none or an empty one */
static void set_home(const struct spec *s, char *text, size_t cap)
{
	static const char name[] = "HOME=";
	const char *home = userinfo_env(s->envp, "HOME");
	unsigned int i;

	if (home != NULL && home[0] != '\0')
		return;
	memcpy(text, name, sizeof(name));
	userinfo_home_of(s->uid, text + sizeof(name) - 1, cap - sizeof(name) + 1);
	for (i = 0; i < s->envc && strcmp(s->envp[i], name) != 0; i++)
		;
	s->envp[i] = text; /* at the end there is room for one more */
}

/* All up to the program itself. */
static int prepare(const struct child_args *a, struct devnodes_pty *pty, struct err *e)
{
	const struct spec *s = a->spec;
	size_t i;
	int r;

	(void)umask(0);
	(void)setsid();
	/* while it has the agent's memory nobody in the container may look into it */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, errno, "make the process undumpable");
	r = take_stdio(a, e);
	if (r == 0)
		r = enter_namespaces(s, e);
	for (i = 0; i < s->sysctl_count && r == 0; i++)
		r = sysctl_apply(a->proc, &s->sysctls[i], e);
	if (r == 0)
		r = newroot_enter(&a->where, s, pty, e);
	if (r == 0 && s->terminal)
		r = take_terminal(pty, e);
	if (r == 0 && s->has_oom_score)
		r = write_oom_score(a, e);
	return r;
}

static void await_start(int sync)
{
	uint8_t go;

	for (;;) {
		ssize_t n = read(sync, &go, sizeof(go));

		if (n == (ssize_t)sizeof(go))
			return;
		if (n == 0 || errno != EINTR)
			_exit(EXIT_CANNOT_RUN); /* the agent is gone, and so is the machine */
	}
}

static void exec_failed(const char *path, int code, struct err *e)
{
	if (code == ENOENT)
		(void)err_say(e, code, "exec %.200s: no such file or directory (the program or its interpreter)", path);
	else if (code == EACCES)
		(void)err_say(e, code, "exec %.200s: permission denied", path);
	else
		(void)err_set(e, code, "exec %.200s", path);
}

NORETURN void child_run(const struct child_args *a)
{
	static const struct child_report ready = { .kind = CHILD_READY };
	struct devnodes_pty pty = { .master = -1, .slave = -1 };
	char path[PATH_MAX], home[PATH_MAX];
	struct err e = { 0 };
	sigset_t none;
	int r;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	r = prepare(a, &pty, &e);
	if (r == 0) {
		set_home(a->spec, home, sizeof(home));
		r = become_user(a->spec, &e);
	}
	if (r == 0)
		r = userinfo_find(a->spec->argv[0], a->spec->envp, path, &e);
	if (r < 0)
		fail(a->sync, &e);
	r = fds_send(a->sync, &ready, sizeof(ready), &pty.master, pty.master >= 0 ? 1 : 0);
	if (r < 0)
		_exit(EXIT_CANNOT_RUN);
	fd_close(&pty.master);
	await_start(a->sync);
	(void)execve(path, a->spec->argv, a->spec->envp);
	exec_failed(path, errno, &e);
	fail(a->sync, &e);
}

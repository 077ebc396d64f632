// SPDX-License-Identifier: Apache-2.0
#include "guest-init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/child.h"
#include "vmm/base/fdio.h"

struct ends {
	int child[3]; /* to become descriptors 0, 1, 2 */
	int agent[3];
	int sync[2]; /* agent, child */
};

static int open_stdio(const struct spec *s, struct ends *n, struct err *e)
{
	int i, p[2];

	for (i = 0; i < 3 && !s->terminal; i++) {
		if ((s->streams >> i & 1) == 0) {
			n->child[i] = open("/dev/null", (i == PROTO_STDIN ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
			if (n->child[i] < 0)
				return err_set(e, errno, "streams: open /dev/null");
			continue;
		}
		if (pipe2(p, O_CLOEXEC) < 0)
			return err_set(e, errno, "streams: make a pipe");
		n->child[i] = i == PROTO_STDIN ? p[0] : p[1];
		n->agent[i] = i == PROTO_STDIN ? p[1] : p[0];
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, n->sync) < 0)
		return err_set(e, errno, "make a socket pair for the process");
	return fd_set_nonblock(n->sync[0], true) < 0 ? err_set(e, errno, "make a socket non-blocking") : 0;
}

static void clone_child(const struct spec *s, const struct spawn_env *env, struct spawned *out)
{
	struct clone_args c = {
		/* handlers go, what is ignored stays: the agent ignores nothing */
		.flags = (s->namespaces & ~(uint64_t)CLONE_NEWCGROUP) | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&out->pidfd,
		.exit_signal = SIGCHLD,
	};

	if (env->cgroup >= 0) {
		c.flags |= CLONE_INTO_CGROUP;
		c.cgroup = (uint64_t)env->cgroup;
	}
	out->pid = (pid_t)syscall(SYS_clone3, &c, sizeof(c));
}

static int spawn_with(const struct spec *s, const struct spawn_env *env, struct ends *n, struct spawned *out,
		      struct err *e)
{
	int i, r = open_stdio(s, n, e);

	if (r < 0)
		return r;
	clone_child(s, env, out);
	if (out->pid < 0)
		return err_set(e, errno, "linux.namespaces: make the process with 0x%llx",
			       (unsigned long long)s->namespaces);
	if (out->pid == 0) {
		struct child_args a = { .spec = s, .where = env->where, .sync = n->sync[1], .proc = env->proc };

		for (i = 0; i < 3; i++)
			a.stdio[i] = n->child[i];
		child_run(&a);
	}
	out->sync = fd_steal(&n->sync[0]);
	for (i = 0; i < 3; i++)
		out->local[i] = fd_steal(&n->agent[i]);
	return 0;
}

int spawn_container(const struct spec *s, const struct spawn_env *env, struct spawned *out, struct err *e)
{
	struct ends n = { .child = { -1, -1, -1 }, .agent = { -1, -1, -1 }, .sync = { -1, -1 } };
	int i, r;

	*out = (struct spawned){ .pid = -1, .pidfd = -1, .sync = -1, .local = { -1, -1, -1, -1 } };
	static_assert(PROTO_STDIN == 0 && PROTO_STDOUT == 1 && PROTO_STDERR == 2 && PROTO_STREAM_COUNT == 4,
		      "streams are numbered as descriptors");
	r = spawn_with(s, env, &n, out, e);
	for (i = 0; i < 3; i++) {
		fd_close(&n.child[i]);
		fd_close(&n.agent[i]);
	}
	fd_close(&n.sync[0]);
	fd_close(&n.sync[1]);
	return r;
}

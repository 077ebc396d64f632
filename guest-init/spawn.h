// SPDX-License-Identifier: Apache-2.0
/*
 * The start of a container's first process, seen from the agent: pipes, socket, cgroup, clone.
 */
#ifndef KVMBOX_SPAWN_H
#define KVMBOX_SPAWN_H

#include "guest-init/newroot.h"
#include "guest-init/spec.h"

struct spawn_env {
	struct newroot_where where;
	int proc;   /* directory of a proc file system of the agent's pid namespace */
	int cgroup; /* directory of a cgroup2 for the process to be born in, -1: the agent's own */
};

/* All fds are close-on-exec and the caller's; -1 where there is none. */
struct spawned {
	pid_t pid;
	int pidfd;
	int sync;                      /* see child.h; non-blocking */
	int local[PROTO_STREAM_COUNT]; /* the agent's end of each pipe; a pty comes with READY */
};

int spawn_container(const struct spec *s, const struct spawn_env *env, struct spawned *out, struct err *e) MUST_CHECK;

#endif

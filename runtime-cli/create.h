// SPDX-License-Identifier: Apache-2.0
/*
 * What create and run share: options, the road from a bundle to a created container, and its undoing.
 */
#ifndef KVMBOX_CREATE_H
#define KVMBOX_CREATE_H

#include "runtime-cli/cli.h"
#include "runtime-cli/state.h"

struct create_opts {
	const char *bundle; /* default: the working directory */
	const char *id;     /* NULL: named after the bundle's folder, made unique */
	const char *pid_file;
	const char *console_socket;
	bool detach, keep; /* run only */
};

struct container {
	struct state state;
	int rootfd;
	int commit;  /* to the monitor */
	int signals; /* signalfd of what may interrupt us */
	bool terminal;
	bool debug; /* show the VM's log when it fails */
};

#define CONTAINER_INIT                                                                                                 \
	{                                                                                                              \
		.state = STATE_INIT, .rootfd = -1, .commit = -1, .signals = -1                                         \
	}

/* Parse the options of create (or run) and the id or bundle. 0, CLI_HELP, or -errno. */
int create_parse(struct create_opts *o, bool run, int argc, char **argv, struct err *e) MUST_CHECK;

/*
 * Up to "created": VM booted, process prepared, pid-file written; not committed yet (create_commit). On failure, or
 * when a signal interrupts it (-EINTR), nothing is left.
 */
int create_container(const struct cli *cli, const struct create_opts *o, struct container *c, struct err *e) MUST_CHECK;

/* Let the container outlive this process; with start: start its process and wait for the answer. Unlocks the state. */
int create_commit(struct container *c, bool start, struct err *e) MUST_CHECK;

/* After a failure, or instead of a commit: end it and remove what is left; says so when that fails. */
void create_undo(struct container *c);

void container_fini(struct container *c);

/* Kill what lives of it, remove cgroup and state. The lock is held by the caller. */
int container_destroy(struct state *s, int rootfd, struct err *e) MUST_CHECK;

#endif

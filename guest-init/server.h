// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's server: one control connection, stream connections, the container's processes, one loop.
 *
 * It knows descriptors only; what touches the machine is behind server_ops, so that tests run it over socket pairs on
 * any host. The control connection is the host's and is trusted to ask; its frames are bounded and checked all the
 * same. A malformed frame ends the server, a refused request is answered with an error.
 */
#ifndef KVMBOX_SERVER_H
#define KVMBOX_SERVER_H

#include "guest-init/spawn.h"
#include "vmm/base/err.h"

struct server_ops {
	/* The next connection of the host: non-blocking, close-on-exec; -EAGAIN: none; other -errno: one was refused */
	int (*accept)(void *ctx, int listen_fd);
	int (*set_clock)(void *ctx, uint64_t ns); /* -errno, as all below */
	int (*add_entropy)(void *ctx, const void *bytes, size_t len);
	int (*set_hostname)(void *ctx, const char *name, size_t len);
	int (*bind_slot)(void *ctx, uint32_t slot, bool add, struct err *e);
	void (*sync_shares)(void *ctx); /* written pages of shared mappings go to the host */
	bool (*oom_happened)(void *ctx);
};

struct server_config {
	int control;  /* connected, non-blocking */
	int listener; /* of PROTO_PORT_STREAM */
	struct newroot_where where;
	int proc;                /* directory of the agent's proc file system */
	int cgroup;              /* directory of a cgroup2 in which containers get theirs; -1: none */
	const char *cgroup_path; /* its path in the hierarchy, "" for the root */
	const struct server_ops *ops;
	void *ctx;
};

enum server_end {
	SERVER_SHUTDOWN, /* asked to: power off */
	SERVER_LOST,     /* the host closed the control connection */
	SERVER_BROKEN,   /* it sent what is no frame, or the loop failed: see the log */
};

/*
 * Sends HELLO, then serves. Closes nothing of the configuration's; leaves SIGCHLD and SIGPIPE blocked. All processes
 * are dead when it returns.
 */
enum server_end server_run(const struct server_config *cfg);

#endif

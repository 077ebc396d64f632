// SPDX-License-Identifier: Apache-2.0
/*
 * The container's file system, from the shared 9p root to the pivot. Called in the child, in a mount namespace of its
 * own whose mounts are copies of the agent's; afterwards the old root is unreachable.
 *
 * The order is the contract: root, mounts as the config lists them, device nodes, terminal, working directory, masked
 * and read-only paths, read-only root, pivot.
 */
#ifndef KVMBOX_NEWROOT_H
#define KVMBOX_NEWROOT_H

#include "guest-init/devnodes.h"
#include "guest-init/spec.h"

struct newroot_where {
	const char *shares; /* path of the mounted 9p root, in the agent's tree */
	const char *at;     /* a directory there, on which the new root is put together */
};

/* pty is filled when the spec has a terminal. */
int newroot_enter(const struct newroot_where *w, const struct spec *s, struct devnodes_pty *pty,
		  struct err *e) MUST_CHECK;

#endif

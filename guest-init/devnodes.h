// SPDX-License-Identifier: Apache-2.0
/*
 * What a container finds in /dev: the nodes and links that every runtime makes, the nodes its config names, and its
 * terminal. Called in the child, in the container's mount namespace, before the pivot. Errors name the path.
 */
#ifndef KVMBOX_DEVNODES_H
#define KVMBOX_DEVNODES_H

#include "guest-init/spec.h"

/* null zero full random urandom tty, ptmx, fd, stdin, stdout, stderr: those that are missing. */
int devnodes_defaults(int root, struct err *e) MUST_CHECK;

/* One of linux.devices; an existing node of the same kind and number is left as it is. */
int devnodes_add(int root, const struct spec_device *d, struct err *e) MUST_CHECK;

struct devnodes_pty {
	int master; /* non-blocking */
	int slave;
};

/* A pty of the devpts mounted at the container's /dev/pts, its slave owned by uid and bound to /dev/console. */
int devnodes_pty(int root, const struct spec *s, struct devnodes_pty *out, struct err *e) MUST_CHECK;

#endif

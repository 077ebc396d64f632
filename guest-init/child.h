// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a container's first process before its program: everything from clone to execve.
 *
 * It shares nothing with the agent but a sequenced-packet socket, on which it reports READY (with the pty's master,
 * if there is one) or FAILED, waits for one byte, and executes; an execve() that works closes the socket, one that
 * does not is another FAILED. It ends by execve() or _exit(), never returns.
 */
#ifndef KVMBOX_CHILD_H
#define KVMBOX_CHILD_H

#include "guest-init/newroot.h"
#include "guest-init/spec.h"

enum child_kind { CHILD_READY = 1, CHILD_FAILED = 2 };

struct child_report {
	uint32_t kind;
	int32_t code; /* of FAILED: an errno */
	char text[PROTO_TEXT_MAX];
};

struct child_args {
	const struct spec *spec;
	struct newroot_where where;
	int sync;
	int stdio[3]; /* not used with a terminal */
	int proc;     /* directory of a proc file system */
};

NORETURN void child_run(const struct child_args *a);

#endif

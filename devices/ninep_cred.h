// SPDX-License-Identifier: Apache-2.0
/*
 * Whose files are made: the worker's file system uid and gid, switched around a call that creates something.
 *
 * setfsuid() is per thread and drops the file system capabilities from the effective set when it leaves 0; they are put
 * back at once (the permitted set still has them), since the guest's kernel has made the permission checks. umask is 0.
 * A server without CAP_SETUID, CAP_SETGID and CAP_CHOWN does not switch: everything is made by its own user.
 */
#ifndef KVMBOX_NINEP_CRED_H
#define KVMBOX_NINEP_CRED_H

#include "vmm/base/compat.h"

struct ninep_cred {
	bool can_switch;
	bool switched;     /* between enter and leave */
	uint32_t uid, gid; /* the server's */
	struct {
		uint32_t effective, permitted, inheritable;
	} cap[2]; /* the worker's capabilities, as capset() takes them */
};

/* Look at the calling thread's own credentials. 0 or -errno. */
int ninep_cred_init(struct ninep_cred *c) MUST_CHECK;
/* P9_NOID stands for the server's own. 0, or -EINVAL for an id that does not exist in the user namespace. */
int ninep_cred_enter(struct ninep_cred *c, uint32_t uid, uint32_t gid) MUST_CHECK;
void ninep_cred_leave(struct ninep_cred *c);

#endif

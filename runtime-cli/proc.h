// SPDX-License-Identifier: Apache-2.0
/*
 * Host processes named across CLI calls: a pid and its start time, so that a reused pid is never taken for ours.
 */
#ifndef KVMBOX_PROC_H
#define KVMBOX_PROC_H

#include <sys/types.h>

#include "vmm/base/compat.h"

struct proc {
	pid_t pid;      /* 0: none */
	uint64_t start; /* field 22 of /proc/PID/stat, clock ticks since boot */
};

/* Fill start for a live pid. 0, -ESRCH when it is gone. */
int proc_identify(struct proc *p, pid_t pid) MUST_CHECK;

/* Alive and not a zombie, and the same process as at proc_identify(). */
bool proc_alive(const struct proc *p);

/* A pidfd of the process, checked to be the same one after opening. -ESRCH when it is gone. Owned by the caller. */
int proc_open(const struct proc *p) MUST_CHECK;

int proc_signal_fd(int pidfd, int sig) MUST_CHECK; /* pidfd_send_signal: 0 or -errno */
int proc_wait_fd(int pidfd) MUST_CHECK; /* until the process of a pidfd has ended (it may still be a zombie) */

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Children born in their namespaces and in their cgroup (clone3; a later write to cgroup.procs waits for a grace
 * period).
 */
#ifndef KVMBOX_SPAWN_H
#define KVMBOX_SPAWN_H

#include <sys/types.h>

#include "vmm/base/err.h"

/*
 * Fork with CLONE_NEWx flags into the cgroup of cgroup_fd (-1: stay). The child runs fn(arg) and ends with its result
 * as exit status; it must not return to the caller's code. Returns the pid or -errno.
 */
pid_t spawn(uint64_t flags, int cgroup_fd, int (*fn)(void *arg), void *arg) MUST_CHECK;

/* Close every fd from 3 up but those in keep (any order, -1 ignored, at most 160). 0 or -errno. */
int spawn_close_others(const int *keep, size_t n) MUST_CHECK;

/* In a new mount namespace: make it private and pivot into a new, empty, read-only file system. `over` is any folder.
 */
int spawn_empty_root(const char *over) MUST_CHECK;

#endif

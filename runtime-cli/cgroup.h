// SPDX-License-Identifier: Apache-2.0
/*
 * The container's host cgroup (version 2): made before anything of it runs, emptied by cgroup.kill, removed at delete.
 */
#ifndef KVMBOX_CGROUP_H
#define KVMBOX_CGROUP_H

#include "vmm/base/err.h"

/*
 * Turn config.json's cgroupsPath (NULL or "": none given) into a path below the cgroup2 mount that begins with '/'.
 * Refuses `..`, and the systemd form slice:prefix:name, with the way out.
 */
int cgroup_path(char *out, size_t cap, const char *cgroups_path, const char *id, struct err *e) MUST_CHECK;

/* Make it, with its parents. An fd for clone3(CLONE_INTO_CGROUP), or -errno; -EEXIST when it has processes. */
int cgroup_make(const char *path, struct err *e) MUST_CHECK;

/* SIGKILL all that is in it and wait until it is empty. 0 also when it does not exist. */
int cgroup_kill(const char *path, struct err *e) MUST_CHECK;

/* Wait until nothing lives in it. 0 also when it does not exist. */
int cgroup_wait_empty(const char *path, struct err *e) MUST_CHECK;

/* Remove it, its own children first, and the default parent when that is empty. 0 also when it does not exist. */
int cgroup_remove(const char *path, struct err *e) MUST_CHECK;

#endif

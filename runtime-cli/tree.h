// SPDX-License-Identifier: Apache-2.0
/*
 * The container's files on the host: detached mount trees for kvmbox-vmm to serve, and the tree the monitor lives in.
 *
 * Trust: the rootfs is the bundle's, its symlinks point anywhere. Every path below it is resolved by openat2 with
 * RESOLVE_IN_ROOT, so nothing outside it is made, opened or mounted on.
 */
#ifndef KVMBOX_TREE_H
#define KVMBOX_TREE_H

#include "vmm/base/err.h"

/*
 * A private clone of the mount tree at path (open_tree), detached, owned by the caller as an O_PATH fd: it does not
 * contain what is mounted on path later. Without devices and set-ID programs, and read-only where ro, all of it.
 */
int tree_clone(const char *path, bool recursive, bool ro, struct err *e) MUST_CHECK;

/*
 * Turn the clone of a single regular file into that file opened for reading and writing, or for reading where that is
 * all there is: an O_PATH fd could not be opened again by a process without procfs. Closes *fd, replaces it.
 */
int tree_open_file(int *fd, bool ro, const char *path, struct err *e) MUST_CHECK;

/*
 * Make the mount point dest below root (a folder, or an empty file) with missing parents; existing ones stay as they
 * are. Returns 0 also when it exists with the right kind; names dest otherwise.
 */
int tree_make_point(int root, const char *dest, bool file, struct err *e) MUST_CHECK;

/*
 * In a new mount namespace: make the detached tree `root` its root. `over` is any folder outside. Afterwards the
 * working directory is "/".
 */
int tree_enter(int root, const char *over) MUST_CHECK;

/* Attach the detached tree fd at dest below the current root; a proc of this pid namespace at dest. 0 or -errno. */
int tree_attach(int fd, const char *dest) MUST_CHECK;
int tree_mount_proc(const char *dest) MUST_CHECK;

#endif

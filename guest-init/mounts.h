// SPDX-License-Identifier: Apache-2.0
/*
 * One mount of the container: an entry of the 9p root bound to its destination, or a file system of the guest's own.
 *
 * Called in the child, in the container's mount namespace, with the new root not yet pivoted to. Destinations are
 * resolved inside that root (inroot.h) and made when missing. An error names the destination and the cause.
 */
#ifndef KVMBOX_MOUNTS_H
#define KVMBOX_MOUNTS_H

#include <sys/mount.h>

#include "guest-init/spec.h"

/* shares is the mounted 9p root; its entry n is named by the number. Changes the working directory. */
int mounts_apply(int root, int shares, const struct spec_mount *m, struct err *e) MUST_CHECK;

/* MS_ flags to set and to clear, as mount_setattr() wants them; flags of a superblock mean nothing to a bind. */
struct mount_attr mounts_attr(uint64_t flags, uint64_t clear);

/* A detached copy of the one mount behind fd, or of entry n of shares. Close-on-exec. -errno */
int mounts_clone(int fd) MUST_CHECK;
int mounts_clone_entry(int shares, uint32_t entry) MUST_CHECK;

/* Attach a detached mount on top of what fd `at` is. -errno */
int mounts_attach(int tree, int at) MUST_CHECK;

/* Set attributes of the mount whose root fd is; flags: 0 or AT_RECURSIVE. -errno */
int mounts_setattr(int fd, struct mount_attr attr, unsigned int flags) MUST_CHECK;

#endif

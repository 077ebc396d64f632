// SPDX-License-Identifier: Apache-2.0
/*
 * Extended attributes: fids that stand for one attribute's value (or for the list of names) while it is read or
 * written.
 *
 * Served are user.*, trusted.* (which the host's kernel allows to CAP_SYS_ADMIN only), security.capability and the two
 * POSIX ACLs. Other names, those of the host's security modules and of overlayfs above all, do not exist for the guest:
 * EOPNOTSUPP, and not listed.
 *
 * An fd that is open for I/O is used where there is one. O_PATH fds have no xattr calls: the worker goes to the
 * directory by fchdir() and names one component by the l*xattr() calls, which follow no symlink; its working directory
 * is its own.
 *
 * A value is fetched whole by Txattrwalk; a written one is kept until Tclunk stores it. Removal is on the wire an empty
 * value with XATTR_REPLACE, as Linux sends it.
 * Threads: the worker.
 */
#ifndef KVMBOX_NINEP_XATTR_H
#define KVMBOX_NINEP_XATTR_H

#include "devices/ninep_fid.h"
#include "devices/ninep_msg.h"

#define NINEP_XATTR_SIZE 65536 /* XATTR_SIZE_MAX and XATTR_LIST_MAX */

struct ninep_xattr {
	struct ninep_xattr *next; /* free list */
	bool writing;
	int flags;
	uint32_t size; /* of the value: as read, or as announced */
	uint32_t have; /* written so far */
	char name[NINEP_NAME_MAX + 1];
	uint8_t *value; /* NINEP_XATTR_SIZE bytes of the pool */
};

struct ninep_xattrs {
	uint32_t used; /* ever taken */
	uint32_t live;
	struct ninep_xattr *free;
	struct ninep_xattr slot[NINEP_XATTRS_MAX];
	_Alignas(4096) uint8_t pool[NINEP_XATTRS_MAX][NINEP_XATTR_SIZE];
};

/* Fetch a value, or the list when name is "", for a new fid. 0 or -errno (-ENFILE: all slots are taken). */
int ninep_xattr_read(struct ninep *np, const struct ninep_fid *f, const char *name,
		     struct ninep_xattr **out) MUST_CHECK;
/* Announce a value of size bytes. */
int ninep_xattr_write(struct ninep *np, const char *name, uint64_t size, uint32_t flags,
		      struct ninep_xattr **out) MUST_CHECK;
/* Store what was written. 0, -EIO when bytes are missing, -errno. */
int ninep_xattr_store(struct ninep *np, const struct ninep_fid *f) MUST_CHECK;
void ninep_xattr_free(struct ninep *np, struct ninep_xattr *x); /* NULL ok */

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Byte-range locks against everybody outside this guest: host processes and other VMs.
 *
 * Linux' client takes a lock in the guest first, so guest processes are arbitrated there, by owner, with POSIX rules.
 * What is left to the server is one holder, the guest. So each locked file has one open file description of its own, on
 * which open-file-description locks (F_OFD_SETLK) are held for the guest as a whole, and a table of who in the guest
 * holds what (owner: proc_id), so that an unlock gives up only what nobody else in the guest needs. A lock per fid
 * would be wrong twice: a process may lock by one descriptor and unlock by another (sqlite does), and the close of an
 * inherited descriptor in a child would drop its parent's lock.
 *
 * flock() arrives as a lock too, of the whole file. One that the fid's access mode does not allow as a byte-range lock
 * (LOCK_EX on a file opened for reading) can only be flock(), and becomes flock() on the host.
 * Never blocks: P9_LOCK_BLOCKED, and the client asks again. Threads: the worker.
 */
#ifndef KVMBOX_NINEP_LOCK_H
#define KVMBOX_NINEP_LOCK_H

#include "devices/ninep_fid.h"
#include "devices/ninep_msg.h"

struct ninep_range {
	uint16_t next; /* of the same file, or in the free list: index + 1, 0: end */
	uint8_t type;  /* P9_LOCK_RD or P9_LOCK_WR */
	uint32_t owner;
	uint32_t fid;       /* through which it was taken */
	int64_t start, end; /* inclusive */
};

struct ninep_locked {
	bool used;
	uint16_t ranges; /* first; index + 1 */
	int fd;
	uint64_t dev, ino;
};

/* All zero is an empty table. */
struct ninep_locks {
	uint16_t files; /* in use */
	uint16_t high;  /* one above the highest in use */
	uint16_t live;  /* ranges in use */
	uint16_t used;  /* ever taken */
	uint16_t free;
	struct ninep_locked file[NINEP_LOCKED_MAX];
	struct ninep_range range[NINEP_LOCKS_MAX];
};

struct ninep_lock_req {
	uint8_t type;
	uint32_t owner;
	int64_t start, end;
};

/* Returns P9_LOCK_SUCCESS, P9_LOCK_BLOCKED, P9_LOCK_ERROR (no room in the tables), -errno. f is open. */
int ninep_lock_set(struct ninep *np, struct ninep_fid *f, const struct ninep_lock_req *q) MUST_CHECK;
/* Would q succeed? 0: yes, q->type is P9_LOCK_UN; else it is what stands in the way. -errno. */
int ninep_lock_test(struct ninep *np, const struct ninep_fid *f, struct ninep_lock_req *q) MUST_CHECK;
/* Drop what was taken through f. */
void ninep_lock_drop(struct ninep *np, struct ninep_fid *f);

#endif

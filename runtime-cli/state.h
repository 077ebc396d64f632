// SPDX-License-Identifier: Apache-2.0
/*
 * State of containers: one folder per id below the root, on a tmpfs, mode 0700.
 *
 *     state.json   what create knew; replaced by rename
 *     status       one letter and a text, written in place by the monitor: c created, r running, x ended
 *     ctl.sock     the monitor listens here for start, kill, logs
 *     vsock.sock   kvmbox-vmm listens here for connections to the guest
 *     vmm.log      what kvmbox-vmm logged, the guest kernel's last lines included
 *
 * Making the folder reserves the id, so whatever lives has an entry that `list` shows. "stopped" is never stored: it is
 * computed from the monitor's pid and start time, so no crash can leave a lie. The folder's own fd carries the lock
 * (flock): commands that change a container hold it.
 */
#ifndef KVMBOX_STATE_H
#define KVMBOX_STATE_H

#include <limits.h>

#include "runtime-cli/proc.h"
#include "vmm/base/err.h"
#include "vmm/base/timetext.h"

#define STATE_VERSION 1
#define STATE_ID_MAX  255

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_STOPPED, STATUS_COUNT };

struct state {
	int dir; /* the container's folder, O_PATH-less directory fd holding the lock; -1: not open */
	char id[STATE_ID_MAX + 1];
	char bundle[PATH_MAX];
	char rootfs[PATH_MAX];
	char cgroup[PATH_MAX];      /* below the cgroup2 mount, begins with '/'; "": none yet */
	char created[TIMETEXT_MAX]; /* RFC 3339 with nanoseconds */
	char oci_version[32];
	char *annotations; /* JSON object text, or NULL; owned */
	uid_t owner;
	struct proc creator; /* the CLI process that creates */
	struct proc monitor; /* pid 0 until started */
	struct proc vmm;
};

#define STATE_INIT                                                                                                     \
	{                                                                                                              \
		.dir = -1                                                                                              \
	}

/* 0, or an error that names the rule an id must follow */
int state_check_id(const char *id, struct err *e) MUST_CHECK;

/* The root folder, made when missing: --root, or /run/kvmbox, or $XDG_RUNTIME_DIR/kvmbox. An fd, or -errno. */
int state_open_root(const char *root, struct err *e) MUST_CHECK;

/* Reserve the id and lock it. -EEXIST when it is taken. s gets its id and dir; the rest is for the caller to fill. */
int state_reserve(struct state *s, int rootfd, const char *id, struct err *e) MUST_CHECK;

/* Open and read a container; -ENOENT with "container `id` does not exist". Not locked. */
int state_load(struct state *s, int rootfd, const char *id, struct err *e) MUST_CHECK;

/* Wait for the lock, then read again what another command may have changed. -ENOENT when it was deleted meanwhile. */
int state_lock(struct state *s, int rootfd, struct err *e) MUST_CHECK;
/* The same without waiting: -EWOULDBLOCK when another command holds it. */
int state_trylock(struct state *s) MUST_CHECK;

/* Let other commands at it; the folder stays open. */
void state_unlock(const struct state *s);

int state_save(const struct state *s, struct err *e) MUST_CHECK;

enum status state_status(const struct state *s);
const char *status_name(enum status st);

/* The text the monitor left when it ended ("" when none): why a container died other than by its own process. */
void state_reason(const struct state *s, char *buf, size_t cap);

/* Copy what kvmbox-vmm logged to fd; nothing when there is no log. 0 or -errno of the reading. */
int state_copy_log(const struct state *s, int fd) MUST_CHECK;

/* Remove the folder; the last step of delete. */
int state_remove(struct state *s, int rootfd, struct err *e) MUST_CHECK;

void state_fini(struct state *s);

/* Call fn for each container, in no order; it may not keep s. Stops when fn returns non-zero, which is returned. */
int state_each(int rootfd, int (*fn)(const struct state *s, void *arg), void *arg, struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The one place that decides who does what: turns a container's spec into what the VM is given (memory, processors,
 * folders and files behind its 9p device) and what the agent is told (the body of PROTO_CREATE).
 *
 * Pure: the only question it asks of the host is what kind of file a source is, through opts->look. Between that and
 * the opening of a source things may change, so who opens one checks again (plan_fs_refused()).
 * Ownership: all of a plan belongs to its arena; it does not refer to the spec. plan_free() ends it.
 */
#ifndef KVMBOX_PLAN_H
#define KVMBOX_PLAN_H

#include "runtime-cli/oci.h"

#define PLAN_MEMORY_MIN     ((uint64_t)64 << 20)
#define PLAN_MEMORY_DEFAULT ((uint64_t)2 << 30) /* at most half the host's */

/* What look() finds out about a path, symbolic links followed */
struct plan_source {
	uint32_t mode;    /* st_mode */
	uint32_t fs_type; /* statfs f_type */
	bool fs_root;     /* it is the root of its file system, as far as that shows in its inode number */
};

struct plan_opts {
	const char *bundle; /* absolute path */
	uint64_t host_memory;
	uint32_t streams; /* mask of 1 << enum proto_stream that will be attached; with a terminal PROTO_TTY alone */
	uint16_t rows, columns; /* of the terminal now; 0: what the spec says */
	int (*look)(void *arg, const char *path, struct plan_source *out); /* 0 or -errno */
	void *look_arg;
};

/* Behind the 9p device; number 0 is the root file system. */
struct plan_entry {
	const char *source; /* absolute path on the host */
	bool recursive;     /* with the mounts below it */
	bool readonly;
	bool is_file; /* anything but a folder */
};

/* Must exist below the root file system before the VM starts; parents, too. */
struct plan_point {
	const char *path; /* no leading slash, no `.` or `..` */
	bool is_file;
};

/* The same bind in the monitor's own mount tree, in this order, so that engines find volumes at /proc/PID/root */
struct plan_bind {
	uint32_t entry;
	const char *path; /* as in struct plan_point; may lie below an earlier bind and then not exist: skip it */
};

struct vm_plan {
	uint64_t memory; /* bytes, whole MiB */
	uint32_t vcpus;
	bool cold;
	struct plan_entry *entries;
	size_t n_entries;
	struct plan_point *points;
	size_t n_points;
	struct plan_bind *binds;
	size_t n_binds;
	uint8_t *create; /* TLVs, without the frame's header */
	size_t create_len;
	struct arena arena;
};

/* On failure *p needs no plan_free(). */
int plan_make(const struct oci_spec *s, const struct plan_opts *opts, struct vm_plan *p, struct err *e) MUST_CHECK;
void plan_free(struct vm_plan *p);

/* opts->look on the real host; arg unused */
int plan_look(void *arg, const char *path, struct plan_source *out);

/*
 * The name of a file system that must not be served to a guest, since its files are the host kernel's own knobs
 * (proc, sysfs, cgroup, debugfs and the like), or NULL for any other. fs_type is statfs f_type.
 */
const char *plan_fs_refused(uint32_t fs_type);

#endif

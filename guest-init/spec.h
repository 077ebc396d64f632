// SPDX-License-Identifier: Apache-2.0
/*
 * A CREATE request as plain data: the container and its first process.
 *
 * spec_decode() copies everything out of the frame into one allocation, whose size is counted from the frame before
 * anything is taken, so it is bounded by PROTO_MAX_TO_GUEST. Every string is terminated and holds no NUL inside; paths
 * that must be absolute are; flags and numbers are those this agent knows. What it does not support is refused by
 * name. Nothing here touches the system. Not thread-safe, no global state.
 */
#ifndef KVMBOX_SPEC_H
#define KVMBOX_SPEC_H

#include <sys/types.h>

#include "guest-init/proto/proto.h"
#include "vmm/base/err.h"

struct spec_mount {
	uint32_t entry;                     /* of the 9p root, or PROTO_NO_ENTRY */
	uint32_t bits;                      /* PROTO_MOUNT_x */
	uint64_t flags, clear, propagation; /* MS_x */
	const char *destination, *type, *data;
};

struct spec_device {
	mode_t mode;
	dev_t rdev;
	uid_t uid;
	gid_t gid;
	const char *path;
};

struct spec_sysctl {
	const char *key, *value;
};

struct spec_rlimit {
	int resource;
	uint64_t soft, hard;
};

enum spec_capset { SPEC_BOUNDING, SPEC_EFFECTIVE, SPEC_INHERITABLE, SPEC_PERMITTED, SPEC_AMBIENT, SPEC_CAPSETS };

#define SPEC_NO_UMASK UINT32_MAX

struct spec {
	uint32_t proc;

	/* the process */
	char **argv; /* at least one, ended by NULL */
	char **envp; /* ended by NULL, with room for one more */
	unsigned int envc;
	const char *cwd; /* absolute */
	uid_t uid;
	gid_t gid;
	uint32_t umask; /* or SPEC_NO_UMASK */
	gid_t *groups;
	size_t group_count;
	uint64_t caps[SPEC_CAPSETS];
	struct spec_rlimit *rlimits;
	size_t rlimit_count;
	bool no_new_privs;
	bool has_oom_score;
	int32_t oom_score;
	bool terminal;
	uint16_t rows, columns;
	uint32_t streams; /* 1 << enum proto_stream */

	/* the container */
	uint32_t root_entry;
	bool root_readonly;
	uint64_t namespaces;               /* CLONE_NEWx */
	const char *hostname, *domainname; /* NULL: leave */
	uint64_t propagation;
	struct spec_mount *mounts;
	size_t mount_count;
	const char **masked;
	size_t masked_count;
	const char **readonly;
	size_t readonly_count;
	struct spec_sysctl *sysctls;
	size_t sysctl_count;
	struct spec_device *devices;
	size_t device_count;
};

/* On success *out is the caller's, for spec_free(). The text of an error names the field. */
int spec_decode(struct spec **out, struct rd body, struct err *e) MUST_CHECK;
void spec_free(struct spec *s);

#endif

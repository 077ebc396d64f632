// SPDX-License-Identifier: Apache-2.0
/*
 * config.json of the OCI runtime spec (1.x) as plain data.
 *
 * Policy: each field that the spec knows is either handled, or makes oci_load() fail with the field's full name and a
 * way out; nothing is dropped in silence. A field that is there but empty (null, false, 0, "", [], {}) is absent. What
 * the spec does not know is ignored, as Go does, except annotations that begin with `io.kvmbox.`.
 *
 * Ownership: strings belong to the parsed text, arrays to the arena; oci_free() ends both. All numbers are in range and
 * all strings without NUL; names of files are not looked at here, plan.c does that.
 */
#ifndef KVMBOX_OCI_H
#define KVMBOX_OCI_H

#include "runtime-cli/json.h"

enum oci_caps_set { OCI_BOUNDING, OCI_EFFECTIVE, OCI_INHERITABLE, OCI_PERMITTED, OCI_AMBIENT, OCI_CAPS_COUNT };

struct oci_rlimit {
	uint32_t resource; /* RLIMIT_x */
	uint64_t soft, hard;
};

struct oci_user {
	uint32_t uid, gid;
	uint32_t umask; /* UINT32_MAX: not given */
	uint32_t *groups;
	size_t n_groups;
};

struct oci_process {
	bool terminal;
	uint16_t rows, columns; /* 0: unknown */
	struct oci_user user;
	struct strv args, env;
	const char *cwd;
	uint64_t caps[OCI_CAPS_COUNT]; /* bit n: capability n; none given: none */
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
};

struct oci_mount {
	const char *destination; /* absolute, without `.`, `..` and doubled slashes; never "/" */
	const char *type;        /* "" for a bind */
	const char *source;      /* as written; "" when absent */
	bool bind, recursive;
	uint64_t flags, clear; /* MS_x to set and to clear, without MS_BIND and MS_REC */
	uint64_t propagation;  /* 0, or MS_PRIVATE and so on, perhaps with MS_REC */
	const char *data;      /* options for the file system, joined by commas */
};

struct oci_device {
	const char *path;
	uint32_t mode; /* type and permissions */
	uint32_t major, minor;
	uint32_t uid, gid;
};

struct oci_spec {
	const char *version;
	struct oci_process process;
	const char *root_path; /* as written */
	bool root_readonly;
	const char *hostname, *domainname; /* NULL: not given */
	struct oci_mount *mounts;
	size_t n_mounts;
	struct kvs annotations;

	uint64_t memory; /* io.kvmbox.memory in bytes, 0: not given */
	uint32_t vcpus;  /* io.kvmbox.vcpus, 0: not given */
	bool cold;       /* io.kvmbox.cold */

	uint64_t namespaces;      /* CLONE_NEWx that are asked for */
	const char *netns_path;   /* join this network namespace; NULL: a new one */
	const char *cgroups_path; /* as written, or NULL */
	uint64_t propagation;     /* MS_x of rootfsPropagation; 0: not given */
	struct oci_device *devices;
	size_t n_devices;
	struct strv masked_paths, readonly_paths;
	struct kvs sysctl;

	struct arena arena;
	struct json_object *json;
};

/* Read config.json in the bundle's folder. On failure *s needs no oci_free(). */
int oci_load(int bundle_dirfd, struct oci_spec *s, struct err *e) MUST_CHECK;
/* The same from text in memory */
int oci_parse(const char *text, size_t len, struct oci_spec *s, struct err *e) MUST_CHECK;
void oci_free(struct oci_spec *s);

/* The annotations as the text of a JSON object ("{}" when there are none); valid until oci_free(). */
const char *oci_annotations_text(const struct oci_spec *s);

/* Newest spec whose fields this knows, and the oldest accepted */
#define OCI_VERSION_LEN 32 /* bytes of an accepted version, the final NUL included */
#define OCI_VCPUS_MAX   32
#define OCI_VERSION_MAX "1.2.1"
#define OCI_VERSION_MIN "1.0.0"

#endif

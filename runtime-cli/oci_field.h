// SPDX-License-Identifier: Apache-2.0
/*
 * Tables of the fields of config.json, one per object of the spec, and the walk that applies one.
 *
 * A table names every field the spec has at that level; each entry says where its value goes, or that this version does
 * not have it and what to do instead. Fields are read in the table's order, whatever order the text has.
 */
#ifndef KVMBOX_OCI_FIELD_H
#define KVMBOX_OCI_FIELD_H

#include "runtime-cli/oci.h"

struct oci_ctx {
	struct oci_spec *spec;
	struct err *e;
	bool noted_propagation;
};

enum oci_kind {
	OCI_STR,     /* const char * at offset */
	OCI_BOOL,    /* bool at offset */
	OCI_U32,     /* uint32_t at offset */
	OCI_STRV,    /* struct strv at offset */
	OCI_KVS,     /* struct kvs at offset */
	OCI_OBJECT,  /* sub, on the same base */
	OCI_CALL,    /* call() */
	OCI_EACH,    /* an array: call() for each element */
	OCI_IGNORED, /* has no meaning on Linux, or none in a VM: the table's comment says why */
	OCI_LATER,   /* an error unless empty */
	OCI_LIMIT,   /* a number: an error unless 0 or negative, which means unlimited */
	OCI_SETTING, /* an error whenever it is there: its 0 has a meaning */
};

struct oci_field {
	const char *name;
	enum oci_kind kind;
	size_t offset;
	const struct oci_table *sub;
	int (*call)(struct oci_ctx *ctx, const struct jv *v, void *base);
	const char *way_out; /* after "remove it"; NULL: nothing more to say */
};

struct oci_table {
	const struct oci_field *fields;
	size_t n;
};

#define OCI_TABLE(array)                                                                                               \
	{                                                                                                              \
		.fields = (array), .n = ARRAY_SIZE(array)                                                              \
	}

/* obj must be an object: checked here. base: what the offsets count from. */
int oci_walk(struct oci_ctx *ctx, const struct jv *obj, const struct oci_table *t, void *base) MUST_CHECK;

/* The uniform refusal: "path: not supported by this version of kvmbox; remove it[, way_out]" */
int oci_later(const struct jv *v, const char *way_out, struct err *e);

/* Warn once that shared and slave hold inside the VM only: nothing that the host mounts later can appear there. */
void oci_note_propagation(struct oci_ctx *ctx, const struct jv *v, uint64_t propagation);

/* An absolute, normalised copy of path: no `.`, doubled or trailing slash; `..` stops at the root. NULL: no memory. */
char *oci_clean_path(struct arena *a, const char *path) MUST_CHECK;

/* 0, or an error at v unless path is absolute and short enough for the guest's kernel */
int oci_check_path(const struct jv *v, const char *path, struct err *e) MUST_CHECK;

/* The tables and readers of the parts, each in its own file */
extern const struct oci_table oci_process_table; /* base: struct oci_spec */
extern const struct oci_table oci_linux_table;   /* base: struct oci_spec */
int oci_check_process(struct oci_ctx *ctx, const struct jv *process) MUST_CHECK;
int oci_check_namespaces(struct oci_ctx *ctx) MUST_CHECK;
int oci_read_mount(struct oci_ctx *ctx, const struct jv *v, void *base);
int oci_read_annotations(struct oci_ctx *ctx, const struct jv *v, void *base);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * JSON as the runtime spec's users write it, on json-c: files are read whole, strictly, and values are fetched by type.
 *
 * Trust: a bundle's author writes the text. json-c's strict mode still takes single quotes, raw control characters, NaN
 * and integers that do not fit (silently saturated), and cuts a field name at a NUL; json_scan() refuses all of these
 * first, and bounds size, depth and the number of values. Texts of errors escape what they quote.
 * As in Go: an unknown field is ignored, the last of two equal names wins, null means absent.
 * Threads: none shared.
 */
#ifndef KVMBOX_JSON_H
#define KVMBOX_JSON_H

#include <json-c/json.h>

#include "runtime-cli/arena.h"
#include "vmm/base/err.h"

#define JSON_FILE_MAX   ((size_t)16 << 20)
#define JSON_DEPTH_MAX  32
#define JSON_VALUES_MAX ((size_t)256 << 10)
#define JSON_QUOTE_MAX  120

/* Parse len bytes that hold one object. *out is the caller's, freed by json_object_put(). 0 or -errno with *e set. */
int json_parse(const char *text, size_t len, struct json_object **out, struct err *e) MUST_CHECK;

/* The same for the regular file name under dirfd. A missing file gives -ENOENT without those words in the text. */
int json_load_at(int dirfd, const char *name, struct json_object **out, struct err *e) MUST_CHECK;

/* One line {"level":..,"msg":..,"time":..} and a newline, from malloc(); NULL when memory is short. */
char *json_log_line(const char *level, const char *msg, const char *time) MUST_CHECK;

/* A value and where it stands, for messages like `process.user.uid: expected a number, found a string`. */
struct jv {
	struct json_object *o;
	const struct jv *up; /* must outlive this; NULL: the root */
	const char *key;     /* in an object; NULL: an element, at index, of an array */
	size_t index;
};

static inline struct jv jv_root(struct json_object *o)
{
	return (struct jv){ .o = o };
}

/* Set *e to "path: text"; returns -EINVAL. */
int jv_fail(const struct jv *v, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Set *e to "path.key: missing; what to do"; returns -EINVAL. */
int jv_missing(const struct jv *obj, const char *key, const char *what, struct err *e);
/* The path of v, escaped and cut to cap */
const char *jv_path(const struct jv *v, char *buf, size_t cap);
/* Untrusted text made fit for a message */
const char *json_quote(char buf[static JSON_QUOTE_MAX], const char *s);

/* true when v is null, false, 0, "", or an array or object in which everything is empty: what Go omits by omitempty */
bool jv_empty(const struct jv *v);

/* Members. 1: found, 0: absent or null (*out untouched), -EINVAL: another type or out of range, *e says so. */
int jv_get(const struct jv *obj, const char *key, struct jv *out); /* any type; never negative */
int jv_get_object(const struct jv *obj, const char *key, struct jv *out, struct err *e) MUST_CHECK;
int jv_get_array(const struct jv *obj, const char *key, struct jv *out, size_t *n, struct err *e) MUST_CHECK;
int jv_get_str(const struct jv *obj, const char *key, const char **out, struct err *e) MUST_CHECK;
int jv_get_bool(const struct jv *obj, const char *key, bool *out, struct err *e) MUST_CHECK;
int jv_get_u64(const struct jv *obj, const char *key, uint64_t max, uint64_t *out, struct err *e) MUST_CHECK;
int jv_get_u32(const struct jv *obj, const char *key, uint32_t max, uint32_t *out, struct err *e) MUST_CHECK;
int jv_get_i64(const struct jv *obj, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_CHECK;

/* Values. 0 or -EINVAL; null counts as another type. */
int jv_object(const struct jv *v, struct err *e) MUST_CHECK;
int jv_array(const struct jv *v, size_t *n, struct err *e) MUST_CHECK;
int jv_str(const struct jv *v, const char **out, struct err *e) MUST_CHECK;
int jv_bool(const struct jv *v, bool *out, struct err *e) MUST_CHECK;
int jv_u64(const struct jv *v, uint64_t max, uint64_t *out, struct err *e) MUST_CHECK;
int jv_i64(const struct jv *v, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_CHECK;

/* Element i < n of an array */
struct jv jv_at(const struct jv *array, size_t i);

/* An array of strings; the strings stay the JSON object's, the array is the arena's. 0 or -errno. */
struct strv {
	const char **v;
	size_t n;
};
int jv_strv(const struct jv *v, struct arena *a, struct strv *out, struct err *e) MUST_CHECK;

/* An object of strings, in the text's order; names and values stay the JSON object's. */
struct kv {
	const char *key, *value;
};
struct kvs {
	struct kv *v;
	size_t n;
};
int jv_kvs(const struct jv *v, struct arena *a, struct kvs *out, struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime-cli/json_scan.h"
#include "vmm/base/fdio.h"
#include "vmm/base/log.h"
#include "vmm/base/strbuf.h"

int json_parse(const char *text, size_t len, struct json_object **out, struct err *e)
{
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error why;
	int r = 0;

	*out = NULL;
	r = json_scan(text, len, e);
	if (r < 0)
		return r;
	tok = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (tok == NULL)
		return err_set(e, ENOMEM, "reading JSON");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, text, (int)len);
	why = json_tokener_get_error(tok);
	if (why == json_tokener_continue)
		r = json_scan_fail(text, len, len, e, "the text ends too early");
	else if (why != json_tokener_success)
		r = json_scan_fail(text, len, json_tokener_get_parse_end(tok), e, "%s", json_tokener_error_desc(why));
	else if (!json_object_is_type(o, json_type_object))
		r = err_say(e, EINVAL, "expected an object");
	json_tokener_free(tok);
	if (r < 0)
		json_object_put(o);
	else
		*out = o;
	return r;
}

static int load_fd(int fd, const char *name, char **text, size_t *len, struct err *e)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "read `%s`", name);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "`%s` is not a regular file", name);
	if ((uint64_t)st.st_size > JSON_FILE_MAX)
		return err_say(e, EFBIG, "`%s` is larger than %zu MiB", name, JSON_FILE_MAX >> 20);
	*text = malloc((size_t)st.st_size + 1);
	if (*text == NULL)
		return err_set(e, ENOMEM, "read `%s`", name);
	n = read_full(fd, *text, (size_t)st.st_size);
	if (n < 0)
		return err_set(e, (int)-n, "read `%s`", name);
	*len = (size_t)n;
	return 0;
}

int json_load_at(int dirfd, const char *name, struct json_object **out, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	int r;
	/* O_NONBLOCK: a FIFO in the file's place must not hang us */
	autofd fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*out = NULL;
	if (fd < 0 && errno == ENOENT)
		return err_say(e, ENOENT, "`%s` is missing", name);
	if (fd < 0)
		return err_set(e, errno, "open `%s`", name);
	r = load_fd(fd, name, &text, &len, e);
	if (r == 0) {
		r = json_parse(text, len, out, e);
		if (r < 0)
			r = err_wrap(e, "%s", name);
	}
	free(text);
	return r;
}

char *json_log_line(const char *level, const char *msg, const char *time)
{
	struct json_object *o = json_object_new_object();
	const char *s = NULL;
	char *line = NULL;

	if (o != NULL && json_object_object_add(o, "level", json_object_new_string(level)) == 0 &&
	    json_object_object_add(o, "msg", json_object_new_string(msg)) == 0 &&
	    json_object_object_add(o, "time", json_object_new_string(time)) == 0)
		s = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (s != NULL && asprintf(&line, "%s\n", s) < 0)
		line = NULL;
	json_object_put(o);
	return line;
}

const char *json_quote(char buf[static JSON_QUOTE_MAX], const char *s)
{
	return log_escape(buf, JSON_QUOTE_MAX, s, strlen(s));
}

const char *jv_path(const struct jv *v, char *buf, size_t cap)
{
	const struct jv *chain[JSON_DEPTH_MAX + 2];
	struct strbuf b = strbuf_init(buf, cap);
	char q[JSON_QUOTE_MAX];
	size_t n = 0;

	for (; v != NULL && v->up != NULL && n < ARRAY_SIZE(chain); v = v->up)
		chain[n++] = v;
	while (n-- > 0) {
		if (chain[n]->key == NULL)
			strbuf_add(&b, "[%zu]", chain[n]->index);
		else
			strbuf_add(&b, "%s%s", b.len > 0 ? "." : "", json_quote(q, chain[n]->key));
	}
	return buf;
}

int jv_fail(const struct jv *v, struct err *e, const char *fmt, ...)
{
	char path[2 * JSON_QUOTE_MAX], text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)jv_path(v, path, sizeof(path));
	return err_say(e, EINVAL, "%s%s%s", path, path[0] != '\0' ? ": " : "", text);
}

int jv_missing(const struct jv *obj, const char *key, const char *what, struct err *e)
{
	struct jv v = { .up = obj, .key = key };

	return jv_fail(&v, e, "missing; %s", what);
}

static const char *type_name(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_null: return "null";
	case json_type_boolean: return "a boolean";
	case json_type_double: return "a number with a fraction or an exponent";
	case json_type_int: return "a number";
	case json_type_object: return "an object";
	case json_type_array: return "an array";
	case json_type_string: return "a string";
	}
	return "something else";
}

static int expect(const struct jv *v, enum json_type type, const char *name, struct err *e)
{
	if (json_object_is_type(v->o, type))
		return 0;
	return jv_fail(v, e, "expected %s, found %s", name, type_name(v->o));
}

static bool object_empty(struct json_object *o);

static bool members_empty(struct json_object *o)
{
	json_object_object_foreach(o, key, member)
	{
		(void)key;
		if (!object_empty(member))
			return false;
	}
	return true;
}

static bool elements_empty(struct json_object *o)
{
	size_t i;

	for (i = 0; i < json_object_array_length(o); i++)
		if (!object_empty(json_object_array_get_idx(o, i)))
			return false;
	return true;
}

/* The parser bounds the depth. */
static bool object_empty(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_null: return true;
	case json_type_boolean: return !json_object_get_boolean(o);
	case json_type_double: return false;
	case json_type_int: return json_object_get_int64(o) == 0;
	case json_type_string: return json_object_get_string_len(o) == 0;
	case json_type_array: return elements_empty(o);
	case json_type_object: return members_empty(o);
	}
	return false;
}

bool jv_empty(const struct jv *v)
{
	return object_empty(v->o);
}

int jv_get(const struct jv *obj, const char *key, struct jv *out)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(obj->o, key, &o) || o == NULL)
		return 0;
	*out = (struct jv){ .o = o, .up = obj, .key = key };
	return 1;
}

int jv_object(const struct jv *v, struct err *e)
{
	return expect(v, json_type_object, "an object", e);
}

int jv_array(const struct jv *v, size_t *n, struct err *e)
{
	int r = expect(v, json_type_array, "an array", e);

	*n = r == 0 ? json_object_array_length(v->o) : 0;
	return r;
}

int jv_str(const struct jv *v, const char **out, struct err *e)
{
	int r = expect(v, json_type_string, "a string", e);
	const char *s;

	if (r < 0)
		return r;
	s = json_object_get_string(v->o);
	if (strlen(s) != (size_t)json_object_get_string_len(v->o))
		return jv_fail(v, e, "a NUL byte inside the string");
	*out = s;
	return 0;
}

int jv_bool(const struct jv *v, bool *out, struct err *e)
{
	int r = expect(v, json_type_boolean, "true or false", e);

	if (r == 0)
		*out = json_object_get_boolean(v->o);
	return r;
}

int jv_u64(const struct jv *v, uint64_t max, uint64_t *out, struct err *e)
{
	int r = expect(v, json_type_int, "a number", e);
	uint64_t u;

	if (r < 0)
		return r;
	if (json_object_get_int64(v->o) < 0)
		return jv_fail(v, e, "%" PRId64 " is negative", json_object_get_int64(v->o));
	u = json_object_get_uint64(v->o);
	if (u > max)
		return jv_fail(v, e, "%" PRIu64 " is larger than %" PRIu64, u, max);
	*out = u;
	return 0;
}

int jv_i64(const struct jv *v, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	int r = expect(v, json_type_int, "a number", e);
	int64_t i;

	if (r < 0)
		return r;
	i = json_object_get_int64(v->o); /* saturated */
	if (i < min)
		return jv_fail(v, e, "%" PRId64 " is less than %" PRId64, i, min);
	if (i > max || (i == INT64_MAX && json_object_get_uint64(v->o) > INT64_MAX))
		return jv_fail(v, e, "%" PRIu64 " is larger than %" PRId64, json_object_get_uint64(v->o), max);
	*out = i;
	return 0;
}

/* What every typed jv_get_x() answers: absent 0, found 1, or the error. */
#define FOUND(r) ((r) < 0 ? (r) : 1)

int jv_get_object(const struct jv *obj, const char *key, struct jv *out, struct err *e)
{
	struct jv v;
	int r;

	if (jv_get(obj, key, &v) == 0)
		return 0;
	r = jv_object(&v, e);
	if (r == 0)
		*out = v;
	return FOUND(r);
}

int jv_get_array(const struct jv *obj, const char *key, struct jv *out, size_t *n, struct err *e)
{
	struct jv v;
	int r;

	if (jv_get(obj, key, &v) == 0)
		return 0;
	r = jv_array(&v, n, e);
	if (r == 0)
		*out = v;
	return FOUND(r);
}

int jv_get_str(const struct jv *obj, const char *key, const char **out, struct err *e)
{
	struct jv v;
	int r;

	if (jv_get(obj, key, &v) == 0)
		return 0;
	r = jv_str(&v, out, e);
	return FOUND(r);
}

int jv_get_bool(const struct jv *obj, const char *key, bool *out, struct err *e)
{
	struct jv v;
	int r;

	if (jv_get(obj, key, &v) == 0)
		return 0;
	r = jv_bool(&v, out, e);
	return FOUND(r);
}

int jv_get_u64(const struct jv *obj, const char *key, uint64_t max, uint64_t *out, struct err *e)
{
	struct jv v;
	int r;

	if (jv_get(obj, key, &v) == 0)
		return 0;
	r = jv_u64(&v, max, out, e);
	return FOUND(r);
}

int jv_get_u32(const struct jv *obj, const char *key, uint32_t max, uint32_t *out, struct err *e)
{
	uint64_t wide = 0;
	int r = jv_get_u64(obj, key, max, &wide, e);

	if (r == 1)
		*out = (uint32_t)wide;
	return r;
}

int jv_get_i64(const struct jv *obj, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	struct jv v;
	int r;

	if (jv_get(obj, key, &v) == 0)
		return 0;
	r = jv_i64(&v, min, max, out, e);
	return FOUND(r);
}

struct jv jv_at(const struct jv *array, size_t i)
{
	return (struct jv){ .o = json_object_array_get_idx(array->o, i), .up = array, .index = i };
}

int jv_strv(const struct jv *v, struct arena *a, struct strv *out, struct err *e)
{
	size_t i, n;
	int r = jv_array(v, &n, e);

	if (r < 0)
		return r;
	out->v = arena_array(a, n, sizeof(*out->v));
	if (out->v == NULL)
		return err_set(e, ENOMEM, "reading JSON");
	out->n = n;
	for (i = 0; i < n; i++) {
		struct jv item = jv_at(v, i);

		r = jv_str(&item, &out->v[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int jv_kvs(const struct jv *v, struct arena *a, struct kvs *out, struct err *e)
{
	int r = jv_object(v, e);

	if (r < 0)
		return r;
	out->n = 0;
	out->v = arena_array(a, (size_t)json_object_object_length(v->o), sizeof(*out->v));
	if (out->v == NULL)
		return err_set(e, ENOMEM, "reading JSON");
	json_object_object_foreach(v->o, key, member)
	{
		struct jv item = { .o = member, .up = v, .key = key };

		if (member == NULL) /* null: absent */
			continue;
		out->v[out->n].key = key;
		r = jv_str(&item, &out->v[out->n++].value, e);
		if (r < 0)
			return r;
	}
	return 0;
}

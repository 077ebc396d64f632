// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/oci_field.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "vmm/base/log.h"

int oci_later(const struct jv *v, const char *way_out, struct err *e)
{
	return jv_fail(v, e, "not supported by this version of kvmbox; remove it%s%s", way_out != NULL ? ", " : "",
		       way_out != NULL ? way_out : "");
}

static int read_u32(const struct jv *v, uint32_t *out, struct err *e)
{
	uint64_t wide = 0;
	int r = jv_u64(v, UINT32_MAX, &wide, e);

	*out = (uint32_t)wide;
	return r;
}

static int read_each(struct oci_ctx *ctx, const struct jv *v, const struct oci_field *f, void *base)
{
	size_t i, n;
	int r = jv_array(v, &n, ctx->e);

	for (i = 0; r == 0 && i < n; i++) {
		struct jv item = jv_at(v, i);

		r = f->call(ctx, &item, base);
	}
	return r;
}

static int read_limit(struct oci_ctx *ctx, const struct jv *v, const struct oci_field *f)
{
	int64_t n = 0;
	int r = jv_i64(v, INT64_MIN, INT64_MAX, &n, ctx->e);

	if (r < 0)
		return r;
	return n <= 0 ? 0 : oci_later(v, f->way_out, ctx->e);
}

static int read_field(struct oci_ctx *ctx, const struct jv *v, const struct oci_field *f, void *base)
{
	void *to = (char *)base + f->offset;

	switch (f->kind) {
	case OCI_STR: return jv_str(v, to, ctx->e);
	case OCI_BOOL: return jv_bool(v, to, ctx->e);
	case OCI_U32: return read_u32(v, to, ctx->e);
	case OCI_STRV: return jv_strv(v, &ctx->spec->arena, to, ctx->e);
	case OCI_KVS: return jv_kvs(v, &ctx->spec->arena, to, ctx->e);
	case OCI_OBJECT: return oci_walk(ctx, v, f->sub, base);
	case OCI_CALL: return f->call(ctx, v, base);
	case OCI_EACH: return read_each(ctx, v, f, base);
	case OCI_IGNORED: return 0;
	case OCI_LATER: return jv_empty(v) ? 0 : oci_later(v, f->way_out, ctx->e);
	case OCI_LIMIT: return read_limit(ctx, v, f);
	case OCI_SETTING: return oci_later(v, f->way_out, ctx->e);
	}
	return 0;
}

/* As deep as the tables, which do not nest in circles. */
int oci_walk(struct oci_ctx *ctx, const struct jv *obj, const struct oci_table *t, void *base)
{
	size_t i;
	int r = jv_object(obj, ctx->e);

	for (i = 0; r == 0 && i < t->n; i++) {
		struct jv v;

		if (jv_get(obj, t->fields[i].name, &v) == 1)
			r = read_field(ctx, &v, &t->fields[i], base);
	}
	return r;
}

void oci_note_propagation(struct oci_ctx *ctx, const struct jv *v, uint64_t propagation)
{
	char path[JSON_QUOTE_MAX];

	if ((propagation & (MS_SHARED | MS_SLAVE)) == 0 || ctx->noted_propagation)
		return;
	ctx->noted_propagation = true;
	log_warn("config", "%s: mounts do not propagate between host and VM; shared and slave hold inside the VM only",
		 jv_path(v, path, sizeof(path)));
}

int oci_check_path(const struct jv *v, const char *path, struct err *e)
{
	if (path[0] != '/')
		return jv_fail(v, e, "must be an absolute path");
	if (strlen(path) >= PATH_MAX)
		return jv_fail(v, e, "longer than %d bytes", PATH_MAX - 1);
	return 0;
}

/* Drop the last component of the path in out, which has len bytes. */
static size_t cut_last(const char *out, size_t len)
{
	while (len > 0 && out[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

char *oci_clean_path(struct arena *a, const char *path)
{
	char *out = arena_array(a, strlen(path) + 2, 1);
	size_t len = 0, n;

	if (out == NULL)
		return NULL;
	for (; *path != '\0'; path += n) {
		n = strcspn(path, "/");
		if (n == 0) {
			n = 1; /* the slash itself */
			continue;
		}
		if (n == 1 && path[0] == '.')
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			len = cut_last(out, len);
			continue;
		}
		out[len++] = '/';
		memcpy(out + len, path, n);
		len += n;
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return out;
}

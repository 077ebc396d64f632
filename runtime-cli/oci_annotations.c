// SPDX-License-Identifier: Apache-2.0
/*
 * `annotations`: kept for `state`; those that begin with io.kvmbox. steer the VM, and an unknown one of these is an
 * error, since a typing mistake would otherwise be obeyed by nobody.
 */
#include "runtime-cli/oci_field.h"

#include <errno.h>
#include <string.h>

#define PREFIX "io.kvmbox."

/* Digits, then nothing (bytes) or one of K, M, G, T with or without iB or B: all powers of 1024. */
static int read_memory(struct oci_spec *s, const struct jv *v, const char *text, struct err *e)
{
	static const char units[] = "KMGT";
	uint64_t n = 0;
	const char *p, *unit;
	unsigned int shift = 0;
	bool over = false;

	for (p = text; *p >= '0' && *p <= '9'; p++)
		over |= ckd_mul(&n, n, (uint64_t)10) || ckd_add(&n, n, (uint64_t)(*p - '0'));
	if (p == text)
		return jv_fail(v, e, "not a size; write for example \"512M\" or \"2G\"");
	if (*p != '\0') {
		unit = strchr(units, *p++);
		if (unit == NULL || (strcmp(p, "") != 0 && strcmp(p, "B") != 0 && strcmp(p, "iB") != 0))
			return jv_fail(v, e, "not a size; write for example \"512M\" or \"2G\"");
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (over || ckd_mul(&n, n, (uint64_t)1 << shift))
		return jv_fail(v, e, "this size does not fit 64 bits");
	if (n == 0)
		return jv_fail(v, e, "a VM cannot have no memory; 64M is the least");
	s->memory = n;
	return 0;
}

static int read_vcpus(struct oci_spec *s, const struct jv *v, const char *text, struct err *e)
{
	uint32_t n = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9' && n <= OCI_VCPUS_MAX; p++)
		n = n * 10 + (uint32_t)(*p - '0');
	if (p == text || *p != '\0' || n == 0 || n > OCI_VCPUS_MAX)
		return jv_fail(v, e, "not a number from 1 to %d", OCI_VCPUS_MAX);
	s->vcpus = n;
	return 0;
}

static int read_cold(struct oci_spec *s, const struct jv *v, const char *text, struct err *e)
{
	s->cold = strcmp(text, "true") == 0;
	if (!s->cold && strcmp(text, "false") != 0)
		return jv_fail(v, e, "neither \"true\" nor \"false\"");
	return 0;
}

static int read_denied(struct oci_spec *s, const struct jv *v, const char *text, struct err *e)
{
	(void)s;
	(void)text;
	return jv_fail(v, e,
		       "a bundle may set this only where the settings allow it, which this version of kvmbox does "
		       "not have; remove it");
}

static const struct {
	const char *name;
	int (*read)(struct oci_spec *s, const struct jv *v, const char *text, struct err *e);
} known[] = {
	{ PREFIX "memory", read_memory }, { PREFIX "vcpus", read_vcpus },        { PREFIX "cold", read_cold },
	{ PREFIX "kernel", read_denied }, { PREFIX "kernel-args", read_denied }, { PREFIX "rootfs-image", read_denied },
};

static int read_one(struct oci_ctx *ctx, const struct jv *v, const struct kv *kv)
{
	size_t i;

	if (strncmp(kv->key, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(kv->key, known[i].name) == 0)
			return known[i].read(ctx->spec, v, kv->value, ctx->e);
	return jv_fail(v, ctx->e, "unknown; kvmbox knows io.kvmbox.memory, .vcpus and .cold");
}

int oci_read_annotations(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_spec *s = base;
	int r = jv_kvs(v, &s->arena, &s->annotations, ctx->e);
	size_t i;

	for (i = 0; r == 0 && i < s->annotations.n; i++) {
		struct jv item = { .up = v, .key = s->annotations.v[i].key };

		r = read_one(ctx, &item, &s->annotations.v[i]);
	}
	return r;
}

const char *oci_annotations_text(const struct oci_spec *s)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(s->json, "annotations", &o) || o == NULL)
		return "{}";
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

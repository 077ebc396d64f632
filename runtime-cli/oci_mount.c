// SPDX-License-Identifier: Apache-2.0
/*
 * One element of `mounts`: where, what, and its options taken apart.
 */
#include "runtime-cli/oci_field.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "runtime-cli/mount_opts.h"
#include "vmm/base/log.h"

#define OCI_MOUNTS_MAX 4096
/* The kernel takes one page of options. */
#define MOUNT_DATA_MAX 4095

struct options {
	struct oci_mount *mount;
	char *data; /* room for all options joined, at most MOUNT_DATA_MAX bytes and a NUL */
	size_t len;
};

static int apply_word(struct options *o, const struct mount_opt *opt, const struct jv *v, struct err *e)
{
	struct oci_mount *m = o->mount;

	switch (opt->kind) {
	case MOUNT_SET:
		m->flags |= opt->bits;
		m->clear &= ~opt->bits;
		break;
	case MOUNT_CLEAR:
		m->flags &= ~opt->bits;
		m->clear |= opt->bits;
		break;
	case MOUNT_PROPAGATION: m->propagation = opt->bits; break;
	case MOUNT_BIND:
		m->bind = true;
		m->recursive |= opt->bits != 0;
		break;
	case MOUNT_NOTHING: break;
	case MOUNT_LATER: return jv_fail(v, e, "`%s`: not supported by this version of kvmbox; remove it", opt->name);
	}
	return 0;
}

/* One option: a word of the table, x-anything (for other programs, as in fstab), or data for the file system */
static int read_option(struct options *o, const struct jv *v, struct err *e)
{
	const struct mount_opt *opt;
	const char *word = NULL;
	int r = jv_str(v, &word, e);
	size_t len;

	if (r < 0)
		return r;
	len = strlen(word);
	opt = mount_opt_find(word, len);
	if (opt != NULL)
		return apply_word(o, opt, v, e);
	if (len == 0 || strncmp(word, "x-", 2) == 0)
		return 0;
	if (o->len + len + 1 > MOUNT_DATA_MAX)
		return jv_fail(v, e, "the mount's options are longer than %d bytes", MOUNT_DATA_MAX);
	if (o->len > 0)
		o->data[o->len++] = ',';
	memcpy(o->data + o->len, word, len);
	o->len += len;
	return 0;
}

static int read_options(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct options o = { .mount = base };
	size_t i, n, room = 0;
	int r = jv_array(v, &n, ctx->e);

	if (r < 0)
		return r;
	for (i = 0; i < n && room < MOUNT_DATA_MAX; i++)
		room += (size_t)json_object_get_string_len(jv_at(v, i).o) + 1;
	o.data = arena_array(&ctx->spec->arena, min_size(room, MOUNT_DATA_MAX) + 1, 1);
	if (o.data == NULL)
		return err_set(ctx->e, ENOMEM, "reading JSON");
	for (i = 0; r == 0 && i < n; i++) {
		struct jv item = jv_at(v, i);

		r = read_option(&o, &item, ctx->e);
	}
	o.mount->data = o.data;
	return r;
}

#define MOUNT(field) offsetof(struct oci_mount, field)

static const struct oci_field mount_fields[] = {
	{ .name = "destination", .kind = OCI_STR, .offset = MOUNT(destination) },
	{ .name = "type", .kind = OCI_STR, .offset = MOUNT(type) },
	{ .name = "source", .kind = OCI_STR, .offset = MOUNT(source) },
	{ .name = "options", .kind = OCI_CALL, .call = read_options },
	{ .name = "uidMappings", .kind = OCI_LATER },
	{ .name = "gidMappings", .kind = OCI_LATER },
};
static const struct oci_table mount_table = OCI_TABLE(mount_fields);

static int check_bind(struct oci_ctx *ctx, const struct jv *v, struct oci_mount *m)
{
	char q[JSON_QUOTE_MAX];

	m->type = "";
	if (m->source[0] == '\0')
		return jv_missing(v, "source", "name the file or folder of the host to bind", ctx->e);
	if (m->data[0] != '\0')
		return jv_fail(v, ctx->e, "options `%s` have no meaning for a bind mount; remove them",
			       json_quote(q, m->data));
	return 0;
}

static int check_mount(struct oci_ctx *ctx, const struct jv *v, struct oci_mount *m)
{
	int r;

	if (m->destination == NULL || m->destination[0] == '\0')
		return jv_missing(v, "destination", "name where to mount", ctx->e);
	m->destination = oci_clean_path(&ctx->spec->arena, m->destination);
	if (m->destination == NULL)
		return err_set(ctx->e, ENOMEM, "reading JSON");
	if (strcmp(m->destination, "/") == 0)
		return jv_fail(v, ctx->e, "cannot mount over the root `/`; set root.path instead");
	r = oci_check_path(&(struct jv){ .up = v, .key = "destination" }, m->destination, ctx->e);
	if (r < 0)
		return r;
	oci_note_propagation(ctx, v, m->propagation);
	if (strcmp(m->type, "bind") == 0)
		m->bind = true;
	if (m->bind)
		return check_bind(ctx, v, m);
	if (m->type[0] == '\0' || strcmp(m->type, "none") == 0)
		return jv_missing(v, "type", "name a file system, or add the option `bind`", ctx->e);
	return 0;
}

int oci_read_mount(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_spec *s = base;
	struct oci_mount *m;
	int r;

	if (s->mounts == NULL) {
		size_t n = json_object_array_length(v->up->o);

		if (n > OCI_MOUNTS_MAX)
			return jv_fail(v->up, ctx->e, "more than %d mounts", OCI_MOUNTS_MAX);
		s->mounts = arena_array(&s->arena, n, sizeof(*s->mounts));
		if (s->mounts == NULL)
			return err_set(ctx->e, ENOMEM, "reading JSON");
	}
	m = &s->mounts[s->n_mounts++];
	*m = (struct oci_mount){ .type = "", .source = "", .data = "" };
	r = oci_walk(ctx, v, &mount_table, m);
	return r < 0 ? r : check_mount(ctx, v, m);
}

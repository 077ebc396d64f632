// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/oci.h"

#include <errno.h>
#include <string.h>

#include "runtime-cli/oci_field.h"

#define SPEC(field) offsetof(struct oci_spec, field)

/* `major.minor.patch`, perhaps with -pre and +build: 1.x is one contract, older drafts and a later 2.x are not. */
static int read_version(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	static const char digits[] = "0123456789";
	struct oci_spec *s = base;
	char q[JSON_QUOTE_MAX];
	const char *p;
	size_t minor, patch;
	int r = jv_str(v, &s->version, ctx->e);

	if (r < 0)
		return r;
	p = s->version;
	if (strncmp(p, "1.", 2) == 0) {
		p += 2;
		minor = strspn(p, digits);
		patch = p[minor] == '.' ? strspn(p + minor + 1, digits) : 0;
		p += minor + 1 + patch;
		if (minor > 0 && patch > 0 && strchr("-+", *p) != NULL && strlen(s->version) < OCI_VERSION_LEN)
			return 0;
	}
	return jv_fail(v, ctx->e, "`%s` is not a version that kvmbox knows (%s to %s)", json_quote(q, s->version),
		       OCI_VERSION_MIN, OCI_VERSION_MAX);
}

/* sethostname() takes 64 bytes. */
static int read_name(struct oci_ctx *ctx, const struct jv *v, const char **out)
{
	int r = jv_str(v, out, ctx->e);

	if (r == 0 && strlen(*out) > 64)
		return jv_fail(v, ctx->e, "longer than 64 bytes");
	if (r == 0 && (*out)[0] == '\0')
		*out = NULL;
	return r;
}

static int read_hostname(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	return read_name(ctx, v, &((struct oci_spec *)base)->hostname);
}

static int read_domainname(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	return read_name(ctx, v, &((struct oci_spec *)base)->domainname);
}

static const struct oci_field root_fields[] = {
	{ .name = "path", .kind = OCI_STR, .offset = SPEC(root_path) },
	{ .name = "readonly", .kind = OCI_BOOL, .offset = SPEC(root_readonly) },
};
static const struct oci_table root_table = OCI_TABLE(root_fields);

static const struct oci_field hooks_fields[] = {
	{ .name = "prestart", .kind = OCI_LATER },        { .name = "createRuntime", .kind = OCI_LATER },
	{ .name = "createContainer", .kind = OCI_LATER }, { .name = "startContainer", .kind = OCI_LATER },
	{ .name = "poststart", .kind = OCI_LATER },       { .name = "poststop", .kind = OCI_LATER },
};
static const struct oci_table hooks_table = OCI_TABLE(hooks_fields);

#define OTHER_SYSTEM "it belongs to another kind of system than Linux"

static const struct oci_field top_fields[] = {
	{ .name = "ociVersion", .kind = OCI_CALL, .call = read_version },
	{ .name = "solaris", .kind = OCI_LATER, .way_out = OTHER_SYSTEM },
	{ .name = "windows", .kind = OCI_LATER, .way_out = OTHER_SYSTEM },
	{ .name = "zos", .kind = OCI_LATER, .way_out = OTHER_SYSTEM },
	{ .name = "freebsd", .kind = OCI_LATER, .way_out = OTHER_SYSTEM },
	{ .name = "vm", .kind = OCI_LATER, .way_out = "annotations io.kvmbox.memory and io.kvmbox.vcpus steer the VM" },
	{ .name = "process", .kind = OCI_OBJECT, .sub = &oci_process_table },
	{ .name = "root", .kind = OCI_OBJECT, .sub = &root_table },
	{ .name = "hostname", .kind = OCI_CALL, .call = read_hostname },
	{ .name = "domainname", .kind = OCI_CALL, .call = read_domainname },
	{ .name = "mounts", .kind = OCI_EACH, .call = oci_read_mount },
	{ .name = "hooks", .kind = OCI_OBJECT, .sub = &hooks_table },
	{ .name = "annotations", .kind = OCI_CALL, .call = oci_read_annotations },
	{ .name = "linux", .kind = OCI_OBJECT, .sub = &oci_linux_table },
};
static const struct oci_table top_table = OCI_TABLE(top_fields);

static int check_top(struct oci_ctx *ctx, const struct jv *top)
{
	struct jv v = { .up = top };
	int r;

	if (ctx->spec->version == NULL)
		return jv_missing(top, "ociVersion", "write the version of the spec, such as \"" OCI_VERSION_MAX "\"",
				  ctx->e);
	if (jv_get(top, "process", &v) == 0)
		return jv_missing(top, "process", "describe what to run", ctx->e);
	r = oci_check_process(ctx, &v);
	if (r < 0)
		return r;
	if (ctx->spec->root_path == NULL || ctx->spec->root_path[0] == '\0') {
		v = (struct jv){ .up = top, .key = "root" };
		return jv_missing(&v, "path", "name the folder that holds the root file system", ctx->e);
	}
	if (jv_get(top, "linux", &v) == 0)
		return jv_missing(top, "linux", "a Linux container needs at least linux.namespaces", ctx->e);
	return oci_check_namespaces(ctx);
}

/* Takes o. */
static int read_spec(struct json_object *o, struct oci_spec *s, struct err *e)
{
	struct oci_ctx ctx = { .spec = s, .e = e };
	struct jv top = jv_root(o);
	int r;

	*s = (struct oci_spec){ .json = o, .process.user.umask = UINT32_MAX };
	r = oci_walk(&ctx, &top, &top_table, s);
	if (r == 0)
		r = check_top(&ctx, &top);
	if (r < 0)
		oci_free(s);
	return r;
}

int oci_parse(const char *text, size_t len, struct oci_spec *s, struct err *e)
{
	struct json_object *o;
	int r = json_parse(text, len, &o, e);

	return r < 0 ? r : read_spec(o, s, e);
}

int oci_load(int bundle_dirfd, struct oci_spec *s, struct err *e)
{
	struct json_object *o;
	int r = json_load_at(bundle_dirfd, "config.json", &o, e);

	if (r < 0)
		return r;
	r = read_spec(o, s, e);
	return r < 0 ? err_wrap(e, "config.json") : 0;
}

void oci_free(struct oci_spec *s)
{
	arena_free(&s->arena);
	json_object_put(s->json);
	*s = (struct oci_spec){ 0 };
}

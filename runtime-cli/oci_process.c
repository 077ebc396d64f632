// SPDX-License-Identifier: Apache-2.0
/*
 * The `process` object: what runs, as whom, with which rights and limits. `exec --process` reads the same object.
 */
#include "runtime-cli/oci_field.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "runtime-cli/caps_names.h"
#include "vmm/base/log.h"
#include "vmm/base/strbuf.h"

#define PROCESS(field) offsetof(struct oci_spec, process.field)

static int read_size(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_process *p = &((struct oci_spec *)base)->process;
	uint32_t rows = 0, columns = 0;
	int r = jv_object(v, ctx->e);

	if (r == 0)
		r = jv_get_u32(v, "height", UINT16_MAX, &rows, ctx->e);
	if (r >= 0)
		r = jv_get_u32(v, "width", UINT16_MAX, &columns, ctx->e);
	p->rows = (uint16_t)rows;
	p->columns = (uint16_t)columns;
	return r < 0 ? r : 0;
}

/* (uid_t)-1 means "leave as it is" to the kernel, never a user. */
static int read_id(struct oci_ctx *ctx, const struct jv *v, uint32_t *out)
{
	uint64_t id = 0;
	int r = jv_u64(v, UINT32_MAX - 1, &id, ctx->e);

	*out = (uint32_t)id;
	return r;
}

static int read_uid(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	return read_id(ctx, v, &((struct oci_spec *)base)->process.user.uid);
}

static int read_gid(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	return read_id(ctx, v, &((struct oci_spec *)base)->process.user.gid);
}

static int read_umask(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	uint64_t mask = 0;
	int r = jv_u64(v, 0777, &mask, ctx->e);

	((struct oci_spec *)base)->process.user.umask = (uint32_t)mask;
	return r;
}

static int read_groups(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_user *u = &((struct oci_spec *)base)->process.user;
	size_t i, n;
	int r = jv_array(v, &n, ctx->e);

	if (r < 0)
		return r;
	u->groups = arena_array(&ctx->spec->arena, n, sizeof(*u->groups));
	if (u->groups == NULL)
		return err_set(ctx->e, ENOMEM, "reading JSON");
	u->n_groups = n;
	for (i = 0; r == 0 && i < n; i++) {
		struct jv item = jv_at(v, i);

		r = read_id(ctx, &item, &u->groups[i]);
	}
	return r;
}

static const struct oci_field user_fields[] = {
	{ .name = "uid", .kind = OCI_CALL, .call = read_uid },
	{ .name = "gid", .kind = OCI_CALL, .call = read_gid },
	{ .name = "umask", .kind = OCI_CALL, .call = read_umask },
	{ .name = "additionalGids", .kind = OCI_CALL, .call = read_groups },
	{ .name = "username", .kind = OCI_IGNORED }, /* Windows */
};
static const struct oci_table user_table = OCI_TABLE(user_fields);

/* Unknown names are left out with one warning, as runc does: newer kernels' names must not break older runtimes. */
static int read_caps(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	static const char *const sets[] = {
		[OCI_BOUNDING] = "bounding",   [OCI_EFFECTIVE] = "effective", [OCI_INHERITABLE] = "inheritable",
		[OCI_PERMITTED] = "permitted", [OCI_AMBIENT] = "ambient",
	};
	struct oci_process *p = &((struct oci_spec *)base)->process;
	char names[240], q[JSON_QUOTE_MAX];
	struct strbuf unknown = strbuf_init(names, sizeof(names));
	size_t set, i, n;
	int r = jv_object(v, ctx->e);

	for (set = 0; r >= 0 && set < ARRAY_SIZE(sets); set++) {
		struct jv list;

		n = 0;
		r = jv_get_array(v, sets[set], &list, &n, ctx->e);
		for (i = 0; r >= 0 && i < n; i++) {
			struct jv item = jv_at(&list, i);
			const char *name;
			int cap;

			r = jv_str(&item, &name, ctx->e);
			cap = r < 0 ? 0 : caps_from_name(name);
			if (cap >= 0)
				p->caps[set] |= r < 0 ? 0 : (uint64_t)1 << cap;
			else if (strstr(names, json_quote(q, name)) == NULL)
				strbuf_add(&unknown, " %s", q);
		}
	}
	if (unknown.len > 0 || unknown.full)
		log_warn("config", "process.capabilities: left out, unknown to this version of kvmbox:%s", names);
	return r < 0 ? r : 0;
}

static int read_rlimit(struct oci_ctx *ctx, const struct jv *v, struct oci_rlimit *out)
{
	const char *name = NULL;
	char q[JSON_QUOTE_MAX];
	int r = jv_object(v, ctx->e), number;

	if (r == 0)
		r = jv_get_str(v, "type", &name, ctx->e);
	if (r == 0)
		return jv_missing(v, "type", "name a limit, such as RLIMIT_NOFILE", ctx->e);
	if (r > 0)
		r = jv_get_u64(v, "soft", UINT64_MAX, &out->soft, ctx->e);
	if (r == 0)
		return jv_missing(v, "soft", "give a number", ctx->e);
	if (r > 0)
		r = jv_get_u64(v, "hard", UINT64_MAX, &out->hard, ctx->e);
	if (r == 0)
		return jv_missing(v, "hard", "give a number", ctx->e);
	if (r < 0)
		return r;
	number = rlimit_from_name(name);
	if (number < 0)
		return jv_fail(v, ctx->e, "unknown limit `%s`", json_quote(q, name));
	if (out->soft > out->hard)
		return jv_fail(v, ctx->e, "soft limit %" PRIu64 " of %s is above its hard limit %" PRIu64, out->soft,
			       name, out->hard);
	out->resource = (uint32_t)number;
	return 0;
}

static int read_rlimits(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_process *p = &((struct oci_spec *)base)->process;
	uint64_t seen = 0;
	size_t i, n;
	int r = jv_array(v, &n, ctx->e);

	if (r < 0)
		return r;
	p->rlimits = arena_array(&ctx->spec->arena, n, sizeof(*p->rlimits));
	if (p->rlimits == NULL)
		return err_set(ctx->e, ENOMEM, "reading JSON");
	p->n_rlimits = n;
	for (i = 0; i < n; i++) {
		struct jv item = jv_at(v, i);

		r = read_rlimit(ctx, &item, &p->rlimits[i]);
		if (r < 0)
			return r;
		if ((seen & (uint64_t)1 << p->rlimits[i].resource) != 0)
			return jv_fail(&item, ctx->e, "this limit is given twice");
		seen |= (uint64_t)1 << p->rlimits[i].resource;
	}
	return 0;
}

static int read_oom(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_process *p = &((struct oci_spec *)base)->process;
	int64_t score = 0;
	int r = jv_i64(v, -1000, 1000, &score, ctx->e);

	p->has_oom_score_adj = true;
	p->oom_score_adj = (int)score;
	return r;
}

static int read_apparmor(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	const char *profile;
	int r = jv_str(v, &profile, ctx->e);

	(void)base;
	if (r < 0 || profile[0] == '\0' || strcmp(profile, "unconfined") == 0)
		return r;
	return oci_later(v, "or set it to `unconfined`", ctx->e);
}

static const struct oci_field process_fields[] = {
	{ .name = "terminal", .kind = OCI_BOOL, .offset = PROCESS(terminal) },
	{ .name = "consoleSize", .kind = OCI_CALL, .call = read_size },
	{ .name = "user", .kind = OCI_OBJECT, .sub = &user_table },
	{ .name = "args", .kind = OCI_STRV, .offset = PROCESS(args) },
	{ .name = "commandLine", .kind = OCI_IGNORED }, /* Windows */
	{ .name = "env", .kind = OCI_STRV, .offset = PROCESS(env) },
	{ .name = "cwd", .kind = OCI_STR, .offset = PROCESS(cwd) },
	{ .name = "capabilities", .kind = OCI_CALL, .call = read_caps },
	{ .name = "rlimits", .kind = OCI_CALL, .call = read_rlimits },
	{ .name = "noNewPrivileges", .kind = OCI_BOOL, .offset = PROCESS(no_new_privileges) },
	{ .name = "oomScoreAdj", .kind = OCI_CALL, .call = read_oom },
	{ .name = "apparmorProfile", .kind = OCI_CALL, .call = read_apparmor },
	{ .name = "selinuxLabel", .kind = OCI_LATER },
	{ .name = "scheduler", .kind = OCI_LATER },
	{ .name = "ioPriority", .kind = OCI_LATER },
	{ .name = "execCPUAffinity", .kind = OCI_LATER },
};
const struct oci_table oci_process_table = OCI_TABLE(process_fields);

/* The kernel would refuse it with a bare "Operation not permitted". */
static int check_caps(struct oci_ctx *ctx, const struct jv *process)
{
	const struct oci_process *p = &ctx->spec->process;
	uint64_t extra = p->caps[OCI_EFFECTIVE] & ~p->caps[OCI_PERMITTED];
	struct jv caps = { .up = process, .key = "capabilities" }, v = { .up = &caps, .key = "effective" };

	if (extra == 0)
		return 0;
	return jv_fail(&v, ctx->e, "%s is not in the permitted set", caps_name((unsigned int)__builtin_ctzll(extra)));
}

int oci_check_process(struct oci_ctx *ctx, const struct jv *process)
{
	const struct oci_process *p = &ctx->spec->process;
	struct jv env, item;
	size_t i;
	int r;

	if (p->args.n == 0)
		return jv_missing(process, "args", "name at least the program to run", ctx->e);
	if (p->cwd == NULL)
		return jv_missing(process, "cwd", "give the absolute folder to start in, such as \"/\"", ctx->e);
	item = (struct jv){ .up = process, .key = "cwd" };
	r = oci_check_path(&item, p->cwd, ctx->e);
	if (r < 0)
		return r;
	for (i = 0; i < p->env.n; i++) {
		if (strchr(p->env.v[i], '=') != NULL)
			continue;
		env = (struct jv){ .up = process, .key = "env" };
		item = (struct jv){ .up = &env, .index = i };
		return jv_fail(&item, ctx->e, "no `=` in it; write NAME=VALUE");
	}
	return check_caps(ctx, process);
}

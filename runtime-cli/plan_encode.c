// SPDX-License-Identifier: Apache-2.0
/*
 * Every tag is critical: an agent that does not know one must refuse the container, not run it without.
 */
#include "runtime-cli/plan_encode.h"

#include <errno.h>
#include <string.h>

#define TAG(t) ((uint16_t)(PROTO_T_##t | PROTO_CRITICAL))

static void put_strv(struct wr *w, uint16_t tag, const struct strv *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		proto_put_str(w, tag, s->v[i]);
}

/* A TLV of u32 values; groups alone can be many. */
static void put_u32s(struct wr *w, uint16_t tag, const uint32_t *v, size_t n)
{
	size_t i;

	wr_u16(w, tag);
	wr_u16(w, 0);
	wr_u32(w, (uint32_t)(n * sizeof(*v)));
	for (i = 0; i < n; i++)
		wr_u32(w, v[i]);
}

/*
 * The kernel raises into the ambient set only what is both permitted and inheritable; runc and crun let the rest go
 * with a warning at most, and specs made for them rely on it.
 */
static void put_caps(struct wr *w, const uint64_t caps[OCI_CAPS_COUNT])
{
	uint8_t buf[OCI_CAPS_COUNT * sizeof(uint64_t)];
	struct wr v = wr_init(buf, sizeof(buf));

	wr_u64(&v, caps[OCI_BOUNDING]);
	wr_u64(&v, caps[OCI_EFFECTIVE]);
	wr_u64(&v, caps[OCI_INHERITABLE]);
	wr_u64(&v, caps[OCI_PERMITTED]);
	wr_u64(&v, caps[OCI_AMBIENT] & caps[OCI_INHERITABLE] & caps[OCI_PERMITTED]);
	proto_put_bytes(w, TAG(CAPS), buf, v.len);
}

static void put_rlimit(struct wr *w, const struct oci_rlimit *limit)
{
	uint8_t buf[24];
	struct wr v = wr_init(buf, sizeof(buf));

	wr_u32(&v, limit->resource);
	wr_u32(&v, 0);
	wr_u64(&v, limit->soft);
	wr_u64(&v, limit->hard);
	proto_put_bytes(w, TAG(RLIMIT), buf, v.len);
}

static void put_terminal(struct wr *w, const struct oci_process *proc, const struct plan_opts *opts)
{
	uint8_t buf[4];
	struct wr v = wr_init(buf, sizeof(buf));

	wr_u16(&v, opts->rows != 0 ? opts->rows : proc->rows);
	wr_u16(&v, opts->columns != 0 ? opts->columns : proc->columns);
	proto_put_bytes(w, TAG(TERMINAL), buf, v.len);
}

static void put_process(struct wr *w, const struct oci_process *proc, const struct plan_opts *opts)
{
	const uint32_t user[] = { proc->user.uid, proc->user.gid, proc->user.umask };
	size_t i;

	put_strv(w, TAG(ARG), &proc->args);
	put_strv(w, TAG(ENV), &proc->env);
	proto_put_str(w, TAG(CWD), proc->cwd);
	put_u32s(w, TAG(USER), user, ARRAY_SIZE(user));
	put_u32s(w, TAG(GROUPS), proc->user.groups, proc->user.n_groups);
	put_caps(w, proc->caps);
	for (i = 0; i < proc->n_rlimits; i++)
		put_rlimit(w, &proc->rlimits[i]);
	proto_put_u8(w, TAG(NO_NEW_PRIVS), proc->no_new_privileges);
	if (proc->has_oom_score_adj)
		proto_put_u32(w, TAG(OOM_SCORE), (uint32_t)proc->oom_score_adj);
	if (proc->terminal)
		put_terminal(w, proc, opts);
	proto_put_u32(w, TAG(STREAMS), proc->terminal ? 1u << PROTO_TTY : opts->streams & ~(1u << PROTO_TTY));
}

static void put_device(struct wr *w, const struct oci_device *d)
{
	const struct proto_device out = {
		.mode = d->mode,
		.major = d->major,
		.minor = d->minor,
		.uid = d->uid,
		.gid = d->gid,
		.path = d->path,
		.path_len = strlen(d->path),
	};

	proto_put_device(w, &out);
}

/* A string inside a TLV: le32 length, then the bytes */
static size_t str_room(const char *s)
{
	return sizeof(uint32_t) + strlen(s);
}

static void put_sysctl(struct wr *w, const struct kv *kv)
{
	const char *const parts[] = { kv->key, kv->value };
	size_t i;

	wr_u16(w, TAG(SYSCTL));
	wr_u16(w, 0);
	wr_u32(w, (uint32_t)(str_room(kv->key) + str_room(kv->value)));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		wr_u32(w, (uint32_t)strlen(parts[i]));
		wr_bytes(w, parts[i], strlen(parts[i]));
	}
}

static void put_container(struct wr *w, const struct oci_spec *s, const struct proto_mount *mounts)
{
	const uint32_t root[] = { 0, s->root_readonly ? 1 : 0 };
	size_t i;

	put_u32s(w, TAG(ROOT), root, ARRAY_SIZE(root));
	proto_put_u64(w, TAG(NAMESPACES), s->namespaces);
	if (s->hostname != NULL)
		proto_put_str(w, TAG(HOSTNAME), s->hostname);
	if (s->domainname != NULL)
		proto_put_str(w, TAG(DOMAINNAME), s->domainname);
	for (i = 0; i < s->n_mounts; i++)
		proto_put_mount(w, &mounts[i]);
	put_strv(w, TAG(MASKED), &s->masked_paths);
	put_strv(w, TAG(READONLY), &s->readonly_paths);
	for (i = 0; i < s->sysctl.n; i++)
		put_sysctl(w, &s->sysctl.v[i]);
	for (i = 0; i < s->n_devices; i++)
		put_device(w, &s->devices[i]);
	if (s->propagation != 0)
		proto_put_u64(w, TAG(PROPAGATION), s->propagation);
}

int plan_encode(const struct oci_spec *s, const struct plan_opts *opts, const struct proto_mount *mounts,
		struct vm_plan *p, struct err *e)
{
	size_t cap;

	for (cap = (size_t)8 << 10; cap <= PROTO_MAX_TO_GUEST; cap *= 4) {
		uint8_t *buf = arena_array(&p->arena, cap, 1);
		struct wr w = wr_init(buf, cap);

		if (buf == NULL)
			return err_set(e, ENOMEM, "planning the container");
		proto_put_u32(&w, TAG(PROC), PROTO_PROC_INIT);
		put_process(&w, &s->process, opts);
		put_container(&w, s, mounts);
		if (wr_ok(&w)) {
			p->create = buf;
			p->create_len = w.len;
			return 0;
		}
	}
	return err_say(e, E2BIG, "process.args, process.env and mounts together are larger than %zu MiB; shorten them",
		       PROTO_MAX_TO_GUEST >> 20);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The `linux` object: namespaces, devices, paths, limits.
 */
#include "runtime-cli/oci_field.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SPEC(field) offsetof(struct oci_spec, field)

/* --- namespaces --- */

static const struct {
	const char *name;
	uint64_t flag;
	bool needed; /* without it the spec asks for the host's, which a VM cannot share */
	bool later;
} kinds[] = {
	{ "mount", CLONE_NEWNS, true, false },    { "pid", CLONE_NEWPID, true, false },
	{ "network", CLONE_NEWNET, true, false }, { "ipc", CLONE_NEWIPC, true, false },
	{ "uts", CLONE_NEWUTS, false, false },    { "cgroup", CLONE_NEWCGROUP, false, false },
	{ "user", CLONE_NEWUSER, false, true },   { "time", CLONE_NEWTIME, false, true },
};

static int join_namespace(struct oci_spec *s, const struct jv *v, uint64_t flag, const char *path, struct err *e)
{
	struct jv at = { .up = v, .key = "path" };

	if (flag != CLONE_NEWNET)
		return jv_fail(&at, e,
			       "joining a namespace other than a network namespace is not supported by this "
			       "version of kvmbox; remove the path for a new one");
	s->netns_path = path;
	return oci_check_path(&at, path, e);
}

static int read_namespace(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_spec *s = base;
	const char *type = NULL, *path = NULL;
	char q[JSON_QUOTE_MAX];
	size_t i;
	int r = jv_object(v, ctx->e);

	if (r == 0)
		r = jv_get_str(v, "type", &type, ctx->e);
	if (r >= 0)
		r = jv_get_str(v, "path", &path, ctx->e);
	if (r < 0)
		return r;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (type != NULL && strcmp(type, kinds[i].name) == 0)
			break;
	if (i == ARRAY_SIZE(kinds))
		return jv_fail(v, ctx->e, "unknown type `%s`", type != NULL ? json_quote(q, type) : "");
	if (kinds[i].later)
		return jv_fail(v, ctx->e, "%s namespaces are not supported by this version of kvmbox; remove it",
			       kinds[i].name);
	if ((s->namespaces & kinds[i].flag) != 0)
		return jv_fail(v, ctx->e, "the %s namespace is given twice", kinds[i].name);
	s->namespaces |= kinds[i].flag;
	return path != NULL && path[0] != '\0' ? join_namespace(s, v, kinds[i].flag, path, ctx->e) : 0;
}

int oci_check_namespaces(struct oci_ctx *ctx)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].needed && (ctx->spec->namespaces & kinds[i].flag) == 0)
			return err_say(ctx->e, EINVAL,
				       "linux.namespaces: no %s namespace, which asks for the host's own; "
				       "a VM cannot share it: add {\"type\": \"%s\"}",
				       kinds[i].name, kinds[i].name);
	return 0;
}

/* --- devices --- */

/* Character devices that mean the same in the guest as on the host */
static bool known_device(uint64_t major, uint64_t minor)
{
	static const struct {
		uint8_t major, minor;
	} known[] = {
		{ 1, 3 }, /* null */
		{ 1, 5 }, /* zero */
		{ 1, 7 }, /* full */
		{ 1, 8 }, /* random */
		{ 1, 9 }, /* urandom */
		{ 5, 0 }, /* tty */
		{ 5, 2 }, /* ptmx */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].major == major && known[i].minor == minor)
			return true;
	return false;
}

struct raw_device {
	const char *type, *path;
	uint32_t major, minor, mode, uid, gid;
};

#define DEVICE(field) offsetof(struct raw_device, field)

static const struct oci_field device_fields[] = {
	{ .name = "type", .kind = OCI_STR, .offset = DEVICE(type) },
	{ .name = "path", .kind = OCI_STR, .offset = DEVICE(path) },
	{ .name = "major", .kind = OCI_U32, .offset = DEVICE(major) },
	{ .name = "minor", .kind = OCI_U32, .offset = DEVICE(minor) },
	{ .name = "fileMode", .kind = OCI_U32, .offset = DEVICE(mode) },
	{ .name = "uid", .kind = OCI_U32, .offset = DEVICE(uid) },
	{ .name = "gid", .kind = OCI_U32, .offset = DEVICE(gid) },
};
static const struct oci_table device_table = OCI_TABLE(device_fields);

static int device_type(const struct jv *v, const struct raw_device *raw, uint32_t *out, struct err *e)
{
	char q[JSON_QUOTE_MAX];

	if (raw->type == NULL)
		return jv_missing(v, "type", "c, u or p", e);
	if (strcmp(raw->type, "p") == 0) {
		*out = S_IFIFO;
		return 0;
	}
	if (strcmp(raw->type, "b") == 0)
		return jv_fail(v, e,
			       "block devices are not supported by this version of kvmbox; mount it on the host and "
			       "bind a folder of it");
	if (strcmp(raw->type, "c") != 0 && strcmp(raw->type, "u") != 0)
		return jv_fail(v, e, "unknown type `%s`", json_quote(q, raw->type));
	if (!known_device(raw->major, raw->minor))
		return jv_fail(v, e, "device %u:%u of the host has no meaning inside a VM; remove it", raw->major,
			       raw->minor);
	*out = S_IFCHR;
	return 0;
}

static int read_device(struct oci_ctx *ctx, const struct jv *v, struct oci_device *d)
{
	struct raw_device raw = { .mode = 0666 };
	uint32_t type = 0;
	int r = oci_walk(ctx, v, &device_table, &raw);

	if (r == 0)
		r = device_type(v, &raw, &type, ctx->e);
	if (r < 0)
		return r;
	if (raw.path == NULL)
		return jv_missing(v, "path", "give an absolute path such as /dev/null", ctx->e);
	r = oci_check_path(&(struct jv){ .up = v, .key = "path" }, raw.path, ctx->e);
	if (r < 0)
		return r;
	/* fileMode may carry the type's bits, too */
	*d = (struct oci_device){ .mode = type | (raw.mode & 07777), .uid = raw.uid, .gid = raw.gid };
	if (type != S_IFIFO) {
		d->major = raw.major;
		d->minor = raw.minor;
	}
	d->path = oci_clean_path(&ctx->spec->arena, raw.path);
	return d->path != NULL ? 0 : err_set(ctx->e, ENOMEM, "reading JSON");
}

static int read_devices(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct oci_spec *s = base;
	size_t i, n;
	int r = jv_array(v, &n, ctx->e);

	if (r < 0)
		return r;
	s->devices = arena_array(&s->arena, n, sizeof(*s->devices));
	if (s->devices == NULL)
		return err_set(ctx->e, ENOMEM, "reading JSON");
	s->n_devices = n;
	for (i = 0; r == 0 && i < n; i++) {
		struct jv item = jv_at(v, i);

		r = read_device(ctx, &item, &s->devices[i]);
	}
	return r;
}

/* --- paths, sysctl, propagation, personality --- */

static int read_paths(struct oci_ctx *ctx, const struct jv *v, struct strv *out)
{
	size_t i;
	int r = jv_strv(v, &ctx->spec->arena, out, ctx->e);

	for (i = 0; r == 0 && i < out->n; i++) {
		struct jv item = jv_at(v, i);

		r = oci_check_path(&item, out->v[i], ctx->e);
	}
	return r;
}

static int read_masked(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	return read_paths(ctx, v, &((struct oci_spec *)base)->masked_paths);
}

static int read_readonly(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	return read_paths(ctx, v, &((struct oci_spec *)base)->readonly_paths);
}

/* Names below /proc/sys with dots or slashes; nothing that could leave it */
static bool sysctl_name_ok(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@";
	size_t len = strlen(name);

	return len > 0 && len < 256 && strspn(name, allowed) == len && name[0] != '.' && name[0] != '/' &&
	       strstr(name, "..") == NULL && strstr(name, "./") == NULL && strstr(name, "/.") == NULL &&
	       strstr(name, "//") == NULL && name[len - 1] != '.' && name[len - 1] != '/';
}

static int read_sysctl(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	struct kvs *out = &((struct oci_spec *)base)->sysctl;
	size_t i;
	int r = jv_kvs(v, &ctx->spec->arena, out, ctx->e);

	for (i = 0; r == 0 && i < out->n; i++) {
		struct jv item = { .up = v, .key = out->v[i].key };

		if (!sysctl_name_ok(out->v[i].key))
			r = jv_fail(&item, ctx->e, "not a name such as net.ipv4.ip_forward");
	}
	return r;
}

static int read_propagation(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	static const struct {
		const char *name;
		uint64_t flags;
	} names[] = {
		{ "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
		{ "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
		{ "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
		{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
	};
	struct oci_spec *s = base;
	const char *name = NULL;
	char q[JSON_QUOTE_MAX];
	size_t i;
	int r = jv_str(v, &name, ctx->e);

	if (r < 0 || name[0] == '\0')
		return r;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i].name) == 0)
			s->propagation = names[i].flags;
	if (s->propagation == 0)
		return jv_fail(v, ctx->e,
			       "`%s` is none of private, slave, shared, unbindable, nor one of them after an r",
			       json_quote(q, name));
	oci_note_propagation(ctx, v, s->propagation);
	return 0;
}

static int read_personality(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	const char *domain = "LINUX";
	struct jv flags;
	int r = jv_object(v, ctx->e);

	(void)base;
	if (r == 0)
		r = jv_get_str(v, "domain", &domain, ctx->e);
	if (r < 0)
		return r;
	if (strcmp(domain, "LINUX") != 0 || (jv_get(v, "flags", &flags) == 1 && !jv_empty(&flags)))
		return oci_later(v, "or ask for the domain LINUX without flags", ctx->e);
	return 0;
}

/* --- resources --- */

#define USE_MEMORY "the annotation io.kvmbox.memory sets the VM's memory"
#define USE_VCPUS  "the annotation io.kvmbox.vcpus sets how many processors the VM has"

static const struct oci_field memory_fields[] = {
	{ .name = "limit", .kind = OCI_LIMIT, .way_out = USE_MEMORY },
	{ .name = "reservation", .kind = OCI_LIMIT },
	{ .name = "swap", .kind = OCI_LIMIT },
	{ .name = "kernel", .kind = OCI_LIMIT },
	{ .name = "kernelTCP", .kind = OCI_LIMIT },
	{ .name = "swappiness", .kind = OCI_SETTING },
	{ .name = "disableOOMKiller", .kind = OCI_LATER },
	{ .name = "useHierarchy", .kind = OCI_IGNORED },      /* always so with cgroup v2 */
	{ .name = "checkBeforeUpdate", .kind = OCI_IGNORED }, /* says how to change a limit, sets none */
};
static const struct oci_table memory_table = OCI_TABLE(memory_fields);

static const struct oci_field cpu_fields[] = {
	{ .name = "shares", .kind = OCI_LIMIT },
	{ .name = "quota", .kind = OCI_LIMIT, .way_out = USE_VCPUS },
	{ .name = "burst", .kind = OCI_LIMIT },
	{ .name = "period", .kind = OCI_LIMIT, .way_out = USE_VCPUS },
	{ .name = "realtimeRuntime", .kind = OCI_LIMIT },
	{ .name = "realtimePeriod", .kind = OCI_LIMIT },
	{ .name = "cpus", .kind = OCI_LATER, .way_out = USE_VCPUS },
	{ .name = "mems", .kind = OCI_LATER },
	{ .name = "idle", .kind = OCI_LATER },
};
static const struct oci_table cpu_table = OCI_TABLE(cpu_fields);

static const struct oci_field pids_fields[] = {
	{ .name = "limit",
	  .kind = OCI_LIMIT,
	  .way_out = "or set it to 0; RLIMIT_NPROC in process.rlimits bounds a user" },
};
static const struct oci_table pids_table = OCI_TABLE(pids_fields);

static int read_device_rule(struct oci_ctx *ctx, const struct jv *v, void *base)
{
	(void)base;
	return jv_object(v, ctx->e);
}

static const struct oci_field resources_fields[] = {
	/* Accepted without a filter in the guest: its /dev has only what `devices` and the defaults put there, and its
	 * kernel drives no device of the host. What a rule may deny there does not exist. */
	{ .name = "devices", .kind = OCI_EACH, .call = read_device_rule },
	{ .name = "memory", .kind = OCI_OBJECT, .sub = &memory_table },
	{ .name = "cpu", .kind = OCI_OBJECT, .sub = &cpu_table },
	{ .name = "pids", .kind = OCI_OBJECT, .sub = &pids_table },
	{ .name = "blockIO", .kind = OCI_LATER },
	{ .name = "hugepageLimits", .kind = OCI_LATER },
	{ .name = "network", .kind = OCI_LATER },
	{ .name = "rdma", .kind = OCI_LATER },
	{ .name = "unified", .kind = OCI_LATER },
};
static const struct oci_table resources_table = OCI_TABLE(resources_fields);

static const struct oci_field linux_fields[] = {
	{ .name = "namespaces", .kind = OCI_EACH, .call = read_namespace },
	{ .name = "uidMappings", .kind = OCI_LATER },
	{ .name = "gidMappings", .kind = OCI_LATER },
	{ .name = "timeOffsets", .kind = OCI_LATER },
	{ .name = "devices", .kind = OCI_CALL, .call = read_devices },
	{ .name = "netDevices", .kind = OCI_LATER },
	{ .name = "cgroupsPath", .kind = OCI_STR, .offset = SPEC(cgroups_path) },
	{ .name = "rootfsPropagation", .kind = OCI_CALL, .call = read_propagation },
	{ .name = "maskedPaths", .kind = OCI_CALL, .call = read_masked },
	{ .name = "readonlyPaths", .kind = OCI_CALL, .call = read_readonly },
	{ .name = "sysctl", .kind = OCI_CALL, .call = read_sysctl },
	{ .name = "resources", .kind = OCI_OBJECT, .sub = &resources_table },
	{ .name = "seccomp",
	  .kind = OCI_LATER,
	  .way_out = "in podman and docker with --security-opt seccomp=unconfined" },
	{ .name = "mountLabel", .kind = OCI_LATER, .way_out = "in podman with --security-opt label=disable" },
	{ .name = "personality", .kind = OCI_CALL, .call = read_personality },
	{ .name = "intelRdt", .kind = OCI_LATER },
	{ .name = "memoryPolicy", .kind = OCI_LATER },
};
const struct oci_table oci_linux_table = OCI_TABLE(linux_fields);

// SPDX-License-Identifier: Apache-2.0
/*
 * Decoding of CREATE in three passes over the frame: count, lay out, take. See spec.h.
 *
 *     pass 1   framing is checked, TLVs are counted by tag, bytes of strings summed
 *     layout   run twice over the counts: with no memory (the size), then with it (the pointers)
 *     pass 2   each TLV is checked and taken by its rule
 */
#include "guest-init/spec.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define TAG_COUNT 128

struct dec {
	struct spec *s;
	size_t count[TAG_COUNT];
	size_t string_bytes;
	size_t group_count;
	unsigned int argc;
	char *strings; /* next free byte; enough for all by pass 1 */
	uint8_t *mem;  /* NULL while the layout is only measured */
	size_t used;
};

struct rule {
	const char *name; /* as a reader of config.json knows it */
	bool many;
	int (*take)(struct dec *d, const char *name, struct rd v, struct err *e);
};

static int bad_value(struct err *e, const char *name)
{
	return err_say(e, EPROTO, "%s: malformed value in the request", name);
}

/* --- strings --- */

static const char *dec_copy(struct dec *d, const char *s, size_t len)
{
	char *to = d->strings;

	memcpy(to, s, len);
	to[len] = '\0';
	d->strings += len + 1;
	return to;
}

static int dec_str(struct dec *d, const char *name, struct rd v, const char **out, struct err *e)
{
	const char *s;
	size_t len;

	*out = "";
	if (proto_get_str(v, &s, &len) < 0)
		return bad_value(e, name);
	*out = dec_copy(d, s, len);
	return 0;
}

static int check_path(const char *name, const char *path, struct err *e)
{
	if (path[0] != '/')
		return err_say(e, EINVAL, "%s: `%s` is not an absolute path", name, path);
	if (strlen(path) >= PATH_MAX)
		return err_say(e, ENAMETOOLONG, "%s: a path of %zu bytes; the limit is %d", name, strlen(path),
			       PATH_MAX - 1);
	return 0;
}

static int dec_path(struct dec *d, const char *name, struct rd v, const char **out, struct err *e)
{
	int r = dec_str(d, name, v, out, e);

	return r < 0 ? r : check_path(name, *out, e);
}

static int dec_flag(const char *name, struct rd v, bool *out, struct err *e)
{
	uint8_t b;

	if (proto_get_u8(v, &b) < 0 || b > 1)
		return bad_value(e, name);
	*out = b != 0;
	return 0;
}

/* --- the process --- */

static int take_proc(struct dec *d, const char *name, struct rd v, struct err *e)
{
	if (proto_get_u32(v, &d->s->proc) < 0)
		return bad_value(e, name);
	if (d->s->proc != PROTO_PROC_INIT)
		return err_say(e, EOPNOTSUPP, "process %u: this agent runs the container's first process only",
			       d->s->proc);
	return 0;
}

static int take_arg(struct dec *d, const char *name, struct rd v, struct err *e)
{
	const char *s;
	int r = dec_str(d, name, v, &s, e);

	if (r < 0)
		return r;
	d->s->argv[d->argc++] = (char *)(uintptr_t)s;
	return 0;
}

static int take_env(struct dec *d, const char *name, struct rd v, struct err *e)
{
	const char *s;
	int r = dec_str(d, name, v, &s, e);

	if (r < 0)
		return r;
	d->s->envp[d->s->envc++] = (char *)(uintptr_t)s;
	return 0;
}

static int take_cwd(struct dec *d, const char *name, struct rd v, struct err *e)
{
	return dec_path(d, name, v, &d->s->cwd, e);
}

static int take_user(struct dec *d, const char *name, struct rd v, struct err *e)
{
	d->s->uid = rd_u32(&v);
	d->s->gid = rd_u32(&v);
	d->s->umask = rd_u32(&v);
	if (!rd_done(&v) || d->s->uid == UINT32_MAX || d->s->gid == UINT32_MAX)
		return bad_value(e, name);
	if (d->s->umask != SPEC_NO_UMASK && d->s->umask > 0777)
		return err_say(e, EINVAL, "process.user.umask: 0%o is above 0777", d->s->umask);
	return 0;
}

static int take_groups(struct dec *d, const char *name, struct rd v, struct err *e)
{
	size_t i;

	if (v.left % sizeof(uint32_t) != 0)
		return bad_value(e, name);
	d->s->group_count = v.left / sizeof(uint32_t);
	for (i = 0; i < d->s->group_count; i++)
		d->s->groups[i] = rd_u32(&v);
	return 0;
}

static int take_caps(struct dec *d, const char *name, struct rd v, struct err *e)
{
	unsigned int i;

	for (i = 0; i < SPEC_CAPSETS; i++)
		d->s->caps[i] = rd_u64(&v);
	return rd_done(&v) ? 0 : bad_value(e, name);
}

static int take_rlimit(struct dec *d, const char *name, struct rd v, struct err *e)
{
	struct spec_rlimit *l = &d->s->rlimits[d->s->rlimit_count];
	uint32_t resource = rd_u32(&v);
	uint32_t zero = rd_u32(&v);

	l->soft = rd_u64(&v);
	l->hard = rd_u64(&v);
	if (!rd_done(&v) || zero != 0)
		return bad_value(e, name);
	if (resource >= RLIM_NLIMITS)
		return err_say(e, EINVAL, "%s: resource %u is unknown", name, resource);
	if (l->soft > l->hard)
		return err_say(e, EINVAL, "%s: soft limit %llu is above the hard limit %llu", name,
			       (unsigned long long)l->soft, (unsigned long long)l->hard);
	l->resource = (int)resource;
	d->s->rlimit_count++;
	return 0;
}

static int take_nnp(struct dec *d, const char *name, struct rd v, struct err *e)
{
	return dec_flag(name, v, &d->s->no_new_privs, e);
}

static int take_oom(struct dec *d, const char *name, struct rd v, struct err *e)
{
	uint32_t raw;

	if (proto_get_u32(v, &raw) < 0)
		return bad_value(e, name);
	d->s->oom_score = (int32_t)raw;
	d->s->has_oom_score = true;
	if (d->s->oom_score < -1000 || d->s->oom_score > 1000)
		return err_say(e, EINVAL, "%s: %d is not within -1000..1000", name, d->s->oom_score);
	return 0;
}

static int take_terminal(struct dec *d, const char *name, struct rd v, struct err *e)
{
	d->s->rows = rd_u16(&v);
	d->s->columns = rd_u16(&v);
	d->s->terminal = true;
	return rd_done(&v) ? 0 : bad_value(e, name);
}

static int take_streams(struct dec *d, const char *name, struct rd v, struct err *e)
{
	if (proto_get_u32(v, &d->s->streams) < 0 || d->s->streams >= 1u << PROTO_STREAM_COUNT)
		return bad_value(e, name);
	return 0;
}

/* --- the container --- */

static int take_root(struct dec *d, const char *name, struct rd v, struct err *e)
{
	uint32_t flags;

	d->s->root_entry = rd_u32(&v);
	flags = rd_u32(&v);
	if (!rd_done(&v) || flags > 1 || d->s->root_entry == PROTO_NO_ENTRY)
		return bad_value(e, name);
	d->s->root_readonly = flags != 0;
	return 0;
}

static int take_namespaces(struct dec *d, const char *name, struct rd v, struct err *e)
{
	const uint64_t known =
		CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | (uint64_t)CLONE_NEWNET;
	uint64_t ns;

	if (proto_get_u64(v, &ns) < 0)
		return bad_value(e, name);
	if ((ns & CLONE_NEWUSER) != 0)
		return err_say(e, EOPNOTSUPP, "%s: type user is not supported by this agent", name);
	if ((ns & CLONE_NEWTIME) != 0)
		return err_say(e, EOPNOTSUPP, "%s: type time is not supported by this agent", name);
	if ((ns & ~known) != 0)
		return err_say(e, EOPNOTSUPP, "%s: flags 0x%llx are unknown", name, (unsigned long long)(ns & ~known));
	if ((ns & CLONE_NEWNS) == 0)
		return err_say(e, EINVAL, "%s: type mount is missing; a container needs one of its own", name);
	d->s->namespaces = ns;
	return 0;
}

static int take_name(struct dec *d, const char *name, struct rd v, const char **out, struct err *e)
{
	int r = dec_str(d, name, v, out, e);

	if (r < 0)
		return r;
	if (strlen(*out) > 64)
		return err_say(e, ENAMETOOLONG, "%s: %zu bytes; the kernel's limit is 64", name, strlen(*out));
	return 0;
}

static int take_hostname(struct dec *d, const char *name, struct rd v, struct err *e)
{
	return take_name(d, name, v, &d->s->hostname, e);
}

static int take_domainname(struct dec *d, const char *name, struct rd v, struct err *e)
{
	return take_name(d, name, v, &d->s->domainname, e);
}

/* MS_ flags that describe a mount; what else mount(2) knows are operations, which this message does not carry. */
static const uint64_t mount_flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_MANDLOCK |
				    MS_DIRSYNC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME |
				    MS_LAZYTIME | MS_SILENT | MS_I_VERSION | MS_POSIXACL | 256 /* MS_NOSYMFOLLOW */;

static const uint64_t propagation_types = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;

static int check_propagation(const char *name, const char *what, uint64_t flags, struct err *e)
{
	uint64_t type = flags & ~(uint64_t)MS_REC;

	if (flags == 0)
		return 0;
	if (type == 0 || (type & ~propagation_types) != 0 || (type & (type - 1)) != 0)
		return err_say(e, EINVAL, "%s%s: propagation 0x%llx is none of shared, slave, private, unbindable",
			       name, what, (unsigned long long)flags);
	return 0;
}

static int check_mount(const char *name, const struct spec_mount *m, struct err *e)
{
	uint64_t flags = m->flags;
	int r = check_path(name, m->destination, e);

	if (r < 0)
		return r;
	if (strspn(m->destination, "/") == strlen(m->destination))
		return err_say(e, EOPNOTSUPP, "%s: `%s`: a mount over the root is not supported; set root.path instead",
			       name, m->destination);
	if (m->entry != PROTO_NO_ENTRY)
		flags &= ~(uint64_t)(MS_BIND | MS_REC);
	else if (m->type[0] == '\0')
		return err_say(e, EINVAL, "%s: `%s` has no type", name, m->destination);
	if ((m->bits & ~(PROTO_MOUNT_FILE | PROTO_MOUNT_REC)) != 0)
		return err_say(e, EPROTO, "%s: `%s`: bits 0x%x are unknown", name, m->destination, m->bits);
	if ((flags & ~mount_flags) != 0)
		return err_say(e, EOPNOTSUPP, "%s: `%s`: mount flags 0x%llx are not supported", name, m->destination,
			       (unsigned long long)(flags & ~mount_flags));
	return check_propagation(name, m->destination, m->propagation, e);
}

static int take_mount(struct dec *d, const char *name, struct rd v, struct err *e)
{
	struct spec_mount *m = &d->s->mounts[d->s->mount_count];
	struct proto_mount p;

	if (proto_get_mount(v, &p) < 0)
		return bad_value(e, name);
	m->entry = p.entry;
	m->bits = p.bits;
	m->flags = p.flags;
	m->clear = p.clear;
	m->propagation = p.propagation;
	m->destination = dec_copy(d, p.destination, p.destination_len);
	m->type = dec_copy(d, p.type, p.type_len);
	m->data = dec_copy(d, p.data, p.data_len);
	d->s->mount_count++;
	return check_mount(name, m, e);
}

static int take_masked(struct dec *d, const char *name, struct rd v, struct err *e)
{
	return dec_path(d, name, v, &d->s->masked[d->s->masked_count++], e);
}

static int take_readonly(struct dec *d, const char *name, struct rd v, struct err *e)
{
	return dec_path(d, name, v, &d->s->readonly[d->s->readonly_count++], e);
}

static int take_sysctl(struct dec *d, const char *name, struct rd v, struct err *e)
{
	struct spec_sysctl *y = &d->s->sysctls[d->s->sysctl_count];
	const char *key, *value;
	size_t key_len, value_len;

	if (proto_rd_str(&v, &key, &key_len) < 0 || proto_rd_str(&v, &value, &value_len) < 0 || !rd_done(&v))
		return bad_value(e, name);
	y->key = dec_copy(d, key, key_len);
	y->value = dec_copy(d, value, value_len);
	d->s->sysctl_count++;
	return 0;
}

static int take_device(struct dec *d, const char *name, struct rd v, struct err *e)
{
	struct spec_device *dev = &d->s->devices[d->s->device_count];
	struct proto_device p;
	mode_t type;

	if (proto_get_device(v, &p) < 0)
		return bad_value(e, name);
	dev->path = dec_copy(d, p.path, p.path_len);
	dev->mode = p.mode;
	dev->rdev = makedev(p.major, p.minor);
	dev->uid = p.uid;
	dev->gid = p.gid;
	d->s->device_count++;
	type = dev->mode & S_IFMT;
	if (type != S_IFCHR && type != S_IFBLK && type != S_IFIFO)
		return err_say(e, EINVAL, "%s: `%s`: mode 0%o is no device or fifo", name, dev->path, p.mode);
	if (p.major >= 1u << 12 || p.minor >= 1u << 20)
		return err_say(e, EINVAL, "%s: `%s`: device number %u:%u is out of range", name, dev->path, p.major,
			       p.minor);
	return check_path(name, dev->path, e);
}

static int take_propagation(struct dec *d, const char *name, struct rd v, struct err *e)
{
	if (proto_get_u64(v, &d->s->propagation) < 0)
		return bad_value(e, name);
	return check_propagation(name, "", d->s->propagation, e);
}

static int take_cgroup(struct dec *d, const char *name, struct rd v, struct err *e)
{
	(void)d;
	(void)v;
	return err_say(e, EOPNOTSUPP, "%s: not supported by this agent", name);
}

static const struct rule rules[TAG_COUNT] = {
	[PROTO_T_PROC] = { "process number", false, take_proc },
	[PROTO_T_ARG] = { "process.args", true, take_arg },
	[PROTO_T_ENV] = { "process.env", true, take_env },
	[PROTO_T_CWD] = { "process.cwd", false, take_cwd },
	[PROTO_T_USER] = { "process.user", false, take_user },
	[PROTO_T_GROUPS] = { "process.user.additionalGids", false, take_groups },
	[PROTO_T_CAPS] = { "process.capabilities", false, take_caps },
	[PROTO_T_RLIMIT] = { "process.rlimits", true, take_rlimit },
	[PROTO_T_NO_NEW_PRIVS] = { "process.noNewPrivileges", false, take_nnp },
	[PROTO_T_OOM_SCORE] = { "process.oomScoreAdj", false, take_oom },
	[PROTO_T_TERMINAL] = { "process.terminal", false, take_terminal },
	[PROTO_T_STREAMS] = { "streams", false, take_streams },
	[PROTO_T_ROOT] = { "root", false, take_root },
	[PROTO_T_NAMESPACES] = { "linux.namespaces", false, take_namespaces },
	[PROTO_T_HOSTNAME] = { "hostname", false, take_hostname },
	[PROTO_T_DOMAINNAME] = { "domainname", false, take_domainname },
	[PROTO_T_MOUNT] = { "mounts", true, take_mount },
	[PROTO_T_MASKED] = { "linux.maskedPaths", true, take_masked },
	[PROTO_T_READONLY] = { "linux.readonlyPaths", true, take_readonly },
	[PROTO_T_SYSCTL] = { "linux.sysctl", true, take_sysctl },
	[PROTO_T_DEVICE] = { "linux.devices", true, take_device },
	[PROTO_T_PROPAGATION] = { "linux.rootfsPropagation", false, take_propagation },
	[PROTO_T_CGROUP] = { "linux.resources", false, take_cgroup },
};

/* --- the passes --- */

static const struct rule *rule_of(const struct proto_tlv *t)
{
	if (t->tag >= TAG_COUNT || rules[t->tag].take == NULL)
		return NULL;
	return &rules[t->tag];
}

static int dec_count(struct dec *d, struct rd body, struct err *e)
{
	struct proto_tlv t;
	int r;

	while ((r = proto_tlv_next(&body, &t)) > 0) {
		const struct rule *rule = rule_of(&t);

		if (rule == NULL && !t.critical)
			continue;
		if (rule == NULL)
			return err_say(e, EOPNOTSUPP, "tag %u is unknown to this agent and marked as critical", t.tag);
		if (d->count[t.tag]++ > 0 && !rule->many)
			return err_say(e, EPROTO, "%s: given twice", rule->name);
		/* one inner string of n bytes took 4 + n on the wire, so len + 1 is enough for the terminators too */
		d->string_bytes += t.value.left + 1;
		if (t.tag == PROTO_T_GROUPS)
			d->group_count = t.value.left / sizeof(uint32_t);
	}
	return r == 0 ? 0 : err_say(e, EPROTO, "malformed list of fields");
}

static void *lay(struct dec *d, size_t n, size_t size)
{
	size_t at = (d->used + 15) & ~(size_t)15;

	d->used = at + n * size; /* bounded by the frame: see spec.h */
	return d->mem == NULL ? NULL : d->mem + at;
}

static void dec_layout(struct dec *d)
{
	struct spec none, *s;

	d->used = 0;
	s = lay(d, 1, sizeof(*s));
	d->s = s;
	if (s == NULL)
		s = &none;
	s->argv = lay(d, d->count[PROTO_T_ARG] + 1, sizeof(char *));
	s->envp = lay(d, d->count[PROTO_T_ENV] + 2, sizeof(char *));
	s->groups = lay(d, d->group_count, sizeof(*s->groups));
	s->rlimits = lay(d, d->count[PROTO_T_RLIMIT], sizeof(*s->rlimits));
	s->mounts = lay(d, d->count[PROTO_T_MOUNT], sizeof(*s->mounts));
	s->masked = lay(d, d->count[PROTO_T_MASKED], sizeof(*s->masked));
	s->readonly = lay(d, d->count[PROTO_T_READONLY], sizeof(*s->readonly));
	s->sysctls = lay(d, d->count[PROTO_T_SYSCTL], sizeof(*s->sysctls));
	s->devices = lay(d, d->count[PROTO_T_DEVICE], sizeof(*s->devices));
	d->strings = lay(d, d->string_bytes, 1);
}

static int dec_take(struct dec *d, struct rd body, struct err *e)
{
	struct proto_tlv t;
	int r;

	while ((r = proto_tlv_next(&body, &t)) > 0) {
		const struct rule *rule = rule_of(&t);

		r = rule == NULL ? 0 : rule->take(d, rule->name, t.value, e);
		if (r < 0)
			return r;
	}
	return r;
}

static int dec_check_whole(const struct dec *d, struct err *e)
{
	static const uint16_t needed[] = { PROTO_T_PROC, PROTO_T_ARG,  PROTO_T_CWD,
					   PROTO_T_USER, PROTO_T_ROOT, PROTO_T_NAMESPACES };
	const uint32_t tty = 1u << PROTO_TTY;
	const struct spec *s = d->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (d->count[needed[i]] == 0)
			return err_say(e, EPROTO, "%s: missing in the request", rules[needed[i]].name);
	if (s->argv[0][0] == '\0')
		return err_say(e, EINVAL, "process.args: the first is empty");
	if (s->terminal ? s->streams != tty : (s->streams & tty) != 0)
		return err_say(e, EPROTO, "streams: 0x%x does not fit process.terminal", s->streams);
	return 0;
}

int spec_decode(struct spec **out, struct rd body, struct err *e)
{
	struct dec d = { 0 };
	int r = dec_count(&d, body, e);

	*out = NULL;
	if (r < 0)
		return r;
	dec_layout(&d);
	d.mem = calloc(1, d.used);
	if (d.mem == NULL)
		return err_set(e, ENOMEM, "a request of %zu bytes", body.left);
	dec_layout(&d);
	d.s->umask = SPEC_NO_UMASK;
	r = dec_take(&d, body, e);
	if (r == 0)
		r = dec_check_whole(&d, e);
	if (r < 0) {
		free(d.mem);
		return r;
	}
	*out = d.s;
	return 0;
}

void spec_free(struct spec *s)
{
	free(s); /* the first thing in its allocation */
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <linux/magic.h>

#include "runtime-cli/plan_encode.h"
#include "vmm/base/log.h"

#define MIB ((uint64_t)1 << 20)

struct planner {
	const struct oci_spec *spec;
	const struct plan_opts *opts;
	struct vm_plan *plan;
	struct proto_mount *mounts;     /* one per mount of the spec */
	char what[JSON_QUOTE_MAX + 16]; /* the mount in hand, for messages */
	struct err *e;
};

static int no_memory(struct planner *pl)
{
	return err_set(pl->e, ENOMEM, "planning the container");
}

/* --- the machine --- */

static int plan_memory(struct planner *pl)
{
	uint64_t want = pl->spec->memory, host = pl->opts->host_memory;

	if (want == 0) {
		want = min_u64(PLAN_MEMORY_DEFAULT, host / 2) & ~(MIB - 1);
		pl->plan->memory = want < PLAN_MEMORY_MIN ? PLAN_MEMORY_MIN : want;
		return 0;
	}
	if (want < PLAN_MEMORY_MIN)
		return err_say(pl->e, EINVAL,
			       "annotations.io.kvmbox.memory: %" PRIu64 " bytes are less than the %" PRIu64
			       " MiB a VM needs",
			       want, PLAN_MEMORY_MIN / MIB);
	if (want > host)
		return err_say(pl->e, EINVAL,
			       "annotations.io.kvmbox.memory: %" PRIu64 " MiB are more than the %" PRIu64
			       " MiB of this machine",
			       want / MIB, host / MIB);
	pl->plan->memory = (want + MIB - 1) & ~(MIB - 1);
	return 0;
}

/* --- sources --- */

static const char *bundle_path(struct planner *pl, const char *path)
{
	if (path[0] == '/')
		return arena_printf(&pl->plan->arena, "%s", path);
	return arena_printf(&pl->plan->arena, "%s/%s", pl->opts->bundle, path);
}

/* The words of ENOENT and EACCES are left to the container's own program: engines turn them into exit codes. */
static int look(struct planner *pl, const char *what, const char *path, struct plan_source *found)
{
	int r = pl->opts->look(pl->opts->look_arg, path, found);
	char q[JSON_QUOTE_MAX];

	if (r == 0)
		return 0;
	json_quote(q, path);
	if (r == -ENOENT)
		return err_say(pl->e, ENOENT, "%s: `%s` does not exist", what, q);
	if (r == -EACCES || r == -EPERM)
		return err_say(pl->e, -r, "%s: `%s` may not be reached by this user", what, q);
	return err_set(pl->e, -r, "%s: `%s`", what, q);
}

static const char *kind_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK: return "a socket";
	case S_IFIFO: return "a FIFO";
	case S_IFCHR:
	case S_IFBLK: return "a device";
	default: return NULL;
	}
}

static uint32_t add_entry(struct planner *pl, const char *source, const struct plan_source *found)
{
	struct plan_entry *n = &pl->plan->entries[pl->plan->n_entries];

	*n = (struct plan_entry){ .source = source, .is_file = !S_ISDIR(found->mode) };
	return (uint32_t)pl->plan->n_entries++;
}

/* As runc and crun bind it: with the mounts below it */
static int plan_root(struct planner *pl)
{
	const char *path = bundle_path(pl, pl->spec->root_path), *fs;
	struct plan_source found = { 0 };
	char q[JSON_QUOTE_MAX];
	uint32_t n;
	int r;

	if (path == NULL)
		return no_memory(pl);
	r = look(pl, "root.path", path, &found);
	if (r < 0)
		return r;
	if (!S_ISDIR(found.mode))
		return err_say(pl->e, ENOTDIR, "root.path: `%s` is not a folder", json_quote(q, path));
	fs = plan_fs_refused(found.fs_type);
	if (fs != NULL)
		return err_say(pl->e, EINVAL,
			       "root.path: a %s file system is the host kernel's own and cannot be a root", fs);
	n = add_entry(pl, path, &found);
	pl->plan->entries[n].recursive = true;
	pl->plan->entries[n].readonly = pl->spec->root_readonly;
	return 0;
}

/* --- mounts --- */

/* true when path is at or below the folder base; both normalised */
static bool path_below(const char *path, const char *base)
{
	size_t len = strlen(base);

	return strncmp(path, base, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The latest of the mounts before i that m lies in or on; NULL: the root file system */
static const struct proto_mount *covering(const struct planner *pl, size_t i)
{
	const char *path = pl->spec->mounts[i].destination;

	while (i-- > 0)
		if (path_below(path, pl->spec->mounts[i].destination))
			return &pl->mounts[i];
	return NULL;
}

/* A mount's way through the host: what must be there, and what the monitor's own tree repeats */
static void plan_host_side(struct planner *pl, size_t i)
{
	const struct proto_mount *m = &pl->mounts[i], *cover = covering(pl, i);
	const char *path = m->destination + 1; /* without the slash */
	struct vm_plan *p = pl->plan;

	if (cover == NULL)
		p->points[p->n_points++] = (struct plan_point){ path, (m->bits & PROTO_MOUNT_FILE) != 0 };
	/* Below a file system of the guest's own the host has no place for it: /dev/shm after a tmpfs on /dev */
	if (m->entry != PROTO_NO_ENTRY && (cover == NULL || cover->entry != PROTO_NO_ENTRY))
		p->binds[p->n_binds++] = (struct plan_bind){ m->entry, path };
}

static int set_mount(struct planner *pl, size_t i, uint32_t entry, const char *type)
{
	const struct oci_mount *from = &pl->spec->mounts[i];
	struct arena *a = &pl->plan->arena;
	struct proto_mount *m = &pl->mounts[i];

	*m = (struct proto_mount){
		.entry = entry,
		.flags = from->flags,
		.clear = from->clear,
		.propagation = from->propagation,
		.destination = arena_printf(a, "%s", from->destination),
		.type = type,
		.data = from->data,
		.type_len = strlen(type),
		.data_len = strlen(from->data),
	};
	if (m->destination == NULL)
		return no_memory(pl);
	m->destination_len = strlen(m->destination);
	return 0;
}

/* A bind of the host's /sys or cgroup tree becomes the guest's own; anything else of the kernel's cannot be given. */
static int plan_kernel_bind(struct planner *pl, size_t i, const struct plan_source *found, const char *fs)
{
	const struct oci_mount *m = &pl->spec->mounts[i];
	const char *type = NULL;
	char q[JSON_QUOTE_MAX];

	json_quote(q, m->source);
	if (found->fs_type == SYSFS_MAGIC)
		type = "sysfs";
	else if (found->fs_type == CGROUP2_SUPER_MAGIC)
		type = "cgroup2";
	if (type == NULL || !found->fs_root || !S_ISDIR(found->mode))
		return err_say(pl->e, EINVAL,
			       "%s: source `%s` is part of the host kernel's %s, which a VM cannot "
			       "be given; remove the mount",
			       pl->what, q, fs);
	log_warn("config", "%s: `%s` is the host's; the container gets its VM's own %s instead", pl->what, q, type);
	return set_mount(pl, i, PROTO_NO_ENTRY, type);
}

static int plan_bind(struct planner *pl, size_t i)
{
	const struct oci_mount *m = &pl->spec->mounts[i];
	const char *path = bundle_path(pl, m->source), *fs, *kind;
	struct plan_source found = { 0 };
	char q[JSON_QUOTE_MAX];
	uint32_t n;
	int r;

	if (path == NULL)
		return no_memory(pl);
	r = look(pl, pl->what, path, &found);
	if (r < 0)
		return r;
	kind = kind_name(found.mode);
	if (kind != NULL)
		return err_say(pl->e, EINVAL, "%s: source `%s` is %s, which cannot cross into a VM; remove the mount",
			       pl->what, json_quote(q, m->source), kind);
	fs = plan_fs_refused(found.fs_type);
	if (fs != NULL)
		return plan_kernel_bind(pl, i, &found, fs);
	n = add_entry(pl, path, &found);
	pl->plan->entries[n].recursive = m->recursive;
	pl->plan->entries[n].readonly = (m->flags & MS_RDONLY) != 0;
	r = set_mount(pl, i, n, "");
	pl->mounts[i].bits =
		(pl->plan->entries[n].is_file ? PROTO_MOUNT_FILE : 0) | (m->recursive ? PROTO_MOUNT_REC : 0);
	return r;
}

/* File systems that live in the guest's kernel and need nothing of the host */
static int plan_own(struct planner *pl, size_t i)
{
	static const char *const types[] = {
		"proc",    "sysfs", "tmpfs",   "ramfs",   "devpts",     "mqueue",
		"cgroup2", "bpf",   "debugfs", "tracefs", "securityfs", "hugetlbfs",
	};
	const struct oci_mount *m = &pl->spec->mounts[i];
	char q[JSON_QUOTE_MAX];
	size_t t;

	if (strcmp(m->type, "cgroup") == 0) {
		if (m->data[0] != '\0')
			return err_say(pl->e, EINVAL, "%s: options `%s` belong to cgroup version 1; remove them",
				       pl->what, json_quote(q, m->data));
		return set_mount(pl, i, PROTO_NO_ENTRY, "cgroup2"); /* the guest has no other */
	}
	for (t = 0; t < ARRAY_SIZE(types); t++)
		if (strcmp(m->type, types[t]) == 0)
			return set_mount(pl, i, PROTO_NO_ENTRY, types[t]);
	return err_say(pl->e, EINVAL,
		       "%s: type `%s` is not supported by this version of kvmbox; mount it on the host "
		       "and bind it",
		       pl->what, json_quote(q, m->type));
}

static int plan_mounts(struct planner *pl)
{
	char q[JSON_QUOTE_MAX];
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < pl->spec->n_mounts; i++) {
		(void)snprintf(pl->what, sizeof(pl->what), "mount at %s",
			       json_quote(q, pl->spec->mounts[i].destination));
		r = pl->spec->mounts[i].bind ? plan_bind(pl, i) : plan_own(pl, i);
		if (r == 0)
			plan_host_side(pl, i);
	}
	return r;
}

static int plan_all(struct planner *pl)
{
	struct vm_plan *p = pl->plan;
	size_t n = pl->spec->n_mounts;
	int r;

	if (pl->opts->bundle[0] != '/')
		return err_say(pl->e, EINVAL, "bundle `%s`: the path must be absolute", pl->opts->bundle);
	p->entries = arena_array(&p->arena, n + 1, sizeof(*p->entries));
	p->points = arena_array(&p->arena, n, sizeof(*p->points));
	p->binds = arena_array(&p->arena, n, sizeof(*p->binds));
	pl->mounts = arena_array(&p->arena, n, sizeof(*pl->mounts));
	if (p->entries == NULL || p->points == NULL || p->binds == NULL || pl->mounts == NULL)
		return no_memory(pl);
	p->vcpus = pl->spec->vcpus != 0 ? pl->spec->vcpus : 1;
	p->cold = pl->spec->cold;
	r = plan_memory(pl);
	if (r == 0)
		r = plan_root(pl);
	if (r == 0)
		r = plan_mounts(pl);
	if (r == 0)
		r = plan_encode(pl->spec, pl->opts, pl->mounts, p, pl->e);
	return r;
}

int plan_make(const struct oci_spec *s, const struct plan_opts *opts, struct vm_plan *p, struct err *e)
{
	struct planner pl = { .spec = s, .opts = opts, .plan = p, .e = e };
	int r;

	*p = (struct vm_plan){ 0 };
	r = plan_all(&pl);
	if (r < 0)
		plan_free(p);
	return r;
}

void plan_free(struct vm_plan *p)
{
	arena_free(&p->arena);
	*p = (struct vm_plan){ 0 };
}

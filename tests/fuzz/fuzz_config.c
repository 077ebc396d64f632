// SPDX-License-Identifier: Apache-2.0
/*
 * config.json to plan to what the agent reads.
 *
 * Oracles: an error has a text of printable ASCII; a spec that is accepted gives a plan or such an error; the agent's
 * own decoder accepts every plan, and what it reads is what the spec says; entries, mount points and binds stay inside
 * their bounds; the JSON text printed again by json-c gives the same plan, byte by byte.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <linux/magic.h>

#include "guest-init/proto/proto.h"
#include "guest-init/spec.h"
#include "runtime-cli/plan.h"
#include "vmm/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

/* The kind of file follows from the path's last byte, so that inputs reach every kind. */
static int fake_look(void *arg, const char *path, struct plan_source *out)
{
	size_t len = strlen(path);

	(void)arg;
	*out = (struct plan_source){ .mode = S_IFDIR | 0755, .fs_type = 0xef53 };
	switch (len > 0 ? path[len - 1] : 0) {
	case '0': return -2;
	case '1': out->mode = S_IFREG | 0644; break;
	case '2': out->mode = S_IFSOCK | 0644; break;
	case '3': out->mode = S_IFCHR | 0644; break;
	case '4': out->fs_type = PROC_SUPER_MAGIC; break;
	case '5': *out = (struct plan_source){ S_IFDIR | 0755, SYSFS_MAGIC, true }; break;
	case '6': *out = (struct plan_source){ S_IFDIR | 0755, CGROUP2_SUPER_MAGIC, true }; break;
	default: break;
	}
	return 0;
}

static const struct plan_opts opts = {
	.bundle = "/b",
	.host_memory = (uint64_t)8 << 30,
	.streams = 7,
	.look = fake_look,
};

static void check_err(const struct err *e)
{
	const char *p = e->text;

	CHECK(e->code > 0 && *p != '\0');
	for (; *p != '\0'; p++)
		CHECK(*p >= 0x20 && *p <= 0x7e);
}

/* Absolute, normalised, not the root */
static void check_destination(const char *path)
{
	CHECK(path[0] == '/' && path[1] != '\0' && path[strlen(path) - 1] != '/');
	CHECK(strstr(path, "//") == NULL && strstr(path, "/./") == NULL && strstr(path, "/../") == NULL);
}

static void check_entries(const struct oci_spec *s, const struct vm_plan *p)
{
	size_t i;

	CHECK(p->n_entries >= 1 && p->n_entries <= s->n_mounts + 1);
	CHECK(p->n_points <= s->n_mounts && p->n_binds <= s->n_mounts);
	CHECK(!p->entries[0].is_file && p->entries[0].recursive && p->entries[0].readonly == s->root_readonly);
	for (i = 0; i < p->n_entries; i++)
		CHECK(p->entries[i].source[0] == '/');
	for (i = 0; i < p->n_points; i++)
		CHECK(p->points[i].path[0] != '/' && p->points[i].path[0] != '\0');
	for (i = 0; i < p->n_binds; i++)
		CHECK(p->binds[i].entry >= 1 && p->binds[i].entry < p->n_entries && p->binds[i].path[0] != '/');
	CHECK(p->memory >= PLAN_MEMORY_MIN && p->memory <= opts.host_memory && p->memory % (1 << 20) == 0);
	CHECK(p->vcpus >= 1 && p->vcpus <= OCI_VCPUS_MAX);
}

static void check_agent(const struct oci_spec *s, const struct vm_plan *p, const struct spec *a)
{
	size_t i;

	CHECK(a->envc == s->process.env.n && strcmp(a->cwd, s->process.cwd) == 0);
	for (i = 0; i < s->process.args.n; i++)
		CHECK(strcmp(a->argv[i], s->process.args.v[i]) == 0);
	CHECK(a->argv[i] == NULL);
	CHECK(a->uid == s->process.user.uid && a->gid == s->process.user.gid && a->umask == s->process.user.umask);
	CHECK(a->group_count == s->process.user.n_groups && a->rlimit_count == s->process.n_rlimits);
	CHECK(a->caps[SPEC_BOUNDING] == s->process.caps[OCI_BOUNDING]);
	CHECK((a->caps[SPEC_EFFECTIVE] & ~a->caps[SPEC_PERMITTED]) == 0);
	CHECK((a->caps[SPEC_AMBIENT] & ~(a->caps[SPEC_PERMITTED] & a->caps[SPEC_INHERITABLE])) == 0);
	CHECK(a->no_new_privs == s->process.no_new_privileges && a->terminal == s->process.terminal);
	CHECK(a->streams == (s->process.terminal ? 1u << PROTO_TTY : opts.streams));
	CHECK(a->namespaces == s->namespaces && a->root_entry == 0 && a->root_readonly == s->root_readonly);
	CHECK(a->masked_count == s->masked_paths.n && a->readonly_count == s->readonly_paths.n);
	CHECK(a->sysctl_count == s->sysctl.n && a->device_count == s->n_devices && a->mount_count == s->n_mounts);
	for (i = 0; i < a->mount_count; i++) {
		const struct spec_mount *m = &a->mounts[i];

		check_destination(m->destination);
		CHECK(strcmp(m->destination, s->mounts[i].destination) == 0);
		CHECK(m->entry == PROTO_NO_ENTRY || (m->entry >= 1 && m->entry < p->n_entries));
		CHECK((m->flags & m->clear) == 0);
		if (m->entry != PROTO_NO_ENTRY)
			CHECK(p->entries[m->entry].readonly == ((m->flags & MS_RDONLY) != 0));
	}
}

static int make(const char *text, size_t size, struct oci_spec *s, struct vm_plan *p)
{
	struct err e = { 0 };
	int r = oci_parse(text, size, s, &e);

	if (r == 0) {
		r = plan_make(s, &opts, p, &e);
		if (r < 0)
			oci_free(s);
	}
	if (r < 0)
		check_err(&e);
	return r;
}

static void check_again(const struct oci_spec *s, const struct vm_plan *p)
{
	const char *text = json_object_to_json_string_ext(s->json, JSON_C_TO_STRING_PLAIN);
	struct vm_plan again;
	struct oci_spec s2;

	CHECK(make(text, strlen(text), &s2, &again) == 0);
	CHECK(again.create_len == p->create_len && memcmp(again.create, p->create, p->create_len) == 0);
	CHECK(again.n_entries == p->n_entries && again.memory == p->memory && again.vcpus == p->vcpus);
	plan_free(&again);
	oci_free(&s2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec *agent = NULL;
	struct oci_spec s;
	struct vm_plan p;
	struct err e = { 0 };

	log_init("fuzz", "", -1, LOG_ERROR);
	if (make((const char *)data, size, &s, &p) < 0)
		return 0;
	CHECK(spec_decode(&agent, rd_init(p.create, p.create_len), &e) == 0);
	check_entries(&s, &p);
	check_agent(&s, &p, agent);
	check_again(&s, &p);
	spec_free(agent);
	plan_free(&p);
	oci_free(&s);
	return 0;
}

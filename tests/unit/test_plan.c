// SPDX-License-Identifier: Apache-2.0
/*
 * Plans: golden files (data/NAME.json to data/NAME.plan), and what a source may not be.
 *
 * KVMBOX_GOLDEN=write rewrites the .plan files; read the difference before committing it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/magic.h>

#include "guest-init/proto/proto.h"
#include "guest-init/spec.h"
#include "runtime-cli/plan.h"
#include "vmm/base/log.h"

#define EXT4 0xef53
#define GIB  ((uint64_t)1 << 30)

/* A host that exists in this table only */
static int fake_look(void *arg, const char *path, struct plan_source *out)
{
	static const struct {
		const char *path;
		struct plan_source found;
		int r;
	} host[] = {
		{ "/b/rootfs", { S_IFDIR | 0755, EXT4, false }, 0 },
		{ "/b/shm", { S_IFDIR | 01777, TMPFS_MAGIC, true }, 0 },
		{ "/b/vol", { S_IFDIR | 0700, EXT4, false }, 0 },
		{ "/srv/root", { S_IFDIR | 0755, EXT4, false }, 0 },
		{ "/srv/hosts", { S_IFREG | 0644, EXT4, false }, 0 },
		{ "/srv/cache", { S_IFDIR | 0755, EXT4, false }, 0 },
		{ "/sys", { S_IFDIR | 0555, SYSFS_MAGIC, true }, 0 },
		{ "/sys/class", { S_IFDIR | 0755, SYSFS_MAGIC, false }, 0 },
		{ "/sys/fs/cgroup", { S_IFDIR | 0755, CGROUP2_SUPER_MAGIC, true }, 0 },
		{ "/sys/fs/cgroup/x", { S_IFDIR | 0755, CGROUP2_SUPER_MAGIC, false }, 0 },
		{ "/sys/kernel/debug", { S_IFDIR | 0700, DEBUGFS_MAGIC, true }, 0 },
		{ "/proc", { S_IFDIR | 0555, PROC_SUPER_MAGIC, true }, 0 },
		{ "/proc/1/ns/net", { S_IFREG | 0444, NSFS_MAGIC, false }, 0 },
		{ "/s/sock", { S_IFSOCK | 0755, TMPFS_MAGIC, false }, 0 },
		{ "/s/fifo", { S_IFIFO | 0755, TMPFS_MAGIC, false }, 0 },
		{ "/s/tty", { S_IFCHR | 0755, TMPFS_MAGIC, false }, 0 },
		{ "/s/disk", { S_IFBLK | 0755, TMPFS_MAGIC, false }, 0 },
		{ "/s/denied", { 0, 0, false }, -EACCES },
		{ "/s/io", { 0, 0, false }, -EIO },
	};
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(host); i++) {
		if (strcmp(path, host[i].path) != 0)
			continue;
		*out = host[i].found;
		return host[i].r;
	}
	return -ENOENT;
}

static const struct plan_opts opts = {
	.bundle = "/b",
	.host_memory = 16 * GIB,
	.streams = 1u << PROTO_STDIN | 1u << PROTO_STDOUT | 1u << PROTO_STDERR,
	.look = fake_look,
};

/* --- the dump --- */

static void dump_text(FILE *f, const char *name, struct rd v)
{
	fprintf(f, "%s `%.*s`\n", name, (int)v.left, (const char *)v.p);
}

static void dump_u32s(FILE *f, const char *name, struct rd v)
{
	fprintf(f, "%s", name);
	while (v.left > 0)
		fprintf(f, " %" PRIu32, rd_u32(&v));
	ck_assert(rd_done(&v));
	fprintf(f, "\n");
}

static void dump_u64s(FILE *f, const char *name, struct rd v)
{
	fprintf(f, "%s", name);
	while (v.left > 0)
		fprintf(f, " 0x%" PRIx64, rd_u64(&v));
	ck_assert(rd_done(&v));
	fprintf(f, "\n");
}

static void dump_rlimit(FILE *f, struct rd v)
{
	uint32_t resource = rd_u32(&v), zero = rd_u32(&v);
	uint64_t soft = rd_u64(&v), hard = rd_u64(&v);

	ck_assert(rd_done(&v) && zero == 0);
	fprintf(f, "rlimit %" PRIu32 " soft %" PRIu64 " hard %" PRIu64 "\n", resource, soft, hard);
}

static void dump_mount(FILE *f, struct rd v)
{
	struct proto_mount m;

	ck_assert_int_eq(proto_get_mount(v, &m), 0);
	fprintf(f, "mount `%.*s`", (int)m.destination_len, m.destination);
	if (m.entry != PROTO_NO_ENTRY)
		fprintf(f, " entry %" PRIu32, m.entry);
	if (m.type_len > 0)
		fprintf(f, " type %.*s", (int)m.type_len, m.type);
	fprintf(f, " flags 0x%" PRIx64 " clear 0x%" PRIx64 " propagation 0x%" PRIx64, m.flags, m.clear, m.propagation);
	fprintf(f, "%s%s", m.bits & PROTO_MOUNT_FILE ? " file" : "", m.bits & PROTO_MOUNT_REC ? " recursive" : "");
	fprintf(f, " data `%.*s`\n", (int)m.data_len, m.data);
}

static void dump_sysctl(FILE *f, struct rd v)
{
	const char *key, *value;
	size_t key_len, value_len;

	ck_assert_int_eq(proto_rd_str(&v, &key, &key_len), 0);
	ck_assert_int_eq(proto_rd_str(&v, &value, &value_len), 0);
	ck_assert(rd_done(&v));
	fprintf(f, "sysctl `%.*s` `%.*s`\n", (int)key_len, key, (int)value_len, value);
}

static void dump_device(FILE *f, struct rd v)
{
	struct proto_device d;

	ck_assert_int_eq(proto_get_device(v, &d), 0);
	fprintf(f, "device `%.*s` mode 0%" PRIo32 " %" PRIu32 ":%" PRIu32 " owner %" PRIu32 ":%" PRIu32 "\n",
		(int)d.path_len, d.path, d.mode, d.major, d.minor, d.uid, d.gid);
}

static void dump_size(FILE *f, struct rd v)
{
	uint16_t rows = rd_u16(&v), columns = rd_u16(&v);

	ck_assert(rd_done(&v));
	fprintf(f, "terminal %u rows %u columns\n", rows, columns);
}

static void dump_tlv(FILE *f, const struct proto_tlv *t)
{
	struct rd v = t->value;

	switch (t->tag) {
	case PROTO_T_PROC: dump_u32s(f, "proc", v); break;
	case PROTO_T_ARG: dump_text(f, "arg", v); break;
	case PROTO_T_ENV: dump_text(f, "env", v); break;
	case PROTO_T_CWD: dump_text(f, "cwd", v); break;
	case PROTO_T_USER: dump_u32s(f, "user", v); break;
	case PROTO_T_GROUPS: dump_u32s(f, "groups", v); break;
	case PROTO_T_CAPS: dump_u64s(f, "caps", v); break;
	case PROTO_T_RLIMIT: dump_rlimit(f, v); break;
	case PROTO_T_NO_NEW_PRIVS: fprintf(f, "no-new-privs %u\n", rd_u8(&v)); break;
	case PROTO_T_OOM_SCORE: fprintf(f, "oom-score %" PRId32 "\n", (int32_t)rd_u32(&v)); break;
	case PROTO_T_TERMINAL: dump_size(f, v); break;
	case PROTO_T_STREAMS: dump_u32s(f, "streams", v); break;
	case PROTO_T_ROOT: dump_u32s(f, "root", v); break;
	case PROTO_T_NAMESPACES: dump_u64s(f, "namespaces", v); break;
	case PROTO_T_HOSTNAME: dump_text(f, "hostname", v); break;
	case PROTO_T_DOMAINNAME: dump_text(f, "domainname", v); break;
	case PROTO_T_MOUNT: dump_mount(f, v); break;
	case PROTO_T_MASKED: dump_text(f, "masked", v); break;
	case PROTO_T_READONLY: dump_text(f, "readonly", v); break;
	case PROTO_T_SYSCTL: dump_sysctl(f, v); break;
	case PROTO_T_DEVICE: dump_device(f, v); break;
	case PROTO_T_PROPAGATION: dump_u64s(f, "propagation", v); break;
	default: ck_abort_msg("tag %u has no dump", t->tag);
	}
}

static void dump_plan(FILE *f, const struct vm_plan *p)
{
	struct rd body = rd_init(p->create, p->create_len);
	struct proto_tlv t;
	size_t i;
	int r;

	fprintf(f, "memory %" PRIu64 " MiB\nvcpus %" PRIu32 "\ncold %d\n", p->memory >> 20, p->vcpus, p->cold);
	for (i = 0; i < p->n_entries; i++)
		fprintf(f, "entry %zu `%s`%s%s%s\n", i, p->entries[i].source,
			p->entries[i].recursive ? " recursive" : "", p->entries[i].readonly ? " readonly" : "",
			p->entries[i].is_file ? " file" : "");
	for (i = 0; i < p->n_points; i++)
		fprintf(f, "point `%s`%s\n", p->points[i].path, p->points[i].is_file ? " file" : "");
	for (i = 0; i < p->n_binds; i++)
		fprintf(f, "bind entry %" PRIu32 " at `%s`\n", p->binds[i].entry, p->binds[i].path);
	fprintf(f, "--- to the agent\n");
	while ((r = proto_tlv_next(&body, &t)) == 1) {
		ck_assert(t.critical);
		dump_tlv(f, &t);
	}
	ck_assert_int_eq(r, 0);
}

/* --- golden files --- */

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 16);

	ck_assert_msg(f != NULL, "%s: run from the top of the tree", path);
	ck_assert_uint_lt(fread(text, 1, (1 << 16) - 1, f), (1 << 16) - 1);
	(void)fclose(f);
	return text;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void plan_text(struct vm_plan *p, const char *text)
{
	struct oci_spec s;
	struct err e = { 0 };
	int r;

	ck_assert_msg(oci_parse(text, strlen(text), &s, &e) == 0, "%s", e.text);
	r = plan_make(&s, &opts, p, &e);
	oci_free(&s); /* a plan does not refer to its spec */
	ck_assert_msg(r == 0, "%s", e.text);
}

static const char *const golden[] = { "umoci", "crun", "runc", "podman", "volumes", "process" };

START_TEST(test_plans_are_as_the_golden_files_say)
{
	char path[128], *config, *want, *dump = NULL;
	struct vm_plan p;
	size_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/unit/data/%s.json", golden[_i]);
	config = read_file(path);
	plan_text(&p, config);
	f = open_memstream(&dump, &len);
	dump_plan(f, &p);
	(void)fclose(f);
	(void)snprintf(path, sizeof(path), "tests/unit/data/%s.plan", golden[_i]);
	if (getenv("KVMBOX_GOLDEN") != NULL)
		write_file(path, dump);
	want = read_file(path);
	ck_assert_msg(strcmp(dump, want) == 0, "%s differs; the plan is now:\n%s", path, dump);
	plan_free(&p);
	free(want);
	free(dump);
	free(config);
}
END_TEST

START_TEST(test_the_agent_understands_every_golden_plan)
{
	char path[128], *config;
	struct spec *s = NULL;
	struct err e = { 0 };
	struct vm_plan p;

	(void)snprintf(path, sizeof(path), "tests/unit/data/%s.json", golden[_i]);
	config = read_file(path);
	plan_text(&p, config);
	ck_assert_msg(spec_decode(&s, rd_init(p.create, p.create_len), &e) == 0, "%s", e.text);
	spec_free(s);
	plan_free(&p);
	free(config);
}
END_TEST

/* --- one thing at a time --- */

static int plan(struct vm_plan *p, const char *root, const char *mounts, const char *annotations,
		const struct plan_opts *o, struct err *e)
{
	struct oci_spec s;
	char *text = NULL;
	int r, n;

	n = asprintf(
		&text,
		"{\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},\"root\":{\"path\":\"%s\"},"
		"\"mounts\":[%s],\"annotations\":{%s},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":"
		"\"mount\"},"
		"{\"type\":\"network\"},{\"type\":\"ipc\"}]}}",
		root, mounts, annotations);
	ck_assert_int_gt(n, 0);
	r = oci_parse(text, (size_t)n, &s, e);
	ck_assert_msg(r == 0, "%s", e->text);
	free(text);
	r = plan_make(&s, o, p, e);
	oci_free(&s);
	return r;
}

static const struct {
	const char *root, *mounts, *annotations, *says;
} wrong[] = {
	{ "gone", "", "", "root.path: `/b/gone` does not exist" },
	{ "/srv/hosts", "", "", "root.path: `/srv/hosts` is not a folder" },
	{ "/s/denied", "", "", "root.path: `/s/denied` may not be reached by this user" },
	{ "/s/io", "", "", "root.path: `/s/io`: Input/output error" },
	{ "/proc", "", "", "root.path: a proc file system is the host kernel's own" },
	{ "/sys/class", "", "", "root.path: a sysfs file system" },
	{ "rootfs", "{\"destination\":\"/a\\n\",\"type\":\"bind\",\"source\":\"gone\"}", "",
	  "mount at /a\\x0a: `/b/gone` does not exist" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/s/sock\"}", "",
	  "mount at /a: source `/s/sock` is a socket, which cannot cross into a VM" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/s/fifo\"}", "",
	  "mount at /a: source `/s/fifo` is a FIFO" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/s/tty\"}", "",
	  "mount at /a: source `/s/tty` is a device" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/s/disk\"}", "",
	  "mount at /a: source `/s/disk` is a device" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/proc\"}", "",
	  "mount at /a: source `/proc` is part of the host kernel's proc" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/proc/1/ns/net\"}", "",
	  "mount at /a: source `/proc/1/ns/net` is part of the host kernel's nsfs" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/sys/class\"}", "",
	  "mount at /a: source `/sys/class` is part of the host kernel's sysfs" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup/x\"}", "",
	  "mount at /a: source `/sys/fs/cgroup/x` is part of the host kernel's cgroup2" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/sys/kernel/debug\"}", "",
	  "mount at /a: source `/sys/kernel/debug` is part of the host kernel's debugfs" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"ext4\",\"source\":\"/dev/sda\"}", "",
	  "mount at /a: type `ext4` is not supported by this version of kvmbox; mount it on the host and bind it" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"overlay\",\"options\":[\"lowerdir=/\"]}", "",
	  "mount at /a: type `overlay` is not supported" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"9p\",\"source\":\"kvmbox\"}", "",
	  "mount at /a: type `9p` is not" },
	{ "rootfs", "{\"destination\":\"/a\",\"type\":\"cgroup\",\"options\":[\"cpu\"]}", "",
	  "mount at /a: options `cpu` belong to cgroup version 1" },
	{ "rootfs", "", "\"io.kvmbox.memory\":\"63M\"",
	  "annotations.io.kvmbox.memory: 66060288 bytes are less than the 64 MiB" },
	{ "rootfs", "", "\"io.kvmbox.memory\":\"1T\"",
	  "annotations.io.kvmbox.memory: 1048576 MiB are more than the 16384 MiB of this machine" },
};

START_TEST(test_what_cannot_be_is_refused_by_name)
{
	struct vm_plan p;
	struct err e = { 0 };

	ck_assert_int_lt(plan(&p, wrong[_i].root, wrong[_i].mounts, wrong[_i].annotations, &opts, &e), 0);
	ck_assert_msg(strncmp(e.text, wrong[_i].says, strlen(wrong[_i].says)) == 0, "\nsays   %s\nshould %s", e.text,
		      wrong[_i].says);
	ck_assert_ptr_null(p.entries);
}
END_TEST

START_TEST(test_default_memory_is_2_gib_or_half_the_host)
{
	static const struct {
		uint64_t host, memory;
	} cases[] = {
		{ 16 * GIB, 2 * GIB },
		{ 4 * GIB, 2 * GIB },
		{ 3 * GIB + 12345, 3 * GIB / 2 },
		{ 100 << 20, 64 << 20 },
	};
	struct plan_opts o = opts;
	struct vm_plan p;
	struct err e = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		o.host_memory = cases[i].host;
		ck_assert_int_eq(plan(&p, "rootfs", "", "", &o, &e), 0);
		ck_assert_uint_eq(p.memory, cases[i].memory);
		ck_assert_uint_eq(p.vcpus, 1);
		plan_free(&p);
	}
}
END_TEST

START_TEST(test_a_relative_bundle_is_refused)
{
	struct plan_opts o = opts;
	struct vm_plan p;
	struct err e = { 0 };

	o.bundle = "b";
	ck_assert_int_lt(plan(&p, "rootfs", "", "", &o, &e), 0);
	ck_assert_str_eq(e.text, "bundle `b`: the path must be absolute");
}
END_TEST

START_TEST(test_the_size_of_the_terminal_now_wins_over_the_spec)
{
	char *config = read_file("tests/unit/data/process.json");
	struct plan_opts o = opts;
	struct oci_spec s;
	struct spec *agent = NULL;
	struct vm_plan p;
	struct err e = { 0 };

	o.rows = 50;
	o.columns = 132;
	ck_assert_int_eq(oci_parse(config, strlen(config), &s, &e), 0);
	ck_assert_int_eq(plan_make(&s, &o, &p, &e), 0);
	ck_assert_int_eq(spec_decode(&agent, rd_init(p.create, p.create_len), &e), 0);
	ck_assert_uint_eq(agent->rows, 50);
	ck_assert_uint_eq(agent->columns, 132);
	ck_assert_uint_eq(agent->streams, 1u << PROTO_TTY);
	spec_free(agent);
	plan_free(&p);
	oci_free(&s);
	free(config);
}
END_TEST

/* n arguments of 128 KiB less a byte each */
static int plan_big(struct vm_plan *p, size_t n, struct err *e)
{
	static const char head[] = "{\"ociVersion\":\"1.2.0\",\"process\":{\"cwd\":\"/\",\"args\":[";
	static const char tail[] =
		"\"\"]},\"root\":{\"path\":\"rootfs\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},"
		"{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"ipc\"}]}}";
	const size_t each = (128 << 10) - 1;
	char *text = malloc(sizeof(head) + n * (each + 3) + sizeof(tail)), *at = text;
	struct oci_spec s;
	size_t i;
	int r;

	at = mempcpy(at, head, sizeof(head) - 1);
	for (i = 0; i < n; i++) {
		*at++ = '"';
		memset(at, 'a', each);
		at += each;
		*at++ = '"';
		*at++ = ',';
	}
	at = mempcpy(at, tail, sizeof(tail) - 1);
	r = oci_parse(text, (size_t)(at - text), &s, e);
	free(text);
	if (r == 0) {
		r = plan_make(&s, &opts, p, e);
		oci_free(&s);
	}
	return r;
}

START_TEST(test_arguments_may_fill_the_frame_but_not_overflow_it)
{
	struct vm_plan p;
	struct err e = { 0 };

	ck_assert_msg(plan_big(&p, 60, &e) == 0, "%s", e.text);
	ck_assert_uint_gt(p.create_len, 60 * ((128 << 10) - 1));
	ck_assert_uint_le(p.create_len, PROTO_MAX_TO_GUEST);
	plan_free(&p);
	ck_assert_int_eq(plan_big(&p, 65, &e), -E2BIG);
	ck_assert_str_eq(e.text, "process.args, process.env and mounts together are larger than 8 MiB; shorten them");
}
END_TEST

START_TEST(test_the_real_host_is_looked_at_through_links)
{
	char dir[] = "/tmp/test_plan.XXXXXX", path[64];
	struct plan_source found;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/l", dir);
	ck_assert_int_eq(symlink(".", path), 0);
	ck_assert_int_eq(plan_look(NULL, path, &found), 0);
	ck_assert(S_ISDIR(found.mode));
	ck_assert_ptr_null(plan_fs_refused(found.fs_type));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(plan_look(NULL, path, &found), -ENOENT);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(plan_look(NULL, "/proc/self", &found), 0);
	ck_assert_str_eq(plan_fs_refused(found.fs_type), "proc");
	ck_assert(!found.fs_root);
	ck_assert_int_eq(plan_look(NULL, "/proc", &found), 0);
	ck_assert(found.fs_root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");
	SRunner *r = srunner_create(s);
	int failed;

	log_init("test", "", -1, LOG_WARN);
	tcase_add_loop_test(t, test_plans_are_as_the_golden_files_say, 0, (int)ARRAY_SIZE(golden));
	tcase_add_loop_test(t, test_the_agent_understands_every_golden_plan, 0, (int)ARRAY_SIZE(golden));
	tcase_add_loop_test(t, test_what_cannot_be_is_refused_by_name, 0, (int)ARRAY_SIZE(wrong));
	tcase_add_test(t, test_default_memory_is_2_gib_or_half_the_host);
	tcase_add_test(t, test_a_relative_bundle_is_refused);
	tcase_add_test(t, test_the_size_of_the_terminal_now_wins_over_the_spec);
	tcase_add_test(t, test_arguments_may_fill_the_frame_but_not_overflow_it);
	tcase_add_test(t, test_the_real_host_is_looked_at_through_links);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

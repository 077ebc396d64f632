// SPDX-License-Identifier: Apache-2.0
/*
 * CREATE as the agent decodes it.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "guest-init/spec.h"
#include "tests/unit/agent_create.h"
#include "tests/unit/fake/suite.h"

#define CAP 8192

static uint8_t body[CAP];
static struct err e;

static int decode(const struct wr *w, struct spec **s)
{
	ck_assert(wr_ok(w));
	return spec_decode(s, rd_init(body, w->len), &e);
}

static struct wr least(void)
{
	struct wr w = wr_init(body, sizeof(body));

	put_least(&w, ALL_NAMESPACES);
	proto_put_str(&w, C(PROTO_T_ARG), "sh");
	return w;
}

/* The request so far is refused, with this in the text. */
static void refused(const struct wr *w, int code, const char *text)
{
	struct spec *s;

	ck_assert_int_eq(decode(w, &s), -code);
	ck_assert_ptr_null(s);
	ck_assert_msg(strstr(e.text, text) != NULL, "`%s` is not in `%s`", text, e.text);
}

START_TEST(test_the_least_request_has_defaults)
{
	struct wr w = least();
	struct spec *s;

	ck_assert_int_eq(decode(&w, &s), 0);
	ck_assert_str_eq(s->argv[0], "sh");
	ck_assert_ptr_null(s->argv[1]);
	ck_assert_ptr_null(s->envp[0]);
	ck_assert_uint_eq(s->umask, SPEC_NO_UMASK);
	ck_assert_uint_eq(s->streams, 0);
	ck_assert_ptr_null(s->hostname);
	ck_assert(!s->terminal && !s->no_new_privs && !s->has_oom_score && !s->root_readonly);
	ck_assert_uint_eq(s->caps[SPEC_BOUNDING], 0);
	ck_assert_uint_eq(s->namespaces, ALL_NAMESPACES);
	spec_free(s);
}
END_TEST

static struct wr full(void)
{
	static const uint32_t groups[] = { 5, 6, 7 };
	struct wr w = wr_init(body, sizeof(body));

	put_least(&w, ALL_NAMESPACES);
	proto_put_str(&w, C(PROTO_T_ARG), "sh");
	proto_put_str(&w, C(PROTO_T_ARG), "");
	proto_put_str(&w, C(PROTO_T_ENV), "A=1");
	proto_put_str(&w, C(PROTO_T_ENV), "B=");
	put_u32s(&w, PROTO_T_GROUPS, groups, 3);
	put_caps(&w, 1, 2, 3, 4, UINT64_MAX);
	put_rlimit(&w, RLIMIT_NOFILE, 10, UINT64_MAX);
	proto_put_u8(&w, C(PROTO_T_NO_NEW_PRIVS), 1);
	proto_put_u32(&w, C(PROTO_T_OOM_SCORE), (uint32_t)-1000);
	proto_put_u32(&w, C(PROTO_T_STREAMS), 7);
	proto_put_str(&w, C(PROTO_T_HOSTNAME), "web");
	proto_put_str(&w, C(PROTO_T_DOMAINNAME), "");
	put_fs(&w, "/proc", "proc", MS_NOSUID, "");
	put_mount_as(&w, 2, PROTO_MOUNT_FILE, MS_BIND | MS_REC | MS_RDONLY, "/etc/hosts", "", "");
	proto_put_str(&w, C(PROTO_T_MASKED), "/proc/kcore");
	proto_put_str(&w, C(PROTO_T_READONLY), "/proc/sys");
	put_sysctl(&w, "kernel.shmmax", "1");
	put_device(&w, "/dev/fuse", S_IFCHR | 0660, 10, 229);
	proto_put_u64(&w, C(PROTO_T_PROPAGATION), MS_REC | MS_SLAVE);
	return w;
}

START_TEST(test_every_field_arrives)
{
	struct wr w = full();
	struct spec *s;

	ck_assert_int_eq(decode(&w, &s), 0);
	ck_assert_str_eq(s->argv[1], "");
	ck_assert_ptr_null(s->argv[2]);
	ck_assert_str_eq(s->envp[1], "B=");
	ck_assert_uint_eq(s->envc, 2);
	ck_assert_ptr_null(s->envp[2]);
	ck_assert_ptr_null(s->envp[3]); /* the room for one more */
	ck_assert_uint_eq(s->group_count, 3);
	ck_assert_uint_eq(s->groups[2], 7);
	ck_assert_uint_eq(s->caps[SPEC_BOUNDING], 1);
	ck_assert_uint_eq(s->caps[SPEC_AMBIENT], UINT64_MAX);
	ck_assert_uint_eq(s->rlimit_count, 1);
	ck_assert_int_eq(s->rlimits[0].resource, RLIMIT_NOFILE);
	ck_assert_uint_eq(s->rlimits[0].hard, UINT64_MAX);
	ck_assert(s->no_new_privs && s->has_oom_score);
	ck_assert_int_eq(s->oom_score, -1000);
	ck_assert_uint_eq(s->streams, 7);
	ck_assert_str_eq(s->hostname, "web");
	ck_assert_str_eq(s->domainname, "");
	ck_assert_uint_eq(s->mount_count, 2);
	ck_assert_str_eq(s->mounts[0].type, "proc");
	ck_assert_str_eq(s->mounts[1].destination, "/etc/hosts");
	ck_assert_uint_eq(s->mounts[1].entry, 2);
	ck_assert_str_eq(s->masked[0], "/proc/kcore");
	ck_assert_str_eq(s->readonly[0], "/proc/sys");
	ck_assert_str_eq(s->sysctls[0].key, "kernel.shmmax");
	ck_assert_str_eq(s->sysctls[0].value, "1");
	ck_assert_str_eq(s->devices[0].path, "/dev/fuse");
	ck_assert(s->devices[0].rdev == makedev(10, 229));
	ck_assert_uint_eq(s->propagation, MS_REC | MS_SLAVE);
	spec_free(s);
}
END_TEST

START_TEST(test_every_prefix_is_refused_or_a_smaller_request)
{
	struct wr w = full();
	size_t i;

	for (i = 0; i < w.len; i++) {
		uint8_t *exact = malloc(i + 1); /* for AddressSanitizer */
		struct spec *s;

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, body, i);
		if (spec_decode(&s, rd_init(exact, i), &e) == 0)
			spec_free(s);
		else
			ck_assert_ptr_null(s);
		free(exact);
	}
}
END_TEST

START_TEST(test_a_missing_field_is_named)
{
	struct wr w = wr_init(body, sizeof(body));

	refused(&w, EPROTO, "process number: missing");
	put_least(&w, ALL_NAMESPACES);
	refused(&w, EPROTO, "process.args: missing");
	proto_put_str(&w, C(PROTO_T_ARG), "");
	refused(&w, EINVAL, "process.args: the first is empty");
}
END_TEST

START_TEST(test_a_single_field_given_twice_is_named)
{
	struct wr w = least();

	proto_put_str(&w, C(PROTO_T_CWD), "/");
	refused(&w, EPROTO, "process.cwd: given twice");
}
END_TEST

START_TEST(test_an_unknown_tag_is_skipped_unless_it_is_critical)
{
	struct wr w = least();
	struct spec *s;

	proto_put_u32(&w, 99, 1);
	proto_put_u32(&w, 0x7fff, 1);
	ck_assert_int_eq(decode(&w, &s), 0);
	spec_free(s);
	proto_put_u32(&w, C(99), 1);
	refused(&w, EOPNOTSUPP, "tag 99 is unknown");
}
END_TEST

START_TEST(test_limits_of_the_guest_are_not_silently_dropped)
{
	struct wr w = least();

	proto_put_u32(&w, PROTO_T_CGROUP, 1);
	refused(&w, EOPNOTSUPP, "linux.resources: not supported");
}
END_TEST

START_TEST(test_other_processes_than_the_first_are_refused)
{
	struct wr w = wr_init(body, sizeof(body));

	proto_put_u32(&w, C(PROTO_T_PROC), 2);
	refused(&w, EOPNOTSUPP, "process 2");
}
END_TEST

START_TEST(test_namespaces_that_cannot_be_made_are_named)
{
	static const struct {
		uint64_t ns;
		int code;
		const char *text;
	} rows[] = {
		{ ALL_NAMESPACES | CLONE_NEWUSER, EOPNOTSUPP, "type user" },
		{ ALL_NAMESPACES | 0x80, EOPNOTSUPP, "type time" },
		{ ALL_NAMESPACES | CLONE_VM, EOPNOTSUPP, "flags 0x100" },
		{ ALL_NAMESPACES | 1ull << 40, EOPNOTSUPP, "unknown" },
		{ CLONE_NEWPID, EINVAL, "type mount is missing" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wr w = wr_init(body, sizeof(body));

		put_least(&w, rows[i].ns);
		proto_put_str(&w, C(PROTO_T_ARG), "sh");
		refused(&w, rows[i].code, rows[i].text);
	}
}
END_TEST

START_TEST(test_values_of_wrong_width_are_named)
{
	static const uint16_t tags[] = { PROTO_T_PROC,         PROTO_T_USER,        PROTO_T_CAPS,     PROTO_T_RLIMIT,
					 PROTO_T_NO_NEW_PRIVS, PROTO_T_OOM_SCORE,   PROTO_T_TERMINAL, PROTO_T_STREAMS,
					 PROTO_T_ROOT,         PROTO_T_NAMESPACES,  PROTO_T_MOUNT,    PROTO_T_SYSCTL,
					 PROTO_T_DEVICE,       PROTO_T_PROPAGATION, PROTO_T_GROUPS };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tags); i++) {
		struct wr w = wr_init(body, sizeof(body));

		proto_put_bytes(&w, C(tags[i]), "\0\0\0\0\0\0\0", 7);
		refused(&w, EPROTO, "malformed value");
	}
}
END_TEST

START_TEST(test_paths_must_be_absolute)
{
	static const uint16_t tags[] = { PROTO_T_MASKED, PROTO_T_READONLY };
	struct wr w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tags); i++) {
		w = least();
		proto_put_str(&w, C(tags[i]), "etc");
		refused(&w, EINVAL, "`etc` is not an absolute path");
	}
	w = least();
	put_fs(&w, "proc", "proc", 0, "");
	refused(&w, EINVAL, "`proc` is not an absolute path");
	w = least();
	put_device(&w, "null", S_IFCHR, 1, 3);
	refused(&w, EINVAL, "`null` is not an absolute path");
}
END_TEST

START_TEST(test_a_string_with_a_nul_is_refused)
{
	struct wr w = least();

	proto_put_bytes(&w, C(PROTO_T_ENV), "A\0B", 3);
	refused(&w, EPROTO, "process.env: malformed");
}
END_TEST

START_TEST(test_mounts_that_make_no_sense_are_named)
{
	struct wr w = least();

	put_fs(&w, "//", "tmpfs", 0, "");
	refused(&w, EOPNOTSUPP, "a mount over the root");
	w = least();
	put_fs(&w, "/x", "", 0, "");
	refused(&w, EINVAL, "`/x` has no type");
	w = least();
	put_fs(&w, "/x", "tmpfs", MS_REMOUNT, "");
	refused(&w, EOPNOTSUPP, "mount flags 0x20");
	w = least();
	put_fs(&w, "/x", "tmpfs", MS_BIND, "");
	refused(&w, EOPNOTSUPP, "mount flags 0x1000");
	w = least();
	put_mount_as(&w, 1, 4, 0, "/x", "", "");
	refused(&w, EPROTO, "bits 0x4");
}
END_TEST

START_TEST(test_propagation_is_one_of_four)
{
	static const uint64_t bad[] = { MS_REC, MS_SHARED | MS_SLAVE, 1, MS_SHARED | 1ull << 63 };
	static const uint64_t good[] = { 0, MS_SHARED, MS_SLAVE | MS_REC, MS_PRIVATE, MS_UNBINDABLE | MS_REC };
	struct spec *s;
	struct wr w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		w = least();
		proto_put_u64(&w, C(PROTO_T_PROPAGATION), bad[i]);
		refused(&w, EINVAL, "propagation");
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		w = least();
		proto_put_u64(&w, C(PROTO_T_PROPAGATION), good[i]);
		ck_assert_int_eq(decode(&w, &s), 0);
		spec_free(s);
	}
}
END_TEST

START_TEST(test_numbers_out_of_range_are_named)
{
	struct wr w = least();

	put_rlimit(&w, RLIM_NLIMITS, 1, 1);
	refused(&w, EINVAL, "resource 16 is unknown");
	w = least();
	put_rlimit(&w, RLIMIT_NOFILE, 2, 1);
	refused(&w, EINVAL, "soft limit 2 is above the hard limit 1");
	w = least();
	proto_put_u32(&w, C(PROTO_T_OOM_SCORE), 1001);
	refused(&w, EINVAL, "1001 is not within");
	w = least();
	put_device(&w, "/dev/x", S_IFREG, 1, 3);
	refused(&w, EINVAL, "no device or fifo");
	w = least();
	put_device(&w, "/dev/x", S_IFCHR, 1 << 12, 3);
	refused(&w, EINVAL, "out of range");
	w = least();
	proto_put_str(&w, C(PROTO_T_HOSTNAME), "12345678901234567890123456789012345678901234567890123456789012345");
	refused(&w, ENAMETOOLONG, "hostname: 65 bytes");
	w = wr_init(body, sizeof(body));
	put_user(&w, 0, 0, 01000);
	refused(&w, EINVAL, "umask: 01000");
	w = wr_init(body, sizeof(body));
	put_user(&w, UINT32_MAX, 0, 0);
	refused(&w, EPROTO, "process.user");
}
END_TEST

START_TEST(test_a_terminal_and_pipes_exclude_each_other)
{
	static const uint32_t size = 24 | 80 << 16;
	struct spec *s;
	struct wr w = least();

	proto_put_u32(&w, C(PROTO_T_STREAMS), 1u << PROTO_TTY);
	refused(&w, EPROTO, "does not fit process.terminal");
	w = least();
	proto_put_u32(&w, C(PROTO_T_STREAMS), 15);
	proto_put_bytes(&w, C(PROTO_T_TERMINAL), &size, sizeof(size));
	refused(&w, EPROTO, "does not fit process.terminal");
	w = least();
	proto_put_u32(&w, C(PROTO_T_STREAMS), 16);
	refused(&w, EPROTO, "streams");
	w = least();
	proto_put_u32(&w, C(PROTO_T_STREAMS), 1u << PROTO_TTY);
	proto_put_bytes(&w, C(PROTO_T_TERMINAL), &size, sizeof(size));
	ck_assert_int_eq(decode(&w, &s), 0);
	ck_assert_uint_eq(s->rows, 24);
	ck_assert_uint_eq(s->columns, 80);
	spec_free(s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_the_least_request_has_defaults,
		test_every_field_arrives,
		test_every_prefix_is_refused_or_a_smaller_request,
		test_a_missing_field_is_named,
		test_a_single_field_given_twice_is_named,
		test_an_unknown_tag_is_skipped_unless_it_is_critical,
		test_limits_of_the_guest_are_not_silently_dropped,
		test_other_processes_than_the_first_are_refused,
		test_namespaces_that_cannot_be_made_are_named,
		test_values_of_wrong_width_are_named,
		test_paths_must_be_absolute,
		test_a_string_with_a_nul_is_refused,
		test_mounts_that_make_no_sense_are_named,
		test_propagation_is_one_of_four,
		test_numbers_out_of_range_are_named,
		test_a_terminal_and_pipes_exclude_each_other,
	};

	return suite_run("agent_spec", tests, ARRAY_SIZE(tests));
}

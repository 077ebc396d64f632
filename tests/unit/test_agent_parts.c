// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's parts that decide without touching the system: mount attributes, sysctl names, passwd, PATH,
 * capabilities.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/caps.h"
#include "guest-init/guestos.h"
#include "guest-init/mounts.h"
#include "guest-init/sysctl.h"
#include "guest-init/userinfo.h"
#include "tests/unit/fake/suite.h"

START_TEST(test_mount_flags_become_attributes)
{
	struct mount_attr a = mounts_attr(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NODIRATIME | 256, 0);

	ck_assert_uint_eq(a.attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
					      MOUNT_ATTR_NODIRATIME | 0x00200000);
	ck_assert_uint_eq(a.attr_clr, 0);
}
END_TEST

START_TEST(test_a_flag_set_and_cleared_is_set)
{
	struct mount_attr a = mounts_attr(MS_RDONLY, MS_RDONLY | MS_NODEV);

	ck_assert_uint_eq(a.attr_set, MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(a.attr_clr, MOUNT_ATTR_NODEV);
}
END_TEST

START_TEST(test_access_times_are_one_of_three)
{
	struct mount_attr a = mounts_attr(MS_NOATIME, 0);

	ck_assert_uint_eq(a.attr_set, MOUNT_ATTR_NOATIME);
	ck_assert_uint_eq(a.attr_clr, MOUNT_ATTR__ATIME);
	a = mounts_attr(MS_STRICTATIME, 0);
	ck_assert_uint_eq(a.attr_set, MOUNT_ATTR_STRICTATIME);
	ck_assert_uint_eq(a.attr_clr, MOUNT_ATTR__ATIME);
	a = mounts_attr(MS_RELATIME, 0);
	ck_assert_uint_eq(a.attr_set, 0);
	ck_assert_uint_eq(a.attr_clr, MOUNT_ATTR__ATIME);
	a = mounts_attr(0, MS_NOATIME);
	ck_assert_uint_eq(a.attr_set, 0);
	ck_assert_uint_eq(a.attr_clr, MOUNT_ATTR__ATIME);
}
END_TEST

START_TEST(test_flags_of_a_superblock_mean_nothing_to_a_bind)
{
	struct mount_attr a = mounts_attr(MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_BIND | MS_REC, 0);

	ck_assert_uint_eq(a.attr_set, 0);
	ck_assert_uint_eq(a.attr_clr, 0);
}
END_TEST

START_TEST(test_names_of_sysctls_become_paths)
{
	char path[SYSCTL_PATH_MAX];

	ck_assert_int_eq(sysctl_path("net.ipv4.ip_forward", path), 0);
	ck_assert_str_eq(path, "sys/net/ipv4/ip_forward");
	ck_assert_int_eq(sysctl_path("net/ipv4/conf/eth-0/rp_filter", path), 0);
	ck_assert_str_eq(path, "sys/net/ipv4/conf/eth-0/rp_filter");
}
END_TEST

START_TEST(test_what_is_no_name_of_a_sysctl_is_refused)
{
	static const char *const bad[] = { "", ".", "..", "a.", ".a", "a..b", "a/../b", "/etc/passwd", "a b", "a\nb" };
	char path[SYSCTL_PATH_MAX], longest[SYSCTL_PATH_MAX + 1];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(sysctl_path(bad[i], path), -EINVAL);
	for (i = SYSCTL_PATH_MAX - 8; i <= SYSCTL_PATH_MAX; i++) {
		memset(longest, 'a', i);
		longest[i] = '\0';
		ck_assert_int_eq(sysctl_path(longest, path), i + 4 < SYSCTL_PATH_MAX ? 0 : -EINVAL);
		longest[i - 1] = '.';
		ck_assert_int_eq(sysctl_path(longest, path), -EINVAL);
	}
}
END_TEST

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# a comment\n"
			     "short:x:7\n"
			     "empty:x:8:8:::/bin/sh\n"
			     "\n"
			     "web:x:1000:1000:Web,,,:/srv/web:/bin/false\n"
			     "huge:x:99999999999999999999:1::/huge:\n"
			     "word:x:12a:1::/word:\n"
			     "last:x:65534:65534:last:/nonexistent";

static bool home_is(uid_t uid, const char *want)
{
	char home[64];

	return userinfo_home(passwd, sizeof(passwd) - 1, uid, home, sizeof(home)) && strcmp(home, want) == 0;
}

START_TEST(test_home_comes_from_the_passwd_line_of_the_uid)
{
	char home[64];

	ck_assert(home_is(0, "/root"));
	ck_assert(home_is(1000, "/srv/web"));
	ck_assert(home_is(65534, "/nonexistent"));
	ck_assert(!userinfo_home(passwd, sizeof(passwd) - 1, 1, home, sizeof(home)));
	ck_assert(!userinfo_home(passwd, sizeof(passwd) - 1, 7, home, sizeof(home)));
	ck_assert(!userinfo_home(passwd, sizeof(passwd) - 1, 8, home, sizeof(home)));
	ck_assert(!userinfo_home(passwd, sizeof(passwd) - 1, 12, home, sizeof(home)));
	ck_assert(!userinfo_home(passwd, sizeof(passwd) - 1, 1000, home, 8)); /* no room for the NUL */
	ck_assert(userinfo_home(passwd, sizeof(passwd) - 1, 1000, home, 9));
	ck_assert(!userinfo_home("", 0, 0, home, sizeof(home)));
}
END_TEST

START_TEST(test_every_prefix_of_a_passwd_file_is_read_within_its_bounds)
{
	char home[64];
	size_t i;

	for (i = 0; i < sizeof(passwd); i++) {
		char *exact = malloc(i + 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, passwd, i);
		(void)userinfo_home(exact, i, 65534, home, sizeof(home));
		free(exact);
	}
}
END_TEST

START_TEST(test_the_environment_is_searched_by_whole_names)
{
	static char a[] = "PATHS=x", b[] = "PATH=/bin", c[] = "EMPTY=", d[] = "NONE";
	char *env[] = { a, b, c, d, NULL };

	ck_assert_str_eq(userinfo_env(env, "PATH"), "/bin");
	ck_assert_str_eq(userinfo_env(env, "EMPTY"), "");
	ck_assert_ptr_null(userinfo_env(env, "NONE"));
	ck_assert_ptr_null(userinfo_env(env, "PAT"));
}
END_TEST

static char dir[] = "/tmp/kvmbox-agent-XXXXXX";

static void find_gives(const char *name, const char *path_var, int code, const char *text)
{
	char var[256], found[PATH_MAX];
	char *env[] = { var, NULL };
	struct err e;

	(void)snprintf(var, sizeof(var), "%s", path_var);
	ck_assert_int_eq(userinfo_find(name, env, found, &e), -code);
	ck_assert_str_eq(code == 0 ? found : e.text, text);
}

START_TEST(test_programs_are_found_and_refused_with_the_words_engines_know)
{
	char path[128], want[256], file[128], sub[128];
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "PATH=/nonexistent:%s", dir);
	(void)snprintf(file, sizeof(file), "%s/plain", dir);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	(void)snprintf(sub, sizeof(sub), "%s/sub", dir);
	ck_assert_int_eq(mkdir(sub, 0755), 0);

	find_gives("nosuch", path, ENOENT, "exec: \"nosuch\": executable file not found in $PATH");
	find_gives("nosuch", "HOME=/", ENOENT, "exec: \"nosuch\": executable file not found in $PATH");
	find_gives("sub", path, ENOENT, "exec: \"sub\": executable file not found in $PATH");
	find_gives("/nonexistent", path, ENOENT, "exec: \"/nonexistent\": no such file or directory");
	find_gives("plain", path, EACCES, "exec: \"plain\": permission denied");
	(void)snprintf(want, sizeof(want), "exec: \"%s\": permission denied", file);
	find_gives(file, path, EACCES, want);
	(void)snprintf(want, sizeof(want), "exec: \"%s\": is a directory: permission denied", sub);
	find_gives(sub, path, EACCES, want);

	ck_assert_int_eq(chmod(file, 0755), 0);
	find_gives("plain", path, 0, file);
	find_gives(file, path, 0, file);
	ck_assert_int_eq(chdir(dir), 0);
	find_gives("plain", "PATH=", 0, "./plain");
	find_gives("plain", "PATH=/nonexistent:", 0, "./plain");
	find_gives("./plain", "PATH=", 0, "./plain");
	(void)unlink(file);
	(void)rmdir(sub);
	(void)rmdir(dir);
}
END_TEST

START_TEST(test_a_name_longer_than_any_path_is_refused)
{
	static char name[PATH_MAX + 10];
	static char none[] = "PATH=/bin";
	char *env[] = { none, NULL };
	char found[PATH_MAX];
	struct err e;

	memset(name, 'x', sizeof(name) - 1);
	ck_assert_int_eq(userinfo_find(name, env, found, &e), -ENAMETOOLONG);
	name[PATH_MAX - 2] = '\0'; /* alone it fits, behind a directory it does not */
	ck_assert_int_eq(userinfo_find(name, env, found, &e), -ENOENT);
}
END_TEST

START_TEST(test_capability_sets_that_contradict_each_other_are_named)
{
	static const struct {
		uint64_t caps[SPEC_CAPSETS]; /* bounding effective inheritable permitted ambient */
		const char *odd;
	} rows[] = {
		{ { 0, 0, 0, 0, 0 }, NULL },          { { 7, 3, 4, 3, 0 }, NULL }, { { 7, 4, 0, 3, 0 }, "effective" },
		{ { 1, 0, 2, 0, 0 }, "inheritable" }, { { 7, 1, 1, 1, 1 }, NULL }, { { 7, 1, 0, 1, 1 }, "ambient" },
		{ { 7, 0, 1, 0, 1 }, "ambient" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_pstr_eq(caps_check(rows[i].caps), rows[i].odd);
}
END_TEST

START_TEST(test_slots_are_named_by_number)
{
	char name[32];

	ck_assert_int_gt(guestos_slot_name(0, name), 0);
	ck_assert_str_eq(name, "virtio-mmio.0");
	ck_assert_int_gt(guestos_slot_name(15, name), 0);
	ck_assert_str_eq(name, "virtio-mmio.15");
	ck_assert_int_eq(guestos_slot_name(16, name), -EINVAL);
	ck_assert_int_eq(guestos_slot_name(UINT32_MAX, name), -EINVAL);
}
END_TEST

START_TEST(test_kills_for_memory_are_counted_from_vmstat)
{
	ck_assert_uint_eq(guestos_oom_kills("nr_free_pages 1\noom_kill 3\nx 4\n"), 3);
	ck_assert_uint_eq(guestos_oom_kills("nr_free_pages 1\noom_kill 0\n"), 0);
	ck_assert_uint_eq(guestos_oom_kills("nr_free_pages 1\nx_oom_kill 3\n"), 0);
	ck_assert_uint_eq(guestos_oom_kills(""), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_mount_flags_become_attributes,
		test_a_flag_set_and_cleared_is_set,
		test_access_times_are_one_of_three,
		test_flags_of_a_superblock_mean_nothing_to_a_bind,
		test_names_of_sysctls_become_paths,
		test_what_is_no_name_of_a_sysctl_is_refused,
		test_home_comes_from_the_passwd_line_of_the_uid,
		test_every_prefix_of_a_passwd_file_is_read_within_its_bounds,
		test_the_environment_is_searched_by_whole_names,
		test_programs_are_found_and_refused_with_the_words_engines_know,
		test_a_name_longer_than_any_path_is_refused,
		test_capability_sets_that_contradict_each_other_are_named,
		test_slots_are_named_by_number,
		test_kills_for_memory_are_counted_from_vmstat,
	};

	return suite_run("agent_parts", tests, ARRAY_SIZE(tests));
}

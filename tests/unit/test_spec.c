// SPDX-License-Identifier: Apache-2.0
/*
 * `kvmbox spec`: what it writes is a config that kvmbox itself takes whole, and it never overwrites.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/oci.h"
#include "runtime-cli/plan.h"

static char dir[64];

static void make_dir(void)
{
	static const char template[] = "/tmp/test_spec.XXXXXX";

	memcpy(dir, template, sizeof(template));
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/config.json", dir);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int spec(int argc, char **argv, struct err *e)
{
	const struct cli cli = { 0 };

	optind = 0;
	opterr = 0;
	return cmd_spec(&cli, argc, argv, e);
}

static int spec_in(char *bundle, struct err *e)
{
	char *argv[] = { (char[]){ "spec" }, (char[]){ "--bundle" }, bundle, NULL };

	return spec(3, argv, e);
}

static int look_dir(void *arg, const char *path, struct plan_source *out)
{
	(void)arg;
	(void)path;
	*out = (struct plan_source){ .mode = S_IFDIR | 0755, .fs_type = 0xef53 };
	return 0;
}

START_TEST(test_what_it_writes_is_accepted_and_planned)
{
	const uint64_t caps = 1 << CAP_AUDIT_WRITE | 1 << CAP_KILL | 1 << CAP_NET_BIND_SERVICE;
	struct plan_opts opts = { .bundle = dir, .host_memory = (uint64_t)8 << 30, .look = look_dir };
	struct oci_spec s;
	struct vm_plan p;
	struct err e = { 0 };
	int fd;

	ck_assert_msg(spec_in(dir, &e) == 0, "%s", e.text);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(oci_load(fd, &s, &e) == 0, "%s", e.text);
	ck_assert_msg(plan_make(&s, &opts, &p, &e) == 0, "%s", e.text);
	ck_assert_str_eq(s.process.args.v[0], "sh");
	ck_assert(!s.process.terminal && s.process.no_new_privileges && s.root_readonly);
	ck_assert_uint_eq(s.process.caps[OCI_BOUNDING], caps);
	ck_assert_uint_eq(s.process.caps[OCI_EFFECTIVE], caps);
	ck_assert_uint_eq(s.namespaces,
			  CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
	ck_assert_uint_eq(s.n_mounts, 7);
	plan_free(&p);
	oci_free(&s);
	(void)close(fd);
}
END_TEST

START_TEST(test_an_existing_config_is_not_touched)
{
	char path[96], want[256];
	struct err e = { 0 };
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/config.json", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, "mine", 4), 4);
	ck_assert_int_eq(spec_in(dir, &e), -EEXIST);
	(void)snprintf(want, sizeof(want), "`%s/config.json` is there already and is not overwritten", dir);
	ck_assert_ptr_nonnull(strstr(e.text, want));
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	(void)close(fd);
}
END_TEST

START_TEST(test_a_link_in_its_place_is_not_followed)
{
	char path[96], target[96];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/config.json", dir);
	(void)snprintf(target, sizeof(target), "%s/elsewhere", dir);
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(spec_in(dir, &e), -EEXIST);
	ck_assert_int_lt(access(target, F_OK), 0);
}
END_TEST

START_TEST(test_a_missing_folder_is_named)
{
	char gone[96];
	struct err e = { 0 };

	(void)snprintf(gone, sizeof(gone), "%s/gone", dir);
	ck_assert_int_eq(spec_in(gone, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.text, gone));
}
END_TEST

START_TEST(test_wrong_usage_is_refused)
{
	char *rootless[] = { (char[]){ "spec" }, (char[]){ "--rootless" }, NULL };
	char *extra[] = { (char[]){ "spec" }, (char[]){ "x" }, NULL };
	char *unknown[] = { (char[]){ "spec" }, (char[]){ "--what" }, NULL };
	char *help[] = { (char[]){ "spec" }, (char[]){ "--help" }, NULL };
	struct err e = { 0 };

	ck_assert_int_eq(spec(2, rootless, &e), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(e.text, "--rootless: user namespaces are not supported"));
	ck_assert_int_lt(spec(2, extra, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "`x`"));
	ck_assert_int_lt(spec(2, unknown, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "`--what`"));
	ck_assert_int_eq(spec(2, help, &e), CLI_HELP);
	ck_assert_ptr_nonnull(strstr(cmd_spec_help, "--bundle"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spec");
	TCase *t = tcase_create("spec");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, make_dir, remove_dir);
	tcase_add_test(t, test_what_it_writes_is_accepted_and_planned);
	tcase_add_test(t, test_an_existing_config_is_not_touched);
	tcase_add_test(t, test_a_link_in_its_place_is_not_followed);
	tcase_add_test(t, test_a_missing_folder_is_named);
	tcase_add_test(t, test_wrong_usage_is_refused);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

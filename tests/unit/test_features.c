// SPDX-License-Identifier: Apache-2.0
/*
 * `kvmbox features`: valid JSON in the form engines read, and true: what it names, config.json may use.
 */
#include <check.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/json.h"
#include "runtime-cli/mount_opts.h"
#include "runtime-cli/oci.h"
#include "vmm/base/log.h"

/* Run the command with standard output in a file, and parse that. */
static struct json_object *features(void)
{
	char *argv[] = { (char[]){ "features" }, NULL }, *text = calloc(1, 1 << 16);
	const struct cli cli = { 0 };
	struct json_object *o = NULL;
	struct err e = { 0 };
	FILE *file = tmpfile();
	int saved = dup(STDOUT_FILENO), r;
	ssize_t n;

	ck_assert_ptr_nonnull(file);
	(void)fflush(stdout);
	ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
	optind = 0;
	r = cmd_features(&cli, 1, argv, &e);
	(void)fflush(stdout);
	ck_assert_int_ge(dup2(saved, STDOUT_FILENO), 0);
	(void)close(saved);
	ck_assert_int_eq(r, 0);
	n = pread(fileno(file), text, (1 << 16) - 1, 0);
	ck_assert_int_gt(n, 0);
	ck_assert_msg(json_parse(text, (size_t)n, &o, &e) == 0, "%s", e.text);
	(void)fclose(file);
	free(text);
	return o;
}

static struct jv get(const struct jv *from, const char *key)
{
	struct jv v = { 0 };

	ck_assert_msg(jv_get(from, key, &v) == 1, "%s is missing", key);
	return v;
}

START_TEST(test_the_versions_are_those_that_are_accepted)
{
	struct json_object *o = features();
	struct jv top = jv_root(o);
	const char *min = NULL, *max = NULL;
	struct err e = { 0 };

	ck_assert_int_eq(jv_get_str(&top, "ociVersionMin", &min, &e), 1);
	ck_assert_int_eq(jv_get_str(&top, "ociVersionMax", &max, &e), 1);
	ck_assert_str_eq(min, OCI_VERSION_MIN);
	ck_assert_str_eq(max, OCI_VERSION_MAX);
	json_object_put(o);
}
END_TEST

/* Each name it prints is tried in a config.json. */
static void try_config(const char *mounts, const char *caps)
{
	struct oci_spec s;
	struct err e = { 0 };
	char *text = NULL;
	int n;

	n = asprintf(&text,
		     "{\"ociVersion\":\"1.0.0\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"capabilities\":{"
		     "\"bounding\":[%s]}},\"root\":{\"path\":\"r\"},\"mounts\":[%s],\"linux\":{\"namespaces\":["
		     "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"ipc\"}]}}",
		     caps, mounts);
	ck_assert_int_gt(n, 0);
	ck_assert_msg(oci_parse(text, (size_t)n, &s, &e) == 0, "%s", e.text);
	ck_assert(caps[0] == '\0' || s.process.caps[OCI_BOUNDING] != 0);
	oci_free(&s);
	free(text);
}

START_TEST(test_each_mount_option_it_names_is_accepted)
{
	struct json_object *o = features();
	struct jv top = jv_root(o), list = get(&top, "mountOptions");
	struct arena a = { 0 };
	struct strv names;
	struct err e = { 0 };
	char mount[160];
	size_t i;

	ck_assert_int_eq(jv_strv(&list, &a, &names, &e), 0);
	ck_assert_uint_gt(names.n, 30);
	for (i = 0; i < names.n; i++) {
		const struct mount_opt *opt = mount_opt_find(names.v[i], strlen(names.v[i]));

		ck_assert_msg(opt != NULL && opt->kind != MOUNT_LATER, "%s", names.v[i]);
		(void)snprintf(mount, sizeof(mount),
			       "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/s\",\"options\":[\"%s\"]}",
			       names.v[i]);
		try_config(mount, "");
	}
	arena_free(&a);
	json_object_put(o);
}
END_TEST

START_TEST(test_each_capability_it_names_is_known)
{
	struct json_object *o = features();
	struct jv top = jv_root(o), lx = get(&top, "linux"), list = get(&lx, "capabilities");
	struct arena a = { 0 };
	struct strv names;
	struct err e = { 0 };
	char quoted[64];
	size_t i;

	ck_assert_int_eq(jv_strv(&list, &a, &names, &e), 0);
	ck_assert_uint_eq(names.n, 41);
	for (i = 0; i < names.n; i++) {
		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", names.v[i]);
		try_config("", quoted);
	}
	arena_free(&a);
	json_object_put(o);
}
END_TEST

START_TEST(test_what_is_not_there_is_said_so)
{
	static const char *const off[] = { "seccomp", "apparmor", "selinux", "intelRdt", "netDevices" };
	struct json_object *o = features();
	struct jv top = jv_root(o), lx = get(&top, "linux"), cgroup = get(&lx, "cgroup"), part;
	struct err e = { 0 };
	bool on = true;
	size_t i, n = 1;

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		part = get(&lx, off[i]);
		ck_assert_int_eq(jv_get_bool(&part, "enabled", &on, &e), 1);
		ck_assert(!on);
	}
	ck_assert_int_eq(jv_get_bool(&cgroup, "v2", &on, &e), 1);
	ck_assert(on);
	ck_assert_int_eq(jv_get_bool(&cgroup, "v1", &on, &e), 1);
	ck_assert(!on);
	ck_assert_int_eq(jv_get_array(&top, "hooks", &part, &n, &e), 1);
	ck_assert_uint_eq(n, 0);
	json_object_put(o);
}
END_TEST

START_TEST(test_wrong_usage_is_refused)
{
	char *extra[] = { (char[]){ "features" }, (char[]){ "x" }, NULL };
	char *help[] = { (char[]){ "features" }, (char[]){ "-h" }, NULL };
	char *unknown[] = { (char[]){ "features" }, (char[]){ "-x" }, NULL };
	const struct cli cli = { 0 };
	struct err e = { 0 };

	opterr = 0;
	optind = 0;
	ck_assert_int_lt(cmd_features(&cli, 2, extra, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "`x`"));
	optind = 0;
	ck_assert_int_eq(cmd_features(&cli, 2, help, &e), CLI_HELP);
	optind = 0;
	ck_assert_int_lt(cmd_features(&cli, 2, unknown, &e), 0);
	ck_assert_uint_gt(strlen(cmd_features_help), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("features");
	TCase *t = tcase_create("features");
	SRunner *r = srunner_create(s);
	int failed;

	log_init("test", "", -1, LOG_WARN);
	tcase_add_test(t, test_the_versions_are_those_that_are_accepted);
	tcase_add_test(t, test_each_mount_option_it_names_is_accepted);
	tcase_add_test(t, test_each_capability_it_names_is_known);
	tcase_add_test(t, test_what_is_not_there_is_said_so);
	tcase_add_test(t, test_wrong_usage_is_refused);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

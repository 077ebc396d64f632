// SPDX-License-Identifier: Apache-2.0
/*
 * Look-ups inside a container's root: nothing leads out, what is missing is made where it belongs.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-init/inroot.h"
#include "tests/unit/fake/suite.h"
#include "vmm/base/fdio.h"

static char top[] = "/tmp/kvmbox-inroot-XXXXXX";
static int outside, root; /* TOP, TOP/root */

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
	outside = open(top, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(outside, "root", 0755), 0);
	ck_assert_int_eq(mkdirat(outside, "secret", 0755), 0);
	root = openat(outside, "root", O_PATH | O_CLOEXEC);
	ck_assert_int_ge(root, 0);
}

static void teardown(void)
{
	char cmd[64];
	int r;

	(void)snprintf(cmd, sizeof(cmd), "%s", top);
	(void)close(root);
	(void)close(outside);
	if (fork() == 0) {
		(void)execlp("rm", "rm", "-rf", cmd, (char *)NULL);
		_exit(1);
	}
	(void)wait(&r);
}

static bool same(int fd, int dir, const char *name)
{
	struct stat a, b;
	bool r = fd >= 0 && fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
		 a.st_dev == b.st_dev && a.st_ino == b.st_ino;

	if (fd >= 0)
		(void)close(fd);
	return r;
}

static bool is_there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(test_dots_and_absolute_symlinks_end_at_the_root)
{
	setup();
	ck_assert_int_eq(mkdirat(root, "etc", 0755), 0);
	ck_assert_int_eq(symlinkat("/etc", root, "abs"), 0);
	ck_assert_int_eq(symlinkat("../../../../../../etc", root, "dots"), 0);
	ck_assert(same(inroot_path(root, "/etc", 0), root, "etc"));
	ck_assert(same(inroot_path(root, "/abs", 0), root, "etc"));
	ck_assert(same(inroot_path(root, "/dots", 0), root, "etc"));
	ck_assert(same(inroot_path(root, "/../../etc", 0), root, "etc"));
	ck_assert(same(inroot_path(root, "/..", 0), outside, "root"));
	ck_assert_int_eq(inroot_path(root, "/../secret", 0), -ENOENT);
	teardown();
}
END_TEST

START_TEST(test_symlinks_are_refused_where_asked)
{
	setup();
	ck_assert_int_eq(mkdirat(root, "etc", 0755), 0);
	ck_assert_int_eq(symlinkat("/etc", root, "abs"), 0);
	ck_assert_int_eq(inroot_path(root, "/abs", INROOT_NO_SYMLINKS), -ELOOP);
	ck_assert(same(inroot_path(root, "/etc", INROOT_NO_SYMLINKS), root, "etc"));
	teardown();
}
END_TEST

START_TEST(test_missing_directories_and_files_are_made)
{
	struct stat st;

	setup();
	ck_assert(same(inroot_make(root, "/a/b/c", INROOT_DIR), root, "a/b/c"));
	ck_assert(same(inroot_make(root, "//a/./f//", INROOT_FILE), root, "a/f"));
	ck_assert_int_eq(fstatat(root, "a/f", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISREG(st.st_mode) && st.st_size == 0);
	/* and what is there stays what it is */
	ck_assert(same(inroot_make(root, "/a/f", INROOT_DIR), root, "a/f"));
	ck_assert(same(inroot_make(root, "/", INROOT_DIR), outside, "root"));
	teardown();
}
END_TEST

START_TEST(test_what_a_dangling_symlink_names_is_made_inside)
{
	setup();
	ck_assert_int_eq(mkdirat(root, "var", 0755), 0);
	ck_assert_int_eq(symlinkat("/run", root, "var/run"), 0);
	ck_assert_int_eq(symlinkat("lib/../../etc", root, "rel"), 0);
	ck_assert_int_eq(symlinkat("../../../../secret/x", root, "evil"), 0);
	ck_assert(same(inroot_make(root, "/var/run/lock", INROOT_DIR), root, "run/lock"));
	ck_assert(same(inroot_make(root, "/rel/conf", INROOT_FILE), root, "etc/conf"));
	ck_assert(same(inroot_make(root, "/evil", INROOT_DIR), root, "secret/x"));
	ck_assert(!is_there(outside, "secret/x"));
	ck_assert(!is_there(outside, "run"));
	teardown();
}
END_TEST

START_TEST(test_symlinks_in_a_circle_end)
{
	setup();
	ck_assert_int_eq(symlinkat("b", root, "a"), 0);
	ck_assert_int_eq(symlinkat("a", root, "b"), 0);
	ck_assert_int_eq(symlinkat("grow/x", root, "grow"), 0);
	ck_assert_int_eq(inroot_make(root, "/a", INROOT_DIR), -ELOOP);
	ck_assert_int_eq(inroot_make(root, "/a/x", INROOT_DIR), -ELOOP);
	ck_assert_int_eq(inroot_make(root, "/grow", INROOT_DIR), -ELOOP);
	teardown();
}
END_TEST

START_TEST(test_a_file_in_the_way_is_an_error)
{
	setup();
	ck_assert(same(inroot_make(root, "/f", INROOT_FILE), root, "f"));
	ck_assert_int_eq(inroot_make(root, "/f/x", INROOT_DIR), -ENOTDIR);
	teardown();
}
END_TEST

START_TEST(test_paths_and_names_too_long_are_an_error)
{
	static char path[2 * PATH_MAX];

	setup();
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	ck_assert_int_eq(inroot_make(root, path, INROOT_DIR), -ENAMETOOLONG);
	path[NAME_MAX + 2] = '\0';
	ck_assert_int_eq(inroot_make(root, path, INROOT_DIR), -ENAMETOOLONG);
	path[NAME_MAX + 1] = '\0';
	ck_assert(same(inroot_make(root, path, INROOT_DIR), root, path + 1));
	teardown();
}
END_TEST

START_TEST(test_the_parent_of_a_path_is_found_with_its_last_name)
{
	char name[NAME_MAX + 1];

	setup();
	ck_assert(same(inroot_parent(root, "/dev/net/tun", name), root, "dev/net"));
	ck_assert_str_eq(name, "tun");
	ck_assert(same(inroot_parent(root, "/x//", name), outside, "root"));
	ck_assert_str_eq(name, "x");
	ck_assert_int_eq(inroot_parent(root, "/", name), -EINVAL);
	ck_assert_int_eq(inroot_parent(root, "/a/..", name), -EINVAL);
	ck_assert_int_eq(inroot_parent(root, "/a/.", name), -EINVAL);
	teardown();
}
END_TEST

START_TEST(test_magic_links_are_not_followed)
{
	autofd proc = open("/proc", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(proc, 0);
	ck_assert_int_eq(inroot_path(proc, "/self/root/etc", 0), -EXDEV);
	ck_assert_int_eq(inroot_path(proc, "/self/cwd/tmp", 0), -EXDEV);
}
END_TEST

static atomic_bool swapping;

/* A directory and a symlink to the outside take turns under one name. */
static void *swapper(void *arg)
{
	(void)arg;
	while (swapping) {
		(void)renameat(root, "turn", root, "away");
		if (symlinkat("../secret", root, "turn") < 0)
			continue; /* the other side made it anew */
		(void)unlinkat(root, "turn", 0);
		(void)renameat(root, "away", root, "turn");
	}
	return NULL;
}

START_TEST(test_a_tree_that_changes_meanwhile_never_leads_out)
{
	pthread_t t;
	int i;

	setup();
	ck_assert_int_eq(mkdirat(root, "turn", 0755), 0);
	swapping = true;
	ck_assert_int_eq(pthread_create(&t, NULL, swapper, NULL), 0);
	for (i = 0; i < 2000; i++) {
		int fd = inroot_make(root, "/turn/x", INROOT_DIR);

		if (fd >= 0)
			(void)close(fd);
	}
	swapping = false;
	(void)pthread_join(t, NULL);
	ck_assert(!is_there(outside, "secret/x"));
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_dots_and_absolute_symlinks_end_at_the_root,
		test_symlinks_are_refused_where_asked,
		test_missing_directories_and_files_are_made,
		test_what_a_dangling_symlink_names_is_made_inside,
		test_symlinks_in_a_circle_end,
		test_a_file_in_the_way_is_an_error,
		test_paths_and_names_too_long_are_an_error,
		test_the_parent_of_a_path_is_found_with_its_last_name,
		test_magic_links_are_not_followed,
		test_a_tree_that_changes_meanwhile_never_leads_out,
	};

	return suite_run("agent_inroot", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * devices/ninep: nothing outside the served tree can be reached, whatever is in it, mounted in it or swapped in it.
 *
 * Beside the served tree lies a canary that is checked after every test (ninep_client.h). What needs mounts runs only
 * as root.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>

#include "tests/unit/fake/suite.h"
#include "tests/unit/ninep_client.h"

static struct nc c;
static struct nc_tree t;

static void up(bool old_host)
{
	struct ninep_config cfg = { .root = NINEP_PLAIN, .old_host = old_host };

	nc_tree_make(&t);
	nc_put_file(t.root, "file", "hello");
	ck_assert_int_eq(mkdirat(t.root, "dir", 0755), 0);
	nc_put_file(t.root, "dir/inner", "inner");
	nc_serve(&c, &t, &cfg);
}

static void down(void)
{
	nc_fini(&c);
	nc_tree_drop(&t);
}

START_TEST(test_a_symlink_out_of_the_tree_leads_nowhere)
{
	static const char *const targets[] = { "../outside", "/etc", "/", "..", "/proc/self/root" };
	char name[16];
	uint32_t i;

	up(false);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		(void)snprintf(name, sizeof(name), "l%u", i);
		ck_assert_int_eq(nc_symlink(&c, 0, name, targets[i], P9_NOID), 0);
		ck_assert_int_eq(nc_walk(&c, 0, 10 + i, name), 0);
		ck_assert_int_eq(nc_walk(&c, 10 + i, 50, "canary"), -ENOTDIR);
		ck_assert_int_eq(nc_lopen(&c, 10 + i, 0), -ELOOP);
		ck_assert_int_eq(nc_mkdir(&c, 10 + i, "x", 0755, P9_NOID), -ENOTDIR);
		ck_assert_int_eq(nc_unlinkat(&c, 10 + i, "canary", 0), -ENOTDIR);
		ck_assert_int_eq(nc_renameat(&c, 10 + i, "canary", 0, "x"), -ENOTDIR);
	}
	down();
}
END_TEST

START_TEST(test_dot_dot_never_leads_above_the_root)
{
	struct nc_attr root, a;

	up(false);
	ck_assert_int_eq(nc_getattr(&c, 0, &root), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, ".."), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.qid.path, root.qid.path);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "../../../../outside"), -ENOENT);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "dir/../../../dir/.."), 0);
	ck_assert_int_eq(nc_getattr(&c, 2, &a), 0);
	ck_assert_uint_eq(a.qid.path, root.qid.path);
	down();
}
END_TEST

START_TEST(test_a_directory_that_the_host_moves_out_does_not_take_its_fids_up)
{
	struct nc_attr root, a;

	up(false);
	ck_assert_int_eq(nc_getattr(&c, 0, &root), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir"), 0);
	ck_assert_int_eq(renameat(t.root, "dir", t.outside, "dir"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ".."), 0);
	ck_assert_int_eq(nc_getattr(&c, 2, &a), 0);
	ck_assert_uint_eq(a.qid.path, root.qid.path);
	ck_assert_int_eq(nc_walk(&c, 1, 3, "../canary"), -ENOENT);
	ck_assert_int_eq(nc_rename(&c, 1, 0, "dir"), -ESTALE);
	down();
}
END_TEST

START_TEST(test_names_that_are_paths_reach_no_call)
{
	static const char *const names[] = { "../outside/canary", "/etc/passwd", "dir/inner", "..", ".", "", "dir/" };
	size_t i;

	up(false);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const char *n = names[i];

		ck_assert_int_eq(nc_mkdir(&c, 0, n, 0755, P9_NOID), -EINVAL);
		ck_assert_int_eq(nc_lcreate(&c, 0, n, 2, 0644, P9_NOID), -EINVAL);
		ck_assert_int_eq(nc_symlink(&c, 0, n, "x", P9_NOID), -EINVAL);
		ck_assert_int_eq(nc_mknod(&c, 0, n, S_IFIFO | 0644, 0, 0), -EINVAL);
		ck_assert_int_eq(nc_link(&c, 0, 1, n), -EINVAL);
		ck_assert_int_eq(nc_rename(&c, 1, 0, n), -EINVAL);
		ck_assert_int_eq(nc_renameat(&c, 0, n, 0, "x"), -EINVAL);
		ck_assert_int_eq(nc_renameat(&c, 0, "file", 0, n), -EINVAL);
		ck_assert_int_eq(nc_unlinkat(&c, 0, n, 0), -EINVAL);
	}
	nc_begin(&c, P9_TWALK);
	nc_u32(&c, 0);
	nc_u32(&c, 5);
	nc_u16(&c, 1);
	nc_str(&c, "../outside");
	ck_assert_int_eq(nc_call(&c), -EINVAL);
	down();
}
END_TEST

/* --- swaps under the server's hands --- */

static atomic_bool stop;

static void exchange(const char *a, const char *b)
{
	if (syscall(SYS_renameat2, t.root, a, t.root, b, 2 /* RENAME_EXCHANGE */) < 0)
		ck_abort_msg("exchange: %s", strerror(errno));
}

/* The host, or another VM on the same volume: "x" is in turn a file, a symlink to the canary, a fifo. */
static void *swapper(void *arg UNUSED)
{
	while (!atomic_load(&stop)) {
		exchange("x", "link");
		exchange("x", "abs");
		exchange("x", "fifo");
		exchange("x", "file");
	}
	return NULL;
}

/* "d" is in turn a directory and a symlink to where the canary lives. */
static void *dir_swapper(void *arg UNUSED)
{
	while (!atomic_load(&stop))
		exchange("d", "dirlink");
	return NULL;
}

static void swap_material(void)
{
	char target[128];

	nc_put_file(t.root, "x", "the guest's own");
	(void)snprintf(target, sizeof(target), "%s/outside/canary", t.path);
	ck_assert_int_eq(symlinkat("../outside/canary", t.root, "link"), 0);
	ck_assert_int_eq(symlinkat(target, t.root, "abs"), 0);
	ck_assert_int_eq(mknodat(t.root, "fifo", S_IFIFO | 0666, 0), 0);
	ck_assert_int_eq(mkdirat(t.root, "d", 0777), 0);
	ck_assert_int_eq(symlinkat("../outside", t.root, "dirlink"), 0);
}

/* Everything that goes by name, on a name that changes its meaning all the time. Results don't matter, the canary does.
 */
static void attack_file(bool opened_kinds_only)
{
	struct nc_attr a = { .mode = 0777, .uid = 4242, .gid = 4242, .size = 0, .mtime = 1 };
	struct nc_attr got;

	if (nc_walk(&c, 0, 1, "x") == 0) {
		(void)nc_getattr(&c, 1, &got);
		if (!opened_kinds_only || S_ISREG(got.mode))
			(void)nc_setattr(&c, 1, P9_SET_MODE, &a);
		(void)nc_setattr(&c, 1, P9_SET_SIZE, &a);
		(void)nc_setattr(&c, 1, P9_SET_MTIME | P9_SET_MTIME_VAL, &a);
		if (geteuid() == 0)
			(void)nc_setattr(&c, 1, P9_SET_UID | P9_SET_GID, &a);
		if (nc_walk(&c, 1, 2, "") == 0) {
			if (nc_xattrcreate(&c, 2, "user.evil", 1, 0) == 0)
				(void)nc_write(&c, 2, 0, "x", 1);
			(void)nc_clunk(&c, 2);
		}
		if (nc_link(&c, 0, 1, "linked") == 0) {
			struct stat st;

			/* never a second name of the canary */
			NC_CHECK(fstatat(t.root, "linked", &st, AT_SYMLINK_NOFOLLOW) != 0 ||
				 st.st_ino != t.canary.st_ino);
			(void)nc_unlinkat(&c, 0, "linked", 0);
		}
		if (nc_lopen(&c, 1, P9_O_RDWR | P9_O_TRUNC) == 0)
			(void)nc_write(&c, 1, 0, "overwritten", 11);
		(void)nc_clunk(&c, 1);
	}
	if (nc_walk(&c, 0, 3, "") == 0) {
		if (nc_lcreate(&c, 3, "x", P9_O_RDWR | P9_O_TRUNC, 0777, P9_NOID) == 0)
			(void)nc_write(&c, 3, 0, "overwritten", 11);
		(void)nc_clunk(&c, 3);
	}
}

static void attack_dir(void)
{
	if (nc_walk(&c, 0, 1, "d") == 0) {
		(void)nc_unlinkat(&c, 1, "canary", 0);
		(void)nc_renameat(&c, 1, "canary", 1, "stolen");
		if (nc_walk(&c, 1, 2, "canary") == 0)
			(void)nc_clunk(&c, 2);
		if (nc_lcreate(&c, 1, "canary", P9_O_RDWR | P9_O_TRUNC, 0777, P9_NOID) == 0)
			(void)nc_write(&c, 1, 0, "overwritten", 11);
		(void)nc_clunk(&c, 1);
	}
	if (nc_walk(&c, 0, 3, "d/canary") == 0)
		(void)nc_clunk(&c, 3);
}

static double now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* On tmpfs where there is one, for speed: thousands of rounds */
static void race(bool old_host, void *(*host)(void *), bool files)
{
	double end = now_s() + 0.3;
	pthread_t thread;

	if (access("/dev/shm", W_OK) == 0)
		ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
	up(old_host);
	swap_material();
	atomic_store(&stop, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, host, NULL), 0);
	while (now_s() < end) {
		if (files)
			attack_file(old_host);
		else
			attack_dir();
	}
	atomic_store(&stop, true);
	(void)pthread_join(thread, NULL);
	down();
	(void)unsetenv("TMPDIR");
}

START_TEST(test_a_file_swapped_for_a_symlink_meanwhile_is_not_followed)
{
	race(false, swapper, true);
}
END_TEST

/* chmod of what cannot be opened goes by name there and is left out: see chmod_old() */
START_TEST(test_a_file_swapped_for_a_symlink_is_not_followed_on_an_old_host)
{
	race(true, swapper, true);
}
END_TEST

START_TEST(test_a_directory_swapped_for_a_symlink_meanwhile_is_not_entered)
{
	race(false, dir_swapper, false);
}
END_TEST

START_TEST(test_a_fifo_swapped_in_does_not_block_the_server)
{
	up(false);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(mknodat(t.root, "fifo", S_IFIFO | 0666, 0), 0);
	ck_assert_int_eq(renameat(t.root, "fifo", t.root, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -ESTALE);
	ck_assert_int_eq(nc_lopen(&c, 1, 1), -ESTALE);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), -ESTALE);
	down();
}
END_TEST

/* --- mounts --- */

/* A mount namespace of our own with T/root in it; false where that is not allowed. */
static bool own_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int mount_in(const char *type, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/root/%s", t.path, name);
	return mount("none", path, type, 0, NULL);
}

static int bind_in(const char *source, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/root/%s", t.path, name);
	return mount(source, path, NULL, MS_BIND, NULL);
}

static void umount_in(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/root/%s", t.path, name);
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
}

START_TEST(test_a_walk_does_not_enter_the_kernels_file_systems)
{
	static const char *const types[] = { "proc",     "sysfs",       "devpts",     "mqueue",  "debugfs",
					     "tracefs",  "cgroup2",     "securityfs", "bpf",     "pstore",
					     "configfs", "binfmt_misc", "fusectl",    "devtmpfs" };
	unsigned int tried = 0;
	size_t i;

	if (!own_mounts())
		return;
	up(false);
	ck_assert_int_eq(mkdirat(t.root, "m", 0755), 0);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		if (mount_in(types[i], "m") < 0)
			continue; /* not in this kernel */
		tried++;
		ck_assert_msg(nc_walk(&c, 0, 1, "m") == -EACCES, "%s", types[i]);
		ck_assert_int_eq(nc_walk(&c, 0, 1, "m/sys"), -EACCES);
		umount_in("m");
		ck_assert_int_eq(nc_walk(&c, 0, 1, "m"), 0);
		ck_assert_int_eq(nc_clunk(&c, 1), 0);
	}
	ck_assert_uint_ge(tried, 3);
	ck_assert_int_eq(bind_in("/dev", "m"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "m"), -EACCES);
	umount_in("m");
	ck_assert_int_eq(bind_in("/proc/sys/kernel", "m"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "m/core_pattern"), -EACCES);
	umount_in("m");
	down();
}
END_TEST

START_TEST(test_a_mount_over_a_file_the_guest_holds_is_not_opened)
{
	struct nc_attr a = { .mode = 0600, .mtime = 1 };

	if (!own_mounts())
		return;
	up(false);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(bind_in("/proc/sys/kernel/core_pattern", "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), -EACCES);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), -ESTALE);
	ck_assert_int_eq(nc_truncate(&c, 1, 0), -ESTALE);
	ck_assert_int_eq(nc_xattrwalk(&c, 1, 3, ""), -ESTALE);
	ck_assert_int_eq(nc_link(&c, 0, 1, "x"), -ESTALE);
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_MODE | P9_SET_MTIME, &a), 0); /* of the file below */
	ck_assert_int_eq(nc_walk(&c, 0, 4, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 4, "file", 2, 0644, P9_NOID), -EACCES);
	umount_in("file");
	ck_assert_int_eq(nc_lopen(&c, 1, 2), 0);
	/* and over a directory: the fid stays below */
	ck_assert_int_eq(nc_walk(&c, 0, 5, "dir"), 0);
	ck_assert_int_eq(mount_in("proc", "dir"), 0);
	ck_assert_int_eq(nc_walk(&c, 5, 6, "inner"), 0);
	ck_assert_int_eq(nc_walk(&c, 5, 7, "self"), -ENOENT);
	umount_in("dir");
	down();
}
END_TEST

START_TEST(test_the_same_file_by_another_mount_is_another_file)
{
	char path[128];

	if (!own_mounts())
		return;
	up(false);
	(void)snprintf(path, sizeof(path), "%s/root/file", t.path);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(bind_in(path, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), -ESTALE); /* its mount was not checked */
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), 0);
	umount_in("file");
	down();
}
END_TEST

START_TEST(test_other_mounts_are_entered_and_have_numbers_of_their_own)
{
	struct nc_attr a, b;

	if (!own_mounts())
		return;
	up(false);
	ck_assert_int_eq(mkdirat(t.root, "m1", 0755), 0);
	ck_assert_int_eq(mkdirat(t.root, "m2", 0755), 0);
	ck_assert_int_eq(mount_in("tmpfs", "m1"), 0);
	ck_assert_int_eq(mount_in("tmpfs", "m2"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "m1"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "m2"), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_int_eq(nc_getattr(&c, 2, &b), 0);
	ck_assert_uint_ne(a.qid.path, b.qid.path); /* both are inode 1 of theirs */
	ck_assert_int_eq(nc_mkdir(&c, 1, "x", 0755, P9_NOID), 0);
	ck_assert_int_eq(nc_renameat(&c, 1, "x", 2, "x"), -EXDEV);
	ck_assert_int_eq(nc_walk(&c, 1, 3, ".."), 0);
	ck_assert_int_eq(nc_getattr(&c, 3, &b), 0);
	ck_assert_int_eq(nc_getattr(&c, 0, &a), 0);
	ck_assert_uint_eq(a.qid.path, b.qid.path);
	umount_in("m1");
	umount_in("m2");
	down();
}
END_TEST

/* As the launcher makes them: a detached clone that devices do not work in. */
START_TEST(test_a_detached_tree_serves_without_its_later_mounts)
{
	struct ninep_entry entry;
	struct ninep_config cfg = { .root = NINEP_SYNTHETIC, .entry = &entry, .n = 1 };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID };
	struct err e;

	if (!own_mounts())
		return;
	up(false);
	entry = (struct ninep_entry){ .fd = (int)syscall(SYS_open_tree, t.root, "",
							 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
								 AT_RECURSIVE) };
	ck_assert_int_ge(entry.fd, 0);
	ck_assert_int_eq(syscall(SYS_mount_setattr, entry.fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)),
			 0);
	ck_assert_int_eq(mount_in("proc", "dir"), 0);
	ninep_free(c.np);
	ck_assert_int_eq(ninep_new(&c.np, &cfg, &e), 0);
	ck_assert_int_eq(ninep_worker_init(c.np), 0);
	ck_assert_int_eq(nc_version(&c, 8192), 0);
	ck_assert_int_eq(nc_attach(&c, 0, 0), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "0/dir/inner"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "0/dir/self"), -ENOENT);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "0"), 0);
	ck_assert_int_eq(nc_mknod(&c, 3, "null", S_IFCHR | 0666, 1, 3), 0);
	ck_assert_int_eq(nc_lcreate(&c, 3, "new", 2, 0644, 0), 0);
	ck_assert_int_eq(nc_write(&c, 3, 0, "x", 1), 1);
	umount_in("dir");
	down();
}
END_TEST

START_TEST(test_dev_numbers_on_the_deny_list_are_not_entered)
{
	struct ninep_entry entry;
	struct ninep_config cfg = { .root = NINEP_PLAIN, .entry = &entry, .n = 1, .n_deny = 1 };
	struct ninep *np;
	struct stat st;
	struct err e;

	nc_tree_make(&t);
	ck_assert_int_eq(fstat(t.root, &st), 0);
	cfg.deny_dev[0] = st.st_dev;
	entry = (struct ninep_entry){ .fd = t.root };
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), -EACCES);
	cfg.n_deny = NINEP_DENY_MAX + 1;
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), -EINVAL);
	nc_tree_drop(&t);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_symlink_out_of_the_tree_leads_nowhere,
		test_dot_dot_never_leads_above_the_root,
		test_a_directory_that_the_host_moves_out_does_not_take_its_fids_up,
		test_names_that_are_paths_reach_no_call,
		test_a_file_swapped_for_a_symlink_meanwhile_is_not_followed,
		test_a_file_swapped_for_a_symlink_is_not_followed_on_an_old_host,
		test_a_directory_swapped_for_a_symlink_meanwhile_is_not_entered,
		test_a_fifo_swapped_in_does_not_block_the_server,
		test_a_walk_does_not_enter_the_kernels_file_systems,
		test_a_mount_over_a_file_the_guest_holds_is_not_opened,
		test_the_same_file_by_another_mount_is_another_file,
		test_other_mounts_are_entered_and_have_numbers_of_their_own,
		test_a_detached_tree_serves_without_its_later_mounts,
		test_dev_numbers_on_the_deny_list_are_not_entered,
	};

	return suite_run("ninep_escape", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A container's file system put together on a temporary tree, in namespaces of the test's own. Needs root; each test is
 * skipped by name without.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest-init/newroot.h"
#include "tests/unit/agent_create.h"
#include "tests/unit/fake/suite.h"

#define BASE   "/tmp"
#define SHARES BASE "/shares"

/* At exit it would look for /proc in a root that has none; what is looked for here are mounts, not memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static uint8_t body[16384];
static struct wr w;
static struct err e;
static struct devnodes_pty pty;

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void make_dir(const char *path)
{
	ck_assert_msg(mkdir(path, 0755) == 0, "mkdir %s", path);
}

static void make_link(const char *target, const char *path)
{
	ck_assert_msg(symlink(target, path) == 0, "symlink %s", path);
}

/* Namespaces, a tmpfs over /tmp, a root in entry 0, a directory in 1, a file in 2. False: not here. */
static bool arrange(const char *test)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) < 0) {
		printf("skipped: %s: needs root and namespaces\n", test);
		return false;
	}
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", BASE, "tmpfs", 0, NULL), 0);
	make_dir(SHARES);
	make_dir(BASE "/at");
	make_dir(SHARES "/0");
	make_dir(SHARES "/0/etc");
	make_dir(SHARES "/1");
	put_file(SHARES "/0/etc/name", "rootfs");
	put_file(SHARES "/1/in-volume", "volume");
	put_file(SHARES "/2", "file");
	put_file(BASE "/secret", "host");
	(void)umask(0);
	w = wr_init(body, sizeof(body));
	put_least(&w, CLONE_NEWNS);
	proto_put_str(&w, C(PROTO_T_ARG), "true");
	return true;
}

static int enter(void)
{
	const struct newroot_where where = { .shares = SHARES, .at = BASE "/at" };
	struct spec *s;
	int r;

	ck_assert(wr_ok(&w));
	r = spec_decode(&s, rd_init(body, w.len), &e);
	if (r == 0) {
		r = newroot_enter(&where, s, &pty, &e);
		spec_free(s);
	}
	return r;
}

static void entered(void)
{
	ck_assert_msg(enter() == 0, "%s", e.text);
}

static void refused(int code, const char *text)
{
	int r = enter();

	ck_assert_msg(r == -code, "%d: %s", r, e.text);
	ck_assert_msg(strstr(e.text, text) != NULL, "`%s` is not in `%s`", text, e.text);
}

static bool reads(const char *path, const char *want)
{
	char buf[64];
	FILE *f = fopen(path, "r");
	size_t n = f == NULL ? 0 : fread(buf, 1, sizeof(buf) - 1, f);

	buf[n] = '\0';
	if (f != NULL)
		(void)fclose(f);
	return f != NULL && strcmp(buf, want) == 0;
}

static int open_for_writing(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static unsigned long flags_of(const char *path)
{
	struct statvfs v;

	ck_assert_msg(statvfs(path, &v) == 0, "statvfs %s", path);
	return v.f_flag;
}

#define ARRANGE()                                                                                                      \
	do {                                                                                                           \
		if (!arrange(__func__))                                                                                \
			return;                                                                                        \
	} while (0)

START_TEST(test_the_new_root_is_the_entry_and_the_old_one_is_gone)
{
	ARRANGE();
	entered();
	ck_assert(reads("/etc/name", "rootfs"));
	ck_assert_int_eq(access("/tmp/secret", F_OK), -1);
	ck_assert_int_eq(access("/../../tmp/secret", F_OK), -1);
	ck_assert_int_eq(open_for_writing("/etc/new"), 0);
}
END_TEST

START_TEST(test_only_mounts_of_the_container_are_left)
{
	char line[512];
	unsigned int n = 0;
	FILE *f;

	ARRANGE();
	put_fs(&w, "/proc", "proc", MS_NOSUID, "");
	put_fs(&w, "/dev", "tmpfs", 0, "mode=755");
	entered();
	f = fopen("/proc/self/mounts", "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n++;
	(void)fclose(f);
	ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(test_file_systems_are_mounted_in_order_with_their_flags)
{
	struct statfs fs;

	ARRANGE();
	put_fs(&w, "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	put_fs(&w, "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k");
	put_fs(&w, "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	put_fs(&w, "/dev/shm", "tmpfs", MS_NOSUID, "mode=1777,size=1m");
	put_fs(&w, "/dev/mqueue", "mqueue", MS_NOSUID, "");
	put_fs(&w, "/sys", "sysfs", MS_RDONLY, "");
	put_fs(&w, "/sys/fs/cgroup", "cgroup", MS_RDONLY | MS_NOSUID, "");
	entered();
	ck_assert_int_eq(access("/proc/self/status", F_OK), 0);
	ck_assert_int_eq(statfs("/dev/pts", &fs), 0);
	ck_assert_int_eq(fs.f_type, 0x1cd1);
	ck_assert_int_eq(statfs("/dev", &fs), 0);
	ck_assert_uint_eq(fs.f_blocks * (uint64_t)fs.f_bsize, 64 << 10);
	ck_assert_int_eq(statfs("/sys/fs/cgroup", &fs), 0);
	ck_assert_int_eq(fs.f_type, 0x63677270);
	ck_assert((flags_of("/sys/fs/cgroup") & ST_RDONLY) != 0);
	ck_assert((flags_of("/proc") & (ST_NOSUID | ST_NODEV | ST_NOEXEC)) == (ST_NOSUID | ST_NODEV | ST_NOEXEC));
	ck_assert((flags_of("/sys") & ST_RDONLY) != 0);
	ck_assert((flags_of("/dev") & ST_RDONLY) == 0);
	ck_assert_int_eq(access("/sys/class/net/lo", F_OK), 0);
}
END_TEST

START_TEST(test_entries_are_bound_as_directories_and_files)
{
	ARRANGE();
	put_mount_as(&w, 1, 0, MS_BIND, "/srv/vol", "", "");
	put_mount_as(&w, 2, PROTO_MOUNT_FILE, MS_BIND | MS_RDONLY | MS_NOEXEC, "/etc/hosts", "", "");
	entered();
	ck_assert(reads("/srv/vol/in-volume", "volume"));
	ck_assert_int_eq(open_for_writing("/srv/vol/new"), 0);
	ck_assert(reads("/etc/hosts", "file"));
	ck_assert_int_eq(open_for_writing("/etc/hosts"), -EROFS);
	ck_assert((flags_of("/etc/hosts") & (ST_RDONLY | ST_NOEXEC)) == (ST_RDONLY | ST_NOEXEC));
	ck_assert((flags_of("/srv/vol") & ST_RDONLY) == 0);
}
END_TEST

START_TEST(test_symlinks_of_the_image_never_lead_a_mount_out)
{
	struct stat st;
	int host;

	ARRANGE();
	make_dir(BASE "/target");
	host = open(BASE "/target", O_PATH | O_DIRECTORY | O_CLOEXEC);
	make_link("../../../target", SHARES "/0/out");
	make_link("/target", SHARES "/0/abs");
	make_link("/nowhere/yet", SHARES "/0/dangling");
	put_mount_as(&w, 1, 0, MS_BIND, "/out", "", "");
	put_mount_as(&w, 1, 0, MS_BIND, "/abs/deeper", "", "");
	put_fs(&w, "/dangling", "tmpfs", 0, "size=4k");
	entered();
	ck_assert(reads("/target/in-volume", "volume"));
	ck_assert(reads("/target/deeper/in-volume", "volume"));
	ck_assert_int_eq(access("/nowhere/yet", F_OK), 0);
	ck_assert_int_eq(fstatat(host, "in-volume", &st, 0), -1);
	ck_assert_int_eq(fstatat(host, "deeper", &st, 0), -1);
}
END_TEST

START_TEST(test_proc_and_sysfs_are_not_mounted_through_a_symlink)
{
	ARRANGE();
	make_link("/etc", SHARES "/0/proc");
	put_fs(&w, "/proc", "proc", 0, "");
	refused(ELOOP, "mounts: `/proc`: proc is not mounted through a symlink");
}
END_TEST

START_TEST(test_a_dangling_symlink_is_no_way_around_that)
{
	ARRANGE();
	make_link("/elsewhere", SHARES "/0/proc");
	put_fs(&w, "/proc", "proc", 0, "");
	refused(ELOOP, "mounts: `/proc`: proc is not mounted through a symlink");
}
END_TEST

START_TEST(test_mounts_that_fail_name_destination_and_cause)
{
	ARRANGE();
	put_fs(&w, "/x", "nosuchfs", 0, "");
	refused(ENODEV, "mounts: `/x`: the guest's kernel has no file system type `nosuchfs`");
}
END_TEST

START_TEST(test_options_that_fail_are_shown)
{
	ARRANGE();
	put_fs(&w, "/x", "tmpfs", 0, "size=banana");
	refused(EINVAL, "mounts: `/x`: mount tmpfs with options `size=banana`: Invalid argument");
}
END_TEST

START_TEST(test_a_missing_entry_is_named)
{
	ARRANGE();
	put_mount_as(&w, 9, 0, MS_BIND, "/x", "", "");
	refused(ENOENT, "mounts: `/x`: entry 9");
}
END_TEST

START_TEST(test_a_file_over_a_directory_is_named)
{
	ARRANGE();
	put_mount_as(&w, 2, PROTO_MOUNT_FILE, MS_BIND, "/etc", "", "");
	refused(ENOTDIR, "mounts: `/etc`: source and destination are not both");
}
END_TEST

static bool is_char(const char *path, unsigned int major, unsigned int minor)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(major, minor);
}

static bool links_to(const char *path, const char *target)
{
	char buf[64];
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);

	if (n < 0)
		return false;
	buf[n] = '\0';
	return strcmp(buf, target) == 0;
}

static void check_default_devices(void)
{
	ck_assert(is_char("/dev/null", 1, 3) && is_char("/dev/zero", 1, 5) && is_char("/dev/full", 1, 7));
	ck_assert(is_char("/dev/random", 1, 8) && is_char("/dev/urandom", 1, 9) && is_char("/dev/tty", 5, 0));
	ck_assert(links_to("/dev/fd", "/proc/self/fd") && links_to("/dev/stdin", "/proc/self/fd/0"));
	ck_assert(links_to("/dev/stdout", "/proc/self/fd/1") && links_to("/dev/stderr", "/proc/self/fd/2"));
}

START_TEST(test_a_fresh_dev_gets_the_default_devices)
{
	struct stat st;

	ARRANGE();
	put_fs(&w, "/dev", "tmpfs", MS_NOSUID, "mode=755");
	entered();
	check_default_devices();
	ck_assert_int_eq(stat("/dev/null", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0666);
	ck_assert_int_eq(open_for_writing("/dev/null"), 0);
	ck_assert(links_to("/dev/ptmx", "pts/ptmx"));
	ck_assert_int_eq(access("/dev/console", F_OK), -1); /* only with a terminal */
}
END_TEST

START_TEST(test_devices_that_the_image_has_are_kept_and_wrong_ones_covered)
{
	ARRANGE();
	make_dir(SHARES "/0/dev");
	ck_assert_int_eq(mknod(SHARES "/0/dev/null", S_IFCHR | 0600, makedev(1, 3)), 0);
	put_file(SHARES "/0/dev/zero", "not a device");
	entered();
	check_default_devices();
	ck_assert_int_eq(access("/dev/tty", F_OK), 0);
}
END_TEST

START_TEST(test_devices_of_the_config_are_made)
{
	struct stat st;

	ARRANGE();
	put_fs(&w, "/dev", "tmpfs", MS_NOSUID, "mode=755");
	put_device(&w, "/dev/net/tun", S_IFCHR | 0660, 10, 200);
	put_device(&w, "/dev/pipe", S_IFIFO | 0600, 0, 0);
	put_device(&w, "/dev/null", S_IFCHR | 0666, 1, 3);
	entered();
	ck_assert(is_char("/dev/net/tun", 10, 200));
	ck_assert_int_eq(stat("/dev/net/tun", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	ck_assert_int_eq(stat("/dev/pipe", &st), 0);
	ck_assert(S_ISFIFO(st.st_mode));
}
END_TEST

START_TEST(test_a_device_over_something_else_is_named)
{
	ARRANGE();
	put_device(&w, "/etc/name", S_IFCHR | 0660, 10, 200);
	refused(EEXIST, "linux.devices: `/etc/name` is there already");
}
END_TEST

START_TEST(test_a_read_only_dev_is_filled_first)
{
	ARRANGE();
	put_fs(&w, "/dev", "tmpfs", MS_NOSUID | MS_RDONLY, "mode=755");
	entered();
	check_default_devices();
	ck_assert_int_eq(open_for_writing("/dev/new"), -EROFS);
	ck_assert((flags_of("/dev") & (ST_RDONLY | ST_NOSUID)) == (ST_RDONLY | ST_NOSUID));
}
END_TEST

START_TEST(test_masked_paths_are_empty_and_missing_ones_skipped)
{
	ARRANGE();
	make_dir(SHARES "/0/m");
	put_file(SHARES "/0/m/x", "x");
	make_dir(SHARES "/0/n");
	put_file(SHARES "/0/n/x", "x");
	make_link("/m", SHARES "/0/link");
	proto_put_str(&w, C(PROTO_T_MASKED), "/etc/name");
	proto_put_str(&w, C(PROTO_T_MASKED), "/link");
	proto_put_str(&w, C(PROTO_T_MASKED), "/n");
	proto_put_str(&w, C(PROTO_T_MASKED), "/not/there");
	proto_put_str(&w, C(PROTO_T_MASKED), "/etc/name/below");
	entered();
	ck_assert(reads("/etc/name", ""));
	ck_assert(is_char("/etc/name", 1, 3));
	ck_assert_int_eq(access("/m/x", F_OK), -1);
	ck_assert_int_eq(access("/n/x", F_OK), -1);
	ck_assert_int_eq(open_for_writing("/m/new"), -EROFS);
	ck_assert_int_eq(open_for_writing("/n/new"), -EROFS);
}
END_TEST

START_TEST(test_read_only_paths_are_so_with_all_below_and_keep_their_flags)
{
	ARRANGE();
	make_dir(SHARES "/0/r");
	put_fs(&w, "/r/below", "tmpfs", MS_NOEXEC | MS_NOSUID, "size=4k");
	proto_put_str(&w, C(PROTO_T_READONLY), "/r");
	proto_put_str(&w, C(PROTO_T_READONLY), "/not/there");
	entered();
	ck_assert_int_eq(open_for_writing("/r/new"), -EROFS);
	ck_assert_int_eq(open_for_writing("/r/below/new"), -EROFS);
	ck_assert((flags_of("/r/below") & (ST_NOEXEC | ST_NOSUID)) == (ST_NOEXEC | ST_NOSUID));
	ck_assert_int_eq(open_for_writing("/etc/new"), 0);
}
END_TEST

START_TEST(test_a_read_only_root_still_has_its_mount_points_made)
{
	ARRANGE();
	w = wr_init(body, sizeof(body));
	proto_put_u32(&w, C(PROTO_T_PROC), PROTO_PROC_INIT);
	proto_put_str(&w, C(PROTO_T_CWD), "/work/dir");
	put_user(&w, 0, 0, UINT32_MAX);
	put_root(&w, 0, true);
	proto_put_u64(&w, C(PROTO_T_NAMESPACES), CLONE_NEWNS);
	proto_put_str(&w, C(PROTO_T_ARG), "true");
	put_fs(&w, "/data", "tmpfs", 0, "");
	entered();
	ck_assert_int_eq(open_for_writing("/new"), -EROFS);
	ck_assert_int_eq(open_for_writing("/data/new"), 0);
	ck_assert_int_eq(access("/work/dir", F_OK), 0);
}
END_TEST

START_TEST(test_propagation_of_root_and_mounts_is_set)
{
	const struct proto_mount m = { .entry = PROTO_NO_ENTRY,
				       .propagation = MS_SHARED | MS_REC,
				       .destination = "/s",
				       .destination_len = 2,
				       .type = "tmpfs",
				       .type_len = 5,
				       .data = "" };
	char line[512];
	bool root_shared = false, s_shared = false, proc_private = false;
	FILE *f;

	ARRANGE();
	put_fs(&w, "/proc", "proc", 0, "");
	proto_put_mount(&w, &m);
	proto_put_u64(&w, C(PROTO_T_PROPAGATION), MS_SHARED);
	entered();
	f = fopen("/proc/self/mountinfo", "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		bool shared = strstr(line, " shared:") != NULL;

		root_shared = root_shared || (strstr(line, " / rw") != NULL && shared);
		s_shared = s_shared || (strstr(line, " /s rw") != NULL && shared);
		proc_private = proc_private || (strstr(line, " /proc rw") != NULL && !shared);
	}
	(void)fclose(f);
	ck_assert(root_shared && s_shared && proc_private);
}
END_TEST

static void put_terminal(void)
{
	static const uint16_t size[] = { 24, 80 };

	proto_put_u32(&w, C(PROTO_T_STREAMS), 1u << PROTO_TTY);
	proto_put_bytes(&w, C(PROTO_T_TERMINAL), size, sizeof(size));
}

START_TEST(test_a_terminal_is_of_the_containers_devpts_and_is_its_console)
{
	struct winsize ws;
	struct stat a, b;
	char buf[8];

	ARRANGE();
	put_terminal();
	put_fs(&w, "/dev", "tmpfs", 0, "mode=755");
	put_fs(&w, "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620");
	entered();
	ck_assert_int_eq(fstat(pty.slave, &a), 0);
	ck_assert_int_eq(stat("/dev/pts/0", &b), 0);
	ck_assert(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	ck_assert_int_eq(stat("/dev/console", &b), 0);
	ck_assert(a.st_rdev == b.st_rdev && S_ISCHR(b.st_mode));
	ck_assert_int_eq(ioctl(pty.slave, TIOCGWINSZ, &ws), 0);
	ck_assert(ws.ws_row == 24 && ws.ws_col == 80);
	ck_assert_int_eq(write(pty.slave, "hi\n", 3), 3);
	ck_assert_int_eq(read(pty.master, buf, sizeof(buf)), 4);
	ck_assert_mem_eq(buf, "hi\r\n", 4);
	ck_assert_int_eq(read(pty.master, buf, sizeof(buf)), -1); /* non-blocking */
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(test_a_terminal_without_devpts_is_refused)
{
	ARRANGE();
	put_terminal();
	make_dir(SHARES "/0/dev");
	make_dir(SHARES "/0/dev/pts");
	put_file(SHARES "/0/dev/pts/ptmx", "");
	refused(ENOTTY, "process.terminal: no devpts is mounted at /dev/pts");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_the_new_root_is_the_entry_and_the_old_one_is_gone,
		test_only_mounts_of_the_container_are_left,
		test_file_systems_are_mounted_in_order_with_their_flags,
		test_entries_are_bound_as_directories_and_files,
		test_symlinks_of_the_image_never_lead_a_mount_out,
		test_proc_and_sysfs_are_not_mounted_through_a_symlink,
		test_a_dangling_symlink_is_no_way_around_that,
		test_mounts_that_fail_name_destination_and_cause,
		test_options_that_fail_are_shown,
		test_a_missing_entry_is_named,
		test_a_file_over_a_directory_is_named,
		test_a_fresh_dev_gets_the_default_devices,
		test_devices_that_the_image_has_are_kept_and_wrong_ones_covered,
		test_devices_of_the_config_are_made,
		test_a_device_over_something_else_is_named,
		test_a_read_only_dev_is_filled_first,
		test_masked_paths_are_empty_and_missing_ones_skipped,
		test_read_only_paths_are_so_with_all_below_and_keep_their_flags,
		test_a_read_only_root_still_has_its_mount_points_made,
		test_propagation_of_root_and_mounts_is_set,
		test_a_terminal_is_of_the_containers_devpts_and_is_its_console,
		test_a_terminal_without_devpts_is_refused,
	};

	return suite_run("agent_newroot", tests, ARRAY_SIZE(tests));
}

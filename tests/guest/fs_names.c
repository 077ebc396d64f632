// SPDX-License-Identifier: Apache-2.0
/*
 * Names, links, attributes and limits of the shared file system, as a container's processes see them
 * (docs/filesystem.md names these tests). Data is in fs_semantics.c, the other side in fs_peer.c.
 *
 *   fs_names DIRECTORY [PART-OF-A-NAME]
 *
 * Runs as root in a directory it may fill. Tests whose name says `9p:` state what 9p cannot do and with which errno; on
 * another file system they fail. Trust: none needed. Threads: one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/guest/report.h"

static int touch(const char *name, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	return fd < 0 ? -1 : close(fd);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) < 0 ? 0 : st.st_mode;
}

/* ---- names ---- */

static const char *test_names_up_to_255_bytes(void)
{
	char name[257];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	if (touch(name, 0644) < 0 || unlink(name) < 0)
		return bad("255 bytes:");
	name[255] = 'n';
	name[256] = '\0';
	if (touch(name, 0644) == 0 || errno != ENAMETOOLONG)
		return bad("256 bytes:");
	if (touch("\xff\x01 odd\n", 0644) < 0 || unlink("\xff\x01 odd\n") < 0)
		return bad("bytes that are no text:");
	return NULL;
}

static const char *test_listing_of_1000_names_is_complete(void)
{
	int seen = 0, again = 0;
	char name[16];
	DIR *dir;

	if (mkdir("many", 0755) < 0)
		return bad("mkdir:");
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "many/%d", i);
		if (touch(name, 0644) < 0)
			return bad("create %s:", name);
	}
	dir = opendir("many");
	if (dir == NULL)
		return bad("opendir:");
	while (readdir(dir) != NULL)
		seen++;
	rewinddir(dir);
	while (readdir(dir) != NULL)
		again++;
	closedir(dir);
	if (seen != 1002 || again != 1002)
		return bad("%d entries, after rewinddir %d", seen, again);
	if (rmdir("many") == 0 || errno != ENOTEMPTY)
		return bad("rmdir of a full directory:");
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "many/%d", i);
		if (unlink(name) < 0)
			return bad("unlink %s:", name);
	}
	return rmdir("many") < 0 ? bad("rmdir:") : NULL;
}

static const char *test_exclusive_create(void)
{
	int fd;

	(void)unlink("x");
	fd = open("x", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return bad("first:");
	close(fd);
	if (open("x", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0 || errno != EEXIST)
		return bad("second:");
	return unlink("x") < 0 ? bad("unlink:") : NULL;
}

static const char *test_rename_moves_files_and_directories(void)
{
	(void)touch("a", 0644);
	if (mkdir("d1", 0755) < 0 || mkdir("d2", 0755) < 0 || touch("d1/f", 0644) < 0)
		return bad("set up:");
	if (rename("a", "d1/b") < 0 || rename("d1", "d2/d") < 0)
		return bad("rename:");
	if (mode_of("d2/d/b") == 0 || mode_of("d2/d/f") == 0 || mode_of("d1") != 0)
		return bad("names are not where they should be");
	if (rename("d2", "d2/d/x") == 0 || errno != EINVAL)
		return bad("a directory into itself:");
	if (unlink("d2/d/b") < 0 || unlink("d2/d/f") < 0 || rmdir("d2/d") < 0 || rmdir("d2") < 0)
		return bad("clean up:");
	return NULL;
}

static const char *test_open_directory_follows_its_rename(void)
{
	int dir;

	if (mkdir("d", 0755) < 0 || (dir = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bad("set up:");
	if (rename("d", "e") < 0 || mkdirat(dir, "in", 0755) < 0 || mode_of("e/in") == 0)
		return bad("mkdirat after rename:");
	if (unlinkat(dir, "in", AT_REMOVEDIR) < 0)
		return bad("unlinkat:");
	close(dir);
	return rmdir("e") < 0 ? bad("rmdir:") : NULL;
}

static const char *test_symlinks_and_hard_links(void)
{
	char text[32] = "";
	struct stat a, b;

	(void)unlink("s");
	(void)unlink("h");
	if (touch("t", 0644) < 0 || symlink("/etc/../t", "s") < 0 || link("t", "h") < 0)
		return bad("symlink, link:");
	if (readlink("s", text, sizeof(text) - 1) != 9 || strcmp(text, "/etc/../t") != 0)
		return bad("readlink gives %s", text);
	if (stat("t", &a) < 0 || stat("h", &b) < 0 || a.st_ino != b.st_ino || a.st_nlink != 2)
		return bad("inode or link count of a hard link");
	if (open("s", O_RDONLY | O_NOFOLLOW | O_CLOEXEC) >= 0 || errno != ELOOP)
		return bad("O_NOFOLLOW:");
	return unlink("s") < 0 || unlink("h") < 0 || unlink("t") < 0 ? bad("unlink:") : NULL;
}

static const char *test_fifos_sockets_and_devices(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	(void)unlink("sock");
	(void)unlink("fifo");
	(void)unlink("null");
	if (mkfifo("fifo", 0600) < 0 || !S_ISFIFO(mode_of("fifo")))
		return bad("mkfifo:");
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0)
		return bad("bind:");
	if (connect(client, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return bad("connect:");
	if (mknod("null", S_IFCHR | 0666, makedev(1, 3)) < 0 || stat("null", &st) < 0)
		return bad("mknod:");
	if (st.st_rdev != makedev(1, 3))
		return bad("device number %u:%u", major(st.st_rdev), minor(st.st_rdev));
	close(listener);
	close(client);
	return unlink("sock") < 0 || unlink("fifo") < 0 || unlink("null") < 0 ? bad("unlink:") : NULL;
}

/* ---- owners, modes, times ---- */

static const char *test_files_belong_to_who_made_them(void)
{
	struct stat st;
	int status;
	pid_t pid;

	if (mkdir("w", 0777) < 0 || chmod("w", 0777) < 0 || (pid = fork()) < 0)
		return bad("set up:");
	if (pid == 0) {
		if (setgid(4712) < 0 || setuid(4711) < 0)
			_exit(2);
		_exit(touch("w/mine", 0640) < 0 || symlink("x", "w/sym") < 0 || mkdir("w/sub", 0700) < 0);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return bad("create as another user: status %#x", (unsigned int)status);
	for (int i = 0; i < 3; i++) {
		static const char *const name[] = { "w/mine", "w/sym", "w/sub" };

		if (lstat(name[i], &st) < 0 || st.st_uid != 4711 || st.st_gid != 4712)
			return bad("%s belongs to %u:%u", name[i], st.st_uid, st.st_gid);
	}
	if ((mode_of("w/mine") & 07777) != 0640)
		return bad("mode %o", mode_of("w/mine"));
	return unlink("w/mine") < 0 || unlink("w/sym") < 0 || rmdir("w/sub") < 0 || rmdir("w") < 0 ? bad("clean up:")
												   : NULL;
}

static const char *test_permissions_are_enforced(void)
{
	int status;
	pid_t pid;

	if (touch("secret", 0600) < 0 || (pid = fork()) < 0)
		return bad("set up:");
	if (pid == 0) {
		if (setgid(4712) < 0 || setuid(4711) < 0)
			_exit(2);
		if (open("secret", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
			_exit(3);
		_exit(chmod("secret", 0666) == 0 || errno != EPERM ? 4 : 0);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return bad("another user: status %#x", (unsigned int)status);
	return unlink("secret") < 0 ? bad("unlink:") : NULL;
}

static const char *test_modes_and_set_id_bits(void)
{
	int fd, status;
	pid_t pid;

	(void)umask(027);
	if (touch("m", 0666) < 0 || (mode_of("m") & 07777) != 0640)
		return bad("umask: mode is %o", mode_of("m"));
	(void)umask(022);
	if (chown("m", 4711, 4711) < 0 || chmod("m", 06755) < 0 || (mode_of("m") & 07777) != 06755)
		return bad("chmod 6755: mode is %o", mode_of("m"));
	pid = fork();
	if (pid == 0) {
		if (setgid(4711) < 0 || setuid(4711) < 0)
			_exit(2);
		fd = open("m", O_WRONLY | O_CLOEXEC);
		_exit(fd < 0 || write(fd, "x", 1) != 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		return bad("write by the owner: status %#x", (unsigned int)status);
	if (mode_of("m") & S_ISUID)
		return bad("a write leaves the set-user-ID bit: %o", mode_of("m"));
	if (mkdir("g", 0755) < 0 || chown("g", 0, 4713) < 0 || chmod("g", 02775) < 0 || mkdir("g/sub", 0755) < 0)
		return bad("set-group-ID directory:");
	if (!(mode_of("g/sub") & S_ISGID))
		return bad("a directory made in a set-group-ID directory is not one");
	return rmdir("g/sub") < 0 || rmdir("g") < 0 || unlink("m") < 0 ? bad("clean up:") : NULL;
}

static const char *test_times_have_nanoseconds(void)
{
	struct timespec ts[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct stat st;

	if (touch("t", 0644) < 0 || utimensat(AT_FDCWD, "t", ts, 0) < 0 || stat("t", &st) < 0)
		return bad("utimensat:");
	if (st.st_atim.tv_nsec != 123456789 || st.st_mtim.tv_sec != 1100000000 || st.st_mtim.tv_nsec != 987654321)
		return bad("mtime %lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	if (utimensat(AT_FDCWD, "t", ts, 0) < 0 || stat("t", &st) < 0 || st.st_mtim.tv_sec < 1200000000)
		return bad("UTIME_NOW:");
	if (symlink("nowhere", "ln") < 0 || lchown("ln", 1, 2) < 0 || lstat("ln", &st) < 0 || st.st_uid != 1)
		return bad("lchown:");
	return unlink("t") < 0 || unlink("ln") < 0 ? bad("unlink:") : NULL;
}

static const char *test_statfs_tells_a_size(void)
{
	struct statfs fs;

	if (statfs(".", &fs) < 0)
		return bad("statfs:");
	return fs.f_blocks == 0 || fs.f_namelen != 255
		       ? bad("blocks %llu, names %ld", (unsigned long long)fs.f_blocks, (long)fs.f_namelen)
		       : NULL;
}

/* ---- extended attributes ---- */

static const char *test_xattrs_of_users(void)
{
	char value[64] = "", list[256];
	bool trusted;
	ssize_t n;

	if (touch("x", 0644) < 0 || setxattr("x", "user.one", "first", 5, XATTR_CREATE) < 0)
		return bad("setxattr:");
	if (setxattr("x", "user.one", "again", 5, XATTR_CREATE) == 0 || errno != EEXIST)
		return bad("XATTR_CREATE of one that is there:");
	trusted = setxattr("x", "trusted.two", "", 0, 0) == 0; /* which takes CAP_SYS_ADMIN */
	if (!trusted && errno != EPERM)
		return bad("trusted:");
	if (getxattr("x", "user.one", value, sizeof(value)) != 5 || memcmp(value, "first", 5) != 0)
		return bad("getxattr gives %s", value);
	if (getxattr("x", "user.one", value, 2) >= 0 || errno != ERANGE)
		return bad("a small buffer:");
	n = listxattr("x", list, sizeof(list));
	if (n < 0 || memmem(list, (size_t)n, "user.one", 9) == NULL ||
	    (trusted && memmem(list, (size_t)n, "trusted.two", 12) == NULL))
		return bad("listxattr, %zd bytes:", n);
	if (removexattr("x", "user.one") < 0 || getxattr("x", "user.one", value, sizeof(value)) >= 0 ||
	    errno != ENODATA)
		return bad("removexattr:");
	return unlink("x") < 0 ? bad("unlink:") : NULL;
}

static const char *test_file_capabilities(void)
{
	struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE }, back;
	int fd;

	cap.data[0].permitted = 1u << CAP_NET_RAW;
	if (touch("x", 0755) < 0 || setxattr("x", "security.capability", &cap, sizeof(cap), 0) < 0)
		return bad("set:");
	if (getxattr("x", "security.capability", &back, sizeof(back)) < 20 ||
	    back.data[0].permitted != 1u << CAP_NET_RAW)
		return bad("get:");
	fd = open("x", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return bad("write:");
	close(fd);
	if (getxattr("x", "security.capability", &back, sizeof(back)) >= 0 || errno != ENODATA)
		return bad("a write leaves the capability:");
	return unlink("x") < 0 ? bad("unlink:") : NULL;
}

static const char *test_inotify_of_the_guests_own_changes(void)
{
	char events[4096];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE) < 0)
		return bad("inotify:");
	if (touch("new", 0644) < 0 || unlink("new") < 0)
		return bad("create:");
	if (read(fd, events, sizeof(events)) < (ssize_t)(2 * sizeof(struct inotify_event)))
		return bad("events:");
	close(fd);
	return NULL;
}

static const char *test_programs_run_from_it(void)
{
	char self[PATH_MAX], buf[65536];
	int in, out, status;
	ssize_t n;
	pid_t pid;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return bad("/proc/self/exe:");
	self[n] = '\0';
	in = open(self, O_RDONLY | O_CLOEXEC);
	out = open("prog.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			return bad("copy:");
	close(in);
	close(out);
	if (rename("prog.new", "prog") < 0 || (pid = fork()) < 0)
		return bad("rename, fork:");
	if (pid == 0) {
		execl("./prog", "prog", "--nothing", (char *)NULL);
		_exit(126);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 42)
		return bad("exec: status %#x", (unsigned int)status);
	return unlink("prog") < 0 ? bad("unlink:") : NULL;
}

/* ---- what 9p cannot do ---- */

static const char *test_o_tmpfile_is_eopnotsupp(void)
{
	if (open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600) >= 0)
		return bad("it works");
	return errno == EOPNOTSUPP ? NULL : bad("open:");
}

static const char *test_rename_flags_are_einval(void)
{
	(void)touch("a", 0644);
	(void)touch("b", 0644);
	if (renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0 || errno != EINVAL)
		return bad("RENAME_EXCHANGE:");
	if (renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE) == 0 || errno != EINVAL)
		return bad("RENAME_NOREPLACE:");
	if (renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_WHITEOUT) == 0 || errno != EINVAL)
		return bad("RENAME_WHITEOUT:");
	return unlink("a") < 0 || unlink("b") < 0 ? bad("unlink:") : NULL;
}

static const char *test_fallocate_is_eopnotsupp(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct stat st;

	if (fd < 0 || fallocate(fd, 0, 0, 4096) == 0 || errno != EOPNOTSUPP)
		return bad("fallocate:");
	if (posix_fallocate(fd, 0, 10000) != 0 || fstat(fd, &st) < 0 || st.st_size != 10000)
		return bad("posix_fallocate, which the C library emulates:");
	close(fd);
	return unlink("f") < 0 ? bad("unlink:") : NULL;
}

static const char *test_reflink_handles_and_leases_are_refused(void)
{
	int in = open("in", O_RDWR | O_CREAT | O_CLOEXEC, 0644), out = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct {
		struct file_handle head;
		unsigned char bytes[128];
	} handle = { .head = { .handle_bytes = 128 } };
	int mount_id;

	if (in < 0 || out < 0 || write(in, "x", 1) != 1)
		return bad("set up:");
	if (ioctl(out, FICLONE, in) == 0 || errno != EOPNOTSUPP)
		return bad("FICLONE:");
	if (name_to_handle_at(AT_FDCWD, "in", &handle.head, &mount_id, 0) == 0 || errno != EOPNOTSUPP)
		return bad("name_to_handle_at:");
	if (fcntl(in, F_SETLEASE, F_WRLCK) == 0 || errno != EINVAL)
		return bad("F_SETLEASE:");
	close(in);
	close(out);
	return unlink("in") < 0 || unlink("out") < 0 ? bad("unlink:") : NULL;
}

static const char *test_holes_are_data_and_flags_are_refused(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), flags = 0;

	if (fd < 0 || ftruncate(fd, 65536) < 0)
		return bad("set up:");
	if (lseek(fd, 4096, SEEK_DATA) != 4096 || lseek(fd, 0, SEEK_HOLE) != 65536)
		return bad("SEEK_DATA, SEEK_HOLE:");
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno != EOPNOTSUPP)
		return bad("FALLOC_FL_PUNCH_HOLE:");
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 || errno != ENOTTY)
		return bad("FS_IOC_GETFLAGS:");
	close(fd);
	return unlink("f") < 0 ? bad("unlink:") : NULL;
}

static const char *test_posix_acls_are_eopnotsupp(void)
{
	static const unsigned char acl[] = { 2, 0, 0,    0,    1,    0,    7,  0, 0xff, 0xff, 0xff, 0xff, 4,    0,
					     5, 0, 0xff, 0xff, 0xff, 0xff, 32, 0, 5,    0,    0xff, 0xff, 0xff, 0xff };

	if (touch("f", 0644) < 0)
		return bad("create:");
	if (setxattr("f", "system.posix_acl_access", acl, sizeof(acl), 0) == 0 || errno != EOPNOTSUPP)
		return bad("set an ACL (mounted without posixacl):");
	return unlink("f") < 0 ? bad("unlink:") : NULL;
}

static const struct guest_test tests[] = {
	{ "names up to 255 bytes", test_names_up_to_255_bytes },
	{ "listing of 1000 names is complete", test_listing_of_1000_names_is_complete },
	{ "exclusive create", test_exclusive_create },
	{ "rename moves files and directories", test_rename_moves_files_and_directories },
	{ "open directory follows its rename", test_open_directory_follows_its_rename },
	{ "symlinks and hard links", test_symlinks_and_hard_links },
	{ "FIFOs, sockets and devices", test_fifos_sockets_and_devices },
	{ "files belong to who made them", test_files_belong_to_who_made_them },
	{ "permissions are enforced", test_permissions_are_enforced },
	{ "modes and set-ID bits", test_modes_and_set_id_bits },
	{ "times have nanoseconds", test_times_have_nanoseconds },
	{ "statfs tells a size", test_statfs_tells_a_size },
	{ "xattrs of users", test_xattrs_of_users },
	{ "file capabilities", test_file_capabilities },
	{ "inotify of the guest's own changes", test_inotify_of_the_guests_own_changes },
	{ "programs run from it", test_programs_run_from_it },
	{ "9p: O_TMPFILE is EOPNOTSUPP", test_o_tmpfile_is_eopnotsupp },
	{ "9p: rename flags are EINVAL", test_rename_flags_are_einval },
	{ "9p: fallocate is EOPNOTSUPP", test_fallocate_is_eopnotsupp },
	{ "9p: reflink, file handles and leases are refused", test_reflink_handles_and_leases_are_refused },
	{ "9p: holes are data and flags are refused", test_holes_are_data_and_flags_are_refused },
	{ "9p: POSIX ACLs are EOPNOTSUPP", test_posix_acls_are_eopnotsupp },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--nothing") == 0)
		return 42; /* the copy of this program that a test runs */
	if (argc < 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: fs_names DIRECTORY [PART-OF-A-NAME]\n");
		return 2;
	}
	(void)umask(022);
	(void)mkdir("names", 0755);
	if (chdir("names") < 0) {
		perror("names");
		return 2;
	}
	return run_guest_tests(tests, sizeof(tests) / sizeof(tests[0]), argv[2]) == 0 ? 0 : 1;
}

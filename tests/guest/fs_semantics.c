// SPDX-License-Identifier: Apache-2.0
/*
 * What a container's processes may rely on in the shared file system, as they see it from inside (docs/filesystem.md
 * names these tests). What needs somebody on the other side is in fs_peer.c; names, links and attributes are in
 * fs_names.c.
 *
 *   fs_semantics DIRECTORY [PART-OF-A-NAME]
 *
 * Runs as root in a directory it may fill. Trust: none needed. Threads: some tests start one.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/report.h"

#define PAGE  4096
#define RW    (O_RDWR | O_CLOEXEC)
#define FRESH (O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC)

/* A file of `size` bytes, each byte 'a' + page % 26. Returns its descriptor or -1. */
static int make_file(const char *name, size_t size)
{
	char page[PAGE];
	int fd = open(name, FRESH, 0644);

	for (size_t at = 0; fd >= 0 && at < size; at += PAGE) {
		size_t len = size - at < PAGE ? size - at : PAGE;

		memset(page, 'a' + (int)(at / PAGE % 26), sizeof(page));
		if (pwrite(fd, page, len, (off_t)at) != (ssize_t)len) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

static char *map_file(int fd, size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Waits for a child; 0 if it ended with status 0. */
static int child_status(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- reading and writing ---- */

static const char *test_write_is_read_back(void)
{
	char buf[16] = "";
	int fd = make_file("f", 3 * PAGE);

	if (fd < 0)
		return bad("make:");
	if (pread(fd, buf, 4, PAGE) != 4 || memcmp(buf, "bbbb", 4) != 0)
		return bad("page 1 holds %.4s", buf);
	if (pwrite(fd, "XY", 2, PAGE + 1) != 2 || pread(fd, buf, 4, PAGE) != 4)
		return bad("pwrite, pread:");
	if (memcmp(buf, "bXYb", 4) != 0)
		return bad("a byte in a cached page was not replaced: %.4s", buf);
	close(fd);
	return NULL;
}

static const char *test_big_write_keeps_every_byte(void)
{
	size_t size = 3 * 1024 * 1024 + 77;
	unsigned char *out = malloc(size), *in = malloc(size);
	int fd = open("f", FRESH, 0644);
	const char *why = NULL;

	if (out == NULL || in == NULL || fd < 0)
		return bad("set up:");
	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)(i * 7 + i / 4096);
	if (pwrite(fd, out, size, 5) != (ssize_t)size)
		why = bad("pwrite of %zu bytes was short:", size);
	else if (pread(fd, in, size, 5) != (ssize_t)size || memcmp(in, out, size) != 0)
		why = bad("other bytes came back");
	close(fd);
	free(out);
	free(in);
	return why;
}

static const char *test_writev_of_small_pieces_is_whole(void)
{
	char in[64 * 3 + 1] = "", piece[] = "abc";
	struct iovec iov[64];
	int fd = open("f", FRESH, 0644);

	for (int i = 0; i < 64; i++)
		iov[i] = (struct iovec){ .iov_base = piece, .iov_len = 3 };
	if (fd < 0 || writev(fd, iov, 64) != 64 * 3)
		return bad("writev:");
	if (pread(fd, in, sizeof(in), 0) != 64 * 3 || memcmp(in + 189, "abc", 3) != 0)
		return bad("other bytes came back");
	close(fd);
	return NULL;
}

static const char *test_write_past_the_end_leaves_zeros(void)
{
	char buf[8];
	struct stat st;
	int fd = make_file("f", 10);
	char *map;

	if (fd < 0 || (map = map_file(fd, PAGE, MAP_SHARED)) == NULL)
		return bad("set up:");
	memset(map + 10, 'Z', 100); /* beyond the end: must never become content */
	if (pwrite(fd, "end", 3, 3 * PAGE) != 3)
		return bad("pwrite:");
	if (pread(fd, buf, 8, 9) != 8 || memcmp(buf, "a\0\0\0\0\0\0\0", 8) != 0)
		return bad("the hole holds bytes that a mapping left beyond the end");
	if (fstat(fd, &st) < 0 || st.st_size != 3 * PAGE + 3)
		return bad("size %lld", (long long)st.st_size);
	munmap(map, PAGE);
	close(fd);
	return NULL;
}

static const char *test_write_from_a_mapping_of_the_same_file(void)
{
	int fd = make_file("f", 4 * PAGE);
	char *map, byte = 0;

	if (fd < 0 || (map = map_file(fd, 4 * PAGE, MAP_SHARED)) == NULL)
		return bad("set up:");
	if (madvise(map, 4 * PAGE, MADV_DONTNEED) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		return bad("drop pages:");
	if (pwrite(fd, map + 2 * PAGE, PAGE, 0) != PAGE)
		return bad("pwrite:");
	if (map[0] != 'c' || pread(fd, &byte, 1, PAGE - 1) != 1 || byte != 'c')
		return bad("got %c and %c, not c", map[0], byte);
	munmap(map, 4 * PAGE);
	close(fd);
	return NULL;
}

static const char *test_bad_buffer_is_efault(void)
{
	char *buf = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = make_file("f", 10);
	ssize_t n;

	if (fd < 0 || buf == MAP_FAILED || mprotect(buf + PAGE, PAGE, PROT_NONE) < 0)
		return bad("set up:");
	if (pwrite(fd, buf + PAGE, PAGE, 0) != -1 || errno != EFAULT)
		return bad("write:");
	n = pwrite(fd, buf, 2 * PAGE, 0);
	if (n != PAGE && !(n == -1 && errno == EFAULT))
		return bad("a half good buffer: %zd", n);
	munmap(buf, 2 * PAGE);
	close(fd);
	return NULL;
}

static const char *test_o_direct_reads_and_writes_through(void)
{
	int fd = make_file("f", 64 * PAGE), direct = open("f", RW | O_DIRECT);
	char *buf = NULL;
	char byte = 0;

	if (fd < 0 || direct < 0 || posix_memalign((void **)&buf, PAGE, 64 * PAGE) != 0)
		return bad("set up:");
	if (pread(fd, &byte, 1, PAGE) != 1 || pread(direct, buf, 64 * PAGE, 0) != 64 * PAGE)
		return bad("read:");
	if (buf[5 * PAGE] != 'f')
		return bad("page 5 reads as %c", buf[5 * PAGE]);
	memset(buf, 'Q', PAGE);
	if (pwrite(direct, buf, PAGE, PAGE) != PAGE || pread(fd, &byte, 1, PAGE) != 1 || byte != 'Q')
		return bad("the cache still has %c:", byte);
	close(fd);
	close(direct);
	free(buf);
	return NULL;
}

static const char *test_sendfile_and_copy_file_range(void)
{
	int in = make_file("in", 5 * PAGE + 9), out = open("out", FRESH, 0644);
	off_t from = 0;
	char byte = 0;

	if (in < 0 || out < 0)
		return bad("set up:");
	if (sendfile(out, in, &from, 5 * PAGE + 9) != 5 * PAGE + 9)
		return bad("sendfile:");
	from = PAGE;
	if (copy_file_range(in, &from, out, &(off_t){ 0 }, PAGE, 0) != PAGE)
		return bad("copy_file_range:");
	if (pread(out, &byte, 1, 7) != 1 || byte != 'b')
		return bad("the copy reads %c", byte);
	close(in);
	close(out);
	return NULL;
}

/* ---- mappings ---- */

static const char *test_mapping_and_write_agree(void)
{
	int fd = make_file("f", 2 * PAGE);
	char *map, buf[4] = "";

	if (fd < 0 || (map = map_file(fd, 2 * PAGE, MAP_SHARED)) == NULL)
		return bad("mmap:");
	map[3] = '!';
	if (pread(fd, buf, 4, 0) != 4 || buf[3] != '!')
		return bad("read() does not see the store");
	if (pwrite(fd, "WW", 2, PAGE - 1) != 2 || map[PAGE - 1] != 'W' || map[PAGE] != 'W' || map[3] != '!')
		return bad("the mapping does not see the write()");
	munmap(map, 2 * PAGE);
	close(fd);
	return NULL;
}

static const char *test_two_processes_share_a_mapping(void)
{
	int fd = make_file("f", PAGE);
	char *map = map_file(fd, PAGE, MAP_SHARED);
	pid_t pid;

	if (map == NULL || (pid = fork()) < 0)
		return bad("set up:");
	if (pid == 0) {
		int own = open("f", RW);
		char *mine = map_file(own, PAGE, MAP_SHARED);

		if (mine == NULL)
			_exit(1);
		mine[100] = 'C';
		for (int i = 0; i < 3000 && *(volatile char *)&mine[200] != 'P'; i++)
			usleep(1000);
		_exit(mine[200] == 'P' ? 0 : 2);
	}
	for (int i = 0; i < 3000 && *(volatile char *)&map[100] != 'C'; i++)
		usleep(1000);
	if (map[100] != 'C')
		return bad("the child's store is not here");
	map[200] = 'P';
	if (child_status(pid) != 0)
		return bad("the child does not see the parent's store");
	munmap(map, PAGE);
	close(fd);
	return NULL;
}

static const char *test_hard_links_are_one_file_when_mapped(void)
{
	int a = make_file("a", PAGE), b;
	char *ma, *mb;

	(void)unlink("b");
	if (a < 0 || link("a", "b") < 0 || (b = open("b", RW)) < 0)
		return bad("set up:");
	ma = map_file(a, PAGE, MAP_SHARED);
	mb = map_file(b, PAGE, MAP_SHARED);
	if (ma == NULL || mb == NULL)
		return bad("mmap:");
	ma[5] = '5';
	if (mb[5] != '5')
		return bad("the second name has its own pages");
	if (pwrite(b, "7", 1, 7) != 1 || ma[7] != '7')
		return bad("a write by the second name is not in the first's mapping");
	munmap(ma, PAGE);
	munmap(mb, PAGE);
	close(a);
	close(b);
	return NULL;
}

static const char *test_private_mapping_changes_nothing(void)
{
	int fd = make_file("f", PAGE);
	char *map, byte = 0;

	if (fd < 0 || (map = map_file(fd, PAGE, MAP_PRIVATE)) == NULL)
		return bad("mmap:");
	map[0] = '!';
	munmap(map, PAGE);
	if (pread(fd, &byte, 1, 0) != 1 || byte != 'a')
		return bad("the file has %c", byte);
	close(fd);
	return NULL;
}

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus_jump, 1);
}

static const char *test_mapping_beyond_a_truncation_is_sigbus(void)
{
	struct sigaction act = { .sa_handler = on_bus }, old;
	int fd = make_file("f", 2 * PAGE);
	volatile char *map = map_file(fd, 2 * PAGE, MAP_SHARED);
	const char *why = NULL;

	if (map == NULL || sigaction(SIGBUS, &act, &old) < 0)
		return bad("set up:");
	if (map[PAGE] != 'b' || ftruncate(fd, 100) < 0)
		return bad("ftruncate:");
	if (map[50] != 'a' || map[200] != 0)
		why = bad("the last page is not cut at the end");
	else if (sigsetjmp(bus_jump, 1) == 0 && map[PAGE] == 'b')
		why = bad("the page beyond the end is still there");
	sigaction(SIGBUS, &old, NULL);
	munmap((void *)(uintptr_t)map, 2 * PAGE);
	close(fd);
	return why;
}

/* A reader that touches the neighbours of what is being written must not leave an old page behind. */
static atomic_bool stop_reader;
static char *reader_map;

static void *read_all(void *arg)
{
	long sum = 0;

	(void)arg;
	while (!atomic_load(&stop_reader)) {
		for (int i = 0; i < 16; i++)
			sum += *(volatile char *)&reader_map[i * PAGE];
		(void)madvise(reader_map, 16 * PAGE, MADV_DONTNEED);
	}
	return (void *)(uintptr_t)sum;
}

static const char *test_no_stale_page_after_write_beside_a_reader(void)
{
	int fd = make_file("f", 16 * PAGE);
	const char *why = NULL;
	pthread_t thread;
	char page[PAGE];

	reader_map = map_file(fd, 16 * PAGE, MAP_SHARED);
	atomic_store(&stop_reader, false);
	if (reader_map == NULL || pthread_create(&thread, NULL, read_all, NULL) != 0)
		return bad("set up:");
	for (int i = 0; i < 400 && why == NULL; i++) {
		int at = i * 5 % 16;

		memset(page, i, sizeof(page));
		if (i % 4 != 0) /* so that it is read in anew while it is written */
			(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		if (pwrite(fd, page, PAGE, at * PAGE) != PAGE)
			why = bad("pwrite:");
		else if (reader_map[at * PAGE] != (char)i || reader_map[at * PAGE + PAGE - 1] != (char)i)
			why = bad("round %d: page %d is old in the mapping", i, at);
	}
	atomic_store(&stop_reader, true);
	pthread_join(thread, NULL);
	munmap(reader_map, 16 * PAGE);
	close(fd);
	return why;
}

/* One process stores into a page while another writes into the same page: both kinds of bytes must be there at the end.
 */
static const char *test_stores_and_writes_into_one_page_are_all_kept(void)
{
	int fd = make_file("f", PAGE);
	char *map = map_file(fd, PAGE, MAP_SHARED), page[PAGE];
	pid_t pid;

	if (map == NULL || (pid = fork()) < 0)
		return bad("set up:");
	if (pid == 0) {
		for (int i = 0; i < PAGE; i += 2) {
			map[i] = 'M';
			if (i % 64 == 0)
				(void)msync(map, PAGE, MS_SYNC);
		}
		_exit(0);
	}
	for (int i = 1; i < PAGE; i += 2)
		if (pwrite(fd, "W", 1, i) != 1)
			return bad("pwrite:");
	if (child_status(pid) != 0)
		return bad("child");
	munmap(map, PAGE);
	close(fd);
	fd = open("f", RW);
	if (fd < 0 || pread(fd, page, PAGE, 0) != PAGE)
		return bad("read back:");
	for (int i = 0; i < PAGE; i++)
		if (page[i] != (i % 2 ? 'W' : 'M'))
			return bad("byte %d is %c", i, page[i]);
	close(fd);
	return NULL;
}

/* ---- the end of a file ---- */

static const char *append_lines(int flags, const char *tag)
{
	char line[32];
	int fd = open("log", flags | O_APPEND | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < 200; i++) {
		int len = snprintf(line, sizeof(line), "%s %03d end\n", tag, i);

		if (write(fd, line, (size_t)len) != len)
			return bad("append:");
	}
	if (fd < 0)
		return bad("open:");
	close(fd);
	return NULL;
}

static const char *test_two_appenders_lose_nothing(void)
{
	static const char *const tag[] = { "one", "two", "tri" };
	char *text = calloc(1, 65536);
	pid_t pid[3];
	int fd = open("log", FRESH, 0644), lines = 0;
	const char *why = NULL;

	if (fd < 0 || text == NULL)
		return bad("set up:");
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0) /* the third appends on a descriptor open for reading too */
			_exit(append_lines(i == 2 ? O_RDWR : O_WRONLY, tag[i]) == NULL ? 0 : 1);
	}
	for (int i = 0; i < 3; i++)
		if (child_status(pid[i]) != 0)
			why = bad("writer %d failed", i);
	if (why == NULL && pread(fd, text, 65535, 0) != 3 * 200 * 12)
		why = bad("%lld bytes, not %d", (long long)lseek(fd, 0, SEEK_END), 3 * 200 * 12);
	for (const char *p = text; why == NULL && *p != '\0'; p += 12, lines++)
		if (memcmp(p + 7, " end\n", 5) != 0)
			why = bad("line %d is torn: %.12s", lines, p);
	close(fd);
	free(text);
	return why;
}

static const char *test_append_and_map_one_descriptor(void)
{
	int fd = open("f", FRESH, 0644);
	char *map, buf[16] = "";

	if (fd < 0 || write(fd, "0123456789", 10) != 10)
		return bad("set up:");
	close(fd);
	fd = open("f", RW | O_APPEND);
	if (fd < 0 || (map = map_file(fd, PAGE, MAP_SHARED)) == NULL)
		return bad("mmap of a file open to append:");
	map[0] = 'M';
	if (pwrite(fd, "AB", 2, 0) != 2) /* Linux appends it, wherever it says */
		return bad("pwrite:");
	if (msync(map, PAGE, MS_SYNC) < 0)
		return bad("msync:");
	munmap(map, PAGE);
	close(fd);
	fd = open("f", RW);
	if (fd < 0 || pread(fd, buf, 16, 0) != 12 || memcmp(buf, "M123456789AB", 12) != 0)
		return bad("the file is %s", buf);
	close(fd);
	return NULL;
}

static const char *test_append_flag_can_be_changed(void)
{
	int fd = open("f", FRESH, 0644);
	char buf[16] = "";

	if (fd < 0 || write(fd, "0123456789", 10) != 10 || lseek(fd, 0, SEEK_SET) != 0)
		return bad("set up:");
	if (fcntl(fd, F_SETFL, O_APPEND) < 0 || write(fd, "x", 1) != 1)
		return bad("set O_APPEND:");
	close(fd);
	fd = open("f", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, "y", 1) != 1 || fcntl(fd, F_SETFL, 0) < 0 || pwrite(fd, "z", 1, 3) != 1)
		return bad("clear O_APPEND:");
	close(fd);
	fd = open("f", RW);
	if (fd < 0 || pread(fd, buf, 16, 0) != 12 || memcmp(buf, "012z456789xy", 12) != 0)
		return bad("the file is %s", buf);
	close(fd);
	return NULL;
}

static const char *test_ftruncate_shrinks_and_extends(void)
{
	int fd = make_file("f", 2 * PAGE);
	char buf[8] = "";
	struct stat st;

	if (fd < 0 || pread(fd, buf, 1, PAGE) != 1)
		return bad("set up:");
	if (ftruncate(fd, PAGE + 2) < 0 || ftruncate(fd, 3 * PAGE) < 0)
		return bad("ftruncate:");
	if (pread(fd, buf, 4, PAGE) != 4 || memcmp(buf, "bb\0\0", 4) != 0)
		return bad("what was cut off came back: %.4s", buf);
	if (fstat(fd, &st) < 0 || st.st_size != 3 * PAGE)
		return bad("size %lld", (long long)st.st_size);
	if (truncate("f", 1) < 0 || pread(fd, buf, 4, 0) != 1)
		return bad("truncate by name:");
	close(fd);
	fd = open("f", RW | O_TRUNC);
	if (fd < 0 || pread(fd, buf, 1, 0) != 0)
		return bad("O_TRUNC:");
	close(fd);
	return NULL;
}

static const char *test_fsync_and_o_sync(void)
{
	int fd = open("f", FRESH | O_SYNC, 0644);

	if (fd < 0 || write(fd, "x", 1) != 1)
		return bad("O_SYNC write:");
	if (fsync(fd) < 0 || fdatasync(fd) < 0 || syncfs(fd) < 0)
		return bad("fsync, fdatasync, syncfs:");
	close(fd);
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return bad("fsync of a directory:");
	close(fd);
	return NULL;
}

/* ---- files without a name ---- */

static const char *test_unlinked_file_stays_usable(void)
{
	int fd = make_file("f", 100);
	char buf[8] = "";
	struct stat st;

	if (fd < 0 || unlink("f") < 0)
		return bad("set up:");
	if (fstat(fd, &st) < 0)
		return bad("fstat:");
	if (st.st_nlink != 0 || st.st_size != 100)
		return bad("links %lu, size %lld", (unsigned long)st.st_nlink, (long long)st.st_size);
	if (pwrite(fd, "Z", 1, 0) != 1 || ftruncate(fd, 50) < 0 || fchmod(fd, 0600) < 0)
		return bad("write, ftruncate, fchmod:");
	if (pread(fd, buf, 2, 0) != 2 || memcmp(buf, "Za", 2) != 0)
		return bad("it reads %s", buf);
	close(fd);
	return NULL;
}

static const char *test_unlinked_file_is_known_to_another_user(void)
{
	int fd = make_file("f", 100);
	pid_t pid;

	if (fd < 0 || unlink("f") < 0 || (pid = fork()) < 0)
		return bad("set up:");
	if (pid == 0) {
		struct stat st;

		if (setgid(4711) < 0 || setuid(4711) < 0)
			_exit(3);
		_exit(fstat(fd, &st) == 0 && st.st_size == 100 ? 0 : 1);
	}
	if (child_status(pid) != 0)
		return bad("fstat after setuid fails");
	close(fd);
	return NULL;
}

static const char *test_replaced_file_keeps_its_readers(void)
{
	int old = make_file("f", 10), new = make_file("g", 20);
	struct stat st;
	char c = 0;

	if (old < 0 || new < 0 || rename("g", "f") < 0)
		return bad("set up:");
	if (pread(old, &c, 1, 0) != 1 || fstat(old, &st) < 0 || st.st_size != 10)
		return bad("the old file is not the old one:");
	if (stat("f", &st) < 0 || st.st_size != 20 || stat("g", &st) == 0)
		return bad("the names are wrong");
	close(old);
	close(new);
	return NULL;
}

/* ---- locks ---- */

static int lock_in_child(int cmd, short type, bool flocked)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET };
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("f", RW), r;

		r = flocked ? flock(fd, LOCK_EX | LOCK_NB) : fcntl(fd, cmd, &fl);
		_exit(r == 0 ? 0 : errno == EAGAIN || errno == EACCES ? 1 : 2);
	}
	return child_status(pid);
}

static const char *test_fcntl_locks_exclude_other_processes(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = make_file("f", 10), r;

	if (fd < 0 || fcntl(fd, F_SETLK, &fl) < 0)
		return bad("F_SETLK:");
	r = lock_in_child(F_SETLK, F_RDLCK, false);
	if (r != 1)
		return bad("another process's lock: %d, not refused", r);
	fl.l_type = F_UNLCK;
	if (fcntl(fd, F_SETLK, &fl) < 0 || lock_in_child(F_SETLK, F_WRLCK, false) != 0)
		return bad("after the unlock it is still refused");
	close(fd);
	return NULL;
}

static const char *test_ofd_locks_exclude_other_descriptors(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = make_file("f", 10), other = open("f", RW);

	if (fd < 0 || other < 0 || fcntl(fd, F_OFD_SETLK, &fl) < 0)
		return bad("F_OFD_SETLK:");
	if (fcntl(other, F_OFD_SETLK, &fl) == 0 || errno != EAGAIN)
		return bad("the second descriptor got it too:");
	close(fd);
	if (fcntl(other, F_OFD_SETLK, &fl) < 0)
		return bad("not free after close:");
	close(other);
	return NULL;
}

static const char *test_flock_excludes_other_descriptors(void)
{
	int fd = make_file("f", 10), other = open("f", RW);

	if (fd < 0 || other < 0 || flock(fd, LOCK_EX) < 0)
		return bad("flock:");
	if (flock(other, LOCK_EX | LOCK_NB) == 0 || errno != EAGAIN)
		return bad("the second descriptor got it too:");
	if (lock_in_child(0, 0, true) != 1)
		return bad("another process got it too");
	if (flock(fd, LOCK_UN) < 0 || flock(other, LOCK_EX | LOCK_NB) < 0)
		return bad("not free after unlock:");
	close(fd);
	close(other);
	return NULL;
}

static const char *test_flock_and_fcntl_by_one_process(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = make_file("f", 10);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return bad("flock:");
	if (fcntl(fd, F_SETLK, &fl) < 0)
		return bad("fcntl after flock:");
	close(fd);
	return NULL;
}

static const struct guest_test tests[] = {
	{ "write is read back", test_write_is_read_back },
	{ "big write keeps every byte", test_big_write_keeps_every_byte },
	{ "writev of small pieces is whole", test_writev_of_small_pieces_is_whole },
	{ "write past the end leaves zeros", test_write_past_the_end_leaves_zeros },
	{ "write from a mapping of the same file", test_write_from_a_mapping_of_the_same_file },
	{ "bad buffer is EFAULT", test_bad_buffer_is_efault },
	{ "O_DIRECT reads and writes through", test_o_direct_reads_and_writes_through },
	{ "sendfile and copy_file_range", test_sendfile_and_copy_file_range },
	{ "mapping and write agree", test_mapping_and_write_agree },
	{ "two processes share a mapping", test_two_processes_share_a_mapping },
	{ "hard links are one file when mapped", test_hard_links_are_one_file_when_mapped },
	{ "private mapping changes nothing", test_private_mapping_changes_nothing },
	{ "mapping beyond a truncation is SIGBUS", test_mapping_beyond_a_truncation_is_sigbus },
	{ "no stale page after write beside a reader", test_no_stale_page_after_write_beside_a_reader },
	{ "stores and writes into one page are all kept", test_stores_and_writes_into_one_page_are_all_kept },
	{ "two appenders lose nothing", test_two_appenders_lose_nothing },
	{ "append and map one descriptor", test_append_and_map_one_descriptor },
	{ "append flag can be changed", test_append_flag_can_be_changed },
	{ "ftruncate shrinks and extends", test_ftruncate_shrinks_and_extends },
	{ "fsync and O_SYNC", test_fsync_and_o_sync },
	{ "unlinked file stays usable", test_unlinked_file_stays_usable },
	{ "unlinked file is known to another user", test_unlinked_file_is_known_to_another_user },
	{ "replaced file keeps its readers", test_replaced_file_keeps_its_readers },
	{ "fcntl locks exclude other processes", test_fcntl_locks_exclude_other_processes },
	{ "OFD locks exclude other descriptors", test_ofd_locks_exclude_other_descriptors },
	{ "flock excludes other descriptors", test_flock_excludes_other_descriptors },
	{ "flock and fcntl by one process", test_flock_and_fcntl_by_one_process },
};

int main(int argc, char **argv)
{
	if (argc < 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: fs_semantics DIRECTORY [PART-OF-A-NAME]\n");
		return 2;
	}
	(void)mkdir("semantics", 0755);
	if (chdir("semantics") < 0) {
		perror("semantics");
		return 2;
	}
	return run_guest_tests(tests, sizeof(tests) / sizeof(tests[0]), argv[2]) == 0 ? 0 : 1;
}

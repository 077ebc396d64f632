// SPDX-License-Identifier: Apache-2.0
/*
 * The shared file system seen from both sides: what a guest writes is on the host, what the host changes is in the
 * guest (docs/filesystem.md names these tests).
 *
 *   fs_peer --host [--coarse] DIRECTORY    on the host: does what it is asked until told to stop, or for 60 s of
 * silence fs_peer DIRECTORY [PART-OF-A-NAME]     in the guest
 *
 * They talk through files in DIRECTORY/talk: the guest makes ask.N, one line, the host answers with say.N, `ok ...` or
 * `errno N`. --coarse moves a changed file's mtime on by whole seconds, for 9p servers whose versions count seconds.
 * Trust: both sides are the test's. Threads: one.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/guest/report.h"

#define PAGE         4096
#define LINE_MAX_LEN 512

/* ---- the talk ---- */

static int put_line(const char *name, unsigned int n, const char *line)
{
	char tmp[64], final[64];
	size_t len = strlen(line);
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "talk/new.%s.%u", name, n);
	(void)snprintf(final, sizeof(final), "talk/%s.%u", name, n);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, len) != (ssize_t)len || close(fd) < 0)
		return -errno;
	return rename(tmp, final) < 0 ? -errno : 0;
}

/* Waits up to `ms` for a line of the other side; -ETIMEDOUT if there is none. */
static int get_line(const char *name, unsigned int n, char *line, int ms)
{
	char final[64];
	ssize_t len;
	int fd;

	(void)snprintf(final, sizeof(final), "talk/%s.%u", name, n);
	for (;; ms -= 5) {
		fd = open(final, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			break;
		if (errno != ENOENT)
			return -errno;
		if (ms <= 0)
			return -ETIMEDOUT;
		usleep(5000);
	}
	len = read(fd, line, LINE_MAX_LEN - 1);
	close(fd);
	line[len < 0 ? 0 : len] = '\0';
	return len < 0 ? -errno : 0;
}

static uint64_t sum_of(const char *data, size_t len)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)data[i]) * 1099511628211u;
	return h;
}

static const char *append_lines(const char *name, int count, const char *tag)
{
	char line[64];
	int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return bad("open to append:");
	for (int i = 0; i < count; i++) {
		int len = snprintf(line, sizeof(line), "%s %04d end\n", tag, i);

		if (write(fd, line, (size_t)len) != len)
			return bad("append:");
		if (i % 16 == 0)
			usleep(1000);
	}
	close(fd);
	return NULL;
}

/* ---- the host's side ---- */

struct order {
	char verb[16], a[64], b[64], c[256];
	long n;
	int words;
};

static bool coarse;

static void moved_on(const char *name)
{
	static long seconds;
	struct timespec ts[2] = { { 0, UTIME_OMIT }, { 0, 0 } };

	if (!coarse)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &ts[1]);
	ts[1].tv_sec += ++seconds;
	(void)utimensat(AT_FDCWD, name, ts, 0);
}

static int host_read(const struct order *o, char *reply)
{
	size_t want = strtoul(o->c, NULL, 10);
	char *data = calloc(1, want + 1);
	int fd = open(o->a, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (data == NULL || fd < 0) {
		free(data);
		return -errno;
	}
	len = pread(fd, data, want, strtol(o->b, NULL, 10));
	close(fd);
	if (len >= 0)
		(void)snprintf(reply, LINE_MAX_LEN, "ok %zd %016" PRIx64 " %.40s", len, sum_of(data, (size_t)len),
			       data);
	free(data);
	return len < 0 ? -errno : 0;
}

static int host_write(const struct order *o)
{
	size_t len = strlen(o->c);
	int fd = open(o->a, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = o->b[0] == '+' ? (lseek(fd, 0, SEEK_END), write(fd, o->c, len))
			   : pwrite(fd, o->c, len, strtol(o->b, NULL, 10));
	close(fd);
	moved_on(o->a);
	return n == (ssize_t)len ? 0 : -EIO;
}

static int host_stat(const char *name, char *reply)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		return -errno;
	(void)snprintf(reply, LINE_MAX_LEN, "ok %o %u:%u %lld links %lu", st.st_mode, st.st_uid, st.st_gid,
		       (long long)st.st_size, (unsigned long)st.st_nlink);
	return 0;
}

static int host_text(ssize_t len, char *text, char *reply)
{
	if (len < 0)
		return -errno;
	text[len] = '\0';
	(void)snprintf(reply, LINE_MAX_LEN, "ok %s", text);
	return 0;
}

static int host_do(const struct order *o, char *reply)
{
	char text[256];

	(void)snprintf(reply, LINE_MAX_LEN, "ok");
	if (strcmp(o->verb, "read") == 0)
		return host_read(o, reply);
	if (strcmp(o->verb, "write") == 0)
		return host_write(o);
	if (strcmp(o->verb, "stat") == 0)
		return host_stat(o->a, reply);
	if (strcmp(o->verb, "truncate") == 0) {
		int r = truncate(o->a, strtol(o->b, NULL, 10)) < 0 ? -errno : 0;

		moved_on(o->a);
		return r;
	}
	if (strcmp(o->verb, "rename") == 0)
		return rename(o->a, o->b) < 0 ? -errno : 0;
	if (strcmp(o->verb, "unlink") == 0)
		return unlink(o->a) < 0 ? -errno : 0;
	if (strcmp(o->verb, "mkdir") == 0)
		return mkdir(o->a, 0755) < 0 ? -errno : 0;
	if (strcmp(o->verb, "chmod") == 0)
		return chmod(o->a, (mode_t)strtol(o->b, NULL, 8)) < 0 ? -errno : 0;
	if (strcmp(o->verb, "readlink") == 0)
		return host_text(readlink(o->a, text, sizeof(text) - 1), text, reply);
	if (strcmp(o->verb, "getxattr") == 0)
		return host_text(getxattr(o->a, o->b, text, sizeof(text) - 1), text, reply);
	if (strcmp(o->verb, "setxattr") == 0)
		return setxattr(o->a, o->b, o->c, strlen(o->c), 0) < 0 ? -errno : 0;
	if (strcmp(o->verb, "append") == 0) { /* in the background */
		if (fork() == 0)
			_exit(append_lines(o->a, atoi(o->b), o->c) !=
			      NULL); // NOLINT(cert-err34-c): the test's own number
		return 0;
	}
	if (strcmp(o->verb, "wait") == 0)
		return wait(NULL) < 0 ? -errno : 0;
	return -ENOSYS;
}

static int host_side(void)
{
	char line[LINE_MAX_LEN], reply[LINE_MAX_LEN];
	int r;

	if (mkdir("talk", 0777) < 0 && errno != EEXIST) {
		perror("talk");
		return 2;
	}
	for (unsigned int n = 0;; n++) {
		struct order o = { .verb = "" };

		r = get_line("ask", n, line, 60000);
		if (r < 0) {
			fprintf(stderr, "fs_peer: nothing asked: %s\n", strerror(-r));
			return 1;
		}
		(void)sscanf(line, "%15s %63s %63s %255s", o.verb, o.a, o.b, o.c);
		if (strcmp(o.verb, "stop") == 0)
			return 0;
		r = host_do(&o, reply);
		if (r < 0)
			(void)snprintf(reply, sizeof(reply), "errno %d", -r);
		if (put_line("say", n, reply) < 0)
			return 1;
	}
}

/* ---- the guest's side ---- */

static unsigned int asked;
static char answer[LINE_MAX_LEN];

/* Has the host do something; true if it could. Its words are in `answer`. */
__attribute__((format(printf, 1, 2))) static bool host(const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (put_line("ask", asked, line) < 0 || get_line("say", asked, answer, 20000) < 0)
		(void)snprintf(answer, sizeof(answer), "no answer from the host's side");
	asked++;
	return strncmp(answer, "ok", 2) == 0;
}

/* Does the host read these bytes there? */
static bool host_has(const char *name, long off, const char *data, size_t len)
{
	char want[64];

	if (!host("read %s %ld %zu", name, off, len))
		return false;
	(void)snprintf(want, sizeof(want), "ok %zu %016" PRIx64, len, sum_of(data, len));
	return strncmp(answer, want, strlen(want)) == 0;
}

static int make_file(const char *name, const char *text)
{
	int fd;

	(void)unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool reads(int fd, off_t off, const char *text)
{
	char buf[64];
	size_t len = strlen(text);

	return pread(fd, buf, len, off) == (ssize_t)len && memcmp(buf, text, len) == 0;
}

static const char *test_write_is_on_the_host_when_it_returns(void)
{
	int fd = make_file("f", "first");

	if (fd < 0 || !host_has("f", 0, "first", 5))
		return bad("the host has: %s", answer);
	if (pwrite(fd, "IR", 2, 1) != 2 || !host_has("f", 0, "fIRst", 5))
		return bad("after pwrite the host has: %s", answer);
	if (!reads(fd, 0, "fIRst") || pwrite(fd, "!", 1, 4) != 1 || !host_has("f", 0, "fIRs!", 5))
		return bad("after a write to a cached page the host has: %s", answer);
	close(fd);
	return NULL;
}

static const char *test_big_write_is_on_the_host_when_it_returns(void)
{
	size_t size = 2 * 1024 * 1024 + 123;
	char *data = malloc(size);
	int fd = make_file("f", "");
	const char *why = NULL;

	if (data == NULL || fd < 0)
		return bad("set up:");
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 + i / 5000 + 1);
	if (pwrite(fd, data, size, 0) != (ssize_t)size)
		why = bad("pwrite:");
	else if (!host_has("f", 0, data, size))
		why = bad("the host has: %s", answer);
	close(fd);
	free(data);
	return why;
}

static const char *test_store_is_on_the_host_after_msync(void)
{
	int fd = make_file("f", "0123456789");
	char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return bad("mmap:");
	map[0] = 'm';
	if (msync(map, PAGE, MS_SYNC) < 0 || !host_has("f", 0, "m123456789", 10))
		return bad("after msync the host has: %s", answer);
	map[1] = 'f';
	if (fsync(fd) < 0 || !host_has("f", 0, "mf23456789", 10))
		return bad("after fsync the host has: %s", answer);
	map[2] = 'u';
	if (munmap(map, PAGE) < 0 || !host_has("f", 0, "mfu3456789", 10))
		return bad("after munmap the host has: %s", answer);
	close(fd);
	return NULL;
}

static const char *test_truncation_is_on_the_host(void)
{
	int fd = make_file("f", "0123456789");

	if (fd < 0 || ftruncate(fd, 4) < 0 || !host("stat f") || strstr(answer, " 4 links") == NULL)
		return bad("the host has: %s", answer);
	if (ftruncate(fd, 10) < 0 || !host_has("f", 0, "0123\0\0\0\0\0\0", 10))
		return bad("the host has: %s", answer);
	close(fd);
	return NULL;
}

static const char *test_reopen_sees_the_hosts_change(void)
{
	int held = make_file("f", "old old old"), fd;

	if (held < 0 || !reads(held, 0, "old"))
		return bad("set up:");
	if (!host("write f 4 NEW"))
		return bad("%s", answer);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !reads(fd, 0, "old NEW old"))
		return bad("opened while another has it open, it is old");
	close(fd);
	close(held);
	return NULL;
}

static const char *test_reopen_sees_the_hosts_replacement(void)
{
	int held = make_file("f", "old"), fd;

	if (held < 0 || !host("write g 0 replaced") || !host("rename g f"))
		return bad("%s", answer);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !reads(fd, 0, "replaced"))
		return bad("opened while another has the old one open, it is the old one");
	if (!reads(held, 0, "old"))
		return bad("who has the old one open lost it");
	close(fd);
	close(held);
	return NULL;
}

static const char *test_stat_sees_the_hosts_change_at_once(void)
{
	int fd = make_file("f", "0123456789");
	struct stat st;

	if (fd < 0 || !host("write f + more") || fstat(fd, &st) < 0 || st.st_size != 14)
		return bad("size %lld: %s", (long long)st.st_size, answer);
	if (!host("chmod f 0604") || stat("f", &st) < 0 || (st.st_mode & 07777) != 0604)
		return bad("mode %o: %s", st.st_mode, answer);
	if (!host("truncate f 3") || stat("f", &st) < 0 || st.st_size != 3)
		return bad("size %lld: %s", (long long)st.st_size, answer);
	if (!host("unlink f") || stat("f", &st) == 0 || errno != ENOENT)
		return bad("a file the host removed:");
	if (fstat(fd, &st) < 0)
		return bad("fstat of it:");
	close(fd);
	return NULL;
}

static const char *test_after_stat_the_open_file_reads_the_hosts_bytes(void)
{
	int fd = make_file("f", "0123456789");
	struct stat st;

	if (fd < 0 || !reads(fd, 0, "0123456789") || !host("write f 3 xyz") || fstat(fd, &st) < 0)
		return bad("%s", answer);
	if (!reads(fd, 0, "012xyz6789"))
		return bad("the old bytes are still read");
	close(fd);
	return NULL;
}

static const char *test_read_at_the_end_sees_what_the_host_appended(void)
{
	int fd = make_file("f", "start.");

	if (fd < 0 || !reads(fd, 0, "start.") || !host("write f + grown."))
		return bad("%s", answer);
	if (!reads(fd, 6, "grown.")) /* no stat in between */
		return bad("read at the old end does not get it");
	if (!host("write f + again.") || lseek(fd, 0, SEEK_END) != 18)
		return bad("SEEK_END is %lld", (long long)lseek(fd, 0, SEEK_CUR));
	close(fd);
	return NULL;
}

static const char *test_empty_file_that_the_host_fills(void)
{
	int fd = make_file("f", "");
	char byte;

	if (fd < 0 || pread(fd, &byte, 1, 0) != 0 || !host("write f 0 content"))
		return bad("%s", answer);
	if (!reads(fd, 0, "content"))
		return bad("it reads as empty or as zeros");
	close(fd);
	return NULL;
}

static const char *test_truncated_file_that_the_host_fills(void)
{
	int fd = make_file("f", "0123456789");

	if (fd < 0 || !reads(fd, 0, "0123456789") || ftruncate(fd, 2) < 0 || !host("write f + filled"))
		return bad("%s", answer);
	if (!reads(fd, 0, "01") || !reads(fd, 2, "filled"))
		return bad("it reads as zeros or ends");
	close(fd);
	return NULL;
}

static const char *test_lock_shows_what_was_written_before(void)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int fd = make_file("f", "0123456789");

	if (fd < 0 || !reads(fd, 0, "0123456789") || !host("write f 0 LOCKED"))
		return bad("%s", answer);
	if (fcntl(fd, F_SETLK, &fl) < 0 || !reads(fd, 0, "LOCKED6789"))
		return bad("with the lock held the old bytes are read:");
	close(fd);
	return NULL;
}

/* Reads to the end: a single read may stop at the size that was known before. */
static ssize_t read_whole(int fd, char *buf, size_t max)
{
	size_t at = 0;
	ssize_t n;

	while (at < max && (n = pread(fd, buf + at, max - at, (off_t)at)) != 0) {
		if (n < 0)
			return n;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

/* Both sides append at once: a line of each is never lost, torn or overwritten. */
static const char *test_guest_and_host_append_to_one_file(void)
{
	int fd = make_file("log", ""), lines = 0;
	char *text = calloc(1, 65536);
	const char *why = NULL;

	if (fd < 0 || text == NULL || !host("append log 400 host"))
		return bad("%s", answer);
	why = append_lines("log", 400, "mine");
	if (why == NULL && !host("wait"))
		why = bad("%s", answer);
	if (why == NULL && read_whole(fd, text, 65535) != 800 * 14)
		why = bad("%lld bytes, not %d", (long long)lseek(fd, 0, SEEK_END), 800 * 14);
	for (const char *p = text; why == NULL && *p != '\0'; p += 14, lines++)
		if (memcmp(p + 9, " end\n", 5) != 0)
			why = bad("line %d is %.14s", lines, p);
	if (why == NULL && !host_has("log", 0, text, 800 * 14))
		why = bad("the host reads otherwise: %s", answer);
	close(fd);
	free(text);
	return why;
}

static const char *test_names_and_attributes_are_on_the_host(void)
{
	(void)unlink("l");
	if (make_file("f", "x") < 0 || symlink("/etc/passwd", "l") < 0 || chown("f", 1234, 2345) < 0 ||
	    chmod("f", 0705) < 0)
		return bad("set up:");
	if (!host("stat f") || strncmp(answer, "ok 100705 1234:2345 1 links 1", 29) != 0)
		return bad("stat on the host: %s", answer);
	if (!host("readlink l") || strcmp(answer, "ok /etc/passwd") != 0)
		return bad("readlink on the host: %s", answer);
	if (setxattr("f", "user.guest", "from-guest", 10, 0) < 0 || !host("getxattr f user.guest") ||
	    strcmp(answer, "ok from-guest") != 0)
		return bad("xattr on the host: %s", answer);
	if (!host("setxattr f user.host from-host") || getxattr("f", "user.host", answer, 100) != 9)
		return bad("the host's xattr: %s", answer);
	if (rename("f", "f2") < 0 || host("stat f") || !host("stat f2") || unlink("f2") < 0 || host("stat f2"))
		return bad("rename, unlink on the host: %s", answer);
	return NULL;
}

static const char *test_replaced_directory_is_seen_within_a_second(void)
{
	int held;

	if (mkdir("d", 0755) < 0 || (held = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bad("set up:");
	if (!host("rename d was") || !host("mkdir d") || !host("write d/new 0 x"))
		return bad("%s", answer);
	usleep(1300000);
	if (access("d/new", F_OK) < 0)
		return bad("the new directory:");
	close(held);
	return NULL;
}

static const char *test_new_names_of_the_host_are_seen_at_once(void)
{
	if (access("fresh", F_OK) == 0 || !host("write fresh 0 x") || access("fresh", F_OK) < 0)
		return bad("a name that was not there before:");
	return unlink("fresh") < 0 ? bad("unlink:") : NULL;
}

static const struct guest_test tests[] = {
	{ "write is on the host when it returns", test_write_is_on_the_host_when_it_returns },
	{ "big write is on the host when it returns", test_big_write_is_on_the_host_when_it_returns },
	{ "store is on the host after msync, fsync or munmap", test_store_is_on_the_host_after_msync },
	{ "truncation is on the host", test_truncation_is_on_the_host },
	{ "re-open sees the host's change", test_reopen_sees_the_hosts_change },
	{ "re-open sees the host's replacement", test_reopen_sees_the_hosts_replacement },
	{ "stat sees the host's change at once", test_stat_sees_the_hosts_change_at_once },
	{ "after stat the open file reads the host's bytes", test_after_stat_the_open_file_reads_the_hosts_bytes },
	{ "read at the end sees what the host appended", test_read_at_the_end_sees_what_the_host_appended },
	{ "empty file that the host fills", test_empty_file_that_the_host_fills },
	{ "truncated file that the host fills", test_truncated_file_that_the_host_fills },
	{ "lock shows what was written before", test_lock_shows_what_was_written_before },
	{ "guest and host append to one file", test_guest_and_host_append_to_one_file },
	{ "names and attributes are on the host", test_names_and_attributes_are_on_the_host },
	{ "replaced directory is seen within a second", test_replaced_directory_is_seen_within_a_second },
	{ "new names of the host are seen at once", test_new_names_of_the_host_are_seen_at_once },
};

int main(int argc, char **argv)
{
	bool on_host = argc > 1 && strcmp(argv[1], "--host") == 0;
	int at = on_host ? 2 : 1, failed;

	if (on_host && argc > at && strcmp(argv[at], "--coarse") == 0) {
		coarse = true;
		at++;
	}
	if (argc <= at || chdir(argv[at]) < 0) {
		fprintf(stderr, "usage: fs_peer [--host [--coarse]] DIRECTORY [PART-OF-A-NAME]\n");
		return 2;
	}
	if (on_host)
		return host_side();
	failed = run_guest_tests(tests, sizeof(tests) / sizeof(tests[0]), argv[at + 1]);
	(void)put_line("ask", asked, "stop");
	return failed == 0 ? 0 : 1;
}

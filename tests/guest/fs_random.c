// SPDX-License-Identifier: Apache-2.0
/*
 * A file against a model of it in memory: thousands of random reads, writes, appends, truncations, stores through a
 * shared mapping, syncs and re-opens by two descriptors and two names; every byte read must be the model's.
 *
 *   fs_random DIRECTORY [SEED [OPERATIONS]]
 *
 * A failure names seed and operation, which repeat it. Trust: none needed. Threads: one.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/guest/report.h"

#define MAX_SIZE (192 * 1024)
#define PAGE     4096

static unsigned char model[MAX_SIZE], scratch[MAX_SIZE];
static size_t size; /* of the file */
static int fds[2] = { -1, -1 };
static unsigned char *map;
static uint64_t state;

static uint32_t roll(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % below;
}

static const char *check_bytes(const unsigned char *got, size_t off, size_t len, const char *how)
{
	for (size_t i = 0; i < len; i++)
		if (got[i] != model[off + i])
			return bad("%s: byte %zu is %#x, not %#x (size %zu)", how, off + i, got[i], model[off + i],
				   size);
	return NULL;
}

static const char *do_read(int fd)
{
	size_t off = roll(MAX_SIZE), len = 1 + roll(roll(4) ? 9000 : 60000);
	size_t want = off >= size ? 0 : size - off < len ? size - off : len;
	ssize_t n = pread(fd, scratch, len < MAX_SIZE ? len : MAX_SIZE, (off_t)off);

	if (n != (ssize_t)want)
		return bad("read of %zu at %zu gives %zd, not %zu (size %zu):", len, off, n, want, size);
	return check_bytes(scratch, off, want, "read");
}

static void remember(size_t off, const unsigned char *data, size_t len)
{
	memcpy(model + off, data, len);
	if (off + len > size)
		size = off + len;
}

static const char *do_write(int fd)
{
	size_t off = roll(MAX_SIZE), len = 1 + roll(roll(4) ? 9000 : 60000);
	struct iovec iov[3];
	size_t cut;

	if (len > MAX_SIZE - off)
		len = MAX_SIZE - off;
	for (size_t i = 0; i < len; i++)
		scratch[i] = (unsigned char)roll(255);
	cut = len / 3;
	iov[0] = (struct iovec){ scratch, cut };
	iov[1] = (struct iovec){ scratch + cut, cut };
	iov[2] = (struct iovec){ scratch + 2 * cut, len - 2 * cut };
	if (pwritev(fd, iov, 3, (off_t)off) != (ssize_t)len)
		return bad("write of %zu at %zu:", len, off);
	remember(off, scratch, len);
	return NULL;
}

static const char *do_append(void)
{
	size_t len = 1 + roll(5000);
	int fd;

	if (len > MAX_SIZE - size)
		return NULL;
	fd = open("random", O_WRONLY | O_APPEND | O_CLOEXEC);
	for (size_t i = 0; i < len; i++)
		scratch[i] = (unsigned char)roll(255);
	if (fd < 0 || write(fd, scratch, len) != (ssize_t)len)
		return bad("append of %zu:", len);
	close(fd);
	remember(size, scratch, len);
	return NULL;
}

static const char *do_truncate(int fd)
{
	size_t to = roll(3) ? roll(MAX_SIZE) : size / 2;

	if (ftruncate(fd, (off_t)to) < 0)
		return bad("ftruncate to %zu:", to);
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
	return NULL;
}

static const char *do_store(void)
{
	size_t off, len = 1 + roll(6000);

	if (size == 0)
		return NULL;
	off = roll((uint32_t)size);
	if (len > size - off)
		len = size - off;
	for (size_t i = 0; i < len; i++)
		map[off + i] = model[off + i] = (unsigned char)roll(255);
	return NULL;
}

/* A store beyond the end, in the last page, must never show. */
static void do_store_beyond(void)
{
	if (size % PAGE != 0)
		map[size + roll((uint32_t)(PAGE - size % PAGE))] = 0xee;
}

static const char *do_load(void)
{
	size_t off, len = 1 + roll(6000);

	if (size == 0)
		return NULL;
	off = roll((uint32_t)size);
	return check_bytes(map + off, off, len < size - off ? len : size - off, "mapping");
}

static const char *do_reopen(int which)
{
	close(fds[which]);
	fds[which] = open(which == 0 ? "random" : "random.link", O_RDWR | (roll(8) ? 0 : O_DSYNC) | O_CLOEXEC);
	return fds[which] < 0 ? bad("open:") : NULL;
}

static const char *do_remap(void)
{
	if (map != NULL)
		munmap(map, MAX_SIZE);
	map = mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[roll(2)], 0);
	return map == MAP_FAILED ? bad("mmap:") : NULL;
}

static const char *do_stat(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size != size)
		return bad("fstat says %lld bytes, not %zu", (long long)st.st_size, size);
	return NULL;
}

static const char *step(void)
{
	int fd = fds[roll(2)];
	uint32_t what = roll(100);

	if (what < 22)
		return do_read(fd);
	if (what < 40)
		return do_write(fd);
	if (what < 45)
		return do_append();
	if (what < 52)
		return do_truncate(fd);
	if (what < 64)
		return do_store();
	if (what < 67) {
		do_store_beyond();
		return NULL;
	}
	if (what < 80)
		return do_load();
	if (what < 84)
		return do_reopen((int)roll(2));
	if (what < 87)
		return do_remap();
	if (what < 90)
		return msync(map, MAX_SIZE, MS_SYNC) < 0 && errno != ENOMEM ? bad("msync:") : NULL;
	if (what < 92)
		return fsync(fd) < 0 ? bad("fsync:") : NULL;
	if (what < 94)
		return posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0 ? bad("fadvise") : NULL;
	return do_stat(fd);
}

static const char *finish(void)
{
	ssize_t n;

	munmap(map, MAX_SIZE);
	close(fds[0]);
	close(fds[1]);
	fds[0] = open("random", O_RDONLY | O_CLOEXEC);
	n = fds[0] < 0 ? -1 : pread(fds[0], scratch, MAX_SIZE, 0);
	if (n != (ssize_t)size)
		return bad("at the end it has %zd bytes, not %zu:", n, size);
	return check_bytes(scratch, 0, size, "at the end");
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	long count = argc > 3 ? strtol(argv[3], NULL, 0) : 4000;
	const char *why = NULL;

	if (argc < 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: fs_random DIRECTORY [SEED [OPERATIONS]]\n");
		return 2;
	}
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	(void)unlink("random");
	(void)unlink("random.link");
	fds[0] = open("random", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fds[0] < 0 || link("random", "random.link") < 0)
		why = bad("set up:");
	if (why == NULL)
		why = do_reopen(1);
	if (why == NULL)
		why = do_remap();
	for (long i = 0; i < count && why == NULL; i++) {
		why = step();
		if (why != NULL)
			printf("not ok random operations, seed %llu: operation %ld: %s\n", (unsigned long long)seed, i,
			       why);
	}
	if (why == NULL && (why = finish()) != NULL)
		printf("not ok random operations, seed %llu: %s\n", (unsigned long long)seed, why);
	if (why == NULL)
		printf("ok random operations, seed %llu\n", (unsigned long long)seed);
	return why == NULL ? 0 : 1;
}

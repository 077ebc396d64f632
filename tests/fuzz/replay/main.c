// SPDX-License-Identifier: Apache-2.0
/*
 * Replays files through a fuzz target without libFuzzer: `fuzz_X FILE|DIR...`. Exit 0 when all ran.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int ran;

static int replay_file(int dirfd, const char *name)
{
	struct stat st;
	uint8_t *buf;
	ssize_t n;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(name);
		return -1;
	}
	buf = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	n = buf == NULL ? -1 : read_full(fd, buf, (size_t)st.st_size);
	(void)close(fd);
	if (n >= 0) {
		(void)LLVMFuzzerTestOneInput(buf, (size_t)n);
		ran++;
	}
	free(buf);
	return n < 0 ? -1 : 0;
}

static int replay_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (d == NULL) {
		perror(path);
		return -1;
	}
	while (r == 0 && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			r = replay_file(dirfd(d), e->d_name);
	(void)closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	struct stat st;
	int i, r = 0;

	for (i = 1; i < argc && r == 0; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			r = replay_dir(argv[i]);
		else
			r = replay_file(AT_FDCWD, argv[i]);
	}
	printf("%u inputs replayed\n", ran);
	return r == 0 && ran > 0 ? 0 : 1;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Times commands from exec to reaped, interleaved: clocked [-n RUNS] [-w WARM-UPS] [-s SPACING_MS] NAME COMMAND NAME
 * COMMAND...
 *
 * Each COMMAND is split at blanks (no quoting). A round runs every command once, with an idle pause before each; the
 * first WARM-UPS rounds are dropped. Busy is what tasks ran on all cpus meanwhile (/proc/schedstat), idle the rest of
 * the time, which is right on a machine with one cpu. Prints the medians, and the range of the whole, in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/compat.h"

#define RUNS_MAX       101
#define CONTENDERS_MAX 16
#define WORDS_MAX      64

struct contender {
	const char *name;
	char *argv[WORDS_MAX + 1];
	uint64_t whole[RUNS_MAX], busy[RUNS_MAX];
	int status; /* of the last run */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* "cpuN yld 0 sched goidle ttwu local run wait slices": the seventh number is nanoseconds run by tasks */
static uint64_t busy_ns(void)
{
	char line[512];
	uint64_t sum = 0, run;
	FILE *f = fopen("/proc/schedstat", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "cpu%*u %*u %*u %*u %*u %*u %*u %lu", &run) == 1)
			sum += run;
	if (f != NULL)
		(void)fclose(f);
	return sum;
}

static int run_once(struct contender *c, uint64_t *whole, uint64_t *busy)
{
	posix_spawn_file_actions_t fa;
	uint64_t t, b;
	int status, r;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	b = busy_ns();
	t = now_ns();
	r = posix_spawn(&pid, c->argv[0], &fa, NULL, c->argv, environ);
	if (r == 0)
		r = waitpid(pid, &status, 0) < 0 ? errno : 0;
	*whole = now_ns() - t;
	*busy = busy_ns() - b;
	c->status = r != 0 ? -r : status;
	(void)posix_spawn_file_actions_destroy(&fa);
	return r;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(struct contender *c, size_t runs)
{
	qsort(c->whole, runs, sizeof(*c->whole), by_value);
	qsort(c->busy, runs, sizeof(*c->busy), by_value);
	printf("%-28s %9lu %9lu %9lu %9lu   %s\n", c->name, c->whole[runs / 2] / 1000, c->busy[runs / 2] / 1000,
	       c->whole[0] / 1000, c->whole[runs - 1] / 1000, c->status == 0 ? "" : "FAILED");
}

static void split(struct contender *c, char *command)
{
	size_t n = 0;
	char *save = NULL, *word;

	for (word = strtok_r(command, " ", &save); word != NULL && n < WORDS_MAX; word = strtok_r(NULL, " ", &save))
		c->argv[n++] = word;
	c->argv[n] = NULL;
}

int main(int argc, char **argv)
{
	static struct contender c[CONTENDERS_MAX];
	size_t runs = 11, warm = 1, n = 0, i, k;
	int opt, spacing = 100;
	uint64_t whole, busy;

	while ((opt = getopt(argc, argv, "n:w:s:")) != -1) {
		if (opt == 'n')
			runs = strtoul(optarg, NULL, 10);
		else if (opt == 'w')
			warm = strtoul(optarg, NULL, 10);
		else if (opt == 's')
			spacing = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	}
	if (runs == 0 || runs > RUNS_MAX || (argc - optind) % 2 != 0 || argc == optind)
		return 2;
	for (; optind < argc && n < CONTENDERS_MAX; optind += 2, n++) {
		c[n].name = argv[optind];
		split(&c[n], argv[optind + 1]);
	}
	for (k = 0; k < warm + runs; k++) {
		for (i = 0; i < n; i++) {
			(void)poll(NULL, 0, spacing);
			if (run_once(&c[i], &whole, &busy) != 0)
				fprintf(stderr, "%s: cannot be run: %s\n", c[i].name, strerror(-c[i].status));
			if (k >= warm) {
				c[i].whole[k - warm] = whole;
				c[i].busy[k - warm] = busy;
			}
		}
	}
	printf("%-28s %9s %9s %9s %9s   (us = thousand instructions; median of %zu)\n", "exec to reaped", "whole",
	       "busy", "min", "max", runs);
	for (i = 0; i < n; i++)
		report(&c[i], runs);
	return 0;
}

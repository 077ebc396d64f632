// SPDX-License-Identifier: Apache-2.0
/*
 * Tests that run inside a guest: one line a test, `ok NAME` or `not ok NAME: WHY`, at the end `N of M ok`.
 *
 * A test is a function that returns NULL or why it failed; bad() makes the reason, with errno's text where the reason
 * ends in a colon. Each test starts in the directory under test and cleans up after itself. Threads: one.
 */
#ifndef KVMBOX_TESTS_GUEST_REPORT_H
#define KVMBOX_TESTS_GUEST_REPORT_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct guest_test {
	const char *name;
	const char *(*run)(void);
};

__attribute__((format(printf, 1, 2))) static inline const char *bad(const char *fmt, ...)
{
	static char why[512];
	int saved = errno;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	len = strlen(why);
	if (len > 0 && why[len - 1] == ':')
		(void)snprintf(why + len, sizeof(why) - len, " %s (%d)", strerror(saved), saved);
	return why;
}

/* Returns the number of failures. `only` limits it to names that contain it. */
static inline int run_guest_tests(const struct guest_test *tests, size_t count, const char *only)
{
	int ran = 0, failed = 0;

	for (size_t i = 0; i < count; i++) {
		const char *why;

		if (only != NULL && strstr(tests[i].name, only) == NULL)
			continue;
		ran++;
		errno = 0;
		why = tests[i].run();
		if (why == NULL) {
			printf("ok %s\n", tests[i].name);
		} else {
			printf("not ok %s: %s\n", tests[i].name, why);
			failed++;
		}
		fflush(stdout);
	}
	printf("%d of %d ok\n", ran - failed, ran);
	fflush(stdout);
	return failed;
}

#endif

// SPDX-License-Identifier: Apache-2.0
/* The terminal under a console. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/terminal.h"

START_TEST(test_a_terminal_is_raw_and_then_as_before)
{
	struct terminal t;
	struct termios now;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), fd;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	terminal_raw(&t, fd);
	ck_assert_int_eq(tcgetattr(fd, &now), 0);
	ck_assert_uint_eq(now.c_lflag & (ICANON | ECHO | ISIG), 0);
	terminal_restore(&t, fd);
	ck_assert_int_eq(tcgetattr(fd, &now), 0);
	ck_assert_uint_eq(now.c_lflag & (ICANON | ECHO | ISIG), ICANON | ECHO | ISIG);
	terminal_restore(&t, fd);
	(void)close(fd);
	(void)close(master);
}
END_TEST

START_TEST(test_what_is_no_terminal_is_left_alone)
{
	struct terminal t;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	terminal_raw(&t, fd);
	ck_assert(!t.changed);
	terminal_restore(&t, fd);
	(void)close(fd);
	terminal_raw(&t, -1);
	terminal_restore(&t, -1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_terminal_is_raw_and_then_as_before,
		test_what_is_no_terminal_is_left_alone,
	};

	return suite_run("terminal", tests, ARRAY_SIZE(tests));
}

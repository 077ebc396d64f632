// SPDX-License-Identifier: Apache-2.0
/* What the VMM gives up at its start. Each test runs in a process of its own (check forks). */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/sandbox.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Open fds at the given numbers, close-on-exec not set: as a careless parent leaves them */
static void open_at(int fd)
{
	ck_assert_int_eq(dup3(STDERR_FILENO, fd, O_CLOEXEC), fd);
}

START_TEST(test_fds_that_nobody_named_are_closed)
{
	int keep[] = { 60, 41, 50, 41, 1 };
	int fd;

	for (fd = 40; fd <= 70; fd++)
		open_at(fd);
	ck_assert_int_eq(sandbox_close_others(keep, ARRAY_SIZE(keep)), 0);
	for (fd = 3; fd <= 70; fd++)
		ck_assert_msg(is_open(fd) == (fd == 41 || fd == 50 || fd == 60), "fd %d", fd);
	ck_assert(is_open(0) && is_open(1) && is_open(2));
}
END_TEST

START_TEST(test_with_nothing_named_only_standard_fds_stay)
{
	open_at(3);
	open_at(1000);
	ck_assert_int_eq(sandbox_close_others(NULL, 0), 0);
	ck_assert(!is_open(3) && !is_open(1000) && is_open(2));
}
END_TEST

START_TEST(test_privileges_cores_and_tracing_are_given_up)
{
	static struct vm_config cfg = { .kernel.fd = -1,
					.initrd.fd = -1,
					.vsock_fd = -1,
					.vsock_port_fd = -1,
					.control_fd = 45,
					.kvm_fd = -1,
					.log_fd = 2 };
	struct rlimit r;
	struct err e;

	open_at(45);
	open_at(46);
	ck_assert_int_eq(sandbox_enter(&cfg, &e), 0);
	ck_assert(is_open(45) && !is_open(46));
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &r), 0);
	ck_assert_uint_eq(r.rlim_max, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_uint_eq(r.rlim_cur, r.rlim_max);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_fds_that_nobody_named_are_closed,
		test_with_nothing_named_only_standard_fds_stay,
		test_privileges_cores_and_tracing_are_given_up,
	};

	return suite_run("sandbox", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * runtime-cli/pump: every byte once, half-close, back-pressure, readers that go away.
 */
#include "runtime-cli/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/base/fdio.h"

static struct pump *new_pump(struct pump_end from, struct pump_end to)
{
	struct pump *p = malloc(sizeof(*p));

	ck_assert_ptr_nonnull(p);
	pump_init(p, from, to);
	return p;
}

/* One look at what is ready, without waiting */
static void turn(struct pump *p)
{
	struct pollfd pfd[2];

	pump_prepare(p, pfd);
	ck_assert_int_ge(poll(pfd, 2, 0), 0);
	pump_run(p, pfd);
}

static void pair(int fd[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
}

START_TEST(test_bytes_go_through_and_the_end_follows_the_last)
{
	int src[2], dst[2];
	struct pump *p;
	char buf[16];

	pair(src);
	ck_assert_int_eq(pipe2(dst, O_CLOEXEC), 0);
	p = new_pump(pump_socket(src[0]), pump_open_host(dst[1], true));
	ck_assert_int_eq(write(src[1], "hello", 5), 5);
	turn(p);
	ck_assert_int_eq(read(dst[0], buf, sizeof(buf)), 5);
	ck_assert_int_eq(shutdown(src[1], SHUT_WR), 0);
	turn(p);
	ck_assert(p->done);
	ck_assert_int_eq(read(dst[0], buf, sizeof(buf)), 0);
	free(p);
}
END_TEST

START_TEST(test_a_full_sink_stops_the_source_and_loses_nothing)
{
	size_t sent = 0, got = 0;
	uint8_t block[4096], in[4096];
	int src[2], dst[2];
	struct pump *p;
	ssize_t n;
	size_t i;

	pair(src);
	ck_assert_int_eq(pipe2(dst, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(fd_set_nonblock(src[1], true), 0);
	p = new_pump(pump_socket(src[0]), pump_open_host(dst[1], true));
	for (;;) { /* until source, pump and sink are all full */
		for (i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)((sent + i) * 7 >> 3);
		n = write(src[1], block, sizeof(block));
		if (n < 0)
			break;
		sent += (size_t)n;
		turn(p);
	}
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_le(p->len, PUMP_BUF);
	ck_assert_int_eq(shutdown(src[1], SHUT_WR), 0);
	while (!p->done || got < sent) {
		n = read(dst[0], in, sizeof(in));
		for (i = 0; n > 0 && i < (size_t)n; i++)
			ck_assert_uint_eq(in[i], (uint8_t)((got + i) * 7 >> 3));
		got += n > 0 ? (size_t)n : 0;
		turn(p);
	}
	ck_assert_uint_eq(got, sent);
	free(p);
}
END_TEST

START_TEST(test_a_reader_that_is_gone_ends_the_source_even_without_data)
{
	int src[2], dst[2];
	struct pump *p;

	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	pair(src);
	ck_assert_int_eq(pipe2(dst, O_CLOEXEC), 0);
	p = new_pump(pump_socket(src[0]), pump_open_host(dst[1], true));
	ck_assert_int_eq(close(dst[0]), 0);
	turn(p);
	ck_assert(p->done);
	ck_assert_int_eq(send(src[1], "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	free(p);
}
END_TEST

START_TEST(test_a_socket_sink_is_shut_down_for_writing_only)
{
	int src[2], dst[2];
	struct pump *p;
	char c;

	ck_assert_int_eq(pipe2(src, O_CLOEXEC), 0);
	pair(dst);
	p = new_pump(pump_open_host(src[0], false), pump_socket(dst[0]));
	ck_assert_int_eq(write(src[1], "x", 1), 1);
	ck_assert_int_eq(close(src[1]), 0);
	turn(p);
	turn(p);
	ck_assert(p->done);
	ck_assert_int_eq(read(dst[1], &c, 1), 1);
	ck_assert_int_eq(read(dst[1], &c, 1), 0);
	ck_assert_int_eq(write(dst[1], "y", 1), 1); /* the other direction lives */
	ck_assert_int_eq(read(dst[0], &c, 1), 1);
	free(p);
}
END_TEST

START_TEST(test_the_flags_of_a_shared_pipe_are_left_alone)
{
	int fd[2], shared;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	shared = dup(fd[1]);
	ck_assert_int_eq(pump_open_host(fd[1], true).kind, PUMP_NONBLOCK);
	ck_assert_int_eq(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd[1], F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(test_preloaded_bytes_come_first)
{
	int src[2], dst[2];
	struct pump *p;
	char buf[8];

	pair(src);
	ck_assert_int_eq(pipe2(dst, O_CLOEXEC), 0);
	p = new_pump(pump_socket(src[0]), pump_open_host(dst[1], true));
	pump_preload(p, "ab", 2);
	ck_assert_int_eq(write(src[1], "cd", 2), 2);
	turn(p);
	turn(p);
	ck_assert_int_eq(read(dst[0], buf, sizeof(buf)), 4);
	ck_assert_mem_eq(buf, "abcd", 4);
	free(p);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_bytes_go_through_and_the_end_follows_the_last,
		test_a_full_sink_stops_the_source_and_loses_nothing,
		test_a_reader_that_is_gone_ends_the_source_even_without_data,
		test_a_socket_sink_is_shut_down_for_writing_only,
		test_the_flags_of_a_shared_pipe_are_left_alone,
		test_preloaded_bytes_come_first,
	};

	return suite_run("pump", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's server over socket pairs: requests and answers, streams, ends. What the process itself sees is in
 * test_agent_process.c.
 */
#include "tests/unit/agent_host.h"
#include "tests/unit/fake/suite.h"

/* --- requests --- */

START_TEST(test_ping_is_answered_and_unknown_requests_refused)
{
	struct wr w;

	HOST_START();
	w = request();
	expect_ok(tell(PROTO_PING, &w));
	w = request();
	expect_error(tell(99, &w), EOPNOTSUPP, "(99) is not one that this agent serves");
	w = request();
	expect_error(tell(PROTO_HELLO, &w), EOPNOTSUPP, "HELLO");
	host_end();
}
END_TEST

START_TEST(test_setup_reaches_the_machine)
{
	char got[256];
	struct wr w;

	HOST_START();
	w = request();
	proto_put_u64(&w, PROTO_T_TIME, 1700000000123456789);
	proto_put_str(&w, PROTO_T_SEED, "noise");
	proto_put_str(&w, PROTO_T_HOSTNAME, "web");
	expect_ok(tell(PROTO_SETUP, &w));
	w = request();
	proto_put_str(&w, PROTO_T_HOSTNAME, "much-too-long");
	expect_error(tell(PROTO_SETUP, &w), EINVAL, "SETUP: set the host name");
	host_end();
	(void)read_all(host.calls, got, sizeof(got));
	ck_assert_str_eq(got, "clock 1700000000123456789\nentropy noise\nhostname web\nhostname much-too-long\n");
}
END_TEST

START_TEST(test_bind_reaches_the_machine_and_its_error_the_host)
{
	char got[256];
	struct wr w;

	HOST_START();
	w = request();
	proto_put_u32(&w, PROTO_T_SLOT, 3);
	proto_put_u8(&w, PROTO_T_ADD, 1);
	expect_ok(tell(PROTO_BIND, &w));
	w = request();
	proto_put_u32(&w, PROTO_T_SLOT, 16);
	proto_put_u8(&w, PROTO_T_ADD, 0);
	expect_error(tell(PROTO_BIND, &w), EINVAL, "BIND: slot 16");
	w = request();
	proto_put_u32(&w, PROTO_T_SLOT, 3);
	expect_error(tell(PROTO_BIND, &w), EPROTO, "BIND: a field is missing");
	host_end();
	(void)read_all(host.calls, got, sizeof(got));
	ck_assert_str_eq(got, "slot 3 1\nslot 16 0\n");
}
END_TEST

START_TEST(test_malformed_fields_are_answered_with_an_error)
{
	struct wr w;

	HOST_START();
	w = request();
	proto_put_u8(&w, PROTO_T_PROC, 1);
	expect_error(tell(PROTO_START, &w), EPROTO, "START: tag 5 is malformed");
	w = request();
	proto_put_u32(&w, PROTO_T_PROC, 1);
	proto_put_u32(&w, PROTO_T_PROC, 1);
	expect_error(tell(PROTO_START, &w), EPROTO, "given twice");
	w = request();
	proto_put_u32(&w, C(PROTO_T_CAPS), 1);
	expect_error(tell(PROTO_PING, &w), EOPNOTSUPP, "tag 37 is unknown");
	w = request();
	proto_put_u32(&w, PROTO_T_CAPS, 1);
	expect_ok(tell(PROTO_PING, &w));
	w = request();
	wr_u32(&w, 1);
	expect_error(tell(PROTO_PING, &w), EPROTO, "malformed list");
	host_end();
}
END_TEST

START_TEST(test_requests_about_no_process_are_refused)
{
	struct wr w;

	HOST_START();
	expect_error(simple(PROTO_START), ESRCH, "no such process");
	expect_error(tell_signal(15, false), ESRCH, "no such process");
	w = request();
	proto_put_u32(&w, PROTO_T_PROC, 1);
	proto_put_u32(&w, PROTO_T_WINSIZE, 24 | 80 << 16);
	expect_error(tell(PROTO_WINSIZE, &w), ENOTTY, "window size");
	host_end();
}
END_TEST

START_TEST(test_a_frame_in_pieces_is_put_together)
{
	struct wr head = wr_init(request_buf, PROTO_HEADER_LEN);
	struct wr w;
	size_t i;

	HOST_START();
	w = request();
	proto_put_u32(&w, 99, 1);
	(void)proto_begin(&head, PROTO_PING, 5);
	wr_patch_u32(&head, 0, (uint32_t)w.len);
	for (i = 0; i < PROTO_HEADER_LEN + w.len; i++) {
		ck_assert_int_eq(write_full(host.control, request_buf + i, 1), 0);
		(void)poll(NULL, 0, 1);
	}
	expect_ok(5);
	host_end();
}
END_TEST

START_TEST(test_many_requests_at_once_are_answered_in_order)
{
	uint32_t seq, i;
	struct wr w;

	HOST_START();
	for (i = 0; i < 1000; i++) {
		w = request();
		seq = tell(PROTO_PING, &w);
	}
	for (i = 0; i < 1000; i++)
		expect_ok(seq - 999 + i);
	host_end();
}
END_TEST

START_TEST(test_a_host_that_reads_no_answers_is_not_read_from_and_nothing_is_lost)
{
	uint32_t sent = 0, heard = 0;
	int i;

	HOST_START();
	ck_assert_int_eq(fd_set_nonblock(host.control, true), 0);
	for (i = 0; i < 200; i++) {
		struct wr w = wr_init(request_buf, sizeof(request_buf));

		/* an unknown request: its answer is longer than itself */
		proto_end(&w, proto_begin(&w, 99, sent + 1));
		if (write(host.control, request_buf, w.len) == (ssize_t)w.len)
			sent++;
		else
			(void)poll(NULL, 0, 1);
		if (sent < 50000)
			i = ready(host.control, POLLOUT, 0) ? 0 : i;
	}
	ck_assert_uint_gt(sent, 100);
	ck_assert_uint_lt(sent, 50000);
	while (heard < sent) {
		ck_assert(hear_from(host.control));
		ck_assert_uint_eq(host.f.seq, ++heard);
	}
	ck_assert_int_eq(fd_set_nonblock(host.control, false), 0);
	host_end();
}
END_TEST

/* --- ends --- */

START_TEST(test_a_malformed_frame_ends_the_server)
{
	static const uint8_t junk[PROTO_HEADER_LEN] = { 0, 0, 0, 0, 1, 0, 1 };

	HOST_START();
	ck_assert_int_eq(write_full(host.control, junk, sizeof(junk)), 0);
	expect_end(SERVER_BROKEN);
}
END_TEST

START_TEST(test_a_frame_above_the_bound_ends_the_server)
{
	uint8_t buf[PROTO_HEADER_LEN];
	struct wr w = wr_init(buf, sizeof(buf));

	HOST_START();
	(void)proto_begin(&w, PROTO_CREATE, 1);
	wr_patch_u32(&w, 0, PROTO_MAX_TO_GUEST + 1);
	ck_assert_int_eq(write_full(host.control, buf, sizeof(buf)), 0);
	expect_end(SERVER_BROKEN);
}
END_TEST

START_TEST(test_a_closed_control_connection_ends_server_and_container)
{
	struct wr w;
	uint32_t seq;
	char c;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_shell(&w, "echo up; exec sleep 100");
	seq = tell(PROTO_CREATE, &w);
	expect_ok(seq);
	{
		int out = attach(PROTO_STDOUT);

		expect_ok(simple(PROTO_START));
		ck_assert(ready(out, POLLIN, WAIT_MS));
		(void)close(host.control);
		expect_end(SERVER_LOST); /* all processes are dead: the cgroup is empty */
		while (read(out, &c, 1) == 1)
			;
		(void)close(out);
	}
}
END_TEST

START_TEST(test_shutdown_kills_what_runs)
{
	struct wr w;

	HOST_START();
	w = container_in(CLONE_NEWNS, 0);
	put_shell(&w, "sleep 100 & sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(simple(PROTO_START));
	host_end();
}
END_TEST

/* --- streams --- */

START_TEST(test_output_of_both_kinds_arrives_apart_and_before_the_exit)
{
	char out[64], err[64];
	struct wr w;
	int o, r;

	HOST_START();
	w = container(OUTPUTS);
	put_shell(&w, "printf out; printf err >&2; exit 7");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	r = attach(PROTO_STDERR);
	expect_ok(simple(PROTO_START));
	expect_exited(7, 0, 0);
	(void)read_all(o, out, sizeof(out));
	(void)read_all(r, err, sizeof(err));
	ck_assert_str_eq(out, "out");
	ck_assert_str_eq(err, "err");
	host_end();
}
END_TEST

START_TEST(test_streams_may_be_attached_before_their_process_is_made)
{
	char out[64];
	struct wr w;
	int o, i;

	HOST_START();
	o = attach(PROTO_STDOUT);
	i = attach(PROTO_STDIN);
	ck_assert_int_eq(write_full(i, "early", 5), 0);
	ck_assert_int_eq(shutdown(i, SHUT_WR), 0);
	w = container(1u << PROTO_STDIN | 1u << PROTO_STDOUT);
	put_shell(&w, "cat");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(simple(PROTO_START));
	(void)read_all(o, out, sizeof(out));
	ck_assert_str_eq(out, "early");
	expect_exited(0, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_start_waits_for_all_streams_and_happens_once)
{
	struct wr w;
	int o;

	HOST_START();
	w = container(OUTPUTS);
	put_shell(&w, "sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_error(simple(PROTO_START), EAGAIN, "not all streams");
	o = attach(PROTO_STDOUT);
	expect_error(simple(PROTO_START), EAGAIN, "not all streams");
	(void)attach(PROTO_STDERR);
	expect_ok(simple(PROTO_START));
	expect_error(simple(PROTO_START), EBUSY, "not waiting for its start");
	(void)close(o);
	host_end();
}
END_TEST

static void attach_is_refused(uint32_t proc, uint32_t kind, bool with_answer)
{
	int fd = dial();

	send_attach(fd, proc, kind);
	if (with_answer) {
		ck_assert(hear_from(fd));
		ck_assert_uint_eq(host.f.type, PROTO_ERROR);
	}
	while (hear_from(fd))
		ck_assert_uint_eq(host.f.type, PROTO_ERROR);
	(void)close(fd);
}

START_TEST(test_streams_that_are_none_are_refused)
{
	uint8_t junk[200] = { 0 };
	struct wr w;
	int o, fd;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_shell(&w, "true");
	expect_ok(tell(PROTO_CREATE, &w));
	attach_is_refused(PROTO_PROC_INIT, PROTO_STREAM_COUNT, true);
	attach_is_refused(PROTO_PROC_INIT, PROTO_STDERR, true); /* not in its mask */
	o = attach(PROTO_STDOUT);
	attach_is_refused(PROTO_PROC_INIT, PROTO_STDOUT, true); /* twice */
	fd = dial();
	ck_assert_int_eq(write_full(fd, junk, sizeof(junk)), 0); /* a frame of another type */
	while (hear_from(fd))
		ck_assert_uint_eq(host.f.type, PROTO_ERROR);
	(void)close(fd);
	fd = dial();
	memset(junk, 0xff, sizeof(junk));
	ck_assert_int_eq(write_full(fd, junk, sizeof(junk)), 0);
	ck_assert(!hear_from(fd));
	(void)close(fd);
	expect_ok(simple(PROTO_START));
	expect_exited(0, 0, 0);
	(void)close(o);
	host_end();
}
END_TEST

START_TEST(test_bytes_go_through_a_process_unchanged)
{
	enum { TOTAL = 8 << 20, PIECE = 40000 };
	static uint8_t sent[PIECE], got[PIECE];
	size_t in = 0, back = 0, wrong = 0, i;
	struct wr w;
	int to, from;

	HOST_START();
	w = container(1u << PROTO_STDIN | 1u << PROTO_STDOUT);
	put_shell(&w, "cat");
	expect_ok(tell(PROTO_CREATE, &w));
	to = attach(PROTO_STDIN);
	from = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	ck_assert_int_eq(fd_set_nonblock(to, true), 0);
	while (back < TOTAL) {
		struct pollfd p[2] = { { .fd = in < TOTAL ? to : -1, .events = POLLOUT },
				       { .fd = from, .events = POLLIN } };
		ssize_t n;

		ck_assert_int_gt(poll(p, 2, WAIT_MS), 0);
		if ((p[0].revents & POLLOUT) != 0) {
			size_t want = min_size(TOTAL - in, 1 + in % PIECE);

			for (i = 0; i < want; i++)
				sent[i] = (uint8_t)((in + i) * 2654435761u >> 16);
			n = write(to, sent, want);
			in += n > 0 ? (size_t)n : 0;
			if (in == TOTAL)
				ck_assert_int_eq(shutdown(to, SHUT_WR), 0);
		}
		if ((p[1].revents & POLLIN) == 0)
			continue;
		n = read(from, got, sizeof(got));
		ck_assert_int_gt(n, 0);
		for (i = 0; i < (size_t)n; i++)
			wrong += got[i] != (uint8_t)((back + i) * 2654435761u >> 16);
		back += (size_t)n;
	}
	ck_assert_uint_eq(back, TOTAL);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(read_all(from, (char *)got, sizeof(got)), 0);
	expect_exited(0, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_output_before_the_exit_waits_for_a_slow_reader)
{
	enum { TOTAL = 1 << 20 };
	static char got[TOTAL + 2];
	struct wr w;
	int o;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_shell(&w, "head -c 1048576 /dev/zero");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	/* longer than the grace for output that nobody ends: some of it is still in the agent's hands */
	ck_assert(!ready(host.control, POLLIN, 800));
	ck_assert_uint_eq(read_all(o, got, sizeof(got)), TOTAL);
	expect_exited(0, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_a_reader_that_closes_early_breaks_the_pipe)
{
	char c;
	struct wr w;
	int o;

	HOST_START();
	w = container_in(CLONE_NEWNS, 1u << PROTO_STDOUT); /* as init of a pid namespace it would not die of it */
	proto_put_str(&w, C(PROTO_T_ARG), "/bin/busybox");
	proto_put_str(&w, C(PROTO_T_ARG), "yes");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	ck_assert(ready(o, POLLIN, WAIT_MS));
	ck_assert_int_eq(read(o, &c, 1), 1);
	(void)close(o);
	ck_assert(hear_from(host.control));
	ck_assert_uint_eq(host.f.type, PROTO_EXITED);
	host_end();
}
END_TEST

START_TEST(test_a_reader_that_closes_while_nothing_is_written_breaks_the_pipe_too)
{
	char c;
	struct wr w;
	int o, i;

	HOST_START();
	w = container(1u << PROTO_STDIN | 1u << PROTO_STDOUT);
	put_shell(&w, "echo; read x; trap '' PIPE; echo x 2>/dev/null || exit 5; exit 6");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	i = attach(PROTO_STDIN);
	expect_ok(simple(PROTO_START));
	ck_assert(ready(o, POLLIN, WAIT_MS));
	ck_assert_int_eq(read(o, &c, 1), 1);
	(void)close(o);
	(void)poll(NULL, 0, 50);
	ck_assert_int_eq(write_full(i, "\n", 1), 0);
	expect_exited(5, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_a_process_that_closes_its_input_ends_the_hosts_writer)
{
	static uint8_t much[1 << 20];
	struct wr w;
	int i;

	HOST_START();
	(void)signal(SIGPIPE, SIG_IGN);
	w = container(1u << PROTO_STDIN);
	put_shell(&w, "exec <&-; sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	i = attach(PROTO_STDIN);
	expect_ok(simple(PROTO_START));
	ck_assert_int_eq(write_full(i, much, sizeof(much)), -EPIPE);
	host_end();
}
END_TEST

START_TEST(test_closed_input_leaves_output_going)
{
	char out[64];
	struct wr w;
	int o, i;

	HOST_START();
	w = container(1u << PROTO_STDIN | 1u << PROTO_STDOUT);
	put_shell(&w, "cat; sleep 0.2; echo still");
	expect_ok(tell(PROTO_CREATE, &w));
	i = attach(PROTO_STDIN);
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	(void)close(i);
	(void)read_all(o, out, sizeof(out));
	ck_assert_str_eq(out, "still\n");
	expect_exited(0, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_more_connections_than_the_table_holds_are_closed)
{
	int fds[600], i, open = 0;
	struct wr w;
	char c;

	HOST_START();
	for (i = 0; i < 600; i++) {
		fds[i] = dial();
		w = request();
		if (i % 10 == 9) /* so that the backlog is taken */
			expect_ok(tell(PROTO_PING, &w));
	}
	for (i = 0; i < 2; i++) { /* one batch of events, at least, between two answers */
		w = request();
		expect_ok(tell(PROTO_PING, &w));
	}
	for (i = 0; i < 600; i++)
		if (recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
			open++;
	ck_assert_int_eq(open, 512);
	for (i = 0; i < 600; i++)
		(void)close(fds[i]);
	host_end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_ping_is_answered_and_unknown_requests_refused,
		test_setup_reaches_the_machine,
		test_bind_reaches_the_machine_and_its_error_the_host,
		test_malformed_fields_are_answered_with_an_error,
		test_requests_about_no_process_are_refused,
		test_a_frame_in_pieces_is_put_together,
		test_many_requests_at_once_are_answered_in_order,
		test_a_host_that_reads_no_answers_is_not_read_from_and_nothing_is_lost,
		test_a_malformed_frame_ends_the_server,
		test_a_frame_above_the_bound_ends_the_server,
		test_a_closed_control_connection_ends_server_and_container,
		test_shutdown_kills_what_runs,
		test_output_of_both_kinds_arrives_apart_and_before_the_exit,
		test_streams_may_be_attached_before_their_process_is_made,
		test_start_waits_for_all_streams_and_happens_once,
		test_streams_that_are_none_are_refused,
		test_bytes_go_through_a_process_unchanged,
		test_output_before_the_exit_waits_for_a_slow_reader,
		test_a_reader_that_closes_early_breaks_the_pipe,
		test_a_reader_that_closes_while_nothing_is_written_breaks_the_pipe_too,
		test_a_process_that_closes_its_input_ends_the_hosts_writer,
		test_closed_input_leaves_output_going,
		test_more_connections_than_the_table_holds_are_closed,
	};

	return suite_run("agent_server", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * devices/vsock_conn: credit, fairness, half-close, reset and linger; no byte lost or doubled.
 */
#include "tests/unit/vsock_rig.h"

/* --- credit --- */

START_TEST(test_a_guest_may_use_all_its_credit_and_not_a_byte_more)
{
	uint8_t byte = 1;
	uint32_t port, n;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	while (r.m->conn[0].buf_len < VSOCK_BUF_SIZE)
		send_data(&r, port, &byte, 1);
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	ck_assert_uint_gt(n, 60000);
	send_data(&r, port, &byte, 1);
	/* cut off: RST, the client sees its end, what waited is dropped */
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_packet_longer_than_the_whole_buffer_resets)
{
	static uint8_t big[VSOCK_BUF_SIZE + 1];
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_data(&r, port, big, VSOCK_BUF_SIZE + 1);
	ck_takes(&r, OP_RST, port);
	ck_closed(fd);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_guest_is_told_of_room_when_half_its_window_was_taken)
{
	static uint8_t half[VSOCK_BUF_SIZE / 2];
	struct vsock_hdr_host h;
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_data(&r, port, half, sizeof(half) - 1);
	ck_takes_nothing(&r);
	send_data(&r, port, half, 1);
	ck_assert(take(&r, &h, NULL, 0));
	ck_assert_uint_eq(h.op, OP_UPDATE);
	ck_assert_uint_eq(h.fwd_cnt, sizeof(half));
	ck_assert_uint_eq(h.buf_alloc, VSOCK_BUF_SIZE);
	ck_takes_nothing(&r);
	send_data(&r, port, half, 7);
	ck_takes_nothing(&r);
	send_op(&r, OP_ASK, port);
	ck_assert(take(&r, &h, NULL, 0));
	ck_assert_uint_eq(h.op, OP_UPDATE);
	ck_assert_uint_eq(h.fwd_cnt, sizeof(half) + 7);
	send_op(&r, OP_UPDATE, port);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_host_keeps_to_the_guests_credit_asks_once_and_goes_on_when_told)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[64];
	struct rig r;
	int fd;

	rig_init(&r, false);
	r.alloc = 10;
	fd = opened(&r, &port);
	say(fd, "0123456789abcdefghij!");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.len, 10);
	ck_takes(&r, OP_ASK, port);
	ck_takes_nothing(&r);
	ck_assert_int_eq(rig_run(&r), 0);
	r.fwd = 3;
	send_op(&r, OP_UPDATE, port);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.len, 3);
	ck_assert_int_eq(memcmp(buf, "abc", 3), 0);
	r.alloc = 4; /* a guest that shrinks its buffer below what is in flight */
	send_op(&r, OP_UPDATE, port);
	ck_takes(&r, OP_ASK, port);
	ck_takes_nothing(&r);
	r.alloc = 1000;
	send_op(&r, OP_UPDATE, port);
	(void)rig_run(&r);
	ck_takes_data(&r, "defghij!");
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_credit_counters_wrap_and_absurd_figures_do_no_harm)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[64];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	r.m->conn[0].tx_cnt = UINT32_MAX - 3;
	r.m->conn[0].fwd_cnt = UINT32_MAX - 1;
	r.m->conn[0].told_fwd = UINT32_MAX - 1;
	r.alloc = 8;
	r.fwd = UINT32_MAX - 3;
	send_data(&r, port, "wrap", 4);
	ck_hears(fd, "wrap");
	say(fd, "0123456789");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.len, 8);
	ck_assert_uint_eq(h.fwd_cnt, 2);
	ck_takes(&r, OP_ASK, port);
	r.fwd = 4;
	send_op(&r, OP_UPDATE, port);
	(void)rig_run(&r);
	ck_takes_data(&r, "89");
	/* taken more than was ever sent, and room for more than there is */
	r.fwd = 1000000;
	send_op(&r, OP_UPDATE, port);
	say(fd, "x");
	(void)rig_run(&r);
	ck_takes(&r, OP_ASK, port);
	r.alloc = UINT32_MAX;
	send_op(&r, OP_UPDATE, port);
	(void)rig_run(&r);
	ck_takes_data(&r, "x");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_guest_that_asks_while_the_host_waits_for_credit_is_answered)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	r.alloc = 0;
	fd = opened(&r, &port);
	say(fd, "waits");
	(void)rig_run(&r);
	ck_takes(&r, OP_ASK, port);
	send_op(&r, OP_ASK, port);
	ck_takes(&r, OP_UPDATE, port);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_read_that_just_empties_the_client_is_not_its_end)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[4];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	say(fd, "12345678");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.len == 4);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.len == 4);
	ck_takes_nothing(&r);
	say(fd, "more");
	(void)rig_run(&r);
	ck_takes_data(&r, "more");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_connections_take_turns)
{
	struct vsock_hdr_host h;
	uint32_t port[3];
	unsigned int seen[3] = { 0 };
	char junk[3000] = "", buf[100];
	struct rig r;
	int fd[3], i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++)
		fd[i] = opened(&r, &port[i]);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(write_full(fd[i], junk, sizeof(junk)), 0);
	(void)rig_run(&r);
	for (i = 0; i < 30; i++) {
		ck_assert(take(&r, &h, buf, sizeof(buf)));
		ck_assert_uint_eq(h.len, 100);
		seen[h.src_port == port[0] ? 0 : h.src_port == port[1] ? 1 : 2]++;
	}
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(seen[i], 10);
		(void)close(fd[i]);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_nothing_spins_while_the_guest_gives_no_buffers)
{
	uint32_t port[3];
	struct rig r;
	int fd[3], i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++)
		fd[i] = opened(&r, &port[i]);
	say(fd[0], "waits");
	ck_assert_int_eq(shutdown(fd[1], SHUT_WR), 0);
	say(fd[2], "left behind");
	(void)close(fd[2]);
	(void)rig_run(&r);
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert(vsock_mux_ready(r.m));
	(void)close(fd[0]);
	(void)close(fd[1]);
	rig_fini(&r);
}
END_TEST

/* --- closing --- */

START_TEST(test_half_close_by_the_guest_flushes_then_ends_the_clients_input_only)
{
	uint32_t port, n;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	send_shut(&r, port, SHUT_S);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	say(fd, "still here");
	(void)rig_run(&r);
	ck_takes_data(&r, "still here");
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	/* more after the end breaks the protocol */
	send_data(&r, port, "?", 1);
	ck_takes(&r, OP_RST, port);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_half_close_by_the_client_is_told_after_its_last_byte)
{
	struct vsock_hdr_host h;
	uint32_t port;
	char buf[4];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	say(fd, "12345678");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.op == OP_RW && h.len == 4);
	ck_assert(take(&r, &h, buf, sizeof(buf)) && h.op == OP_RW && h.len == 4);
	ck_takes_shut(&r, port, SHUT_S);
	ck_takes_nothing(&r);
	ck_assert_int_eq(rig_run(&r), 0);
	send_data(&r, port, "answer", 6);
	ck_hears(fd, "answer");
	/* the other half, by closing: the guest's writers must get EPIPE */
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_S | SHUT_R);
	ck_assert_int_eq(rig_run(&r), 0);
	send_shut(&r, port, SHUT_S | SHUT_R);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_guest_that_receives_no_more_gives_the_client_epipe)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	say(fd, "unread");
	send_shut(&r, port, SHUT_R);
	ck_assert_int_lt(send(fd, "x", 1, MSG_NOSIGNAL), 0);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(rig_run(&r), 0);
	ck_takes_nothing(&r);
	send_data(&r, port, "the other way", 13);
	ck_hears(fd, "the other way");
	send_shut(&r, port, SHUT_S);
	ck_takes(&r, OP_RST, port);
	ck_closed(fd); /* and no ECONNRESET for what was not read */
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_reads_no_more_gives_the_guest_shutdown_rcv_and_may_go_on_writing)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	ck_assert_int_eq(rig_run(&r), 0);
	send_data(&r, port, "x", 1);
	ck_takes_shut(&r, port, SHUT_R);
	send_data(&r, port, "on its way", 10); /* swallowed */
	say(fd, "more");
	(void)rig_run(&r);
	ck_takes_data(&r, "more");
	ck_assert_uint_eq(r.m->conn[0].fwd_cnt, 11);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_R | SHUT_S);
	send_op(&r, OP_RST, port);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_close_by_the_guest_flushes_every_byte_then_rst)
{
	uint32_t port, n;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	say(fd, "never read by the guest");
	send_shut(&r, port, SHUT_S | SHUT_R);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 1);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_close_by_the_guest_with_nothing_waiting_is_answered_at_once)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_shut(&r, port, 0);
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	send_shut(&r, port, ~0U);
	ck_closed(fd);
	ck_takes(&r, OP_RST, port);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_slow_client_outlives_the_linger_and_loses_no_byte)
{
	uint32_t port, n;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	send_shut(&r, port, SHUT_S | SHUT_R);
	for (i = 1; i < VSOCK_LINGER_TICKS; i++)
		vsock_mux_tick(r.m);
	ck_assert_uint_eq(r.m->conn[0].state, VC_OPEN);
	vsock_mux_tick(r.m);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FLUSH);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 1);
	/* the ports are free for the guest: this is no connection any more */
	send_op(&r, OP_UPDATE, port);
	ck_takes(&r, OP_RST, port);
	vsock_mux_reset(r.m);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_slow_client_sees_its_end_though_the_guest_has_no_room_for_the_rst)
{
	uint32_t port, n;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	send_shut(&r, port, SHUT_S | SHUT_R);
	for (i = 0; i < VSOCK_LINGER_TICKS; i++)
		vsock_mux_tick(r.m);
	ck_assert_uint_eq(r.m->conn[0].state, VC_DYING);
	send_op(&r, OP_UPDATE, port);
	send_op(&r, OP_RESPONSE, port);
	ck_unstuffs(&r, fd, n);
	(void)rig_run(&r);
	ck_closed(fd);
	ck_takes(&r, OP_RST, port);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_what_was_taken_from_the_guest_is_delivered_after_its_rst_and_after_a_reset)
{
	uint32_t port, n;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	for (i = 0; i < 2; i++) {
		fd = opened(&r, &port);
		n = stuff(&r, port);
		if (i == 0)
			send_op(&r, OP_RST, port);
		else
			vsock_mux_reset(r.m);
		ck_unstuffs(&r, fd, n);
		(void)rig_run(&r);
		ck_closed(fd);
		ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
		(void)close(fd);
	}
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_goes_while_bytes_wait_ends_the_connection_in_every_state)
{
	uint32_t port;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++) {
		fd = opened(&r, &port);
		(void)stuff(&r, port);
		if (i == 1) /* DYING */
			send_shut(&r, port, SHUT_S | SHUT_R);
		while (i == 1 && r.m->conn[0].state == VC_OPEN)
			vsock_mux_tick(r.m);
		if (i == 2) /* FLUSH */
			send_op(&r, OP_RST, port);
		(void)close(fd);
		(void)rig_run(&r);
		ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
		if (i == 0)
			ck_takes_shut(&r, port, SHUT_S | SHUT_R);
		if (i == 0)
			send_shut(&r, port, SHUT_S | SHUT_R);
		if (i != 2)
			ck_takes(&r, OP_RST, port);
		ck_takes_nothing(&r);
		ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_guest_that_never_closes_its_side_is_reset_after_the_linger_whatever_it_sends)
{
	uint32_t port;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_S | SHUT_R);
	for (i = 0; i < VSOCK_LINGER_TICKS; i++) {
		send_op(&r, OP_UPDATE, port);
		ck_takes_nothing(&r);
		ck_assert(r.m->ticking);
		vsock_mux_tick(r.m);
	}
	ck_assert(!r.m->ticking);
	ck_takes(&r, OP_RST, port);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_time_does_nothing_to_a_healthy_connection)
{
	uint32_t port;
	struct rig r;
	int fd, i;

	rig_init(&r, false);
	fd = opened(&r, &port);
	for (i = 0; i < 600; i++)
		vsock_mux_tick(r.m);
	ck_assert(!r.m->ticking);
	ck_takes_nothing(&r);
	send_data(&r, port, "alive", 5);
	ck_hears(fd, "alive");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_that_wait_for_a_client_that_stops_reading_are_counted_as_taken)
{
	uint32_t port, n;
	char buf[8192];
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	n = stuff(&r, port);
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	/* noticed at the next write, once there is room for one */
	while (hear(fd, buf, sizeof(buf)) > 0)
		;
	(void)rig_run(&r);
	ck_assert_uint_eq(vsock_mux_unflushed(r.m), 0);
	ck_assert_uint_eq(r.m->conn[0].fwd_cnt, n);
	ck_takes_shut(&r, port, SHUT_R);
	say(fd, "still writes");
	(void)rig_run(&r);
	ck_takes_data(&r, "still writes");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_closes_with_the_guests_bytes_unread_is_an_end_and_not_an_error)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	send_data(&r, port, "unread", 6);
	say(fd, "bye");
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_data(&r, "bye");
	ck_takes_shut(&r, port, SHUT_S | SHUT_R);
	send_op(&r, OP_RST, port);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_stopped_reading_before_the_answer_still_has_its_bytes_delivered)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\nbytes");
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT);
	send_op(&r, OP_RESPONSE, VSOCK_HOST_PORT);
	(void)rig_run(&r);
	ck_takes_data(&r, "bytes");
	ck_takes_shut(&r, VSOCK_HOST_PORT, SHUT_R);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_megabyte_each_way_in_random_pieces_arrives_byte_exact)
{
	enum { TOTAL = 1 << 20 };
	static uint8_t up[TOTAL], down[TOTAL], got[TOTAL], room[VSOCK_BUF_SIZE];
	uint32_t sent = 0, heard = 0, said = 0, taken = 0, credit, fwd_seen = 0, port;
	struct vsock_hdr_host h;
	struct rig r;
	ssize_t n;
	int fd, i;

	srandom(7);
	for (i = 0; i < TOTAL; i++) {
		up[i] = (uint8_t)random();
		down[i] = (uint8_t)random();
	}
	rig_init(&r, false);
	r.alloc = 30000;
	fd = opened(&r, &port);
	small_sndbuf(&r, port);
	while (heard < TOTAL || taken < TOTAL) {
		uint32_t len = (uint32_t)random() % 9000 + 1;

		credit = VSOCK_BUF_SIZE - (sent - fwd_seen);
		len = (uint32_t)min_size(min_size(len, credit), TOTAL - sent);
		if (random() % 2 != 0 && len > 0)
			send_data(&r, port, up + sent, len), sent += len;
		n = hear(fd, got + heard, min_size((size_t)random() % 5000 + 1, TOTAL - heard));
		heard += n > 0 ? (uint32_t)n : 0;
		len = (uint32_t)min_size((size_t)random() % 7000 + 1, TOTAL - said);
		n = said < TOTAL ? send(fd, down + said, len, MSG_DONTWAIT) : 0;
		said += n > 0 ? (uint32_t)n : 0;
		(void)rig_run(&r);
		if (!take(&r, &h, room, (size_t)random() % 5000 + 1))
			continue;
		fwd_seen = h.fwd_cnt;
		ck_assert(h.op == OP_RW || h.op == OP_UPDATE || h.op == OP_ASK);
		ck_assert_uint_le(taken + h.len - r.fwd, r.alloc);
		ck_assert_int_eq(memcmp(room, down + taken, h.len), 0);
		taken += h.len;
		if (h.op == OP_ASK || random() % 4 == 0) {
			r.fwd = taken - (uint32_t)random() % (taken - r.fwd + 1);
			send_op(&r, OP_UPDATE, port);
		}
	}
	ck_assert_int_eq(memcmp(got, up, TOTAL), 0);
	ck_assert_uint_eq(taken, TOTAL);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_guest_may_use_all_its_credit_and_not_a_byte_more,
		test_a_packet_longer_than_the_whole_buffer_resets,
		test_the_guest_is_told_of_room_when_half_its_window_was_taken,
		test_the_host_keeps_to_the_guests_credit_asks_once_and_goes_on_when_told,
		test_credit_counters_wrap_and_absurd_figures_do_no_harm,
		test_a_guest_that_asks_while_the_host_waits_for_credit_is_answered,
		test_a_read_that_just_empties_the_client_is_not_its_end,
		test_connections_take_turns,
		test_nothing_spins_while_the_guest_gives_no_buffers,
		test_half_close_by_the_guest_flushes_then_ends_the_clients_input_only,
		test_half_close_by_the_client_is_told_after_its_last_byte,
		test_a_guest_that_receives_no_more_gives_the_client_epipe,
		test_a_client_that_reads_no_more_gives_the_guest_shutdown_rcv_and_may_go_on_writing,
		test_close_by_the_guest_flushes_every_byte_then_rst,
		test_close_by_the_guest_with_nothing_waiting_is_answered_at_once,
		test_a_slow_client_outlives_the_linger_and_loses_no_byte,
		test_a_slow_client_sees_its_end_though_the_guest_has_no_room_for_the_rst,
		test_what_was_taken_from_the_guest_is_delivered_after_its_rst_and_after_a_reset,
		test_a_client_that_goes_while_bytes_wait_ends_the_connection_in_every_state,
		test_a_guest_that_never_closes_its_side_is_reset_after_the_linger_whatever_it_sends,
		test_time_does_nothing_to_a_healthy_connection,
		test_bytes_that_wait_for_a_client_that_stops_reading_are_counted_as_taken,
		test_a_client_that_closes_with_the_guests_bytes_unread_is_an_end_and_not_an_error,
		test_a_client_that_stopped_reading_before_the_answer_still_has_its_bytes_delivered,
		test_a_megabyte_each_way_in_random_pieces_arrives_byte_exact,
	};

	return suite_run("vsock_conn", tests, ARRAY_SIZE(tests));
}

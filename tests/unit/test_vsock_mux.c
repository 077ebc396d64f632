// SPDX-License-Identifier: Apache-2.0
/*
 * devices/vsock_mux: who is connected to whom, what is refused, bounds and configuration.
 */
#include "tests/unit/vsock_rig.h"

/* --- host to guest: CONNECT --- */

START_TEST(test_a_client_is_connected_and_bytes_flow_both_ways)
{
	uint32_t port;
	struct rig r;
	int fd;

	rig_init(&r, false);
	/* a client that is gone before it is accepted must not hold up the loop */
	ck_assert_int_ne(fcntl(r.m->listen_fd, F_GETFL) & O_NONBLOCK, 0);
	fd = opened(&r, &port);
	ck_assert_uint_eq(port, 1073741824);
	say(fd, "to the guest");
	(void)rig_run(&r);
	ck_takes_data(&r, "to the guest");
	send_data(&r, port, "to the host", 11);
	ck_hears(fd, "to the host");
	ck_assert(!vsock_mux_ready(r.m));
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_line_may_come_in_pieces_and_what_follows_it_is_the_streams)
{
	static const char text[] = "CONNECT 1024\nearly";
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	for (i = 0; i < 12; i++) {
		ck_assert_int_eq(write_full(fd, text + i, 1), 0);
		(void)rig_run(&r);
		ck_takes_nothing(&r);
	}
	say(fd, text + 12);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	send_op(&r, OP_RESPONSE, 1073741824);
	(void)rig_run(&r);
	ck_takes_data(&r, "early");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_malformed_line_closes_the_client_without_an_answer)
{
	static const char *const bad[] = { "\n",
					   "CONNECT\n",
					   "CONNECT \n",
					   "CONNECT x\n",
					   "CONNECT 10 \n",
					   "CONNECT 10\r\n",
					   "CONNECT -1\n",
					   "CONNECT  1\n",
					   "CONNECT 4294967296\n",
					   "CONNECT 99999999999999999999999\n",
					   "connect 1024\n",
					   "OPENING 1024\n",
					   "CONNECT 000000000000000000001024\n",
					   "32 bytes of a line without end.." };
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = dial(&r);

		say(fd, bad[i]);
		(void)rig_run(&r);
		ck_closed(fd);
		ck_takes_nothing(&r);
		(void)close(fd);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_longest_line_of_32_bytes_and_the_highest_port_are_taken)
{
	struct vsock_hdr_host h;
	char buf[8];
	struct rig r;
	int fd[2];

	rig_init(&r, false);
	fd[0] = dial(&r);
	say(fd[0], "CONNECT 00000000000000000001024\n");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	fd[1] = dial(&r);
	say(fd[1], "CONNECT 4294967295\n");
	(void)rig_run(&r);
	ck_assert(take(&r, &h, buf, sizeof(buf)));
	ck_assert_uint_eq(h.dst_port, UINT32_MAX);
	(void)close(fd[0]);
	(void)close(fd[1]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_silent_and_slow_clients_do_not_hold_up_others)
{
	uint32_t port;
	struct rig r;
	int quiet[8], fd, i;

	rig_init(&r, false);
	for (i = 0; i < 8; i++) {
		quiet[i] = dial(&r);
		if (i % 2 != 0)
			say(quiet[i], "CONN");
	}
	fd = opened(&r, &port);
	ck_assert_int_eq(rig_run(&r), 0);
	(void)close(fd);
	for (i = 0; i < 8; i++)
		(void)close(quiet[i]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_refusal_by_the_guest_closes_the_client_without_an_answer)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\nx");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	ck_quiet(fd);
	send_op(&r, OP_RST, 1073741824);
	ck_closed(fd);
	ck_takes_nothing(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_connect_is_held_until_the_guest_has_room_and_survives_a_reset)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\n");
	(void)rig_run(&r);
	vsock_mux_reset(r.m);
	ck_assert_int_eq(rig_run(&r), 0);
	ck_quiet(fd);
	ck_takes(&r, OP_REQUEST, 1073741824);
	send_op(&r, OP_RESPONSE, 1073741824);
	ck_hears(fd, "OK 1073741824\n");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_client_that_leaves_early_is_forgotten_before_and_reset_after_the_request)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\n");
	(void)rig_run(&r);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_nothing(&r);
	fd = dial(&r);
	say(fd, "CONNECT 1024\n");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824 + 1024);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes(&r, OP_RST, 1073741824 + 1024);
	ck_takes_nothing(&r);
	fd = dial(&r);
	(void)rig_run(&r);
	(void)close(fd);
	(void)rig_run(&r);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_a_client_left_before_it_went_are_delivered)
{
	struct rig r;
	int fd;

	rig_init(&r, false);
	fd = dial(&r);
	say(fd, "CONNECT 1024\nlast words");
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, 1073741824);
	(void)rig_run(&r);
	send_op(&r, OP_RESPONSE, 1073741824);
	(void)rig_run(&r);
	ck_takes_data(&r, "last words");
	ck_takes_shut(&r, 1073741824, SHUT_R | SHUT_S);
	send_op(&r, OP_RST, 1073741824);
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

START_TEST(test_host_ports_are_unique_among_live_connections_and_not_reused_at_once)
{
	uint32_t port[3], again;
	struct rig r;
	int fd[3], i;

	rig_init(&r, false);
	for (i = 0; i < 3; i++)
		fd[i] = opened(&r, &port[i]);
	ck_assert(port[0] != port[1] && port[1] != port[2] && port[0] != port[2]);
	send_op(&r, OP_RST, port[1]);
	(void)close(fd[1]);
	fd[1] = opened(&r, &again);
	ck_assert(again != port[0] && again != port[1] && again != port[2]);
	ck_assert_uint_eq(again >> 30, 1);
	send_op(&r, OP_RST, port[0]);
	ck_closed(fd[0]);
	(void)close(fd[0]);
	r.m->conn[0].gen = UINT32_MAX; /* as after 2^32 - 1 uses of the slot */
	for (i = 0; i < 2; i++) {
		fd[0] = opened(&r, &again);
		ck_assert_uint_eq(again, VSOCK_HOST_PORT | (i == 0 ? 0xfffffu << 10 : 0));
		send_op(&r, OP_RST, again);
		if (i == 0)
			(void)close(fd[0]);
	}
	for (i = 0; i < 3; i++)
		(void)close(fd[i]);
	rig_fini(&r);
}
END_TEST

/* --- guest to host --- */

START_TEST(test_the_control_port_takes_one_connection_and_then_none)
{
	struct vsock_hdr_host h;
	struct rig r;

	rig_init(&r, false);
	say(r.control, "hello");
	ck_assert_int_eq(rig_run(&r), 0);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RESPONSE, CONTROL);
	(void)rig_run(&r);
	ck_takes_data(&r, "hello");
	send_data(&r, CONTROL, "ready", 5);
	ck_hears(r.control, "ready");

	h = header(&r, OP_REQUEST, CONTROL);
	h.src_port = GPORT + 1;
	send_raw(&r, &h, "");
	ck_assert(take(&r, &h, NULL, 0));
	ck_assert_uint_eq(h.op, OP_RST);
	ck_assert_uint_eq(h.dst_port, GPORT + 1);

	send_op(&r, OP_RST, CONTROL);
	ck_closed(r.control);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RST, CONTROL);
	vsock_mux_reset(r.m);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RST, CONTROL);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_reset_before_the_control_port_was_used_leaves_it_open)
{
	struct rig r;

	rig_init(&r, false);
	vsock_mux_reset(r.m);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RESPONSE, CONTROL);
	vsock_mux_reset(r.m);
	ck_closed(r.control);
	rig_fini(&r);
}
END_TEST

START_TEST(test_without_a_path_every_other_port_is_refused)
{
	static const uint32_t port[] = { 0, 1, 22, 1024, CONTROL + 1, VSOCK_HOST_PORT, 0x80000000, UINT32_MAX };
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(port); i++) {
		send_op(&r, OP_REQUEST, port[i]);
		ck_takes(&r, OP_RST, port[i]);
	}
	ck_assert_uint_eq(r.m->conn[0].state, VC_FREE);
	rig_fini(&r);
}
END_TEST

static int listen_at(const struct rig *r, uint32_t port)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.30s/s_%u", r->dir, port);
	(void)unlink(sa.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

START_TEST(test_without_a_path_no_file_name_is_made_up)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "_1024" };
	int cwd = open(".", O_RDONLY | O_CLOEXEC), srv;
	struct rig r;

	rig_init(&r, true); /* for its folder */
	ck_assert_int_eq(chdir(r.dir), 0);
	srv = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(srv, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(srv, 1), 0);
	r.m->path[0] = '\0';
	send_op(&r, OP_REQUEST, GPORT);
	ck_takes(&r, OP_RST, GPORT);
	(void)unlink(sa.sun_path);
	(void)close(srv);
	ck_assert_int_eq(fchdir(cwd), 0);
	rig_fini(&r);
	(void)close(cwd);
}
END_TEST

START_TEST(test_with_a_path_the_guest_reaches_who_listens_there_and_nobody_else)
{
	char name[64];
	struct rig r;
	int srv, fd;

	rig_init(&r, true);
	srv = listen_at(&r, GPORT);
	send_op(&r, OP_REQUEST, GPORT);
	ck_takes(&r, OP_RESPONSE, GPORT);
	fd = accept(srv, NULL, NULL);
	send_data(&r, GPORT, "from the guest", 14);
	ck_hears(fd, "from the guest");
	say(fd, "back");
	(void)rig_run(&r);
	ck_takes_data(&r, "back");
	(void)close(fd);
	send_op(&r, OP_REQUEST, GPORT + 1);
	ck_takes(&r, OP_RST, GPORT + 1);
	(void)close(srv);

	srv = listen_at(&r, VSOCK_HOST_PORT);
	send_op(&r, OP_REQUEST, VSOCK_HOST_PORT);
	ck_takes(&r, OP_RST, VSOCK_HOST_PORT);
	(void)snprintf(name, sizeof(name), "%s/s_%u", r.dir, VSOCK_HOST_PORT);
	(void)unlink(name);
	(void)close(srv);
	rig_fini(&r);
}
END_TEST

START_TEST(test_connections_to_one_port_are_told_apart_by_the_guests)
{
	enum { N = 200 };
	struct vsock_hdr_host h;
	uint32_t i, got;
	struct rig r;
	int srv, fd[N];

	rig_init(&r, true);
	srv = listen_at(&r, GPORT);
	for (i = 0; i < N; i++) {
		h = header(&r, OP_REQUEST, GPORT);
		h.src_port = 5000 + i;
		send_raw(&r, &h, "");
		ck_assert(take(&r, &h, NULL, 0) && h.op == OP_RESPONSE && h.dst_port == 5000 + i);
		fd[i] = accept(srv, NULL, NULL);
	}
	for (i = 0; i < N; i++) {
		h = header(&r, OP_RW, GPORT);
		h.src_port = 5000 + i;
		h.len = sizeof(i);
		send_raw(&r, &h, &i);
	}
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(hear(fd[i], &got, sizeof(got)), sizeof(got));
		ck_assert_uint_eq(got, i);
		/* leaves the hash from the middle of its chain */
		h = header(&r, OP_RST, GPORT);
		h.src_port = 5000 + i;
		send_raw(&r, &h, "");
		ck_closed(fd[i]);
		(void)close(fd[i]);
	}
	(void)close(srv);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_listener_with_a_full_backlog_refuses_and_does_not_block)
{
	struct vsock_hdr_host h;
	struct rig r;
	bool refused = false;
	uint32_t i;
	int srv;

	rig_init(&r, true);
	srv = listen_at(&r, GPORT);
	for (i = 0; i < 40 && !refused; i++) {
		h = header(&r, OP_REQUEST, GPORT);
		h.src_port = 5000 + i;
		send_raw(&r, &h, "");
		ck_assert(take(&r, &h, NULL, 0));
		refused = h.op == OP_RST;
	}
	ck_assert(refused);
	(void)close(srv);
	rig_fini(&r);
}
END_TEST

/* --- packets that belong nowhere --- */

START_TEST(test_packets_for_others_from_others_or_of_another_type_are_refused_by_their_mirror)
{
	struct vsock_hdr_host bad[5], h;
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = header(&r, OP_REQUEST, CONTROL);
	bad[0].dst_cid = 1;
	bad[1].dst_cid = CID;
	bad[2].dst_cid = VSOCK_HOST_CID | 1ULL << 32;
	bad[3].src_cid = CID + 1;
	bad[4].type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		send_raw(&r, &bad[i], "");
		ck_assert(take(&r, &h, NULL, 0));
		ck_assert_uint_eq(h.op, OP_RST);
		ck_assert_uint_eq(h.src_cid, bad[i].dst_cid);
		ck_assert_uint_eq(h.dst_cid, bad[i].src_cid);
		ck_assert_uint_eq(h.src_port, bad[i].dst_port);
		ck_assert_uint_eq(h.dst_port, bad[i].src_port);
		ck_assert_uint_eq(h.type, bad[i].type);
		bad[i].op = OP_RST;
		send_raw(&r, &bad[i], "");
		ck_takes_nothing(&r);
	}
	/* none of them used up the control port */
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RESPONSE, CONTROL);
	rig_fini(&r);
}
END_TEST

START_TEST(test_packets_for_no_connection_are_answered_rst_except_rst)
{
	static const uint16_t ops[] = { 0, OP_RESPONSE, OP_SHUTDOWN, OP_RW, OP_UPDATE, OP_ASK, 8, 0xffff };
	struct rig r;
	size_t i;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		send_op(&r, ops[i], 4000);
		ck_takes(&r, OP_RST, 4000);
	}
	send_op(&r, OP_RST, 4000);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_refusals_that_wait_for_room_are_bounded)
{
	struct vsock_hdr_host h;
	struct rig r;
	uint32_t i;

	rig_init(&r, false);
	for (i = 0; i < 4 * VSOCK_RSTS_MAX; i++)
		send_op(&r, OP_RW, 4000 + i);
	for (i = 0; i < VSOCK_RSTS_MAX; i++)
		ck_takes(&r, OP_RST, 4000 + i);
	ck_assert(!take(&r, &h, NULL, 0));
	send_op(&r, OP_RW, 9);
	vsock_mux_reset(r.m);
	ck_takes_nothing(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_packet_of_the_wrong_kind_resets_its_connection)
{
	static const uint16_t ops[] = { 0, OP_REQUEST, OP_RESPONSE, 8, 0xffff };
	uint32_t port;
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		fd = opened(&r, &port);
		send_op(&r, ops[i], port);
		ck_closed(fd);
		/* what comes before the guest has seen the RST is not answered again */
		send_op(&r, OP_RW, port);
		ck_takes(&r, OP_RST, port);
		ck_takes_nothing(&r);
		(void)close(fd);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_before_its_response_only_response_or_rst_is_taken)
{
	static const uint16_t ops[] = { 0, OP_REQUEST, OP_SHUTDOWN, OP_RW, OP_UPDATE, OP_ASK, 8 };
	struct vsock_hdr_host h;
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		fd = dial(&r);
		say(fd, "CONNECT 1024\n");
		(void)rig_run(&r);
		/* guessed before the REQUEST: the connection is not the guest's yet */
		send_op(&r, OP_RESPONSE, VSOCK_HOST_PORT | (r.m->conn[0].gen & 0xfffff) << 10);
		ck_assert(take(&r, &h, NULL, 0) && h.op == OP_RST);
		ck_assert(take(&r, &h, NULL, 0) && h.op == OP_REQUEST);
		send_op(&r, ops[i], h.src_port);
		ck_closed(fd);
		ck_takes(&r, OP_RST, h.src_port);
		(void)close(fd);
	}
	rig_fini(&r);
}
END_TEST

/* --- bounds --- */

static void many_fds(void)
{
	struct rlimit l;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = l.rlim_max < 4096 ? l.rlim_max : 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
}

START_TEST(test_a_full_table_makes_clients_wait_and_refuses_the_guest)
{
	static int fd[VSOCK_CONNS_MAX + 2];
	struct rig r;
	int i;

	many_fds();
	rig_init(&r, false);
	for (i = 0; i < VSOCK_CONNS_MAX + 2; i++) {
		fd[i] = dial(&r);
		say(fd[i], "CONNECT 1024\n");
		(void)rig_run(&r);
	}
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert(r.m->listen_off);
	send_op(&r, OP_REQUEST, CONTROL);
	ck_takes(&r, OP_RST, CONTROL);
	for (i = 0; i < VSOCK_CONNS_MAX; i++)
		ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | i);
	ck_takes_nothing(&r);
	/* a slot freed: the next client has it, under a new port */
	send_op(&r, OP_RST, VSOCK_HOST_PORT | 5);
	ck_closed(fd[5]);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 1 << 10 | 5);
	ck_assert(r.m->listen_off);
	(void)close(fd[7]);
	(void)rig_run(&r);
	ck_takes(&r, OP_RST, VSOCK_HOST_PORT | 7);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 1 << 10 | 7);
	/* every one is still found by its ports */
	for (i = 0; i < VSOCK_CONNS_MAX; i++)
		if (i != 5 && i != 7)
			send_op(&r, OP_RESPONSE, VSOCK_HOST_PORT | i);
	ck_takes_nothing(&r);
	for (i = 0; i < VSOCK_CONNS_MAX + 2; i++)
		if (i != 7)
			(void)close(fd[i]);
	rig_fini(&r);
}
END_TEST

START_TEST(test_thousands_of_connections_one_after_another_leave_nothing_behind)
{
	uint32_t port, i;
	struct rig r;
	int fd;

	rig_init(&r, false);
	for (i = 0; i < LOOP_SOURCES_MAX + 10; i++) {
		fd = opened(&r, &port);
		ck_assert_uint_eq(port, VSOCK_HOST_PORT | i << 10);
		send_op(&r, OP_RST, port);
		(void)close(fd);
	}
	ck_assert_uint_eq(r.m->used, 1);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_buffer_gives_its_memory_back_when_its_client_is_gone)
{
	unsigned char page[VSOCK_BUF_SIZE / 4096];
	uint32_t port;
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, false);
	fd = opened(&r, &port);
	(void)stuff(&r, port);
	ck_assert_int_eq(mincore(r.m->buf, VSOCK_BUF_SIZE, page), 0);
	ck_assert(page[0] & 1);
	(void)close(fd);
	(void)rig_run(&r);
	ck_takes_shut(&r, port, SHUT_R | SHUT_S);
	ck_assert_int_eq(mincore(r.m->buf, VSOCK_BUF_SIZE, page), 0);
	for (i = 0; i < ARRAY_SIZE(page); i++)
		ck_assert(!(page[i] & 1));
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_host_without_fds_is_asked_again_every_second)
{
	struct rlimit l, low;
	uint32_t port;
	struct rig r;
	int fd, next, other;

	rig_init(&r, false);
	other = opened(&r, &port);
	fd = dial(&r);
	next = dup(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	low = l;
	low.rlim_cur = (rlim_t)next;
	(void)close(next);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	next = dup(fd); /* the last one */
	(void)rig_run(&r);
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert(r.m->ticking);
	/* a slot that becomes free is no reason to try */
	send_op(&r, OP_RST, port);
	ck_assert_int_eq(loop_step(r.loop, 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	vsock_mux_tick(r.m);
	(void)close(fd);
	(void)close(other);
	if (next >= 0)
		(void)close(next);
	fd = opened(&r, &port);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_reset_ends_every_kind_of_connection_and_queues_nothing)
{
	uint32_t port[2];
	struct rig r;
	int fd[4], i;

	rig_init(&r, false);
	fd[0] = opened(&r, &port[0]);
	fd[1] = opened(&r, &port[1]);
	fd[2] = dial(&r);
	say(fd[2], "CONNECT 1024\n");
	fd[3] = dial(&r);
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 2);
	say(fd[0], "in flight");
	send_op(&r, 99, port[1]); /* DYING */
	(void)rig_run(&r);
	vsock_mux_reset(r.m);
	for (i = 0; i < 3; i++)
		ck_closed(fd[i]);
	ck_takes_nothing(&r);
	/* one whose line was not complete has lost nothing */
	ck_quiet(fd[3]);
	say(fd[3], "CONNECT 1024\n");
	(void)rig_run(&r);
	ck_takes(&r, OP_REQUEST, VSOCK_HOST_PORT | 3);
	for (i = 0; i < 4; i++)
		(void)close(fd[i]);
	rig_fini(&r);
}
END_TEST

/* --- configuration --- */

START_TEST(test_configurations_that_cannot_work_are_refused_with_the_way_out)
{
	char longest[98], too_long[99];
	const struct vsock_config bad[] = {
		{ .cid = 2, .listen_fd = -1, .control_fd = -1 },
		{ .cid = UINT32_MAX, .listen_fd = -1, .control_fd = -1 },
		{ .cid = 3, .listen_fd = -1, .control_fd = -1, .path = "" },
		{ .cid = 3, .listen_fd = -1, .control_fd = -1, .path = too_long },
		{ .cid = 3, .listen_fd = -1, .control_fd = 0, .control_port = VSOCK_HOST_PORT + 5 },
		{ .cid = 3, .listen_fd = 9999, .control_fd = -1 },
	};
	struct vsock_config good = { .cid = 3, .listen_fd = -1, .control_fd = -1, .path = longest };
	int fds = count_fds();
	struct vsock_mux *m;
	struct loop *loop;
	struct err e;
	size_t i;

	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	memcpy(longest, too_long + 1, sizeof(longest));
	longest[96] = '\0';
	ck_assert_int_eq(loop_new(&loop), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct err){ 0 };
		ck_assert_int_lt(vsock_mux_new(&m, &bad[i], loop, &rig_ops, NULL, &e), 0);
		ck_assert_int_ne(e.code, 0);
		ck_assert_ptr_nonnull(strstr(e.text, "vsock: "));
	}
	ck_assert_int_eq(vsock_mux_new(&m, &good, loop, &rig_ops, NULL, &e), 0);
	vsock_mux_free(m);
	vsock_mux_free(NULL);
	loop_free(loop);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_client_is_connected_and_bytes_flow_both_ways,
		test_a_line_may_come_in_pieces_and_what_follows_it_is_the_streams,
		test_a_malformed_line_closes_the_client_without_an_answer,
		test_the_longest_line_of_32_bytes_and_the_highest_port_are_taken,
		test_silent_and_slow_clients_do_not_hold_up_others,
		test_a_refusal_by_the_guest_closes_the_client_without_an_answer,
		test_a_connect_is_held_until_the_guest_has_room_and_survives_a_reset,
		test_a_client_that_leaves_early_is_forgotten_before_and_reset_after_the_request,
		test_bytes_a_client_left_before_it_went_are_delivered,
		test_host_ports_are_unique_among_live_connections_and_not_reused_at_once,
		test_the_control_port_takes_one_connection_and_then_none,
		test_a_reset_before_the_control_port_was_used_leaves_it_open,
		test_without_a_path_every_other_port_is_refused,
		test_without_a_path_no_file_name_is_made_up,
		test_with_a_path_the_guest_reaches_who_listens_there_and_nobody_else,
		test_connections_to_one_port_are_told_apart_by_the_guests,
		test_a_listener_with_a_full_backlog_refuses_and_does_not_block,
		test_packets_for_others_from_others_or_of_another_type_are_refused_by_their_mirror,
		test_packets_for_no_connection_are_answered_rst_except_rst,
		test_refusals_that_wait_for_room_are_bounded,
		test_a_packet_of_the_wrong_kind_resets_its_connection,
		test_before_its_response_only_response_or_rst_is_taken,
		test_a_full_table_makes_clients_wait_and_refuses_the_guest,
		test_thousands_of_connections_one_after_another_leave_nothing_behind,
		test_a_buffer_gives_its_memory_back_when_its_client_is_gone,
		test_a_host_without_fds_is_asked_again_every_second,
		test_a_reset_ends_every_kind_of_connection_and_queues_nothing,
		test_configurations_that_cannot_work_are_refused_with_the_way_out,
	};

	return suite_run("vsock_mux", tests, ARRAY_SIZE(tests));
}

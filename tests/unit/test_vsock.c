// SPDX-License-Identifier: Apache-2.0
/*
 * virtio/vsock: the front-end with a fake driver, honest and hostile, from rings to unix sockets and back. The
 * connections' own rules are tested in test_vsock_mux.c and test_vsock_conn.c, threads in test_vsock_threads.c.
 */
#include "tests/unit/vsock_guest.h"

/* --- the parser --- */

START_TEST(test_parse_fails_on_every_prefix_and_on_a_length_past_the_chain)
{
	struct virtio_vsock_hdr w = { .src_cid = 1ULL << 40 | 3,
				      .dst_cid = 2,
				      .src_port = 0x01020304,
				      .dst_port = 7,
				      .len = 5,
				      .type = 1,
				      .op = 5,
				      .flags = 3,
				      .buf_alloc = 9,
				      .fwd_cnt = 0xfffffff0 };
	uint8_t buf[HDR + 5];
	struct vsock_hdr_host h;
	struct iovec v[2];
	struct giov g;
	size_t n;

	memcpy(buf, &w, HDR);
	memset(buf + HDR, 0x5a, 5);
	for (n = 0; n <= sizeof(buf); n++) {
		v[0] = (struct iovec){ buf, n / 2 };
		v[1] = (struct iovec){ buf + n / 2, n - n / 2 };
		g = giov_init(v, 2);
		ck_assert_int_eq(vsock_parse(&g, &h), n == sizeof(buf) ? 0 : -EPROTO);
	}
	ck_assert_uint_eq(g.left, 5);
	ck_assert_uint_eq(h.src_cid, 1ULL << 40 | 3);
	ck_assert_uint_eq(h.dst_cid, 2);
	ck_assert_uint_eq(h.src_port, 0x01020304);
	ck_assert_uint_eq(h.dst_port, 7);
	ck_assert_uint_eq(h.len, 5);
	ck_assert_uint_eq(h.type, 1);
	ck_assert_uint_eq(h.op, 5);
	ck_assert_uint_eq(h.flags, 3);
	ck_assert_uint_eq(h.buf_alloc, 9);
	ck_assert_uint_eq(h.fwd_cnt, 0xfffffff0);
	w.len = UINT32_MAX;
	memcpy(buf, &w, HDR);
	v[0] = (struct iovec){ buf, sizeof(buf) };
	g = giov_init(v, 1);
	ck_assert_int_eq(vsock_parse(&g, &h), -EPROTO);
}
END_TEST

/* --- honest --- */

START_TEST(test_the_device_says_what_it_is)
{
	struct virtio_vsock_config c;
	struct rig r;

	rig_init(&r, true);
	probe(&r, ~0ULL & ~(1ULL << 33), 0);
	ck_assert_uint_eq(fake_drv_get(&r.drv, VIRTIO_MMIO_DEVICE_ID), 19);
	ck_assert_uint_eq(r.drv.nqueues, 3);
	ck_assert_uint_eq(r.drv.q[RX].size, 64);
	ck_assert_uint_eq(r.drv.features, FEATURES);
	fake_drv_config(&r.drv, 0, &c, sizeof(c));
	ck_assert_uint_eq(c.guest_cid, CID);
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_flow_both_ways_with_every_kind_of_ring)
{
	static const uint64_t features[] = { FAKE_VERSION_1, FAKE_VERSION_1 | FAKE_EVENT_IDX,
					     FAKE_VERSION_1 | FAKE_INDIRECT, FEATURES };
	struct virtio_vsock_hdr h;
	char buf[4096];
	struct rig r;
	size_t i;
	int fd, bells;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		for (bells = 0; bells < 2; bells++) {
			rig_init(&r, bells != 0);
			r.how = (features[i] & FAKE_INDIRECT) != 0 ? FAKE_TABLE : FAKE_DIRECT;
			probe(&r, features[i], 8);
			fake_drv_want_irq(&r.drv, RX);
			fd = opened(&r);
			ck_assert_uint_gt(fake_irqs(&r.vm, 0), 0);
			ck_assert_int_eq(write_full(fd, "to the guest", 12), 0);
			run(&r);
			ck_assert(recv_packet(&r, &h, buf, sizeof(buf)));
			ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RW);
			ck_assert_uint_eq(h.len, 12);
			ck_assert_int_eq(memcmp(buf, "to the guest", 12), 0);
			send_data(&r, 1 << 30, "to the host", 11);
			ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 11);
			ck_assert_int_eq(memcmp(buf, "to the host", 11), 0);
			(void)close(fd);
			rig_fini(&r);
		}
	}
}
END_TEST

START_TEST(test_a_connect_before_the_driver_comes_is_held_until_it_has_buffers)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	fd = dial(&r);
	run(&r);
	probe(&r, FEATURES, 0);
	run(&r);
	post(&r, r.rx_pool, RX_LEN);
	(void)fake_drv_kick(&r.drv, RX);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_buffers_and_packets_posted_before_driver_ok_are_found_without_a_kick)
{
	struct virtio_vsock_hdr h;
	struct rig r;
	unsigned int q;

	rig_init(&r, true);
	ck_assert_int_eq(fake_drv_init(&r.drv, &r.vm, 0), 0);
	ck_assert_int_eq(fake_drv_features(&r.drv, FEATURES), 0);
	for (q = 0; q < 3; q++)
		ck_assert_int_eq(fake_drv_queue(&r.drv, q, 16), 0);
	post(&r, r.rx_pool, RX_LEN);
	wire(&r, &h, VIRTIO_VSOCK_OP_REQUEST, CONTROL, 0);
	put(&r, &h, NULL, 0);
	ck_assert_int_eq(fake_drv_ok(&r.drv), 0);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_RESPONSE, CONTROL);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_buffer_that_was_not_needed_is_kept_for_the_next_packet)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 0);
	/* in the queue for the guest, but gone when there is room */
	fd = dial(&r);
	run(&r);
	(void)close(fd);
	run(&r);
	post(&r, r.rx_pool, RX_LEN);
	(void)fake_drv_kick(&r.drv, RX);
	run(&r);
	fd = dial(&r);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30 | 1 << 10);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_each_direction_interrupts_when_asked_to)
{
	struct virtio_vsock_hdr h;
	struct rig r;
	int fd, events;

	for (events = 0; events < 2; events++) {
		rig_init(&r, true);
		probe(&r, events != 0 ? FEATURES : FAKE_VERSION_1, 8);
		fd = opened(&r);
		fake_drv_no_irq(&r.drv, TX);
		fake_drv_want_irq(&r.drv, RX);
		(void)fake_irqs(&r.vm, 0);
		ck_assert_int_eq(write_full(fd, "data", 4), 0);
		run(&r);
		ck_assert_uint_eq(fake_irqs(&r.vm, 0), 1);
		fake_drv_no_irq(&r.drv, RX);
		fake_drv_want_irq(&r.drv, TX);
		wire(&r, &h, VIRTIO_VSOCK_OP_RST, 9, 0); /* needs no answer */
		put(&r, &h, NULL, 0);
		(void)fake_drv_kick(&r.drv, TX);
		run(&r);
		ck_assert_uint_eq(fake_irqs(&r.vm, 0), 1);
		(void)close(fd);
		rig_fini(&r);
	}
}
END_TEST

START_TEST(test_a_batch_that_uses_up_the_receive_ring_goes_on_at_the_next_buffer)
{
	struct virtio_vsock_hdr h;
	static char buf[RX_LEN];
	unsigned int i;
	uint16_t head;
	uint32_t len;
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	fd = opened(&r);
	ck_assert(!recv_packet(&r, &h, NULL, 0));
	/* its buffer first, then 63 more of 100 bytes: filled in one batch, which asks for no notification */
	for (i = 0; i < 63; i++)
		post(&r, r.rx_pool + (i + 1) * RX_LEN, HDR + 100);
	(void)fake_drv_kick(&r.drv, RX);
	memset(buf, 'x', sizeof(buf));
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(write_full(fd, buf, RX_LEN), 0);
	run(&r);
	for (i = 0; i < 64; i++)
		ck_assert(fake_drv_used(&r.drv, RX, &head, &len));
	for (i = 0; i < 10; i++) {
		post(&r, r.rx_pool, HDR + 100);
		(void)fake_drv_kick(&r.drv, RX);
		run(&r);
		ck_assert(fake_drv_used(&r.drv, RX, &head, &len) && len == HDR + 100);
	}
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_the_event_queue_is_left_alone)
{
	struct fake_buf b;
	uint16_t head;
	uint32_t len;
	struct rig r;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	b = (struct fake_buf){ r.tx_pool, 4, true };
	ck_assert_int_ge(fake_drv_add(&r.drv, 2, &b, 1, FAKE_DIRECT), 0);
	fake_drv_force_kick(&r.drv, 2);
	run(&r);
	ck_assert(!fake_drv_used(&r.drv, 2, &head, &len));
	ck_assert(!fake_drv_needs_reset(&r.drv));
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_flood_of_packets_is_taken_in_batches_and_none_is_forgotten)
{
	struct virtio_vsock_hdr h;
	unsigned int got = 0, i, n;
	struct rig r;

	rig_init(&r, true);
	probe(&r, FEATURES, 32);
	for (i = 0; i < 64; i++) {
		wire(&r, &h, VIRTIO_VSOCK_OP_RW, 4000 + i, 0);
		put(&r, &h, NULL, 0);
		/* the pool's slots are reused, so send before they come round */
		if (i % TX_SLOTS == TX_SLOTS - 1) {
			(void)fake_drv_kick(&r.drv, TX);
			run(&r);
			ck_assert_uint_eq(reap(&r), TX_SLOTS);
		}
	}
	run(&r);
	while (recv_packet(&r, &h, NULL, 0)) {
		ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RST);
		ck_assert_uint_eq(h.src_port, 4000 + got++);
		run(&r);
	}
	ck_assert_uint_eq(got, 64);
	/* full rings, each a whole batch (of equal packets: the pool's slots come round); single ones between are
	 * kicked */
	for (i = 0; i < 6; i++) {
		for (n = 0; n < (i % 2 == 0 ? 64 : 1); n++) {
			wire(&r, &h, VIRTIO_VSOCK_OP_RST, 9, 0);
			put(&r, &h, NULL, 0);
		}
		(void)fake_drv_kick(&r.drv, TX);
		run(&r);
		ck_assert_uint_eq(reap(&r), n);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_stream_larger_than_a_batch_reaches_the_guest_whole)
{
	enum { TOTAL = 400 * 1024 };
	static uint8_t data[TOTAL], buf[4096];
	struct virtio_vsock_hdr h;
	uint32_t got = 0, said = 0;
	struct rig r;
	ssize_t n;
	int fd;

	rig_init(&r, true);
	r.alloc = 1 << 20;
	probe(&r, FEATURES, 64);
	for (n = 0; n < TOTAL; n++)
		data[n] = (uint8_t)(n * 7 >> 2);
	fd = opened(&r);
	while (got < TOTAL) {
		n = send(fd, data + said, TOTAL - said, MSG_DONTWAIT);
		said += n > 0 ? (uint32_t)n : 0;
		run(&r);
		while (recv_packet(&r, &h, buf, sizeof(buf))) {
			ck_assert_int_eq(memcmp(buf, data + got, h.len), 0);
			got += h.len;
		}
	}
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_megabyte_each_way_in_random_pieces_with_a_slow_reader_and_few_buffers)
{
	enum { TOTAL = 1 << 20 };
	static uint8_t up[TOTAL], down[TOTAL], buf[8192];
	uint32_t heard = 0, said = 0, taken = 0, len;
	struct virtio_vsock_hdr h;
	struct rig r;
	ssize_t n;
	int fd, i;

	srandom(11);
	for (i = 0; i < TOTAL; i++) {
		up[i] = (uint8_t)random();
		down[i] = (uint8_t)random();
	}
	rig_init(&r, true);
	r.how = FAKE_TABLE;
	r.alloc = 20000;
	probe(&r, FEATURES, 3);
	fd = opened(&r);
	r.sent = 0;
	while (heard < TOTAL || taken < TOTAL) {
		len = (uint32_t)min_size((size_t)random() % 20000, VSOCK_BUF_SIZE - (r.sent - r.peer_fwd));
		len = (uint32_t)min_size(len, TOTAL - r.sent);
		if (len > 0)
			send_data(&r, 1 << 30, up + r.sent, len);
		n = recv(fd, buf, (size_t)random() % sizeof(buf) + 1, MSG_DONTWAIT);
		ck_assert(n > 0 || (n < 0 && errno == EAGAIN));
		ck_assert(n < 0 || memcmp(buf, up + heard, (size_t)n) == 0);
		heard += n > 0 ? (uint32_t)n : 0;
		len = (uint32_t)min_size((size_t)random() % 7000 + 1, TOTAL - said);
		n = said < TOTAL ? send(fd, down + said, len, MSG_DONTWAIT) : 0;
		said += n > 0 ? (uint32_t)n : 0;
		run(&r);
		if (!recv_packet(&r, &h, buf, sizeof(buf)))
			continue;
		r.peer_fwd = h.fwd_cnt;
		ck_assert_int_eq(memcmp(buf, down + taken, h.len), 0);
		taken += h.len;
		r.fwd = taken;
		if (h.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
			send_op(&r, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1 << 30);
	}
	ck_assert_uint_eq(r.sent, TOTAL);
	ck_assert_uint_eq(taken, TOTAL);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_without_buffers_nothing_spins_and_the_next_buffer_goes_on)
{
	struct virtio_vsock_hdr h;
	char buf[4096];
	struct rig r;
	int fd, i;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	fd = opened(&r);
	/* take the only buffer away: receive without posting again */
	ck_assert_int_eq(write_full(fd, "one", 3), 0);
	run(&r);
	ck_assert_int_eq(write_full(fd, "two", 3), 0);
	run(&r);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(fake_step(&r.vm), 0);
	ck_assert(recv_packet(&r, &h, buf, sizeof(buf)) && h.len == 3 && memcmp(buf, "one", 3) == 0);
	run(&r);
	ck_assert(recv_packet(&r, &h, buf, sizeof(buf)) && h.len == 3 && memcmp(buf, "two", 3) == 0);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

/* --- reset --- */

START_TEST(test_a_reset_with_data_in_flight_closes_clients_and_the_device_starts_afresh)
{
	char byte;
	struct rig r;
	int fd, next;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fd = opened(&r);
	send_op(&r, VIRTIO_VSOCK_OP_REQUEST, CONTROL);
	ck_gets(&r, VIRTIO_VSOCK_OP_RESPONSE, CONTROL);
	ck_assert_int_eq(write_full(fd, "in flight", 9), 0);
	send_data(&r, 1 << 30, "taken", 5);
	next = dial(&r); /* not accepted yet */
	fake_drv_reset(&r.drv);
	ck_assert_uint_eq(fake_drv_status(&r.drv), 0);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	ck_closed(r.control);
	run(&r);
	probe(&r, FEATURES, 4);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30 | 1 << 10 | 1);
	send_op(&r, VIRTIO_VSOCK_OP_REQUEST, CONTROL);
	ck_gets(&r, VIRTIO_VSOCK_OP_RST, CONTROL);
	ck_assert_uint_eq(vsock_mux_unflushed(virtio_vsock_mux(r.v)), 0);
	(void)close(fd);
	(void)close(next);
	rig_fini(&r);
}
END_TEST

START_TEST(test_an_emptied_slot_leaves_held_clients_to_the_next_driver)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fake_empty(&r.vm, 0);
	fd = dial(&r);
	run(&r);
	ck_assert_int_eq(fake_fill(&r.vm, 0, virtio_vsock_dev(r.v)), 0);
	probe(&r, FEATURES, 4);
	run(&r);
	ck_gets(&r, VIRTIO_VSOCK_OP_REQUEST, 1 << 30);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

/* --- hostile --- */

START_TEST(test_a_packet_shorter_than_a_header_needs_a_reset_and_ends_the_connections)
{
	struct fake_buf b;
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fd = opened(&r);
	b = (struct fake_buf){ r.tx_pool, HDR - 1, false };
	ck_assert_int_ge(fake_drv_add(&r.drv, TX, &b, 1, FAKE_DIRECT), 0);
	(void)fake_drv_kick(&r.drv, TX);
	run(&r);
	ck_closed(fd);
	ck_broken(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_length_past_the_chain_needs_a_reset)
{
	static const uint32_t lens[] = { 6, VSOCK_BUF_SIZE, 0x7fffffff, UINT32_MAX };
	struct virtio_vsock_hdr h;
	struct rig r;
	size_t i;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		wire(&r, &h, VIRTIO_VSOCK_OP_RW, 5, lens[i]);
		put(&r, &h, "12345", 5);
		(void)fake_drv_kick(&r.drv, TX);
		ck_broken(&r);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_bytes_behind_the_length_are_ignored)
{
	struct virtio_vsock_hdr h;
	char buf[16] = "";
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fd = opened(&r);
	wire(&r, &h, VIRTIO_VSOCK_OP_RW, 1 << 30, 3);
	put(&r, &h, "abcdef", 6);
	(void)fake_drv_kick(&r.drv, TX);
	run(&r);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 3);
	ck_assert_str_eq(buf, "abc");
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_receive_buffer_without_room_for_a_byte_needs_a_reset)
{
	static const uint32_t lens[] = { 1, HDR - 1, HDR };
	struct rig r;
	size_t i;
	int fd;

	rig_init(&r, true);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		probe(&r, FEATURES, 0);
		post(&r, r.rx_pool, lens[i]);
		(void)fake_drv_kick(&r.drv, RX);
		fd = dial(&r);
		run(&r);
		ck_assert(fake_drv_needs_reset(&r.drv));
		(void)close(fd);
		run(&r);
		fake_drv_reset(&r.drv);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(test_a_receive_buffer_of_one_byte_carries_one_byte)
{
	struct virtio_vsock_hdr h;
	char buf[4];
	struct rig r;
	uint16_t head;
	uint32_t len;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 1);
	fd = opened(&r);
	ck_assert_int_eq(write_full(fd, "xyz", 3), 0);
	run(&r);
	ck_assert(recv_packet(&r, &h, buf, sizeof(buf)));
	post(&r, r.rx_pool + RX_LEN, HDR + 1);
	(void)fake_drv_kick(&r.drv, RX);
	run(&r);
	ck_assert_int_eq(write_full(fd, "12", 2), 0);
	run(&r);
	ck_assert(fake_drv_used(&r.drv, RX, &head, &len) && len == HDR + 2);
	ck_assert_int_eq(write_full(fd, "12", 2), 0);
	run(&r);
	ck_assert(fake_drv_used(&r.drv, RX, &head, &len) && len == HDR + 1);
	ck_assert(!fake_drv_needs_reset(&r.drv));
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_broken_rings_need_a_reset)
{
	struct rig r;
	int fd;

	rig_init(&r, true);
	probe(&r, FEATURES, 4);
	fake_drv_avail(&r.drv, TX, 200);
	fake_drv_force_kick(&r.drv, TX);
	ck_broken(&r);
	/* a bad receive ring shows when there is something to receive */
	fake_drv_reset(&r.drv);
	probe(&r, FEATURES, 0);
	fake_drv_avail(&r.drv, RX, 200);
	fake_drv_force_kick(&r.drv, RX);
	run(&r);
	ck_assert(!fake_drv_needs_reset(&r.drv));
	fd = dial(&r);
	ck_broken(&r);
	(void)close(fd);
	rig_fini(&r);
}
END_TEST

START_TEST(test_cycling_through_ports_leaves_nothing_behind)
{
	struct virtio_vsock_hdr h;
	struct rig r;
	uint32_t i;

	rig_init(&r, true);
	probe(&r, FEATURES, 16);
	for (i = 0; i < 3000; i++) {
		wire(&r, &h, VIRTIO_VSOCK_OP_REQUEST, 100 + i, 0);
		h.src_port = i;
		put(&r, &h, NULL, 0);
		(void)fake_drv_kick(&r.drv, TX);
		run(&r);
		ck_assert_uint_eq(reap(&r), 1);
		ck_assert(recv_packet(&r, &h, NULL, 0));
		ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RST);
	}
	ck_assert(!recv_packet(&r, &h, NULL, 0));
	rig_fini(&r);
}
END_TEST

/* --- set-up --- */

START_TEST(test_a_bad_configuration_leaves_nothing_behind)
{
	struct vsock_config cfg = { .cid = 1, .listen_fd = -1, .control_fd = -1 };
	struct err e = { 0 };
	struct virtio_vsock *v;
	int fds = count_fds(), vm_fds;
	struct fake_vm vm;

	fake_vm_init(&vm, 1 << 20, true);
	vm_fds = count_fds();
	ck_assert_int_eq(virtio_vsock_new(&v, &cfg, &vm.mem, vm.loop, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "CID 1"));
	ck_assert_int_eq(count_fds(), vm_fds);
	virtio_vsock_free(NULL);
	fake_vm_fini(&vm);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_parse_fails_on_every_prefix_and_on_a_length_past_the_chain,
		test_the_device_says_what_it_is,
		test_bytes_flow_both_ways_with_every_kind_of_ring,
		test_a_connect_before_the_driver_comes_is_held_until_it_has_buffers,
		test_buffers_and_packets_posted_before_driver_ok_are_found_without_a_kick,
		test_a_buffer_that_was_not_needed_is_kept_for_the_next_packet,
		test_each_direction_interrupts_when_asked_to,
		test_a_batch_that_uses_up_the_receive_ring_goes_on_at_the_next_buffer,
		test_the_event_queue_is_left_alone,
		test_a_flood_of_packets_is_taken_in_batches_and_none_is_forgotten,
		test_a_stream_larger_than_a_batch_reaches_the_guest_whole,
		test_a_megabyte_each_way_in_random_pieces_with_a_slow_reader_and_few_buffers,
		test_without_buffers_nothing_spins_and_the_next_buffer_goes_on,
		test_a_reset_with_data_in_flight_closes_clients_and_the_device_starts_afresh,
		test_an_emptied_slot_leaves_held_clients_to_the_next_driver,
		test_a_packet_shorter_than_a_header_needs_a_reset_and_ends_the_connections,
		test_a_length_past_the_chain_needs_a_reset,
		test_bytes_behind_the_length_are_ignored,
		test_a_receive_buffer_without_room_for_a_byte_needs_a_reset,
		test_a_receive_buffer_of_one_byte_carries_one_byte,
		test_broken_rings_need_a_reset,
		test_cycling_through_ports_leaves_nothing_behind,
		test_a_bad_configuration_leaves_nothing_behind,
	};

	return suite_run("vsock", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * virtio/vsock with two vcpu threads beside the loop and a client: data both ways, then a reset. For ThreadSanitizer.
 */
#include "tests/unit/vsock_guest.h"

/* --- two vcpus, the loop, a client --- */

#define RACE_TOTAL (256u * 1024)

struct race {
	struct rig r;
	uint32_t guest_taken;  /* atomic: by the rx vcpu, told by the tx vcpu */
	uint32_t host_fwd;     /* atomic: seen by the rx vcpu, heeded by the tx vcpu */
	bool open;             /* atomic: RESPONSE seen */
	bool rx_done, tx_done; /* atomic */
	uint32_t bad;          /* atomic: bytes that were wrong */
};

static uint8_t race_byte(uint32_t i, bool up)
{
	return (uint8_t)((i * 13 >> 1) ^ (up ? 0x55 : 0));
}

static void *race_loop(void *arg)
{
	struct race *x = arg;

	return loop_run(x->r.vm.loop) == 0 ? NULL : arg;
}

/* One packet on the tx queue, waiting for its descriptors */
static void race_put(struct race *x, struct fake_drv *drv, uint16_t op, const uint8_t *data, uint32_t len)
{
	uint64_t gpa = x->r.tx_pool;
	struct fake_buf b[2] = { { gpa, HDR, false }, { gpa + HDR, len, false } };
	struct virtio_vsock_hdr h;
	uint16_t head;
	uint32_t used;

	wire(&x->r, &h, op, CONTROL, len);
	h.fwd_cnt = __atomic_load_n(&x->guest_taken, __ATOMIC_ACQUIRE);
	memcpy(fake_ptr(&x->r.vm, gpa, HDR), &h, HDR);
	if (len > 0)
		memcpy(fake_ptr(&x->r.vm, gpa + HDR, len), data, len);
	(void)!fake_drv_add(drv, TX, b, len > 0 ? 2 : 1, FAKE_TABLE);
	(void)fake_drv_kick(drv, TX);
	while (!fake_drv_used(drv, TX, &head, &used))
		(void)usleep(50);
}

static void *race_tx(void *arg)
{
	struct race *x = arg;
	struct fake_drv drv;
	uint8_t data[8192];
	uint32_t sent = 0, i;

	fake_drv_attach(&drv, &x->r.drv);
	race_put(x, &drv, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	while (!__atomic_load_n(&x->open, __ATOMIC_ACQUIRE))
		(void)usleep(50);
	while (sent < RACE_TOTAL || !__atomic_load_n(&x->rx_done, __ATOMIC_ACQUIRE)) {
		uint32_t free = VSOCK_BUF_SIZE - (sent - __atomic_load_n(&x->host_fwd, __ATOMIC_ACQUIRE));
		uint32_t len = (uint32_t)min_size(min_size(free, sizeof(data)), RACE_TOTAL - sent);

		for (i = 0; i < len; i++)
			data[i] = race_byte(sent + i, true);
		race_put(x, &drv, len > 0 ? VIRTIO_VSOCK_OP_RW : VIRTIO_VSOCK_OP_CREDIT_UPDATE, data, len);
		sent += len;
		if (sent == RACE_TOTAL)
			__atomic_store_n(&x->tx_done, true, __ATOMIC_RELAXED);
		(void)fake_drv_get(&drv, VIRTIO_MMIO_DEVICE_ID);
		if (len == 0)
			(void)usleep(200);
	}
	return NULL;
}

static void race_take(struct race *x, const struct virtio_vsock_hdr *h, const uint8_t *data)
{
	uint32_t taken = x->guest_taken, i;

	for (i = 0; i < h->len; i++)
		if (data[i] != race_byte(taken + i, false))
			__atomic_fetch_add(&x->bad, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&x->guest_taken, taken + h->len, __ATOMIC_RELEASE);
	__atomic_store_n(&x->host_fwd, h->fwd_cnt, __ATOMIC_RELEASE);
	if (h->op == VIRTIO_VSOCK_OP_RESPONSE)
		__atomic_store_n(&x->open, true, __ATOMIC_RELEASE);
	if (taken + h->len == RACE_TOTAL)
		__atomic_store_n(&x->rx_done, true, __ATOMIC_RELEASE);
}

/* Goes on until the guest's bytes are sent too: their credit comes through here. */
static void *race_rx(void *arg)
{
	struct race *x = arg;
	struct virtio_vsock_hdr h;
	struct fake_drv *drv = &x->r.drv;
	uint8_t config[8];
	uint16_t head;
	uint32_t len;

	while (!__atomic_load_n(&x->rx_done, __ATOMIC_RELAXED) || !__atomic_load_n(&x->tx_done, __ATOMIC_RELAXED)) {
		if (!fake_drv_used(drv, RX, &head, &len)) {
			fake_drv_config(drv, 0, config, sizeof(config));
			(void)usleep(50);
			continue;
		}
		memcpy(&h, fake_ptr(&x->r.vm, x->r.rx_gpa[head], HDR), HDR);
		race_take(x, &h, fake_ptr(&x->r.vm, x->r.rx_gpa[head] + HDR, RX_LEN - HDR));
		post(&x->r, x->r.rx_gpa[head], RX_LEN);
		(void)fake_drv_kick(drv, RX);
	}
	return NULL;
}

/* The client, in the test's thread: writes and reads all it can. */
static void race_host(struct race *x)
{
	static uint8_t buf[RACE_TOTAL];
	uint32_t said = 0, heard = 0, i;
	uint8_t got[4096];

	for (i = 0; i < RACE_TOTAL; i++)
		buf[i] = race_byte(i, false);
	while (said < RACE_TOTAL || heard < RACE_TOTAL) {
		struct pollfd p = { .fd = x->r.control, .events = (short)(POLLIN | (said < RACE_TOTAL ? POLLOUT : 0)) };
		ssize_t n;

		ck_assert_int_gt(poll(&p, 1, 20000), 0);
		n = said < RACE_TOTAL ? send(p.fd, buf + said, min_size(5000, RACE_TOTAL - said), MSG_DONTWAIT) : 0;
		said += n > 0 ? (uint32_t)n : 0;
		n = recv(p.fd, got, sizeof(got), MSG_DONTWAIT);
		for (i = 0; n > 0 && i < (uint32_t)n; i++)
			ck_assert_uint_eq(got[i], race_byte(heard + i, true));
		heard += n > 0 ? (uint32_t)n : 0;
	}
}

START_TEST(test_two_vcpus_and_the_loop_move_data_both_ways_and_a_reset_comes_between)
{
	static struct race x;
	pthread_t loop, tx, rx;
	void *failed;

	rig_init(&x.r, true);
	x.r.alloc = 16384;
	probe(&x.r, FEATURES, 16);
	ck_assert_int_eq(pthread_create(&loop, NULL, race_loop, &x), 0);
	ck_assert_int_eq(pthread_create(&tx, NULL, race_tx, &x), 0);
	ck_assert_int_eq(pthread_create(&rx, NULL, race_rx, &x), 0);
	race_host(&x);
	(void)pthread_join(tx, NULL);
	(void)pthread_join(rx, NULL);
	ck_assert_uint_eq(x.bad, 0);
	/* more for the guest, whose driver resets the device from this vcpu while the loop delivers */
	ck_assert_int_eq(write_full(x.r.control, "late", 4), 0);
	fake_drv_reset(&x.r.drv);
	ck_assert_uint_eq(fake_drv_status(&x.r.drv), 0);
	loop_stop(x.r.vm.loop);
	(void)pthread_join(loop, &failed);
	ck_assert_ptr_null(failed);
	ck_closed(x.r.control);
	rig_fini(&x.r);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_two_vcpus_and_the_loop_move_data_both_ways_and_a_reset_comes_between,
	};

	return suite_run("vsock_threads", tests, ARRAY_SIZE(tests));
}

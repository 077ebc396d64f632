// SPDX-License-Identifier: Apache-2.0
/*
 * virtio/mmio and virtio: register file, status machine, doorbells, resets, slots that come and go.
 */
#include "virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "tests/unit/fake/fake_dev.h"
#include "tests/unit/fake/fake_drv.h"
#include "tests/unit/fake/suite.h"

#define ACK         VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED
#define MINE        (FAKE_FEATURES | 1ULL << FAKE_DEV_FEATURE)

static struct fake_vm vm;
static struct fake_dev dev;
static struct fake_drv drv;

static void start(bool doorbells)
{
	log_init("test", "", -1, LOG_ERROR);
	fake_vm_init(&vm, 1 << 20, doorbells);
	ck_assert_int_eq(fake_dev_init(&dev, &vm.mem, vm.loop, 0), 0);
	ck_assert_int_eq(fake_fill(&vm, 1, &dev.v), 0);
}

static bool complete_one(void)
{
	bool r;

	fake_lock(&vm);
	r = fake_dev_complete(&dev);
	fake_unlock(&vm);
	return r;
}

static void stop(void)
{
	while (complete_one())
		;
	fake_empty(&vm, 1);
	fake_dev_fini(&dev);
	fake_vm_fini(&vm);
}

static void probe(bool doorbells)
{
	start(doorbells);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
}

static uint32_t get(uint32_t reg)
{
	return fake_drv_get(&drv, reg);
}

static void put(uint32_t reg, uint32_t val)
{
	fake_drv_reg(&drv, reg, val);
}

static void features(void)
{
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	ck_assert_int_eq(fake_drv_features(&drv, MINE), 0);
}

/* --- identity, widths --- */

START_TEST(test_a_filled_slot_identifies_its_device)
{
	start(false);
	drv = (struct fake_drv){ .vm = &vm, .slot = 1 };
	ck_assert_uint_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	ck_assert_uint_eq(get(VIRTIO_MMIO_VERSION), 2);
	ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_ID), FAKE_DEV_ID);
	ck_assert_uint_ne(get(VIRTIO_MMIO_VENDOR_ID), 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), FAKE_DEV_SIZE);
	ck_assert_uint_eq(get(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	ck_assert_uint_eq(get(VIRTIO_MMIO_SHM_BASE_HIGH), UINT32_MAX);
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_DESC_LOW), 0); /* write-only */
	ck_assert_uint_eq(get(0xf8), 0);
	stop();
}
END_TEST

START_TEST(test_an_empty_slot_is_virtio_with_device_id_0_and_deaf)
{
	uint32_t off;

	start(false);
	drv = (struct fake_drv){ .vm = &vm, .slot = 0 };
	ck_assert_uint_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	ck_assert_uint_eq(get(VIRTIO_MMIO_VERSION), 2);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 0, MINE, 16), -ENODEV);
	for (off = 0; off < MMIO_SLOT_LEN; off += 4)
		put(off, 1);
	for (off = 0x10; off < MMIO_SLOT_LEN; off += 4)
		ck_assert_uint_eq(get(off), 0);
	stop();
}
END_TEST

START_TEST(test_registers_answer_aligned_4_byte_accesses_only)
{
	const unsigned int sizes[] = { 1, 2, 8 };
	uint64_t off;
	size_t i;

	start(false);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (off = 0; off < VIRTIO_MMIO_CONFIG; off++) {
			ck_assert_uint_eq(fake_read(&vm, 1, off, sizes[i]), 0);
			fake_write(&vm, 1, off, sizes[i], 0xff);
		}
	}
	for (off = 0; off < VIRTIO_MMIO_CONFIG - 4; off++) {
		if (off % 4 == 0)
			continue;
		ck_assert_uint_eq(fake_read(&vm, 1, off, 4), 0);
		fake_write(&vm, 1, off, 4, 0xff);
	}
	ck_assert_uint_eq(dev.v.status, 0);
	ck_assert_uint_eq(vm.slot[1].queue_sel, 0);
	stop();
}
END_TEST

/* --- handshake --- */

START_TEST(test_handshake_ends_active_with_the_features_both_know)
{
	probe(false);
	ck_assert_uint_eq(dev.activated, 1);
	ck_assert(virtio_active(&dev.v));
	ck_assert_uint_eq(dev.v.acked, MINE);
	ck_assert(virtio_has(&dev.v, FAKE_DEV_FEATURE));
	ck_assert(!virtio_has(&dev.v, 5));
	ck_assert_uint_eq(drv.nqueues, 2);
	ck_assert_uint_eq(dev.v.vq[0].st.size, 16);
	ck_assert_uint_eq(dev.v.vq[0].st.event_idx, 1);
	stop();
}
END_TEST

START_TEST(test_features_beyond_the_offered_or_without_version_1_are_refused)
{
	const uint64_t bad[] = { MINE | 1ULL << 5, MINE | 1ULL << 60, MINE & ~FAKE_VERSION_1, 0, UINT64_MAX };
	size_t i;

	start(false);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
		put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
		put(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)bad[i]);
		put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		put(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(bad[i] >> 32));
		put(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK);
		ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK | DRIVER);
		put(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK | DRIVER);
	}
	ck_assert_uint_eq(dev.activated, 0);
	/* a driver may try again with less */
	ck_assert_int_eq(fake_drv_features(&drv, FAKE_VERSION_1), 0);
	stop();
}
END_TEST

START_TEST(test_features_are_frozen_before_driver_and_after_features_ok)
{
	start(false);
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	fake_drv_reset(&drv);
	put(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	ck_assert_uint_eq(dev.v.acked, 0);
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	ck_assert_int_eq(fake_drv_features(&drv, FAKE_VERSION_1), 0);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	put(VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	ck_assert_uint_eq(dev.v.acked, FAKE_VERSION_1);
	stop();
}
END_TEST

START_TEST(test_feature_words_beyond_64_bits_read_0_and_take_nothing)
{
	start(false);
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	put(VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	ck_assert_uint_eq(dev.v.acked, 0);
	stop();
}
END_TEST

START_TEST(test_status_bits_out_of_order_are_not_taken)
{
	start(false);
	drv = (struct fake_drv){ .vm = &vm, .slot = 1 };
	put(VIRTIO_MMIO_STATUS, DRIVER);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
	put(VIRTIO_MMIO_STATUS, DRIVER_OK);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
	put(VIRTIO_MMIO_STATUS, FEATURES_OK);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
	put(VIRTIO_MMIO_STATUS, ACK | DRIVER_OK);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK);
	put(VIRTIO_MMIO_STATUS, DRIVER); /* in order, but without what is set */
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK);
	put(VIRTIO_MMIO_STATUS, ACK | FEATURES_OK);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK);
	put(VIRTIO_MMIO_STATUS, ACK | NEEDS_RESET | 0x30 | 0xffffff00);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK);
	ck_assert_uint_eq(dev.activated, 0);
	stop();
}
END_TEST

START_TEST(test_a_status_bit_cannot_be_taken_back_but_by_reset)
{
	probe(false);
	put(VIRTIO_MMIO_STATUS, ACK | DRIVER);
	put(VIRTIO_MMIO_STATUS, ACK);
	put(VIRTIO_MMIO_STATUS, DRIVER_OK);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	put(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_uint_eq(dev.activated, 1); /* the same again changes nothing */
	ck_assert_uint_eq(dev.resets, 0);
	put(VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
	ck_assert_uint_eq(dev.resets, 1);
	stop();
}
END_TEST

START_TEST(test_a_driver_that_gives_up_stops_the_device)
{
	probe(false);
	put(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | FAILED);
	ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS) & FAILED, FAILED);
	ck_assert(!virtio_active(&dev.v));
	fake_drv_force_kick(&drv, 0);
	ck_assert_uint_eq(dev.notified, 0);
	features();
	put(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | FAILED);
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), -EPROTO);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	stop();
}
END_TEST

START_TEST(test_an_activation_that_fails_asks_for_a_reset)
{
	start(false);
	dev.activate_error = -ENOMEM;
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), -EPROTO);
	ck_assert(fake_drv_needs_reset(&drv));
	ck_assert(!virtio_active(&dev.v));
	fake_drv_reset(&drv);
	ck_assert_uint_eq(dev.resets, 0); /* it was never activated */
	dev.activate_error = 0;
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	stop();
}
END_TEST

/* --- queue configuration --- */

START_TEST(test_queues_are_configured_between_features_ok_and_driver_ok_only)
{
	start(false);
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), -EPROTO); /* too early: nothing was taken */
	ck_assert_uint_eq(vm.slot[1].pending[0].size, 0);
	ck_assert_uint_eq(vm.slot[1].pending[0].desc_gpa, 0);
	ck_assert_int_eq(fake_drv_features(&drv, MINE), 0);
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), 0);
	ck_assert_int_eq(fake_drv_ok(&drv), 0);
	put(VIRTIO_MMIO_QUEUE_SEL, 0);
	put(VIRTIO_MMIO_QUEUE_NUM, 8);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
	put(VIRTIO_MMIO_QUEUE_READY, 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
	ck_assert_uint_eq(dev.v.vq[0].st.size, 16);
	ck_assert_int_eq(fake_drv_queue(&drv, 1, 16), -EPROTO); /* too late */
	ck_assert(virtio_active(&dev.v));
	stop();
}
END_TEST

START_TEST(test_a_ready_queue_is_frozen_until_it_is_made_unready)
{
	start(false);
	features();
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), 0);
	put(VIRTIO_MMIO_QUEUE_NUM, 8);
	put(VIRTIO_MMIO_QUEUE_USED_HIGH, 77);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	ck_assert_uint_eq(dev.v.vq[0].st.size, 16);
	ck_assert_uint_eq(vm.slot[1].pending[0].size, 16);
	put(VIRTIO_MMIO_QUEUE_READY, 2); /* neither 0 nor 1 */
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
	put(VIRTIO_MMIO_QUEUE_READY, 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	put(VIRTIO_MMIO_QUEUE_READY, 2);
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 8), 0);
	ck_assert_uint_eq(dev.v.vq[0].st.size, 8);
	stop();
}
END_TEST

START_TEST(test_a_bad_queue_size_asks_for_a_reset)
{
	const uint32_t bad[] = { 0, 3, 24, FAKE_DEV_SIZE * 2, VQ_SIZE_MAX, 65536 + 16, UINT32_MAX };
	size_t i;

	start(false);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		features();
		ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), 0);
		put(VIRTIO_MMIO_QUEUE_READY, 0);
		put(VIRTIO_MMIO_QUEUE_NUM, bad[i]);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
		ck_assert(fake_drv_needs_reset(&drv));
		put(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		ck_assert_int_eq(fake_drv_queue(&drv, 1, 16), -EPROTO);
	}
	ck_assert_uint_eq(dev.activated, 0);
	ck_assert_uint_eq(fake_irqs(&vm, 1), 0); /* no interrupt before DRIVER_OK */
	stop();
}
END_TEST

START_TEST(test_a_ring_outside_memory_asks_for_a_reset)
{
	const uint32_t reg[] = { VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
				 VIRTIO_MMIO_QUEUE_USED_HIGH };
	size_t i;

	start(false);
	for (i = 0; i < ARRAY_SIZE(reg); i++) {
		features();
		ck_assert_int_eq(fake_drv_queue(&drv, 1, 16), 0);
		put(VIRTIO_MMIO_QUEUE_READY, 0);
		put(reg[i], 1);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
		ck_assert(fake_drv_needs_reset(&drv));
	}
	stop();
}
END_TEST

START_TEST(test_a_queue_the_device_does_not_have_is_not_there)
{
	const uint32_t sel[] = { FAKE_DEV_QUEUES, VIRTIO_QUEUES_MAX, 255, UINT32_MAX };
	size_t i;

	start(false);
	features();
	for (i = 0; i < ARRAY_SIZE(sel); i++) {
		put(VIRTIO_MMIO_QUEUE_SEL, sel[i]);
		ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
		put(VIRTIO_MMIO_QUEUE_NUM, 16);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert(!fake_drv_needs_reset(&drv));
	}
	stop();
}
END_TEST

/* --- work and interrupts --- */

static int echo(unsigned int q, const char *text, char *out, size_t cap)
{
	struct fake_call c;

	fake_call_init(&c, &vm, 64, 64);
	return fake_drv_call(&drv, q, &c, text, strlen(text), out, cap);
}

START_TEST(test_a_request_comes_back_by_register_and_by_doorbell)
{
	char out[64];
	int bell;

	for (bell = 0; bell < 2; bell++) {
		probe(bell);
		ck_assert_uint_eq(vm.nbells, bell ? 2 : 0);
		ck_assert_int_eq(echo(0, "hello", out, sizeof(out)), 5);
		ck_assert_mem_eq(out, "hello", 5);
		ck_assert_uint_eq(dev.notified, 1);
		ck_assert_uint_eq(fake_irqs(&vm, 1), 1);
		ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
		put(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
		ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
		put(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
		ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
		stop();
		ck_assert_uint_eq(vm.nbells, 0);
	}
}
END_TEST

START_TEST(test_doorbells_are_named_by_address_and_queue)
{
	start(true);
	ck_assert_uint_eq(vm.nbells, 2); /* before any driver came */
	ck_assert_uint_eq(vm.bell[1].addr, vm.slot[1].base + VIRTIO_MMIO_QUEUE_NOTIFY);
	ck_assert_uint_eq(vm.bell[1].value, 1);
	fake_notify(&vm, 1, 0); /* rung before the device is active: thrown away */
	ck_assert_int_eq(fake_step(&vm), 1);
	ck_assert_int_eq(fake_step(&vm), 0);
	ck_assert_uint_eq(dev.notified, 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	fake_drv_force_kick(&drv, 1);
	ck_assert_int_eq(fake_step(&vm), 1);
	ck_assert_uint_eq(dev.notified, 1);
	stop();
}
END_TEST

START_TEST(test_a_notification_at_a_wrong_time_or_queue_reaches_no_device)
{
	start(false);
	features();
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	ck_assert_int_eq(fake_drv_queue(&drv, 0, 16), 0);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 0); /* ready, but not DRIVER_OK */
	ck_assert_int_eq(fake_drv_ok(&drv), 0);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 1); /* not ready */
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 2);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
	ck_assert_uint_eq(dev.notified, 0);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	ck_assert_uint_eq(dev.notified, 1);
	stop();
}
END_TEST

START_TEST(test_a_hostile_chain_asks_for_a_reset_and_a_reset_cures_it)
{
	char out[64];

	probe(false);
	fake_drv_avail(&drv, 0, 99);
	fake_drv_force_kick(&drv, 0);
	ck_assert(fake_drv_needs_reset(&drv));
	ck_assert_uint_eq(fake_irqs(&vm, 1), 1);
	ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	fake_drv_force_kick(&drv, 0);
	fake_drv_force_kick(&drv, 1);
	ck_assert_uint_eq(dev.notified, 1); /* deaf until reset */
	fake_lock(&vm);
	virtio_needs_reset(&dev.v, "again");
	virtio_config_changed(&dev.v);
	fake_unlock(&vm);
	ck_assert_uint_eq(fake_irqs(&vm, 1), 0); /* told once */
	fake_drv_reset(&drv);
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	ck_assert_int_eq(echo(0, "again", out, sizeof(out)), 5);
	stop();
}
END_TEST

START_TEST(test_no_interrupt_for_a_driver_that_polls)
{
	struct fake_buf b[2];
	uint16_t head;
	uint32_t len;
	int round;

	probe(false);
	b[0] = (struct fake_buf){ fake_alloc(&vm, 16, 16), 16, false };
	b[1] = (struct fake_buf){ fake_alloc(&vm, 16, 16), 16, true };
	for (round = 0; round < 3; round++) {
		fake_drv_no_irq(&drv, 0);
		ck_assert_int_ge(fake_drv_add(&drv, 0, b, 2, FAKE_TABLE), 0);
		ck_assert(fake_drv_kick(&drv, 0));
		ck_assert(fake_drv_used(&drv, 0, &head, &len));
		ck_assert_uint_eq(len, 16);
		ck_assert_uint_eq(fake_irqs(&vm, 1), 0);
	}
	fake_drv_want_irq(&drv, 0);
	ck_assert_int_ge(fake_drv_add(&drv, 0, b, 2, FAKE_TABLE), 0);
	ck_assert(fake_drv_kick(&drv, 0));
	ck_assert_uint_eq(fake_irqs(&vm, 1), 1);
	stop();
}
END_TEST

/* --- reset with requests in flight --- */

static void post_later(unsigned int n)
{
	struct fake_buf b = { fake_alloc(&vm, 64, 16), 64, true };

	while (n-- > 0)
		ck_assert_int_ge(fake_drv_add(&drv, 1, &b, 1, FAKE_DIRECT), 0);
	fake_drv_force_kick(&drv, 1);
}

START_TEST(test_a_reset_with_requests_in_flight_shows_a_status_until_they_end)
{
	struct fake_queue old;

	probe(false);
	post_later(2);
	ck_assert_uint_eq(dev.in_flight, 2);
	old = drv.q[1];
	fake_drv_reset(&drv);
	ck_assert_uint_ne(fake_drv_status(&drv), 0);
	ck_assert(!virtio_active(&dev.v));
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), -EPROTO); /* a second reset, too early */
	put(VIRTIO_MMIO_STATUS, 0xf);
	put(VIRTIO_MMIO_STATUS, 0xf | FAILED);
	ck_assert_uint_eq(fake_drv_status(&drv), 0xf);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	fake_write(&vm, 1, VIRTIO_MMIO_CONFIG, 4, 1);
	ck_assert_uint_eq(dev.config_writes, 0);
	ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	ck_assert_uint_eq(dev.resets, 1);
	ck_assert(complete_one());
	ck_assert_uint_ne(fake_drv_status(&drv), 0);
	ck_assert(complete_one());
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
	/* the old ring got nothing, and nobody was interrupted */
	drv.q[1] = old;
	ck_assert_uint_eq(fake_drv_used_idx(&drv, 1), 0);
	ck_assert_uint_eq(fake_irqs(&vm, 1), 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	stop();
}
END_TEST

START_TEST(test_a_broken_device_with_requests_in_flight_resets_too)
{
	probe(false);
	post_later(1);
	fake_drv_avail(&drv, 0, 99);
	fake_drv_force_kick(&drv, 0);
	ck_assert(fake_drv_needs_reset(&drv));
	fake_drv_reset(&drv);
	ck_assert_uint_ne(fake_drv_status(&drv), 0);
	ck_assert(complete_one());
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
	ck_assert_uint_eq(dev.resets, 1);
	stop();
}
END_TEST

START_TEST(test_needs_reset_during_a_reset_changes_nothing)
{
	probe(false);
	post_later(1);
	fake_drv_reset(&drv);
	fake_lock(&vm);
	virtio_needs_reset(&dev.v, "too late");
	virtio_config_changed(&dev.v);
	fake_unlock(&vm);
	ck_assert_uint_eq(fake_irqs(&vm, 1), 0);
	ck_assert(complete_one());
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	virtio_reset_done(&dev.v); /* twice: harmless */
	ck_assert(virtio_active(&dev.v));
	stop();
}
END_TEST

START_TEST(test_a_reset_forgets_selectors_and_queue_configuration)
{
	struct mmio_slot *s = &vm.slot[1];

	start(false);
	features();
	put(VIRTIO_MMIO_QUEUE_SEL, 1);
	put(VIRTIO_MMIO_QUEUE_NUM, 16);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	put(VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(s->queue_sel | s->dev_features_sel | s->drv_features_sel, 0);
	ck_assert_uint_eq(s->pending[1].size | s->pending[1].desc_gpa, 0);
	ck_assert_uint_eq(dev.v.acked, 0);
	stop();
}
END_TEST

/* --- configuration space --- */

START_TEST(test_config_reads_any_width_inside_and_nothing_beyond)
{
	uint64_t off;
	unsigned int size;

	start(false);
	ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_CONFIG, 1), '0');
	ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_CONFIG + 2, 2), 0x3332);
	ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_CONFIG + 8, 4), 0x62613938);
	ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_CONFIG + 1, 8), 0x3837363534333231ULL);
	for (size = 1; size <= 8; size *= 2) /* the last byte with more than one, and what lies behind */
		for (off = FAKE_DEV_CONFIG + 1 - size; off + size <= MMIO_SLOT_LEN - VIRTIO_MMIO_CONFIG; off++)
			ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_CONFIG + off, size), 0);
	stop();
}
END_TEST

START_TEST(test_config_writes_reach_the_device_inside_its_bounds_only)
{
	uint64_t off;
	unsigned int size;

	start(false);
	fake_write(&vm, 1, VIRTIO_MMIO_CONFIG, 4, 0x41424344);
	ck_assert_uint_eq(dev.config_writes, 0); /* before DRIVER */
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), 0);
	fake_write(&vm, 1, VIRTIO_MMIO_CONFIG, 4, 0x41424344);
	fake_write(&vm, 1, VIRTIO_MMIO_CONFIG + 4, 2, 0x4545);
	ck_assert_mem_eq(dev.v.config, "DCBAEE6789ab", FAKE_DEV_CONFIG);
	ck_assert_uint_eq(dev.config_writes, 2);
	for (size = 1; size <= 8; size *= 2)
		for (off = FAKE_DEV_CONFIG + 1 - size; off + size <= MMIO_SLOT_LEN - VIRTIO_MMIO_CONFIG; off++)
			fake_write(&vm, 1, VIRTIO_MMIO_CONFIG + off, size, UINT64_MAX);
	ck_assert_uint_eq(dev.config_writes, 2);
	stop();
}
END_TEST

START_TEST(test_a_changed_config_has_a_new_generation_and_an_interrupt)
{
	probe(false);
	ck_assert_uint_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), 0);
	fake_lock(&vm);
	virtio_config_changed(&dev.v);
	fake_unlock(&vm);
	ck_assert_uint_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), 1);
	ck_assert_uint_eq(fake_irqs(&vm, 1), 1);
	ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	fake_drv_reset(&drv);
	fake_lock(&vm);
	virtio_config_changed(&dev.v);
	fake_unlock(&vm);
	ck_assert_uint_eq(fake_irqs(&vm, 1), 0); /* nobody there to be told */
	stop();
}
END_TEST

static int plain_activate(struct virtio_dev *d UNUSED)
{
	return 0;
}

static int plain_reset(struct virtio_dev *d UNUSED)
{
	return 0;
}

static void plain_notify(struct virtio_dev *d UNUSED, unsigned int q UNUSED)
{
}

START_TEST(test_a_device_without_config_writes_is_read_only)
{
	static const struct virtio_ops ops = { .name = "plain",
					       .device_id = 43,
					       .nqueues = 1,
					       .queue_max = 8,
					       .activate = plain_activate,
					       .reset = plain_reset,
					       .notify = plain_notify };
	struct virtio_dev plain;

	start(false);
	virtio_init(&plain, &ops, &vm.mem, vm.loop, "cfg", 3);
	ck_assert_int_eq(fake_fill(&vm, 2, &plain), 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 2, MINE, 256), 0);
	ck_assert_uint_eq(drv.nqueues, 1);
	ck_assert_uint_eq(plain.vq[0].st.size, 8);
	fake_write(&vm, 2, VIRTIO_MMIO_CONFIG, 1, 1);
	ck_assert_uint_eq(fake_read(&vm, 2, VIRTIO_MMIO_CONFIG, 1), 'c');
	fake_empty(&vm, 2);
	virtio_init(&plain, &ops, &vm.mem, vm.loop, NULL, 0);
	ck_assert_int_eq(fake_fill(&vm, 2, &plain), 0);
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 2), 0);
	fake_write(&vm, 2, VIRTIO_MMIO_CONFIG, 1, 1);
	ck_assert_uint_eq(fake_read(&vm, 2, VIRTIO_MMIO_CONFIG, 1), 0);
	fake_empty(&vm, 2);
	stop();
}
END_TEST

/* --- slots that come and go --- */

START_TEST(test_a_filled_slot_refuses_another_device)
{
	start(true);
	ck_assert_int_eq(fake_fill(&vm, 1, &dev.v), -EBUSY);
	ck_assert_uint_eq(vm.nbells, 2);
	stop();
}
END_TEST

START_TEST(test_a_device_leaves_a_running_machine_and_comes_back_elsewhere)
{
	char out[64];

	probe(true);
	ck_assert_int_eq(echo(0, "one", out, sizeof(out)), 3);
	fake_empty(&vm, 1);
	ck_assert_uint_eq(dev.resets, 1);
	ck_assert_uint_eq(vm.nbells, 0);
	ck_assert_ptr_null(dev.v.irq);
	ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_ID), 0);
	fake_drv_force_kick(&drv, 0);
	ck_assert_uint_eq(dev.notified, 1);
	ck_assert_int_eq(fake_fill(&vm, 3, &dev.v), 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 3, MINE, 16), 0);
	ck_assert_int_eq(echo(0, "two", out, sizeof(out)), 3);
	ck_assert_uint_eq(fake_irqs(&vm, 3), 1);
	fake_empty(&vm, 3);
	fake_empty(&vm, 3); /* empty already */
	stop();
}
END_TEST

START_TEST(test_a_leaving_device_is_gone_for_the_guest_while_requests_end)
{
	probe(true);
	post_later(1);
	ck_assert_int_ge(fake_step(&vm), 1);
	ck_assert_uint_eq(dev.in_flight, 1);
	fake_lock(&vm);
	ck_assert_int_eq(mmio_slot_empty(&vm.slot[1]), -EINPROGRESS);
	ck_assert_int_eq(mmio_slot_empty(&vm.slot[1]), -EINPROGRESS);
	ck_assert_int_eq(mmio_slot_fill(&vm.slot[1], &dev.v), -EBUSY);
	fake_unlock(&vm);
	ck_assert_int_eq(fake_drv_init(&drv, &vm, 1), -ENODEV);
	ck_assert_uint_eq(fake_read(&vm, 1, VIRTIO_MMIO_CONFIG, 1), 0);
	ck_assert(complete_one());
	/* a guest that insists cannot start it again before it is taken out */
	put(VIRTIO_MMIO_STATUS, ACK);
	fake_notify(&vm, 1, 0);
	ck_assert_int_ge(fake_step(&vm), 1);
	ck_assert_uint_eq(dev.v.status, 0);
	fake_lock(&vm);
	ck_assert_int_eq(mmio_slot_empty(&vm.slot[1]), 0);
	fake_unlock(&vm);
	ck_assert_int_eq(fake_fill(&vm, 1, &dev.v), 0);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 1, MINE, 16), 0);
	stop();
}
END_TEST

START_TEST(test_a_doorbell_that_cannot_be_attached_fails_the_fill_and_leaves_nothing)
{
	start(true);
	fake_empty(&vm, 1);
	vm.attach_error = -ENOSPC;
	ck_assert_int_eq(fake_fill(&vm, 1, &dev.v), -ENOSPC);
	ck_assert_uint_eq(vm.nbells, 0);
	ck_assert_ptr_null(vm.slot[1].dev);
	ck_assert_int_eq(fake_fill(&vm, 1, &dev.v), 0);
	ck_assert_uint_eq(vm.nbells, 2);
	stop();
}
END_TEST

START_TEST(test_filling_and_emptying_for_ever_uses_nothing_up)
{
	unsigned int i;

	start(true);
	for (i = 0; i < LOOP_SOURCES_MAX; i++) {
		fake_empty(&vm, 1);
		ck_assert_int_eq(fake_fill(&vm, 1, &dev.v), 0);
	}
	ck_assert_uint_eq(vm.nbells, 2);
	stop();
}
END_TEST

START_TEST(test_slots_cannot_overlap)
{
	struct notify none = { 0 };
	struct mmio_slot s;

	start(false);
	ck_assert_int_eq(mmio_slot_init(&s, &vm.bus, FAKE_MMIO + 8, 20, vm.loop, none), -EEXIST);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_filled_slot_identifies_its_device,
		test_an_empty_slot_is_virtio_with_device_id_0_and_deaf,
		test_registers_answer_aligned_4_byte_accesses_only,
		test_handshake_ends_active_with_the_features_both_know,
		test_features_beyond_the_offered_or_without_version_1_are_refused,
		test_features_are_frozen_before_driver_and_after_features_ok,
		test_feature_words_beyond_64_bits_read_0_and_take_nothing,
		test_status_bits_out_of_order_are_not_taken,
		test_a_status_bit_cannot_be_taken_back_but_by_reset,
		test_a_driver_that_gives_up_stops_the_device,
		test_an_activation_that_fails_asks_for_a_reset,
		test_queues_are_configured_between_features_ok_and_driver_ok_only,
		test_a_ready_queue_is_frozen_until_it_is_made_unready,
		test_a_bad_queue_size_asks_for_a_reset,
		test_a_ring_outside_memory_asks_for_a_reset,
		test_a_queue_the_device_does_not_have_is_not_there,
		test_a_request_comes_back_by_register_and_by_doorbell,
		test_doorbells_are_named_by_address_and_queue,
		test_a_notification_at_a_wrong_time_or_queue_reaches_no_device,
		test_a_hostile_chain_asks_for_a_reset_and_a_reset_cures_it,
		test_no_interrupt_for_a_driver_that_polls,
		test_a_reset_with_requests_in_flight_shows_a_status_until_they_end,
		test_a_broken_device_with_requests_in_flight_resets_too,
		test_needs_reset_during_a_reset_changes_nothing,
		test_a_reset_forgets_selectors_and_queue_configuration,
		test_config_reads_any_width_inside_and_nothing_beyond,
		test_config_writes_reach_the_device_inside_its_bounds_only,
		test_a_changed_config_has_a_new_generation_and_an_interrupt,
		test_a_device_without_config_writes_is_read_only,
		test_a_filled_slot_refuses_another_device,
		test_a_device_leaves_a_running_machine_and_comes_back_elsewhere,
		test_a_leaving_device_is_gone_for_the_guest_while_requests_end,
		test_a_doorbell_that_cannot_be_attached_fails_the_fill_and_leaves_nothing,
		test_filling_and_emptying_for_ever_uses_nothing_up,
		test_slots_cannot_overlap,
	};

	return suite_run("mmio", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The threads of a running VM without KVM: two "vcpu" threads doing register accesses and queue traffic, the loop, the
 * workers of a device. Meant for ThreadSanitizer (SAN=thread); what it asserts holds in any build.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake/fake_dev.h"
#include "tests/unit/fake/fake_drv.h"
#include "tests/unit/fake/suite.h"

#define WORKERS     2
#define ROUNDS      400
#define PATIENCE_MS 20000

static struct fake_vm vm;
static struct fake_dev dev;
static pthread_t loop_thread;

static void *run_loop(void *arg UNUSED)
{
	return loop_run(vm.loop) == 0 ? &vm : NULL;
}

static void start(bool doorbells)
{
	log_init("test", "", -1, LOG_ERROR);
	fake_vm_init(&vm, 4 << 20, doorbells);
	ck_assert_int_eq(fake_dev_init(&dev, &vm.mem, vm.loop, WORKERS), 0);
	ck_assert_int_eq(fake_fill(&vm, 0, &dev.v), 0);
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, NULL), 0);
}

static void stop(void)
{
	void *r;

	loop_stop(vm.loop);
	ck_assert_int_eq(pthread_join(loop_thread, &r), 0);
	ck_assert_ptr_nonnull(r);
	fake_empty(&vm, 0);
	ck_assert_uint_eq(dev.popped, dev.pushed);
	ck_assert_uint_eq(dev.in_flight, 0);
	fake_dev_fini(&dev);
	fake_vm_fini(&vm);
}

struct vcpu {
	pthread_t thread;
	struct fake_drv drv;
	unsigned int q;
	bool by_irq; /* waits for interrupts, else looks again and again */
	struct fake_buf b[2];
	unsigned int rounds; /* done with the right answer */
	unsigned int seed;
};

static void vcpu_init(struct vcpu *v, const struct fake_drv *drv, unsigned int q, bool by_irq)
{
	*v = (struct vcpu){ .q = q, .by_irq = by_irq, .seed = q + 1 };
	fake_drv_attach(&v->drv, drv);
	v->b[0] = (struct fake_buf){ fake_alloc(&vm, 600, 16), 600, false };
	v->b[1] = (struct fake_buf){ fake_alloc(&vm, 600, 16), 600, true };
}

static uint32_t next_random(struct vcpu *v)
{
	v->seed = v->seed * 1664525 + 1013904223;
	return v->seed >> 8;
}

static bool wait_irq(void)
{
	struct pollfd p = { .fd = vm.slot[0].irq.fd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return false;
	(void)fake_irqs(&vm, 0);
	fake_write(&vm, 0, VIRTIO_MMIO_INTERRUPT_ACK, 4, fake_read(&vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS, 4));
	return true;
}

static bool wait_used(struct vcpu *v, uint32_t *len)
{
	uint16_t head;

	while (!fake_drv_used(&v->drv, v->q, &head, len)) {
		if (!v->by_irq) {
			(void)sched_yield();
			continue;
		}
		fake_drv_want_irq(&v->drv, v->q);
		if (fake_drv_used(&v->drv, v->q, &head, len))
			return true;
		if (!wait_irq())
			return false;
	}
	return true;
}

/* One request with an answer of its own; false when it is lost or wrong. */
static bool vcpu_round(struct vcpu *v, unsigned int i)
{
	uint8_t *req = fake_ptr(&vm, v->b[0].gpa, 600), *resp = fake_ptr(&vm, v->b[1].gpa, 600);
	uint32_t len;

	memset(req, (int)i, 600);
	memset(resp, 0xff, 600);
	v->b[0].len = 1 + next_random(v) % 600;
	if (fake_drv_add(&v->drv, v->q, v->b, 2, (i & 1) != 0 ? FAKE_TABLE : FAKE_DIRECT) < 0)
		return false;
	if (next_random(v) % 8 == 0)
		fake_drv_reg(&v->drv, VIRTIO_MMIO_QUEUE_NOTIFY, v->q); /* an exit to the bus */
	else
		(void)fake_drv_kick(&v->drv, v->q);
	if (!wait_used(v, &len) || len != v->b[0].len)
		return false;
	return memcmp(req, resp, len) == 0 && (len == 600 || resp[len] == 0xff);
}

static void *vcpu_run(void *arg)
{
	struct vcpu *v = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		if (!vcpu_round(v, i))
			break;
		v->rounds++;
		(void)fake_read(&vm, 0, VIRTIO_MMIO_STATUS, 4);
		(void)fake_read(&vm, 0, VIRTIO_MMIO_CONFIG + i % 12, 1);
		fake_write(&vm, 0, VIRTIO_MMIO_CONFIG + i % 8, 1, i & 0xff);
	}
	return NULL;
}

static void two_vcpus(bool doorbells)
{
	struct fake_drv drv;
	struct vcpu v[2];
	unsigned int i;

	start(doorbells);
	ck_assert_int_eq(fake_drv_probe(&drv, &vm, 0, FAKE_FEATURES, 16), 0);
	for (i = 0; i < 2; i++)
		vcpu_init(&v[i], &drv, i, false);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&v[i].thread, NULL, vcpu_run, &v[i]), 0);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(pthread_join(v[i].thread, NULL), 0);
		ck_assert_uint_eq(v[i].rounds, ROUNDS);
	}
	ck_assert_uint_eq(dev.popped, 2 * ROUNDS);
	stop();
}

START_TEST(test_two_vcpus_share_a_device_by_doorbells)
{
	two_vcpus(true);
}
END_TEST

START_TEST(test_two_vcpus_share_a_device_by_registers)
{
	two_vcpus(false);
}
END_TEST

START_TEST(test_no_notification_and_no_interrupt_is_lost)
{
	struct fake_drv drv;
	struct vcpu v;
	unsigned int q, how;

	for (how = 0; how < 2; how++) {
		for (q = 0; q < 2; q++) {
			start(true);
			ck_assert_int_eq(fake_drv_probe(&drv, &vm, 0, how ? FAKE_VERSION_1 : FAKE_FEATURES, 16), 0);
			vcpu_init(&v, &drv, q, true);
			(void)vcpu_run(&v);
			ck_assert_uint_eq(v.rounds, ROUNDS);
			stop();
		}
	}
}
END_TEST

struct vandal {
	pthread_t thread;
	bool stop; /* atomic */
	uint32_t seed;
};

/* A vcpu that writes anything anywhere in the slot but into the status. */
static void *vandal_run(void *arg)
{
	struct vandal *v = arg;
	const unsigned int sizes[] = { 1, 2, 4, 4, 4, 8 };

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED)) {
		uint64_t off;

		v->seed = v->seed * 1664525 + 1013904223;
		off = (v->seed >> 8) % 0x110;
		if ((v->seed & 0x80) != 0)
			(void)fake_read(&vm, 0, off, sizes[v->seed % 6]);
		else if ((off & ~3ULL) != VIRTIO_MMIO_STATUS)
			fake_write(&vm, 0, off & ~3ULL, sizes[v->seed % 6], v->seed >> 16);
		if (v->seed % 64 == 0)
			(void)sched_yield();
	}
	return NULL;
}

/* Handshakes as far as the vandal lets it, posts requests and resets while they are in flight. */
static void probe_and_reset(struct fake_buf *b)
{
	struct fake_drv drv;
	unsigned int i;

	if (fake_drv_probe(&drv, &vm, 0, FAKE_FEATURES, 16) == 0) {
		for (i = 0; i < 4; i++)
			if (fake_drv_add(&drv, 1, &b[2 * i], 2, FAKE_DIRECT) < 0)
				break;
		fake_drv_force_kick(&drv, 1);
	}
	fake_drv_reset(&drv);
	for (i = 0; i < 1000000 && fake_drv_status(&drv) != 0; i++)
		(void)sched_yield();
	ck_assert_uint_eq(fake_drv_status(&drv), 0);
}

START_TEST(test_resets_with_works_in_flight_beside_a_vandal)
{
	struct vandal v = { .seed = 7 };
	struct fake_buf b[8];
	unsigned int i;

	start(true);
	for (i = 0; i < 8; i++)
		b[i] = (struct fake_buf){ fake_alloc(&vm, 4096, 16), 4096, i % 2 != 0 };
	ck_assert_int_eq(pthread_create(&v.thread, NULL, vandal_run, &v), 0);
	for (i = 0; i < 200; i++)
		probe_and_reset(b);
	__atomic_store_n(&v.stop, true, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(v.thread, NULL), 0);
	for (i = 0; i < 50; i++) /* in peace again, with requests that were really in flight */
		probe_and_reset(b);
	ck_assert_uint_ge(dev.activated, 50);
	ck_assert_uint_eq(dev.activated, dev.resets);
	stop();
}
END_TEST

START_TEST(test_slots_are_filled_and_emptied_beside_a_running_guest)
{
	struct vandal v = { .seed = 9 };
	unsigned int i;

	start(true);
	ck_assert_int_eq(pthread_create(&v.thread, NULL, vandal_run, &v), 0);
	for (i = 0; i < 100; i++) {
		int r;

		fake_lock(&vm);
		while ((r = mmio_slot_empty(&vm.slot[0])) == -EINPROGRESS) {
			fake_unlock(&vm);
			(void)sched_yield();
			fake_lock(&vm);
		}
		fake_unlock(&vm);
		ck_assert_int_eq(r, 0);
		ck_assert_int_eq(fake_fill(&vm, 0, &dev.v), 0);
	}
	__atomic_store_n(&v.stop, true, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(v.thread, NULL), 0);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_two_vcpus_share_a_device_by_doorbells,
		test_two_vcpus_share_a_device_by_registers,
		test_no_notification_and_no_interrupt_is_lost,
		test_resets_with_works_in_flight_beside_a_vandal,
		test_slots_are_filled_and_emptied_beside_a_running_guest,
	};

	return suite_run("threads", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the mmio transport and the status machine with the fake device behind, driven by a list of accesses.
 *
 * Input: one byte of options (bit 0: doorbells), 2 bytes number of ops, the ops (8 bytes each: kind, size, offset,
 * value), then the image of RAM. Most kinds are raw register accesses of any width; a few do a driver's steps in one
 * go, so that the fuzzer gets deep quickly.
 *
 * Oracles, beside the sanitizers, after every op:
 *   - status: DRIVER_OK only with FEATURES_OK, that only with DRIVER, that only with ACKNOWLEDGE; features beyond the
 *     offered or without VERSION_1 never with FEATURES_OK; a bit goes only by reset;
 *   - while DRIVER_OK stays, no queue's configuration and no accepted feature changes; a ready queue has FEATURES_OK;
 *   - the device is notified only while it is active, activated and reset by turns, and never asked for a config
 *     write outside its space;
 *   - a register read of a wrong width or alignment, or of an empty slot, and a config read beyond the end give 0;
 *   - chains popped == pushed + in flight; an interrupt only with a reason in InterruptStatus.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "tests/unit/fake/fake_dev.h"
#include "tests/unit/fake/fake_drv.h"

#define RAM_LEN 0x10000ULL
#define OPS_MAX 200
#define SLOT    1
#define QSIZE   8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_vm vm;
static struct fake_dev dev;

struct op {
	uint8_t kind;
	uint8_t size;
	uint16_t off;
	uint32_t val;
};
static_assert(sizeof(struct op) == 8, "as in the input");

/* What an op must not change while DRIVER_OK stays */
struct before {
	uint8_t status;
	uint64_t acked;
	struct vq_state q[FAKE_DEV_QUEUES];
	unsigned int notified, config_writes, resets;
	bool active;
};

static struct before look(void)
{
	struct before b = {
		.status = dev.v.status,
		.acked = dev.v.acked,
		.notified = dev.notified,
		.config_writes = dev.config_writes,
		.resets = dev.resets,
		.active = virtio_active(&dev.v),
	};
	unsigned int i;

	for (i = 0; i < FAKE_DEV_QUEUES; i++)
		b.q[i] = dev.v.vq[i].st;
	return b;
}

static bool same_config(const struct vq_state *a, const struct vq_state *b)
{
	return a->desc_gpa == b->desc_gpa && a->avail_gpa == b->avail_gpa && a->used_gpa == b->used_gpa &&
	       a->size == b->size && a->ready == b->ready && a->event_idx == b->event_idx;
}

static void check_status(void)
{
	uint8_t s = dev.v.status;

	if ((s & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		BUG_ON((s & VIRTIO_CONFIG_S_FEATURES_OK) == 0);
	if ((s & VIRTIO_CONFIG_S_FEATURES_OK) != 0) {
		BUG_ON((s & VIRTIO_CONFIG_S_DRIVER) == 0);
		BUG_ON((dev.v.acked & ~dev.v.offered) != 0 || !virtio_has(&dev.v, VIRTIO_F_VERSION_1));
	}
	if ((s & VIRTIO_CONFIG_S_DRIVER) != 0)
		BUG_ON((s & VIRTIO_CONFIG_S_ACKNOWLEDGE) == 0);
	BUG_ON((s & 0x30) != 0);
}

static void check(const struct before *b, bool handshake)
{
	bool stays =
		(b->status & dev.v.status & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && b->resets == dev.resets && !handshake;
	unsigned int i;

	check_status();
	for (i = 0; i < FAKE_DEV_QUEUES; i++) {
		const struct vq_state *st = &dev.v.vq[i].st;

		if (stays)
			BUG_ON(!same_config(st, &b->q[i]));
		if (st->ready)
			BUG_ON((dev.v.status & VIRTIO_CONFIG_S_FEATURES_OK) == 0 || st->size > FAKE_DEV_SIZE);
		BUG_ON(st->in_flight > st->size);
	}
	if (stays)
		BUG_ON(dev.v.acked != b->acked || (b->status & ~dev.v.status) != 0);
	BUG_ON(dev.popped != dev.pushed + dev.in_flight || dev.in_flight > FAKE_DEV_REQS);
	BUG_ON(dev.activated - dev.resets != (dev.v.activated ? 1 : 0));
	BUG_ON(dev.v.resetting && dev.in_flight == 0);
	if (fake_irqs(&vm, SLOT) != 0)
		BUG_ON(dev.v.isr == 0 && !handshake);
}

/* One callback may ack and reset, so this looks at single accesses only. */
static void op_access(const struct op *op, bool write)
{
	static const unsigned int sizes[] = { 4, 4, 4, 4, 1, 2, 8, 3 };
	unsigned int size = sizes[op->size % ARRAY_SIZE(sizes)];
	uint64_t off = op->off % (VIRTIO_MMIO_CONFIG + 0x20);
	struct before b = look();
	uint64_t v;

	if (write) {
		fake_write(&vm, SLOT, off, size, op->val | (uint64_t)op->val << 32);
		BUG_ON(dev.notified != b.notified && (!b.active || off != VIRTIO_MMIO_QUEUE_NOTIFY || size != 4));
		BUG_ON(dev.config_writes != b.config_writes &&
		       (off < VIRTIO_MMIO_CONFIG || off + size > VIRTIO_MMIO_CONFIG + FAKE_DEV_CONFIG));
		return;
	}
	v = fake_read(&vm, SLOT, off, size);
	BUG_ON(size == 3 ? v != 0xffffff : size < 8 && v >> 8 * size != 0);
	if (off < VIRTIO_MMIO_CONFIG && size != 3 && (size != 4 || off % 4 != 0))
		BUG_ON(v != 0);
	if (off + size > VIRTIO_MMIO_CONFIG + FAKE_DEV_CONFIG && size != 3)
		BUG_ON(v != 0);
	BUG_ON(fake_read(&vm, 0, off < 0x10 ? 0x10 : off & ~3ULL, 4) != 0); /* the empty slot beside */
}

static void reg(uint32_t r, uint32_t v)
{
	fake_write(&vm, SLOT, r, 4, v);
}

/* A driver's handshake with rings at fixed places of RAM, as far as bits of val say */
static void op_handshake(uint32_t val)
{
	uint32_t q;

	reg(VIRTIO_MMIO_STATUS, 0);
	reg(VIRTIO_MMIO_STATUS, 1);
	reg(VIRTIO_MMIO_STATUS, 3);
	reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg(VIRTIO_MMIO_DRIVER_FEATURES, (val & 1) == 0 ? 1 : 3);
	reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg(VIRTIO_MMIO_DRIVER_FEATURES, val & 0x30000001);
	reg(VIRTIO_MMIO_STATUS, 11);
	for (q = 0; q < FAKE_DEV_QUEUES; q++) {
		uint32_t at = (uint32_t)FAKE_RAM0 + 0x1000 * q;

		reg(VIRTIO_MMIO_QUEUE_SEL, q);
		reg(VIRTIO_MMIO_QUEUE_NUM, QSIZE);
		reg(VIRTIO_MMIO_QUEUE_DESC_LOW, at);
		reg(VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + 0x100);
		reg(VIRTIO_MMIO_QUEUE_USED_LOW, at + 0x200);
		if ((val & 2U << q) == 0)
			reg(VIRTIO_MMIO_QUEUE_READY, 1);
	}
	if ((val & 8) == 0)
		reg(VIRTIO_MMIO_STATUS, 15);
}

static void op_post(const struct op *op)
{
	uint64_t at = FAKE_RAM0 + 0x1000ULL * (op->off % FAKE_DEV_QUEUES);
	uint16_t idx, head = (uint16_t)(op->val % (QSIZE + 1));
	uint8_t *avail = fake_ptr(&vm, at + 0x100, 0x100);

	memcpy(&idx, avail + 2, 2);
	memcpy(avail + 4 + sizeof(head) * (idx % QSIZE), &head, 2);
	idx++;
	memcpy(avail + 2, &idx, 2);
	fake_notify(&vm, SLOT, op->off % FAKE_DEV_QUEUES);
}

static void op_host(const struct op *op)
{
	fake_lock(&vm);
	switch (op->off % 4) {
	case 0: virtio_config_changed(&dev.v); break;
	case 1: virtio_needs_reset(&dev.v, "fuzz"); break;
	case 2: dev.activate_error = op->val % 4 == 0 ? -EIO : 0; break;
	default:
		if (mmio_slot_empty(&vm.slot[SLOT]) == 0)
			BUG_ON(dev.v.status != 0 || mmio_slot_fill(&vm.slot[SLOT], &dev.v) != 0);
		break;
	}
	fake_unlock(&vm);
}

static void op_complete(void)
{
	fake_lock(&vm);
	(void)fake_dev_complete(&dev);
	fake_unlock(&vm);
}

static void run_op(const struct op *op)
{
	struct before b = look();
	uint32_t word = op->val;

	switch (op->kind % 12) {
	case 0:
	case 1:
	case 2:
	case 3: op_access(op, true); break;
	case 4:
	case 5: op_access(op, false); break;
	case 6: op_handshake(op->val); break;
	case 7: op_post(op); break;
	case 8: memcpy(fake_ptr(&vm, FAKE_RAM0 + op->off % (RAM_LEN - 4), 4), &word, 4); break;
	case 9: op_complete(); break;
	case 10: (void)fake_step(&vm); break;
	default: op_host(op); break;
	}
	check(&b, op->kind % 12 == 6);
}

static void finish(void)
{
	while (dev.in_flight > 0)
		op_complete();
	fake_empty(&vm, SLOT);
	BUG_ON(dev.v.status != 0 || dev.popped != dev.pushed || dev.activated != dev.resets);
	fake_dev_fini(&dev);
	fake_vm_fini(&vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t nops, i;

	if (size < 3)
		return 0;
	log_init("fuzz", "", -1, LOG_ERROR);
	fake_vm_init(&vm, RAM_LEN, data[0] & 1);
	if (fake_dev_init(&dev, &vm.mem, vm.loop, 0) != 0 || fake_fill(&vm, SLOT, &dev.v) != 0)
		return 0;
	nops = min_size(min_size((size_t)(data[1] | data[2] << 8), OPS_MAX), (size - 3) / sizeof(struct op));
	memcpy(fake_ptr(&vm, FAKE_RAM0, RAM_LEN), data + 3 + nops * sizeof(struct op),
	       min_size(size - 3 - nops * sizeof(struct op), RAM_LEN));
	for (i = 0; i < nops; i++) {
		struct op op;

		memcpy(&op, data + 3 + i * sizeof(op), sizeof(op));
		run_op(&op);
	}
	finish();
	return 0;
}

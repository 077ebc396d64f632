// SPDX-License-Identifier: Apache-2.0
#include "virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MMIO_MAGIC   0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define MMIO_VENDOR  0x424d564b /* "KVMB" */

static bool status_has(const struct virtio_dev *d, uint8_t bits)
{
	return (d->status & bits) == bits;
}

/* The queue that QueueSel names, if the device has it and the driver may still configure it; else NULL */
static struct vq_state *queue_pending(struct mmio_slot *s)
{
	const struct virtio_dev *d = s->dev;
	const uint8_t over = VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

	if (s->queue_sel >= d->ops->nqueues)
		return NULL;
	if (!status_has(d, VIRTIO_CONFIG_S_FEATURES_OK) || (d->status & over) != 0)
		return NULL;
	return &s->pending[s->queue_sel];
}

static void queue_set_ready(struct mmio_slot *s, uint32_t val)
{
	struct vq_state *p = queue_pending(s);
	struct virtio_dev *d = s->dev;
	struct vq *q;

	if (p == NULL)
		return;
	q = &d->vq[s->queue_sel];
	if (val == 0) {
		vq_reset(q);
		return;
	}
	if (val != 1)
		return;
	p->event_idx = virtio_has(d, VIRTIO_RING_F_EVENT_IDX);
	if (p->size > d->ops->queue_max || vq_setup(q, d->mem, p) != 0)
		virtio_needs_reset(d, "a queue's size or address is wrong");
}

static void set_low(uint64_t *v, uint32_t val)
{
	*v = (*v & ~(uint64_t)UINT32_MAX) | val;
}

static void set_high(uint64_t *v, uint32_t val)
{
	*v = (*v & UINT32_MAX) | (uint64_t)val << 32;
}

static void queue_configure(struct mmio_slot *s, uint64_t reg, uint32_t val)
{
	struct vq_state *p = queue_pending(s);

	if (p == NULL || s->dev->vq[s->queue_sel].st.ready)
		return;
	switch (reg) {
	case VIRTIO_MMIO_QUEUE_NUM:
		p->size = val <= VQ_SIZE_MAX ? (uint16_t)val : 0; /* 0 is refused at QueueReady */
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW: set_low(&p->desc_gpa, val); break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH: set_high(&p->desc_gpa, val); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW: set_low(&p->avail_gpa, val); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: set_high(&p->avail_gpa, val); break;
	case VIRTIO_MMIO_QUEUE_USED_LOW: set_low(&p->used_gpa, val); break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH: set_high(&p->used_gpa, val); break;
	default: break;
	}
}

static void queue_notify(struct mmio_slot *s, uint32_t q)
{
	struct virtio_dev *d = s->dev;

	if (q < d->ops->nqueues && virtio_active(d) && d->vq[q].st.ready)
		d->ops->notify(d, q);
}

static void features_write(struct mmio_slot *s, uint32_t val)
{
	struct virtio_dev *d = s->dev;

	if (!status_has(d, VIRTIO_CONFIG_S_DRIVER) || status_has(d, VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	if (s->drv_features_sel == 0)
		set_low(&d->acked, val);
	else if (s->drv_features_sel == 1)
		set_high(&d->acked, val);
}

static bool features_good(const struct virtio_dev *d)
{
	return (d->acked & ~d->offered) == 0 && virtio_has(d, VIRTIO_F_VERSION_1);
}

static void slot_forget(struct mmio_slot *s)
{
	s->dev_features_sel = 0;
	s->drv_features_sel = 0;
	s->queue_sel = 0;
	memset(s->pending, 0, sizeof(s->pending));
}

static void status_driver_ok(struct virtio_dev *d)
{
	d->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	d->activated = true;
	if (d->ops->activate(d) == 0)
		return;
	d->activated = false;
	virtio_needs_reset(d, "the device cannot work with this configuration");
}

/*
 * Bits are added in the order ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK (2.1 and 3.1.1), each only after the one
 * before; a value that takes one back, or adds one out of order, adds what was in order and no more. NEEDS_RESET is
 * ours.
 */
static void status_write(struct mmio_slot *s, uint32_t val)
{
	struct virtio_dev *d = s->dev;
	uint8_t old = d->status & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;

	if (val == 0) {
		slot_forget(s);
		(void)virtio_reset(d); /* unfinished: the status does not read 0 until virtio_reset_done() */
		return;
	}
	if (d->resetting || (old & ~val) != 0 || (d->status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
		return;
	if ((val & VIRTIO_CONFIG_S_FAILED) != 0) {
		d->status |= VIRTIO_CONFIG_S_FAILED;
		return;
	}
	if ((val & VIRTIO_CONFIG_S_ACKNOWLEDGE) != 0)
		d->status |= VIRTIO_CONFIG_S_ACKNOWLEDGE;
	if ((val & VIRTIO_CONFIG_S_DRIVER) != 0 && status_has(d, VIRTIO_CONFIG_S_ACKNOWLEDGE))
		d->status |= VIRTIO_CONFIG_S_DRIVER;
	/* Good features need DRIVER: without it none is accepted. */
	if ((val & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && features_good(d))
		d->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if ((val & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && status_has(d, VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !status_has(d, VIRTIO_CONFIG_S_DRIVER_OK))
		status_driver_ok(d);
}

static uint64_t config_read(const struct virtio_dev *d, uint64_t off, unsigned int size)
{
	uint64_t v = 0;

	if (off > d->config_len || size > d->config_len - off)
		return 0;
	memcpy(&v, d->config + off, size);
	return v;
}

static void config_write(struct virtio_dev *d, uint64_t off, unsigned int size, uint64_t val)
{
	if (off > d->config_len || size > d->config_len - off || d->resetting)
		return;
	if (d->ops->config_write != NULL && status_has(d, VIRTIO_CONFIG_S_DRIVER))
		d->ops->config_write(d, off, &val, size);
}

static uint32_t features_read(const struct mmio_slot *s)
{
	if (s->dev_features_sel > 1)
		return 0;
	return (uint32_t)(s->dev->offered >> 32 * s->dev_features_sel);
}

static uint32_t device_read(const struct mmio_slot *s, uint64_t reg)
{
	const struct virtio_dev *d = s->dev;
	bool has_queue = s->queue_sel < d->ops->nqueues;

	switch (reg) {
	case VIRTIO_MMIO_DEVICE_ID: return d->ops->device_id;
	case VIRTIO_MMIO_DEVICE_FEATURES: return features_read(s);
	case VIRTIO_MMIO_QUEUE_NUM_MAX: return has_queue ? d->ops->queue_max : 0;
	case VIRTIO_MMIO_QUEUE_READY: return has_queue ? d->vq[s->queue_sel].st.ready : 0;
	case VIRTIO_MMIO_INTERRUPT_STATUS: return d->isr;
	case VIRTIO_MMIO_STATUS: return d->status;
	case VIRTIO_MMIO_SHM_LEN_LOW: /* no shared memory regions: all ones (4.2.2) */
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH: return UINT32_MAX;
	case VIRTIO_MMIO_CONFIG_GENERATION: return d->config_gen;
	default: return 0;
	}
}

/* The device as the guest sees it; NULL for an empty slot and for one about to be */
static struct virtio_dev *slot_dev(const struct mmio_slot *s)
{
	return s->leaving ? NULL : s->dev;
}

static uint64_t mmio_read(void *opaque, uint64_t off, unsigned int size)
{
	const struct mmio_slot *s = opaque;
	const struct virtio_dev *d = slot_dev(s);

	loop_assert_locked(s->loop);
	if (off >= VIRTIO_MMIO_CONFIG)
		return d != NULL ? config_read(d, off - VIRTIO_MMIO_CONFIG, size) : 0;
	if (size != 4)
		return 0;
	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE: return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION: return MMIO_VERSION;
	case VIRTIO_MMIO_VENDOR_ID: return MMIO_VENDOR;
	default: return d != NULL ? device_read(s, off) : 0;
	}
}

static void mmio_write(void *opaque, uint64_t off, unsigned int size, uint64_t wide)
{
	struct mmio_slot *s = opaque;
	struct virtio_dev *d = slot_dev(s);
	uint32_t val = (uint32_t)wide;

	loop_assert_locked(s->loop);
	if (d == NULL)
		return;
	if (off >= VIRTIO_MMIO_CONFIG) {
		config_write(d, off - VIRTIO_MMIO_CONFIG, size, wide);
		return;
	}
	if (size != 4)
		return;
	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL: s->dev_features_sel = val; break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL: s->drv_features_sel = val; break;
	case VIRTIO_MMIO_DRIVER_FEATURES: features_write(s, val); break;
	case VIRTIO_MMIO_QUEUE_SEL: s->queue_sel = val; break;
	case VIRTIO_MMIO_QUEUE_READY: queue_set_ready(s, val); break;
	case VIRTIO_MMIO_QUEUE_NOTIFY: queue_notify(s, val); break;
	case VIRTIO_MMIO_INTERRUPT_ACK: d->isr &= ~val; break;
	case VIRTIO_MMIO_STATUS: status_write(s, val); break;
	default: queue_configure(s, off, val); break;
	}
}

const struct bus_ops mmio_bus_ops = { .read = mmio_read, .write = mmio_write };

/* Loop thread */
static void doorbell_event(void *arg, uint32_t events UNUSED)
{
	const struct mmio_doorbell *b = arg;
	uint64_t count;

	if (read(b->fd, &count, sizeof(count)) < 0)
		return;
	queue_notify(b->slot, (uint32_t)(b - b->slot->doorbell)); /* a leaving device is not active */
}

static int doorbell_attach(struct mmio_slot *s, unsigned int q)
{
	struct mmio_doorbell *b = &s->doorbell[q];
	int r;

	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd < 0)
		return -errno;
	b->id = loop_add_fd(s->loop, b->fd, EPOLLIN, doorbell_event, b);
	if (b->id == 0) {
		r = -ENOSPC;
		goto err_fd;
	}
	r = s->notify.ops->attach(s->notify.ctx, s->base + VIRTIO_MMIO_QUEUE_NOTIFY, q, b->fd);
	if (r != 0)
		goto err_loop;
	return 0;

err_loop:
	loop_del(s->loop, b->id);
err_fd:
	(void)close(b->fd);
	b->fd = -1;
	return r;
}

static void doorbells_detach(struct mmio_slot *s)
{
	unsigned int q;

	for (q = 0; q < VIRTIO_QUEUES_MAX; q++) {
		struct mmio_doorbell *b = &s->doorbell[q];

		if (b->fd < 0)
			continue;
		/* Fails only if it is not attached, and closing the fd ends it in any case. */
		(void)s->notify.ops->detach(s->notify.ctx, s->base + VIRTIO_MMIO_QUEUE_NOTIFY, q, b->fd);
		loop_del(s->loop, b->id);
		(void)close(b->fd);
		b->fd = -1;
	}
}

int mmio_slot_init(struct mmio_slot *s, struct bus *bus, uint64_t base, uint32_t gsi, struct loop *loop,
		   struct notify notify)
{
	unsigned int q;

	*s = (struct mmio_slot){ .base = base, .irq = { .fd = -1, .gsi = gsi }, .notify = notify, .loop = loop };
	for (q = 0; q < VIRTIO_QUEUES_MAX; q++)
		s->doorbell[q] = (struct mmio_doorbell){ .slot = s, .fd = -1 };
	return bus_add(bus, base, MMIO_SLOT_LEN, &mmio_bus_ops, s);
}

static void slot_release(struct mmio_slot *s)
{
	doorbells_detach(s);
	if (s->dev != NULL)
		s->dev->irq = NULL;
	s->dev = NULL;
	s->leaving = false;
}

void mmio_slot_fini(struct mmio_slot *s)
{
	slot_release(s);
	irq_line_fini(&s->irq);
}

int mmio_slot_fill(struct mmio_slot *s, struct virtio_dev *d)
{
	unsigned int q;
	int r = 0;

	if (s->dev != NULL)
		return -EBUSY;
	if (s->irq.fd < 0)
		r = irq_line_init(&s->irq, s->irq.gsi);
	for (q = 0; r == 0 && s->notify.ops != NULL && q < d->ops->nqueues; q++)
		r = doorbell_attach(s, q);
	if (r != 0) {
		doorbells_detach(s);
		return r;
	}
	slot_forget(s);
	d->irq = &s->irq;
	s->dev = d;
	return 0;
}

int mmio_slot_empty(struct mmio_slot *s)
{
	if (s->dev == NULL)
		return 0;
	s->leaving = true;
	if (virtio_reset(s->dev) != 0)
		return -EINPROGRESS;
	slot_release(s);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The part of the status machine that belongs to the device: activation and reset. What the driver writes is judged by
 * the transport (mmio.c).
 *
 *     state       activated resetting status
 *     idle        no        no        below DRIVER_OK, or NEEDS_RESET after a failed activate()
 *     running     yes       no        DRIVER_OK, perhaps NEEDS_RESET or FAILED
 *     resetting   no        yes       as it was; all writes are ignored, queues are already reset
 *
 * idle -> running: DRIVER_OK and activate() gave 0. running -> idle: reset() gave 0. running -> resetting: reset() gave
 * -EINPROGRESS. resetting -> idle: virtio_reset_done(). Any reset of an idle device is done at once, without reset().
 */
#include "virtio/virtio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

void virtio_init(struct virtio_dev *d, const struct virtio_ops *ops, const struct gmem *mem, struct loop *loop,
		 const void *config, size_t config_len)
{
	BUG_ON(ops->nqueues > VIRTIO_QUEUES_MAX || config_len > VIRTIO_CONFIG_MAX);
	BUG_ON(ops->queue_max == 0 || ops->queue_max > VQ_SIZE_MAX || (ops->queue_max & (ops->queue_max - 1)) != 0);
	*d = (struct virtio_dev){ .ops = ops, .mem = mem, .loop = loop, .config_len = config_len };
	d->offered = ops->features | 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX |
		     1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	if (config_len != 0)
		memcpy(d->config, config, config_len);
}

static void virtio_interrupt(struct virtio_dev *d, uint32_t why)
{
	d->isr |= why;
	if (d->irq != NULL)
		irq_raise(d->irq);
}

void virtio_signal(struct virtio_dev *d, unsigned int q)
{
	BUG_ON(q >= d->ops->nqueues);
	if (vq_should_signal(&d->vq[q]))
		virtio_interrupt(d, VIRTIO_MMIO_INT_VRING);
}

void virtio_config_changed(struct virtio_dev *d)
{
	d->config_gen++;
	if (virtio_active(d))
		virtio_interrupt(d, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_needs_reset(struct virtio_dev *d, const char *why)
{
	if (d->resetting || (d->status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
		return;
	d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (log_limited(&d->limit))
		log_warn(d->ops->name, "the guest's driver broke the protocol, the device needs a reset: %s", why);
	/* 2.1.2: a notification only after DRIVER_OK */
	if ((d->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		virtio_interrupt(d, VIRTIO_MMIO_INT_CONFIG);
}

int virtio_reset(struct virtio_dev *d)
{
	bool activated = d->activated;
	unsigned int i;
	int r = 0;

	if (d->resetting)
		return -EINPROGRESS;
	d->activated = false;
	d->resetting = true;
	if (activated)
		r = d->ops->reset(d);
	for (i = 0; i < d->ops->nqueues; i++)
		vq_reset(&d->vq[i]);
	if (r != -EINPROGRESS)
		virtio_reset_done(d);
	return d->resetting ? -EINPROGRESS : 0;
}

void virtio_reset_done(struct virtio_dev *d)
{
	if (!d->resetting)
		return;
	d->resetting = false;
	d->status = 0;
	d->acked = 0;
	d->isr = 0;
}

bool virtio_active(const struct virtio_dev *d)
{
	const uint8_t bad = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

	return !d->resetting && (d->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && (d->status & bad) == 0;
}

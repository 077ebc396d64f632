// SPDX-License-Identifier: Apache-2.0
/*
 * A virtio device (virtio 1.2, 2 and 3): feature negotiation, status machine, queues, configuration space.
 *
 * A front-end (blk, net, vsock, 9p) gives a const struct virtio_ops; the transport (mmio.h) drives the status machine.
 * Queue configuration is frozen at DRIVER_OK. A guest that breaks the protocol gets DEVICE_NEEDS_RESET and nothing
 * else. Threads: every callback with the device lock held, on a vcpu thread (register access) or the loop (notify).
 */
#ifndef KVMBOX_VIRTIO_H
#define KVMBOX_VIRTIO_H

#include "virtio/vq.h"
#include "vmm/base/log.h"
#include "vmm/core/irq.h"
#include "vmm/core/loop.h"

#define VIRTIO_QUEUES_MAX 8
#define VIRTIO_CONFIG_MAX 256

struct virtio_dev;

struct virtio_ops {
	const char *name; /* "p9", "vsock", ... also the log area */
	uint32_t device_id;
	unsigned int nqueues; /* <= VIRTIO_QUEUES_MAX */
	uint16_t queue_max;   /* power of two, <= VQ_SIZE_MAX */
	uint64_t features;    /* the device's own; VERSION_1, RING_EVENT_IDX and RING_INDIRECT_DESC are added for all */

	/*
	 * The driver set DRIVER_OK: features in dev->acked and queues are final (some may not be ready: they pop
	 * nothing); virtio_active() holds already. 0, or -errno: nothing was started, NEEDS_RESET.
	 */
	int (*activate)(struct virtio_dev *d);
	/*
	 * Called once after each activate() that returned 0, when the driver resets or the slot is emptied. Drop
	 * everything in flight. 0 when done; -EINPROGRESS when works are still running: the transport keeps the old
	 * status until the device calls virtio_reset_done(). Queues are reset right after this call in both cases, so
	 * late pushes are dropped. A work in flight may still write into guest RAM that its chain names: RAM stays
	 * mapped as long as the VM lives.
	 */
	int (*reset)(struct virtio_dev *d);
	/* Queue q has new chains, perhaps. Only while virtio_active() and the queue is ready. */
	void (*notify)(struct virtio_dev *d, unsigned int q);
	/* A write into the config space, off + len <= config_len, len 1, 2, 4 or 8; NULL: read-only. */
	void (*config_write)(struct virtio_dev *d, size_t off, const void *src, size_t len);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	const struct gmem *mem;
	struct loop *loop;
	const struct irq_line *irq; /* the slot's; set by the transport */
	uint64_t offered;           /* set by virtio_init() */
	uint64_t acked;
	uint8_t status;
	bool activated;      /* between activate() and reset() */
	bool resetting;      /* a reset waits for virtio_reset_done() */
	uint32_t isr;        /* bit 0 used buffer, bit 1 configuration change */
	uint32_t config_gen; /* grows when the device changes its config */
	uint8_t config[VIRTIO_CONFIG_MAX];
	size_t config_len;
	struct vq vq[VIRTIO_QUEUES_MAX];
	struct log_limit limit;
};

/* Fill a device that the caller embeds in its own struct and outlives the slot. Copies config (<= VIRTIO_CONFIG_MAX).
 */
void virtio_init(struct virtio_dev *d, const struct virtio_ops *ops, const struct gmem *mem, struct loop *loop,
		 const void *config, size_t config_len);

static inline bool virtio_has(const struct virtio_dev *d, unsigned int feature_bit)
{
	return (d->acked >> feature_bit & 1) != 0;
}

/* Interrupt the driver for queue q if it wants that: call once after a batch of vq_push(). */
void virtio_signal(struct virtio_dev *d, unsigned int q);

/* The device changed its config space: bump the generation, interrupt. */
void virtio_config_changed(struct virtio_dev *d);

/* The guest broke the protocol: DEVICE_NEEDS_RESET, config interrupt, one rate-limited log line. `why` is a constant.
 */
void virtio_needs_reset(struct virtio_dev *d, const char *why);

/* For the transport: start a reset. 0 when it is done, -EINPROGRESS when virtio_reset_done() will come. */
int virtio_reset(struct virtio_dev *d);
/* For the device: an asynchronous reset has finished. Status reads 0 from now on. */
void virtio_reset_done(struct virtio_dev *d);

/* true while the driver may use the queues (DRIVER_OK, no FAILED, no NEEDS_RESET, no reset in progress) */
bool virtio_active(const struct virtio_dev *d);

#endif

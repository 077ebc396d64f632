// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-mmio version 2 register file (virtio 1.2, 4.2): one slot of the machine, empty or filled with a device.
 *
 * An empty slot reads DeviceID 0, so Linux declines it and a later bind in sysfs probes again: this is how devices come
 * and go without PCI or ACPI. mmio_slot_fill() and mmio_slot_empty() are legal while the VM runs, with the device lock.
 * Queue notifications come by ioeventfd where struct notify offers them (attached at DRIVER_OK, detached at reset and
 * when the slot is emptied), as register writes otherwise.
 */
#ifndef KVMBOX_MMIO_H
#define KVMBOX_MMIO_H

#include "vmm/core/bus.h"
#include "vmm/core/notify.h"
#include "virtio/virtio.h"

#define MMIO_SLOT_LEN 0x1000

struct mmio_slot {
	uint64_t base;
	struct irq_line irq;
	struct notify notify;
	struct loop *loop;
	struct virtio_dev *dev; /* NULL: empty */
	uint32_t dev_features_sel, drv_features_sel, queue_sel;
	struct vq_state pending[VIRTIO_QUEUES_MAX]; /* written by the driver, checked at QueueReady */
	int doorbell[VIRTIO_QUEUES_MAX];            /* eventfds, -1: none; made by mmio_slot_init() */
	loop_id doorbell_id[VIRTIO_QUEUES_MAX];
	bool attached;
};

/* Make an empty slot at GPA base and put it on the bus. Owns its eventfds. 0 or -errno. */
int mmio_slot_init(struct mmio_slot *s, struct bus *bus, uint64_t base, uint32_t gsi, struct loop *loop,
		   struct notify notify) MUST_CHECK;
void mmio_slot_fini(struct mmio_slot *s);

int mmio_slot_fill(struct mmio_slot *s, struct virtio_dev *d) MUST_CHECK; /* 0, -EBUSY */
/* Resets the device; -EINPROGRESS when that takes time: call again after dev's reset is done. The device stays the caller's. */
int mmio_slot_empty(struct mmio_slot *s) MUST_CHECK;

extern const struct bus_ops mmio_bus_ops;

#endif

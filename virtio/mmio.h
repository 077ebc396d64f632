// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-mmio version 2 register file (virtio 1.2, 4.2): one slot of the machine, empty or filled with a device.
 *
 * An empty slot reads DeviceID 0, so Linux declines it and a later bind in sysfs probes again: this is how devices come
 * and go without PCI or ACPI. mmio_slot_fill() and mmio_slot_empty() are legal while the VM runs, with the device lock.
 * Queue notifications come by ioeventfd where struct notify offers them (attached when the slot is filled, so before
 * the vcpus run where a device is known then; detached when it is emptied; what they say while the device is not active
 * is thrown away), as register writes otherwise.
 *
 * Registers take aligned 4-byte accesses only; any other read gives 0, any other write does nothing. So does a write at
 * a wrong time:
 *
 *     DriverFeatures             DRIVER set, FEATURES_OK not
 *     queue size and addresses   FEATURES_OK set, DRIVER_OK not, this queue not ready
 *     QueueReady                 FEATURES_OK set, DRIVER_OK not; 1 with a bad configuration: DEVICE_NEEDS_RESET
 *     QueueNotify                the device is active and the queue ready
 *     Status                     adds bits in the spec's order; 0 resets, all else is ignored until that is done
 *
 * The configuration space takes 1, 2, 4 and 8 bytes wholly inside it.
 */
#ifndef KVMBOX_MMIO_H
#define KVMBOX_MMIO_H

#include "virtio/virtio.h"
#include "vmm/core/bus.h"
#include "vmm/core/notify.h"

#define MMIO_SLOT_LEN 0x1000

struct mmio_slot;

struct mmio_doorbell {
	struct mmio_slot *slot;
	int fd; /* eventfd, -1: none */
	loop_id id;
};

struct mmio_slot {
	uint64_t base;
	struct irq_line irq; /* fd is -1 until the slot is filled for the first time, then stays open */
	struct notify notify;
	struct loop *loop;
	struct virtio_dev *dev; /* NULL: empty */
	bool leaving;           /* mmio_slot_empty() waits for the device; the guest sees an empty slot */
	uint32_t dev_features_sel, drv_features_sel, queue_sel;
	struct vq_state pending[VIRTIO_QUEUES_MAX]; /* written by the driver, checked at QueueReady */
	struct mmio_doorbell doorbell[VIRTIO_QUEUES_MAX];
};

/*
 * Make an empty slot at GPA base and put it on the bus. No system call: eventfds, which the slot owns, are made when it
 * is filled. 0 or -errno. The slot must not move.
 */
int mmio_slot_init(struct mmio_slot *s, struct bus *bus, uint64_t base, uint32_t gsi, struct loop *loop,
		   struct notify notify) MUST_CHECK;
/* After the vcpus have ended and with the loop at rest; the device must have no work in flight. Its bus range stays. */
void mmio_slot_fini(struct mmio_slot *s);

/* 0, -EBUSY when it is filled, -errno of an eventfd, the loop or the doorbell. The caller wires s->irq to the GSI. */
int mmio_slot_fill(struct mmio_slot *s, struct virtio_dev *d) MUST_CHECK;
/*
 * Resets the device and forgets it; 0, also for an empty slot. -EINPROGRESS when works are in flight: the slot is
 * already gone for the guest, call again after the device's virtio_reset_done(). The device stays the caller's.
 */
int mmio_slot_empty(struct mmio_slot *s) MUST_CHECK;

extern const struct bus_ops mmio_bus_ops;

#endif

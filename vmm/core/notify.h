// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells: a guest's write of `value` (4 bytes) at GPA `addr` signals `fd` without an exit to user space.
 *
 * Transports ask for them through struct notify_ops; the VM wires them to KVM's ioeventfd, a test records them.
 */
#ifndef KVMBOX_NOTIFY_H
#define KVMBOX_NOTIFY_H

#include "vmm/base/compat.h"

struct notify_ops {
	/* Both 0 or -errno; called on a vcpu or the loop thread with the device lock held. */
	int (*attach)(void *ctx, uint64_t addr, uint32_t value, int fd);
	int (*detach)(void *ctx, uint64_t addr, uint32_t value, int fd);
};

struct notify {
	const struct notify_ops *ops; /* NULL: no doorbells, QueueNotify writes come as bus writes */
	void *ctx;
};

#endif

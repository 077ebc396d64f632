// SPDX-License-Identifier: Apache-2.0
/*
 * The machine's virtio devices: which slot holds what, made from the configuration and on request.
 *
 * Slots are declared to the guest at boot, all of them; most are empty. Slot 0 is the synthetic 9p root where there is
 * one, the next one vsock, then the shares in order. Interrupt lines and doorbells exist for filled slots only.
 * Threads: machine_init() before the vcpus run; the rest on the loop thread with the device lock held.
 */
#ifndef KVMBOX_VMM_MACHINE_H
#define KVMBOX_VMM_MACHINE_H

#include "boot/cmdline.h"
#include "virtio/mmio.h"
#include "virtio/p9.h"
#include "virtio/vsock.h"
#include "vmm/config.h"

#define MACHINE_SLOTS 16

struct vm;

struct machine_slot {
	struct mmio_slot mmio;
	bool wired;           /* its interrupt line is known to KVM */
	struct virtio_p9 *p9; /* at most one of these two */
	struct virtio_vsock *vsock;
};

struct machine {
	struct machine_slot slot[MACHINE_SLOTS];
	struct ninep *root;   /* the synthetic root's server, or NULL; owned by its device */
	char vsock_path[108]; /* "": no socket of our own to remove at the end */
};

/* The guest kernel's whole command line: the architecture's words, the slots, the user's words */
int machine_cmdline(const struct vm_config *cfg, struct cmdline *c, struct err *e) MUST_CHECK;
int machine_init(struct vm *vm, struct err *e) MUST_CHECK;
/* Remove what the machine made in the file system. */
void machine_fini(struct machine *m);

/* Serve the folder fd (which is taken in any case) in the first free slot; returns its number. Drops the lock
 * meanwhile. */
int machine_add_share(struct vm *vm, int fd, const char *tag, bool ro, struct err *e) MUST_CHECK;
/* Empty a slot that holds a share. -EBUSY: the guest's driver is bound, or requests are in progress. Drops the lock. */
int machine_del_share(struct vm *vm, unsigned int slot, struct err *e) MUST_CHECK;
/* Add an entry to the synthetic root (fd is taken in any case); returns its number. */
int machine_add_entry(struct vm *vm, int fd, bool ro, struct err *e) MUST_CHECK;

#endif

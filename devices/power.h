// SPDX-License-Identifier: Apache-2.0
/*
 * The ways a guest says that it is done: one byte to the power port, or the keyboard controller's reset line.
 *
 *     port 0x600 (1 byte, write)  1 power off   2 reset   3 panic (written after the panic's text is in the log)
 *     port 0x64  (1 byte)         write 0xfe: reset, other commands are ignored; reads give 0: never busy
 *
 * The owner's callback runs at the write, on the vcpu thread with the device lock held. Unknown bytes are ignored.
 */
#ifndef KVMBOX_POWER_H
#define KVMBOX_POWER_H

#include "vmm/core/bus.h"

#define POWER_PORT     0x600
#define POWER_KBD_PORT 0x64

enum power_event { POWER_OFF, POWER_RESET, POWER_KEYBOARD_RESET, POWER_PANIC };

struct power {
	void (*event)(void *ctx, enum power_event ev);
	void *ctx;
};

/* Put both ports on the bus. p must outlive it. 0 or -errno */
int power_init(struct power *p, struct bus *ports, void (*event)(void *ctx, enum power_event ev), void *ctx) MUST_CHECK;

#endif

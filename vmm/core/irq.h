// SPDX-License-Identifier: Apache-2.0
/*
 * An interrupt line to the guest: an eventfd that KVM turns into an edge on a GSI (irqfd), or that a test reads.
 */
#ifndef KVMBOX_IRQ_H
#define KVMBOX_IRQ_H

#include "vmm/base/compat.h"

struct irq_line {
	int fd; /* eventfd, owned by the line's creator; -1: interrupts go nowhere */
	uint32_t gsi;
};

int irq_line_init(struct irq_line *l, uint32_t gsi) MUST_CHECK; /* 0 or -errno */
void irq_line_fini(struct irq_line *l);
void irq_raise(const struct irq_line *l); /* any thread; never blocks */

#endif

// SPDX-License-Identifier: Apache-2.0
#include "vmm/core/irq.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int irq_line_init(struct irq_line *l, uint32_t gsi)
{
	l->gsi = gsi;
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l->fd < 0 ? -errno : 0;
}

void irq_line_fini(struct irq_line *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
}

void irq_raise(const struct irq_line *l)
{
	const uint64_t one = 1;

	/* Fails only when the counter is full, and then an edge is pending anyway. */
	if (l->fd >= 0 && write(l->fd, &one, sizeof(one)) < 0)
		return;
}

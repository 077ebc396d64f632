// SPDX-License-Identifier: Apache-2.0
#include "devices/power.h"

static uint64_t power_read(void *dev UNUSED, uint64_t off UNUSED, unsigned int size UNUSED)
{
	return 0;
}

static void power_write(void *dev, uint64_t off UNUSED, unsigned int size, uint64_t val)
{
	struct power *p = dev;

	if (size != 1)
		return;
	switch (val) {
	case 1: p->event(p->ctx, POWER_OFF); return;
	case 2: p->event(p->ctx, POWER_RESET); return;
	case 3: p->event(p->ctx, POWER_PANIC); return;
	default: return;
	}
}

static void keyboard_write(void *dev, uint64_t off UNUSED, unsigned int size, uint64_t val)
{
	struct power *p = dev;

	if (size == 1 && val == 0xfe)
		p->event(p->ctx, POWER_KEYBOARD_RESET);
}

static const struct bus_ops power_ops = { .read = power_read, .write = power_write };
static const struct bus_ops keyboard_ops = { .read = power_read, .write = keyboard_write };

int power_init(struct power *p, struct bus *ports, void (*event)(void *ctx, enum power_event ev), void *ctx)
{
	int r;

	*p = (struct power){ .event = event, .ctx = ctx };
	r = bus_add(ports, POWER_PORT, 1, &power_ops, p);
	if (r < 0)
		return r;
	return bus_add(ports, POWER_KBD_PORT, 1, &keyboard_ops, p);
}

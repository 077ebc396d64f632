// SPDX-License-Identifier: Apache-2.0
/*
 * The machine that the agent is PID 1 of: its mounts, its connections to the host, its clock, entropy, devices and end.
 *
 * guestos_boot() does what must be there before the first request, and no more: it is on the path of every cold start.
 * What later requests need (sysfs) is mounted then. Single instance, used by main.c only.
 */
#ifndef KVMBOX_GUESTOS_H
#define KVMBOX_GUESTOS_H

#include "guest-init/server.h"

#define GUESTOS_SLOTS 16

struct guestos {
	int control;
	int listener;
	int proc; /* detached mounts: no container's mount namespace has copies of them */
	int cgroup;
	int sys; /* -1 until needed */
	int shares;
};

extern const struct server_ops guestos_ops; /* ctx: struct guestos */

/* Descriptors 0-2, the log, the root, 9p, proc, cgroup2, lo, the listener, the control connection: in this order. */
int guestos_boot(struct guestos *g, struct err *e) MUST_CHECK;

struct server_config guestos_server_config(struct guestos *g);

/* Write everything back and switch the machine off. Returns only if that fails. */
void guestos_power_off(void);

/* Bytes of `name` in sysfs for a slot; -EINVAL for one that is not there. Pure. */
int guestos_slot_name(uint32_t slot, char name[32]) MUST_CHECK;

/* The number behind `oom_kill ` in the text of /proc/vmstat, 0 when there is none. Pure. */
uint64_t guestos_oom_kills(const char *text);

#endif

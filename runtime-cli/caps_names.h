// SPDX-License-Identifier: Apache-2.0
/*
 * Names that config.json uses for numbers of the kernel: capabilities and resource limits.
 */
#ifndef KVMBOX_CAPS_NAMES_H
#define KVMBOX_CAPS_NAMES_H

#include "vmm/base/compat.h"

/* Number of `CAP_x`, as the runtime spec writes it, or -1 */
int caps_from_name(const char *name);
/* NULL at cap >= caps_count() */
const char *caps_name(unsigned int cap);
unsigned int caps_count(void);

/* RLIMIT_x of `RLIMIT_x`, or -1 */
int rlimit_from_name(const char *name);

#endif

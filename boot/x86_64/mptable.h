// SPDX-License-Identifier: Apache-2.0
/*
 * The MP table (Intel MultiProcessor Specification 1.4): processors, one I/O APIC, and which interrupt lines exist. It
 * takes ACPI's place. Linux looks for its pointer at address 0 first, where it finds it at once.
 */
#ifndef KVMBOX_BOOT_MPTABLE_H
#define KVMBOX_BOOT_MPTABLE_H

#include "vmm/base/err.h"
#include "vmm/core/gmem.h"

#define MPTABLE_CPUS_MAX 32
#define MPTABLE_PINS     24

/*
 * Write the table for `cpus` processors (APIC ids 0 upward) at GPA `at` and its pointer at GPA 0. `pins` has a bit for
 * every I/O APIC pin in use; each is an edge-triggered, active-high line with the pin's number. 0, -EINVAL, -EFAULT.
 */
int mptable_write(const struct gmem *mem, uint64_t at, unsigned int cpus, uint32_t pins) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * What the first vcpu starts with, as boot/ leaves it and vmm/<arch>/ loads it into the registers.
 */
#ifndef KVMBOX_BOOT_ENTRY_H
#define KVMBOX_BOOT_ENTRY_H

#include <stdint.h>

struct boot_entry {
	uint64_t pc;    /* first instruction */
	uint64_t arg;   /* the boot protocol's pointer (x86-64: boot_params in rsi) */
	uint64_t stack; /* stack pointer, 0: none */
};

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The 64-bit Linux boot protocol (the kernel's Documentation/arch/x86/boot.rst, "64-bit boot protocol"): boot_params
 * with the memory map, the command line, a random seed, identity page tables for the first 4 GiB and a GDT, all in
 * guest memory below 1 MiB:
 *
 *     0x0000  MP floating pointer (mptable.h)     0x9000  page tables (six pages)
 *     0x0500  GDT                                 0x10000 command line
 *     0x6000  random seed                         0x9fc00 MP configuration table, reserved up to 1 MiB
 *     0x7000  boot_params                         0x100000 kernel
 *     0x8ff0  stack, growing down
 *
 * The kernel keeps off the first 64 KiB and the command line by itself. Set-up only, one thread; memory must be zero.
 */
#ifndef KVMBOX_BOOT_LINUX64_H
#define KVMBOX_BOOT_LINUX64_H

#include "boot/entry.h"
#include "boot/image.h"
#include "boot/initrd.h"

enum {
	LINUX64_GDT = 0x500,
	LINUX64_SEED = 0x6000,
	LINUX64_PARAMS = 0x7000,
	LINUX64_STACK = 0x8ff0,
	LINUX64_PML4 = 0x9000, /* then the PDPT, then four page directories */
	LINUX64_CMDLINE = 0x10000,
	LINUX64_MPTABLE = 0x9fc00,
	LINUX64_HIGH = 0x100000,
};

/* Selectors the protocol asks for, and the number of 8-byte GDT entries up to them */
enum { LINUX64_CS = 0x10, LINUX64_DS = 0x18, LINUX64_GDT_ENTRIES = 4 };

#define LINUX64_SEED_LEN 32

/* Guest memory: low_ram bytes from 0 (at least 2 MiB), high_ram bytes from 4 GiB */
struct linux64_config {
	uint64_t low_ram, high_ram;
	const char *cmdline; /* at most CMDLINE_MAX with its NUL */
	struct boot_kernel kernel;
	struct boot_initrd initrd;
	uint8_t seed[LINUX64_SEED_LEN]; /* random; the kernel wipes its copy */
};

int linux64_setup(const struct gmem *mem, const struct linux64_config *cfg, struct boot_entry *out,
		  struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
#include "boot/x86_64/linux64.h"

#include <errno.h>
#include <string.h>

#include "boot/cmdline.h"

/*
 * Offsets in boot_params (Documentation/arch/x86/zero-page.rst). <asm/bootparam.h> has them as a struct, but only on an
 * x86 host; the unit test compares the two.
 */
enum {
	BP_EXT_RAMDISK_IMAGE = 0x0c0,
	BP_EXT_RAMDISK_SIZE = 0x0c4,
	BP_EXT_CMD_LINE_PTR = 0x0c8,
	BP_E820_ENTRIES = 0x1e8,
	BP_BOOT_FLAG = 0x1fe,
	BP_HEADER = 0x202,
	BP_VERSION = 0x206,
	BP_TYPE_OF_LOADER = 0x210,
	BP_LOADFLAGS = 0x211,
	BP_RAMDISK_IMAGE = 0x218,
	BP_RAMDISK_SIZE = 0x21c,
	BP_CMD_LINE_PTR = 0x228,
	BP_KERNEL_ALIGNMENT = 0x230,
	BP_CMDLINE_SIZE = 0x238,
	BP_SETUP_DATA = 0x250,
	BP_INIT_SIZE = 0x260,
	BP_E820_TABLE = 0x2d0,
	BP_LEN = 0x1000,
};

enum { E820_RAM = 1, E820_RESERVED = 2, E820_ENTRY_LEN = 20 };
enum { SETUP_RNG_SEED = 9, SETUP_DATA_HEADER = 16 };
enum { LOADED_HIGH = 1, LOADER_UNKNOWN = 0xff, PROTOCOL = 0x020f };

#define HIGH_RAM_BASE ((uint64_t)4 << 30)

static void put16(uint8_t *p, size_t off, uint16_t v)
{
	memcpy(p + off, &v, sizeof(v));
}

static void put32(uint8_t *p, size_t off, uint32_t v)
{
	memcpy(p + off, &v, sizeof(v));
}

static void put64(uint8_t *p, size_t off, uint64_t v)
{
	memcpy(p + off, &v, sizeof(v));
}

static void put_e820(uint8_t *bp, uint64_t addr, uint64_t len, uint32_t type)
{
	size_t off = BP_E820_TABLE + (size_t)bp[BP_E820_ENTRIES] * E820_ENTRY_LEN;

	put64(bp, off, addr);
	put64(bp, off + 8, len);
	put32(bp, off + 16, type);
	bp[BP_E820_ENTRIES]++;
}

static void fill_params(uint8_t *bp, const struct linux64_config *cfg)
{
	put16(bp, BP_BOOT_FLAG, 0xaa55);
	put32(bp, BP_HEADER, 0x53726448); /* "HdrS" */
	put16(bp, BP_VERSION, PROTOCOL);
	bp[BP_TYPE_OF_LOADER] = LOADER_UNKNOWN;
	bp[BP_LOADFLAGS] = LOADED_HIGH;
	put32(bp, BP_KERNEL_ALIGNMENT, 0x1000000);
	put32(bp, BP_INIT_SIZE, (uint32_t)min_u64(cfg->kernel.end - cfg->kernel.start, UINT32_MAX));
	put32(bp, BP_CMD_LINE_PTR, LINUX64_CMDLINE);
	put32(bp, BP_CMDLINE_SIZE, CMDLINE_MAX - 1);
	put32(bp, BP_RAMDISK_IMAGE, (uint32_t)cfg->initrd.gpa);
	put32(bp, BP_EXT_RAMDISK_IMAGE, (uint32_t)(cfg->initrd.gpa >> 32));
	put32(bp, BP_RAMDISK_SIZE, (uint32_t)cfg->initrd.size);
	put32(bp, BP_EXT_RAMDISK_SIZE, (uint32_t)(cfg->initrd.size >> 32));
	put64(bp, BP_SETUP_DATA, LINUX64_SEED);
	put_e820(bp, 0, LINUX64_MPTABLE, E820_RAM);
	put_e820(bp, LINUX64_MPTABLE, LINUX64_HIGH - LINUX64_MPTABLE, E820_RESERVED);
	put_e820(bp, LINUX64_HIGH, cfg->low_ram - LINUX64_HIGH, E820_RAM);
	if (cfg->high_ram != 0)
		put_e820(bp, HIGH_RAM_BASE, cfg->high_ram, E820_RAM);
}

/* struct setup_data: next (none), type, length, data */
static void fill_seed(uint8_t *p, const struct linux64_config *cfg)
{
	put32(p, 8, SETUP_RNG_SEED);
	put32(p, 12, LINUX64_SEED_LEN);
	memcpy(p + SETUP_DATA_HEADER, cfg->seed, LINUX64_SEED_LEN);
}

/* The first 4 GiB onto themselves in pages of 2 MiB */
static void fill_page_tables(uint8_t *p)
{
	enum { PRESENT_WRITE = 3, PAGE_2M = 0x80, GIBS = 4 };
	const size_t table = 0x1000;
	uint64_t i;

	put64(p, 0, (LINUX64_PML4 + table) | PRESENT_WRITE);
	for (i = 0; i < GIBS; i++)
		put64(p, table + i * 8, (LINUX64_PML4 + (i + 2) * table) | PRESENT_WRITE);
	for (i = 0; i < (uint64_t)GIBS * 512; i++)
		put64(p, 2 * table + i * 8, i << 21 | PAGE_2M | PRESENT_WRITE);
}

static void fill_gdt(uint8_t *p)
{
	put64(p, LINUX64_CS, 0x00af9b000000ffff); /* code, 64-bit, accessed */
	put64(p, LINUX64_DS, 0x00cf93000000ffff); /* data, writable, accessed */
}

int linux64_setup(const struct gmem *mem, const struct linux64_config *cfg, struct boot_entry *out, struct err *e)
{
	size_t len = strlen(cfg->cmdline) + 1;
	struct gslice low;

	if (len > CMDLINE_MAX)
		return err_say(e, E2BIG, "the kernel command line is longer than %d bytes", CMDLINE_MAX - 1);
	if (cfg->low_ram < (uint64_t)2 * LINUX64_HIGH || gmem_slice(mem, 0, LINUX64_HIGH, &low) < 0)
		return err_say(e, ENOMEM, "less than 2 MiB of guest memory; give more with --mem");
	fill_gdt(low.p + LINUX64_GDT);
	fill_seed(low.p + LINUX64_SEED, cfg);
	fill_params(low.p + LINUX64_PARAMS, cfg);
	fill_page_tables(low.p + LINUX64_PML4);
	memcpy(low.p + LINUX64_CMDLINE, cfg->cmdline, len);
	*out = (struct boot_entry){ .pc = cfg->kernel.entry, .arg = LINUX64_PARAMS, .stack = LINUX64_STACK };
	return 0;
}

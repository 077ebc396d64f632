// SPDX-License-Identifier: Apache-2.0
/* The 64-bit Linux entry state: boot_params against the kernel's own header, page tables, GDT, seed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <asm/bootparam.h>
#endif

#include "boot/cmdline.h"
#include "boot/x86_64/linux64.h"
#include "tests/unit/fake/suite.h"

#define RAM_LEN ((uint64_t)4 << 20)

static uint8_t ram[RAM_LEN] __attribute__((aligned(4096)));
static struct gmem mem;
static struct boot_entry entry;
static struct err e;

static struct linux64_config config(void)
{
	struct linux64_config cfg = { .low_ram = RAM_LEN,
				      .cmdline = "quiet panic=-1",
				      .kernel = { .entry = 0x1000000, .start = 0x1000000, .end = 0x1c00000 },
				      .initrd = { .gpa = 0x1c00000, .size = 0x1234 } };

	memset(cfg.seed, 0x5a, sizeof(cfg.seed));
	memset(ram, 0, sizeof(ram));
	mem = (struct gmem){ 0 };
	ck_assert_int_eq(gmem_add(&mem, 0, RAM_LEN, ram), 0);
	return cfg;
}

static uint64_t word(uint64_t gpa)
{
	uint64_t v;

	ck_assert_int_eq(gmem_read(&mem, gpa, &v, sizeof(v)), 0);
	return v;
}

START_TEST(test_entry_state_follows_the_protocol)
{
	struct linux64_config cfg = config();

	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), 0);
	ck_assert_uint_eq(entry.pc, 0x1000000);
	ck_assert_uint_eq(entry.arg, LINUX64_PARAMS);
	ck_assert_uint_eq(entry.stack, LINUX64_STACK);
	ck_assert_str_eq((const char *)ram + LINUX64_CMDLINE, "quiet panic=-1");
	/* code: present, long mode, not 32-bit; data: present, writable */
	ck_assert_uint_eq(word(LINUX64_GDT + LINUX64_CS) >> 40 & 0xff, 0x9b);
	ck_assert_uint_eq(word(LINUX64_GDT + LINUX64_CS) >> 53 & 3, 1);
	ck_assert_uint_eq(word(LINUX64_GDT + LINUX64_DS) >> 40 & 0xff, 0x93);
	ck_assert_uint_eq(word(LINUX64_GDT), 0);
}
END_TEST

/* Walks the tables as a processor does. */
static uint64_t translate(uint64_t va)
{
	uint64_t pml4e = word(LINUX64_PML4 + (va >> 39 & 511) * 8);
	uint64_t pdpte = word((pml4e & ~0xfffULL) + (va >> 30 & 511) * 8);
	uint64_t pde = word((pdpte & ~0xfffULL) + (va >> 21 & 511) * 8);

	ck_assert_uint_eq(pml4e & 0x83, 3);
	ck_assert_uint_eq(pdpte & 0x83, 3);
	ck_assert_uint_eq(pde & 0x83, 0x83);
	return (pde & ~0x1fffffULL) | (va & 0x1fffff);
}

START_TEST(test_first_four_gib_are_mapped_onto_themselves)
{
	struct linux64_config cfg = config();
	uint64_t va;

	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), 0);
	for (va = 0; va < (uint64_t)4 << 30; va += 0x1fffff)
		ck_assert_uint_eq(translate(va), va);
	ck_assert_uint_eq(word(LINUX64_PML4 + 8), 0);
}
END_TEST

#ifdef __x86_64__
static struct boot_params params(void)
{
	struct boot_params bp;

	ck_assert_int_eq(gmem_read(&mem, LINUX64_PARAMS, &bp, sizeof(bp)), 0);
	return bp;
}

START_TEST(test_boot_params_are_where_the_kernels_header_says)
{
	struct linux64_config cfg = config();
	struct boot_params bp;

	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), 0);
	bp = params();
	ck_assert_uint_eq(bp.hdr.boot_flag, 0xaa55);
	ck_assert_uint_eq(bp.hdr.header, 0x53726448);
	ck_assert_uint_ge(bp.hdr.version, 0x20c);
	ck_assert_uint_eq(bp.hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(bp.hdr.loadflags, LOADED_HIGH);
	ck_assert_uint_eq(bp.hdr.cmd_line_ptr, LINUX64_CMDLINE);
	ck_assert_uint_eq(bp.hdr.cmdline_size, CMDLINE_MAX - 1);
	ck_assert_uint_eq(bp.hdr.ramdisk_image, 0x1c00000);
	ck_assert_uint_eq(bp.hdr.ramdisk_size, 0x1234);
	ck_assert_uint_eq(bp.hdr.init_size, 0xc00000);
	ck_assert_uint_eq(bp.hdr.kernel_alignment, 0x1000000);
	ck_assert_uint_eq(bp.hdr.setup_data, LINUX64_SEED);
	ck_assert_uint_eq(bp.e820_entries, 3);
	ck_assert_uint_eq(bp.e820_table[0].addr, 0);
	ck_assert_uint_eq(bp.e820_table[0].size, 0x9fc00);
	ck_assert_uint_eq(bp.e820_table[0].type, 1);
	ck_assert_uint_eq(bp.e820_table[1].addr, 0x9fc00);
	ck_assert_uint_eq(bp.e820_table[1].addr + bp.e820_table[1].size, 0x100000);
	ck_assert_uint_eq(bp.e820_table[1].type, 2);
	ck_assert_uint_eq(bp.e820_table[2].addr, 0x100000);
	ck_assert_uint_eq(bp.e820_table[2].addr + bp.e820_table[2].size, RAM_LEN);
}
END_TEST

START_TEST(test_memory_past_the_hole_begins_at_four_gib)
{
	struct linux64_config cfg = config();
	struct boot_params bp;

	cfg.low_ram = (uint64_t)3 << 30;
	cfg.high_ram = (uint64_t)5 << 30;
	cfg.initrd.gpa = ((uint64_t)1 << 32) + 0x1000;
	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), 0);
	bp = params();
	ck_assert_uint_eq(bp.e820_entries, 4);
	ck_assert_uint_eq(bp.e820_table[2].addr + bp.e820_table[2].size, (uint64_t)3 << 30);
	ck_assert_uint_eq(bp.e820_table[3].addr, (uint64_t)4 << 30);
	ck_assert_uint_eq(bp.e820_table[3].size, (uint64_t)5 << 30);
	ck_assert_uint_eq(bp.hdr.ramdisk_image, 0x1000);
	ck_assert_uint_eq(bp.ext_ramdisk_image, 1);
}
END_TEST

START_TEST(test_random_seed_is_a_setup_data_entry)
{
	struct linux64_config cfg = config();
	struct setup_data head;

	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), 0);
	ck_assert_int_eq(gmem_read(&mem, LINUX64_SEED, &head, sizeof(head)), 0);
	ck_assert_uint_eq(head.next, 0);
	ck_assert_uint_eq(head.type, 9); /* SETUP_RNG_SEED, newer than some headers */
	ck_assert_uint_eq(head.len, LINUX64_SEED_LEN);
	ck_assert_mem_eq(ram + LINUX64_SEED + sizeof(head), cfg.seed, LINUX64_SEED_LEN);
}
END_TEST
#endif

START_TEST(test_too_little_memory_is_an_error)
{
	struct linux64_config cfg = config();

	cfg.low_ram = 0x1fffff;
	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), -ENOMEM);
	cfg.low_ram = RAM_LEN;
	mem.region[0].size = 0xff000;
	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), -ENOMEM);
}
END_TEST

START_TEST(test_command_line_longer_than_linux_reads_is_an_error)
{
	static char text[CMDLINE_MAX + 1];
	struct linux64_config cfg = config();

	memset(text, 'a', CMDLINE_MAX);
	cfg.cmdline = text;
	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), -E2BIG);
	text[CMDLINE_MAX - 1] = '\0';
	ck_assert_int_eq(linux64_setup(&mem, &cfg, &entry, &e), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_entry_state_follows_the_protocol,
		test_first_four_gib_are_mapped_onto_themselves,
#ifdef __x86_64__
		test_boot_params_are_where_the_kernels_header_says,
		test_memory_past_the_hole_begins_at_four_gib,
		test_random_seed_is_a_setup_data_entry,
#endif
		test_too_little_memory_is_an_error,
		test_command_line_longer_than_linux_reads_is_an_error,
	};

	return suite_run("linux64", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/* The guest kernel's log out of guest memory: found by symbols, read as hostile data. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot/printk.h"
#include "tests/unit/fake/fake_elf.h"
#include "tests/unit/fake/fake_ring.h"
#include "tests/unit/fake/suite.h"

static uint8_t ram[FAKE_RING_LEN] __attribute__((aligned(4096)));
static struct gmem mem;
static struct printk_where where;
static struct fake_ring ring;
static struct err e;

/* Lines handed out, joined by '|' */
static char got[2048];
static struct printk_line last;

static void line(void *arg, const struct printk_line *l)
{
	size_t used = strlen(got);

	ck_assert_ptr_eq(arg, &ring);
	ck_assert_uint_le(l->len, PRINTK_LINE_MAX);
	ck_assert_uint_lt(used + l->len + 2, sizeof(got));
	memcpy(got + used, l->text, l->len);
	memcpy(got + used + l->len, "|", 2);
	last = *l;
}

static int read_lines(unsigned int max)
{
	got[0] = '\0';
	return printk_read(&mem, &where, max, line, &ring);
}

static void setup_at(uint64_t base)
{
	mem = (struct gmem){ 0 };
	ck_assert_int_eq(gmem_add(&mem, 0, sizeof(ram), ram), 0);
	where = (struct printk_where){ .prb = FAKE_RING_VIRT + FAKE_RING_PRB,
				       .img = { .count = 1,
						.seg = { { .vaddr = FAKE_RING_VIRT, .memsz = sizeof(ram) } } } };
	fake_ring_init(&ring, ram, base);
}

START_TEST(test_records_come_oldest_first)
{
	setup_at(FAKE_RING_VIRT);
	fake_ring_add(&ring, 1500000000, 6, "first");
	fake_ring_add(&ring, 2000000000, 3, "second");
	ck_assert_int_eq(read_lines(100), 2);
	ck_assert_str_eq(got, "first|second|");
	ck_assert_uint_eq(last.ts_ns, 2000000000);
	ck_assert_uint_eq(last.level, 3);
}
END_TEST

START_TEST(test_only_the_last_records_are_asked_for)
{
	setup_at(FAKE_RING_VIRT);
	fake_ring_add(&ring, 0, 6, "a");
	fake_ring_add(&ring, 0, 6, "b");
	fake_ring_add(&ring, 0, 6, "c");
	ck_assert_int_eq(read_lines(2), 2);
	ck_assert_str_eq(got, "b|c|");
	ck_assert_int_eq(read_lines(0), 0);
}
END_TEST

START_TEST(test_a_ring_that_went_round_gives_what_is_left)
{
	char text[16];
	int i, n;

	setup_at(FAKE_RING_VIRT);
	for (i = 0; i < 40; i++) {
		(void)snprintf(text, sizeof(text), "record %d", i);
		fake_ring_add(&ring, 0, 6, text);
	}
	n = read_lines(100);
	ck_assert_int_ge(n, 5);
	ck_assert_int_le(n, 8);
	ck_assert_ptr_nonnull(strstr(got, "record 38|record 39|"));
	ck_assert_ptr_null(strstr(got, "record 31|"));
}
END_TEST

START_TEST(test_a_text_block_at_the_start_of_the_array_is_found)
{
	static char text[100];
	int i;

	memset(text, 'x', sizeof(text) - 1);
	setup_at(FAKE_RING_VIRT);
	for (i = 0; i < 3; i++)
		fake_ring_add(&ring, 0, 6, text);
	/* The third did not fit before the end of 256 bytes. */
	ck_assert_int_ge(read_lines(1), 1);
	ck_assert_uint_eq(last.len, 99);
}
END_TEST

START_TEST(test_pointers_into_the_direct_map_are_followed)
{
	setup_at(FAKE_RING_DIRECT);
	fake_ring_add(&ring, 0, 6, "direct");
	ck_assert_int_eq(read_lines(10), 1);
	ck_assert_str_eq(got, "direct|");
}
END_TEST

START_TEST(test_a_record_in_the_making_is_left_out)
{
	setup_at(FAKE_RING_VIRT);
	fake_ring_add(&ring, 0, 6, "whole");
	fake_ring_add(&ring, 0, 6, "partly");
	*fake_ring_desc(&ring, 0) &= ~(UINT64_C(3) << 62); /* reserved */
	ck_assert_int_eq(read_lines(10), 1);
	ck_assert_str_eq(got, "whole|");
	*fake_ring_desc(&ring, 0) |= UINT64_C(3) << 62; /* reusable */
	ck_assert_int_eq(read_lines(10), 1);
	*fake_ring_desc(&ring, 0) ^= UINT64_C(2) << 62; /* committed */
	ck_assert_int_eq(read_lines(10), 2);
}
END_TEST

START_TEST(test_a_slot_taken_over_by_another_record_is_left_out)
{
	setup_at(FAKE_RING_VIRT);
	fake_ring_add(&ring, 0, 6, "one");
	*fake_ring_desc(&ring, 0) ^= 8; /* the id of the next round */
	ck_assert_int_eq(read_lines(10), 0);
	*fake_ring_desc(&ring, 0) ^= 8;
	memset(ram + FAKE_RING_TEXT, 0, 8); /* the text block belongs to another id */
	ck_assert_int_eq(read_lines(10), 0);
}
END_TEST

START_TEST(test_text_positions_of_any_value_are_harmless)
{
	static const uint64_t odd[] = {
		0, 1, 3, 8, 255, 256, 2048, 4096, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, -(uint64_t)256
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(odd); i++)
		for (j = 0; j < ARRAY_SIZE(odd); j++) {
			setup_at(FAKE_RING_VIRT);
			fake_ring_add(&ring, 0, 6, "text");
			fake_ring_desc(&ring, 0)[1] = odd[i];
			fake_ring_desc(&ring, 0)[2] = odd[j];
			ck_assert_int_ge(read_lines(10), 0);
		}
}
END_TEST

START_TEST(test_text_length_is_bounded_by_its_block)
{
	uint16_t len = UINT16_MAX;

	setup_at(FAKE_RING_VIRT);
	fake_ring_add(&ring, 0, 6, "abcdefgh");
	memcpy(ram + FAKE_RING_INFOS + 16, &len, sizeof(len));
	ck_assert_int_eq(read_lines(10), 1);
	ck_assert_str_eq(got, "abcdefgh|");
}
END_TEST

START_TEST(test_impossible_sizes_are_no_ring)
{
	static const uint64_t counts[] = { 0, PRINTK_COUNT_BITS_MAX + 1, 31, 32, UINT32_MAX };
	static const uint64_t sizes[] = { 0, 7, 31, 63, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		setup_at(FAKE_RING_VIRT);
		*fake_ring_word(&ring, 0) = counts[i];
		ck_assert_int_eq(read_lines(10), -EPROTO);
		setup_at(FAKE_RING_VIRT);
		*fake_ring_word(&ring, 48) = sizes[i];
		ck_assert_int_eq(read_lines(10), -EPROTO);
	}
}
END_TEST

START_TEST(test_pointers_out_of_memory_are_no_ring)
{
	setup_at(FAKE_RING_VIRT);
	memset(ram + FAKE_RING_PRB, 0xff, 8);
	ck_assert_int_eq(read_lines(10), -EPROTO);
	memset(ram + FAKE_RING_PRB, 0, 8);
	ck_assert_int_eq(read_lines(10), -EPROTO);
	where.prb = FAKE_RING_VIRT + FAKE_RING_LEN - 4;
	ck_assert_int_eq(read_lines(10), -EPROTO);

	setup_at(FAKE_RING_VIRT);
	fake_ring_add(&ring, 0, 6, "text");
	*fake_ring_word(&ring, 8) = UINT64_MAX - 3; /* descriptors */
	ck_assert_int_eq(read_lines(10), 0);
}
END_TEST

START_TEST(test_the_largest_ring_of_nothing_ends_soon)
{
	setup_at(FAKE_RING_VIRT);
	*fake_ring_word(&ring, 0) = PRINTK_COUNT_BITS_MAX;
	*fake_ring_word(&ring, 24) = UINT64_MAX;
	*fake_ring_word(&ring, 32) = 0;
	ck_assert_int_eq(read_lines(UINT32_MAX), 0);
}
END_TEST

static int find(struct fake_elf *f)
{
	struct boot_file file = { .fd = fake_file(f->buf, f->len), .name = "vmlinux" };
	int r = printk_find(&file, &where, &e);

	(void)close(file.fd);
	return r;
}

START_TEST(test_ring_is_found_by_its_symbol)
{
	static const char *const name[] = { "prb_size", "xprb", "prb", "other" };
	static const uint64_t value[] = { 1, 2, FAKE_RING_VIRT + 0x1234, 4 };
	struct fake_elf f;

	fake_elf_init(&f, 0x1000000, 1);
	fake_elf_load(&f, 0, FAKE_RING_VIRT + 0x1000000, 0x1000000, "x", 1, 0x2000);
	ck_assert_int_eq(find(&f), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.text, "stripped"));
	fake_elf_symbols(&f, name, value, 4);
	ck_assert_msg(find(&f) == 0, "%s", e.text);
	ck_assert_uint_eq(where.prb, FAKE_RING_VIRT + 0x1234);
	ck_assert_uint_eq(where.img.count, 1);
	ck_assert_uint_eq(where.img.seg[0].paddr, 0x1000000);
}
END_TEST

START_TEST(test_every_prefix_of_a_file_with_symbols_fails_cleanly)
{
	static const char *const name[] = { "prb" };
	static const uint64_t value[] = { 1 };
	struct fake_elf f;
	size_t len;

	fake_elf_init(&f, 0x1000000, 1);
	fake_elf_load(&f, 0, FAKE_RING_VIRT, 0x1000000, "x", 1, 1);
	fake_elf_symbols(&f, name, value, 1);
	len = f.len;
	for (f.len = 0; f.len < len; f.len++)
		ck_assert_int_lt(find(&f), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_records_come_oldest_first,
		test_only_the_last_records_are_asked_for,
		test_a_ring_that_went_round_gives_what_is_left,
		test_a_text_block_at_the_start_of_the_array_is_found,
		test_pointers_into_the_direct_map_are_followed,
		test_a_record_in_the_making_is_left_out,
		test_a_slot_taken_over_by_another_record_is_left_out,
		test_text_positions_of_any_value_are_harmless,
		test_text_length_is_bounded_by_its_block,
		test_impossible_sizes_are_no_ring,
		test_pointers_out_of_memory_are_no_ring,
		test_the_largest_ring_of_nothing_ends_soon,
		test_ring_is_found_by_its_symbol,
		test_every_prefix_of_a_file_with_symbols_fails_cleanly,
	};

	return suite_run("printk", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/* The initial RAM file system: placement, and the archive made around one program. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/initrd.h"
#include "tests/unit/fake/fake_elf.h"
#include "tests/unit/fake/suite.h"

#define RAM_LEN ((size_t)1 << 20)

static uint8_t ram[RAM_LEN] __attribute__((aligned(4096)));
static struct gmem mem;
static struct boot_initrd initrd;
static struct fake_elf elf;
static struct err e;

static void reset(void)
{
	memset(ram, 0, sizeof(ram));
	mem = (struct gmem){ 0 };
	ck_assert_int_eq(gmem_add(&mem, 0, RAM_LEN, ram), 0);
	fake_elf_init(&elf, 0x400000, 1);
	fake_elf_load(&elf, 0, 0x400000, 0x400000, "program", 7, 7);
}

static int load(const void *bytes, size_t len, uint64_t from, bool wrap)
{
	struct boot_file f = { .fd = fake_file(bytes, len), .name = "file" };
	int r = wrap ? initrd_wrap(&f, &mem, from, &initrd, &e) : initrd_load(&f, &mem, from, &initrd, &e);

	(void)close(f.fd);
	return r;
}

START_TEST(test_a_file_is_placed_on_the_next_page)
{
	reset();
	ck_assert_int_eq(load("archive", 7, 0x10001, false), 0);
	ck_assert_uint_eq(initrd.gpa, 0x11000);
	ck_assert_uint_eq(initrd.size, 7);
	ck_assert_mem_eq(ram + 0x11000, "archive", 7);
	ck_assert_int_eq(load("archive", 7, 0x11000, false), 0);
	ck_assert_uint_eq(initrd.gpa, 0x11000);
}
END_TEST

START_TEST(test_an_empty_file_is_refused)
{
	reset();
	ck_assert_int_eq(load("", 0, 0x1000, false), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "empty"));
}
END_TEST

START_TEST(test_a_file_that_does_not_fit_asks_for_memory)
{
	reset();
	ck_assert_int_eq(load("archive", 7, RAM_LEN - 0x1000, false), 0);
	ck_assert_int_eq(load(ram, 0x1001, RAM_LEN - 0x1000, false), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(e.text, "--mem"));
	ck_assert_int_eq(load("archive", 7, RAM_LEN, false), -ENOMEM);
	ck_assert_int_eq(load("archive", 7, UINT64_MAX, false), -EINVAL);
}
END_TEST

/* Reads a newc field */
static unsigned int field(size_t entry, unsigned int i)
{
	char hex[9] = { 0 };

	memcpy(hex, ram + initrd.gpa + entry + 6 + i * 8, 8);
	return (unsigned int)strtoul(hex, NULL, 16);
}

static size_t next_entry(size_t entry)
{
	size_t data = (entry + 110 + field(entry, 11) + 3) & ~(size_t)3;

	return (data + field(entry, 6) + 3) & ~(size_t)3;
}

START_TEST(test_a_program_becomes_init_in_a_newc_archive)
{
	size_t at = 0, data;

	reset();
	ck_assert_msg(load(elf.buf, elf.len, 0x2000, true) == 0, "%s", e.text);
	ck_assert_mem_eq(ram + initrd.gpa, "070701", 6);
	ck_assert_str_eq((const char *)ram + initrd.gpa + 110, "dev");
	ck_assert_uint_eq(field(at, 1), 0040755);

	at = next_entry(at);
	ck_assert_str_eq((const char *)ram + initrd.gpa + at + 110, "dev/console");
	ck_assert_uint_eq(field(at, 1), 0020600);
	ck_assert_uint_eq(field(at, 9), 5);
	ck_assert_uint_eq(field(at, 10), 1);

	at = next_entry(at);
	ck_assert_str_eq((const char *)ram + initrd.gpa + at + 110, "init");
	ck_assert_uint_eq(field(at, 1), 0100755);
	ck_assert_uint_eq(field(at, 6), elf.len);
	data = (at + 110 + 5 + 3) & ~(size_t)3;
	ck_assert_mem_eq(ram + initrd.gpa + data, elf.buf, elf.len);

	at = next_entry(at);
	ck_assert_str_eq((const char *)ram + initrd.gpa + at + 110, "TRAILER!!!");
	ck_assert_uint_eq(next_entry(at), initrd.size);
}
END_TEST

START_TEST(test_what_is_no_x86_program_is_refused_by_name)
{
	reset();
	ck_assert_int_eq(load("#!/bin/sh\n", 10, 0x2000, true), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(e.text, "a script"));
	ck_assert_int_eq(load("", 0, 0x2000, true), -ENOEXEC);
	fake_elf_head(&elf)->e_machine = EM_AARCH64;
	ck_assert_int_eq(load(elf.buf, elf.len, 0x2000, true), -ENOEXEC);
}
END_TEST

START_TEST(test_a_program_that_does_not_fit_asks_for_memory)
{
	reset();
	ck_assert_int_eq(load(elf.buf, elf.len, RAM_LEN - 0x200, true), -ENOMEM);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_file_is_placed_on_the_next_page,         test_an_empty_file_is_refused,
		test_a_file_that_does_not_fit_asks_for_memory,  test_a_program_becomes_init_in_a_newc_archive,
		test_what_is_no_x86_program_is_refused_by_name, test_a_program_that_does_not_fit_asks_for_memory,
	};

	return suite_run("initrd", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/* Telling kernel files apart, and loading ELF segments into guest memory. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/elf.h"
#include "tests/unit/fake/fake_elf.h"

#define RAM_LEN ((size_t)8 << 20)
#define VIRT    UINT64_C(0xffffffff80000000)
#define PHYS    UINT64_C(0x200000)

static struct fake_elf elf;
static struct gmem mem;
static uint8_t *ram;
static struct boot_kernel kernel;
static struct err e;

static const char text[] = "instructions";
static const char data[] = "data of the kernel";

static void setup(void)
{
	mem = (struct gmem){ 0 };
	ram = aligned_alloc(4096, RAM_LEN);
	ck_assert_ptr_nonnull(ram);
	memset(ram, 0, RAM_LEN);
	ck_assert_int_eq(gmem_add(&mem, 0, RAM_LEN, ram), 0);
	fake_elf_init(&elf, PHYS, 2);
	fake_elf_load(&elf, 0, VIRT + PHYS, PHYS, text, sizeof(text), sizeof(text));
	fake_elf_load(&elf, 1, VIRT + PHYS + 0x1000, PHYS + 0x1000, data, sizeof(data), 0x3000);
	e = (struct err){ 0 };
}

static void teardown(void)
{
	free(ram);
}

static int load_bytes(const void *bytes, size_t len)
{
	struct boot_file f = { .fd = fake_file(bytes, len), .name = "vmlinux" };
	int r = image_load(&f, &mem, &kernel, &e);

	(void)close(f.fd);
	return r;
}

static int load(void)
{
	return load_bytes(elf.buf, elf.len);
}

static void refused(int code, const char *part)
{
	ck_assert_int_eq(load(), -code);
	ck_assert_msg(strstr(e.text, part) != NULL, "`%s` is not in `%s`", part, e.text);
}

START_TEST(test_segments_go_to_their_physical_addresses)
{
	ck_assert_msg(load() == 0, "%s", e.text);
	ck_assert_mem_eq(ram + PHYS, text, sizeof(text));
	ck_assert_mem_eq(ram + PHYS + 0x1000, data, sizeof(data));
	ck_assert_uint_eq(kernel.entry, PHYS);
	ck_assert_uint_eq(kernel.start, PHYS);
	ck_assert_uint_eq(kernel.end, PHYS + 0x4000);
}
END_TEST

START_TEST(test_a_segment_of_zeros_only_is_loaded)
{
	fake_elf_phdr(&elf, 1)->p_filesz = 0;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(ram[PHYS + 0x1000], 0);
}
END_TEST

START_TEST(test_every_prefix_of_a_kernel_fails_cleanly)
{
	size_t n;

	for (n = 0; n < elf.len; n++) {
		ck_assert_int_eq(load_bytes(elf.buf, n), -ENOEXEC);
		ck_assert_ptr_nonnull(strstr(e.text, "vmlinux"));
	}
}
END_TEST

START_TEST(test_every_header_byte_may_be_wrong)
{
	size_t n, end = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
	int bit, r;

	for (n = 0; n < end; n++)
		for (bit = 0; bit < 8; bit++) {
			elf.buf[n] ^= (uint8_t)(1 << bit);
			r = load();
			ck_assert(r == 0 || (r < 0 && e.text[0] != '\0'));
			elf.buf[n] ^= (uint8_t)(1 << bit);
		}
}
END_TEST

START_TEST(test_segment_past_the_end_of_the_file_is_refused)
{
	fake_elf_phdr(&elf, 1)->p_offset = elf.len - 1;
	refused(ENOEXEC, "past the end of the file");
	fake_elf_phdr(&elf, 1)->p_offset = UINT64_MAX - 4;
	refused(ENOEXEC, "past the end of the file");
}
END_TEST

START_TEST(test_segment_larger_in_the_file_than_in_memory_is_refused)
{
	fake_elf_phdr(&elf, 0)->p_memsz = sizeof(text) - 1;
	refused(ENOEXEC, "larger in the file");
}
END_TEST

START_TEST(test_segment_address_that_wraps_is_refused)
{
	fake_elf_phdr(&elf, 1)->p_paddr = UINT64_MAX - 0x100;
	refused(ENOEXEC, "wraps");
	fake_elf_phdr(&elf, 1)->p_paddr = PHYS + 0x1000;
	fake_elf_phdr(&elf, 1)->p_vaddr = UINT64_MAX - 0x100;
	refused(ENOEXEC, "wraps");
}
END_TEST

START_TEST(test_segment_outside_memory_asks_for_more)
{
	fake_elf_phdr(&elf, 1)->p_memsz = RAM_LEN;
	refused(ENOMEM, "--mem");
}
END_TEST

START_TEST(test_segment_below_one_mib_is_refused)
{
	fake_elf_phdr(&elf, 1)->p_paddr = 0x7000;
	refused(ENOEXEC, "below 1 MiB");
}
END_TEST

START_TEST(test_segments_that_overlap_are_refused)
{
	fake_elf_phdr(&elf, 0)->p_memsz = 0x1001;
	refused(ENOEXEC, "overlap");
}
END_TEST

START_TEST(test_entry_outside_the_segments_is_refused)
{
	fake_elf_head(&elf)->e_entry = PHYS + 0x2000; /* in memory, not in the file */
	refused(ENOEXEC, "entry point");
}
END_TEST

START_TEST(test_kernel_without_segments_is_refused)
{
	fake_elf_phdr(&elf, 0)->p_type = PT_NOTE;
	fake_elf_phdr(&elf, 1)->p_memsz = 0;
	fake_elf_phdr(&elf, 1)->p_filesz = 0;
	refused(ENOEXEC, "no loadable segment");
}
END_TEST

START_TEST(test_a_program_is_told_from_a_kernel)
{
	fake_elf_phdr(&elf, 1)->p_type = PT_TLS;
	refused(ENOEXEC, "not a kernel");
	fake_elf_phdr(&elf, 1)->p_type = PT_INTERP;
	refused(ENOEXEC, "not a kernel");
}
END_TEST

START_TEST(test_too_many_segments_are_refused)
{
	unsigned int i;

	fake_elf_init(&elf, PHYS, ELF_SEGMENTS_MAX + 1);
	for (i = 0; i <= ELF_SEGMENTS_MAX; i++)
		fake_elf_load(&elf, i, PHYS + i * 64, PHYS + i * 64, text, sizeof(text), sizeof(text));
	refused(ENOEXEC, "more than 32");
	fake_elf_phdr(&elf, ELF_SEGMENTS_MAX)->p_type = PT_NULL;
	ck_assert_int_eq(load(), 0);
}
END_TEST

START_TEST(test_program_header_count_beyond_the_file_is_refused)
{
	fake_elf_head(&elf)->e_phnum = 4000;
	refused(ENOEXEC, "cut short");
}
END_TEST

struct type_case {
	Elf64_Half type;
	const char *says;
};
static const struct type_case types[] = {
	{ ET_REL, "object file" },
	{ ET_DYN, "user space" },
	{ ET_CORE, "core dump" },
	{ 77, "unknown type" },
};

START_TEST(test_other_elf_types_are_named)
{
	fake_elf_head(&elf)->e_type = types[_i].type;
	refused(ENOEXEC, types[_i].says);
}
END_TEST

START_TEST(test_elf_of_another_kind_is_named)
{
	fake_elf_head(&elf)->e_machine = EM_AARCH64;
	refused(ENOEXEC, "another machine");
	fake_elf_head(&elf)->e_machine = EM_X86_64;
	fake_elf_head(&elf)->e_ident[EI_CLASS] = ELFCLASS32;
	refused(ENOEXEC, "32-bit");
	fake_elf_head(&elf)->e_ident[EI_CLASS] = ELFCLASS64;
	fake_elf_head(&elf)->e_ident[EI_DATA] = ELFDATA2MSB;
	refused(ENOEXEC, "another machine");
}
END_TEST

struct kind_case {
	enum image_kind kind;
	size_t off;
	const char *bytes;
	size_t len;
	const char *says;
};
static const struct kind_case kinds[] = {
	{ IMAGE_EMPTY, 0, "", 0, "empty" },
	{ IMAGE_BZIMAGE, 0x202, "HdrS", 0x300, "bzImage" },
	{ IMAGE_ARM64, 56, "ARM\x64", 64, "arm64" },
	{ IMAGE_PE, 0, "MZ", 512, "EFI" },
	{ IMAGE_UIMAGE, 0, "\x27\x05\x19\x56", 64, "uImage" },
	{ IMAGE_GZIP, 0, "\x1f\x8b", 20, "gzip" },
	{ IMAGE_BZIP2, 0, "BZh9", 20, "bzip2" },
	{ IMAGE_XZ, 0,
	  "\xfd"
	  "7zXZ",
	  20, "xz" },
	{ IMAGE_LZMA, 0, "\x5d", 20, "lzma" },
	{ IMAGE_LZ4, 0, "\x02\x21\x4c\x18", 20, "lz4" },
	{ IMAGE_LZ4, 0, "\x04\x22\x4d\x18", 20, "lz4" },
	{ IMAGE_LZO, 0, "\x89LZO", 20, "lzop" },
	{ IMAGE_ZSTD, 0, "\x28\xb5\x2f\xfd", 20, "zstd" },
	{ IMAGE_CPIO, 0, "070701", 20, "cpio" },
	{ IMAGE_SCRIPT, 0, "#!/bin/sh", 20, "script" },
	{ IMAGE_UNKNOWN, 0, "hello", 20, "no known kind" },
};

START_TEST(test_wrong_kinds_of_kernel_are_named)
{
	const struct kind_case *k = &kinds[_i];
	uint8_t buf[IMAGE_HEAD_LEN] = { 0 };

	memcpy(buf + k->off, k->bytes, strlen(k->bytes));
	ck_assert_int_eq(image_identify(buf, k->len), k->kind);
	ck_assert_int_eq(load_bytes(buf, k->len), -ENOEXEC);
	ck_assert_msg(strstr(e.text, k->says) != NULL, "%s", e.text);
	ck_assert_msg(strstr(e.text, "vmlinux") != NULL, "%s", e.text);
}
END_TEST

START_TEST(test_a_bzimage_with_an_efi_stub_is_a_bzimage)
{
	uint8_t buf[IMAGE_HEAD_LEN] = "MZ";

	memcpy(buf + 0x202, "HdrS", 4);
	ck_assert_int_eq(image_identify(buf, sizeof(buf)), IMAGE_BZIMAGE);
	ck_assert_int_eq(image_identify(buf, 0x205), IMAGE_PE);
}
END_TEST

START_TEST(test_folder_and_device_are_no_kernels)
{
	struct boot_file f = { .fd = open("/", O_RDONLY | O_CLOEXEC), .name = "/" };

	ck_assert_int_eq(image_load(&f, &mem, &kernel, &e), -EISDIR);
	(void)close(f.fd);
	f = (struct boot_file){ .fd = open("/dev/null", O_RDONLY | O_CLOEXEC), .name = "/dev/null" };
	ck_assert_int_eq(image_load(&f, &mem, &kernel, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "/dev/null"));
	(void)close(f.fd);
	f.fd = -1;
	ck_assert_int_eq(image_load(&f, &mem, &kernel, &e), -EBADF);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("elf");
	TCase *t = tcase_create("elf");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_segments_go_to_their_physical_addresses);
	tcase_add_test(t, test_a_segment_of_zeros_only_is_loaded);
	tcase_add_test(t, test_every_prefix_of_a_kernel_fails_cleanly);
	tcase_add_test(t, test_every_header_byte_may_be_wrong);
	tcase_add_test(t, test_segment_past_the_end_of_the_file_is_refused);
	tcase_add_test(t, test_segment_larger_in_the_file_than_in_memory_is_refused);
	tcase_add_test(t, test_segment_address_that_wraps_is_refused);
	tcase_add_test(t, test_segment_outside_memory_asks_for_more);
	tcase_add_test(t, test_segment_below_one_mib_is_refused);
	tcase_add_test(t, test_segments_that_overlap_are_refused);
	tcase_add_test(t, test_entry_outside_the_segments_is_refused);
	tcase_add_test(t, test_kernel_without_segments_is_refused);
	tcase_add_test(t, test_a_program_is_told_from_a_kernel);
	tcase_add_test(t, test_too_many_segments_are_refused);
	tcase_add_test(t, test_program_header_count_beyond_the_file_is_refused);
	tcase_add_loop_test(t, test_other_elf_types_are_named, 0, ARRAY_SIZE(types));
	tcase_add_test(t, test_elf_of_another_kind_is_named);
	tcase_add_loop_test(t, test_wrong_kinds_of_kernel_are_named, 0, ARRAY_SIZE(kinds));
	tcase_add_test(t, test_a_bzimage_with_an_efi_stub_is_a_bzimage);
	tcase_add_test(t, test_folder_and_device_are_no_kernels);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

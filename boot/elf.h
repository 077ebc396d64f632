// SPDX-License-Identifier: Apache-2.0
/*
 * A kernel as an x86-64 ELF executable (`vmlinux`): its segments into guest memory.
 *
 * The file is read by libelf and trusted in nothing: every segment must lie inside the file, inside guest memory, at or
 * above BOOT_KERNEL_MIN, and apart from the others. Guest memory must be zero where no file data goes.
 */
#ifndef KVMBOX_BOOT_ELF_H
#define KVMBOX_BOOT_ELF_H

#include "boot/image.h"

/* More loadable segments than this are refused; a kernel has four. */
#define ELF_SEGMENTS_MAX 32

struct elf_segment {
	uint64_t off, filesz;
	uint64_t vaddr, paddr, memsz;
};

struct elf_image {
	uint64_t entry;
	unsigned int count;
	struct elf_segment seg[ELF_SEGMENTS_MAX];
};

struct Elf;

/* The loadable segments of an open libelf handle, checked against the file's size; empty ones are left out. */
int elf_segments(struct Elf *elf, const char *name, uint64_t file_size, struct elf_image *out,
		 struct err *e) MUST_CHECK;

int elf_load(const struct boot_file *f, uint64_t file_size, const struct gmem *mem, struct boot_kernel *out,
	     struct err *e) MUST_CHECK;

#endif

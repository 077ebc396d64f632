// SPDX-License-Identifier: Apache-2.0
/*
 * Small x86-64 ELF files made in memory, for tests of what reads them: program headers, segment bytes, a symbol table.
 */
#ifndef KVMBOX_FAKE_ELF_H
#define KVMBOX_FAKE_ELF_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_ELF_MAX 65536

struct fake_elf {
	uint8_t buf[FAKE_ELF_MAX];
	size_t len;
};

/* An executable with entry, and room for n program headers (all zero). */
void fake_elf_init(struct fake_elf *f, uint64_t entry, unsigned int n);
Elf64_Ehdr *fake_elf_head(struct fake_elf *f);
Elf64_Phdr *fake_elf_phdr(struct fake_elf *f, unsigned int i);
/* Make header i a loadable segment with these bytes, which go to the end of the file. */
void fake_elf_load(struct fake_elf *f, unsigned int i, uint64_t vaddr, uint64_t paddr, const void *bytes, size_t filesz,
		   uint64_t memsz);
/* Add a section table with one symbol table of n data symbols. */
void fake_elf_symbols(struct fake_elf *f, const char *const *name, const uint64_t *value, unsigned int n);

/* An unlinked file with the given bytes, at offset 0. Aborts when the host cannot. */
int fake_file(const void *bytes, size_t len);

#endif

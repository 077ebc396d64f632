// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake/fake_elf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/compat.h"

static size_t append(struct fake_elf *f, const void *bytes, size_t len)
{
	size_t at = (f->len + 7) & ~(size_t)7;

	BUG_ON(at > FAKE_ELF_MAX || len > FAKE_ELF_MAX - at);
	if (len > 0)
		memcpy(f->buf + at, bytes, len);
	f->len = at + len;
	return at;
}

Elf64_Ehdr *fake_elf_head(struct fake_elf *f)
{
	return (Elf64_Ehdr *)(void *)f->buf;
}

Elf64_Phdr *fake_elf_phdr(struct fake_elf *f, unsigned int i)
{
	return (Elf64_Phdr *)(void *)(f->buf + sizeof(Elf64_Ehdr)) + i;
}

void fake_elf_init(struct fake_elf *f, uint64_t entry, unsigned int n)
{
	Elf64_Ehdr *h = fake_elf_head(f);

	memset(f, 0, sizeof(*f));
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_ident[EI_VERSION] = EV_CURRENT;
	h->e_type = ET_EXEC;
	h->e_machine = EM_X86_64;
	h->e_version = EV_CURRENT;
	h->e_entry = entry;
	h->e_ehsize = sizeof(Elf64_Ehdr);
	h->e_phoff = sizeof(Elf64_Ehdr);
	h->e_phentsize = sizeof(Elf64_Phdr);
	h->e_phnum = (Elf64_Half)n;
	h->e_shentsize = sizeof(Elf64_Shdr);
	f->len = sizeof(Elf64_Ehdr) + n * sizeof(Elf64_Phdr);
}

void fake_elf_load(struct fake_elf *f, unsigned int i, uint64_t vaddr, uint64_t paddr, const void *bytes, size_t filesz,
		   uint64_t memsz)
{
	Elf64_Phdr *p = fake_elf_phdr(f, i);

	p->p_type = PT_LOAD;
	p->p_offset = append(f, bytes, filesz);
	p->p_vaddr = vaddr;
	p->p_paddr = paddr;
	p->p_filesz = filesz;
	p->p_memsz = memsz;
}

void fake_elf_symbols(struct fake_elf *f, const char *const *name, const uint64_t *value, unsigned int n)
{
	Elf64_Sym sym[16] = { 0 };
	Elf64_Shdr sh[3] = { 0 };
	char str[256] = { 0 };
	size_t used = 1;
	unsigned int i;

	BUG_ON(n >= ARRAY_SIZE(sym));
	for (i = 0; i < n; i++) {
		sym[i + 1].st_name = (Elf64_Word)used;
		sym[i + 1].st_info = ELF64_ST_INFO(STB_LOCAL, STT_OBJECT);
		sym[i + 1].st_shndx = SHN_ABS;
		sym[i + 1].st_value = value[i];
		sym[i + 1].st_size = 8;
		BUG_ON(strlen(name[i]) + 1 > sizeof(str) - used);
		memcpy(str + used, name[i], strlen(name[i]) + 1);
		used += strlen(name[i]) + 1;
	}
	sh[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
			      .sh_offset = append(f, sym, (n + 1) * sizeof(sym[0])),
			      .sh_size = (n + 1) * sizeof(sym[0]),
			      .sh_link = 2,
			      .sh_entsize = sizeof(sym[0]),
			      .sh_addralign = 8 };
	sh[2] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = append(f, str, used), .sh_size = used, .sh_addralign = 1
	};
	fake_elf_head(f)->e_shoff = append(f, sh, sizeof(sh));
	fake_elf_head(f)->e_shnum = 3;
}

int fake_file(const void *bytes, size_t len)
{
	int fd = memfd_create("fake", MFD_CLOEXEC);

	BUG_ON(fd < 0);
	BUG_ON(len > 0 && pwrite(fd, bytes, len, 0) != (ssize_t)len);
	return fd;
}

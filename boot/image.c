// SPDX-License-Identifier: Apache-2.0
#include "boot/image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "boot/elf.h"
#include "vmm/base/fdio.h"

static const char *const kind_name[] = {
	[IMAGE_EMPTY] = "empty",
	[IMAGE_ELF_X86_64] = "an x86-64 ELF file",
	[IMAGE_ELF_OTHER] = "an ELF file for another machine",
	[IMAGE_BZIMAGE] = "a bzImage (compressed, with a boot sector)",
	[IMAGE_ARM64] = "an arm64 Image",
	[IMAGE_PE] = "an EFI program",
	[IMAGE_UIMAGE] = "a U-Boot uImage",
	[IMAGE_GZIP] = "a gzip file",
	[IMAGE_BZIP2] = "a bzip2 file",
	[IMAGE_XZ] = "an xz file",
	[IMAGE_LZMA] = "an lzma file",
	[IMAGE_LZ4] = "an lz4 file",
	[IMAGE_LZO] = "an lzop file",
	[IMAGE_ZSTD] = "a zstd file",
	[IMAGE_CPIO] = "a cpio archive",
	[IMAGE_SCRIPT] = "a script",
	[IMAGE_UNKNOWN] = "of no known kind",
};
static_assert(ARRAY_SIZE(kind_name) == IMAGE_KIND_COUNT, "a name for every kind");

const char *image_kind_name(enum image_kind kind)
{
	return kind_name[kind];
}

/* clang-format off */
static const struct {
	enum image_kind kind;
	size_t off, len;
	const char *bytes;
} magics[] = {
	{ IMAGE_BZIMAGE, 0x202, 4, "HdrS" }, /* before PE: a bzImage with an EFI stub is both */
	{ IMAGE_ARM64,   56,    4, "ARM\x64" },
	{ IMAGE_PE,      0,     2, "MZ" },
	{ IMAGE_UIMAGE,  0,     4, "\x27\x05\x19\x56" },
	{ IMAGE_GZIP,    0,     2, "\x1f\x8b" },
	{ IMAGE_BZIP2,   0,     3, "BZh" },
	{ IMAGE_XZ,      0,     6, "\xfd" "7zXZ\0" },
	{ IMAGE_LZMA,    0,     3, "\x5d\0\0" },
	{ IMAGE_LZ4,     0,     4, "\x02\x21\x4c\x18" },
	{ IMAGE_LZ4,     0,     4, "\x04\x22\x4d\x18" },
	{ IMAGE_LZO,     0,     4, "\x89LZO" },
	{ IMAGE_ZSTD,    0,     4, "\x28\xb5\x2f\xfd" },
	{ IMAGE_CPIO,    0,     5, "07070" },
	{ IMAGE_SCRIPT,  0,     2, "#!" },
};
/* clang-format on */

static enum image_kind identify_elf(const uint8_t *p, size_t len)
{
	Elf64_Half machine;

	if (len < EI_NIDENT + 4 || p[EI_CLASS] != ELFCLASS64 || p[EI_DATA] != ELFDATA2LSB)
		return IMAGE_ELF_OTHER;
	memcpy(&machine, p + offsetof(Elf64_Ehdr, e_machine), sizeof(machine));
	return machine == EM_X86_64 ? IMAGE_ELF_X86_64 : IMAGE_ELF_OTHER;
}

enum image_kind image_identify(const void *head, size_t len)
{
	const uint8_t *p = head;
	size_t i;

	if (len == 0)
		return IMAGE_EMPTY;
	if (len >= SELFMAG && memcmp(p, ELFMAG, SELFMAG) == 0)
		return identify_elf(p, len);
	for (i = 0; i < ARRAY_SIZE(magics); i++) {
		if (magics[i].len > len || magics[i].off > len - magics[i].len)
			continue;
		if (memcmp(p + magics[i].off, magics[i].bytes, magics[i].len) == 0)
			return magics[i].kind;
	}
	return IMAGE_UNKNOWN;
}

int boot_file_size(const struct boot_file *f, const char *what, uint64_t *size, struct err *e)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_set(e, errno, "%s `%s`", what, f->name);
	if (S_ISDIR(st.st_mode))
		return err_say(e, EISDIR, "%s `%s` is a folder; name the file in it", what, f->name);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "%s `%s` is not a regular file", what, f->name);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int refuse(const struct boot_file *f, enum image_kind kind, const uint8_t *head, struct err *e)
{
	if (kind == IMAGE_ELF_OTHER && head[EI_CLASS] == ELFCLASS32)
		return err_say(e, ENOEXEC, "kernel `%s` is a 32-bit ELF file; a 64-bit x86-64 `vmlinux` is needed",
			       f->name);
	if (kind == IMAGE_ELF_OTHER || kind == IMAGE_ARM64)
		return err_say(e, ENOEXEC, "kernel `%s` is %s; an x86-64 `vmlinux` is needed", f->name,
			       image_kind_name(kind));
	return err_say(e, ENOEXEC, "kernel `%s` is %s; the uncompressed ELF file `vmlinux` of a kernel build is needed",
		       f->name, image_kind_name(kind));
}

int image_load(const struct boot_file *f, const struct gmem *mem, struct boot_kernel *out, struct err *e)
{
	uint8_t head[IMAGE_HEAD_LEN];
	enum image_kind kind;
	uint64_t size = 0;
	ssize_t n;
	int r;

	r = boot_file_size(f, "kernel", &size, e);
	if (r < 0)
		return r;
	n = pread_full(f->fd, head, sizeof(head), 0);
	if (n < 0)
		return err_set(e, (int)-n, "kernel `%s`: read", f->name);
	kind = image_identify(head, (size_t)n);
	if (kind != IMAGE_ELF_X86_64)
		return refuse(f, kind, head, e);
	return elf_load(f, size, mem, out, e);
}

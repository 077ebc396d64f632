// SPDX-License-Identifier: Apache-2.0
/*
 * Boot images: telling what a file is, and loading a kernel into guest memory.
 *
 * Files come from the user who starts the VM, not from the guest; every offset and size in them is checked all the
 * same, since a truncated or foreign file is common. Guest memory must be fresh (zero): what a kernel wants zeroed is
 * not written. Set-up only, one thread, before the vcpus run. No fd is kept.
 */
#ifndef KVMBOX_BOOT_IMAGE_H
#define KVMBOX_BOOT_IMAGE_H

#include "vmm/base/err.h"
#include "vmm/core/gmem.h"

/* An open file and what errors call it: a path, or "fd 7". Neither is owned. */
struct boot_file {
	int fd;
	const char *name;
};

enum image_kind {
	IMAGE_EMPTY,
	IMAGE_ELF_X86_64, /* little-endian 64-bit ELF for x86-64, whatever its type */
	IMAGE_ELF_OTHER,  /* 32-bit, big-endian or for another machine */
	IMAGE_BZIMAGE,
	IMAGE_ARM64,
	IMAGE_PE,
	IMAGE_UIMAGE,
	IMAGE_GZIP,
	IMAGE_BZIP2,
	IMAGE_XZ,
	IMAGE_LZMA,
	IMAGE_LZ4,
	IMAGE_LZO,
	IMAGE_ZSTD,
	IMAGE_CPIO,
	IMAGE_SCRIPT,
	IMAGE_UNKNOWN,
	IMAGE_KIND_COUNT
};

/* As many leading bytes as image_identify() looks at */
#define IMAGE_HEAD_LEN 1024

enum image_kind image_identify(const void *head, size_t len);
/* "a gzip file", "a bzImage", ... */
const char *image_kind_name(enum image_kind kind);

/* A loaded kernel: guest-physical addresses, end exclusive and with everything the kernel wants zeroed */
struct boot_kernel {
	uint64_t entry;
	uint64_t start;
	uint64_t end;
};

/* Below this the tables of the entry state live (boot/x86_64/linux64.h). */
#define BOOT_KERNEL_MIN 0x100000

/* A regular file's size, or an error that names it as `what` ("kernel", "initrd") */
int boot_file_size(const struct boot_file *f, const char *what, uint64_t *size, struct err *e) MUST_CHECK;

/* Load the uncompressed kernel f; any other kind of file is an error that says what it is and what is needed. */
int image_load(const struct boot_file *f, const struct gmem *mem, struct boot_kernel *out, struct err *e) MUST_CHECK;

#endif

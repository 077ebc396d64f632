// SPDX-License-Identifier: Apache-2.0
/*
 * The initial RAM file system in guest memory: a given archive as it is, or one program wrapped as /init.
 *
 * It is placed on the first page boundary at or after `from` (the kernel's end), in the same region of guest memory, so
 * that it shares the kernel's huge page. Set-up only; guest memory must be zero.
 */
#ifndef KVMBOX_BOOT_INITRD_H
#define KVMBOX_BOOT_INITRD_H

#include "boot/image.h"

struct boot_initrd {
	uint64_t gpa;
	uint64_t size; /* 0: none */
};

/* The file as it is (a cpio archive, plain or compressed: the guest kernel judges) */
int initrd_load(const struct boot_file *f, const struct gmem *mem, uint64_t from, struct boot_initrd *out,
		struct err *e) MUST_CHECK;

/* A newc archive with /dev, /dev/console and the x86-64 program f as /init */
int initrd_wrap(const struct boot_file *f, const struct gmem *mem, uint64_t from, struct boot_initrd *out,
		struct err *e) MUST_CHECK;

#endif

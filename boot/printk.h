// SPDX-License-Identifier: Apache-2.0
/*
 * The guest kernel's last words: its printk ring, found by the symbols of the kernel's ELF file and read out of guest
 * memory. Nothing of the guest runs for it, so it works on a dead guest and costs a live one nothing.
 *
 * Layout: struct printk_ringbuffer as in Linux 6.8 to 6.12 (kernel/printk/printk_ringbuffer.h) on a 64-bit kernel that
 * was not moved by KASLR. Trust: the ring is guest memory. Every structure is copied once, every pointer goes through
 * the kernel file's segments or the direct map and then gmem, and every loop is bounded by the ring's own limits below.
 */
#ifndef KVMBOX_BOOT_PRINTK_H
#define KVMBOX_BOOT_PRINTK_H

#include "boot/elf.h"

/* Longest line handed out (PRINTKRB_RECORD_MAX of Linux is 1,024) */
#define PRINTK_LINE_MAX 1024
/* Rings with more descriptors than 2^this are not believed. */
#define PRINTK_COUNT_BITS_MAX 20
/* Descriptors looked at for one read, so that a ring full of nothing ends soon */
#define PRINTK_SCAN_MAX 4096

/* Where the ring is in one kernel file */
struct printk_where {
	uint64_t prb; /* virtual address of the pointer `prb` */
	struct elf_image img;
};

/* 0, or an error: no symbol table, no ring in it. Uses the heap while it runs. */
int printk_find(const struct boot_file *kernel, struct printk_where *out, struct err *e) MUST_CHECK;

struct printk_line {
	uint64_t ts_ns;
	unsigned int level; /* 0 (emergency) .. 7 */
	const char *text;   /* len bytes of the guest's, not terminated: escape before printing */
	size_t len;
};

typedef void (*printk_fn)(void *arg, const struct printk_line *line);

/*
 * Hand the last max_lines records to fn, oldest first; those that are gone or being written are left out. Returns their
 * number, -EPROTO when what is there is no ring.
 */
int printk_read(const struct gmem *mem, const struct printk_where *w, unsigned int max_lines, printk_fn fn,
		void *arg) MUST_CHECK;

#endif

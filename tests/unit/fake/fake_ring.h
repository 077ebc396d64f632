// SPDX-License-Identifier: Apache-2.0
/*
 * A printk ring as Linux 6.12 lays it out, built in an array that stands for guest memory: what boot/printk.h reads.
 *
 * The array is seen at virtual address FAKE_RING_VIRT (the kernel image) from offset 0; `prb` itself is its first word.
 */
#ifndef KVMBOX_FAKE_RING_H
#define KVMBOX_FAKE_RING_H

#include <stddef.h>
#include <stdint.h>

#define FAKE_RING_VIRT   UINT64_C(0xffffffff80000000)
#define FAKE_RING_DIRECT UINT64_C(0xffff888000000000)
#define FAKE_RING_LEN    4096

enum { FAKE_RING_COUNT_BITS = 3, FAKE_RING_TEXT_BITS = 8 };

/* Offsets in the array */
enum {
	FAKE_RING_PRB = 0,
	FAKE_RING_HEAD = 64, /* struct printk_ringbuffer */
	FAKE_RING_DESCS = 256,
	FAKE_RING_INFOS = 512,
	FAKE_RING_TEXT = 2048,
};

struct fake_ring {
	uint8_t *mem;  /* FAKE_RING_LEN bytes, zeroed by fake_ring_init() */
	uint64_t base; /* virtual address of mem in the pointers */
	uint64_t next_id, lpos;
	unsigned int records;
};

void fake_ring_init(struct fake_ring *r, uint8_t *mem, uint64_t base);
/* Append a finished record, overwriting the oldest as Linux does. */
void fake_ring_add(struct fake_ring *r, uint64_t ts_ns, unsigned int level, const char *text);
/* The descriptor's state word, text begin and text next of the record added n records ago (0: the last) */
uint64_t *fake_ring_desc(struct fake_ring *r, unsigned int n);
/* A word of struct printk_ringbuffer by its offset there */
uint64_t *fake_ring_word(struct fake_ring *r, size_t off);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * A printk ring of any content: the input is guest memory as the kernel image's segment, its first word the pointer
 * `prb`.
 *
 * Oracles: never more lines than asked for, as many as were counted, none longer than the limit, no byte of guest
 * memory changed, and the same lines again from the same memory.
 */
#include <stdlib.h>
#include <string.h>

#include "boot/printk.h"

#define RAM_LEN   ((size_t)64 << 10)
#define MAX_LINES 64
#define VIRT      UINT64_C(0xffffffff80000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned int lines;
	uint64_t hash;
};

static void line(void *arg, const struct printk_line *l)
{
	struct seen *s = arg;
	size_t i;

	BUG_ON(l->len > PRINTK_LINE_MAX || l->level > 7);
	s->lines++;
	s->hash = s->hash * 31 + l->ts_ns + l->level;
	for (i = 0; i < l->len; i++)
		s->hash = s->hash * 31 + (uint8_t)l->text[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *ram;
	const struct printk_where where = { .prb = VIRT,
					    .img = { .count = 1, .seg = { { .vaddr = VIRT, .memsz = RAM_LEN } } } };
	struct seen first = { 0 }, again = { 0 };
	struct gmem mem = { 0 };
	int r;

	if (ram == NULL)
		ram = aligned_alloc(4096, RAM_LEN);
	BUG_ON(ram == NULL);
	size = min_size(size, RAM_LEN);
	memset(ram, 0, RAM_LEN);
	if (size > 0)
		memcpy(ram, data, size);
	BUG_ON(gmem_add(&mem, 0, RAM_LEN, ram) != 0);
	r = printk_read(&mem, &where, MAX_LINES, line, &first);
	BUG_ON(r > MAX_LINES || (r >= 0 && (unsigned int)r != first.lines) || (r < 0 && first.lines != 0));
	BUG_ON(printk_read(&mem, &where, MAX_LINES, line, &again) != r);
	BUG_ON(again.hash != first.hash);
	BUG_ON(size > 0 && memcmp(ram, data, size) != 0);
	return 0;
}

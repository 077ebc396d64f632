// SPDX-License-Identifier: Apache-2.0
/*
 * A ring is three arrays: descriptors (state and place of the text), infos (time, level, length), text. A record's id
 * counts for ever; its slot is the id modulo the number of descriptors. A descriptor belongs to the id that its state
 * word names, so a slot that was taken over by a later record shows itself.
 */
#include "boot/printk.h"

#include <errno.h>
#include <libelf.h>
#include <string.h>

/* Linux's structures, x86-64 and arm64 alike */
struct k_desc_ring {
	uint32_t count_bits;
	uint32_t pad;
	uint64_t descs, infos; /* kernel pointers */
	uint64_t head_id, tail_id;
	uint64_t last_finalized; /* since 6.8 */
};

struct k_data_ring {
	uint32_t size_bits;
	uint32_t pad;
	uint64_t data; /* kernel pointer */
	uint64_t head_lpos, tail_lpos;
};

struct k_ring {
	struct k_desc_ring desc;
	struct k_data_ring text;
};

struct k_desc {
	uint64_t state;
	uint64_t begin, next; /* logical positions of the text block */
};

struct k_info {
	uint64_t seq, ts_ns;
	uint16_t text_len;
	uint8_t facility;
	uint8_t flags_level; /* flags 5 bits, level 3 bits */
	uint32_t caller_id;
	uint8_t dev[64];
};

static_assert(sizeof(struct k_ring) == 80, "struct printk_ringbuffer without its last member");
static_assert(sizeof(struct k_desc) == 24 && sizeof(struct k_info) == 88, "struct prb_desc, struct printk_info");

enum { STATE_SHIFT = 62, STATE_COMMITTED = 1, STATE_FINALIZED = 2 };
enum { BLOCK_HEADER = 8, SIZE_BITS_MIN = 8, SIZE_BITS_MAX = 30 };

#define ID_MASK ((UINT64_C(1) << STATE_SHIFT) - 1)
/* The kernel's direct map of all memory, 4-level paging without KASLR */
#define DIRECT_MAP UINT64_C(0xffff888000000000)

/* --- find --- */

/* The value of the data symbol `name`, or 0 */
static uint64_t symbol_in(Elf *elf, Elf_Scn *scn, const Elf64_Shdr *sh, const char *name)
{
	Elf_Data *d = elf_getdata(scn, NULL);
	size_t n, i;

	if (d == NULL || d->d_buf == NULL)
		return 0;
	n = d->d_size / sizeof(Elf64_Sym);
	for (i = 0; i < n; i++) {
		Elf64_Sym sym;
		const char *s;

		memcpy(&sym, (const uint8_t *)d->d_buf + i * sizeof(sym), sizeof(sym));
		if (ELF64_ST_TYPE(sym.st_info) != STT_OBJECT || sym.st_size != sizeof(uint64_t))
			continue;
		s = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (s != NULL && strcmp(s, name) == 0)
			return sym.st_value;
	}
	return 0;
}

static uint64_t find_symbol(Elf *elf, const char *name)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn)) != NULL) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);

		if (sh != NULL && sh->sh_type == SHT_SYMTAB)
			return symbol_in(elf, scn, sh, name);
	}
	return 0;
}

int printk_find(const struct boot_file *kernel, struct printk_where *out, struct err *e)
{
	uint64_t size = 0;
	Elf *elf;
	int r;

	r = boot_file_size(kernel, "kernel", &size, e);
	if (r < 0)
		return r;
	(void)elf_version(EV_CURRENT); /* fails only for a version that libelf does not know */
	elf = elf_begin(kernel->fd, ELF_C_READ, NULL);
	if (elf == NULL)
		return err_say(e, ENOEXEC, "kernel `%s`: not readable as ELF", kernel->name);
	r = elf_segments(elf, kernel->name, size, &out->img, e);
	if (r == 0) {
		out->prb = find_symbol(elf, "prb");
		if (out->prb == 0)
			r = err_say(e, ENOENT,
				    "kernel `%s` has no symbol `prb` (was it stripped?): its log cannot be read",
				    kernel->name);
	}
	(void)elf_end(elf); /* a count */
	return r;
}

/* --- read --- */

struct reader {
	const struct gmem *mem;
	const struct elf_image *img;
	struct k_ring r;
	uint64_t desc_count, text_size;
};

/* Kernel virtual to guest-physical: the image's own segments, else the direct map (gmem checks what comes out) */
static uint64_t to_gpa(const struct elf_image *img, uint64_t va)
{
	unsigned int i;

	for (i = 0; i < img->count; i++)
		if (va - img->seg[i].vaddr < img->seg[i].memsz)
			return img->seg[i].paddr + (va - img->seg[i].vaddr);
	return va - DIRECT_MAP;
}

static int copy(const struct reader *rd, uint64_t va, void *dst, size_t len)
{
	return gmem_read(rd->mem, to_gpa(rd->img, va), dst, len);
}

static int open_ring(struct reader *rd, uint64_t prb_var)
{
	uint64_t prb;

	if (copy(rd, prb_var, &prb, sizeof(prb)) < 0 || copy(rd, prb, &rd->r, sizeof(rd->r)) < 0)
		return -EPROTO;
	if (rd->r.desc.count_bits == 0 || rd->r.desc.count_bits > PRINTK_COUNT_BITS_MAX)
		return -EPROTO;
	if (rd->r.text.size_bits < SIZE_BITS_MIN || rd->r.text.size_bits > SIZE_BITS_MAX)
		return -EPROTO;
	rd->desc_count = UINT64_C(1) << rd->r.desc.count_bits;
	rd->text_size = UINT64_C(1) << rd->r.text.size_bits;
	return 0;
}

/* The offset and size of a record's text block in the text array, its header included; false: it has none */
static bool text_block(const struct reader *rd, const struct k_desc *d, uint64_t *off, uint64_t *len)
{
	const uint64_t mask = rd->text_size - 1;
	const unsigned int bits = rd->r.text.size_bits;

	if ((d->begin & 1) != 0 || (d->next & 1) != 0)
		return false;
	if (d->begin >> bits == d->next >> bits && d->begin < d->next) {
		*off = d->begin & mask;
		*len = d->next - d->begin;
	} else if ((d->begin + rd->text_size) >> bits == d->next >> bits) {
		*off = 0; /* did not fit before the end: it lies at the start */
		*len = d->next & mask;
	} else {
		return false;
	}
	return *len > BLOCK_HEADER && *len <= rd->text_size - *off;
}

/* Copies of one record's parts; true when it is whole and belongs to id */
static bool get_record(const struct reader *rd, uint64_t id, struct k_info *info, char *text, size_t *len)
{
	const uint64_t slot = id & (rd->desc_count - 1);
	uint64_t off, size, owner;
	struct k_desc d;

	if (copy(rd, rd->r.desc.descs + slot * sizeof(d), &d, sizeof(d)) < 0)
		return false;
	if ((d.state & ID_MASK) != id)
		return false;
	if (d.state >> STATE_SHIFT != STATE_COMMITTED && d.state >> STATE_SHIFT != STATE_FINALIZED)
		return false;
	if (copy(rd, rd->r.desc.infos + slot * sizeof(*info), info, sizeof(*info)) < 0)
		return false;
	if (!text_block(rd, &d, &off, &size))
		return false;
	if (copy(rd, rd->r.text.data + off, &owner, sizeof(owner)) < 0 || owner != id)
		return false;
	*len = min_size(min_size(info->text_len, (size_t)size - BLOCK_HEADER), PRINTK_LINE_MAX);
	return copy(rd, rd->r.text.data + off + BLOCK_HEADER, text, *len) == 0;
}

int printk_read(const struct gmem *mem, const struct printk_where *w, unsigned int max_lines, printk_fn fn, void *arg)
{
	struct reader rd = { .mem = mem, .img = &w->img };
	uint64_t window, count, i, first;
	char text[PRINTK_LINE_MAX];
	struct k_info info;
	size_t len;
	int lines = 0;

	if (open_ring(&rd, w->prb) < 0)
		return -EPROTO;
	window = ((rd.r.desc.head_id - rd.r.desc.tail_id) & ID_MASK) + 1;
	count = min_u64(min_u64(window, rd.desc_count), min_u64(max_lines, PRINTK_SCAN_MAX));
	first = rd.r.desc.head_id - count + 1;
	for (i = 0; i < count; i++) {
		struct printk_line line = { .text = text };

		if (!get_record(&rd, (first + i) & ID_MASK, &info, text, &len))
			continue;
		line.ts_ns = info.ts_ns;
		line.level = info.flags_level >> 5;
		line.len = len;
		fn(arg, &line);
		lines++;
	}
	return lines;
}

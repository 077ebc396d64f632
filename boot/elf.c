// SPDX-License-Identifier: Apache-2.0
#include "boot/elf.h"

#include <errno.h>
#include <inttypes.h>
#include <libelf.h>

#include "vmm/base/fdio.h"

static int bad_elf(struct err *e, const char *name, const char *why)
{
	return err_say(e, ENOEXEC, "kernel `%s`: %s; the file is damaged or was cut short", name, why);
}

static int check_type(const Elf64_Ehdr *h, const char *name, struct err *e)
{
	if (h->e_type == ET_EXEC)
		return 0;
	return err_say(e, ENOEXEC, "kernel `%s` is %s; an executable (ET_EXEC) `vmlinux` is needed", name,
		       h->e_type == ET_REL    ? "an object file"
		       : h->e_type == ET_DYN  ? "a program or library of user space"
		       : h->e_type == ET_CORE ? "a core dump"
					      : "an ELF file of unknown type");
}

/* One PT_LOAD header: its sizes make sense and it lies inside the file */
static int check_segment(const Elf64_Phdr *p, const char *name, uint64_t file_size, struct err *e)
{
	uint64_t end;

	if (p->p_filesz > p->p_memsz)
		return bad_elf(e, name, "a segment is larger in the file than in memory");
	if (ckd_add(&end, p->p_offset, p->p_filesz) || end > file_size)
		return bad_elf(e, name, "a segment lies past the end of the file");
	if (ckd_add(&end, p->p_paddr, p->p_memsz) || ckd_add(&end, p->p_vaddr, p->p_memsz))
		return bad_elf(e, name, "a segment's address wraps");
	return 0;
}

int elf_segments(struct Elf *elf, const char *name, uint64_t file_size, struct elf_image *out, struct err *e)
{
	const Elf64_Ehdr *h = elf64_getehdr(elf);
	const Elf64_Phdr *ph;
	size_t n, i;
	int r;

	if (h == NULL)
		return bad_elf(e, name, "no complete ELF header");
	r = check_type(h, name, e);
	if (r < 0)
		return r;
	ph = elf64_getphdr(elf);
	if (ph == NULL || elf_getphdrnum(elf, &n) < 0)
		return bad_elf(e, name, "no complete program header table");
	*out = (struct elf_image){ .entry = h->e_entry };
	for (i = 0; i < n; i++) {
		/* a kernel has neither; started as one, a program would end in a triple fault that explains nothing */
		if (ph[i].p_type == PT_INTERP || ph[i].p_type == PT_TLS)
			return err_say(e, ENOEXEC,
				       "kernel `%s` is a program for an operating system, not a kernel; give a vmlinux",
				       name);
		if (ph[i].p_type != PT_LOAD || ph[i].p_memsz == 0)
			continue;
		r = check_segment(&ph[i], name, file_size, e);
		if (r < 0)
			return r;
		if (out->count == ELF_SEGMENTS_MAX)
			return bad_elf(e, name, "more than 32 loadable segments");
		out->seg[out->count++] = (struct elf_segment){ .off = ph[i].p_offset,
							       .filesz = ph[i].p_filesz,
							       .vaddr = ph[i].p_vaddr,
							       .paddr = ph[i].p_paddr,
							       .memsz = ph[i].p_memsz };
	}
	if (out->count == 0)
		return bad_elf(e, name, "no loadable segment");
	return 0;
}

static bool segments_overlap(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->paddr < b->paddr + b->memsz && b->paddr < a->paddr + a->memsz;
}

/* Where the image lies as a whole, and that its parts are apart from each other and hold the entry point */
static int image_extent(const struct elf_image *img, const char *name, struct boot_kernel *out, struct err *e)
{
	bool entry_inside = false;
	unsigned int i, j;

	*out = (struct boot_kernel){ .entry = img->entry, .start = UINT64_MAX };
	for (i = 0; i < img->count; i++) {
		const struct elf_segment *s = &img->seg[i];

		for (j = 0; j < i; j++)
			if (segments_overlap(s, &img->seg[j]))
				return bad_elf(e, name, "segments overlap");
		if (img->entry >= s->paddr && img->entry - s->paddr < s->filesz)
			entry_inside = true;
		if (s->paddr < out->start)
			out->start = s->paddr;
		if (s->paddr + s->memsz > out->end)
			out->end = s->paddr + s->memsz;
	}
	if (!entry_inside)
		return bad_elf(e, name, "the entry point lies in no segment (a physical address is expected)");
	if (out->start < BOOT_KERNEL_MIN)
		return err_say(e, ENOEXEC, "kernel `%s` wants to be at address 0x%" PRIx64 ", below 1 MiB", name,
			       out->start);
	return 0;
}

static int load_segment(const struct boot_file *f, const struct elf_segment *s, const struct boot_kernel *k,
			const struct gmem *mem, struct err *e)
{
	struct gslice dst;
	ssize_t n;

	if (gmem_slice(mem, s->paddr, s->memsz, &dst) < 0)
		return err_say(e, ENOMEM,
			       "kernel `%s` needs memory up to %" PRIu64
			       " MiB, the guest has too little; give more with --mem",
			       f->name, (k->end >> 20) + 1);
	n = pread_full(f->fd, dst.p, (size_t)s->filesz, (off_t)s->off);
	if (n < 0)
		return err_set(e, (int)-n, "kernel `%s`: read", f->name);
	if ((uint64_t)n != s->filesz)
		return bad_elf(e, f->name, "the file shrank while it was read");
	return 0;
}

int elf_load(const struct boot_file *f, uint64_t file_size, const struct gmem *mem, struct boot_kernel *out,
	     struct err *e)
{
	struct elf_image img = { 0 };
	unsigned int i;
	Elf *elf;
	int r;

	(void)elf_version(EV_CURRENT); /* fails only for a version that libelf does not know */
	elf = elf_begin(f->fd, ELF_C_READ, NULL);
	if (elf == NULL)
		return bad_elf(e, f->name, "not readable as ELF");
	r = elf_segments(elf, f->name, file_size, &img, e);
	(void)elf_end(elf); /* a count */
	if (r < 0)
		return r;
	r = image_extent(&img, f->name, out, e);
	for (i = 0; r == 0 && i < img.count; i++)
		r = load_segment(f, &img.seg[i], out, mem, e);
	return r;
}

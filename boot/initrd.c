// SPDX-License-Identifier: Apache-2.0
#include "boot/initrd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/base/cursor.h"
#include "vmm/base/fdio.h"

#define PAGE 4096u

/* What is placed, where at the earliest, and what errors call it */
struct placing {
	const struct boot_file *f;
	const char *what;
	const struct gmem *mem;
	uint64_t from;
};

/* Room for len bytes on the first page boundary */
static int place(const struct placing *p, uint64_t len, struct gslice *dst, struct boot_initrd *out, struct err *e)
{
	uint64_t gpa;

	if (ckd_add(&gpa, p->from, (uint64_t)(PAGE - 1)))
		return err_say(e, EINVAL, "%s `%s`: no address after the kernel", p->what, p->f->name);
	gpa &= ~(uint64_t)(PAGE - 1);
	if (gmem_slice(p->mem, gpa, len, dst) < 0)
		return err_say(e, ENOMEM,
			       "%s `%s` (%" PRIu64 " MiB) does not fit behind the kernel; give more with --mem",
			       p->what, p->f->name, (len >> 20) + 1);
	*out = (struct boot_initrd){ .gpa = gpa, .size = len };
	return 0;
}

static int read_whole(const struct boot_file *f, const char *what, uint8_t *dst, uint64_t len, struct err *e)
{
	ssize_t n = pread_full(f->fd, dst, (size_t)len, 0);

	if (n < 0)
		return err_set(e, (int)-n, "%s `%s`: read", what, f->name);
	if ((uint64_t)n != len)
		return err_say(e, EIO, "%s `%s` shrank while it was read", what, f->name);
	return 0;
}

int initrd_load(const struct boot_file *f, const struct gmem *mem, uint64_t from, struct boot_initrd *out,
		struct err *e)
{
	const struct placing p = { .f = f, .what = "initrd", .mem = mem, .from = from };
	struct gslice dst = { 0 };
	uint64_t size = 0;
	int r;

	r = boot_file_size(f, "initrd", &size, e);
	if (r < 0)
		return r;
	if (size == 0)
		return err_say(e, EINVAL, "initrd `%s` is empty", f->name);
	r = place(&p, size, &dst, out, e);
	if (r < 0)
		return r;
	return read_whole(f, "initrd", dst.p, size, e);
}

/*
 * newc (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst): per entry a header of "070701" and 13
 * fields of 8 hex digits, the name with its NUL, padding to 4 bytes, the data, padding to 4 bytes.
 */
enum { NEWC_HEADER = 110, NEWC_FIELDS = 13 };

struct entry {
	const char *name;
	uint32_t ino, mode, size, rdev_major, rdev_minor;
};

static size_t pad4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static size_t entry_len(const struct entry *en)
{
	return pad4(NEWC_HEADER + strlen(en->name) + 1) + pad4(en->size);
}

static void put_hex(struct wr *w, uint32_t v)
{
	int shift;

	for (shift = 28; shift >= 0; shift -= 4)
		wr_u8(w, (uint8_t) "0123456789abcdef"[v >> shift & 15]);
}

/* Header, name and padding; room for the data is left and returned. */
static uint8_t *put_entry(struct wr *w, const struct entry *en)
{
	const size_t name_len = strlen(en->name) + 1;
	/* ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize check */
	const uint32_t field[NEWC_FIELDS] = {
		[0] = en->ino,         [1] = en->mode,           [4] = 1, [6] = en->size, [9] = en->rdev_major,
		[10] = en->rdev_minor, [11] = (uint32_t)name_len
	};
	size_t i;

	wr_bytes(w, "070701", 6);
	for (i = 0; i < NEWC_FIELDS; i++)
		put_hex(w, field[i]);
	wr_bytes(w, en->name, name_len);
	(void)wr_room(w, pad4(NEWC_HEADER + name_len) - NEWC_HEADER - name_len); /* zero already */
	return wr_room(w, pad4(en->size));
}

static int check_program(const struct boot_file *f, uint64_t size, struct err *e)
{
	uint8_t head[IMAGE_HEAD_LEN];
	ssize_t n = pread_full(f->fd, head, sizeof(head), 0);
	enum image_kind kind;

	if (n < 0)
		return err_set(e, (int)-n, "init `%s`: read", f->name);
	kind = image_identify(head, (size_t)n);
	if (kind != IMAGE_ELF_X86_64)
		return err_say(e, ENOEXEC, "init `%s` is %s; a static x86-64 program is needed", f->name,
			       image_kind_name(kind));
	if (size > INT32_MAX)
		return err_say(e, EFBIG, "init `%s` is larger than 2 GiB", f->name);
	return 0;
}

int initrd_wrap(const struct boot_file *f, const struct gmem *mem, uint64_t from, struct boot_initrd *out,
		struct err *e)
{
	struct entry en[] = {
		{ .name = "dev", .ino = 1, .mode = 0040755 },
		{ .name = "dev/console", .ino = 2, .mode = 0020600, .rdev_major = 5, .rdev_minor = 1 },
		{ .name = "init", .ino = 3, .mode = 0100755 },
		{ .name = "TRAILER!!!" },
	};
	const struct placing p = { .f = f, .what = "init", .mem = mem, .from = from };
	uint8_t *data, *program = NULL;
	struct gslice dst = { 0 };
	size_t len = 0, i;
	uint64_t size = 0;
	struct wr w;
	int r;

	r = boot_file_size(f, "init", &size, e);
	if (r == 0)
		r = check_program(f, size, e);
	if (r < 0)
		return r;
	en[2].size = (uint32_t)size;
	for (i = 0; i < ARRAY_SIZE(en); i++)
		len += entry_len(&en[i]);
	r = place(&p, len, &dst, out, e);
	if (r < 0)
		return r;
	w = wr_init(dst.p, dst.len);
	for (i = 0; i < ARRAY_SIZE(en); i++) {
		data = put_entry(&w, &en[i]);
		if (i == 2)
			program = data;
	}
	BUG_ON(!wr_ok(&w) || program == NULL);
	return read_whole(f, "init", program, size, e);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A kernel file of any content: loading it, and looking for its log ring.
 *
 * Oracles: success means that the image lies whole inside guest memory, at or above 1 MiB, with its entry point in it,
 * and nothing outside that range was written; failure means an error text in one line that names the file.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/printk.h"

#define RAM_LEN ((size_t)2 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct err *e, int r)
{
	BUG_ON(r >= 0 || e->code != -r);
	BUG_ON(strstr(e->text, "fuzzed") == NULL || strchr(e->text, '\n') != NULL);
}

static bool zero_between(const uint8_t *p, const uint8_t *end)
{
	while (p < end)
		if (*p++ != 0)
			return false;
	return true;
}

static void check_loaded(const struct boot_kernel *k, const uint8_t *ram)
{
	BUG_ON(k->start < BOOT_KERNEL_MIN || k->start >= k->end || k->end > RAM_LEN);
	BUG_ON(k->entry < k->start || k->entry >= k->end);
	BUG_ON(!zero_between(ram, ram + k->start) || !zero_between(ram + k->end, ram + RAM_LEN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *ram;
	struct boot_file f = { .fd = memfd_create("fuzzed", MFD_CLOEXEC), .name = "fuzzed" };
	struct printk_where where;
	struct boot_kernel k;
	struct gmem mem = { 0 };
	struct err e = { 0 };
	int r;

	if (ram == NULL)
		ram = aligned_alloc(4096, RAM_LEN);
	BUG_ON(f.fd < 0 || ram == NULL);
	memset(ram, 0, RAM_LEN);
	BUG_ON(gmem_add(&mem, 0, RAM_LEN, ram) != 0);
	BUG_ON(size > 0 && write(f.fd, data, size) != (ssize_t)size);
	r = image_load(&f, &mem, &k, &e);
	if (r == 0)
		check_loaded(&k, ram);
	else
		check_error(&e, r);
	BUG_ON(image_identify(data, size) >= IMAGE_KIND_COUNT);
	r = printk_find(&f, &where, &e);
	if (r < 0)
		check_error(&e, r);
	else
		BUG_ON(where.prb == 0 || where.img.count == 0 || where.img.count > ELF_SEGMENTS_MAX);
	(void)close(f.fd);
	return 0;
}

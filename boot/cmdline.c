// SPDX-License-Identifier: Apache-2.0
#include "boot/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cmdline_init(struct cmdline *c)
{
	c->b = strbuf_init(c->text, sizeof(c->text));
}

void cmdline_add(struct cmdline *c, const char *fmt, ...)
{
	char words[CMDLINE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(words))
		c->b.full = true;
	else if (n > 0)
		strbuf_add(&c->b, "%s%s", c->b.len > 0 ? " " : "", words);
}

void cmdline_add_slot(struct cmdline *c, uint64_t base, uint32_t irq)
{
	cmdline_add(c, "virtio_mmio.device=4K@0x%" PRIx64 ":%" PRIu32, base, irq);
}

int cmdline_add_user(struct cmdline *c, const char *text, struct err *e)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_say(e, EINVAL, "--cmdline: control character 0x%02x at position %zu",
				       (unsigned char)*p, (size_t)(p - text));
	if (strlen(text) >= CMDLINE_MAX)
		c->b.full = true;
	else
		cmdline_add(c, "%s", text);
	return 0;
}

int cmdline_done(const struct cmdline *c, struct err *e)
{
	if (!c->b.full)
		return 0;
	return err_say(e, E2BIG, "the kernel command line is too long: %d bytes are the limit, %zu are taken by kvmbox",
		       CMDLINE_MAX - 1, c->b.len);
}

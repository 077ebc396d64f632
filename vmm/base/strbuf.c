// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>

struct strbuf strbuf_init(char *s, size_t cap)
{
	BUG_ON(cap == 0);
	s[0] = '\0';
	return (struct strbuf){ .s = s, .cap = cap };
}

void strbuf_add(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (b->full)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->s + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= b->cap - b->len) {
		b->s[b->len] = '\0';
		b->full = true;
		return;
	}
	b->len += (size_t)n;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A bounded string under construction in a caller's array: always terminated, sticky when full.
 */
#ifndef KVMBOX_STRBUF_H
#define KVMBOX_STRBUF_H

#include "vmm/base/compat.h"

struct strbuf {
	char *s;
	size_t len;
	size_t cap; /* of s, the final NUL included; at least 1 */
	bool full;  /* something did not fit; s holds what did */
};

struct strbuf strbuf_init(char *s, size_t cap);
void strbuf_add(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

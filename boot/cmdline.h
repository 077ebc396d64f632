// SPDX-License-Identifier: Apache-2.0
/*
 * The guest kernel's command line under construction: words joined by spaces, bounded by what x86 Linux reads.
 */
#ifndef KVMBOX_BOOT_CMDLINE_H
#define KVMBOX_BOOT_CMDLINE_H

#include "vmm/base/err.h"
#include "vmm/base/strbuf.h"

/* COMMAND_LINE_SIZE of x86, the final NUL included */
#define CMDLINE_MAX 2048

struct cmdline {
	char text[CMDLINE_MAX];
	struct strbuf b;
};

void cmdline_init(struct cmdline *c);
/* One word or several, written as they are */
void cmdline_add(struct cmdline *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A virtio-mmio slot (virtio_mmio.device=) of 4 KiB at base with interrupt irq */
void cmdline_add_slot(struct cmdline *c, uint64_t base, uint32_t irq);
/* The user's words, last; text with control characters is refused. */
int cmdline_add_user(struct cmdline *c, const char *text, struct err *e) MUST_CHECK;
/* 0, or an error that says how much is too much */
int cmdline_done(const struct cmdline *c, struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The terminal under a console: raw while the guest owns it, as it was afterwards.
 */
#ifndef KVMBOX_VMM_TERMINAL_H
#define KVMBOX_VMM_TERMINAL_H

#include <termios.h>

#include "vmm/base/compat.h"

struct terminal {
	bool changed;
	struct termios saved;
};

/* Make fd raw if it is a terminal; a fd that is none, or refuses, is left alone. */
void terminal_raw(struct terminal *t, int fd);
/* Undo it; more than once does no harm. */
void terminal_restore(struct terminal *t, int fd);

#endif

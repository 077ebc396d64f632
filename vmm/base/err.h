// SPDX-License-Identifier: Apache-2.0
/*
 * Errors that a person will read. The leaf sets, callers add context in front, main() prints.
 *
 * Used at set-up and in the CLI; data paths return plain -errno. The text is bounded and never fails to be set.
 * Every text names the thing, the cause and, where there is one, the way out.
 */
#ifndef KVMBOX_ERR_H
#define KVMBOX_ERR_H

#include "vmm/base/compat.h"

#define ERR_TEXT_MAX 512

struct err {
	int code;                /* errno value, 0: none set */
	char text[ERR_TEXT_MAX]; /* without a newline */
};

/*
 * Set a text; when code is not 0, ": " and the errno's words follow (ours for ENOENT, EACCES, EPERM, see err.c).
 * Returns -code, or -EINVAL for code 0.
 */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set() with the text alone, without the errno's words: engines map some of those words to exit codes. */
int err_say(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "context: " before the text. Returns -code, so that a caller can write `return err_wrap(...)`. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

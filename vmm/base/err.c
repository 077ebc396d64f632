// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bug_at(const char *file, int line, const char *what)
{
	dprintf(STDERR_FILENO, "BUG at %s:%d: %s\n", file, line, what);
	abort();
}

/*
 * Engines read "no such file or directory" and "permission denied" in an error as "the user's command is missing" or
 * "may not be run" (exit 127 and 126): our own errors say the same in other words.
 */
static const char *err_words(int code)
{
	switch (code) {
	case ENOENT: return "does not exist";
	case EACCES: return "access refused";
	case EPERM: return "not allowed";
	default: return strerror(code);
	}
}

static int err_code(struct err *e, int code)
{
	e->code = code != 0 ? code : EINVAL;
	return -e->code;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	if (code != 0)
		(void)snprintf(e->text + len, sizeof(e->text) - len, ": %s", err_words(code));
	return err_code(e, code);
}

int err_say(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return err_code(e, code);
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	size_t len;

	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	(void)snprintf(e->text + len, sizeof(e->text) - len, ": %s", old);
	return e->code != 0 ? -e->code : -EINVAL;
}

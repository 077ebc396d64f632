// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/timetext.h"

static struct {
	char program[24];
	char name[80];
	int fd;
	enum log_level max;
} sink = { .program = "kvmbox", .fd = STDERR_FILENO, .max = LOG_WARN };

static const char *const level_name[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};
static_assert(ARRAY_SIZE(level_name) == LOG_DEBUG + 1, "a name for every level");

void log_init(const char *program, const char *name, int fd, enum log_level max)
{
	(void)snprintf(sink.program, sizeof(sink.program), "%s", program);
	(void)snprintf(sink.name, sizeof(sink.name), "%s", name);
	sink.fd = fd;
	sink.max = max;
}

void log_msg(enum log_level level, const char *area, const char *fmt, ...)
{
	char line[LOG_LINE_MAX], stamp[TIMETEXT_MAX];
	va_list ap;
	size_t len;
	int n;

	if (sink.fd < 0 || level > sink.max)
		return;
	n = snprintf(line, sizeof(line), "%s %s%s%s%s %s %s: ", timetext_now(stamp, 3), sink.program,
		     sink.name[0] != '\0' ? "[" : "", sink.name, sink.name[0] != '\0' ? "]" : "", level_name[level],
		     area);
	len = min_size((size_t)n, sizeof(line) - 2);
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - 1 - len, fmt, ap);
	va_end(ap);
	if (n > 0)
		len = min_size(len + (size_t)n, sizeof(line) - 2);
	line[len++] = '\n';
	if (write(sink.fd, line, len) < 0)
		return; /* nowhere left to say it */
}

bool log_limited(struct log_limit *l)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	if (l->last_s != 0 && ts.tv_sec <= l->last_s) {
		l->dropped++;
		return false;
	}
	l->last_s = ts.tv_sec;
	return true;
}

const char *log_escape(char *dst, size_t cap, const void *src, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *s = src;
	size_t out = 0, i;

	BUG_ON(cap < 8);
	for (i = 0; i < len; i++) {
		if (out > cap - 8) {
			memcpy(dst + out, "...", 4);
			return dst;
		}
		if (s[i] >= 0x20 && s[i] < 0x7f && s[i] != '\\') {
			dst[out++] = (char)s[i];
		} else {
			dst[out++] = '\\';
			dst[out++] = 'x';
			dst[out++] = hex[s[i] >> 4];
			dst[out++] = hex[s[i] & 15];
		}
	}
	dst[out] = '\0';
	return dst;
}

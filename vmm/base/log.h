// SPDX-License-Identifier: Apache-2.0
/*
 * Log lines to one fd, each a single write(): `2026-01-02T03:04:05.678Z kvmbox-vmm[web] warn blk0: text`.
 *
 * Untrusted text goes through log_escape(). What a guest can trigger is written with a struct log_limit beside the
 * call site's device, one line a second at most. Thread-safe: a line is composed on the stack.
 */
#ifndef KVMBOX_LOG_H
#define KVMBOX_LOG_H

#include "vmm/base/compat.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX 1024

/* Program name, name of the VM or container (may be ""), fd (-1: nowhere) and the least urgent level shown. */
void log_init(const char *program, const char *name, int fd, enum log_level max);

void log_msg(enum log_level level, const char *area, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(area, ...) log_msg(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_msg(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_msg(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_msg(LOG_DEBUG, area, __VA_ARGS__)

/* One per device; zero-initialised. log_limited() is true at most once a second. */
struct log_limit {
	int64_t last_s;
	unsigned int dropped;
};
bool log_limited(struct log_limit *l);

/*
 * Copy at most len bytes of untrusted text into dst (size cap, always terminated): printable ASCII stays, the rest
 * becomes \xNN; a text too long for dst ends in "...". Returns dst.
 */
const char *log_escape(char *dst, size_t cap, const void *src, size_t len);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * A first look at a JSON text, before json-c builds anything: refuses what json-c's strict mode lets pass (see json.h)
 * and what would cost too much memory. It does not check the grammar; json-c does.
 */
#ifndef KVMBOX_JSON_SCAN_H
#define KVMBOX_JSON_SCAN_H

#include "vmm/base/err.h"

/* 0, or -EINVAL or -E2BIG with line and column in *e */
int json_scan(const char *text, size_t len, struct err *e) MUST_CHECK;

/* "line L, column C: text" for offset at; returns -EINVAL. */
int json_scan_fail(const char *text, size_t len, size_t at, struct err *e, const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif

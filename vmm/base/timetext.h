// SPDX-License-Identifier: Apache-2.0
/*
 * A time as RFC 3339 text in UTC, without the C library's time zone machinery (which reads /etc/localtime).
 */
#ifndef KVMBOX_TIMETEXT_H
#define KVMBOX_TIMETEXT_H

#include <time.h>

#include "vmm/base/compat.h"

#define TIMETEXT_MAX 40

/* "2026-01-02T03:04:05.678Z" with 0, 3 or 9 digits of the second; years 1970 to 9999. Returns buf. */
const char *timetext(char buf[static TIMETEXT_MAX], const struct timespec *ts, unsigned int digits);

/* The same of CLOCK_REALTIME now */
const char *timetext_now(char buf[static TIMETEXT_MAX], unsigned int digits);

#endif

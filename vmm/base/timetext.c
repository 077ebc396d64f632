// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/timetext.h"

#include <stdio.h>

#define DAY_S 86400

/* Proleptic Gregorian calendar; an "era" is 400 years, its years begin in March so that the leap day comes last. */
static void civil_from_days(int64_t days, unsigned int *year, unsigned int *month, unsigned int *day)
{
	int64_t z = days + 719468, era = z / 146097;
	unsigned int doe = (unsigned int)(z - era * 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (unsigned int)(yoe + (unsigned int)era * 400) + (*month <= 2 ? 1 : 0);
}

const char *timetext(char buf[static TIMETEXT_MAX], const struct timespec *ts, unsigned int digits)
{
	int64_t s = ts->tv_sec > 0 ? ts->tv_sec : 0;
	unsigned int year, month, day, rest = (unsigned int)(s % DAY_S);
	size_t len;

	civil_from_days(s / DAY_S, &year, &month, &day);
	len = (size_t)snprintf(buf, TIMETEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u", year % 10000, month, day,
			       rest / 3600, rest / 60 % 60, rest % 60);
	if (digits == 3)
		(void)snprintf(buf + len, TIMETEXT_MAX - len, ".%03ldZ", ts->tv_nsec / 1000000);
	else if (digits == 9)
		(void)snprintf(buf + len, TIMETEXT_MAX - len, ".%09ldZ", ts->tv_nsec);
	else
		(void)snprintf(buf + len, TIMETEXT_MAX - len, "Z");
	return buf;
}

const char *timetext_now(char buf[static TIMETEXT_MAX], unsigned int digits)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return timetext(buf, &ts, digits);
}

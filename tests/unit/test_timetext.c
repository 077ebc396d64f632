// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/timetext.h"

#include "tests/unit/fake/suite.h"

START_TEST(test_known_times_have_their_text)
{
	static const struct {
		time_t s;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 951782399, "2000-02-28T23:59:59Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 951868800, "2000-03-01T00:00:00Z" },
		{ 1704067199, "2023-12-31T23:59:59Z" },
		{ 4107542400, "2100-03-01T00:00:00Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
	};
	char buf[TIMETEXT_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(timetext(buf, &(struct timespec){ rows[i].s, 0 }, 0), rows[i].text);
}
END_TEST

START_TEST(test_every_day_agrees_with_the_c_library)
{
	char buf[TIMETEXT_MAX], want[TIMETEXT_MAX];
	struct timespec ts = { 0 };
	struct tm tm;

	for (ts.tv_sec = 1; ts.tv_sec < 7258118400; ts.tv_sec += 86400 * 3 + 3601) {
		(void)gmtime_r(&ts.tv_sec, &tm);
		(void)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
		ck_assert_str_eq(timetext(buf, &ts, 0), want);
	}
}
END_TEST

START_TEST(test_fractions_have_the_asked_digits)
{
	char buf[TIMETEXT_MAX];

	ck_assert_str_eq(timetext(buf, &(struct timespec){ 1, 2003004 }, 3), "1970-01-01T00:00:01.002Z");
	ck_assert_str_eq(timetext(buf, &(struct timespec){ 1, 2003004 }, 9), "1970-01-01T00:00:01.002003004Z");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_known_times_have_their_text,
		test_every_day_agrees_with_the_c_library,
		test_fractions_have_the_asked_digits,
	};

	return suite_run("timetext", tests, ARRAY_SIZE(tests));
}

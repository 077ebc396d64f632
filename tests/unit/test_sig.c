// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/sig.h"

#include <errno.h>
#include <signal.h>

#include "tests/unit/fake/suite.h"

START_TEST(test_names_and_numbers_of_signals_are_understood)
{
	static const struct {
		const char *word;
		int number;
	} rows[] = {
		{ "9", SIGKILL },  { "KILL", SIGKILL }, { "SIGKILL", SIGKILL }, { "sigterm", SIGTERM },
		{ "0", 0 },        { "64", 64 },        { "RTMIN", 34 },        { "SIGRTMIN+3", 37 },
		{ "rtmax-1", 63 }, { "RTMAX", 64 },     { "WINCH", SIGWINCH },  { "POLL", SIGIO },
		{ "1", SIGHUP },
	};
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_int_eq(sig_parse(rows[i].word, &e), rows[i].number);
}
END_TEST

START_TEST(test_what_is_no_signal_is_refused_by_name)
{
	static const char *const words[] = { "", "SIG", "65", "-1", "9x", "KILLER", "RTMIN+31", "RTMAX-x", " 9", "+9" };
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		ck_assert_int_eq(sig_parse(words[i], &e), -EINVAL);
		ck_assert_ptr_nonnull(strstr(e.text, "unknown signal"));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_names_and_numbers_of_signals_are_understood,
		test_what_is_no_signal_is_refused_by_name,
	};

	return suite_run("sig", tests, ARRAY_SIZE(tests));
}

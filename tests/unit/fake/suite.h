// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a table of check tests as one suite: what every tests/unit/test_*.c does in its main().
 *
 *     int main(void)
 *     {
 *             const TTest *const tests[] = { test_a, test_b };
 *
 *             return suite_run("module", tests, ARRAY_SIZE(tests));
 *     }
 */
#ifndef KVMBOX_FAKE_SUITE_H
#define KVMBOX_FAKE_SUITE_H

#include <check.h>

#include "vmm/base/compat.h"

static inline int suite_run(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	size_t i;
	int failed;

	for (i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

#endif

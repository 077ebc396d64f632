// SPDX-License-Identifier: Apache-2.0
/* The kernel's command line: joining, slots, the user's part, the limit. */
#include <errno.h>
#include <string.h>

#include "boot/cmdline.h"
#include "tests/unit/fake/suite.h"

static struct cmdline c;
static struct err e;

START_TEST(test_words_are_joined_by_single_spaces)
{
	cmdline_init(&c);
	cmdline_add(&c, "quiet");
	cmdline_add(&c, "panic=%d", -1);
	ck_assert_str_eq(c.text, "quiet panic=-1");
	ck_assert_int_eq(cmdline_done(&c, &e), 0);
}
END_TEST

START_TEST(test_a_slot_is_declared_as_linux_reads_it)
{
	cmdline_init(&c);
	cmdline_add_slot(&c, 0xd0001000, 6);
	ck_assert_str_eq(c.text, "virtio_mmio.device=4K@0xd0001000:6");
}
END_TEST

START_TEST(test_the_users_words_come_last_and_as_they_are)
{
	cmdline_init(&c);
	cmdline_add(&c, "quiet");
	ck_assert_int_eq(cmdline_add_user(&c, "a=\"b c\" %s -- x", &e), 0);
	ck_assert_str_eq(c.text, "quiet a=\"b c\" %s -- x");
}
END_TEST

START_TEST(test_control_characters_are_refused_with_their_place)
{
	cmdline_init(&c);
	ck_assert_int_eq(cmdline_add_user(&c, "ab\nc", &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "0x0a at position 2"));
	ck_assert_int_eq(cmdline_add_user(&c, "\x7f", &e), -EINVAL);
}
END_TEST

START_TEST(test_the_last_byte_that_fits_is_used_and_no_more)
{
	static char text[CMDLINE_MAX + 1];

	memset(text, 'a', CMDLINE_MAX - 1);
	cmdline_init(&c);
	ck_assert_int_eq(cmdline_add_user(&c, text, &e), 0);
	ck_assert_int_eq(cmdline_done(&c, &e), 0);
	ck_assert_uint_eq(strlen(c.text), CMDLINE_MAX - 1);

	text[CMDLINE_MAX - 1] = 'a';
	cmdline_init(&c);
	ck_assert_int_eq(cmdline_add_user(&c, text, &e), 0);
	ck_assert_int_eq(cmdline_done(&c, &e), -E2BIG);
	ck_assert_ptr_nonnull(strstr(e.text, "2047"));
}
END_TEST

START_TEST(test_overflow_by_several_words_is_an_error)
{
	unsigned int i;

	cmdline_init(&c);
	for (i = 0; i < 64; i++)
		cmdline_add_slot(&c, 0xd0000000, 5);
	ck_assert_int_eq(cmdline_done(&c, &e), -E2BIG);
	ck_assert_uint_lt(strlen(c.text), CMDLINE_MAX);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_words_are_joined_by_single_spaces,           test_a_slot_is_declared_as_linux_reads_it,
		test_the_users_words_come_last_and_as_they_are,   test_control_characters_are_refused_with_their_place,
		test_the_last_byte_that_fits_is_used_and_no_more, test_overflow_by_several_words_is_an_error,
	};

	return suite_run("cmdline", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/core/giov: cursors over iovecs of any shape, checked against a flat copy.
 */
#include "vmm/core/giov.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/fake/suite.h"

static uint8_t mem[64];

/* "abcdefghij" in pieces of 3, 0, 1, 4 and 2 bytes, apart from each other */
static struct giov pieces(struct iovec v[static 5])
{
	static const size_t len[5] = { 3, 0, 1, 4, 2 };
	size_t i, at = 0, text = 0;

	memset(mem, '.', sizeof(mem));
	for (i = 0; i < 5; i++) {
		v[i] = (struct iovec){ .iov_base = mem + at, .iov_len = len[i] };
		memcpy(mem + at, "abcdefghij" + text, len[i]);
		text += len[i];
		at += len[i] + 2;
	}
	return giov_init(v, 5);
}

START_TEST(test_get_gathers_over_pieces_in_order)
{
	struct iovec v[5];
	struct giov g = pieces(v);
	char out[11] = "";

	ck_assert_uint_eq(g.left, 10);
	ck_assert_int_eq(giov_get(&g, out, 2), 0);
	ck_assert_int_eq(giov_get(&g, out + 2, 5), 0);
	ck_assert_int_eq(giov_get(&g, out + 7, 3), 0);
	ck_assert_str_eq(out, "abcdefghij");
	ck_assert_uint_eq(g.left, 0);
	ck_assert_int_eq(giov_get(&g, out, 0), 0);
	ck_assert_int_eq(giov_get(&g, out, 1), -EPROTO);
}
END_TEST

START_TEST(test_a_failed_call_consumes_nothing)
{
	struct iovec v[5], out[5];
	struct giov g = pieces(v), tail;
	char buf[16] = "";

	ck_assert_int_eq(giov_skip(&g, 1), 0);
	ck_assert_int_eq(giov_get(&g, buf, 10), -EPROTO);
	ck_assert_int_eq(giov_put(&g, buf, 10), -ENOSPC);
	ck_assert_int_eq(giov_skip(&g, 10), -EPROTO);
	ck_assert_int_eq(giov_skip(&g, SIZE_MAX), -EPROTO);
	ck_assert_int_eq(giov_take(&g, 10, out, 5), -EPROTO);
	ck_assert_int_eq(giov_take(&g, 9, out, 3), -E2BIG);
	ck_assert_int_eq(giov_split_tail(&g, 10, &tail), -EPROTO);
	ck_assert_int_eq(giov_get(&g, buf, 9), 0);
	ck_assert_str_eq(buf, "bcdefghij");
}
END_TEST

START_TEST(test_put_scatters_and_leaves_the_gaps_alone)
{
	struct iovec v[5];
	struct giov g = pieces(v);

	ck_assert_int_eq(giov_put(&g, "0123456", 7), 0);
	ck_assert_int_eq(giov_put(&g, "789", 3), 0);
	ck_assert_mem_eq(mem, "012....3..4567..89..", 20);
	ck_assert_int_eq(giov_put(&g, "x", 1), -ENOSPC);
}
END_TEST

START_TEST(test_take_hands_out_the_pieces_themselves)
{
	struct iovec v[5], out[5];
	struct giov g = pieces(v);

	ck_assert_int_eq(giov_skip(&g, 2), 0);
	ck_assert_int_eq(giov_take(&g, 4, out, 5), 3);
	ck_assert_ptr_eq(out[0].iov_base, mem + 2);
	ck_assert_uint_eq(out[0].iov_len, 1);
	ck_assert_ptr_eq(out[1].iov_base, v[2].iov_base);
	ck_assert_ptr_eq(out[2].iov_base, v[3].iov_base);
	ck_assert_uint_eq(out[2].iov_len, 2);
	ck_assert_uint_eq(g.left, 4);
	ck_assert_int_eq(giov_take(&g, 4, out, 2), 2);
	ck_assert_ptr_eq(out[0].iov_base, (uint8_t *)v[3].iov_base + 2);
	ck_assert_int_eq(giov_take(&g, 0, out, 0), 0);
}
END_TEST

START_TEST(test_take_merges_adjacent_pieces_without_touching_the_chain)
{
	struct iovec v[3] = { { mem, 4 }, { mem + 4, 4 }, { mem + 9, 4 } };
	struct iovec out[2];
	struct giov g = giov_init(v, 3);

	ck_assert_int_eq(giov_take(&g, 12, out, 2), 2);
	ck_assert_uint_eq(out[0].iov_len, 8);
	ck_assert_ptr_eq(out[1].iov_base, mem + 9);
	ck_assert_uint_eq(v[0].iov_len, 4);
}
END_TEST

START_TEST(test_split_tail_separates_the_last_bytes)
{
	struct iovec v[5];
	struct giov g = pieces(v), tail;
	char buf[8] = "";
	size_t n;

	ck_assert_int_eq(giov_split_tail(&g, 3, &tail), 0);
	ck_assert_uint_eq(g.left, 7);
	ck_assert_int_eq(giov_get(&tail, buf, 3), 0);
	ck_assert_str_eq(buf, "hij");
	ck_assert_int_eq(giov_skip(&g, 5), 0);
	ck_assert_int_eq(giov_get(&g, buf, 3), -EPROTO); /* not into the tail */
	ck_assert_int_eq(giov_get(&g, buf, 2), 0);
	ck_assert_mem_eq(buf, "fg", 2);
	for (n = 0; n <= 10; n++) {
		g = pieces(v);
		ck_assert_int_eq(giov_split_tail(&g, n, &tail), 0);
		ck_assert_uint_eq(g.left + tail.left, 10);
		ck_assert_uint_eq(tail.left, n);
	}
}
END_TEST

START_TEST(test_an_empty_cursor_has_nothing_to_give)
{
	struct giov g = giov_init(NULL, 0), tail;
	struct iovec out[1];
	char c;

	ck_assert_int_eq(giov_get(&g, &c, 1), -EPROTO);
	ck_assert_int_eq(giov_put(&g, "x", 1), -ENOSPC);
	ck_assert_int_eq(giov_take(&g, 0, out, 1), 0);
	ck_assert_int_eq(giov_split_tail(&g, 0, &tail), 0);
	ck_assert_int_eq(giov_skip(&g, 0), 0);
}
END_TEST

START_TEST(test_every_way_to_cut_the_bytes_gives_the_same_bytes)
{
	struct iovec v[5];
	size_t a, b;

	for (a = 0; a <= 10; a++) {
		for (b = 0; a + b <= 10; b++) {
			struct giov g = pieces(v);
			char out[11] = "";

			ck_assert_int_eq(giov_get(&g, out, a), 0);
			ck_assert_int_eq(giov_get(&g, out + a, b), 0);
			ck_assert_int_eq(giov_get(&g, out + a + b, 10 - a - b), 0);
			ck_assert_str_eq(out, "abcdefghij");
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_get_gathers_over_pieces_in_order,
		test_a_failed_call_consumes_nothing,
		test_put_scatters_and_leaves_the_gaps_alone,
		test_take_hands_out_the_pieces_themselves,
		test_take_merges_adjacent_pieces_without_touching_the_chain,
		test_split_tail_separates_the_last_bytes,
		test_an_empty_cursor_has_nothing_to_give,
		test_every_way_to_cut_the_bytes_gives_the_same_bytes,
	};

	return suite_run("giov", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/core/gmem: which ranges of guest-physical addresses are memory, and where.
 */
#include "vmm/core/gmem.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/fake/suite.h"

#define A 0x1000ULL
#define B 0x100000000ULL

static uint8_t ram_a[256] __attribute__((aligned(GMEM_ALIGN)));
static uint8_t ram_b[64] __attribute__((aligned(GMEM_ALIGN)));

static struct gmem two_regions(void)
{
	struct gmem m = { 0 };

	memset(ram_a, 0xa5, sizeof(ram_a));
	memset(ram_b, 0x5b, sizeof(ram_b));
	ck_assert_int_eq(gmem_add(&m, A, sizeof(ram_a), ram_a), 0);
	ck_assert_int_eq(gmem_add(&m, B, sizeof(ram_b), ram_b), 0);
	return m;
}

START_TEST(test_slice_gives_the_host_address_inside_a_region)
{
	struct gmem m = two_regions();
	struct gslice s;

	ck_assert_int_eq(gmem_slice(&m, A, sizeof(ram_a), &s), 0);
	ck_assert_ptr_eq(s.p, ram_a);
	ck_assert_uint_eq(s.len, sizeof(ram_a));
	ck_assert_int_eq(gmem_slice(&m, B + 63, 1, &s), 0);
	ck_assert_ptr_eq(s.p, ram_b + 63);
}
END_TEST

START_TEST(test_slice_refuses_a_range_that_leaves_its_region)
{
	struct gmem m = two_regions();
	struct gslice s;

	ck_assert_int_eq(gmem_slice(&m, A, sizeof(ram_a) + 1, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, A + 255, 2, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, A - 1, 2, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, A + 256, 1, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, 0, 1, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, UINT64_MAX, 1, &s), -EFAULT);
}
END_TEST

START_TEST(test_slice_refuses_lengths_that_wrap)
{
	struct gmem m = two_regions();
	struct gslice s;

	ck_assert_int_eq(gmem_slice(&m, A + 16, UINT64_MAX, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, A + 16, UINT64_MAX - A, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, B, UINT64_MAX - B + 2, &s), -EFAULT);
}
END_TEST

START_TEST(test_slice_takes_an_empty_range_inside_a_region_only)
{
	struct gmem m = two_regions();
	struct gslice s;

	ck_assert_int_eq(gmem_slice(&m, A + 7, 0, &s), 0);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_int_eq(gmem_slice(&m, A + 256, 0, &s), -EFAULT);
}
END_TEST

START_TEST(test_slice_refuses_a_range_over_two_adjacent_regions)
{
	struct gmem m = { 0 };
	struct gslice s;

	ck_assert_int_eq(gmem_add(&m, 0, 64, ram_a), 0);
	ck_assert_int_eq(gmem_add(&m, 64, 64, ram_b), 0);
	ck_assert_int_eq(gmem_slice(&m, 60, 8, &s), -EFAULT);
	ck_assert_int_eq(gmem_slice(&m, 64, 8, &s), 0);
	ck_assert_ptr_eq(s.p, ram_b);
}
END_TEST

START_TEST(test_add_refuses_overlap_wrap_emptiness_and_misalignment)
{
	struct gmem m = two_regions();

	ck_assert_int_eq(gmem_add(&m, A, 16, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, A + 240, 32, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, A - 16, 32, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, 0, 0x10000, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, 0, 0, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, UINT64_MAX - 15, 32, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, 8, 16, ram_b), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, 0, 16, ram_b + 8), -EINVAL);
	ck_assert_int_eq(gmem_add(&m, 0, 16, NULL), -EINVAL);
	ck_assert_uint_eq(m.count, 2);
	ck_assert_int_eq(gmem_add(&m, UINT64_MAX - 15, 16, ram_b), 0); /* the last bytes there are */
}
END_TEST

START_TEST(test_add_refuses_a_region_too_many)
{
	struct gmem m = { 0 };
	uint64_t i;

	for (i = 0; i < GMEM_REGIONS_MAX; i++)
		ck_assert_int_eq(gmem_add(&m, i * 0x1000, 16, ram_a), 0);
	ck_assert_int_eq(gmem_add(&m, i * 0x1000, 16, ram_a), -ENOSPC);
}
END_TEST

START_TEST(test_copies_move_all_bytes_or_none)
{
	struct gmem m = two_regions();
	uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	ck_assert_int_eq(gmem_write(&m, A + 248, buf, 8), 0);
	ck_assert_mem_eq(ram_a + 248, buf, 8);
	memset(buf, 9, sizeof(buf));
	ck_assert_int_eq(gmem_write(&m, A + 249, buf, 8), -EFAULT);
	ck_assert_uint_eq(ram_a[249], 2);
	ck_assert_int_eq(gmem_read(&m, A + 249, buf, 8), -EFAULT);
	ck_assert_uint_eq(buf[0], 9);
	ck_assert_int_eq(gmem_read(&m, A + 248, buf, 8), 0);
	ck_assert_uint_eq(buf[7], 8);
	ck_assert_int_eq(gmem_read(&m, A, NULL, 0), 0);
	ck_assert_int_eq(gmem_write(&m, A, NULL, 0), 0);
}
END_TEST

START_TEST(test_zero_clears_the_range_and_nothing_beside)
{
	struct gmem m = two_regions();

	ck_assert_int_eq(gmem_zero(&m, B + 1, 62), 0);
	ck_assert_uint_eq(ram_b[0], 0x5b);
	ck_assert_uint_eq(ram_b[1], 0);
	ck_assert_uint_eq(ram_b[62], 0);
	ck_assert_uint_eq(ram_b[63], 0x5b);
	ck_assert_int_eq(gmem_zero(&m, B + 1, 64), -EFAULT);
	ck_assert_uint_eq(ram_b[63], 0x5b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_slice_gives_the_host_address_inside_a_region,
		test_slice_refuses_a_range_that_leaves_its_region,
		test_slice_refuses_lengths_that_wrap,
		test_slice_takes_an_empty_range_inside_a_region_only,
		test_slice_refuses_a_range_over_two_adjacent_regions,
		test_add_refuses_overlap_wrap_emptiness_and_misalignment,
		test_add_refuses_a_region_too_many,
		test_copies_move_all_bytes_or_none,
		test_zero_clears_the_range_and_nothing_beside,
	};

	return suite_run("gmem", tests, ARRAY_SIZE(tests));
}

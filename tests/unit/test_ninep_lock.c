// SPDX-License-Identifier: Apache-2.0
/*
 * devices/ninep_lock: what the guest locks is locked against the host, as long as somebody in the guest needs it.
 *
 * The host's side is an open file description of the test's own, with locks of its own.
 */
#include <sys/file.h>

#include "tests/unit/fake/suite.h"
#include "tests/unit/ninep_client.h"

static struct nc c;
static struct nc_tree t;
static int host = -1;

static void up_open(bool ro, uint32_t mode1, uint32_t mode2)
{
	struct ninep_entry like = { .ro = ro };
	struct ninep_config cfg = { .root = NINEP_PLAIN, .entry = &like };

	nc_tree_make(&t);
	nc_put_file(t.root, "file", "hello");
	ck_assert_int_eq(mkdirat(t.root, "dir", 0755), 0);
	nc_serve(&c, &t, &cfg);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, mode1), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, mode2), 0);
	host = openat(t.root, "file", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(host, 0);
}

static void up(void)
{
	up_open(false, P9_O_RDWR, P9_O_RDWR);
}

static void down(void)
{
	(void)close(host);
	ninep_reset(c.np);
	ck_assert_uint_eq(ninep_usage(c.np).fds, 0);
	ck_assert_uint_eq(ninep_usage(c.np).locks, 0);
	nc_fini(&c);
	nc_tree_drop(&t);
}

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

/* Could the host take a lock of this type now? */
static bool host_can(short type, off_t start, off_t len)
{
	struct flock fl = range(type, start, len);

	ck_assert_int_eq(fcntl(host, F_OFD_GETLK, &fl), 0);
	return fl.l_type == F_UNLCK;
}

static void host_take(short type, off_t start, off_t len)
{
	struct flock fl = range(type, start, len);

	ck_assert_int_eq(fcntl(host, F_OFD_SETLK, &fl), 0);
}

START_TEST(test_a_lock_holds_against_the_host_and_the_hosts_against_the_guest)
{
	up();
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 10, 10, 1), P9_LOCK_SUCCESS);
	ck_assert(!host_can(F_RDLCK, 10, 1));
	ck_assert(!host_can(F_RDLCK, 19, 1));
	ck_assert(host_can(F_WRLCK, 0, 10));
	ck_assert(host_can(F_WRLCK, 20, 0));
	host_take(F_WRLCK, 100, 10);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 105, 1, 1), P9_LOCK_BLOCKED);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 0, 0, 1), P9_LOCK_BLOCKED);
	ck_assert(!host_can(F_RDLCK, 10, 10));
	host_take(F_UNLCK, 100, 10);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 105, 1, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_WRLCK, 0, 0));
	ck_assert_uint_eq(ninep_usage(c.np).locks, 0);
	down();
}
END_TEST

START_TEST(test_one_process_with_two_descriptors_does_not_lock_itself_out)
{
	up();
	/* locked by one descriptor, upgraded and unlocked by the other: as sqlite does */
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 0, 100, 7), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_WR, 0, 100, 7), P9_LOCK_SUCCESS);
	ck_assert(!host_can(F_RDLCK, 0, 100));
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_RD, 0, 100, 7), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_RDLCK, 0, 100));
	ck_assert(!host_can(F_WRLCK, 0, 100));
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_UN, 0, 0, 7), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_WRLCK, 0, 0));
	down();
}
END_TEST

START_TEST(test_an_unlock_gives_up_only_what_no_other_process_holds)
{
	up();
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 0, 100, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_RD, 50, 100, 2), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_RD, 200, 10, 3), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_WRLCK, 0, 50));
	ck_assert(!host_can(F_WRLCK, 50, 1));
	ck_assert(!host_can(F_WRLCK, 149, 1));
	ck_assert(host_can(F_WRLCK, 150, 50));
	ck_assert(!host_can(F_WRLCK, 200, 10));
	ck_assert(host_can(F_WRLCK, 210, 0));
	/* a child closes what it inherited: it holds nothing, and gives up nothing of its parent's */
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_UN, 0, 0, 99), P9_LOCK_SUCCESS);
	ck_assert(!host_can(F_WRLCK, 50, 1));
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_UN, 0, 0, 3), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_WRLCK, 200, 10));
	down();
}
END_TEST

START_TEST(test_a_part_of_a_range_can_be_unlocked_or_changed)
{
	up();
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 100, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 40, 20, 1), P9_LOCK_SUCCESS);
	ck_assert_uint_eq(ninep_usage(c.np).locks, 2);
	ck_assert(host_can(F_WRLCK, 40, 20));
	ck_assert(!host_can(F_RDLCK, 39, 1));
	ck_assert(!host_can(F_RDLCK, 60, 1));
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 0, 10, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 90, 10, 1), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_WRLCK, 0, 10));
	ck_assert(host_can(F_WRLCK, 90, 0));
	ck_assert(!host_can(F_RDLCK, 10, 30));
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 20, 10, 1), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_RDLCK, 20, 10));
	ck_assert(!host_can(F_RDLCK, 19, 1));
	ck_assert(!host_can(F_RDLCK, 30, 1));
	down();
}
END_TEST

START_TEST(test_ranges_grow_together_when_they_touch)
{
	uint64_t i;

	up();
	for (i = 0; i < 2 * NINEP_LOCKS_MAX; i++)
		NC_CHECK(nc_lock(&c, 1, P9_LOCK_WR, i, 1, 1) == P9_LOCK_SUCCESS);
	ck_assert_uint_eq(ninep_usage(c.np).locks, 1);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 100000, 1, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 99999, 1, 1), P9_LOCK_SUCCESS);
	ck_assert_uint_eq(ninep_usage(c.np).locks, 2);
	ck_assert(!host_can(F_RDLCK, 99999, 2));
	down();
}
END_TEST

START_TEST(test_a_full_table_refuses_locks_and_still_unlocks)
{
	uint64_t i;

	up();
	for (i = 0; i < NINEP_LOCKS_MAX - 1; i++)
		NC_CHECK(nc_lock(&c, 1, P9_LOCK_RD, 10 * i, 5, 1) == P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 10 * i, 5, 1), P9_LOCK_ERROR);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 2, 1, 1), P9_LOCK_SUCCESS); /* one is left for a split */
	ck_assert_uint_eq(ninep_usage(c.np).locks, NINEP_LOCKS_MAX);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 12, 1, 1), P9_LOCK_SUCCESS); /* cannot be split: is kept */
	ck_assert(!host_can(F_WRLCK, 12, 1));
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert_uint_eq(ninep_usage(c.np).locks, 0);
	ck_assert(host_can(F_WRLCK, 0, 0));
	down();
}
END_TEST

START_TEST(test_clunk_and_the_end_of_a_session_drop_the_locks_taken_through_a_fid)
{
	up();
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 10, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_WR, 20, 10, 2), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_clunk(&c, 1), 0);
	ck_assert(host_can(F_WRLCK, 0, 10));
	ck_assert(!host_can(F_WRLCK, 20, 10));
	ck_assert_int_eq(nc_version(&c, 8192), 0);
	ck_assert(host_can(F_WRLCK, 0, 0));
	ck_assert_uint_eq(ninep_usage(c.np).fds, 0);
	down();
}
END_TEST

START_TEST(test_getlock_tells_the_hosts_locks_and_not_the_guests_own)
{
	up();
	ck_assert_int_eq(nc_getlock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_UN);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 10, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_getlock(&c, 2, P9_LOCK_WR, 0, 0, 2), P9_LOCK_UN);
	host_take(F_RDLCK, 50, 10);
	ck_assert_int_eq(nc_getlock(&c, 1, P9_LOCK_RD, 0, 0, 1), P9_LOCK_UN);
	ck_assert_int_eq(nc_getlock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_RD); /* what Linux asks */
	ck_assert_int_eq(nc_getlock(&c, 1, P9_LOCK_WR, 55, 100, 1), P9_LOCK_RD);
	ck_assert_uint_eq(rd_u64(&c.r), 50);
	ck_assert_uint_eq(rd_u64(&c.r), 10);
	ck_assert_uint_eq(rd_u32(&c.r), 0);
	host_take(F_UNLCK, 50, 10);
	host_take(F_WRLCK, 50, 0);
	ck_assert_int_eq(nc_getlock(&c, 1, P9_LOCK_RD, 55, 100, 1), P9_LOCK_WR);
	ck_assert_uint_eq(rd_u64(&c.r), 50);
	ck_assert_uint_eq(rd_u64(&c.r), 0);
	down();
}
END_TEST

START_TEST(test_lock_ranges_that_are_none_are_refused)
{
	up();
	ck_assert_int_eq(nc_lock(&c, 1, 3, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 1ULL << 63, 1, 1), -EINVAL);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 1, UINT64_MAX, 1), -EOVERFLOW);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, INT64_MAX, 1, 1), -EOVERFLOW);
	ck_assert_int_eq(nc_getlock(&c, 1, 3, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(nc_getlock(&c, 9, 1, 0, 0, 1), -EBADF);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, INT64_MAX - 1, 1, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, INT64_MAX, 0, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_SUCCESS);
	down();
}
END_TEST

/* flock(1) opens for reading and takes LOCK_EX: a byte-range lock cannot do that on a tree that is read-only. */
START_TEST(test_an_exclusive_flock_through_a_reader_is_a_flock_on_the_host)
{
	up_open(true, 0, 0);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(flock(host, LOCK_SH | LOCK_NB), -1);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_UN, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(flock(host, LOCK_SH | LOCK_NB), 0);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 0, 1), P9_LOCK_BLOCKED);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert(!host_can(F_WRLCK, 0, 0));
	ck_assert_int_eq(flock(host, LOCK_UN), 0);
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_WR, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_clunk(&c, 2), 0);
	ck_assert_int_eq(flock(host, LOCK_EX | LOCK_NB), 0);
	down();
}
END_TEST

/* On a tree that may be written the file is opened once more, for both kinds, and the lock is of the common kind. */
START_TEST(test_an_exclusive_flock_through_a_reader_excludes_byte_ranges_where_it_can)
{
	up_open(false, 0, 0);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert(!host_can(F_RDLCK, 5, 1));
	down();
}
END_TEST

START_TEST(test_a_directory_can_be_locked)
{
	int dir;

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 3, "dir"), 0);
	ck_assert_int_eq(nc_lopen(&c, 3, 0), 0);
	ck_assert_int_eq(nc_lock(&c, 3, P9_LOCK_WR, 0, 0, 1), P9_LOCK_SUCCESS);
	dir = openat(t.root, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(dir, LOCK_SH | LOCK_NB), -1);
	ck_assert_int_eq(nc_clunk(&c, 3), 0);
	ck_assert_int_eq(flock(dir, LOCK_SH | LOCK_NB), 0);
	(void)close(dir);
	down();
}
END_TEST

START_TEST(test_locked_files_have_a_limit_and_give_it_back)
{
	char name[32];
	uint32_t i;

	up();
	for (i = 0; i <= NINEP_LOCKED_MAX; i++) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		ck_assert_int_eq(nc_walk(&c, 0, 100 + i, ""), 0);
		ck_assert_int_eq(nc_lcreate(&c, 100 + i, name, 2, 0644, P9_NOID), 0);
		ck_assert_int_eq(nc_lock(&c, 100 + i, P9_LOCK_WR, 0, 0, i),
				 i < NINEP_LOCKED_MAX ? P9_LOCK_SUCCESS : P9_LOCK_ERROR);
	}
	ck_assert_int_eq(nc_lock(&c, 100, P9_LOCK_UN, 0, 0, 0), P9_LOCK_SUCCESS);
	ck_assert_int_eq(nc_lock(&c, 100 + NINEP_LOCKED_MAX, P9_LOCK_WR, 0, 0, 5), P9_LOCK_SUCCESS);
	down();
}
END_TEST

START_TEST(test_an_open_file_without_a_name_can_be_locked)
{
	up();
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", 0), 0);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_WR, 0, 10, 1), P9_LOCK_SUCCESS);
	ck_assert(!host_can(F_RDLCK, 0, 1));
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_UN, 0, 0, 1), P9_LOCK_SUCCESS);
	ck_assert(host_can(F_WRLCK, 0, 0));
	down();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_lock_holds_against_the_host_and_the_hosts_against_the_guest,
		test_one_process_with_two_descriptors_does_not_lock_itself_out,
		test_an_unlock_gives_up_only_what_no_other_process_holds,
		test_a_part_of_a_range_can_be_unlocked_or_changed,
		test_ranges_grow_together_when_they_touch,
		test_a_full_table_refuses_locks_and_still_unlocks,
		test_clunk_and_the_end_of_a_session_drop_the_locks_taken_through_a_fid,
		test_getlock_tells_the_hosts_locks_and_not_the_guests_own,
		test_lock_ranges_that_are_none_are_refused,
		test_an_exclusive_flock_through_a_reader_is_a_flock_on_the_host,
		test_an_exclusive_flock_through_a_reader_excludes_byte_ranges_where_it_can,
		test_a_directory_can_be_locked,
		test_locked_files_have_a_limit_and_give_it_back,
		test_an_open_file_without_a_name_can_be_locked,
	};

	return suite_run("ninep_lock", tests, ARRAY_SIZE(tests));
}

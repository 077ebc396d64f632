// SPDX-License-Identifier: Apache-2.0
/*
 * devices/ninep: what happens to files: contents, names, attributes, owners, xattrs, directories.
 */
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include "tests/unit/fake/suite.h"
#include "tests/unit/ninep_client.h"

static struct nc c;
static struct nc_tree t;
static bool old_host; /* run as on a host with nothing newer than Linux 5.15 */

static void up(void)
{
	struct ninep_config cfg = { .root = NINEP_PLAIN, .old_host = old_host };

	nc_tree_make(&t);
	nc_put_file(t.root, "file", "hello");
	ck_assert_int_eq(mkdirat(t.root, "dir", 0755), 0);
	nc_serve(&c, &t, &cfg);
}

static void down(void)
{
	ninep_reset(c.np);
	ck_assert_uint_eq(ninep_usage(c.np).fids, 0);
	ck_assert_uint_eq(ninep_usage(c.np).nodes, 0);
	ck_assert_uint_eq(ninep_usage(c.np).fds, 0);
	ck_assert_uint_eq(ninep_usage(c.np).xattrs, 0);
	nc_fini(&c);
	nc_tree_drop(&t);
}

static struct stat stat_of(const char *name)
{
	struct stat st = { 0 };

	ck_assert_int_eq(fstatat(t.root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static bool exists(const char *name)
{
	struct stat st;

	return fstatat(t.root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- contents --- */

START_TEST(test_a_write_is_in_the_file_when_its_reply_is_there)
{
	char text[32];

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 1, "new", 2, 0640, P9_NOID), 0);
	ck_assert_int_eq(nc_write(&c, 1, 0, "one two", 7), 7);
	nc_get_file(t.root, "new", text, sizeof(text));
	ck_assert_str_eq(text, "one two");
	ck_assert_int_eq(nc_write(&c, 1, 4, "TWO", 3), 3);
	ck_assert_int_eq(nc_write(&c, 1, 4, "", 0), 0);
	ck_assert_int_eq(nc_read(&c, 1, 4, 100), 3);
	ck_assert_int_eq(memcmp(c.r.p, "TWO", 3), 0);
	ck_assert_int_eq(nc_read(&c, 1, 7, 100), 0);
	ck_assert_int_eq(nc_read(&c, 1, 1000, 100), 0);
	ck_assert_int_eq(nc_fsync(&c, 1, 0), 0);
	ck_assert_int_eq(nc_fsync(&c, 1, 1), 0);
	ck_assert_uint_eq(stat_of("new").st_mode, S_IFREG | 0640);
	down();
}
END_TEST

#define SPREAD_LEN  300000
#define SPREAD_SEGS 150
#define SPREAD_GAP  8

static uint8_t spread[SPREAD_LEN + (SPREAD_SEGS + 60) * SPREAD_GAP];

/* len bytes as pieces of odd sizes that do not touch each other, with empty ones in a row among them; their number */
static unsigned int spread_over(struct iovec *v, size_t len)
{
	unsigned int i, n = 0;
	size_t at = 0;

	for (i = 0; i < SPREAD_SEGS && at < len; i++) {
		size_t part = i + 1 == SPREAD_SEGS ? len - at : min_size(len - at, 1 + i * 37 % 4001);

		if (i == 20)
			for (; n < 60; n++)
				v[n] = (struct iovec){ spread, 0 };
		v[n++] = (struct iovec){ spread + at + i * SPREAD_GAP, part };
		at += part;
	}
	return n;
}

static void spread_copy(const struct iovec *v, unsigned int n, uint8_t *flat, bool in)
{
	unsigned int i;

	for (i = 0; i < n; flat += v[i].iov_len, i++) {
		if (v[i].iov_len == 0)
			continue;
		memcpy(in ? v[i].iov_base : flat, in ? flat : v[i].iov_base, v[i].iov_len);
	}
}

/* One request over more segments than one call takes, both ways */
START_TEST(test_payload_moves_over_any_number_of_segments)
{
	static uint8_t data[SPREAD_LEN], back[SPREAD_LEN];
	struct iovec v[SPREAD_SEGS + 61];
	struct giov req, resp;
	unsigned int i, n;

	up();
	for (i = 0; i < SPREAD_LEN; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	ck_assert_int_eq(nc_walk(&c, 0, 1, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 1, "big", 2, 0600, P9_NOID), 0);
	nc_begin(&c, P9_TWRITE);
	nc_u32(&c, 1);
	nc_u64(&c, 5);
	nc_u32(&c, SPREAD_LEN);
	wr_patch_u32(&c.w, 0, P9_WRITE_HEAD + SPREAD_LEN);
	v[0] = (struct iovec){ c.req, P9_WRITE_HEAD };
	n = spread_over(v + 1, SPREAD_LEN);
	spread_copy(v + 1, n, data, true);
	req = giov_init(v, n + 1);
	resp = giov_init(&(struct iovec){ c.resp, 64 }, 1);
	c.resp_len = ninep_handle(c.np, &req, &resp);
	ck_assert_int_eq(nc_answer(&c), 0);
	ck_assert_uint_eq(rd_u32(&c.r), SPREAD_LEN);
	ck_assert_int_eq(stat_of("big").st_size, SPREAD_LEN + 5);

	memset(spread, 0, sizeof(spread));
	nc_begin(&c, P9_TREAD);
	nc_u32(&c, 1);
	nc_u64(&c, 5);
	nc_u32(&c, SPREAD_LEN);
	wr_patch_u32(&c.w, 0, (uint32_t)c.w.len);
	req = giov_init(&(struct iovec){ c.req, c.w.len }, 1);
	v[0] = (struct iovec){ c.resp, P9_DATA_HEAD };
	resp = giov_init(v, n + 1);
	c.resp_len = ninep_handle(c.np, &req, &resp);
	ck_assert_int_eq(nc_answer(&c), 0);
	ck_assert_uint_eq(c.resp_len, P9_DATA_HEAD + SPREAD_LEN);
	spread_copy(v + 1, n, back, false);
	ck_assert_int_eq(memcmp(back, data, SPREAD_LEN), 0);
	down();
}
END_TEST

START_TEST(test_a_payload_is_as_long_as_its_count_says)
{
	static const uint32_t counts[] = { 0, 3, 5, 100, UINT32_MAX };
	size_t i;

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), 0);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		nc_begin(&c, P9_TWRITE);
		nc_u32(&c, 1);
		nc_u64(&c, 0);
		nc_u32(&c, counts[i]);
		wr_bytes(&c.w, "abcd", 4);
		wr_patch_u32(&c.w, 0, (uint32_t)c.w.len);
		ck_assert_uint_gt(nc_raw(&c, c.w.len + 50), 0); /* the chain holds more than the message */
		ck_assert_int_eq(nc_answer(&c), -EPROTO);
	}
	ck_assert_int_eq(nc_read(&c, 1, 0, 10), 5);
	ck_assert_int_eq(memcmp(c.r.p, "hello", 5), 0);
	down();
}
END_TEST

START_TEST(test_reads_end_at_msize_and_at_the_room_there_is)
{
	static char big[20000];

	up();
	memset(big, 'x', sizeof(big) - 1);
	nc_put_file(t.root, "big", big);
	ck_assert_int_eq(nc_version(&c, 4096), 0);
	ck_assert_int_eq(nc_attach(&c, 0, 0), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "big"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_read(&c, 1, 0, UINT32_MAX), 4096 - P9_DATA_HEAD);
	c.resp_cap = 100;
	ck_assert_int_eq(nc_read(&c, 1, 0, 1000), 100 - P9_DATA_HEAD);
	ck_assert_int_eq(nc_read(&c, 1, 0, 10), 10);
	c.resp_cap = NC_MAX;
	ck_assert_int_eq(nc_read(&c, 1, 0, 0), 0);
	down();
}
END_TEST

START_TEST(test_offsets_that_overflow_are_refused)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), 0);
	ck_assert_int_eq(nc_read(&c, 1, UINT64_MAX, 10), -EINVAL);
	ck_assert_int_eq(nc_read(&c, 1, INT64_MAX, 10), -EINVAL);
	ck_assert_int_eq(nc_write(&c, 1, UINT64_MAX, "x", 1), -EFBIG);
	ck_assert_int_eq(nc_write(&c, 1, INT64_MAX, "x", 1), -EFBIG);
	ck_assert_int_eq(nc_truncate(&c, 1, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(stat_of("file").st_size, 5);
	down();
}
END_TEST

START_TEST(test_io_needs_an_open_fid_of_the_right_kind)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_read(&c, 1, 0, 10), -EBADF);
	ck_assert_int_eq(nc_write(&c, 1, 0, "x", 1), -EBADF);
	ck_assert_int_eq(nc_fsync(&c, 1, 0), -EBADF);
	ck_assert_int_eq(nc_readdir(&c, 1, 0, 1000), -EBADF);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 0, 0, 1), -EBADF);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -EBADF);
	ck_assert_int_eq(nc_write(&c, 1, 0, "x", 1), -EBADF);
	ck_assert_int_eq(nc_readdir(&c, 1, 0, 1000), -ENOTDIR);
	ck_assert_int_eq(nc_lcreate(&c, 1, "x", 2, 0644, 0), -ENOTDIR);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "dir"), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), 0);
	ck_assert_int_eq(nc_read(&c, 2, 0, 10), -EISDIR);
	ck_assert_int_eq(nc_fsync(&c, 2, 0), 0);
	ck_assert_int_eq(nc_lcreate(&c, 2, "x", 2, 0644, 0), -EBADF);
	ck_assert_int_eq(nc_read(&c, 99, 0, 10), -EBADF);
	down();
}
END_TEST

START_TEST(test_open_flags_are_those_of_the_protocol)
{
	char text[32];

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 3), -EINVAL);
	ck_assert_int_eq(nc_lopen(&c, 1, 0x80000000U), -EINVAL);
	ck_assert_int_eq(nc_lopen(&c, 1, 010000000U), -EINVAL); /* O_PATH, were it passed on */
	ck_assert_int_eq(nc_lopen(&c, 1, P9_O_DIRECTORY), -ENOTDIR);
	ck_assert_int_eq(nc_lopen(&c, 1, P9_O_RDWR | P9_O_APPEND | P9_O_CREATE | P9_O_DSYNC | P9_O_NOATIME), 0);
	ck_assert_int_eq(nc_write(&c, 1, 0, "!", 1), 1);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, P9_O_WRONLY | P9_O_SYNC), 0);
	ck_assert_int_eq(nc_write(&c, 2, 0, "J", 1), 1);
	nc_get_file(t.root, "file", text, sizeof(text));
	ck_assert_str_eq(text, "Jello!");
	ck_assert_int_eq(nc_walk(&c, 0, 3, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 3, P9_O_WRONLY | P9_O_TRUNC), 0);
	ck_assert_int_eq(stat_of("file").st_size, 0);
	ck_assert_int_eq(nc_walk(&c, 0, 4, "dir"), 0);
	ck_assert_int_eq(nc_lopen(&c, 4, 1), -EISDIR);
	ck_assert_int_eq(nc_lopen(&c, 4, P9_O_DIRECTORY | 0400000U), 0);
	down();
}
END_TEST

START_TEST(test_create_makes_or_opens_and_excl_only_makes)
{
	char text[32];

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 1, "file", 2 | P9_O_EXCL, 0644, P9_NOID), -EEXIST);
	ck_assert_int_eq(nc_lcreate(&c, 1, "file", 3, 0644, P9_NOID), -EINVAL);
	ck_assert_int_eq(nc_lcreate(&c, 1, "file", 010000000U, 0644, P9_NOID), -EINVAL);
	ck_assert_int_eq(nc_lcreate(&c, 1, "dir", 2, 0644, P9_NOID), -EISDIR);
	ck_assert_int_eq(nc_lcreate(&c, 1, "file", 2, 0600, P9_NOID), 0);
	ck_assert_int_eq(nc_read(&c, 1, 0, 10), 5);
	ck_assert_uint_eq(stat_of("file").st_mode, S_IFREG | 0644);
	ck_assert_int_eq(nc_walk(&c, 0, 2, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 2, "file", 1 | P9_O_TRUNC, 0600, P9_NOID), 0);
	nc_get_file(t.root, "file", text, sizeof(text));
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(nc_walk(&c, 0, 3, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 3, "x", 2 | P9_O_EXCL | P9_O_CREATE, 07755, P9_NOID), 0);
	ck_assert_uint_eq(stat_of("x").st_mode, S_IFREG | 07755);
	down();
}
END_TEST

/* --- names --- */

START_TEST(test_an_open_file_works_on_after_its_name_is_gone)
{
	struct nc_attr a = { .mode = 0400 };
	uint32_t fid;

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), 0);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", 0), 0);
	ck_assert(!exists("file"));
	ck_assert_int_eq(nc_getattr(&c, 2, &a), 0);
	ck_assert_uint_eq(a.nlink, 0);
	ck_assert_uint_eq(a.size, 5);
	ck_assert_int_eq(nc_truncate(&c, 2, 2), 0);
	ck_assert_int_eq(nc_write(&c, 2, 2, "LLO", 3), 3);
	ck_assert_int_eq(nc_setattr(&c, 2, P9_SET_MODE, &(struct nc_attr){ .mode = 0400 }), 0);
	ck_assert_int_eq(nc_setattr(&c, 2, P9_SET_MTIME | P9_SET_MTIME_VAL, &(struct nc_attr){ .mtime = 77 }), 0);
	ck_assert_int_eq(nc_read(&c, 2, 0, 10), 5);
	ck_assert_int_eq(memcmp(c.r.p, "heLLO", 5), 0);
	/* open("/proc/self/fd/N"): the client clones the open fid and opens the clone */
	ck_assert_int_eq(nc_walk(&c, 2, 3, ""), 0);
	ck_assert_int_eq(nc_walk(&c, 3, 4, ""), 0);
	for (fid = 3; fid <= 4; fid++) {
		ck_assert_int_eq(nc_lopen(&c, fid, 0), 0);
		ck_assert_int_eq(nc_read(&c, fid, 0, 10), 5);
		ck_assert_int_eq(nc_write(&c, fid, 0, "x", 1), -EBADF); /* though what it shares could */
	}
	/* a fid that was not open has nothing to go by */
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -ESTALE);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 0400);
	ck_assert_uint_eq(a.mtime, 77);
	/* a clone of a reader is no writer */
	ck_assert_int_eq(nc_clunk(&c, 2), 0);
	down();
}
END_TEST

START_TEST(test_a_clone_of_a_nameless_reader_opens_for_reading_only)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", 0), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), -EACCES);
	ck_assert_int_eq(nc_truncate(&c, 2, 0), -EACCES);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), 0);
	down();
}
END_TEST

START_TEST(test_fids_follow_the_guests_renames)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "dir"), 0);
	ck_assert_int_eq(nc_renameat(&c, 0, "file", 2, "moved"), 0);
	ck_assert(exists("dir/moved") && !exists("file"));
	ck_assert_int_eq(nc_walk(&c, 1, 3, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 3, 2), 0);
	ck_assert_int_eq(nc_rename(&c, 1, 0, "again"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 4, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 4, 0), 0);
	ck_assert_int_eq(nc_read(&c, 4, 0, 10), 5);
	/* a directory is renamed above it */
	ck_assert_int_eq(nc_rename(&c, 1, 2, "deep"), 0);
	ck_assert_int_eq(nc_renameat(&c, 0, "dir", 0, "DIR"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 5, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 5, 0), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 6, "DIR/deep"), 0);
	/* onto itself */
	ck_assert_int_eq(nc_renameat(&c, 2, "deep", 2, "deep"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_lopen(&c, 6, 0), 0);
	ck_assert_int_eq(nc_renameat(&c, 2, "nothing", 0, "x"), -ENOENT);
	down();
}
END_TEST

START_TEST(test_a_file_that_was_renamed_over_has_no_name_any_more)
{
	up();
	nc_put_file(t.root, "other", "other!");
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "other"), 0);
	ck_assert_int_eq(nc_renameat(&c, 0, "file", 0, "other"), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), -ESTALE);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_read(&c, 1, 0, 10), 5);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "other"), 0);
	ck_assert_int_eq(nc_lopen(&c, 3, 0), 0);
	ck_assert_int_eq(nc_read(&c, 3, 0, 10), 5);
	down();
}
END_TEST

START_TEST(test_renaming_one_hard_link_onto_another_leaves_both)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_link(&c, 0, 1, "second"), 0);
	ck_assert_uint_eq(stat_of("file").st_nlink, 2);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "second"), 0);
	ck_assert_int_eq(nc_renameat(&c, 0, "file", 0, "second"), 0);
	ck_assert(exists("file") && exists("second"));
	ck_assert_int_eq(nc_unlinkat(&c, 0, "second", 0), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), -ESTALE);
	down();
}
END_TEST

START_TEST(test_what_the_host_replaced_is_not_opened_by_an_old_fid)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	nc_put_file(t.root, "tmp", "replaced");
	ck_assert_int_eq(renameat(t.root, "tmp", t.root, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -ESTALE);
	ck_assert_int_eq(nc_remove(&c, 1), -ESTALE);
	ck_assert(exists("file"));
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), 0);
	ck_assert_int_eq(unlinkat(t.root, "file", 0), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -ESTALE);
	ck_assert_int_eq(nc_link(&c, 0, 1, "back"), -ESTALE);
	ck_assert_int_eq(nc_rename(&c, 1, 0, "back"), -ESTALE);
	ck_assert_int_eq(nc_xattrwalk(&c, 1, 3, "user.x"), -ESTALE);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "file"), -ENOENT);
	down();
}
END_TEST

START_TEST(test_unlink_and_remove_take_files_and_empty_directories)
{
	up();
	ck_assert_int_eq(nc_unlinkat(&c, 0, "dir", 0), -EISDIR);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", P9_AT_REMOVEDIR), -ENOTDIR);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", 0x1000), -EINVAL);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "nothing", 0), -ENOENT);
	nc_put_file(t.root, "dir/x", "");
	ck_assert_int_eq(nc_unlinkat(&c, 0, "dir", P9_AT_REMOVEDIR), -ENOTEMPTY);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir/x"), 0);
	ck_assert_int_eq(nc_remove(&c, 1), 0);
	ck_assert_int_eq(nc_clunk(&c, 1), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir"), 0);
	ck_assert_int_eq(nc_remove(&c, 1), 0);
	ck_assert(!exists("dir"));
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", 0), 0);
	ck_assert_int_eq(nc_remove(&c, 1), -ESTALE);
	ck_assert_int_eq(nc_remove(&c, 1), -EBADF);
	ck_assert_int_eq(nc_remove(&c, 0), -EBUSY);
	ck_assert_int_eq(nc_clunk(&c, 0), -EBADF);
	down();
}
END_TEST

START_TEST(test_symlinks_are_made_and_read_and_never_followed)
{
	struct nc_attr a;

	up();
	ck_assert_int_eq(nc_symlink(&c, 0, "link", "/etc/passwd", P9_NOID), 0);
	ck_assert_uint_eq(nc_rd_qid(&c).type, P9_QT_SYMLINK);
	ck_assert_int_eq(nc_symlink(&c, 0, "link", "x", P9_NOID), -EEXIST);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "link"), 0);
	ck_assert_int_eq(nc_readlink(&c, 1), 11);
	ck_assert_int_eq(memcmp(c.r.p, "/etc/passwd", 11), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.mode & S_IFMT, S_IFLNK);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -ELOOP);
	ck_assert_int_eq(nc_truncate(&c, 1, 0), -ELOOP);
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_MODE, &(struct nc_attr){ .mode = 0777 }), -EOPNOTSUPP);
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_MTIME | P9_SET_MTIME_VAL, &(struct nc_attr){ .mtime = 9 }), 0);
	ck_assert_int_eq(stat_of("link").st_mtime, 9);
	ck_assert_int_eq(nc_link(&c, 0, 1, "link2"), 0);
	ck_assert(S_ISLNK(stat_of("link2").st_mode));
	ck_assert_int_eq(nc_walk(&c, 0, 2, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 2, "link", 2, 0644, P9_NOID), -ELOOP);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "file"), 0);
	ck_assert_int_eq(nc_readlink(&c, 3), -EINVAL);
	down();
}
END_TEST

START_TEST(test_directories_cannot_be_linked_and_links_keep_to_names_that_are_free)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir"), 0);
	ck_assert_int_eq(nc_link(&c, 0, 1, "dir2"), -EPERM);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), 0);
	ck_assert_int_eq(nc_link(&c, 0, 2, "dir"), -EEXIST);
	ck_assert_int_eq(nc_link(&c, 2, 2, "x"), -ENOTDIR);
	ck_assert_int_eq(nc_link(&c, 0, 99, "x"), -EBADF);
	ck_assert_int_eq(nc_link(&c, 99, 2, "x"), -EBADF);
	down();
}
END_TEST

/* --- special files --- */

static void check_special(const char *name, uint32_t mode)
{
	struct nc_attr a;

	ck_assert_int_eq(nc_walk(&c, 0, 1, name), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.mode, mode);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), -ENXIO);
	ck_assert_int_eq(nc_lopen(&c, 2, 1), -ENXIO);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), -ENXIO);
	ck_assert_int_eq(nc_truncate(&c, 2, 0), -ENXIO);
	ck_assert_int_eq(nc_walk(&c, 0, 3, ""), 0);
	ck_assert_int_eq(nc_lcreate(&c, 3, name, 2, 0644, P9_NOID), -ENXIO);
	ck_assert_int_eq(nc_setattr(&c, 2, P9_SET_MODE, &(struct nc_attr){ .mode = 0700 }), 0);
	ck_assert_uint_eq(stat_of(name).st_mode, (mode & S_IFMT) | 0700);
	ck_assert_int_eq(nc_rename(&c, 1, 0, "other"), 0);
	ck_assert_int_eq(nc_link(&c, 0, 1, "more"), 0);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "more", 0), 0);
	ck_assert_int_eq(nc_remove(&c, 1), 0);
	ck_assert_int_eq(nc_clunk(&c, 2), 0);
	ck_assert_int_eq(nc_clunk(&c, 3), 0);
}

START_TEST(test_fifos_sockets_and_devices_are_files_that_are_never_opened)
{
	up();
	ck_assert_int_eq(nc_mknod(&c, 0, "fifo", S_IFIFO | 0644, 0, 0), 0);
	check_special("fifo", S_IFIFO | 0644);
	ck_assert_int_eq(nc_mknod(&c, 0, "sock", S_IFSOCK | 0600, 0, 0), 0);
	check_special("sock", S_IFSOCK | 0600);
	ck_assert_int_eq(nc_mknod(&c, 0, "reg", S_IFREG | 0640, 0, 0), 0);
	ck_assert_uint_eq(stat_of("reg").st_mode, S_IFREG | 0640);
	if (geteuid() == 0) {
		ck_assert_int_eq(nc_mknod(&c, 0, "null", S_IFCHR | 0666, 1, 3), 0);
		ck_assert_uint_eq(stat_of("null").st_rdev, makedev(1, 3));
		check_special("null", S_IFCHR | 0666);
		ck_assert_int_eq(nc_mknod(&c, 0, "disk", S_IFBLK | 0660, 8, 300), 0);
		check_special("disk", S_IFBLK | 0660);
	}
	down();
}
END_TEST

START_TEST(test_mknod_makes_no_directories_links_or_wild_modes)
{
	up();
	ck_assert_int_eq(nc_mknod(&c, 0, "x", S_IFDIR | 0755, 0, 0), -EINVAL);
	ck_assert_int_eq(nc_mknod(&c, 0, "x", S_IFLNK | 0755, 0, 0), -EINVAL);
	ck_assert_int_eq(nc_mknod(&c, 0, "x", 0644, 0, 0), -EINVAL);
	ck_assert_int_eq(nc_mknod(&c, 0, "x", S_IFREG | 0200000 | 0644, 0, 0), -EINVAL);
	ck_assert_int_eq(nc_mknod(&c, 0, "x", S_IFCHR | 0644, 0x1000, 0), -EINVAL);
	ck_assert_int_eq(nc_mknod(&c, 0, "x", S_IFCHR | 0644, 0, 0x100000), -EINVAL);
	ck_assert_int_eq(nc_mkdir(&c, 0, "d", 01777, P9_NOID), 0);
	ck_assert_uint_eq(stat_of("d").st_mode, S_IFDIR | 01777);
	down();
}
END_TEST

/* --- attributes --- */

START_TEST(test_setattr_changes_size_mode_and_times_by_name_and_by_open_fid)
{
	struct nc_attr set = { .mode = 04711, .size = 3, .mtime = 1000000000 };
	const uint32_t all = P9_SET_MODE | P9_SET_SIZE | P9_SET_ATIME | P9_SET_ATIME_VAL | P9_SET_MTIME |
			     P9_SET_MTIME_VAL | P9_SET_CTIME;
	uint32_t fid;

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), 0);
	ck_assert_int_eq(nc_lopen(&c, 3, 0), 0);
	for (fid = 1; fid <= 3; fid++) {
		set.size++;
		set.mtime++;
		set.mode++;
		ck_assert_int_eq(nc_setattr(&c, fid, all, &set), 0);
		ck_assert_int_eq(stat_of("file").st_size, (off_t)set.size);
		ck_assert_int_eq(stat_of("file").st_mtime, (time_t)set.mtime);
		ck_assert_int_eq(stat_of("file").st_atime, (time_t)set.mtime);
		ck_assert_uint_eq(stat_of("file").st_mode, S_IFREG | set.mode);
	}
	ck_assert_int_eq(nc_walk(&c, 0, 4, "dir"), 0);
	ck_assert_int_eq(nc_setattr(&c, 4, P9_SET_MODE, &(struct nc_attr){ .mode = 0700 }), 0);
	ck_assert_uint_eq(stat_of("dir").st_mode, S_IFDIR | 0700);
	ck_assert_int_eq(nc_truncate(&c, 4, 0), -EISDIR);
	/* bits outside the permissions are not passed on */
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_MODE, &(struct nc_attr){ .mode = S_IFDIR | 0640 }), 0);
	ck_assert_uint_eq(stat_of("file").st_mode, S_IFREG | 0640);
	down();
}
END_TEST

static int set_nsec(uint32_t valid, uint64_t nsec)
{
	nc_begin(&c, P9_TSETATTR);
	nc_u32(&c, 1);
	nc_u32(&c, valid);
	nc_u64(&c, 0);
	nc_u32(&c, 0);
	nc_u64(&c, 0);
	nc_u64(&c, 5);
	nc_u64(&c, nsec);
	nc_u64(&c, 6);
	nc_u64(&c, nsec);
	return nc_call(&c);
}

START_TEST(test_times_are_set_now_or_to_a_value_that_is_one)
{
	time_t now = time(NULL);

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(set_nsec(P9_SET_ATIME | P9_SET_ATIME_VAL, 7), 0);
	ck_assert_int_eq(stat_of("file").st_atim.tv_sec, 5);
	ck_assert_int_eq(stat_of("file").st_atim.tv_nsec, 7);
	ck_assert_int_ge(stat_of("file").st_mtime, now - 1);
	ck_assert_int_eq(set_nsec(P9_SET_MTIME | P9_SET_MTIME_VAL, 999999999), 0);
	ck_assert_int_eq(stat_of("file").st_mtim.tv_sec, 6);
	ck_assert_int_eq(set_nsec(P9_SET_MTIME | P9_SET_MTIME_VAL, 1000000000), -EINVAL);
	ck_assert_int_eq(set_nsec(P9_SET_ATIME | P9_SET_ATIME_VAL, UTIME_NOW), -EINVAL);
	ck_assert_int_eq(set_nsec(P9_SET_ATIME | P9_SET_ATIME_VAL, UTIME_OMIT), -EINVAL);
	ck_assert_int_eq(set_nsec(P9_SET_ATIME | P9_SET_ATIME_VAL, UINT64_MAX), -EINVAL);
	ck_assert_int_eq(set_nsec(P9_SET_MTIME, 0), 0);
	ck_assert_int_ge(stat_of("file").st_mtime, now - 1);
	ck_assert_int_eq(stat_of("file").st_atim.tv_sec, 5);
	ck_assert_int_eq(set_nsec(0x200, 0), -EINVAL);
	ck_assert_int_eq(set_nsec(P9_SET_CTIME, 0), 0);
	ck_assert_int_eq(set_nsec(0, 0), 0);
	down();
}
END_TEST

START_TEST(test_a_file_belongs_to_the_fids_user_and_the_messages_group)
{
	struct nc_attr a = { .uid = 5, .gid = 6, .mode = 06755 };
	struct stat st;

	if (geteuid() != 0)
		return;
	up();
	ck_assert_int_eq(fchmodat(t.root, "dir", 0700, 0), 0); /* the guest's kernel decides, not the host's */
	ck_assert_int_eq(nc_attach(&c, 1, 1000), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, "dir"), 0);
	ck_assert_int_eq(nc_mkdir(&c, 2, "d", 0755, 2000), 0);
	ck_assert_int_eq(nc_symlink(&c, 2, "l", "x", 2001), 0);
	ck_assert_int_eq(nc_mknod(&c, 2, "p", S_IFIFO | 0600, 0, 0), 0);
	ck_assert_int_eq(nc_lcreate(&c, 2, "f", 2, 0644, 2002), 0);
	st = stat_of("dir/d");
	ck_assert(st.st_uid == 1000 && st.st_gid == 2000);
	st = stat_of("dir/l");
	ck_assert(st.st_uid == 1000 && st.st_gid == 2001);
	st = stat_of("dir/p");
	ck_assert(st.st_uid == 1000 && st.st_gid == 0);
	st = stat_of("dir/f");
	ck_assert(st.st_uid == 1000 && st.st_gid == 2002);
	/* the next one is root's again */
	ck_assert_int_eq(nc_mkdir(&c, 0, "root's", 0755, 0), 0);
	st = stat_of("root's");
	ck_assert(st.st_uid == 0 && st.st_gid == 0);
	ck_assert_int_eq(nc_attach(&c, 3, P9_NOID), 0);
	ck_assert_int_eq(nc_mkdir(&c, 3, "nobody's", 0755, P9_NOID), 0);
	ck_assert_uint_eq(stat_of("nobody's").st_uid, 0);
	/* set-id bits outlive the chown of the same request */
	ck_assert_int_eq(nc_walk(&c, 0, 4, "file"), 0);
	ck_assert_int_eq(nc_setattr(&c, 4, P9_SET_UID | P9_SET_GID | P9_SET_MODE, &a), 0);
	st = stat_of("file");
	ck_assert(st.st_uid == 5 && st.st_gid == 6 && st.st_mode == (S_IFREG | 06755));
	ck_assert_int_eq(nc_setattr(&c, 4, P9_SET_GID, &(struct nc_attr){ .gid = 7 }), 0);
	st = stat_of("file");
	ck_assert(st.st_uid == 5 && st.st_gid == 7);
	down();
}
END_TEST

START_TEST(test_a_set_group_id_directory_hands_on_its_group)
{
	struct stat st;

	if (geteuid() != 0)
		return;
	up();
	ck_assert_int_eq(fchownat(t.root, "dir", 0, 50, 0), 0);
	ck_assert_int_eq(fchmodat(t.root, "dir", 02775, 0), 0);
	ck_assert_int_eq(nc_attach(&c, 1, 1000), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, "dir"), 0);
	ck_assert_int_eq(nc_mkdir(&c, 2, "d", 02755, 50), 0);
	st = stat_of("dir/d");
	ck_assert(st.st_gid == 50 && st.st_mode == (S_IFDIR | 02755));
	ck_assert_int_eq(nc_lcreate(&c, 2, "f", 2, 02775, 50), 0);
	st = stat_of("dir/f");
	ck_assert(st.st_uid == 1000 && st.st_gid == 50 && st.st_mode == (S_IFREG | 02775));
	down();
}
END_TEST

START_TEST(test_a_plain_user_makes_files_as_himself_and_chowns_nothing)
{
	struct stat st;

	if (geteuid() != 0)
		return;
	nc_tree_make(&t);
	nc_put_file(t.root, "file", "x");
	ck_assert_int_eq(fchownat(t.root, "", 1234, 1234, AT_EMPTY_PATH), 0);
	ck_assert_int_eq(fchownat(t.root, "file", 1234, 1234, 0), 0);
	ck_assert_int_eq(setresgid(1234, 1234, 0), 0);
	ck_assert_int_eq(setresuid(1234, 1234, 0), 0); /* with a way back */
	nc_serve(&c, &t, NULL);
	ck_assert_int_eq(nc_mkdir(&c, 0, "d", 0755, 77), 0);
	st = stat_of("d");
	ck_assert(st.st_uid == 1234 && st.st_gid == 1234);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_UID, &(struct nc_attr){ .uid = 1 }), -EPERM);
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_MODE, &(struct nc_attr){ .mode = 0 }), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -EACCES);
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	ck_assert_int_eq(setresgid(0, 0, 0), 0);
	down();
}
END_TEST

START_TEST(test_readdir_gives_every_name_once_from_any_offset)
{
	enum { N = 500 };
	bool seen[N] = { false };
	unsigned int names = 0, i;
	uint64_t off = 0;
	char name[32];
	int len;

	up();
	for (i = 0; i < N; i++) {
		(void)snprintf(name, sizeof(name), "dir/entry-%u", i);
		nc_put_file(t.root, name, "");
	}
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	while ((len = nc_readdir(&c, 1, off, 700)) > 0) {
		ck_assert_int_le(len, 700);
		while (c.r.left > 0) {
			struct ninep_qid q = nc_rd_qid(&c);
			uint8_t type;
			size_t n;

			off = rd_u64(&c.r);
			type = rd_u8(&c.r);
			n = rd_u16(&c.r);
			memset(name, 0, sizeof(name));
			rd_copy(&c.r, name, min_size(n, sizeof(name) - 1));
			names++;
			ck_assert_uint_ne(q.path, 0);
			if (sscanf(name, "entry-%u", &i) != 1) {
				ck_assert_uint_eq(type, 4);
				ck_assert_uint_eq(q.type, P9_QT_DIR);
				continue;
			}
			ck_assert(i < N && !seen[i]);
			ck_assert_uint_eq(type, 8);
			seen[i] = true;
		}
		ck_assert(rd_done(&c.r));
	}
	ck_assert_int_eq(len, 0);
	ck_assert_uint_eq(names, N + 2);
	/* from the start again, all in one; and with no room for one */
	ck_assert_int_gt(nc_readdir(&c, 1, 0, 100000), N * 20);
	ck_assert_int_eq(nc_readdir(&c, 1, 0, 20), -EINVAL);
	ck_assert_int_eq(nc_readdir(&c, 1, UINT64_MAX, 1000), -EINVAL);
	down();
}
END_TEST

START_TEST(test_dot_and_dot_dot_carry_the_numbers_of_our_own_tree)
{
	struct nc_attr root, dir;
	struct ninep_qid q;
	uint8_t *end;

	up();
	ck_assert_int_eq(nc_getattr(&c, 0, &root), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir"), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &dir), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_gt(nc_readdir(&c, 1, 0, 1000), 0);
	end = c.resp + c.resp_len;
	while (c.r.p < end) {
		q = nc_rd_qid(&c);
		(void)rd_u64(&c.r);
		(void)rd_u8(&c.r);
		ck_assert_uint_eq(q.path, rd_u16(&c.r) == 1 ? dir.qid.path : root.qid.path);
		(void)rd_bytes(&c.r, c.r.p[1] == '.' ? 2 : 1);
	}
	/* above the root there is the root */
	ck_assert_int_eq(nc_walk(&c, 0, 2, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), 0);
	ck_assert_int_gt(nc_readdir(&c, 2, 0, 1000), 0);
	while (c.r.left > 0) {
		uint16_t n;

		q = nc_rd_qid(&c);
		(void)rd_u64(&c.r);
		(void)rd_u8(&c.r);
		n = rd_u16(&c.r);
		if (n <= 2)
			ck_assert_uint_eq(q.path, root.qid.path);
		(void)rd_bytes(&c.r, n);
	}
	down();
}
END_TEST

START_TEST(test_statfs_tells_the_hosts_space_and_our_type)
{
	up();
	ck_assert_int_eq(nc_statfs(&c, 0), 0);
	ck_assert_uint_eq(rd_u32(&c.r), 0x01021997);
	ck_assert_uint_gt(rd_u32(&c.r), 0);
	ck_assert_uint_gt(rd_u64(&c.r), 0);
	ck_assert_int_eq(nc_statfs(&c, 9), -EBADF);
	ck_assert_int_eq(nc_getattr(&c, 9, &(struct nc_attr){ 0 }), -EBADF);
	ck_assert_int_eq(nc_setattr(&c, 9, 0, &(struct nc_attr){ 0 }), -EBADF);
	ck_assert_int_eq(nc_readlink(&c, 9), -EBADF);
	ck_assert_int_eq(nc_xattrwalk(&c, 9, 10, ""), -EBADF);
	ck_assert_int_eq(nc_remove(&c, 9), -EBADF);
	ck_assert_int_eq(nc_rename(&c, 9, 0, "x"), -EBADF);
	ck_assert_int_eq(nc_renameat(&c, 9, "x", 0, "x"), -EBADF);
	down();
}
END_TEST

/* --- xattrs --- */

static bool xattrs_work(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/root/file", t.path);
	if (setxattr(path, "user.probe", "1", 1, 0) < 0)
		return false;
	ck_assert_int_eq(removexattr(path, "user.probe"), 0);
	return true;
}

/* Clone fid, announce, write in two parts, clunk: as the client does. */
static int set_xattr(uint32_t fid, const char *name, const char *value, uint32_t flags)
{
	size_t len = strlen(value);
	int r;

	ck_assert_int_eq(nc_walk(&c, fid, 99, ""), 0);
	r = nc_xattrcreate(&c, 99, name, len, flags);
	if (r == 0 && len > 1) {
		ck_assert_int_eq(nc_write(&c, 99, 0, value, 1), 1);
		ck_assert_int_eq(nc_write(&c, 99, 1, value + 1, len - 1), (int)len - 1);
	}
	if (r != 0) {
		ck_assert_int_eq(nc_clunk(&c, 99), 0);
		return r;
	}
	return nc_clunk(&c, 99);
}

static void expect_xattr(uint32_t fid, const char *name, const char *value)
{
	int len = (int)strlen(value);

	ck_assert_int_eq(nc_xattrwalk(&c, fid, 98, name), len);
	ck_assert_int_eq(nc_read(&c, 98, 0, 1000), len);
	ck_assert_int_eq(memcmp(c.r.p, value, (size_t)len), 0);
	ck_assert_int_eq(nc_read(&c, 98, 2, 1), len > 2 ? 1 : 0);
	ck_assert_int_eq(nc_read(&c, 98, UINT64_MAX, 10), 0);
	ck_assert_int_eq(nc_write(&c, 98, 0, "x", 1), -EBADF);
	ck_assert_int_eq(nc_clunk(&c, 98), 0);
}

START_TEST(test_xattrs_are_set_read_listed_and_removed_on_every_kind_of_fid)
{
	static const char *const names[] = { "file", "dir", "" };
	uint32_t fid;

	up();
	if (!xattrs_work()) {
		down();
		return;
	}
	for (fid = 1; fid <= 3; fid++)
		ck_assert_int_eq(nc_walk(&c, 0, fid, names[fid - 1]), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 4, "file"), 0);
	ck_assert_int_eq(nc_lopen(&c, 4, 0), 0);
	for (fid = 1; fid <= 4; fid++) {
		ck_assert_int_eq(nc_xattrwalk(&c, fid, 98, "user.a"), -ENODATA);
		ck_assert_int_eq(set_xattr(fid, "user.a", "value", 0), 0);
		expect_xattr(fid, "user.a", "value");
		ck_assert_int_eq(set_xattr(fid, "user.a", "other", XATTR_CREATE), -EEXIST);
		ck_assert_int_eq(set_xattr(fid, "user.b", "other", XATTR_REPLACE), -ENODATA);
		ck_assert_int_eq(set_xattr(fid, "user.b", "", 0), 0); /* an empty value is one */
		expect_xattr(fid, "user.b", "");
		ck_assert_int_eq(nc_xattrwalk(&c, fid, 98, ""), 14);
		ck_assert_int_eq(nc_clunk(&c, 98), 0);
		ck_assert_int_eq(set_xattr(fid, "user.a", "", XATTR_REPLACE), 0);
		ck_assert_int_eq(set_xattr(fid, "user.b", "", XATTR_REPLACE), 0);
		ck_assert_int_eq(nc_xattrwalk(&c, fid, 98, ""), 0);
		ck_assert_int_eq(nc_clunk(&c, 98), 0);
	}
	/* also on an open file that has no name any more, and its clone */
	ck_assert_int_eq(nc_unlinkat(&c, 0, "file", 0), 0);
	ck_assert_int_eq(set_xattr(4, "user.a", "gone", 0), 0);
	expect_xattr(4, "user.a", "gone");
	ck_assert_int_eq(nc_xattrwalk(&c, 1, 98, "user.a"), -ESTALE);
	down();
}
END_TEST

START_TEST(test_xattrs_of_the_hosts_security_modules_do_not_exist)
{
	static const char *const names[] = {
		"security.selinux", "security.SMACK64",       "security.ima", "security.evm", "security.apparmor",
		"system.x",         "trusted.overlay.opaque", "usr.x",        "userx",        "x"
	};
	size_t i;

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert_int_eq(nc_xattrwalk(&c, 1, 98, names[i]), -EOPNOTSUPP);
		ck_assert_int_eq(nc_xattrcreate(&c, 1, names[i], 1, 0), -EOPNOTSUPP);
	}
	if (geteuid() == 0 && xattrs_work()) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/root/file", t.path);
		ck_assert_int_eq(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
		ck_assert_int_eq(setxattr(path, "trusted.x", "y", 1, 0), 0);
		ck_assert_int_eq(nc_xattrwalk(&c, 1, 98, ""), (int)sizeof("trusted.x"));
		ck_assert_int_eq(nc_read(&c, 98, 0, 100), (int)sizeof("trusted.x"));
		ck_assert_str_eq((const char *)c.r.p, "trusted.x");
	}
	down();
}
END_TEST

START_TEST(test_an_xattr_is_stored_only_when_it_is_whole)
{
	up();
	if (!xattrs_work()) {
		down();
		return;
	}
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_xattrcreate(&c, 1, "user.a", 65536 + 1, 0), -E2BIG);
	ck_assert_int_eq(nc_xattrcreate(&c, 1, "user.a", 4, 8), -EINVAL);
	ck_assert_int_eq(nc_xattrcreate(&c, 1, "user.a", 4, 0), 0);
	ck_assert_int_eq(nc_xattrcreate(&c, 1, "user.a", 4, 0), -EBADF);
	ck_assert_int_eq(nc_write(&c, 1, 1, "x", 1), -EINVAL);
	ck_assert_int_eq(nc_write(&c, 1, 0, "12345", 5), -EINVAL);
	ck_assert_int_eq(nc_write(&c, 1, 0, "123", 3), 3);
	ck_assert_int_eq(nc_write(&c, 1, 0, "1", 1), -EINVAL);
	ck_assert_int_eq(nc_read(&c, 1, 0, 3), -EBADF);
	ck_assert_int_eq(nc_getattr(&c, 1, &(struct nc_attr){ 0 }), -EBADF);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 1, 5, ""), -EBADF);
	ck_assert_int_eq(nc_remove(&c, 1), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_xattrcreate(&c, 1, "user.a", 4, 0), 0);
	ck_assert_int_eq(nc_write(&c, 1, 0, "123", 3), 3);
	ck_assert_int_eq(nc_clunk(&c, 1), -EIO);
	ck_assert_int_eq(nc_clunk(&c, 1), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_xattrwalk(&c, 1, 2, "user.a"), -ENODATA);
	ck_assert_int_eq(nc_xattrwalk(&c, 1, 0, "user.a"), -EBADF); /* the new fid is in use */
	down();
}
END_TEST

START_TEST(test_xattr_slots_run_out_with_an_error_and_come_back)
{
	uint32_t i;

	up();
	for (i = 1; i <= NINEP_XATTRS_MAX; i++)
		ck_assert_int_eq(nc_xattrwalk(&c, 0, i, ""), 0);
	ck_assert_int_eq(nc_xattrwalk(&c, 0, i, ""), -ENFILE);
	ck_assert_int_eq(nc_walk(&c, 0, i, ""), 0);
	ck_assert_int_eq(nc_xattrcreate(&c, i, "user.x", 1, 0), -ENFILE);
	ck_assert_int_eq(nc_clunk(&c, 7), 0);
	ck_assert_int_eq(nc_xattrwalk(&c, 0, 7, ""), 0);
	down();
}
END_TEST

START_TEST(test_a_large_xattr_goes_both_ways)
{
	static char big[3001];

	up();
	if (!xattrs_work()) {
		down();
		return;
	}
	memset(big, 'v', sizeof(big) - 1);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(set_xattr(1, "user.big", big, 0), 0);
	ck_assert_int_eq(nc_xattrwalk(&c, 1, 2, "user.big"), 3000);
	ck_assert_int_eq(nc_read(&c, 2, 1, 5000), 2999);
	/* a large announcement gives its pages back */
	ck_assert_int_eq(nc_xattrcreate(&c, 1, "user.big", 65536, 0), 0);
	ck_assert_int_eq(nc_clunk(&c, 1), -EIO);
	down();
}
END_TEST

/* Once as the host is, once as an old one. */
int main(void)
{
	const TTest *const tests[] = {
		test_a_write_is_in_the_file_when_its_reply_is_there,
		test_payload_moves_over_any_number_of_segments,
		test_a_payload_is_as_long_as_its_count_says,
		test_reads_end_at_msize_and_at_the_room_there_is,
		test_offsets_that_overflow_are_refused,
		test_io_needs_an_open_fid_of_the_right_kind,
		test_open_flags_are_those_of_the_protocol,
		test_create_makes_or_opens_and_excl_only_makes,
		test_an_open_file_works_on_after_its_name_is_gone,
		test_a_clone_of_a_nameless_reader_opens_for_reading_only,
		test_fids_follow_the_guests_renames,
		test_a_file_that_was_renamed_over_has_no_name_any_more,
		test_renaming_one_hard_link_onto_another_leaves_both,
		test_what_the_host_replaced_is_not_opened_by_an_old_fid,
		test_unlink_and_remove_take_files_and_empty_directories,
		test_symlinks_are_made_and_read_and_never_followed,
		test_directories_cannot_be_linked_and_links_keep_to_names_that_are_free,
		test_fifos_sockets_and_devices_are_files_that_are_never_opened,
		test_mknod_makes_no_directories_links_or_wild_modes,
		test_setattr_changes_size_mode_and_times_by_name_and_by_open_fid,
		test_times_are_set_now_or_to_a_value_that_is_one,
		test_a_file_belongs_to_the_fids_user_and_the_messages_group,
		test_a_set_group_id_directory_hands_on_its_group,
		test_a_plain_user_makes_files_as_himself_and_chowns_nothing,
		test_readdir_gives_every_name_once_from_any_offset,
		test_dot_and_dot_dot_carry_the_numbers_of_our_own_tree,
		test_statfs_tells_the_hosts_space_and_our_type,
		test_xattrs_are_set_read_listed_and_removed_on_every_kind_of_fid,
		test_xattrs_of_the_hosts_security_modules_do_not_exist,
		test_an_xattr_is_stored_only_when_it_is_whole,
		test_xattr_slots_run_out_with_an_error_and_come_back,
		test_a_large_xattr_goes_both_ways,
	};
	int r = suite_run("ninep_fs", tests, ARRAY_SIZE(tests));

	old_host = true;
	return suite_run("ninep_fs, old host", tests, ARRAY_SIZE(tests)) | r;
}

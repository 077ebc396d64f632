// SPDX-License-Identifier: Apache-2.0
/*
 * devices/ninep: the 9p server's session, walks and entries, on a temporary directory.
 */
#include "tests/unit/fake/suite.h"
#include "tests/unit/ninep_client.h"

static struct nc c;
static struct nc_tree t;

static void up(void)
{
	nc_tree_make(&t);
	nc_put_file(t.root, "file", "hello");
	ck_assert_int_eq(mkdirat(t.root, "dir", 0755), 0);
	ck_assert_int_eq(mkdirat(t.root, "dir/sub", 0755), 0);
	nc_put_file(t.root, "dir/inner", "inner");
	ck_assert_int_eq(symlinkat("file", t.root, "link"), 0);
	nc_serve(&c, &t, NULL);
}

static void down(void)
{
	ninep_reset(c.np);
	ck_assert_uint_eq(ninep_usage(c.np).fids, 0);
	ck_assert_uint_eq(ninep_usage(c.np).nodes, 0);
	ck_assert_uint_eq(ninep_usage(c.np).fds, 0);
	ck_assert_uint_eq(ninep_usage(c.np).xattrs, 0);
	ck_assert_uint_eq(ninep_usage(c.np).locks, 0);
	nc_fini(&c);
	nc_tree_drop(&t);
}

/* --- session --- */

START_TEST(test_version_agrees_on_the_smaller_msize)
{
	up();
	ck_assert_int_eq(nc_version(&c, 10000), 0);
	ck_assert_uint_eq(rd_u32(&c.r), 10000);
	ck_assert_int_eq(nc_version(&c, UINT32_MAX), 0);
	ck_assert_uint_eq(rd_u32(&c.r), NINEP_MSIZE_MAX);
	ck_assert_int_eq(nc_version(&c, NINEP_MSIZE_MIN - 1), -EINVAL);
	down();
}
END_TEST

START_TEST(test_another_version_is_unknown_and_starts_no_session)
{
	static const char *const others[] = { "9P2000", "9P2000.u", "9P2000.LL", "" };
	size_t i;

	up();
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		nc_begin(&c, P9_TVERSION);
		nc_u32(&c, 8192);
		nc_str(&c, others[i]);
		ck_assert_int_eq(nc_call(&c), 0);
		ck_assert_uint_eq(rd_u32(&c.r), 8192);
		ck_assert_uint_eq(rd_u16(&c.r), 7);
		ck_assert_int_eq(memcmp(c.r.p, "unknown", 7), 0);
		ck_assert_int_eq(nc_attach(&c, 0, 0), -EPROTO);
	}
	down();
}
END_TEST

START_TEST(test_version_ends_the_session_before)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir/inner"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), 0);
	ck_assert_int_eq(nc_version(&c, 8192), 0);
	ck_assert_uint_eq(ninep_usage(c.np).fids, 0);
	ck_assert_uint_eq(ninep_usage(c.np).fds, 0);
	ck_assert_int_eq(nc_clunk(&c, 1), -EBADF);
	down();
}
END_TEST

START_TEST(test_auth_is_refused_and_attach_takes_no_afid_and_no_other_tree)
{
	up();
	nc_begin(&c, P9_TAUTH);
	nc_u32(&c, 5);
	nc_str(&c, "user");
	nc_str(&c, "");
	nc_u32(&c, 0);
	ck_assert_int_eq(nc_call(&c), -EOPNOTSUPP);
	nc_begin(&c, P9_TATTACH);
	nc_u32(&c, 6);
	nc_u32(&c, 5);
	nc_str(&c, "");
	nc_str(&c, "");
	nc_u32(&c, 0);
	ck_assert_int_eq(nc_call(&c), -EOPNOTSUPP);
	nc_begin(&c, P9_TATTACH);
	nc_u32(&c, 6);
	nc_u32(&c, P9_NOID);
	nc_str(&c, "");
	nc_str(&c, "/etc");
	nc_u32(&c, 0);
	ck_assert_int_eq(nc_call(&c), -ENOENT);
	ck_assert_int_eq(nc_attach(&c, 0, 0), -EBADF); /* in use */
	ck_assert_int_eq(nc_attach(&c, NINEP_FIDS_MAX - 1, P9_NOID), 0);
	ck_assert_int_eq(nc_attach(&c, NINEP_FIDS_MAX, 0), -ENFILE);
	ck_assert_int_eq(nc_attach(&c, P9_NOID, 0), -ENFILE);
	down();
}
END_TEST

START_TEST(test_flush_is_answered_at_once)
{
	up();
	nc_begin(&c, P9_TFLUSH);
	nc_u16(&c, 7);
	ck_assert_int_eq(nc_call(&c), 0);
	ck_assert_uint_eq(c.resp_len, P9_HEAD);
	down();
}
END_TEST

START_TEST(test_a_request_without_a_head_or_room_for_an_error_gets_no_reply)
{
	size_t n;

	up();
	nc_begin(&c, P9_TCLUNK);
	nc_u32(&c, 0);
	wr_patch_u32(&c.w, 0, 11);
	for (n = 0; n < P9_HEAD; n++)
		ck_assert_uint_eq(nc_raw(&c, n), 0);
	for (n = 0; n < P9_ERROR_LEN; n++) {
		c.resp_cap = n;
		ck_assert_uint_eq(nc_raw(&c, 11), 0);
	}
	c.resp_cap = P9_ERROR_LEN;
	ck_assert_uint_eq(nc_raw(&c, 11), P9_HEAD); /* and the fid was still there */
	c.resp_cap = NC_MAX;
	down();
}
END_TEST

START_TEST(test_a_size_that_does_not_fit_the_chain_or_the_message_is_an_error)
{
	static const uint32_t sizes[] = { 0, 6, 7, 10, 12, 1000, UINT32_MAX };
	size_t i;

	up();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		nc_begin(&c, P9_TCLUNK);
		nc_u32(&c, 0);
		wr_patch_u32(&c.w, 0, sizes[i]);
		ck_assert_uint_eq(nc_raw(&c, 11), P9_ERROR_LEN);
		ck_assert_int_eq(nc_answer(&c), -EPROTO);
	}
	ck_assert_int_eq(nc_version(&c, NINEP_MSIZE_MIN), 0);
	ck_assert_int_eq(nc_attach(&c, 0, 0), 0);
	nc_begin(&c, P9_TCLUNK);
	nc_u32(&c, 0);
	wr_patch_u32(&c.w, 0, NINEP_MSIZE_MIN + 1);
	ck_assert_uint_eq(nc_raw(&c, NINEP_MSIZE_MIN + 1), P9_ERROR_LEN);
	ck_assert_int_eq(nc_answer(&c), -EMSGSIZE);
	/* what is no payload must fit the buffer for heads */
	ck_assert_int_eq(nc_version(&c, NINEP_MSIZE_MAX), 0);
	nc_begin(&c, P9_TCLUNK);
	wr_patch_u32(&c.w, 0, NINEP_HEAD_MAX + P9_HEAD + 1);
	ck_assert_uint_eq(nc_raw(&c, NINEP_HEAD_MAX + P9_HEAD + 1), P9_ERROR_LEN);
	ck_assert_int_eq(nc_answer(&c), -EMSGSIZE);
	down();
}
END_TEST

START_TEST(test_every_prefix_of_every_request_is_an_error_and_changes_nothing)
{
	unsigned int type;
	size_t n;

	up();
	for (type = 0; type < 256; type++) {
		for (n = P9_HEAD; n < 60; n++) {
			if (type == P9_TVERSION)
				continue;
			nc_begin(&c, (uint8_t)type);
			memset(wr_room(&c.w, 60), 0xff, 60); /* fids that are not there, strings far too long */
			wr_patch_u32(&c.w, 0, (uint32_t)n);
			ck_assert_uint_gt(nc_raw(&c, n), 0);
			if (type != P9_TFLUSH)
				ck_assert_int_lt(nc_answer(&c), 0);
		}
	}
	ck_assert_uint_eq(ninep_usage(c.np).fids, 1);
	down();
}
END_TEST

START_TEST(test_a_reply_that_has_no_room_is_an_error_before_anything_happens)
{
	struct stat st;

	up();
	c.resp_cap = 15; /* Rmkdir takes 20 */
	ck_assert_int_eq(nc_mkdir(&c, 0, "new", 0755, 0), -EMSGSIZE);
	ck_assert_int_eq(nc_lcreate(&c, 0, "new", 2, 0644, 0), -EMSGSIZE);
	ck_assert_int_eq(fstatat(t.root, "new", &st, 0), -1);
	c.resp_cap = 160;
	ck_assert_int_eq(nc_getattr(&c, 0, &(struct nc_attr){ 0 }), 0);
	c.resp_cap = 159;
	ck_assert_int_eq(nc_getattr(&c, 0, &(struct nc_attr){ 0 }), -EMSGSIZE);
	c.resp_cap = 12;
	ck_assert_int_eq(nc_walk(&c, 0, 1, "link"), -EMSGSIZE);
	c.resp_cap = NC_MAX;
	ck_assert_int_eq(nc_walk(&c, 0, 1, "link"), 0);
	c.resp_cap = 12;
	ck_assert_int_eq(nc_readlink(&c, 1), -EMSGSIZE);
	c.resp_cap = NC_MAX;
	down();
}
END_TEST

/* --- walks --- */

START_TEST(test_walk_goes_by_names_and_gives_a_qid_for_each)
{
	struct nc_attr a, b;

	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir/inner"), 0);
	ck_assert_uint_eq(nc_rd_qid(&c).type, P9_QT_DIR);
	ck_assert_uint_eq(nc_rd_qid(&c).type, 0);
	ck_assert(rd_done(&c.r));
	ck_assert_int_eq(nc_walk(&c, 0, 2, "link"), 0);
	ck_assert_uint_eq(nc_rd_qid(&c).type, P9_QT_SYMLINK);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "dir"), 0);
	ck_assert_int_eq(nc_walk(&c, 3, 4, "inner"), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_int_eq(nc_getattr(&c, 4, &b), 0);
	ck_assert_uint_eq(a.qid.path, b.qid.path);
	ck_assert_uint_eq(a.size, 5);
	ck_assert_uint_ne(a.qid.version, 0);
	/* one node for each file, whoever walked there: root, dir, inner, link */
	ck_assert_uint_eq(ninep_usage(c.np).nodes, 4);
	ck_assert_uint_eq(ninep_usage(c.np).fds, 3);
	down();
}
END_TEST

START_TEST(test_a_walk_that_stops_on_the_way_tells_how_far_and_makes_no_fid)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 0, 1, "nothing"), -ENOENT);
	ck_assert_uint_eq(c.resp_len, P9_ERROR_LEN);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir/nothing/more"), -ENOENT);
	ck_assert_uint_eq(c.resp_len, P9_HEAD + 2 + 13);
	ck_assert_int_eq(nc_clunk(&c, 1), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file/x"), -ENOENT);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "file"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, "x"), -ENOTDIR);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ".."), -ENOTDIR);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "link"), 0);
	ck_assert_int_eq(nc_walk(&c, 3, 4, "x"), -ENOTDIR);
	ck_assert_uint_eq(ninep_usage(c.np).nodes, 3);
	down();
}
END_TEST

START_TEST(test_walk_in_place_moves_the_fid_only_when_it_arrives)
{
	struct nc_attr root, a;

	up();
	ck_assert_int_eq(nc_getattr(&c, 0, &root), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, ""), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 1, "dir/nothing"), -ENOENT);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.qid.path, root.qid.path);
	ck_assert_int_eq(nc_walk(&c, 1, 1, "dir/sub"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 1, "../.."), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.qid.path, root.qid.path);
	ck_assert_int_eq(nc_walk(&c, 1, 1, ""), 0);
	down();
}
END_TEST

START_TEST(test_walk_refuses_fids_in_use_unknown_or_open)
{
	up();
	ck_assert_int_eq(nc_walk(&c, 9, 1, ""), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 0, 1, ""), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "dir"), -EBADF);
	ck_assert_int_eq(nc_walk(&c, 0, NINEP_FIDS_MAX, "dir"), -ENFILE);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 1, "dir"), -EBUSY);
	ck_assert_int_eq(nc_walk(&c, 1, 2, "dir"), 0);
	down();
}
END_TEST

START_TEST(test_all_fids_can_be_used_and_fds_have_a_limit)
{
	struct ninep_config cfg = { .root = NINEP_PLAIN, .fd_max = 3 };
	uint32_t i;

	nc_tree_make(&t);
	nc_put_file(t.root, "a", "");
	nc_put_file(t.root, "b", "");
	nc_serve(&c, &t, &cfg);
	for (i = 1; i < NINEP_FIDS_MAX; i++)
		NC_CHECK(nc_walk(&c, 0, i, "") == 0);
	ck_assert_int_eq(nc_walk(&c, 0, NINEP_FIDS_MAX, ""), -ENFILE);
	for (i = 1; i < NINEP_FIDS_MAX; i++)
		NC_CHECK(nc_clunk(&c, i) == 0);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "a"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "b"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), -EMFILE);
	ck_assert_int_eq(nc_lcreate(&c, 0, "c", 2, 0644, 0), -EMFILE);
	ck_assert_int_eq(nc_clunk(&c, 1), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), 0);
	down();
}
END_TEST

START_TEST(test_shared_fds_count_too)
{
	struct ninep_config cfg = { .root = NINEP_PLAIN, .fd_max = 3 };

	nc_tree_make(&t);
	nc_put_file(t.root, "a", "");
	nc_serve(&c, &t, &cfg);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "a"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "a", 0), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ""), 0); /* keeps what is open */
	ck_assert_int_eq(nc_walk(&c, 1, 3, ""), -EMFILE);
	ck_assert_int_eq(nc_lock(&c, 1, P9_LOCK_RD, 0, 0, 1), P9_LOCK_ERROR);
	ck_assert_int_eq(nc_clunk(&c, 2), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 3, ""), 0);
	down();
}
END_TEST

/* --- the synthetic root --- */

static void up_synthetic(bool ro)
{
	struct ninep_entry like = { .ro = ro };
	struct ninep_config cfg = { .root = NINEP_SYNTHETIC, .entry = &like, .n = 1 };

	nc_tree_make(&t);
	nc_put_file(t.root, "file", "hello");
	nc_put_file(t.top, "single", "one file");
	ck_assert_int_eq(mkdirat(t.root, "dir", 0755), 0);
	ck_assert_int_eq(mkdirat(t.top, "second", 0755), 0);
	nc_serve(&c, &t, &cfg);
}

static int add(const char *name, int flags, bool ro)
{
	int fd = openat(t.top, name, flags | O_CLOEXEC), r;

	ck_assert_int_ge(fd, 0);
	r = ninep_add_entry(c.np, fd, ro);
	if (r < 0)
		(void)close(fd);
	return r;
}

static unsigned int count_names(uint32_t fid)
{
	unsigned int n = 0;
	uint64_t off = 0;
	int len;

	while ((len = nc_readdir(&c, fid, off, 100)) > 0) {
		while (c.r.left > 0) {
			(void)nc_rd_qid(&c);
			off = rd_u64(&c.r);
			(void)rd_u8(&c.r);
			(void)rd_bytes(&c.r, rd_u16(&c.r));
			n++;
		}
		ck_assert(rd_done(&c.r));
	}
	ck_assert_int_eq(len, 0);
	return n;
}

START_TEST(test_the_synthetic_root_lists_its_entries_and_takes_more)
{
	static const char *const none[] = { "1", "00", "01", "-1", "0x0", " 0", "4294967296", "99999999999999999999",
					    "a" };
	struct nc_attr a, b;
	size_t i;

	up_synthetic(false);
	ck_assert_int_eq(nc_getattr(&c, 0, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFDIR | 0555);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "0/dir"), 0);
	for (i = 0; i < ARRAY_SIZE(none); i++)
		ck_assert_int_eq(nc_walk(&c, 0, 2, none[i]), -ENOENT);
	ck_assert_int_eq(add("second", O_PATH, false), 1);
	ck_assert_int_eq(add("single", O_RDWR, false), 2);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "1"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "2"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 4, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 4, P9_O_DIRECTORY), 0);
	ck_assert_uint_eq(count_names(4), 5);
	ck_assert_int_eq(nc_fsync(&c, 4, 0), 0);
	ck_assert_int_eq(nc_statfs(&c, 0), 0);
	ck_assert_uint_eq(rd_u32(&c.r), 0x01021997);
	ck_assert_int_eq(nc_walk(&c, 1, 5, "../.."), 0);
	ck_assert_int_eq(nc_getattr(&c, 5, &b), 0);
	ck_assert_uint_eq(a.qid.path, b.qid.path);
	ck_assert_int_eq(nc_walk(&c, 5, 6, ".."), 0);
	ck_assert_int_eq(nc_getattr(&c, 6, &b), 0);
	ck_assert_uint_eq(a.qid.path, b.qid.path);
	ck_assert_int_eq(nc_readdir(&c, 4, UINT64_MAX, 100), 0);
	down();
}
END_TEST

START_TEST(test_nothing_in_the_synthetic_root_can_be_changed)
{
	up_synthetic(false);
	ck_assert_int_eq(nc_mkdir(&c, 0, "x", 0755, 0), -EROFS);
	ck_assert_int_eq(nc_unlinkat(&c, 0, "0", P9_AT_REMOVEDIR), -EROFS);
	ck_assert_int_eq(nc_renameat(&c, 0, "0", 0, "1"), -EROFS);
	ck_assert_int_eq(nc_truncate(&c, 0, 0), -EROFS);
	ck_assert_int_eq(nc_setattr(&c, 0, P9_SET_MODE, &(struct nc_attr){ .mode = 0777 }), -EROFS);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "0"), 0);
	ck_assert_int_eq(nc_rename(&c, 1, 1, "x"), -EBUSY);
	ck_assert_int_eq(nc_link(&c, 1, 1, "x"), -ESTALE);
	ck_assert_int_eq(nc_link(&c, 1, 0, "x"), -EPERM);
	ck_assert_int_eq(nc_xattrwalk(&c, 0, 9, "user.x"), -EOPNOTSUPP);
	ck_assert_int_eq(nc_xattrcreate(&c, 0, "user.x", 1, 0), -EROFS);
	ck_assert_int_eq(nc_readlink(&c, 0), -EINVAL);
	ck_assert_int_eq(nc_walk(&c, 0, 2, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), -EISDIR);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), 0);
	ck_assert_int_eq(nc_read(&c, 2, 0, 10), -EISDIR);
	ck_assert_int_eq(nc_lock(&c, 2, P9_LOCK_RD, 0, 0, 1), -EBADF);
	ck_assert_int_eq(nc_remove(&c, 1), -EBUSY);
	ck_assert_int_eq(nc_remove(&c, 2), -EROFS);
	down();
}
END_TEST

START_TEST(test_a_single_file_is_an_entry_that_is_read_and_written)
{
	struct nc_attr a = { 0 };
	char text[32];

	up_synthetic(false);
	ck_assert_int_eq(add("single", O_RDWR, false), 1);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "1"), 0);
	ck_assert_int_eq(nc_walk(&c, 1, 2, ""), 0);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), 0);
	ck_assert_int_eq(nc_read(&c, 2, 4, 100), 4);
	ck_assert_int_eq(memcmp(c.r.p, "file", 4), 0);
	ck_assert_int_eq(nc_write(&c, 2, 0, "ONE", 3), 3);
	ck_assert_int_eq(nc_truncate(&c, 1, 3), 0);
	ck_assert_int_eq(nc_setattr(&c, 1, P9_SET_MODE, &(struct nc_attr){ .mode = 0600 }), 0);
	ck_assert_int_eq(nc_getattr(&c, 1, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 0600);
	ck_assert_uint_eq(a.size, 3);
	nc_get_file(t.top, "single", text, sizeof(text));
	ck_assert_str_eq(text, "ONE");
	ck_assert_int_eq(nc_walk(&c, 1, 3, "x"), -ENOTDIR);
	ck_assert_int_eq(nc_remove(&c, 1), -EBUSY);
	down();
}
END_TEST

START_TEST(test_a_read_only_single_file_is_not_written_though_its_fd_could_be)
{
	char text[32];

	up_synthetic(false);
	ck_assert_int_eq(add("single", O_RDWR, true), 1);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "1"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), -EROFS);
	ck_assert_int_eq(nc_truncate(&c, 1, 0), -EROFS);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	ck_assert_int_eq(nc_write(&c, 1, 0, "x", 1), -EBADF);
	nc_get_file(t.top, "single", text, sizeof(text));
	ck_assert_str_eq(text, "one file");
	down();
}
END_TEST

START_TEST(test_a_file_given_for_reading_is_not_opened_for_writing)
{
	up_synthetic(false);
	ck_assert_int_eq(add("single", O_RDONLY, false), 1);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "1"), 0);
	ck_assert_int_eq(nc_lopen(&c, 1, 1), -EACCES);
	ck_assert_int_eq(nc_lopen(&c, 1, 2), -EACCES);
	ck_assert_int_eq(nc_truncate(&c, 1, 3), -EACCES);
	ck_assert_int_eq(nc_lopen(&c, 1, 0), 0);
	down();
}
END_TEST

START_TEST(test_fds_that_cannot_be_served_are_refused)
{
	struct ninep_entry entry = { .fd = -1 };
	struct ninep_config cfg = { .root = NINEP_PLAIN, .entry = &entry, .n = 1 };
	struct ninep *np;
	struct err e;
	int p[2];

	up_synthetic(false);
	ck_assert_int_eq(add("single", O_PATH, false), -EINVAL);
	ck_assert_int_eq(add("single", O_WRONLY, false), -EINVAL);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(ninep_add_entry(c.np, p[0], false), -EINVAL);
	ck_assert_int_eq(ninep_add_entry(c.np, -1, false), -EBADF);
	ck_assert_int_eq(add("/proc", O_PATH, false), -EACCES);
	ck_assert_int_eq(add("/sys", O_PATH, false), -EACCES);
	ck_assert_int_eq(add("/proc/self/comm", O_RDWR, false), -EACCES);
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), -EBADF);
	ck_assert_ptr_nonnull(strstr(e.text, "entry 0"));
	entry.fd = openat(t.top, "single", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), -ENOTDIR);
	(void)close(entry.fd);
	entry.fd = open("/proc/sys", O_PATH | O_CLOEXEC);
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), -EACCES);
	ck_assert_ptr_nonnull(strstr(e.text, "interface to the host's kernel"));
	(void)close(entry.fd);
	cfg.n = 2;
	ck_assert_int_eq(ninep_new(&np, &cfg, &e), -EINVAL);
	(void)close(p[0]);
	(void)close(p[1]);
	down();
}
END_TEST

START_TEST(test_a_plain_root_takes_no_more_entries_and_a_synthetic_one_its_maximum)
{
	int i, fd;

	up();
	fd = nc_open_dir(t.top, "root");
	ck_assert_int_eq(ninep_add_entry(c.np, fd, false), -EINVAL);
	(void)close(fd);
	down();
	up_synthetic(false);
	for (i = 1; i < NINEP_ENTRIES_MAX; i++)
		ck_assert_int_eq(add("second", O_PATH, false), i);
	ck_assert_int_eq(add("second", O_PATH, false), -ENOSPC);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "1023"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "1024"), -ENOENT);
	down();
}
END_TEST

START_TEST(test_a_read_only_entry_gives_erofs_for_every_change)
{
	struct nc_attr a = { .mode = 0777 };

	up_synthetic(true);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "0"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "0/file"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "0/dir"), 0);
	ck_assert_int_eq(nc_lcreate(&c, 1, "x", 2, 0644, 0), -EROFS);
	ck_assert_int_eq(nc_mkdir(&c, 1, "x", 0755, 0), -EROFS);
	ck_assert_int_eq(nc_symlink(&c, 1, "x", "y", 0), -EROFS);
	ck_assert_int_eq(nc_mknod(&c, 1, "x", S_IFIFO | 0644, 0, 0), -EROFS);
	ck_assert_int_eq(nc_link(&c, 1, 2, "x"), -EROFS);
	ck_assert_int_eq(nc_rename(&c, 2, 3, "x"), -EROFS);
	ck_assert_int_eq(nc_renameat(&c, 1, "file", 3, "x"), -EROFS);
	ck_assert_int_eq(nc_unlinkat(&c, 1, "file", 0), -EROFS);
	ck_assert_int_eq(nc_setattr(&c, 2, P9_SET_MODE, &a), -EROFS);
	ck_assert_int_eq(nc_truncate(&c, 2, 0), -EROFS);
	ck_assert_int_eq(nc_xattrcreate(&c, 2, "user.x", 1, 0), -EROFS);
	ck_assert_int_eq(nc_lopen(&c, 2, 1), -EROFS);
	ck_assert_int_eq(nc_lopen(&c, 2, 2), -EROFS);
	ck_assert_int_eq(nc_lopen(&c, 2, P9_O_TRUNC), -EROFS);
	ck_assert_int_eq(nc_lopen(&c, 2, 0), 0);
	ck_assert_int_eq(nc_write(&c, 2, 0, "x", 1), -EBADF);
	ck_assert_int_eq(nc_read(&c, 2, 0, 10), 5);
	ck_assert_int_eq(nc_remove(&c, 3), -EROFS);
	ck_assert_int_eq(nc_remove(&c, 2), -EROFS);
	/* from a writable entry into a read-only one and back */
	ck_assert_int_eq(add("second", O_PATH, false), 1);
	ck_assert_int_eq(nc_walk(&c, 0, 4, "1"), 0);
	ck_assert_int_eq(nc_mkdir(&c, 4, "d", 0755, 0), 0);
	ck_assert_int_eq(nc_renameat(&c, 4, "d", 1, "d"), -EROFS);
	ck_assert_int_eq(nc_renameat(&c, 1, "dir", 4, "dir"), -EROFS);
	down();
}
END_TEST

START_TEST(test_nothing_moves_from_one_entry_to_another)
{
	up_synthetic(false);
	ck_assert_int_eq(add("second", O_PATH, false), 1);
	ck_assert_int_eq(nc_walk(&c, 0, 1, "0"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 2, "1"), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 3, "0/file"), 0);
	ck_assert_int_eq(nc_renameat(&c, 1, "file", 2, "file"), -EXDEV);
	ck_assert_int_eq(nc_rename(&c, 3, 2, "file"), -EXDEV);
	ck_assert_int_eq(nc_link(&c, 2, 3, "file"), -EXDEV);
	ck_assert_int_eq(nc_link(&c, 1, 3, "file2"), 0);
	/* and not from deeper in the one to the other's root */
	ck_assert_int_eq(nc_mkdir(&c, 2, "d", 0755, P9_NOID), 0);
	ck_assert_int_eq(nc_walk(&c, 0, 4, "1/d"), 0);
	ck_assert_int_eq(nc_mkdir(&c, 4, "e", 0755, P9_NOID), 0);
	ck_assert_int_eq(nc_renameat(&c, 4, "e", 1, "e"), -EXDEV);
	ck_assert_int_eq(nc_renameat(&c, 4, "e", 2, "e"), 0);
	down();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_version_agrees_on_the_smaller_msize,
		test_another_version_is_unknown_and_starts_no_session,
		test_version_ends_the_session_before,
		test_auth_is_refused_and_attach_takes_no_afid_and_no_other_tree,
		test_flush_is_answered_at_once,
		test_a_request_without_a_head_or_room_for_an_error_gets_no_reply,
		test_a_size_that_does_not_fit_the_chain_or_the_message_is_an_error,
		test_every_prefix_of_every_request_is_an_error_and_changes_nothing,
		test_a_reply_that_has_no_room_is_an_error_before_anything_happens,
		test_walk_goes_by_names_and_gives_a_qid_for_each,
		test_a_walk_that_stops_on_the_way_tells_how_far_and_makes_no_fid,
		test_walk_in_place_moves_the_fid_only_when_it_arrives,
		test_walk_refuses_fids_in_use_unknown_or_open,
		test_all_fids_can_be_used_and_fds_have_a_limit,
		test_shared_fds_count_too,
		test_the_synthetic_root_lists_its_entries_and_takes_more,
		test_nothing_in_the_synthetic_root_can_be_changed,
		test_a_single_file_is_an_entry_that_is_read_and_written,
		test_a_read_only_single_file_is_not_written_though_its_fd_could_be,
		test_a_file_given_for_reading_is_not_opened_for_writing,
		test_fds_that_cannot_be_served_are_refused,
		test_a_plain_root_takes_no_more_entries_and_a_synthetic_one_its_maximum,
		test_a_read_only_entry_gives_erofs_for_every_change,
		test_nothing_moves_from_one_entry_to_another,
	};

	return suite_run("ninep", tests, ARRAY_SIZE(tests));
}

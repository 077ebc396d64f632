// SPDX-License-Identifier: Apache-2.0
/*
 * devices/ninep_msg and ninep_qid: 9p requests from bytes, qids.
 */
#include "devices/ninep_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "devices/ninep_qid.h"
#include "tests/unit/fake/suite.h"

static struct ninep_msg msg;

static int decode(uint8_t type, const void *body, size_t len)
{
	struct rd r = rd_init(body, len);

	memset(&msg, 0, sizeof(msg));
	msg.type = type;
	return ninep_decode(&msg, &r);
}

/* One whole body of each type: what follows size, type and tag. The names are "ab" and "cd". */
#define U16(v)  (v), 0
#define U32(v)  (v), 0, 0, 0
#define U64(v)  (v), 0, 0, 0, 0, 0, 0, 0
#define NAME_AB 2, 0, 'a', 'b'
#define NAME_CD 2, 0, 'c', 'd'

struct sample {
	uint8_t type;
	uint8_t len;
	uint8_t body[80];
};

#define SAMPLE(t, ...)                                                                                                 \
	{                                                                                                              \
		.type = (t), .len = sizeof((uint8_t[]){ __VA_ARGS__ }), .body = { __VA_ARGS__ }                        \
	}

static const struct sample samples[] = {
	SAMPLE(P9_TSTATFS, U32(1)),
	SAMPLE(P9_TLOPEN, U32(1), U32(2)),
	SAMPLE(P9_TLCREATE, U32(1), NAME_AB, U32(2), U32(3), U32(4)),
	SAMPLE(P9_TSYMLINK, U32(1), NAME_AB, NAME_CD, U32(4)),
	SAMPLE(P9_TMKNOD, U32(1), NAME_AB, U32(3), U32(5), U32(6), U32(4)),
	SAMPLE(P9_TRENAME, U32(1), U32(7), NAME_AB),
	SAMPLE(P9_TREADLINK, U32(1)),
	SAMPLE(P9_TGETATTR, U32(1), U64(8)),
	SAMPLE(P9_TSETATTR, U32(1), U32(9), U32(3), U32(10), U32(4), U64(11), U64(12), U64(13), U64(14), U64(15)),
	SAMPLE(P9_TXATTRWALK, U32(1), U32(7), NAME_AB),
	SAMPLE(P9_TXATTRCREATE, U32(1), NAME_AB, U64(11), U32(2)),
	SAMPLE(P9_TREADDIR, U32(1), U64(16), U32(17)),
	SAMPLE(P9_TLOCK, U32(1), 1, U32(2), U64(16), U64(11), U32(18), NAME_AB),
	SAMPLE(P9_TGETLOCK, U32(1), 1, U64(16), U64(11), U32(18), NAME_AB),
	SAMPLE(P9_TLINK, U32(1), U32(7), NAME_AB),
	SAMPLE(P9_TMKDIR, U32(1), NAME_AB, U32(3), U32(4)),
	SAMPLE(P9_TRENAMEAT, U32(1), NAME_AB, U32(7), NAME_CD),
	SAMPLE(P9_TUNLINKAT, U32(1), NAME_AB, U32(2)),
	SAMPLE(P9_TVERSION, U32(17), 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L'),
	SAMPLE(P9_TAUTH, U32(1), NAME_AB, NAME_CD, U32(10)),
	SAMPLE(P9_TATTACH, U32(1), U32(7), NAME_AB, U16(0), U32(10)),
	SAMPLE(P9_TFLUSH, U16(1)),
	SAMPLE(P9_TWALK, U32(1), U32(7), U16(2), NAME_AB, NAME_CD),
	SAMPLE(P9_TREAD, U32(1), U64(16), U32(17)),
	SAMPLE(P9_TWRITE, U32(1), U64(16), U32(17)),
	SAMPLE(P9_TCLUNK, U32(1)),
	SAMPLE(P9_TREMOVE, U32(1)),
};

/* Tfsync apart: its second field may be missing. */
START_TEST(test_every_request_decodes_whole_and_no_prefix_or_extension_does)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		uint8_t *exact;
		size_t n;

		ck_assert_msg(decode(s->type, s->body, s->len) == 0, "type %u", s->type);
		ck_assert_msg(decode(s->type, s->body, s->len + 1U) == -EPROTO, "type %u and a byte", s->type);
		for (n = 0; n < s->len; n++) {
			exact = malloc(n + 1); /* for AddressSanitizer */
			ck_assert_ptr_nonnull(exact);
			memcpy(exact + 1, s->body, n);
			ck_assert_msg(decode(s->type, exact + 1, n) == -EPROTO, "type %u, %zu bytes", s->type, n);
			free(exact);
		}
	}
}
END_TEST

START_TEST(test_fields_land_where_they_belong)
{
	const struct sample *s;

	s = &samples[2];
	ck_assert_int_eq(decode(s->type, s->body, s->len), 0);
	ck_assert(msg.fid == 1 && msg.flags == 2 && msg.mode == 3 && msg.gid == 4);
	ck_assert_str_eq(msg.name[0], "ab");
	s = &samples[3];
	ck_assert_int_eq(decode(s->type, s->body, s->len), 0);
	ck_assert_str_eq(msg.target, "cd");
	s = &samples[8];
	ck_assert_int_eq(decode(s->type, s->body, s->len), 0);
	ck_assert(msg.valid == 9 && msg.uid == 10 && msg.gid == 4 && msg.size == 11);
	ck_assert(msg.atime.sec == 12 && msg.atime.nsec == 13 && msg.mtime.sec == 14 && msg.mtime.nsec == 15);
	s = &samples[12];
	ck_assert_int_eq(decode(s->type, s->body, s->len), 0);
	ck_assert(msg.lock == 1 && msg.off == 16 && msg.size == 11 && msg.proc == 18);
	s = &samples[22];
	ck_assert_int_eq(decode(s->type, s->body, s->len), 0);
	ck_assert(msg.n == 2 && msg.fid2 == 7);
	ck_assert_str_eq(msg.name[1], "cd");
	s = &samples[18];
	ck_assert_int_eq(decode(s->type, s->body, s->len), 0);
	ck_assert(msg.known && msg.count == 17);
}
END_TEST

START_TEST(test_fsync_has_its_datasync_field_or_not)
{
	const uint8_t body[] = { U32(1), U32(1) };

	ck_assert_int_eq(decode(P9_TFSYNC, body, 8), 0);
	ck_assert_uint_eq(msg.flags, 1);
	ck_assert_int_eq(decode(P9_TFSYNC, body, 4), 0);
	ck_assert_uint_eq(msg.flags, 0);
	ck_assert_int_eq(decode(P9_TFSYNC, body, 6), -EPROTO);
}
END_TEST

START_TEST(test_types_that_are_not_served_are_refused)
{
	const uint8_t body[64] = { 0 };
	unsigned int t;

	for (t = 0; t < 256; t++) {
		size_t i;
		bool served = t == P9_TFSYNC;

		for (i = 0; i < ARRAY_SIZE(samples); i++)
			served = served || samples[i].type == t;
		if (!served)
			ck_assert_int_eq(decode((uint8_t)t, body, sizeof(body)), -EOPNOTSUPP);
	}
}
END_TEST

static int mkdir_named(const char *name, size_t len)
{
	static uint8_t body[4 + 2 + 70000 + 8];
	struct wr w = wr_init(body, sizeof(body));

	wr_u32(&w, 1);
	wr_u16(&w, (uint16_t)len);
	wr_bytes(&w, name, len);
	wr_u64(&w, 0);
	return decode(P9_TMKDIR, body, w.len);
}

START_TEST(test_a_name_is_one_component)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	ck_assert_int_eq(mkdir_named("a", 1), 0);
	ck_assert_int_eq(mkdir_named("...", 3), 0);
	ck_assert_int_eq(mkdir_named("..a", 3), 0);
	ck_assert_int_eq(mkdir_named("\xff\n", 2), 0);
	ck_assert_int_eq(mkdir_named(name, 255), 0);
	ck_assert_uint_eq(strlen(msg.name[0]), 255);
	ck_assert_int_eq(mkdir_named(name, 256), -ENAMETOOLONG);
	ck_assert_int_eq(mkdir_named("", 0), -EINVAL);
	ck_assert_int_eq(mkdir_named(".", 1), -EINVAL);
	ck_assert_int_eq(mkdir_named("..", 2), -EINVAL);
	ck_assert_int_eq(mkdir_named("/", 1), -EINVAL);
	ck_assert_int_eq(mkdir_named("a/b", 3), -EINVAL);
	ck_assert_int_eq(mkdir_named("a\0b", 3), -EINVAL);
	ck_assert_int_eq(mkdir_named("\0", 1), -EINVAL);
	/* with the NUL that a C string would end at, "." and ".." are not one component either */
	ck_assert_int_eq(mkdir_named(".\0", 2), -EINVAL);
	ck_assert_int_eq(mkdir_named("..\0", 3), -EINVAL);
}
END_TEST

START_TEST(test_only_a_walk_may_say_dot_dot)
{
	const uint8_t up[] = { U32(1), U32(2), U16(1), 2, 0, '.', '.' };
	const uint8_t here[] = { U32(1), U32(2), U16(1), 1, 0, '.' };
	const uint8_t many[] = { U32(1), U32(2), U16(17), 1, 0, 'a' };
	const uint8_t to[] = { U32(1), NAME_AB, U32(2), 2, 0, '.', '.' };

	ck_assert_int_eq(decode(P9_TWALK, up, sizeof(up)), 0);
	ck_assert_int_eq(decode(P9_TWALK, here, sizeof(here)), -EINVAL);
	ck_assert_int_eq(decode(P9_TWALK, many, sizeof(many)), -EPROTO);
	ck_assert_int_eq(decode(P9_TRENAMEAT, to, sizeof(to)), -EINVAL);
}
END_TEST

START_TEST(test_a_walk_has_16_names_at_most)
{
	uint8_t body[128];
	unsigned int n, i;

	for (n = 15; n <= 18; n++) {
		struct wr w = wr_init(body, sizeof(body));

		wr_u64(&w, 0);
		wr_u16(&w, (uint16_t)n);
		for (i = 0; i < n; i++) {
			wr_u16(&w, 1);
			wr_u8(&w, 'a');
		}
		ck_assert_int_eq(decode(P9_TWALK, body, w.len), n <= 16 ? 0 : -EPROTO);
		ck_assert_uint_le(msg.n, 16);
	}
}
END_TEST

START_TEST(test_a_symlinks_target_is_a_string_of_one_to_4095_bytes)
{
	static uint8_t body[6 + 1 + 2 + 5000 + 4];
	size_t len;

	for (len = 4095; len <= 4097; len++) {
		struct wr w = wr_init(body, sizeof(body));
		uint8_t *p;

		wr_u32(&w, 1);
		wr_u16(&w, 1);
		wr_u8(&w, 'a');
		wr_u16(&w, (uint16_t)len);
		p = wr_room(&w, len);
		memset(p, '/', len);
		wr_u32(&w, 0);
		ck_assert_int_eq(decode(P9_TSYMLINK, body, w.len), len < 4096 ? 0 : -ENAMETOOLONG);
		p[7] = '\0';
		ck_assert_int_ne(decode(P9_TSYMLINK, body, w.len), 0);
	}
	ck_assert_int_eq(decode(P9_TSYMLINK, (const uint8_t[]){ U32(1), NAME_AB, U16(0), U32(0) }, 14), -EINVAL);
}
END_TEST

START_TEST(test_an_xattrs_name_may_be_empty_or_hold_a_slash_but_no_nul)
{
	ck_assert_int_eq(decode(P9_TXATTRWALK, (const uint8_t[]){ U32(1), U32(2), U16(0) }, 10), 0);
	ck_assert_int_eq(decode(P9_TXATTRWALK, (const uint8_t[]){ U32(1), U32(2), 2, 0, 'a', '/' }, 12), 0);
	ck_assert_int_eq(decode(P9_TXATTRWALK, (const uint8_t[]){ U32(1), U32(2), 2, 0, 'a', 0 }, 12), -EINVAL);
}
END_TEST

START_TEST(test_attributes_take_their_place_and_device_numbers_linux_form)
{
	struct statx st = { .stx_mask = STATX_BASIC_STATS,
			    .stx_mode = S_IFCHR | 0600,
			    .stx_rdev_major = 0x123,
			    .stx_rdev_minor = 0x45678 };
	struct ninep_qid q = { .type = 1, .version = 2, .path = 3 };
	uint8_t buf[256];
	struct wr w = wr_init(buf, sizeof(buf));
	struct rd r = rd_init(buf, sizeof(buf));

	ninep_put_attr(&w, &q, &st);
	ck_assert_uint_eq(w.len, 153);
	ck_assert_uint_eq(rd_u64(&r), P9_STATS_BASIC);
	(void)rd_bytes(&r, 13 + 4 + 4 + 4 + 8);
	ck_assert_uint_eq(rd_u64(&r), 0x45612378);
	st.stx_mask |= STATX_BTIME;
	w = wr_init(buf, sizeof(buf));
	r = rd_init(buf, sizeof(buf));
	ninep_put_attr(&w, &q, &st);
	ck_assert_uint_eq(rd_u64(&r), P9_STATS_BASIC | P9_STATS_BTIME);
}
END_TEST

/* --- qids --- */

static struct ninep_qids qids;

static uint64_t path_of(uint64_t dev, uint64_t ino)
{
	uint64_t p = 0;

	ck_assert_int_eq(ninep_qid_path(&qids, dev, ino, &p), 0);
	return p;
}

START_TEST(test_paths_differ_where_device_or_inode_differ)
{
	memset(&qids, 0, sizeof(qids));
	ck_assert_uint_eq(path_of(1, 5), path_of(1, 5));
	ck_assert_uint_ne(path_of(1, 5), path_of(2, 5));
	ck_assert_uint_ne(path_of(1, 5), path_of(1, 6));
	/* overlayfs numbers its layers in the upper bits */
	ck_assert_uint_ne(path_of(1, 5), path_of(1, 5 | 1ULL << 48));
	ck_assert_uint_ne(path_of(1, 5 | 1ULL << 63), path_of(1, 5 | 1ULL << 62));
	ck_assert_uint_ne(path_of(1, 5), ninep_qid_root().path);
	ck_assert_uint_ne(path_of(0, 0), 0);
	ck_assert_uint_eq(path_of(1, 5), path_of(1, 5));
}
END_TEST

START_TEST(test_paths_never_repeat_and_the_table_ends_with_an_error)
{
	uint64_t p, last;
	uint32_t i;

	memset(&qids, 0, sizeof(qids));
	for (i = 0; i < NINEP_DEVICES_MAX; i++) {
		ck_assert_int_eq(ninep_qid_path(&qids, 7, (uint64_t)i << 48 | 9, &p), 0);
		ck_assert_uint_eq(p, (uint64_t)(i + 1) << 48 | 9);
	}
	ck_assert_int_eq(ninep_qid_path(&qids, 8, 9, &p), -ENFILE);
	last = path_of(7, 1ULL << 48 | 10);
	ck_assert_uint_eq(last, 2ULL << 48 | 10);
}
END_TEST

START_TEST(test_a_version_is_never_zero_and_follows_the_times_and_size)
{
	struct statx st = { .stx_mode = S_IFREG, .stx_ino = 4 };
	struct ninep_qid a, b;

	memset(&qids, 0, sizeof(qids));
	ck_assert_int_eq(ninep_qid_of(&qids, &st, &a), 0);
	ck_assert_uint_ne(a.version, 0);
	ck_assert_uint_eq(a.type, 0);
	st.stx_size = 1;
	ck_assert_int_eq(ninep_qid_of(&qids, &st, &b), 0);
	ck_assert_uint_ne(a.version, b.version);
	st.stx_ctime.tv_nsec = 1;
	ck_assert_int_eq(ninep_qid_of(&qids, &st, &a), 0);
	ck_assert_uint_ne(a.version, b.version);
	ck_assert_uint_eq(a.path, b.path);
	st.stx_mode = S_IFLNK;
	ck_assert_int_eq(ninep_qid_of(&qids, &st, &a), 0);
	ck_assert_uint_eq(a.type, P9_QT_SYMLINK);
	st.stx_mode = S_IFDIR;
	ck_assert_int_eq(ninep_qid_of(&qids, &st, &a), 0);
	ck_assert_uint_eq(a.type, P9_QT_DIR);
	ck_assert_uint_ne(ninep_qid_root().version, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_every_request_decodes_whole_and_no_prefix_or_extension_does,
		test_fields_land_where_they_belong,
		test_fsync_has_its_datasync_field_or_not,
		test_types_that_are_not_served_are_refused,
		test_a_name_is_one_component,
		test_only_a_walk_may_say_dot_dot,
		test_a_walk_has_16_names_at_most,
		test_a_symlinks_target_is_a_string_of_one_to_4095_bytes,
		test_an_xattrs_name_may_be_empty_or_hold_a_slash_but_no_nul,
		test_attributes_take_their_place_and_device_numbers_linux_form,
		test_paths_differ_where_device_or_inode_differ,
		test_paths_never_repeat_and_the_table_ends_with_an_error,
		test_a_version_is_never_zero_and_follows_the_times_and_size,
	};

	return suite_run("ninep_msg", tests, ARRAY_SIZE(tests));
}

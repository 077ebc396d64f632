// SPDX-License-Identifier: Apache-2.0
/*
 * Frames and TLVs: what is written is read back; every prefix and every wrong width fails cleanly.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/proto/proto.h"
#include "tests/unit/fake/suite.h"

#define MAX 4096

static struct proto_mount some_mount(void)
{
	return (struct proto_mount){ .entry = 3,
				     .bits = PROTO_MOUNT_FILE,
				     .flags = 0x1122334455667788,
				     .clear = 2,
				     .propagation = 1u << 20,
				     .destination = "/etc/hosts",
				     .destination_len = 10,
				     .type = "",
				     .type_len = 0,
				     .data = "a=b",
				     .data_len = 3 };
}

static size_t some_frame(uint8_t *buf, size_t cap)
{
	struct proto_mount m = some_mount();
	struct wr w = wr_init(buf, cap);
	size_t mark = proto_begin(&w, PROTO_CREATE, 7);

	proto_put_u32(&w, PROTO_T_PROC, 1);
	proto_put_str(&w, PROTO_T_ARG | PROTO_CRITICAL, "sh");
	proto_put_mount(&w, &m);
	proto_put_u8(&w, PROTO_T_ALL, 1);
	proto_put_u64(&w, PROTO_T_TIME, UINT64_MAX);
	proto_end(&w, mark);
	ck_assert(wr_ok(&w));
	return w.len;
}

START_TEST(test_a_frame_is_read_back_as_it_was_written)
{
	struct proto_mount m, want = some_mount();
	uint8_t buf[MAX], b;
	size_t len = some_frame(buf, sizeof(buf)), n;
	struct proto_frame f;
	struct proto_tlv t;
	const char *s;
	uint32_t v;
	uint64_t q;

	ck_assert_int_eq(proto_frame_next(buf, len, MAX, &f), 1);
	ck_assert_uint_eq(f.type, PROTO_CREATE);
	ck_assert_uint_eq(f.seq, 7);
	ck_assert_uint_eq(f.total, len);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_uint_eq(t.tag, PROTO_T_PROC);
	ck_assert(!t.critical);
	ck_assert_int_eq(proto_get_u32(t.value, &v), 0);
	ck_assert_uint_eq(v, 1);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_uint_eq(t.tag, PROTO_T_ARG);
	ck_assert(t.critical);
	ck_assert_int_eq(proto_get_str(t.value, &s, &n), 0);
	ck_assert_mem_eq(s, "sh", 2);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_uint_eq(t.tag, PROTO_T_MOUNT);
	ck_assert_int_eq(proto_get_mount(t.value, &m), 0);
	ck_assert_uint_eq(m.entry, want.entry);
	ck_assert_uint_eq(m.bits, want.bits);
	ck_assert_uint_eq(m.flags, want.flags);
	ck_assert_uint_eq(m.clear, want.clear);
	ck_assert_uint_eq(m.propagation, want.propagation);
	ck_assert_uint_eq(m.destination_len, 10);
	ck_assert_mem_eq(m.destination, "/etc/hosts", 10);
	ck_assert_uint_eq(m.type_len, 0);
	ck_assert_mem_eq(m.data, "a=b", 3);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_int_eq(proto_get_u8(t.value, &b), 0);
	ck_assert_uint_eq(b, 1);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_int_eq(proto_get_u64(t.value, &q), 0);
	ck_assert_uint_eq(q, UINT64_MAX);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 0);
}
END_TEST

START_TEST(test_every_prefix_of_a_frame_wants_more_bytes)
{
	uint8_t buf[MAX];
	size_t len = some_frame(buf, sizeof(buf)), i;
	struct proto_frame f;

	for (i = 0; i < len; i++) {
		uint8_t *exact = malloc(i + 1); /* so that AddressSanitizer sees a read too far */

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, buf, i);
		ck_assert_int_eq(proto_frame_next(exact, i, MAX, &f), 0);
		free(exact);
	}
}
END_TEST

START_TEST(test_a_body_above_the_bound_is_refused_before_it_arrives)
{
	uint8_t buf[PROTO_HEADER_LEN];
	struct wr w = wr_init(buf, sizeof(buf));
	struct proto_frame f;

	proto_end(&w, proto_begin(&w, PROTO_PING, 1));
	wr_patch_u32(&w, 0, MAX + 1);
	ck_assert_int_eq(proto_frame_next(buf, sizeof(buf), MAX, &f), -EMSGSIZE);
	wr_patch_u32(&w, 0, UINT32_MAX);
	ck_assert_int_eq(proto_frame_next(buf, sizeof(buf), MAX, &f), -EMSGSIZE);
	wr_patch_u32(&w, 0, MAX);
	ck_assert_int_eq(proto_frame_next(buf, sizeof(buf), MAX, &f), 0);
}
END_TEST

START_TEST(test_a_frame_with_flags_is_refused)
{
	uint8_t buf[PROTO_HEADER_LEN];
	struct wr w = wr_init(buf, sizeof(buf));
	struct proto_frame f;

	proto_end(&w, proto_begin(&w, PROTO_PING, 1));
	ck_assert_int_eq(proto_frame_next(buf, sizeof(buf), MAX, &f), 1);
	buf[6] = 1;
	ck_assert_int_eq(proto_frame_next(buf, sizeof(buf), MAX, &f), -EPROTO);
}
END_TEST

START_TEST(test_a_tlv_longer_than_its_body_is_refused)
{
	uint8_t buf[16];
	struct wr w = wr_init(buf, sizeof(buf));
	struct proto_tlv t;
	struct rd body;

	proto_put_u32(&w, PROTO_T_PROC, 1);
	wr_patch_u32(&w, 4, 5);
	body = rd_init(buf, w.len);
	ck_assert_int_eq(proto_tlv_next(&body, &t), -EPROTO);
	ck_assert_int_eq(proto_tlv_next(&body, &t), -EPROTO); /* and stays so */
}
END_TEST

START_TEST(test_a_cut_tlv_header_is_refused)
{
	uint8_t buf[16];
	struct wr w = wr_init(buf, sizeof(buf));
	struct proto_tlv t;
	size_t i;

	proto_put_u32(&w, PROTO_T_PROC, 1);
	for (i = 1; i < w.len; i++) {
		struct rd body = rd_init(buf, i);

		ck_assert_int_eq(proto_tlv_next(&body, &t), -EPROTO);
	}
}
END_TEST

START_TEST(test_the_zero_of_a_tlv_must_be_zero)
{
	uint8_t buf[16];
	struct wr w = wr_init(buf, sizeof(buf));
	struct proto_tlv t;
	struct rd body;

	proto_put_u32(&w, PROTO_T_PROC, 1);
	buf[2] = 1;
	body = rd_init(buf, w.len);
	ck_assert_int_eq(proto_tlv_next(&body, &t), -EPROTO);
}
END_TEST

START_TEST(test_numbers_have_one_width)
{
	static const uint8_t bytes[16] = { 1 };
	uint8_t a;
	uint32_t b;
	uint64_t c;
	size_t i;

	for (i = 0; i < sizeof(bytes); i++) {
		ck_assert_int_eq(proto_get_u8(rd_init(bytes, i), &a), i == 1 ? 0 : -EPROTO);
		ck_assert_int_eq(proto_get_u32(rd_init(bytes, i), &b), i == 4 ? 0 : -EPROTO);
		ck_assert_int_eq(proto_get_u64(rd_init(bytes, i), &c), i == 8 ? 0 : -EPROTO);
	}
}
END_TEST

START_TEST(test_a_string_with_a_nul_is_refused)
{
	const char *s;
	size_t n;

	ck_assert_int_eq(proto_get_str(rd_init("ab", 2), &s, &n), 0);
	ck_assert_int_eq(proto_get_str(rd_init("a\0b", 3), &s, &n), -EPROTO);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(proto_get_str(rd_init("", 0), &s, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(test_every_prefix_of_a_mount_and_of_a_device_is_refused)
{
	struct proto_device d = { .mode = 020666, .major = 1, .minor = 3, .path = "/dev/null", .path_len = 9 }, dout;
	struct proto_mount m = some_mount(), mout;
	uint8_t buf[256];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t i;

	proto_put_mount(&w, &m);
	for (i = 8; i <= w.len; i++)
		ck_assert_int_eq(proto_get_mount(rd_init(buf + 8, i - 8), &mout), i == w.len ? 0 : -EPROTO);
	buf[w.len] = 0;
	ck_assert_int_eq(proto_get_mount(rd_init(buf + 8, w.len - 7), &mout), -EPROTO); /* a byte too many */
	w = wr_init(buf, sizeof(buf));
	proto_put_device(&w, &d);
	for (i = 8; i <= w.len; i++)
		ck_assert_int_eq(proto_get_device(rd_init(buf + 8, i - 8), &dout), i == w.len ? 0 : -EPROTO);
	ck_assert_uint_eq(dout.mode, 020666);
	ck_assert_uint_eq(dout.minor, 3);
	ck_assert_mem_eq(dout.path, "/dev/null", 9);
}
END_TEST

START_TEST(test_an_inner_string_with_a_nul_is_refused)
{
	struct proto_mount m = some_mount(), out;
	uint8_t buf[256];
	struct wr w = wr_init(buf, sizeof(buf));

	m.destination = "/etc\0hosts";
	proto_put_mount(&w, &m);
	ck_assert_int_eq(proto_get_mount(rd_init(buf + 8, w.len - 8), &out), -EPROTO);
}
END_TEST

START_TEST(test_a_full_writer_says_so_at_the_end)
{
	uint8_t buf[MAX];
	size_t len = some_frame(buf, sizeof(buf)), i;

	for (i = 0; i < len; i++) {
		struct proto_mount m = some_mount();
		struct wr w = wr_init(buf, i);
		size_t mark = proto_begin(&w, PROTO_CREATE, 7);

		proto_put_u32(&w, PROTO_T_PROC, 1);
		proto_put_str(&w, PROTO_T_ARG, "sh");
		proto_put_mount(&w, &m);
		proto_put_u8(&w, PROTO_T_ALL, 1);
		proto_put_u64(&w, PROTO_T_TIME, UINT64_MAX);
		proto_end(&w, mark);
		ck_assert(!wr_ok(&w));
	}
}
END_TEST

START_TEST(test_the_text_of_an_error_is_cut_at_its_bound)
{
	char text[PROTO_TEXT_MAX + 50];
	uint8_t buf[512];
	struct wr w = wr_init(buf, sizeof(buf));
	struct proto_frame f;
	struct proto_tlv t;
	uint32_t code;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	proto_put_error(&w, 9, ENOENT, text);
	ck_assert(wr_ok(&w));
	ck_assert_int_eq(proto_frame_next(buf, w.len, MAX, &f), 1);
	ck_assert_uint_eq(f.type, PROTO_ERROR);
	ck_assert_uint_eq(f.seq, 9);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_int_eq(proto_get_u32(t.value, &code), 0);
	ck_assert_uint_eq(code, ENOENT);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 1);
	ck_assert_uint_eq(t.value.left, PROTO_TEXT_MAX);
	ck_assert_int_eq(proto_tlv_next(&f.body, &t), 0);
}
END_TEST

START_TEST(test_types_have_names_and_unknown_ones_a_question_mark)
{
	ck_assert_str_eq(proto_type_name(PROTO_HELLO), "HELLO");
	ck_assert_str_eq(proto_type_name(PROTO_PING), "PING");
	ck_assert_str_eq(proto_type_name(0), "type?");
	ck_assert_str_eq(proto_type_name(PROTO_TYPE_END), "type?");
	ck_assert_str_eq(proto_type_name(UINT16_MAX), "type?");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_frame_is_read_back_as_it_was_written,
		test_every_prefix_of_a_frame_wants_more_bytes,
		test_a_body_above_the_bound_is_refused_before_it_arrives,
		test_a_frame_with_flags_is_refused,
		test_a_tlv_longer_than_its_body_is_refused,
		test_a_cut_tlv_header_is_refused,
		test_the_zero_of_a_tlv_must_be_zero,
		test_numbers_have_one_width,
		test_a_string_with_a_nul_is_refused,
		test_every_prefix_of_a_mount_and_of_a_device_is_refused,
		test_an_inner_string_with_a_nul_is_refused,
		test_a_full_writer_says_so_at_the_end,
		test_the_text_of_an_error_is_cut_at_its_bound,
		test_types_have_names_and_unknown_ones_a_question_mark,
	};

	return suite_run("proto", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * JSON reading: what is refused, what is found, and how errors name the place.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime-cli/json.h"

static struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;
	struct err e = { 0 };

	ck_assert_msg(json_parse(text, strlen(text), &o, &e) == 0, "%s", e.text);
	return o;
}

static const struct {
	const char *text;
	size_t len; /* 0: strlen */
	const char *says;
} bad[] = {
	{ "", 0, "the text ends too early" },
	{ "  \n ", 0, "line 2, column 2: the text ends too early" },
	{ "[]", 0, "expected an object" },
	{ "3", 0, "" },
	{ "{\"a\":1", 0, "the text ends too early" },
	{ "{\"a\":1,}", 0, "unexpected character" },
	{ "{} x", 0, "line 1, column 4" },
	{ "{\n\"a\":1}}", 0, "line 2, column 7: unexpected character" },
	{ "{'a':1}", 0, "unexpected character 0x27" },
	{ "{\"a\":NaN}", 0, "neither true, false nor null" },
	{ "{\"a\":Infinity}", 0, "neither true, false nor null" },
	{ "{\"a\":TRUE}", 0, "neither true, false nor null" },
	{ "{\"a\":truely}", 0, "neither true, false nor null" },
	{ "{\"a\":01}", 0, "number expected" },
	{ "{\"a\":-}", 0, "number expected" },
	{ "{\"a\":18446744073709551616}", 0, "does not fit 64 bits" },
	{ "{\"a\":99999999999999999999999999999999999999}", 0, "does not fit 64 bits" },
	{ "{\"a\":-9223372036854775809}", 0, "does not fit 64 bits" },
	{ "{\"a\":\"x\ny\"}", 0, "control character 0x0a" },
	{ "{\"a\":\"x\0y\"}", 11, "control character 0x00" },
	{ "{}\0", 3, "unexpected character 0x00" },
	{ "{\"a\":\"\xff\"}", 0, "utf-8" },
	{ "{\"\xc3\x28\":1}", 0, "utf-8" },
	{ "{\"a\\u0000b\":1}", 0, "a NUL byte inside a field's name" },
	{ "{\"a\\u0000\" \n :1}", 0, "a NUL byte inside a field's name" },
	{ "{\"a\":\"\\x\"}", 0, "invalid string sequence" },
	{ "/* c */ {}", 0, "unexpected character 0x2f" },
	{ "\xef\xbb\xbf{}", 0, "unexpected character 0xef" },
	{ "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]", 0, "nesting too deep" },
};

START_TEST(test_parse_refuses_what_is_not_json)
{
	size_t len = bad[_i].len != 0 ? bad[_i].len : strlen(bad[_i].text);
	struct json_object *o = NULL;
	struct err e = { 0 };

	ck_assert_int_lt(json_parse(bad[_i].text, len, &o, &e), 0);
	ck_assert_ptr_null(o);
	ck_assert_msg(strstr(e.text, bad[_i].says) != NULL, "`%s` says: %s", bad[_i].text, e.text);
}
END_TEST

START_TEST(test_parse_refuses_every_prefix)
{
	static const char text[] = "{\"a\":[1,-2,{\"b\":\"c\\u00e9\\\\\\\"\"}],\"d\":true,\"e\":null,\"f\":1.5e3}";
	struct json_object *o = NULL;
	struct err e = { 0 };
	size_t len;

	for (len = 0; len < sizeof(text) - 1; len++)
		ck_assert_int_lt(json_parse(text, len, &o, &e), 0);
	ck_assert_int_eq(json_parse(text, len, &o, &e), 0);
	json_object_put(o);
}
END_TEST

START_TEST(test_parse_bounds_the_number_of_values)
{
	size_t n = JSON_VALUES_MAX + 10, i;
	char *text = malloc(2 * n + 16);
	struct json_object *o = NULL;
	struct err e = { 0 };
	char *p = text;

	memcpy(p, "{\"a\":[", 6);
	p += 6;
	for (i = 0; i < n; i++) {
		*p++ = '0';
		*p++ = ',';
	}
	memcpy(p, "0]}", 3);
	ck_assert_int_eq(json_parse(text, (size_t)(p + 3 - text), &o, &e), -E2BIG);
	ck_assert_ptr_nonnull(strstr(e.text, "values"));
	free(text);
	ck_assert_int_eq(json_parse("{}", JSON_FILE_MAX + 1, &o, &e), -E2BIG);
	ck_assert_str_eq(e.text, "the text is larger than 16 MiB");
}
END_TEST

START_TEST(test_the_last_of_two_equal_names_wins)
{
	struct json_object *o = parsed("{\"a\":1,\"a\":2}");
	struct jv top = jv_root(o);
	struct err e = { 0 };
	uint64_t n = 0;

	ck_assert_int_eq(jv_get_u64(&top, "a", UINT64_MAX, &n, &e), 1);
	ck_assert_uint_eq(n, 2);
	json_object_put(o);
}
END_TEST

START_TEST(test_integers_are_exact_to_64_bits)
{
	struct json_object *o = parsed("{\"inf\":18446744073709551615,\"min\":-9223372036854775808,"
				       "\"big\":9223372036854775808,\"exact\":9007199254740993}");
	struct jv top = jv_root(o);
	struct err e = { 0 };
	uint64_t u = 0;
	int64_t i = 0;

	ck_assert_int_eq(jv_get_u64(&top, "inf", UINT64_MAX, &u, &e), 1);
	ck_assert_uint_eq(u, UINT64_MAX);
	ck_assert_int_eq(jv_get_i64(&top, "min", INT64_MIN, INT64_MAX, &i, &e), 1);
	ck_assert_int_eq(i, INT64_MIN);
	ck_assert_int_eq(jv_get_u64(&top, "exact", UINT64_MAX, &u, &e), 1);
	ck_assert_uint_eq(u, 9007199254740993u);
	ck_assert_int_lt(jv_get_i64(&top, "big", INT64_MIN, INT64_MAX, &i, &e), 0);
	ck_assert_str_eq(e.text, "big: 9223372036854775808 is larger than 9223372036854775807");
	ck_assert_int_lt(jv_get_u64(&top, "min", UINT64_MAX, &u, &e), 0);
	ck_assert_str_eq(e.text, "min: -9223372036854775808 is negative");
	ck_assert_int_lt(jv_get_u64(&top, "exact", 100, &u, &e), 0);
	ck_assert_str_eq(e.text, "exact: 9007199254740993 is larger than 100");
	ck_assert_int_lt(jv_get_i64(&top, "min", -5, 5, &i, &e), 0);
	ck_assert_str_eq(e.text, "min: -9223372036854775808 is less than -5");
	json_object_put(o);
}
END_TEST

START_TEST(test_a_wrong_type_is_named_with_its_whole_path)
{
	struct json_object *o = parsed("{\"process\":{\"user\":{\"uid\":\"0\"},\"list\":[1,[true]],\"f\":1.5}}");
	struct jv top = jv_root(o), process, user, list, item, v;
	struct err e = { 0 };
	const char *s = NULL;
	uint64_t n = 0;
	uint32_t u32 = 77;
	int64_t i = 0;
	size_t len = 0;
	bool b = false;

	ck_assert_int_eq(jv_get_object(&top, "process", &process, &e), 1);
	ck_assert_int_eq(jv_get_object(&process, "user", &user, &e), 1);
	ck_assert_int_lt(jv_get_u64(&user, "uid", UINT32_MAX, &n, &e), 0);
	ck_assert_str_eq(e.text, "process.user.uid: expected a number, found a string");
	ck_assert_int_eq(jv_get_array(&process, "list", &list, &len, &e), 1);
	ck_assert_uint_eq(len, 2);
	item = jv_at(&list, 1);
	v = jv_at(&item, 0);
	ck_assert_int_lt(jv_str(&v, &s, &e), 0);
	ck_assert_str_eq(e.text, "process.list[1][0]: expected a string, found a boolean");
	ck_assert_int_lt(jv_get_u64(&process, "f", UINT64_MAX, &n, &e), 0);
	ck_assert_str_eq(e.text, "process.f: expected a number, found a number with a fraction or an exponent");
	ck_assert_int_lt(jv_get_bool(&process, "user", &b, &e), 0);
	ck_assert_str_eq(e.text, "process.user: expected true or false, found an object");
	ck_assert(!b);
	ck_assert_int_lt(jv_get_i64(&process, "user", 0, 1, &i, &e), 0);
	ck_assert_str_eq(e.text, "process.user: expected a number, found an object");
	ck_assert_int_lt(jv_get_u32(&process, "user", 1, &u32, &e), 0);
	ck_assert_int_eq(jv_get_u32(&process, "none", 1, &u32, &e), 0);
	ck_assert_uint_eq(u32, 77);
	ck_assert_int_lt(jv_get_object(&process, "list", &v, &e), 0);
	ck_assert_int_lt(jv_get_array(&top, "process", &v, &len, &e), 0);
	ck_assert_str_eq(e.text, "process: expected an array, found an object");
	json_object_put(o);
}
END_TEST

START_TEST(test_null_is_absent)
{
	struct json_object *o = parsed("{\"a\":null}");
	struct jv top = jv_root(o), v;
	struct err e = { 0 };
	const char *s = "before";

	ck_assert_int_eq(jv_get(&top, "a", &v), 0);
	ck_assert_int_eq(jv_get_str(&top, "a", &s, &e), 0);
	ck_assert_int_eq(jv_get_str(&top, "b", &s, &e), 0);
	ck_assert_str_eq(s, "before");
	json_object_put(o);
}
END_TEST

START_TEST(test_a_nul_inside_a_string_is_named)
{
	struct json_object *o = parsed("{\"args\":[\"a\",\"b\\u0000c\"]}");
	struct jv top = jv_root(o), list;
	struct arena a = { 0 };
	struct strv strv;
	struct err e = { 0 };
	size_t n;

	ck_assert_int_eq(jv_get_array(&top, "args", &list, &n, &e), 1);
	ck_assert_int_lt(jv_strv(&list, &a, &strv, &e), 0);
	ck_assert_str_eq(e.text, "args[1]: a NUL byte inside the string");
	arena_free(&a);
	json_object_put(o);
}
END_TEST

START_TEST(test_paths_of_hostile_names_are_escaped_and_cut)
{
	struct json_object *o = parsed("{\"a\\n\\u001b[31m\":{\"b\":1}}");
	struct jv top = jv_root(o), v = { .o = o, .up = &top, .key = "a\n\033[31m" };
	char tiny[8];
	struct err e = { 0 };

	(void)jv_fail(&v, &e, "bad");
	ck_assert_str_eq(e.text, "a\\x0a\\x1b[31m: bad");
	ck_assert_uint_lt(strlen(jv_path(&v, tiny, sizeof(tiny))), sizeof(tiny));
	json_object_put(o);
}
END_TEST

START_TEST(test_empty_is_what_go_omits)
{
	static const struct {
		const char *text;
		bool empty;
	} cases[] = {
		{ "{\"v\":{}}", true },
		{ "{\"v\":[]}", true },
		{ "{\"v\":\"\"}", true },
		{ "{\"v\":0}", true },
		{ "{\"v\":false}", true },
		{ "{\"v\":{\"a\":0,\"b\":[{}],\"c\":null}}", true },
		{ "{\"v\":1}", false },
		{ "{\"v\":-1}", false },
		{ "{\"v\":0.0}", false },
		{ "{\"v\":true}", false },
		{ "{\"v\":\"x\"}", false },
		{ "{\"v\":[0,1]}", false },
		{ "{\"v\":{\"a\":{\"b\":\"x\"}}}", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *o = parsed(cases[i].text);
		struct jv top = jv_root(o), v;

		ck_assert_int_eq(jv_get(&top, "v", &v), 1);
		ck_assert_msg(jv_empty(&v) == cases[i].empty, "%s", cases[i].text);
		json_object_put(o);
	}
}
END_TEST

START_TEST(test_an_object_of_strings_keeps_its_order)
{
	struct json_object *o = parsed("{\"m\":{\"z\":\"1\",\"a\":\"\",\"n\":null,\"k\":\"3\"}}");
	struct jv top = jv_root(o), v;
	struct arena a = { 0 };
	struct err e = { 0 };
	struct kvs kvs;

	ck_assert_int_eq(jv_get(&top, "m", &v), 1);
	ck_assert_int_eq(jv_kvs(&v, &a, &kvs, &e), 0);
	ck_assert_uint_eq(kvs.n, 3);
	ck_assert_str_eq(kvs.v[0].key, "z");
	ck_assert_str_eq(kvs.v[1].value, "");
	ck_assert_str_eq(kvs.v[2].key, "k");
	ck_assert_str_eq(kvs.v[2].value, "3");
	arena_free(&a);
	json_object_put(o);
}
END_TEST

static char dir[64];
static int dirfd_;

static void make_dir(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test_json.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd_, 0);
}

static void remove_dir(void)
{
	(void)unlinkat(dirfd_, "f", 0);
	(void)close(dirfd_);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void put_file(const char *text, off_t size)
{
	int fd = openat(dirfd_, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	if (size > 0)
		ck_assert_int_eq(ftruncate(fd, size), 0);
	(void)close(fd);
}

static int load(struct err *e)
{
	struct json_object *o = NULL;
	int r = json_load_at(dirfd_, "f", &o, e);

	if (r < 0)
		ck_assert_ptr_null(o);
	json_object_put(o);
	return r;
}

START_TEST(test_a_file_is_read_whole)
{
	struct err e = { 0 };

	put_file("{\"a\":1}\n", 0);
	ck_assert_int_eq(load(&e), 0);
}
END_TEST

START_TEST(test_a_file_that_does_not_open_says_why)
{
	struct err e = { 0 };

	ck_assert_int_eq(symlinkat("f", dirfd_, "f"), 0);
	ck_assert_int_eq(load(&e), -ELOOP);
	ck_assert_ptr_nonnull(strstr(e.text, "open `f`: "));
}
END_TEST

START_TEST(test_a_missing_file_is_not_called_by_the_words_that_engines_map)
{
	struct err e = { 0 };

	ck_assert_int_eq(load(&e), -ENOENT);
	ck_assert_str_eq(e.text, "`f` is missing");
}
END_TEST

START_TEST(test_an_oversized_file_is_refused_unread)
{
	struct err e = { 0 };

	put_file("{}", (off_t)JSON_FILE_MAX + 1);
	ck_assert_int_eq(load(&e), -EFBIG);
}
END_TEST

START_TEST(test_a_fifo_is_refused_and_does_not_hang)
{
	struct err e = { 0 };

	ck_assert_int_eq(mkfifoat(dirfd_, "f", 0600), 0);
	ck_assert_int_lt(load(&e), 0);
	ck_assert_str_eq(e.text, "`f` is not a regular file");
}
END_TEST

START_TEST(test_a_file_with_an_error_is_named)
{
	struct err e = { 0 };

	put_file("{\n  \"a\": nope\n}\n", 0);
	ck_assert_int_lt(load(&e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "f: line 2, column 8: "));
}
END_TEST

START_TEST(test_a_log_line_is_one_object_on_one_line)
{
	char *line = json_log_line("error", "a \"b\"\n/c", "2026-01-02T03:04:05Z");

	ck_assert_str_eq(line,
			 "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\n/c\",\"time\":\"2026-01-02T03:04:05Z\"}\n");
	free(line);
}
END_TEST

START_TEST(test_the_arena_gives_zeroed_aligned_memory)
{
	struct arena a = { 0 };
	size_t i;

	for (i = 0; i < 3000; i++) {
		unsigned char *p = arena_array(&a, i % 7, 1 + i % 90);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		if (i % 7 > 0) {
			ck_assert_uint_eq(p[0], 0);
			ck_assert_uint_eq(p[(i % 7) * (1 + i % 90) - 1], 0);
			memset(p, 0xff, (i % 7) * (1 + i % 90));
		}
	}
	ck_assert_ptr_nonnull(arena_array(&a, 1, 1 << 20));
	ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 3));
	ck_assert_str_eq(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	arena_free(&a);
	arena_free(&a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json");
	TCase *t = tcase_create("text"), *f = tcase_create("file");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, test_parse_refuses_what_is_not_json, 0, (int)ARRAY_SIZE(bad));
	tcase_add_test(t, test_parse_refuses_every_prefix);
	tcase_add_test(t, test_parse_bounds_the_number_of_values);
	tcase_add_test(t, test_the_last_of_two_equal_names_wins);
	tcase_add_test(t, test_integers_are_exact_to_64_bits);
	tcase_add_test(t, test_a_wrong_type_is_named_with_its_whole_path);
	tcase_add_test(t, test_null_is_absent);
	tcase_add_test(t, test_a_nul_inside_a_string_is_named);
	tcase_add_test(t, test_paths_of_hostile_names_are_escaped_and_cut);
	tcase_add_test(t, test_empty_is_what_go_omits);
	tcase_add_test(t, test_an_object_of_strings_keeps_its_order);
	tcase_add_test(t, test_a_log_line_is_one_object_on_one_line);
	tcase_add_test(t, test_the_arena_gives_zeroed_aligned_memory);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(f, make_dir, remove_dir);
	tcase_add_test(f, test_a_file_is_read_whole);
	tcase_add_test(f, test_a_file_that_does_not_open_says_why);
	tcase_add_test(f, test_a_missing_file_is_not_called_by_the_words_that_engines_map);
	tcase_add_test(f, test_an_oversized_file_is_refused_unread);
	tcase_add_test(f, test_a_fifo_is_refused_and_does_not_hang);
	tcase_add_test(f, test_a_file_with_an_error_is_named);
	tcase_set_timeout(f, 60);
	suite_add_tcase(s, f);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

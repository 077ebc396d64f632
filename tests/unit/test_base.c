// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/base: error texts, log lines and escaping, cursors, bounded strings, whole reads and writes, fds over sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/base/cursor.h"
#include "vmm/base/err.h"
#include "vmm/base/fdio.h"
#include "vmm/base/le.h"
#include "vmm/base/log.h"
#include "vmm/base/strbuf.h"

START_TEST(test_err_set_adds_the_cause_and_wrap_puts_context_in_front)
{
	struct err e = { 0 };

	ck_assert_int_eq(err_set(&e, ENOSPC, "write `%s`", "state.json"), -ENOSPC);
	ck_assert_int_eq(e.code, ENOSPC);
	ck_assert_str_eq(e.text, "write `state.json`: No space left on device");
	ck_assert_int_eq(err_wrap(&e, "container `%s`", "web"), -ENOSPC);
	ck_assert_str_eq(e.text, "container `web`: write `state.json`: No space left on device");
}
END_TEST

START_TEST(test_err_set_without_a_code_is_einval)
{
	struct err e = { 0 };

	ck_assert_int_eq(err_set(&e, 0, "no bundle"), -EINVAL);
	ck_assert_int_eq(e.code, EINVAL);
	ck_assert_str_eq(e.text, "no bundle");
	ck_assert_int_eq(err_say(&e, EBUSY, "in use"), -EBUSY);
	ck_assert_str_eq(e.text, "in use");
}
END_TEST

START_TEST(test_err_set_avoids_the_words_that_engines_read_as_exit_codes)
{
	const int codes[] = { ENOENT, EACCES, EPERM };
	struct err e = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		ck_assert_int_eq(err_set(&e, codes[i], "kernel"), -codes[i]);
		ck_assert_ptr_null(strcasestr(e.text, "no such file"));
		ck_assert_ptr_null(strcasestr(e.text, "permission denied"));
		ck_assert_ptr_null(strcasestr(e.text, "operation not permitted"));
		ck_assert_uint_gt(strlen(e.text), strlen("kernel: "));
	}
}
END_TEST

START_TEST(test_err_texts_are_cut_never_overrun)
{
	char big[3 * ERR_TEXT_MAX];
	struct err e = { 0 };
	int i;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	ck_assert_int_eq(err_set(&e, EIO, "%s", big), -EIO);
	ck_assert_uint_eq(strlen(e.text), ERR_TEXT_MAX - 1);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(err_wrap(&e, "%s", big), -EIO);
	ck_assert_uint_eq(strlen(e.text), ERR_TEXT_MAX - 1);
}
END_TEST

/* What one log call writes, read back through a pipe; empty when it wrote nothing */
static void logged(char *buf, size_t cap, enum log_level max, enum log_level level, const char *text)
{
	int p[2];
	ssize_t n;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	log_init("kvmbox-vmm", "web", p[1], max);
	log_msg(level, "blk0", "%s", text);
	log_init("kvmbox-vmm", "", -1, LOG_ERROR);
	n = read(p[0], buf, cap - 1);
	buf[n > 0 ? n : 0] = '\0';
	(void)close(p[0]);
	(void)close(p[1]);
}

START_TEST(test_log_writes_one_line_with_program_name_level_and_area)
{
	char line[2 * LOG_LINE_MAX];

	logged(line, sizeof(line), LOG_WARN, LOG_WARN, "request past end");
	ck_assert_str_eq(line + strlen("2026-01-02T03:04:05.678Z "), "kvmbox-vmm[web] warn blk0: request past end\n");
	ck_assert_int_eq(line[10], 'T');
	ck_assert_int_eq(line[23], 'Z');
	logged(line, sizeof(line), LOG_WARN, LOG_INFO, "quiet");
	ck_assert_str_eq(line, "");
}
END_TEST

START_TEST(test_log_cuts_a_long_line_and_still_ends_it)
{
	char line[2 * LOG_LINE_MAX], big[2 * LOG_LINE_MAX];

	memset(big, 'y', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	logged(line, sizeof(line), LOG_WARN, LOG_ERROR, big);
	ck_assert_uint_eq(strlen(line), LOG_LINE_MAX - 1);
	ck_assert_int_eq(line[LOG_LINE_MAX - 2], '\n');
}
END_TEST

START_TEST(test_log_limit_allows_one_line_a_second)
{
	struct log_limit l = { 0 };
	unsigned int allowed = 0, i;

	for (i = 0; i < 100; i++)
		allowed += log_limited(&l);
	ck_assert_uint_ge(allowed, 1);
	ck_assert_uint_le(allowed, 2); /* a second may have turned */
	ck_assert_uint_eq(l.dropped, 100 - allowed);
}
END_TEST

START_TEST(test_log_escape_keeps_printable_ascii_only)
{
	char out[64];

	ck_assert_str_eq(log_escape(out, sizeof(out), "a b\n\x1b[1m\\\x7f\xff\0z", 13),
			 "a b\\x0a\\x1b[1m\\x5c\\x7f\\xff\\x00z");
	ck_assert_str_eq(log_escape(out, sizeof(out), "", 0), "");
}
END_TEST

START_TEST(test_log_escape_fits_any_text_in_any_buffer)
{
	char out[40], in[64];
	size_t cap, len;

	memset(in, 0x01, sizeof(in));
	for (cap = 8; cap <= sizeof(out); cap++) {
		for (len = 0; len <= sizeof(in); len++) {
			memset(out, '#', sizeof(out));
			(void)log_escape(out, cap, in, len);
			ck_assert_uint_lt(strnlen(out, cap), cap);
			ck_assert(cap == sizeof(out) || out[cap] == '#');
		}
	}
	ck_assert_str_eq(log_escape(out, 12, "0123456789abcdef", 16), "01234...");
}
END_TEST

START_TEST(test_cursor_reads_little_endian_in_order)
{
	const uint8_t msg[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'h', 'i' };
	struct rd r = rd_init(msg, sizeof(msg));
	struct rd sub;
	char two[2];

	ck_assert_uint_eq(rd_u8(&r), 1);
	ck_assert_uint_eq(rd_u16(&r), 0x0302);
	ck_assert_uint_eq(rd_u32(&r), 0x07060504);
	ck_assert_uint_eq(rd_u64(&r), 0x0f0e0d0c0b0a0908ULL);
	ck_assert(!rd_done(&r));
	sub = rd_sub(&r, 2);
	ck_assert(rd_done(&r));
	rd_copy(&sub, two, 2);
	ck_assert(rd_done(&sub));
	ck_assert_mem_eq(two, "hi", 2);
}
END_TEST

START_TEST(test_cursor_every_prefix_fails_cleanly)
{
	const uint8_t msg[15] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	size_t n;

	for (n = 0; n < sizeof(msg); n++) {
		uint8_t *copy = malloc(n + 1); /* exact, so that a sanitizer sees a read past the end */
		struct rd r;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, msg, n);
		r = rd_init(copy, n);
		(void)rd_u8(&r);
		(void)rd_u16(&r);
		(void)rd_u32(&r);
		(void)rd_u64(&r);
		ck_assert(!rd_done(&r));
		ck_assert(!rd_ok(&r));
		free(copy);
	}
}
END_TEST

START_TEST(test_cursor_once_bad_stays_bad_and_yields_zeros)
{
	const uint8_t msg[] = { 0xaa, 0xbb, 0xcc };
	struct rd r = rd_init(msg, sizeof(msg));
	struct rd sub;

	ck_assert_uint_eq(rd_u32(&r), 0);
	ck_assert_uint_eq(rd_u8(&r), 0); /* though three bytes were left */
	ck_assert_ptr_null(rd_bytes(&r, 0));
	sub = rd_sub(&r, 0);
	ck_assert(!rd_ok(&sub));
	ck_assert(!rd_done(&r));
	r = rd_init(msg, sizeof(msg));
	ck_assert_ptr_null(rd_bytes(&r, SIZE_MAX));
}
END_TEST

START_TEST(test_cursor_writer_is_sticky_when_full)
{
	uint8_t buf[16];
	struct wr w = wr_init(buf, 15);

	memset(buf, 0xee, sizeof(buf));
	wr_u32(&w, 0);
	wr_u8(&w, 1);
	wr_u16(&w, 0x0302);
	wr_u64(&w, 0x0b0a090807060504ULL);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(w.len, 15);
	wr_patch_u32(&w, 0, 15);
	ck_assert_mem_eq(buf, "\x0f\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\xee", 16);
	wr_u8(&w, 1);
	ck_assert(!wr_ok(&w));
	ck_assert_ptr_null(wr_room(&w, 0));
	ck_assert_uint_eq(buf[15], 0xee);
	w = wr_init(buf, 4);
	wr_u16(&w, 1);
	ck_assert_ptr_null(wr_room(&w, SIZE_MAX));
	wr_patch_u32(&w, 0, 7); /* bad: does nothing */
	ck_assert_uint_eq(buf[0], 1);
}
END_TEST

START_TEST(test_le_types_keep_their_value)
{
	ck_assert_uint_eq(le16_get(le16_put(0xfedc)), 0xfedc);
	ck_assert_uint_eq(le32_get(le32_put(0xfedcba98)), 0xfedcba98);
	ck_assert_uint_eq(le64_get(le64_put(0xfedcba9876543210ULL)), 0xfedcba9876543210ULL);
	ck_assert_uint_eq(sizeof(le16) + sizeof(le32) + sizeof(le64), 14);
}
END_TEST

START_TEST(test_strbuf_keeps_what_fits_and_remembers_that_more_came)
{
	char s[12];
	struct strbuf b = strbuf_init(s, sizeof(s));

	ck_assert_str_eq(s, "");
	strbuf_add(&b, "%s=%d", "mem", 128);
	ck_assert_str_eq(s, "mem=128");
	ck_assert(!b.full);
	strbuf_add(&b, "%s", "12345"); /* one too many for the NUL */
	ck_assert(b.full);
	ck_assert_str_eq(s, "mem=128");
	strbuf_add(&b, "x");
	ck_assert_str_eq(s, "mem=128");
	b = strbuf_init(s, sizeof(s));
	strbuf_add(&b, "%s", "12345678901");
	ck_assert(!b.full);
	ck_assert_uint_eq(b.len, 11);
}
END_TEST

static int scratch(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(test_fdio_reads_whole_up_to_end_of_file)
{
	char buf[16];
	int fd = scratch();

	ck_assert_int_eq(write_full(fd, "0123456789", 10), 0);
	ck_assert_int_eq(pread_full(fd, buf, 4, 3), 4);
	ck_assert_mem_eq(buf, "3456", 4);
	ck_assert_int_eq(pread_full(fd, buf, 16, 3), 7);
	ck_assert_int_eq(pread_full(fd, buf, 16, 99), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(read_full(fd, buf, 16), 10);
	ck_assert_int_eq(read_full(fd, buf, 16), 0);
	(void)close(fd);
	ck_assert_int_eq(read_full(fd, buf, 16), -EBADF);
	ck_assert_int_eq(pread_full(fd, buf, 16, 0), -EBADF);
	ck_assert_int_eq(write_full(fd, buf, 1), -EBADF);
}
END_TEST

START_TEST(test_fdio_gathers_short_reads_of_a_pipe)
{
	char buf[8];
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(write_full(p[1], "abc", 3), 0);
	ck_assert_int_eq(write_full(p[1], "de", 2), 0);
	fd_close(&p[1]);
	ck_assert_int_eq(p[1], -1);
	ck_assert_int_eq(read_full(p[0], buf, sizeof(buf)), 5);
	ck_assert_mem_eq(buf, "abcde", 5);
	fd_close(&p[0]);
	fd_close(&p[0]); /* harmless */
}
END_TEST

START_TEST(test_fdio_flags_switch_on_and_off)
{
	int fd = scratch(), stolen;

	ck_assert_int_eq(fd_set_cloexec(fd, false), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fd_set_cloexec(fd, true), 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fd_set_nonblock(fd, true), 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fd_set_nonblock(fd, false), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	stolen = fd_steal(&fd);
	ck_assert_int_eq(fd, -1);
	errno = ENOTTY;
	fd_close(&stolen);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_int_eq(fd_set_cloexec(-1, true), -EBADF);
}
END_TEST

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(test_fds_travel_with_their_message_and_arrive_close_on_exec)
{
	int s[2], out[2] = { scratch(), scratch() }, in[FDS_MAX];
	unsigned int n = FDS_MAX;
	struct stat a, b;
	char buf[32];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	ck_assert_int_eq(fds_send(s[0], "entry-add", 9, out, 2), 0);
	ck_assert_int_eq(fds_recv(s[1], buf, sizeof(buf), in, &n), 9);
	ck_assert_mem_eq(buf, "entry-add", 9);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_ne(fcntl(in[0], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fstat(out[1], &a), 0);
	ck_assert_int_eq(fstat(in[1], &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(fds_send(s[0], "ping", 4, NULL, 0), 0);
	n = FDS_MAX;
	ck_assert_int_eq(fds_recv(s[1], buf, sizeof(buf), in, &n), 4);
	ck_assert_uint_eq(n, 0);
	(void)close(s[0]);
	n = FDS_MAX;
	ck_assert_int_eq(fds_recv(s[1], buf, sizeof(buf), in, &n), 0);
}
END_TEST

START_TEST(test_fds_recv_refuses_more_fds_than_expected_and_leaks_none)
{
	int s[2], out[3] = { scratch(), scratch(), scratch() }, in[1] = { -1 };
	unsigned int n = 1, before;
	char buf[8];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	before = open_fds();
	ck_assert_int_eq(fds_send(s[0], "x", 1, out, 3), 0);
	ck_assert_int_eq(fds_recv(s[1], buf, sizeof(buf), in, &n), -EMSGSIZE);
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(open_fds(), before);
	ck_assert_int_eq(fds_send(s[0], "too long for it", 15, out, 1), 0);
	n = 1;
	ck_assert_int_eq(fds_recv(s[1], buf, sizeof(buf), in, &n), -EMSGSIZE);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(test_fds_send_to_a_closed_peer_is_an_error_not_a_signal)
{
	int s[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	(void)close(s[1]);
	ck_assert_int_eq(fds_send(s[0], "x", 1, NULL, 0), -EPIPE);
}
END_TEST

START_TEST(test_ckd_reports_what_does_not_fit)
{
	uint64_t v;
	uint32_t w;

	ck_assert(ckd_add(&v, UINT64_MAX, (uint64_t)1));
	ck_assert(!ckd_add(&v, UINT64_MAX - 1, (uint64_t)1));
	ck_assert(ckd_mul(&v, (uint64_t)1 << 40, (uint64_t)1 << 40));
	ck_assert(ckd_sub(&v, (uint64_t)1, (uint64_t)2));
	ck_assert(ckd_add(&w, (uint64_t)UINT32_MAX, (uint64_t)1));
	ck_assert_uint_eq(min_size(3, 4) + min_u64(9, 8), 11);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_err_set_adds_the_cause_and_wrap_puts_context_in_front,
		test_err_set_without_a_code_is_einval,
		test_err_set_avoids_the_words_that_engines_read_as_exit_codes,
		test_err_texts_are_cut_never_overrun,
		test_log_writes_one_line_with_program_name_level_and_area,
		test_log_cuts_a_long_line_and_still_ends_it,
		test_log_limit_allows_one_line_a_second,
		test_log_escape_keeps_printable_ascii_only,
		test_log_escape_fits_any_text_in_any_buffer,
		test_cursor_reads_little_endian_in_order,
		test_cursor_every_prefix_fails_cleanly,
		test_cursor_once_bad_stays_bad_and_yields_zeros,
		test_cursor_writer_is_sticky_when_full,
		test_le_types_keep_their_value,
		test_strbuf_keeps_what_fits_and_remembers_that_more_came,
		test_fdio_reads_whole_up_to_end_of_file,
		test_fdio_gathers_short_reads_of_a_pipe,
		test_fdio_flags_switch_on_and_off,
		test_fds_travel_with_their_message_and_arrive_close_on_exec,
		test_fds_recv_refuses_more_fds_than_expected_and_leaks_none,
		test_fds_send_to_a_closed_peer_is_an_error_not_a_signal,
		test_ckd_reports_what_does_not_fit,
	};

	return suite_run("base", tests, ARRAY_SIZE(tests));
}

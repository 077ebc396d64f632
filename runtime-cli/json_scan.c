// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/json_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime-cli/json.h"

struct scan {
	const char *text;
	size_t len, at;
	size_t values; /* an upper bound: commas and brackets */
	struct err *e;
};

int json_scan_fail(const char *text, size_t len, size_t at, struct err *e, const char *fmt, ...)
{
	size_t i, line = 1, column = 1;
	char what[160];
	va_list ap;

	for (i = 0; i < at && i < len; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_say(e, EINVAL, "line %zu, column %zu: %s", line, column, what);
}

#define FAIL(s, ...) json_scan_fail((s)->text, (s)->len, (s)->at, (s)->e, __VA_ARGS__)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* at stands on the opening quote; afterwards behind the closing one, or at the end. */
static int scan_string(struct scan *s)
{
	bool nul = false;

	for (s->at++; s->at < s->len && s->text[s->at] != '"'; s->at++) {
		if ((unsigned char)s->text[s->at] < 0x20)
			return FAIL(s, "control character 0x%02x inside a string",
				    (unsigned int)(unsigned char)s->text[s->at]);
		if (s->text[s->at] != '\\')
			continue;
		if (s->len - s->at >= 6 && memcmp(s->text + s->at, "\\u0000", 6) == 0)
			nul = true;
		s->at++; /* whatever is escaped does not end the string */
	}
	if (s->at < s->len)
		s->at++;
	while (s->at < s->len && is_space(s->text[s->at]))
		s->at++;
	if (nul && s->at < s->len && s->text[s->at] == ':')
		return FAIL(s, "a NUL byte inside a field's name");
	return 0;
}

/* Integers must fit 64 bits, signed when negative. */
static int scan_number(struct scan *s)
{
	bool negative = s->text[s->at] == '-', whole = true, fits = true;
	uint64_t v = 0;
	size_t i;

	for (i = s->at + negative; i < s->len; i++) {
		char c = s->text[i];

		if (!is_digit(c)) {
			if (c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-')
				break;
			whole = false;
			continue;
		}
		if (ckd_mul(&v, v, (uint64_t)10) || ckd_add(&v, v, (uint64_t)(c - '0')))
			fits = false;
	}
	if (negative && v > (uint64_t)1 << 63)
		fits = false;
	if (whole && !fits)
		return FAIL(s, "this integer does not fit 64 bits");
	s->at = i;
	return 0;
}

static int scan_word(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i, end = s->at;

	while (end < s->len && is_letter(s->text[end]))
		end++;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i]) == end - s->at && memcmp(words[i], s->text + s->at, end - s->at) == 0) {
			s->at = end;
			return 0;
		}
	}
	return FAIL(s, "neither true, false nor null, and not in double quotes");
}

static int scan_token(struct scan *s)
{
	char c = s->text[s->at];

	if (c == '"')
		return scan_string(s);
	if (c == '-' || is_digit(c))
		return scan_number(s);
	if (is_letter(c))
		return scan_word(s);
	if (c == '{' || c == '[' || c == ',')
		s->values++;
	else if (c == '\0' || strchr("}]: \t\r\n", c) == NULL)
		return FAIL(s, "unexpected character 0x%02x", (unsigned int)(unsigned char)c);
	s->at++;
	return 0;
}

int json_scan(const char *text, size_t len, struct err *e)
{
	struct scan s = { .text = text, .len = len, .e = e };
	int r = 0;

	if (len > JSON_FILE_MAX)
		return err_say(e, E2BIG, "the text is larger than %zu MiB", JSON_FILE_MAX >> 20);
	while (r == 0 && s.at < s.len) {
		r = scan_token(&s);
		if (s.values > JSON_VALUES_MAX)
			return err_say(e, E2BIG, "more than %zu values", JSON_VALUES_MAX);
	}
	return r;
}

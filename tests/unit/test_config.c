// SPDX-License-Identifier: Apache-2.0
/* The command line of kvmbox-vmm. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake/suite.h"
#include "vmm/config.h"

static struct vm_config c;
static struct err e;

#define WORDS_MAX 160

/* Words separated by blanks; an apostrophe stands for a blank inside a word. They are cut in place, so each has a copy.
 */
static int parse(const char *text)
{
	static char copy[WORDS_MAX][512];
	char *argv[WORDS_MAX + 1] = { copy[0] };
	int argc = 1;

	(void)snprintf(copy[0], sizeof(copy[0]), "kvmbox-vmm");
	while (*text != '\0') {
		size_t n = strcspn(text, " "), i;

		ck_assert_int_lt(argc, WORDS_MAX);
		ck_assert_uint_lt(n, sizeof(copy[0]));
		memcpy(copy[argc], text, n);
		copy[argc][n] = '\0';
		for (i = 0; i < n; i++)
			if (copy[argc][i] == '\'')
				copy[argc][i] = ' ';
		argv[argc] = copy[argc];
		argc++;
		text += n + strspn(text + n, " ");
	}
	e = (struct err){ 0 };
	return config_parse(&c, argc, argv, &e);
}

static void refused(const char *text, const char *part)
{
	ck_assert_msg(parse(text) == -EINVAL, "accepted: %s", text);
	ck_assert_msg(strstr(e.text, part) != NULL, "`%s` is not in `%s`", part, e.text);
	ck_assert_msg(strchr(e.text, '\n') == NULL, "one line: %s", e.text);
}

START_TEST(test_defaults)
{
	ck_assert_msg(parse("--kernel vmlinux") == 0, "%s", e.text);
	ck_assert_int_eq(c.action, ACTION_RUN);
	ck_assert_str_eq(c.kernel.path, "vmlinux");
	ck_assert_int_eq(c.kernel.fd, -1);
	ck_assert_uint_eq(c.mem, CONFIG_MEM_DEFAULT);
	ck_assert_uint_eq(c.cpus, 1);
	ck_assert(!c.console && !c.vsock && c.root_tag == NULL && c.shares == 0);
	ck_assert_int_eq(c.control_fd, -1);
	ck_assert_int_eq(c.kvm_fd, -1);
	ck_assert_int_eq(c.log_fd, 2);
	ck_assert_str_eq(c.cmdline, "");
}
END_TEST

START_TEST(test_values_come_with_or_without_an_equals_sign)
{
	ck_assert_int_eq(parse("--kernel=a --mem=2G --cpus 4 --cmdline=x=y'z --console"), 0);
	ck_assert_str_eq(c.kernel.path, "a");
	ck_assert_uint_eq(c.mem, (uint64_t)2 << 30);
	ck_assert_uint_eq(c.cpus, 4);
	ck_assert_str_eq(c.cmdline, "x=y z");
	ck_assert(c.console);
}
END_TEST

START_TEST(test_everything_as_the_launcher_gives_it)
{
	ck_assert_msg(
		parse("--kernel-fd 3 --init-fd 4 --root tag=kvmbox,fd=5,fd=6:ro,fd=7 "
		      "--vsock fd=8,cid=77,control=1024:9 --control-fd 10 --kvm-fd 11 --log-fd 12 --log-level debug "
		      "--name web --mem 512M") == 0,
		"%s", e.text);
	ck_assert_int_eq(c.kernel.fd, 3);
	ck_assert_int_eq(c.initrd.fd, 4);
	ck_assert(c.initrd_is_init);
	ck_assert_str_eq(c.root_tag, "kvmbox");
	ck_assert_uint_eq(c.entries, 3);
	ck_assert(c.entry[0].fd == 5 && !c.entry[0].ro && c.entry[1].fd == 6 && c.entry[1].ro);
	ck_assert(c.vsock && c.vsock_fd == 8 && c.vsock_cid == 77);
	ck_assert_uint_eq(c.vsock_port, 1024);
	ck_assert_int_eq(c.vsock_port_fd, 9);
	ck_assert_int_eq(c.log_level, LOG_DEBUG);
	ck_assert_str_eq(c.name, "web");
}
END_TEST

START_TEST(test_all_named_fds_are_collected)
{
	int fds[CONFIG_FDS_MAX];
	unsigned int seen = 0, n, i;

	ck_assert_int_eq(
		parse("--kernel-fd 3 --initrd-fd 4 --root tag=t,fd=5 --share fd=6,tag=s --vsock fd=7,control=1:8 "
		      "--control-fd 9 --kvm-fd 10 --log-fd 11"),
		0);
	n = config_fds(&c, fds);
	ck_assert_uint_eq(n, 9);
	for (i = 0; i < n; i++)
		seen |= 1u << fds[i];
	ck_assert_uint_eq(seen, 0xff8);
}
END_TEST

START_TEST(test_shares_by_path_and_fd)
{
	ck_assert_int_eq(parse("--kernel k --share path=/srv/a=b,tag=one --share tag=two,fd=9,ro"), 0);
	ck_assert_uint_eq(c.shares, 2);
	ck_assert_str_eq(c.share[0].dir.path, "/srv/a=b");
	ck_assert_str_eq(c.share[0].tag, "one");
	ck_assert(!c.share[0].ro);
	ck_assert(c.share[1].dir.path == NULL && c.share[1].dir.fd == 9 && c.share[1].ro);
}
END_TEST

START_TEST(test_other_actions_need_no_kernel)
{
	ck_assert_int_eq(parse("--version"), 0);
	ck_assert_int_eq(c.action, ACTION_VERSION);
	ck_assert_int_eq(parse("--help"), 0);
	ck_assert_int_eq(c.action, ACTION_HELP);
	ck_assert_int_eq(parse("--limits"), 0);
	ck_assert_int_eq(c.action, ACTION_LIMITS);
	refused("--dry-run", "no kernel");
	ck_assert_int_eq(parse("--dry-run --kernel k"), 0);
	ck_assert_int_eq(c.action, ACTION_DRY_RUN);
}
END_TEST

static const struct {
	const char *text;
	const char *says;
} wrong[] = {
	{ "", "no kernel" },
	{ "--kern x", "unknown option `--kern`" },
	{ "vmlinux", "unknown argument `vmlinux`" },
	{ "--kernel", "--kernel needs a value" },
	{ "--console=yes", "--console takes no value" },
	{ "--kernel a --kernel-fd 3", "--kernel is given twice" },
	{ "--kernel-fd x", "no file descriptor number" },
	{ "--kernel-fd -1", "no file descriptor number" },
	{ "--kernel-fd 4294967296", "no file descriptor number" },
	{ "--kernel a --initrd b --init c", "only one" },
	{ "--kernel a --mem 0", "too little" },
	{ "--kernel a --mem 63M", "too little" },
	{ "--kernel a --mem 1000000", "no multiple of 1 MiB" },
	{ "--kernel a --mem 512", "no multiple of 1 MiB" },
	{ "--kernel a --mem lots", "no size" },
	{ "--kernel a --mem 1X", "no size" },
	{ "--kernel a --mem 1GB", "no size" },
	{ "--kernel a --mem 99999999999T", "too large" },
	{ "--kernel a --mem 99999999999999999999", "too large" },
	{ "--kernel a --cpus 0", "1 to 32" },
	{ "--kernel a --cpus 33", "1 to 32" },
	{ "--kernel a --share tag=x", "needs one of path=DIR and fd=N" },
	{ "--kernel a --share path=,tag=x", "incomplete key `path=`" },
	{ "--kernel a --share path=/,fd=3,tag=x", "needs one of" },
	{ "--kernel a --share path=/", "needs tag=TAG" },
	{ "--kernel a --share path=/,tag=", "1 to 31 bytes" },
	{ "--kernel a --share path=/,tag=01234567890123456789012345678901", "1 to 31 bytes" },
	{ "--kernel a --share path=/,tag=x,rw", "unknown or incomplete key `rw`" },
	{ "--kernel a --share path=/,tag=x,", "empty part" },
	{ "--kernel a --share path=/a,tag=x --share path=/b,tag=x", "used twice" },
	{ "--kernel a --share path=/a,tag=x --root tag=x", "--root's" },
	{ "--kernel a --root fd=3", "needs tag=TAG" },
	{ "--kernel a --root tag=x,fd=3:rw", "only `ro`" },
	{ "--kernel a --root tag=x --root tag=y", "given twice" },
	{ "--kernel a --vsock cid=3", "needs one of path=SOCKET and fd=N" },
	{ "--kernel a --vsock path=s,fd=3", "needs one of" },
	{ "--kernel a --vsock path=s,cid=2", "3 to 4294967294" },
	{ "--kernel a --vsock path=s,cid=4294967295", "3 to 4294967294" },
	{ "--kernel a --vsock path=s,control=1024", "PORT:FD" },
	{ "--kernel a --vsock path=s,control=0:3", "PORT:FD" },
	{ "--kernel a --vsock path=s,buffer=3", "unknown or incomplete key `buffer=`" },
	{ "--kernel a --vsock path=s --vsock path=t", "given twice" },
	{ "--kernel a --control-fd 3 --kvm-fd 3", "descriptor 3 is given for two things" },
	{ "--kernel a --root tag=x,fd=3,fd=3", "given for two things" },
	{ "--kernel a --log-level loud", "none of error" },
	{ "--kernel a --name a'b", "blanks" },
	{ "--kernel a --disk path=x", "--disk is not supported yet" },
	{ "--kernel a --net tap=x", "--net is not supported yet" },
	{ "--kernel a --cmdline a --cmdline b", "given twice" },
};

START_TEST(test_mistakes_are_named)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		refused(wrong[i].text, wrong[i].says);
}
END_TEST

START_TEST(test_numbers_of_shares_and_entries_are_bounded)
{
	char text[8192] = "--kernel k";
	int i;

	for (i = 0; i <= CONFIG_SHARES_MAX; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " --share path=/,tag=t%d", i);
	refused(text, "more than 14");
	(void)snprintf(text, sizeof(text), "--kernel k --root tag=t");
	for (i = 0; i <= 60; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",fd=%d", 10 + i);
	ck_assert_int_eq(parse(text), 0);
	ck_assert_uint_eq(c.entries, 61);
}
END_TEST

START_TEST(test_entries_past_the_limit_are_refused)
{
	char word[4096] = "tag=t", option[] = "--root", kernel[] = "--kernel=k", program[] = "p";
	char *argv[] = { program, kernel, option, word, NULL };
	int i;

	for (i = 0; i <= CONFIG_ENTRIES_MAX; i++)
		(void)snprintf(word + strlen(word), sizeof(word) - strlen(word), ",fd=%d", 10 + i);
	ck_assert_int_eq(config_parse(&c, 4, argv, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "more than 128 entries"));
}
END_TEST

START_TEST(test_sizes)
{
	uint64_t v;

	ck_assert_int_eq(config_size("1048576", &v), 0);
	ck_assert_uint_eq(v, 1 << 20);
	ck_assert_int_eq(config_size("3K", &v), 0);
	ck_assert_uint_eq(v, 3072);
	ck_assert_int_eq(config_size("1T", &v), 0);
	ck_assert_uint_eq(v, (uint64_t)1 << 40);
	ck_assert_int_eq(config_size("16777216T", &v), -ERANGE);
	ck_assert_int_eq(config_size("", &v), -EINVAL);
	ck_assert_int_eq(config_size("-1M", &v), -EINVAL);
	ck_assert_int_eq(config_size(" 1M", &v), -EINVAL);
	ck_assert_int_eq(config_size("0x10", &v), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_defaults,
		test_values_come_with_or_without_an_equals_sign,
		test_everything_as_the_launcher_gives_it,
		test_all_named_fds_are_collected,
		test_shares_by_path_and_fd,
		test_other_actions_need_no_kernel,
		test_mistakes_are_named,
		test_numbers_of_shares_and_entries_are_bounded,
		test_entries_past_the_limit_are_refused,
		test_sizes,
	};

	return suite_run("config", tests, ARRAY_SIZE(tests));
}

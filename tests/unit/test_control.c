// SPDX-License-Identifier: Apache-2.0
/* The control socket: requests, fds, wrong messages, hang-up. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/base/fdio.h"
#include "vmm/control.h"

static struct loop *loop;
static struct control control;
static int peer, ours;
static struct err e;

/* What the VM's side was asked for last, and what it answers */
static struct {
	char what[64];
	int result;
	const char *error;
	unsigned int hangups;
} vm;

static int answer(struct err *err)
{
	return vm.result < 0 && vm.error != NULL ? err_say(err, -vm.result, "%s", vm.error) : vm.result;
}

static int entry_add(void *ctx, int fd, bool ro, struct err *err)
{
	ck_assert_ptr_eq(ctx, &vm);
	ck_assert_int_eq(close(fd), 0);
	(void)snprintf(vm.what, sizeof(vm.what), "entry ro=%d", ro);
	return answer(err);
}

static int slot_add(void *ctx UNUSED, int fd, const char *tag, bool ro, struct err *err)
{
	ck_assert_int_eq(close(fd), 0);
	(void)snprintf(vm.what, sizeof(vm.what), "add %s ro=%d", tag, ro);
	return answer(err);
}

static int slot_del(void *ctx UNUSED, unsigned int slot, struct err *err)
{
	(void)snprintf(vm.what, sizeof(vm.what), "del %u", slot);
	return answer(err);
}

static int klog(void *ctx UNUSED, struct err *err)
{
	(void)snprintf(vm.what, sizeof(vm.what), "klog");
	return answer(err);
}

static void hangup(void *ctx UNUSED)
{
	vm.hangups++;
}

static const struct control_ops ops = {
	.entry_add = entry_add, .slot_add = slot_add, .slot_del = slot_del, .klog = klog, .hangup = hangup
};

static void start(void)
{
	int sv[2];

	memset(&vm, 0, sizeof(vm));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	peer = sv[0];
	ours = sv[1];
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_msg(control_init(&control, loop, ours, &ops, &vm, &e) == 0, "%s", e.text);
}

static void stop(void)
{
	control_fini(&control);
	loop_free(loop);
	(void)close(peer);
	(void)close(ours);
}

/* Send text with n fds, run the loop, return the answer (empty: none came). */
static const char *ask_with(const char *text, size_t len, unsigned int n)
{
	static char buf[2048];
	int fds[FDS_MAX] = { 0 };
	unsigned int i;
	ssize_t got;

	vm.what[0] = '\0';
	for (i = 0; i < n; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fds_send(peer, text, len, fds, n), 0);
	for (i = 0; i < n; i++)
		(void)close(fds[i]);
	ck_assert_int_eq(loop_step(loop, 1000), 1);
	got = recv(peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	buf[got > 0 ? got : 0] = '\0';
	return buf;
}

static const char *ask(const char *text, unsigned int fds)
{
	return ask_with(text, strlen(text), fds);
}

/* Open fds of the process */
static unsigned int open_fds(void)
{
	unsigned int n = 0;
	struct stat st;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fstat(fd, &st) == 0;
	return n;
}

START_TEST(test_requests_reach_the_vm_and_are_answered)
{
	start();
	ck_assert_str_eq(ask("ping", 0), "ok");
	ck_assert_str_eq(ask("ping\n", 0), "ok");
	vm.result = 4;
	ck_assert_str_eq(ask("entry-add ro=0", 1), "ok entry=4");
	ck_assert_str_eq(vm.what, "entry ro=0");
	ck_assert_str_eq(ask("entry-add ro=1", 1), "ok entry=4");
	ck_assert_str_eq(vm.what, "entry ro=1");
	ck_assert_str_eq(ask("slot-add share,tag=vol1", 1), "ok slot=4");
	ck_assert_str_eq(vm.what, "add vol1 ro=0");
	ck_assert_str_eq(ask("slot-add share,tag=vol1,ro", 1), "ok slot=4");
	ck_assert_str_eq(vm.what, "add vol1 ro=1");
	ck_assert_str_eq(ask("klog", 0), "ok lines=4");
	vm.result = 0;
	ck_assert_str_eq(ask("slot-del 15", 0), "ok");
	ck_assert_str_eq(vm.what, "del 15");
	ck_assert_uint_eq(vm.hangups, 0);
	stop();
}
END_TEST

START_TEST(test_a_slot_in_use_is_busy)
{
	start();
	vm.result = -EBUSY;
	ck_assert_str_eq(ask("slot-del 3", 0), "busy");
	stop();
}
END_TEST

START_TEST(test_errors_of_the_vm_are_told)
{
	start();
	vm.result = -ENOSPC;
	vm.error = "all 16 device slots are taken";
	ck_assert_str_eq(ask("slot-add share,tag=x", 1), "error all 16 device slots are taken");
	ck_assert_uint_eq(vm.hangups, 0);
	stop();
}
END_TEST

static const struct {
	const char *text;
	unsigned int fds;
} wrong[] = {
	{ "pong", 0 },
	{ "ping", 1 },
	{ " ping", 0 },
	{ "ping\n\n", 0 },
	{ "ping\tx", 0 },
	{ "klog", 2 },
	{ "entry-add ro=0", 0 },
	{ "entry-add ro=0", 2 },
	{ "entry-add", 1 },
	{ "entry-add ro=2", 1 },
	{ "entry-add ro=0 ", 1 },
	{ "slot-add share,tag=x", 0 },
	{ "slot-add share,tag=", 1 },
	{ "slot-add share,tag=0123456789012345678901234567890123", 1 },
	{ "slot-add share,tag=x,rw", 1 },
	{ "slot-add disk,tag=x", 1 },
	{ "slot-add", 1 },
	{ "slot-del", 0 },
	{ "slot-del -1", 0 },
	{ "slot-del 1x", 0 },
	{ "slot-del 65536", 0 },
	{ "slot-del 99999999999999999999999", 0 },
	{ "slot-del 1", 1 },
};

START_TEST(test_wrong_messages_are_errors_and_leak_nothing)
{
	unsigned int before;
	size_t i;

	start();
	before = open_fds();
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *got = ask(wrong[i].text, wrong[i].fds);

		ck_assert_msg(strncmp(got, "error ", 6) == 0, "`%s` for `%s`", got, wrong[i].text);
		ck_assert_str_eq(vm.what, "");
	}
	ck_assert_uint_eq(open_fds(), before);
	ck_assert_uint_eq(vm.hangups, 0);
	ck_assert_str_eq(ask("ping", 0), "ok");
	stop();
}
END_TEST

START_TEST(test_a_nul_inside_is_refused)
{
	start();
	ck_assert(strncmp(ask_with("ping\0x", 6, 0), "error ", 6) == 0);
	stop();
}
END_TEST

START_TEST(test_a_message_that_is_too_long_is_refused)
{
	static char text[CONTROL_LINE_MAX + 2];

	memset(text, 'a', sizeof(text));
	start();
	ck_assert_ptr_nonnull(strstr(ask_with(text, CONTROL_LINE_MAX, 0), "unknown request"));
	ck_assert_ptr_nonnull(strstr(ask_with(text, CONTROL_LINE_MAX + 1, 0), "too long"));
	ck_assert_str_eq(ask("ping", 0), "ok");
	stop();
}
END_TEST

START_TEST(test_end_of_file_is_a_hangup)
{
	start();
	(void)shutdown(peer, SHUT_RDWR);
	ck_assert_int_eq(loop_step(loop, 1000), 1);
	ck_assert_uint_eq(vm.hangups, 1);
	stop();
}
END_TEST

START_TEST(test_a_peer_that_does_not_read_its_answers_is_hung_up_on)
{
	unsigned int i;

	start();
	for (i = 0; i < 100000 && vm.hangups == 0; i++) {
		ck_assert_int_eq(fds_send(peer, "ping", 4, NULL, 0), 0);
		ck_assert_int_eq(loop_step(loop, 1000), 1);
	}
	ck_assert_uint_eq(vm.hangups, 1);
	stop();
}
END_TEST

START_TEST(test_only_a_seqpacket_socket_is_taken)
{
	int sv[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(control_init(&control, loop, null, &ops, &vm, &e), -ENOTSOCK);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	ck_assert_int_eq(control_init(&control, loop, sv[0], &ops, &vm, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "SEQPACKET"));
	ck_assert_int_eq(control_init(&control, loop, -1, &ops, &vm, &e), 0);
	control_fini(&control);
	loop_free(loop);
}
END_TEST

START_TEST(test_last_words_are_sent_as_they_are_and_to_nobody)
{
	char buf[64] = "";

	start();
	ck_assert_int_eq(control_send(ours, "exit %s", "poweroff"), 0);
	ck_assert_int_eq(recv(peer, buf, sizeof(buf), MSG_DONTWAIT), 13);
	ck_assert_str_eq(buf, "exit poweroff");
	ck_assert_int_eq(control_send(-1, "exit"), 0);
	(void)shutdown(peer, SHUT_RDWR);
	ck_assert_int_eq(control_send(ours, "exit"), -EPIPE);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_requests_reach_the_vm_and_are_answered,
		test_a_slot_in_use_is_busy,
		test_errors_of_the_vm_are_told,
		test_wrong_messages_are_errors_and_leak_nothing,
		test_a_nul_inside_is_refused,
		test_a_message_that_is_too_long_is_refused,
		test_end_of_file_is_a_hangup,
		test_a_peer_that_does_not_read_its_answers_is_hung_up_on,
		test_only_a_seqpacket_socket_is_taken,
		test_last_words_are_sent_as_they_are_and_to_nobody,
	};

	return suite_run("control", tests, ARRAY_SIZE(tests));
}

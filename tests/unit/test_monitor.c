// SPDX-License-Identifier: Apache-2.0
/*
 * runtime-cli/monitor with agent.c and stream.c: the test plays kvmbox-vmm, the guest's agent and the creating CLI; the
 * monitor runs in a child, whose exit status is what is looked at in the end.
 */
#include "runtime-cli/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"
#include "vmm/base/fdio.h"

struct rig {
	pid_t pid;
	int agent, vmm, commit, ctl; /* our ends; ctl: the listening socket */
	int out;                     /* our end of the stdout stream's connection */
	int host_out;                /* read end of what the monitor has as stdout */
	int status;
	char ctl_path[64];
};

static void pair(int type, int fd[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
}

static int listen_ctl(struct rig *g)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* an abstract name: nothing to remove */
	(void)snprintf(g->ctl_path, sizeof(g->ctl_path), "kvmbox-test-%d-%ld", getpid(), random());
	memcpy(sa.sun_path + 1, g->ctl_path, strlen(g->ctl_path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

static struct rig rig_new(bool sandbox)
{
	int agent[2], vmm[2], commit[2], out[2], host_out[2];
	char path[] = "/tmp/kvmbox-monitor.XXXXXX";
	struct rig g = { 0 };

	pair(SOCK_STREAM, agent);
	pair(SOCK_SEQPACKET, vmm);
	pair(SOCK_SEQPACKET, commit);
	pair(SOCK_STREAM, out);
	ck_assert_int_eq(pipe2(host_out, O_CLOEXEC), 0);
	g.ctl = listen_ctl(&g);
	g.status = mkstemp(path);
	(void)unlink(path);
	g.pid = fork();
	if (g.pid == 0) {
		struct monitor_config c = { .agent = agent[0],
					    .vmm = vmm[0],
					    .ctl = g.ctl,
					    .commit = commit[0],
					    .status = g.status,
					    .conn = { -1, out[0], -1, -1 },
					    .setup = "",
					    .create = "" };
		struct monitor *m;

		(void)close(agent[1]);
		(void)close(vmm[1]);
		(void)close(commit[1]);
		(void)close(out[1]);
		(void)dup2(host_out[1], STDOUT_FILENO);
		(void)close(host_out[1]);
		(void)close(host_out[0]);
		if (monitor_new(&m, &c) < 0 || (sandbox && monitor_sandbox(m) < 0))
			_exit(99);
		_exit(monitor_run(m));
	}
	(void)close(agent[0]);
	(void)close(vmm[0]);
	(void)close(commit[0]);
	(void)close(out[0]);
	(void)close(host_out[1]);
	g.agent = agent[1];
	g.vmm = vmm[1];
	g.commit = commit[1];
	g.out = out[1];
	g.host_out = host_out[0];
	return g;
}

static int rig_wait(struct rig *g)
{
	int status;

	ck_assert_int_eq(waitpid(g->pid, &status, 0), g->pid);
	ck_assert_msg(WIFEXITED(status), "the monitor was killed by signal %d", WTERMSIG(status));
	(void)close(g->ctl);
	return WEXITSTATUS(status);
}

static void send_frame(int fd, enum proto_type type, uint32_t seq, const void *body, size_t len)
{
	uint8_t buf[1024];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t mark = proto_begin(&w, type, seq);

	wr_bytes(&w, body, len);
	proto_end(&w, mark);
	ck_assert_int_eq(write_full(fd, buf, w.len), 0);
}

static void send_hello(struct rig *g, uint16_t major)
{
	uint8_t body[64];
	struct wr w = wr_init(body, sizeof(body));
	uint16_t version[2] = { major, 0 };

	proto_put_bytes(&w, PROTO_T_VERSION, version, sizeof(version));
	proto_put_str(&w, PROTO_T_BUILD, "test");
	send_frame(g->agent, PROTO_HELLO, 0, body, w.len);
}

static void send_exited(struct rig *g, uint32_t code, uint32_t sig)
{
	uint8_t body[64];
	struct wr w = wr_init(body, sizeof(body));
	uint32_t status[3] = { code, sig, 0 };

	proto_put_u32(&w, PROTO_T_PROC, PROTO_PROC_INIT);
	proto_put_bytes(&w, PROTO_T_STATUS, status, sizeof(status));
	send_frame(g->agent, PROTO_EXITED, 0, body, w.len);
}

/* Read one frame of the type from the monitor; its seq */
static uint32_t expect_frame(int fd, enum proto_type type)
{
	uint8_t head[PROTO_HEADER_LEN], body[4096];
	struct rd r = rd_init(head, sizeof(head));
	uint32_t len, seq;

	ck_assert_int_eq(read_full(fd, head, sizeof(head)), sizeof(head));
	len = rd_u32(&r);
	ck_assert_int_eq(rd_u16(&r), type);
	(void)rd_u16(&r);
	seq = rd_u32(&r);
	ck_assert_uint_le(len, sizeof(body));
	ck_assert_int_eq(read_full(fd, body, len), len);
	return seq;
}

static void expect_message(int fd, const char *want)
{
	char buf[700];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	ck_assert_msg(strncmp(buf, want, strlen(want)) == 0, "wanted `%s`, got `%s`", want, buf);
}

/* Up to "created", with the stdout stream attached */
static void bring_up(struct rig *g)
{
	char line[32];
	uint32_t setup, create;

	send_hello(g, PROTO_MAJOR);
	setup = expect_frame(g->agent, PROTO_SETUP);
	create = expect_frame(g->agent, PROTO_CREATE);
	ck_assert_int_eq(read_full(g->out, line, 13), 13);
	ck_assert_mem_eq(line, "CONNECT 1025\n", 13);
	(void)expect_frame(g->out, PROTO_ATTACH);
	ck_assert_int_eq(write_full(g->out, "OK 1073741824\n", 14), 0);
	send_frame(g->out, PROTO_OK, 1, "", 0);
	send_frame(g->agent, PROTO_OK, setup, "", 0);
	send_frame(g->agent, PROTO_OK, create, "", 0);
	expect_message(g->commit, "created");
}

static void start(struct rig *g)
{
	uint32_t seq;

	ck_assert_int_eq(send(g->commit, "start", 5, 0), 5);
	seq = expect_frame(g->agent, PROTO_START);
	send_frame(g->agent, PROTO_OK, seq, "", 0);
	expect_message(g->commit, "started");
}

static int ctl(const struct rig *g, const char *request)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path + 1, g->ctl_path, strlen(g->ctl_path));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	return fd;
}

static char status_letter(const struct rig *g)
{
	char c = '\0';

	ck_assert_int_ge(pread(g->status, &c, 1, 0), 0);
	return c;
}

START_TEST(test_a_whole_life_gives_output_and_status)
{
	struct rig g = rig_new(false);
	char buf[8];

	bring_up(&g);
	ck_assert_int_eq(status_letter(&g), 'c');
	start(&g);
	ck_assert_int_eq(status_letter(&g), 'r');
	ck_assert_int_eq(write_full(g.out, "out", 3), 0);
	send_exited(&g, 7, 0);
	ck_assert_int_eq(write_full(g.out, "put", 3), 0); /* still on its way when the status is known */
	ck_assert_int_eq(shutdown(g.out, SHUT_WR), 0);
	ck_assert_int_eq(read_full(g.host_out, buf, sizeof(buf)), 6);
	ck_assert_mem_eq(buf, "output", 6);
	ck_assert_int_eq(rig_wait(&g), 7);
	ck_assert_int_eq(status_letter(&g), 'x');
}
END_TEST

START_TEST(test_a_signal_gives_128_and_its_number)
{
	struct rig g = rig_new(false);

	bring_up(&g);
	start(&g);
	send_exited(&g, 0, SIGKILL);
	ck_assert_int_eq(shutdown(g.out, SHUT_WR), 0);
	ck_assert_int_eq(rig_wait(&g), 137);
}
END_TEST

START_TEST(test_it_works_behind_its_filter)
{
	struct rig g = rig_new(true);
	int client;
	uint32_t seq;

	bring_up(&g);
	start(&g);
	client = ctl(&g, "signal 15 0");
	seq = expect_frame(g.agent, PROTO_SIGNAL);
	send_frame(g.agent, PROTO_OK, seq, "", 0);
	expect_message(client, "ok");
	ck_assert_int_eq(write_full(g.out, "x", 1), 0);
	ck_assert_int_eq(shutdown(g.out, SHUT_WR), 0);
	send_exited(&g, 3, 0);
	ck_assert_int_eq(rig_wait(&g), 3);
}
END_TEST

START_TEST(test_the_death_of_the_creator_before_commit_ends_it)
{
	struct rig g = rig_new(false);

	bring_up(&g);
	(void)close(g.commit);
	ck_assert_int_eq(rig_wait(&g), MONITOR_STATUS_VM_DIED);
}
END_TEST

START_TEST(test_the_death_of_the_creator_after_commit_does_not)
{
	struct rig g = rig_new(false);
	int client;

	bring_up(&g);
	ck_assert_int_eq(send(g.commit, "commit", 6, 0), 6);
	(void)close(g.commit);
	client = ctl(&g, "start");
	send_frame(g.agent, PROTO_OK, expect_frame(g.agent, PROTO_START), "", 0);
	expect_message(client, "ok");
	client = ctl(&g, "start");
	expect_message(client, "error 22 cannot start an already running container");
	send_exited(&g, 0, 0);
	ck_assert_int_eq(shutdown(g.out, SHUT_WR), 0);
	ck_assert_int_eq(rig_wait(&g), 0);
}
END_TEST

START_TEST(test_the_death_of_the_vm_ends_it_with_the_reason)
{
	struct rig g = rig_new(false);
	char text[128] = "";

	bring_up(&g);
	start(&g);
	ck_assert_int_eq(send(g.vmm, "exit panic Attempted\nto kill init", 33, 0), 33);
	(void)close(g.vmm);
	ck_assert_int_eq(waitpid(g.pid, NULL, 0), g.pid);
	ck_assert_int_gt(pread(g.status, text, sizeof(text) - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(text, "xthe VM ended: panic Attempted\\x0ato kill init"));
}
END_TEST

START_TEST(test_a_hostile_agent_ends_the_vm_and_nothing_else)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00", 12 }, /* a body of 4 GiB */
		{ "\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00", 12 }, /* flags */
		{ "\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00", 12 }, /* an unknown type */
		{ "\x00\x00\x00\x00\x02\x00\x00\x00\x63\x00\x00\x00", 12 }, /* an answer nobody asked for */
		{ "\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00", 12 }, /* EXITED before CREATE */
		{ "\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x80\x00\x00", 16 }, /* half a TLV */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig g = rig_new(false);

		ck_assert_int_eq(write_full(g.agent, rows[i].bytes, rows[i].len), 0);
		expect_message(g.commit, "error 5 the VM ended");
		ck_assert_int_eq(rig_wait(&g), MONITOR_STATUS_VM_DIED);
	}
}
END_TEST

START_TEST(test_another_protocol_version_is_named)
{
	struct rig g = rig_new(false);

	send_hello(&g, PROTO_MAJOR + 1);
	expect_message(g.commit, "error 5 the VM ended: the guest's agent (test) speaks protocol 2");
	ck_assert_int_eq(rig_wait(&g), MONITOR_STATUS_VM_DIED);
}
END_TEST

START_TEST(test_a_refused_create_reaches_the_creator)
{
	uint8_t frame[256];
	struct wr w = wr_init(frame, sizeof(frame));
	struct rig g = rig_new(false);
	uint32_t seq;

	send_hello(&g, PROTO_MAJOR);
	(void)expect_frame(g.agent, PROTO_SETUP);
	seq = expect_frame(g.agent, PROTO_CREATE);
	proto_put_error(&w, seq, ENOENT, "exec: \"x\": executable file not found in $PATH");
	ck_assert_int_eq(write_full(g.agent, frame, w.len), 0);
	expect_message(g.commit, "error 2 exec: \"x\": executable file not found in $PATH");
	ck_assert_int_eq(rig_wait(&g), 1);
}
END_TEST

START_TEST(test_a_signal_to_the_monitor_goes_to_the_guest)
{
	struct rig g = rig_new(false);

	bring_up(&g);
	start(&g);
	ck_assert_int_eq(kill(g.pid, SIGUSR1), 0);
	(void)expect_frame(g.agent, PROTO_SIGNAL);
	send_exited(&g, 0, 0);
	ck_assert_int_eq(shutdown(g.out, SHUT_WR), 0);
	ck_assert_int_eq(rig_wait(&g), 0);
}
END_TEST

START_TEST(test_clients_that_talk_nonsense_are_answered_and_forgotten)
{
	static const char *const requests[] = { "", "x", "signal", "signal 99 0", "signal a b", "start start" };
	struct rig g = rig_new(false);
	size_t i;

	bring_up(&g);
	for (i = 1; i < ARRAY_SIZE(requests); i++) {
		int fd = ctl(&g, requests[i]);

		expect_message(fd, "error ");
		(void)close(fd);
	}
	for (i = 0; i < 100; i++)
		(void)close(ctl(&g, "logs"));
	start(&g);
	send_exited(&g, 0, 0);
	ck_assert_int_eq(shutdown(g.out, SHUT_WR), 0);
	ck_assert_int_eq(rig_wait(&g), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_whole_life_gives_output_and_status,
		test_a_signal_gives_128_and_its_number,
		test_it_works_behind_its_filter,
		test_the_death_of_the_creator_before_commit_ends_it,
		test_the_death_of_the_creator_after_commit_does_not,
		test_the_death_of_the_vm_ends_it_with_the_reason,
		test_a_hostile_agent_ends_the_vm_and_nothing_else,
		test_another_protocol_version_is_named,
		test_a_refused_create_reaches_the_creator,
		test_a_signal_to_the_monitor_goes_to_the_guest,
		test_clients_that_talk_nonsense_are_answered_and_forgotten,
	};

	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	return suite_run("monitor", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The host's side of the agent for tests: the server runs in a child over socket pairs, on this machine, with a root
 * file system of this machine's /usr. Needs root, namespaces and busybox: host_start() tells, and prints the test's
 * name.
 *
 * Every wait is bounded; a frame or stream that does not come fails the test.
 */
#ifndef KVMBOX_TEST_AGENT_HOST_H
#define KVMBOX_TEST_AGENT_HOST_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-init/server.h"
#include "tests/unit/agent_create.h"
#include "vmm/base/fdio.h"

#define BASE    "/tmp"
#define SHARES  BASE "/shares"
#define WAIT_MS 10000

#define OUTPUTS (1u << PROTO_STDOUT | 1u << PROTO_STDERR)
#define PIPES   (1u << PROTO_STDIN | OUTPUTS)

static struct {
	int control;
	struct sockaddr_un stream_addr;
	pid_t agent;
	int calls;        /* the fake machine writes a line for each call */
	char cgroup[128]; /* path of our cgroup, "" when there is none */
	uint32_t seq;
	uint8_t frame[PROTO_MAX_TO_HOST + PROTO_HEADER_LEN]; /* the last one received */
	struct proto_frame f;
} host;

static uint8_t request_buf[1 << 16];

/* --- the fake machine --- */

static inline int fake_accept(void *ctx, int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)ctx;
	return fd < 0 ? -errno : fd;
}

static inline int fake_clock(void *ctx, uint64_t ns)
{
	(void)ctx;
	dprintf(host.calls, "clock %llu\n", (unsigned long long)ns);
	return 0;
}

static inline int fake_entropy(void *ctx, const void *bytes, size_t len)
{
	(void)ctx;
	dprintf(host.calls, "entropy %.*s\n", (int)len, (const char *)bytes);
	return 0;
}

static inline int fake_hostname(void *ctx, const char *name, size_t len)
{
	(void)ctx;
	dprintf(host.calls, "hostname %.*s\n", (int)len, name);
	return len > 8 ? -EINVAL : 0;
}

static inline int fake_slot(void *ctx, uint32_t slot, bool add, struct err *e)
{
	(void)ctx;
	dprintf(host.calls, "slot %u %d\n", slot, add);
	return slot < 16 ? 0 : err_say(e, EINVAL, "BIND: slot %u", slot);
}

static inline void fake_sync(void *ctx)
{
	(void)ctx;
	dprintf(host.calls, "sync\n");
}

static inline bool fake_oom(void *ctx)
{
	(void)ctx;
	return access(BASE "/oom", F_OK) == 0;
}

static const struct server_ops fake_ops = {
	.accept = fake_accept,
	.set_clock = fake_clock,
	.add_entropy = fake_entropy,
	.set_hostname = fake_hostname,
	.bind_slot = fake_slot,
	.sync_shares = fake_sync,
	.oom_happened = fake_oom,
};

/* --- start and end --- */

static inline void make_root(void)
{
	static const char *const dirs[] = { SHARES,           BASE "/at",          SHARES "/0",
					    SHARES "/0/etc",  SHARES "/0/usr",     SHARES "/0/tmp",
					    SHARES "/0/home", SHARES "/0/home/me", SHARES "/1" };
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	char from[64], to[64];
	size_t i;
	FILE *f;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		ck_assert_int_eq(mkdir(dirs[i], 0755), 0);
	for (i = 0; i < ARRAY_SIZE(links); i++) {
		(void)snprintf(from, sizeof(from), "usr/%s", links[i]);
		(void)snprintf(to, sizeof(to), SHARES "/0/%s", links[i]);
		ck_assert_int_eq(symlink(from, to), 0);
	}
	ck_assert_int_eq(mount("/usr", SHARES "/1", NULL, MS_BIND, NULL), 0);
	f = fopen(SHARES "/0/etc/passwd", "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs("root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n", f);
	(void)fclose(f);
}

/* Our own cgroup v2, when this machine has one that can be written. */
static inline int make_cgroup(void)
{
	static const char *const tops[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tops); i++) {
		char probe[64];

		(void)snprintf(probe, sizeof(probe), "%s/cgroup.procs", tops[i]);
		(void)snprintf(host.cgroup, sizeof(host.cgroup), "%s/kvmbox-test-%d", tops[i], (int)getpid());
		if (access(probe, F_OK) == 0 && mkdir(host.cgroup, 0755) == 0)
			return open(host.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	host.cgroup[0] = '\0';
	return -1;
}

NORETURN static inline void be_agent(int control, int listener, int cgroup)
{
	struct server_config cfg = { .control = control,
				     .listener = listener,
				     .where = { .shares = SHARES, .at = BASE "/at" },
				     .proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				     .cgroup = cgroup,
				     .cgroup_path = cgroup < 0 ? "" : strrchr(host.cgroup, '/'),
				     .ops = &fake_ops };

	_exit((int)server_run(&cfg));
}

/* False: not on this machine, and the test's name was printed. */
static inline bool host_start(const char *test)
{
	int pair[2], calls[2], listener, cgroup;

	if (geteuid() != 0 || access("/usr/bin/busybox", X_OK) < 0 || unshare(CLONE_NEWNS) < 0) {
		printf("skipped: %s: needs root, namespaces and busybox\n", test);
		return false;
	}
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", BASE, "tmpfs", 0, NULL), 0);
	make_root();
	cgroup = make_cgroup();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(fd_set_nonblock(pair[1], true), 0);
	ck_assert_int_eq(pipe2(calls, O_CLOEXEC), 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	host.stream_addr = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = BASE "/streams" };
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&host.stream_addr, sizeof(host.stream_addr)), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	host.agent = fork();
	if (host.agent == 0) {
		(void)close(pair[0]);
		host.calls = calls[1];
		be_agent(pair[1], listener, cgroup);
	}
	(void)close(pair[1]);
	(void)close(calls[1]);
	(void)close(listener);
	fd_close(&cgroup);
	host.control = pair[0];
	host.calls = calls[0];
	return true;
}

/* --- frames --- */

static inline bool ready(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) > 0;
}

static inline struct wr request(void)
{
	return wr_init(request_buf + PROTO_HEADER_LEN, sizeof(request_buf) - PROTO_HEADER_LEN);
}

/* The body in request_buf goes out as one frame; its seq. */
static inline uint32_t tell(enum proto_type type, const struct wr *w)
{
	struct wr head = wr_init(request_buf, PROTO_HEADER_LEN);

	ck_assert(wr_ok(w));
	(void)proto_begin(&head, type, ++host.seq);
	wr_patch_u32(&head, 0, (uint32_t)w->len);
	ck_assert_int_eq(write_full(host.control, request_buf, PROTO_HEADER_LEN + w->len), 0);
	return host.seq;
}

/* The next frame, in host.f; false at end of file. */
static inline bool hear_from(int fd)
{
	size_t got = 0;
	int r = 0;

	while (r == 0) {
		struct rd head = rd_init(host.frame, got);
		size_t want = got < PROTO_HEADER_LEN ? PROTO_HEADER_LEN : PROTO_HEADER_LEN + (size_t)rd_u32(&head);
		ssize_t n;

		ck_assert_msg(ready(fd, POLLIN, WAIT_MS), "no frame came");
		n = read(fd, host.frame + got, want - got);
		if (n <= 0)
			return false;
		got += (size_t)n;
		r = proto_frame_next(host.frame, got, PROTO_MAX_TO_HOST, &host.f);
	}
	ck_assert_int_eq(r, 1);
	return true;
}

static inline bool tag_of(uint16_t tag, struct rd *v)
{
	struct rd body = host.f.body;
	struct proto_tlv t;

	while (proto_tlv_next(&body, &t) > 0)
		if (t.tag == tag) {
			*v = t.value;
			return true;
		}
	return false;
}

static inline const char *error_text(void)
{
	static char text[PROTO_TEXT_MAX + 1];
	struct rd v = { 0 };
	const char *s = "";
	size_t n = 0;

	if (!tag_of(PROTO_T_TEXT, &v) || proto_get_str(v, &s, &n) < 0)
		return "";
	memcpy(text, s, n);
	text[n] = '\0';
	return text;
}

static inline void expect_ok(uint32_t seq)
{
	ck_assert(hear_from(host.control));
	ck_assert_msg(host.f.type == PROTO_OK, "%s: %s", proto_type_name(host.f.type), error_text());
	ck_assert_uint_eq(host.f.seq, seq);
}

static inline void expect_error(uint32_t seq, uint32_t code, const char *text)
{
	struct rd v = { 0 };
	uint32_t got;

	ck_assert(hear_from(host.control));
	ck_assert_msg(host.f.type == PROTO_ERROR, "%s", proto_type_name(host.f.type));
	ck_assert_uint_eq(host.f.seq, seq);
	ck_assert(tag_of(PROTO_T_ERRNO, &v) && proto_get_u32(v, &got) == 0);
	ck_assert_msg(got == code, "%u: %s", got, error_text());
	ck_assert_msg(strstr(error_text(), text) != NULL, "`%s` is not in `%s`", text, error_text());
}

static inline void expect_exited(uint32_t code, uint32_t signal, uint32_t flags)
{
	struct rd v = { 0 };
	uint32_t proc;

	ck_assert(hear_from(host.control));
	ck_assert_msg(host.f.type == PROTO_EXITED, "%s: %s", proto_type_name(host.f.type), error_text());
	ck_assert_uint_eq(host.f.seq, 0);
	ck_assert(tag_of(PROTO_T_PROC, &v) && proto_get_u32(v, &proc) == 0);
	ck_assert_uint_eq(proc, PROTO_PROC_INIT);
	ck_assert(tag_of(PROTO_T_STATUS, &v));
	ck_assert_uint_eq(rd_u32(&v), code);
	ck_assert_uint_eq(rd_u32(&v), signal);
	ck_assert_uint_eq(rd_u32(&v), flags);
	ck_assert(rd_done(&v));
}

static inline void expect_hello(void)
{
	struct rd v = { 0 };

	ck_assert(hear_from(host.control));
	ck_assert_uint_eq(host.f.type, PROTO_HELLO);
	ck_assert(tag_of(PROTO_T_VERSION, &v));
	ck_assert_uint_eq(rd_u16(&v), PROTO_MAJOR);
	ck_assert_uint_eq(rd_u16(&v), PROTO_MINOR);
	ck_assert(tag_of(PROTO_T_BUILD, &v));
}

/* The agent has ended, in this way. */
static inline void expect_end(enum server_end end)
{
	int i, status = -1;
	pid_t pid = 0;

	for (i = 0; i < WAIT_MS / 10 && pid == 0; i++) {
		pid = waitpid(host.agent, &status, WNOHANG);
		if (pid == 0)
			(void)poll(NULL, 0, 10);
	}
	ck_assert_int_eq(pid, host.agent);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == (int)end, "status 0x%x", status);
	if (host.cgroup[0] != '\0') {
		char inner[160];

		(void)snprintf(inner, sizeof(inner), "%s/c1", host.cgroup);
		for (i = 0; i < 100 && rmdir(inner) < 0 && errno == EBUSY; i++)
			(void)poll(NULL, 0, 10);
		ck_assert_int_eq(rmdir(host.cgroup), 0);
	}
}

static inline void host_end(void)
{
	struct wr w = request();

	(void)tell(PROTO_SHUTDOWN, &w);
	expect_end(SERVER_SHUTDOWN);
}

/* --- requests --- */

static inline uint32_t simple(enum proto_type type)
{
	struct wr w = request();

	proto_put_u32(&w, PROTO_T_PROC, PROTO_PROC_INIT);
	return tell(type, &w);
}

static inline uint32_t tell_signal(uint32_t signo, bool all)
{
	struct wr w = request();

	proto_put_u32(&w, PROTO_T_PROC, PROTO_PROC_INIT);
	proto_put_u32(&w, PROTO_T_SIGNO, signo);
	proto_put_u8(&w, PROTO_T_ALL, all);
	return tell(PROTO_SIGNAL, &w);
}

/* What this machine's root may: not always all there are. */
static inline uint64_t own_caps(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	ck_assert_int_eq(syscall(SYS_capget, &h, d), 0);
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

/* A container with /usr, /proc and /dev, all capabilities, and what the caller adds (its command, for one). */
static inline struct wr container_in(uint64_t namespaces, uint32_t streams)
{
	uint64_t caps = own_caps();
	struct wr w = request();

	put_least(&w, namespaces);
	put_mount_as(&w, 1, 0, MS_BIND | MS_RDONLY, "/usr", "", "");
	put_fs(&w, "/proc", "proc", 0, "");
	put_fs(&w, "/dev", "tmpfs", MS_NOSUID, "mode=755");
	put_caps(&w, caps, caps, 0, caps, 0);
	proto_put_str(&w, C(PROTO_T_ENV), "PATH=/bin:/usr/bin");
	proto_put_u32(&w, C(PROTO_T_STREAMS), streams);
	return w;
}

static inline struct wr container(uint32_t streams)
{
	return container_in(ALL_NAMESPACES, streams);
}

static inline void put_shell(struct wr *w, const char *script)
{
	proto_put_str(w, C(PROTO_T_ARG), "/bin/busybox");
	proto_put_str(w, C(PROTO_T_ARG), "sh");
	proto_put_str(w, C(PROTO_T_ARG), "-c");
	proto_put_str(w, C(PROTO_T_ARG), script);
}

/* A busybox applet and its arguments, ended by NULL */
static inline void put_command(struct wr *w, ...)
{
	const char *arg;
	va_list ap;

	proto_put_str(w, C(PROTO_T_ARG), "/bin/busybox");
	va_start(ap, w);
	while ((arg = va_arg(ap, const char *)) != NULL)
		proto_put_str(w, C(PROTO_T_ARG), arg);
	va_end(ap);
}

/* --- streams --- */

static inline int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&host.stream_addr, sizeof(host.stream_addr)), 0);
	return fd;
}

static inline void send_attach(int fd, uint32_t proc, uint32_t kind)
{
	uint8_t buf[64];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t mark = proto_begin(&w, PROTO_ATTACH, 77);

	proto_put_u32(&w, PROTO_T_PROC, proc);
	proto_put_u32(&w, PROTO_T_STREAM, kind);
	proto_end(&w, mark);
	ck_assert_int_eq(write_full(fd, buf, w.len), 0);
}

static inline int attach(enum proto_stream kind)
{
	int fd = dial();

	send_attach(fd, PROTO_PROC_INIT, kind);
	ck_assert(hear_from(fd));
	ck_assert_msg(host.f.type == PROTO_OK, "%s", error_text());
	ck_assert_uint_eq(host.f.seq, 77);
	return fd;
}

/* All that comes until end of file, at most cap - 1 bytes; terminated. */
static inline size_t read_all(int fd, char *buf, size_t cap)
{
	size_t got = 0;

	for (;;) {
		ssize_t n;

		ck_assert_msg(ready(fd, POLLIN, WAIT_MS), "the stream does not end");
		n = read(fd, buf + got, cap - 1 - got);
		ck_assert_int_ge(n, 0);
		if (n == 0 || got == cap - 1)
			break;
		got += (size_t)n;
	}
	buf[got] = '\0';
	return got;
}

/* A container whose command's standard output is `want` and that exits with code 0. */
static inline void expect_output(struct wr *w, const char *want)
{
	static char got[1 << 16];
	uint32_t seq = tell(PROTO_CREATE, w);
	int out;

	expect_ok(seq);
	out = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	(void)read_all(out, got, sizeof(got));
	ck_assert_str_eq(got, want);
	expect_exited(0, 0, 0);
	(void)close(out);
}

#define HOST_START()                                                                                                   \
	do {                                                                                                           \
		if (!host_start(__func__))                                                                             \
			return;                                                                                        \
		expect_hello();                                                                                        \
	} while (0)

#endif

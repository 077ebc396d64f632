// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime-cli/agent.h"
#include "runtime-cli/priv.h"
#include "runtime-cli/stream.h"
#include "vmm/base/fdio.h"
#include "vmm/base/filter.h"
#include "vmm/base/log.h"
#include "vmm/base/step.h"

#define CLIENTS_MAX 16
#define MESSAGE_MAX 600

enum phase { WAIT_HELLO, PREPARING, CREATED, STARTING, RUNNING, EXITED };

struct monitor {
	struct monitor_config c;
	enum phase phase;
	bool committed;
	bool create_done; /* CREATE was answered */
	int exit_status;
	char vm_end[MESSAGE_MAX]; /* kvmbox-vmm's last words */
	int signals;
	int client[CLIENTS_MAX]; /* connections of ctl.sock; -1: free */
	int log_client;          /* waits for kvmbox-vmm's answer; -1: none */
	struct agent agent;
	struct stream stream[PROTO_STREAM_COUNT];
};

/* Negative results of the handlers end the loop: END with the exit status set, others as an error. */
#define END (-4095)

enum {
	P_SIGNALS,
	P_AGENT,
	P_VMM,
	P_CTL,
	P_COMMIT,
	P_CLIENT,
	P_STREAM = P_CLIENT + CLIENTS_MAX,
	P_COUNT = P_STREAM + PROTO_STREAM_COUNT * STREAM_POLLFDS
};

/* --- small messages --- */

static void say(int fd, const char *text)
{
	/* A peer that went away, or that does not read, misses its answer. */
	(void)send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_error(int fd, uint32_t code, const char *text)
{
	char msg[MESSAGE_MAX];

	(void)snprintf(msg, sizeof(msg), "error %u %.*s", code, MESSAGE_MAX - 32, text);
	say(fd, msg);
}

static void write_status(const struct monitor *m, char letter, const char *text)
{
	char buf[MESSAGE_MAX + 2];
	int n = snprintf(buf, sizeof(buf), "%c%s\n", letter, text);

	if (n > 0 && pwrite(m->c.status, buf, min_size((size_t)n, sizeof(buf) - 1), 0) < 0)
		log_error("monitor", "cannot write the status file");
}

static int end_with(struct monitor *m, int status)
{
	m->exit_status = status;
	return END;
}

/* The VM is of no use any more: tell whoever waits, leave the reason in the status file. */
static int vm_died(struct monitor *m, const char *why)
{
	char text[MESSAGE_MAX];

	(void)snprintf(text, sizeof(text), "the VM ended: %.*s", MESSAGE_MAX - 32,
		       m->vm_end[0] != '\0' ? m->vm_end : why);
	write_status(m, 'x', text);
	if (m->c.commit >= 0)
		say_error(m->c.commit, EIO, text);
	return end_with(m, MONITOR_STATUS_VM_DIED);
}

/* --- what the agent says --- */

static int on_hello(struct monitor *m, const struct agent_event *ev)
{
	size_t i;
	int r;

	step("monitor:hello");
	if (m->phase != WAIT_HELLO)
		return -EPROTO;
	if (ev->major != PROTO_MAJOR) {
		(void)snprintf(m->vm_end, sizeof(m->vm_end),
			       "the guest's agent (%.60s) speaks protocol %u, this kvmbox %d; "
			       "install both from one build",
			       ev->text, ev->major, PROTO_MAJOR);
		return -EPROTO;
	}
	r = agent_request(&m->agent, PROTO_SETUP, m->c.setup, m->c.setup_len, -1);
	if (r == 0)
		r = agent_request(&m->agent, PROTO_CREATE, m->c.create, m->c.create_len, -1);
	for (i = 0; i < PROTO_STREAM_COUNT && r == 0; i++)
		r = stream_attach(&m->stream[i], PROTO_PROC_INIT);
	m->phase = PREPARING;
	return r;
}

static bool all_attached(const struct monitor *m)
{
	size_t i;

	for (i = 0; i < PROTO_STREAM_COUNT; i++)
		if (m->stream[i].conn >= 0 && !m->stream[i].attached)
			return false;
	return true;
}

static void check_created(struct monitor *m)
{
	if (m->phase != PREPARING || !m->create_done || !all_attached(m))
		return;
	m->phase = CREATED;
	write_status(m, 'c', "");
	step("monitor:created");
	if (m->c.commit >= 0)
		say(m->c.commit, "created");
}

static int send_start(struct monitor *m, int client)
{
	uint8_t body[16];
	struct wr w = wr_init(body, sizeof(body));
	int r;

	proto_put_u32(&w, PROTO_T_PROC, PROTO_PROC_INIT);
	r = agent_request(&m->agent, PROTO_START, body, w.len, client);
	if (r == 0)
		m->phase = STARTING;
	return r;
}

static void on_started(struct monitor *m, int client)
{
	if (m->phase == STARTING)
		m->phase = RUNNING;
	write_status(m, 'r', "");
	step("monitor:started");
	if (client >= 0)
		say(client, client == m->c.commit ? "started" : "ok");
}

static int on_answer(struct monitor *m, const struct agent_event *ev)
{
	bool ok = ev->type == PROTO_OK;

	if (ev->request == PROTO_CREATE || ev->request == PROTO_SETUP) {
		if (!ok) {
			if (m->c.commit >= 0)
				say_error(m->c.commit, ev->code, ev->text);
			write_status(m, 'x', ev->text);
			return end_with(m, 1);
		}
		if (ev->request == PROTO_CREATE)
			m->create_done = true;
		check_created(m);
		return 0;
	}
	if (ev->request == PROTO_START && ok) {
		on_started(m, ev->client);
		return 0;
	}
	if (ev->client >= 0) {
		if (ok)
			say(ev->client, "ok");
		else
			say_error(ev->client, ev->code, ev->text);
	}
	if (ev->request == PROTO_START) { /* exec failed: there is no process and there will be none */
		write_status(m, 'x', ev->text);
		return end_with(m, ev->code == ENOENT ? 127 : 126);
	}
	return 0;
}

static int on_exited(struct monitor *m, const struct agent_event *ev)
{
	if (ev->proc != PROTO_PROC_INIT || (m->phase != RUNNING && m->phase != STARTING && m->phase != CREATED))
		return -EPROTO;
	m->exit_status = ev->signal != 0 ? 128 + (int)ev->signal : (int)ev->status;
	m->phase = EXITED;
	step("monitor:exited");
	return 0;
}

static int on_agent_event(void *ctx, const struct agent_event *ev)
{
	struct monitor *m = ctx;

	switch (ev->type) {
	case PROTO_HELLO: return on_hello(m, ev);
	case PROTO_OK:
	case PROTO_ERROR: return on_answer(m, ev);
	case PROTO_EXITED: return on_exited(m, ev);
	default: return -EPROTO;
	}
}

/* --- ctl.sock: one request and one answer per connection --- */

static void client_drop(struct monitor *m, size_t i)
{
	agent_forget(&m->agent, m->client[i]);
	if (m->log_client == m->client[i])
		m->log_client = -1;
	fd_close(&m->client[i]);
}

static void on_connect(struct monitor *m)
{
	int fd = accept4(m->c.ctl, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	for (i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (m->client[i] < 0) {
			m->client[i] = fd_steal(&fd);
			return;
		}
	}
	if (fd >= 0)
		say_error(fd, EBUSY, "too many commands for this container at once; try again");
	fd_close(&fd);
}

static int request_start(struct monitor *m, int client)
{
	if (m->phase == CREATED)
		return send_start(m, client);
	say_error(client, EINVAL,
		  m->phase == RUNNING || m->phase == STARTING ? "cannot start an already running container"
							      : "the container is not in the created state");
	return 0;
}

static int request_signal(struct monitor *m, int client, const char *args)
{
	char *end;
	unsigned long signo = strtoul(args, &end, 10), all = strtoul(end, NULL, 10);

	if (end == args || *end != ' ' || signo > 64) {
		say_error(client, EINVAL, "malformed request");
		return 0;
	}
	if (m->phase < CREATED || m->phase == EXITED) {
		say_error(client, ESRCH, "container not running");
		return 0;
	}
	if (signo == 0) {
		say(client, "ok");
		return 0;
	}
	return agent_signal(&m->agent, PROTO_PROC_INIT, (uint32_t)signo, all != 0, client);
}

static void request_logs(struct monitor *m, int client)
{
	if (m->log_client >= 0) {
		say_error(client, EBUSY, "another `logs` is being served");
		return;
	}
	m->log_client = client;
	say(m->c.vmm, "klog");
}

static int on_client(struct monitor *m, size_t i)
{
	int fd = m->client[i], r = 0;
	char buf[128];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		client_drop(m, i);
		return 0;
	}
	buf[n] = '\0';
	if (strcmp(buf, "start") == 0)
		r = request_start(m, fd);
	else if (strncmp(buf, "signal ", 7) == 0)
		r = request_signal(m, fd, buf + 7);
	else if (strcmp(buf, "logs") == 0)
		request_logs(m, fd);
	else
		say_error(fd, EINVAL, "unknown request");
	if (r == -ENOBUFS) {
		say_error(fd, EBUSY, "too many requests wait for the guest; try again");
		r = 0;
	}
	return r;
}

/* --- kvmbox-vmm, the creating CLI, signals --- */

static int on_vmm(struct monitor *m)
{
	char buf[MESSAGE_MAX];
	ssize_t n = recv(m->c.vmm, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return m->phase == EXITED ? END : vm_died(m, "kvmbox-vmm was killed");
	buf[n] = '\0';
	if (strncmp(buf, "exit ", 5) == 0) {
		(void)log_escape(m->vm_end, sizeof(m->vm_end), buf + 5, (size_t)n - 5);
	} else if (m->log_client >= 0) {
		say(m->log_client, strncmp(buf, "ok", 2) == 0 ? "ok" : buf);
		m->log_client = -1;
	}
	return 0;
}

static int on_commit(struct monitor *m)
{
	char buf[32];
	ssize_t n = recv(m->c.commit, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* the creating CLI has ended: before the commit, so does its container */
		fd_close(&m->c.commit);
		return m->committed ? 0 : end_with(m, MONITOR_STATUS_VM_DIED);
	}
	buf[n] = '\0';
	m->committed = true;
	if (strcmp(buf, "start") == 0 && m->phase == CREATED)
		return send_start(m, m->c.commit);
	return 0;
}

static void send_winsize(struct monitor *m)
{
	const struct stream *tty = &m->stream[PROTO_TTY];
	struct winsize ws;

	if (tty->conn < 0 || ioctl(tty->host_in.fd, TIOCGWINSZ, &ws) < 0)
		return;
	if (agent_winsize(&m->agent, PROTO_PROC_INIT, ws.ws_row, ws.ws_col) < 0)
		log_warn("monitor", "the guest does not take a new window size");
}

static void on_signal(struct monitor *m)
{
	struct signalfd_siginfo si;

	if (read(m->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD || si.ssi_signo == SIGPIPE || m->phase < CREATED || m->phase == EXITED)
		return;
	if (si.ssi_signo == SIGWINCH && m->stream[PROTO_TTY].conn >= 0)
		send_winsize(m);
	else if (agent_signal(&m->agent, PROTO_PROC_INIT, si.ssi_signo, false, -1) < 0)
		log_warn("monitor", "signal %u was dropped: the guest does not take requests", si.ssi_signo);
}

/* --- the loop --- */

static void prepare(struct monitor *m, struct pollfd *p)
{
	size_t i;

	p[P_SIGNALS] = (struct pollfd){ .fd = m->signals, .events = POLLIN };
	p[P_AGENT] =
		(struct pollfd){ .fd = m->agent.fd, .events = agent_has_output(&m->agent) ? POLLIN | POLLOUT : POLLIN };
	p[P_VMM] = (struct pollfd){ .fd = m->c.vmm, .events = POLLIN };
	p[P_CTL] = (struct pollfd){ .fd = m->c.ctl, .events = POLLIN };
	p[P_COMMIT] = (struct pollfd){ .fd = m->c.commit, .events = POLLIN };
	for (i = 0; i < CLIENTS_MAX; i++)
		p[P_CLIENT + i] = (struct pollfd){ .fd = m->client[i], .events = POLLIN };
	for (i = 0; i < PROTO_STREAM_COUNT; i++)
		stream_prepare(&m->stream[i], p + P_STREAM + i * STREAM_POLLFDS);
}

static int run_agent(struct monitor *m, short revents)
{
	int r = 0;

	if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		r = agent_read(&m->agent, on_agent_event, m);
	if (r == -EPIPE) { /* the VM is on its way out: its own end of file tells more */
		m->agent.fd = -1;
		return 0;
	}
	return r;
}

static int run_streams(struct monitor *m, const struct pollfd *p)
{
	size_t i;
	int r;

	for (i = 0; i < PROTO_STREAM_COUNT; i++) {
		r = stream_run(&m->stream[i], p + P_STREAM + i * STREAM_POLLFDS);
		if (r < 0)
			return r;
	}
	check_created(m);
	return 0;
}

static int dispatch(struct monitor *m, const struct pollfd *p)
{
	size_t i;
	int r = run_streams(m, p);

	if (r == 0)
		r = run_agent(m, p[P_AGENT].revents);
	if (r == 0 && p[P_SIGNALS].revents != 0)
		on_signal(m);
	if (r == 0 && p[P_COMMIT].revents != 0)
		r = on_commit(m);
	if (r == 0 && p[P_CTL].revents != 0)
		on_connect(m);
	for (i = 0; i < CLIENTS_MAX && r == 0; i++)
		if (p[P_CLIENT + i].fd >= 0 && p[P_CLIENT + i].revents != 0)
			r = on_client(m, i);
	if (r == 0 && p[P_VMM].revents != 0)
		r = on_vmm(m);
	return r;
}

static bool drained(const struct monitor *m)
{
	size_t i;

	for (i = 0; i < PROTO_STREAM_COUNT; i++)
		if (!stream_drained(&m->stream[i]))
			return false;
	return true;
}

static int turn(struct monitor *m)
{
	struct pollfd p[P_COUNT];
	int r = 0;

	if (m->agent.fd >= 0)
		r = agent_flush(&m->agent);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return r;
	prepare(m, p);
	if (poll(p, P_COUNT, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	r = dispatch(m, p);
	if (r == 0 && m->phase == EXITED && drained(m))
		r = END;
	return r;
}

int monitor_run(struct monitor *m)
{
	int r;

	do
		r = turn(m);
	while (r == 0);
	if (r != END)
		(void)vm_died(m,
			      r == -EPROTO || r == -EMSGSIZE ? "the guest's agent broke the protocol" : strerror(-r));
	else if (m->phase == EXITED)
		write_status(m, 'x', "");
	step("monitor:drained");
	return m->exit_status;
}

/* --- set-up --- */

static int block_signals(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -errno;
	return 0;
}

static int make_stream(struct monitor *m, enum proto_stream kind)
{
	static const struct pump_end none = { .fd = -1 };
	bool in = kind == PROTO_STDIN || kind == PROTO_TTY;
	struct pump_end host_in = none, host_out = none;

	if (m->c.conn[kind] >= 0 && in)
		host_in = pump_open_host(STDIN_FILENO, false);
	if (m->c.conn[kind] >= 0 && kind != PROTO_STDIN)
		host_out = pump_open_host(kind == PROTO_STDERR ? STDERR_FILENO : STDOUT_FILENO, true);
	return stream_init(&m->stream[kind], kind, m->c.conn[kind], host_in, host_out);
}

int monitor_new(struct monitor **out, const struct monitor_config *c)
{
	struct monitor *m = calloc(1, sizeof(*m));
	sigset_t all;
	size_t i;
	int r;

	if (m == NULL)
		return -ENOMEM;
	m->c = *c;
	m->log_client = -1;
	for (i = 0; i < CLIENTS_MAX; i++)
		m->client[i] = -1;
	(void)sigfillset(&all);
	r = block_signals();
	if (r == 0) {
		m->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
		r = m->signals < 0 ? -errno : agent_init(&m->agent, c->agent, c->setup_len + c->create_len);
	}
	for (i = 0; i < PROTO_STREAM_COUNT && r == 0; i++)
		r = make_stream(m, (enum proto_stream)i);
	if (r < 0) {
		free(m);
		return r;
	}
	*out = m;
	return 0;
}

int monitor_signal_fd(const struct monitor *m)
{
	return m->signals;
}

int monitor_sandbox(const struct monitor *m)
{
	/* the loop: poll and messages; pumps: read and write; status: pwrite64; the rest: C library and exit */
	static const int calls[] = {
		SYS_poll,       SYS_ppoll,   SYS_read,         SYS_write,           SYS_recvfrom,      SYS_recvmsg,
		SYS_sendto,     SYS_sendmsg, SYS_accept4,      SYS_close,           SYS_shutdown,      SYS_pwrite64,
		SYS_exit_group, SYS_exit,    SYS_rt_sigreturn, SYS_restart_syscall, SYS_clock_gettime, SYS_munmap,
		SYS_brk,        SYS_ioctl,
#ifdef KVMBOX_STEPS
		SYS_pause,      SYS_getpid,  SYS_fstat,        SYS_newfstatat,
#endif
	};
	int r;

	(void)m;
	r = priv_no_core();
	if (r == 0)
		r = priv_keep_caps(0);
	if (r == 0)
		r = filter_allow(calls, ARRAY_SIZE(calls));
	return r;
}

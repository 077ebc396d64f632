// SPDX-License-Identifier: Apache-2.0
/*
 * The container's processes from CREATE to EXITED; the states are in agent.h.
 *
 * A process is over in three steps that come in any order of events but are taken in this one: it is reaped; all it
 * wrote is in its connections, which are closed for writing; EXITED is sent.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest-init/agent.h"
#include "guest-init/child.h"
#include "vmm/base/fdio.h"
#include "vmm/base/log.h"

/*
 * How long output is waited for that no writer ends although its process is dead: a descriptor on its way through a
 * socket, or held by what left the pid namespace. Output that is there is delivered whatever it takes.
 */
#define GRACE_MS 500

static const enum proto_stream all_streams[] = { PROTO_STDIN, PROTO_STDOUT, PROTO_STDERR, PROTO_TTY };

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct process *find(struct agent *a, uint32_t proc)
{
	size_t i;

	for (i = 0; i < PROCESS_MAX; i++)
		if (a->procs[i].state != PROCESS_FREE && a->procs[i].proc == proc)
			return &a->procs[i];
	return NULL;
}

static struct process *find_free(struct agent *a)
{
	size_t i;

	for (i = 0; i < PROCESS_MAX; i++)
		if (a->procs[i].state == PROCESS_FREE)
			return &a->procs[i];
	return NULL;
}

static void answer_say(struct agent *a, uint32_t seq, int code, const char *text)
{
	struct err e;

	(void)err_say(&e, code, "%s", text);
	agent_answer_error(a, seq, &e);
}

/* --- cgroup --- */

static void cgroup_name(const struct process *p, char name[16])
{
	(void)snprintf(name, 16, "c%u", p->proc);
}

static int cgroup_make(struct process *p, struct err *e)
{
	int root = p->agent->cfg->cgroup;
	char name[16];

	p->cgroup = -1;
	if (root < 0)
		return 0;
	cgroup_name(p, name);
	if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
		return err_set(e, errno, "make the container's cgroup");
	p->cgroup = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return p->cgroup < 0 ? err_set(e, errno, "open the container's cgroup") : 0;
}

static void cgroup_remove(struct process *p)
{
	char name[16];

	if (p->cgroup < 0)
		return;
	fd_close(&p->cgroup);
	cgroup_name(p, name);
	/* in vain when the container made cgroups of its own in it: they go with the machine */
	(void)unlinkat(p->agent->cfg->cgroup, name, AT_REMOVEDIR);
}

static int cgroup_kill(const struct process *p)
{
	autofd fd = p->cgroup < 0 ? -1 : openat(p->cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (p->cgroup < 0)
		return -EOPNOTSUPP;
	return fd >= 0 && write(fd, "1", 1) == 1 ? 0 : -errno;
}

/* Is this /proc/PID/cgroup of a process in cgroup `path` or beneath it? */
static bool in_cgroup(const char *text, const char *path, const char *name)
{
	char want[256];
	const char *line = strstr(text, "0::");
	int len = snprintf(want, sizeof(want), "0::%s/%s", path, name);

	if (line == NULL || len < 0 || (size_t)len >= sizeof(want) || strncmp(line, want, (size_t)len) != 0)
		return false;
	return line[len] == '\n' || line[len] == '/';
}

static bool is_member(const struct process *p, const char *pid)
{
	const struct server_config *cfg = p->agent->cfg;
	char path[300], text[4096], name[16];
	autofd fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/cgroup", pid);
	fd = openat(cfg->proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read_full(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	cgroup_name(p, name);
	return in_cgroup(text, cfg->cgroup_path, name);
}

/* One look through /proc: what is made meanwhile may be missed, as with every runtime; SIGKILL goes by cgroup.kill. */
static int signal_members(const struct process *p, int signo)
{
	int fd = openat(p->agent->cfg->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL)
		return -errno;
	while ((entry = readdir(d)) != NULL) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 1 && is_member(p, entry->d_name))
			(void)kill((pid_t)pid, signo); /* it may be gone by now */
	}
	(void)closedir(d);
	return 0;
}

/* --- the end --- */

static void release(struct process *p)
{
	size_t i;

	evloop_del(&p->agent->loop, &p->sync);
	fd_close(&p->sp.sync);
	fd_close(&p->sp.pidfd);
	for (i = 0; i < ARRAY_SIZE(all_streams); i++)
		fd_close(&p->sp.local[i]);
	cgroup_remove(p);
	p->state = PROCESS_FREE;
}

static void announce(struct process *p)
{
	const struct server_config *cfg = p->agent->cfg;
	uint32_t signal = WIFSIGNALED(p->status) ? (uint32_t)WTERMSIG(p->status) : 0;
	uint32_t code = WIFEXITED(p->status) ? (uint32_t)WEXITSTATUS(p->status) : 0;
	uint32_t flags = signal == SIGKILL && cfg->ops->oom_happened(cfg->ctx) ? 1 : 0;

	if (agent_send_exited(p->agent, p, code, signal, flags))
		release(p);
}

/* Output that is still open: true when it has to be waited for. */
static bool output_is_left(struct process *p, bool late)
{
	size_t i;

	for (i = PROTO_STDOUT; i < ARRAY_SIZE(all_streams); i++) {
		struct stream *st = stream_find(&p->agent->streams, p->proc, all_streams[i]);

		if (st == NULL)
			continue;
		if (stream_is_open(st) && (!late || !stream_is_idle(st)))
			return true;
		stream_end(st);
	}
	return false;
}

/* The streams' changed() leads here again from within: the inner call may be the one that finishes. */
static void check_done(struct process *p)
{
	const struct server_config *cfg = p->agent->cfg;
	bool late = p->deadline_ms <= now_ms();

	if (!p->reaped || p->state == PROCESS_FREE)
		return;
	if (output_is_left(p, late)) {
		if (late)
			p->deadline_ms = now_ms() + GRACE_MS;
		return;
	}
	if (p->state == PROCESS_FREE)
		return;
	if (!p->owes_exited) {
		release(p);
		if (p->owes_answer)
			agent_answer_error(p->agent, p->seq, &p->failure);
		return;
	}
	cfg->ops->sync_shares(cfg->ctx);
	announce(p);
}

/* --- reports of the child --- */

static void join_stream(struct process *p, enum proto_stream kind)
{
	struct stream *st = stream_find(&p->agent->streams, p->proc, kind);

	if (st != NULL && p->sp.local[kind] >= 0)
		stream_join(st, fd_steal(&p->sp.local[kind]));
}

static void child_failed(struct process *p, struct child_report *r)
{
	r->text[sizeof(r->text) - 1] = '\0';
	(void)err_say(&p->failure, r->code, "%s", r->text);
	if (p->state == PROCESS_CREATING)
		p->owes_answer = true;
	else
		agent_answer_error(p->agent, p->seq, &p->failure);
	p->state = PROCESS_DOOMED;
}

static void child_reported(struct process *p, struct child_report *r, int fd)
{
	if (p->state == PROCESS_CREATING && r->kind == CHILD_READY) {
		p->sp.local[PROTO_TTY] = fd;
		p->state = PROCESS_CREATED;
		p->owes_exited = true;
		agent_answer_ok(p->agent, p->seq);
		join_stream(p, PROTO_TTY);
		return;
	}
	fd_close(&fd);
	if ((p->state == PROCESS_CREATING || p->state == PROCESS_STARTING) && r->kind == CHILD_FAILED)
		child_failed(p, r);
}

/* The socket closed: by execve(), or with the process, which will be reaped. */
static void child_closed(struct process *p)
{
	evloop_del(&p->agent->loop, &p->sync);
	fd_close(&p->sp.sync);
	if (p->state != PROCESS_STARTING)
		return;
	p->state = PROCESS_RUNNING;
	agent_answer_ok(p->agent, p->seq);
}

static void read_reports(struct process *p)
{
	while (p->sp.sync >= 0) {
		struct child_report r = { 0 };
		unsigned int n = 1;
		int fd = -1;
		ssize_t len = fds_recv(p->sp.sync, &r, sizeof(r), &fd, &n);

		if (len == -EAGAIN)
			return;
		if (len == (ssize_t)sizeof(r))
			child_reported(p, &r, n == 1 ? fd : -1);
		else
			child_closed(p);
	}
}

static void on_sync(struct ev *ev, uint32_t events)
{
	(void)events;
	read_reports(container_of(ev, struct process, sync));
}

/* --- requests --- */

static int launch(struct process *p, const struct spec *s, struct err *e)
{
	const struct server_config *cfg = p->agent->cfg;
	struct spawn_env env = { .where = cfg->where, .proc = cfg->proc };
	int r = cgroup_make(p, e);

	if (r < 0)
		return r;
	env.cgroup = p->cgroup;
	r = spawn_container(s, &env, &p->sp, e);
	if (r < 0)
		return r;
	p->streams = s->streams;
	p->own_pids = (s->namespaces & CLONE_NEWPID) != 0;
	p->state = PROCESS_CREATING;
	r = evloop_add(&p->agent->loop, &p->sync, p->sp.sync, EPOLLIN, on_sync);
	if (r == 0)
		return 0;
	p->state = PROCESS_DOOMED;
	p->owes_answer = true;
	(void)err_set(&p->failure, -r, "watch the process");
	(void)syscall(SYS_pidfd_send_signal, p->sp.pidfd, SIGKILL, NULL, 0);
	return 0;
}

void process_create(struct agent *a, uint32_t seq, struct rd body)
{
	struct spec *s;
	struct process *p;
	struct err e = { 0 };
	size_t i;

	if (spec_decode(&s, body, &e) < 0) {
		agent_answer_error(a, seq, &e);
		return;
	}
	p = find_free(a);
	if (p == NULL || find(a, s->proc) != NULL) {
		answer_say(a, seq, p == NULL ? EAGAIN : EEXIST,
			   p == NULL ? "too many processes at a time" : "a process of this number exists already");
		spec_free(s);
		return;
	}
	*p = (struct process){ .agent = a, .proc = s->proc, .seq = seq };
	p->sp = (struct spawned){ .pid = -1, .pidfd = -1, .sync = -1, .local = { -1, -1, -1, -1 } };
	if (launch(p, s, &e) < 0) {
		agent_answer_error(a, seq, &e);
		release(p);
	} else {
		for (i = 0; i < ARRAY_SIZE(all_streams); i++)
			join_stream(p, all_streams[i]);
	}
	spec_free(s);
}

static bool all_attached(struct process *p)
{
	size_t i;

	/* an end that nobody took yet is one that nobody attached to */
	for (i = 0; i < ARRAY_SIZE(all_streams); i++)
		if (p->sp.local[i] >= 0)
			return false;
	return true;
}

void process_start(struct agent *a, uint32_t seq, uint32_t proc)
{
	static const uint8_t go = 1;
	struct process *p = find(a, proc);

	if (p == NULL || p->reaped)
		answer_say(a, seq, ESRCH, "no such process");
	else if (p->state != PROCESS_CREATED)
		answer_say(a, seq, EBUSY, "the process is not waiting for its start");
	else if (!all_attached(p))
		answer_say(a, seq, EAGAIN, "not all streams of the process are attached");
	else if (send(p->sp.sync, &go, sizeof(go), MSG_NOSIGNAL) != (ssize_t)sizeof(go))
		answer_say(a, seq, ESRCH, "no such process: it ended before its start");
	else {
		p->seq = seq;
		p->state = PROCESS_STARTING;
	}
}

void process_signal(struct agent *a, uint32_t seq, uint32_t proc, uint32_t signo, bool all)
{
	struct process *p = find(a, proc);
	struct err e;
	int r;

	if (p == NULL || p->reaped) {
		answer_say(a, seq, ESRCH, "no such process");
		return;
	}
	if (signo > 64) {
		answer_say(a, seq, EINVAL, "no such signal");
		return;
	}
	if (!all)
		r = syscall(SYS_pidfd_send_signal, p->sp.pidfd, (int)signo, NULL, 0) == 0 ? 0 : -errno;
	else if (p->cgroup < 0)
		r = -EOPNOTSUPP;
	else
		r = signo == SIGKILL ? cgroup_kill(p) : signal_members(p, (int)signo);
	if (r == 0) {
		agent_answer_ok(a, seq);
		return;
	}
	(void)err_set(&e, -r, "signal %u", signo);
	agent_answer_error(a, seq, &e);
}

void process_winsize(struct agent *a, uint32_t seq, uint32_t proc, uint16_t rows, uint16_t columns)
{
	struct stream *st = stream_find(&a->streams, proc, PROTO_TTY);
	int r = st == NULL ? -ENOTTY : stream_winsize(st, rows, columns);
	struct err e;

	if (r == 0) {
		agent_answer_ok(a, seq);
		return;
	}
	(void)err_set(&e, -r, "window size");
	agent_answer_error(a, seq, &e);
}

/* --- streams --- */

static int may_attach(void *ctx, uint32_t proc, enum proto_stream kind)
{
	struct process *p = find(ctx, proc);

	if (p == NULL)
		return 0; /* held until its CREATE */
	if ((p->streams >> kind & 1) == 0)
		return -ENOENT;
	/* a pty's end comes with READY */
	if (p->sp.local[kind] >= 0 || (kind == PROTO_TTY && p->state == PROCESS_CREATING))
		return 0;
	return -EBUSY;
}

static void streams_changed(void *ctx, uint32_t proc)
{
	struct process *p = find(ctx, proc);
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < ARRAY_SIZE(all_streams); i++)
		join_stream(p, all_streams[i]);
	check_done(p);
}

const struct stream_ops process_stream_ops = { .may_attach = may_attach, .changed = streams_changed };

/* --- reaping and time --- */

static void never_got_ready(struct process *p)
{
	struct err *e = &p->failure;

	p->owes_answer = true;
	if (WIFSIGNALED(p->status))
		(void)err_say(e, EIO, "the process was killed by signal %d before it was set up", WTERMSIG(p->status));
	else
		(void)err_say(e, EIO, "the process ended with %d before it was set up", WEXITSTATUS(p->status));
}

void process_reaped(struct agent *a, pid_t pid, int status)
{
	struct process *p = NULL;
	struct stream *st;
	size_t i;

	for (i = 0; i < PROCESS_MAX && p == NULL; i++)
		if (a->procs[i].state != PROCESS_FREE && !a->procs[i].reaped && a->procs[i].sp.pid == pid)
			p = &a->procs[i];
	if (p == NULL)
		return;
	read_reports(p); /* what it said last, before its end is judged */
	p->status = status;
	if (p->state == PROCESS_CREATING)
		never_got_ready(p);
	if (!p->own_pids)
		(void)cgroup_kill(p); /* without a cgroup there is nothing known to be left */
	p->deadline_ms = now_ms() + GRACE_MS;
	p->reaped = true;
	for (i = 0; i < ARRAY_SIZE(all_streams); i++)
		fd_close(&p->sp.local[i]);
	st = stream_find(&a->streams, p->proc, PROTO_STDIN);
	if (st != NULL)
		stream_end(st);
	st = stream_find(&a->streams, p->proc, PROTO_TTY);
	if (st != NULL)
		stream_process_ended(st);
	check_done(p);
}

int process_timeout_ms(const struct agent *a)
{
	int64_t left, least = -1;
	size_t i;

	for (i = 0; i < PROCESS_MAX; i++) {
		const struct process *p = &a->procs[i];

		if (p->state == PROCESS_FREE || !p->reaped)
			continue;
		left = p->deadline_ms - now_ms();
		if (left < 0)
			left = 0;
		if (least < 0 || left < least)
			least = left;
	}
	return least < 0 ? -1 : (int)least + 1;
}

void process_tick(struct agent *a)
{
	size_t i;

	for (i = 0; i < PROCESS_MAX; i++)
		if (a->procs[i].state != PROCESS_FREE && a->procs[i].reaped)
			check_done(&a->procs[i]);
}

void process_kill_all(struct agent *a)
{
	size_t i;

	for (i = 0; i < PROCESS_MAX; i++) {
		struct process *p = &a->procs[i];

		if (p->state == PROCESS_FREE)
			continue;
		(void)cgroup_kill(p);
		if (!p->reaped)
			(void)syscall(SYS_pidfd_send_signal, p->sp.pidfd, SIGKILL, NULL, 0);
		release(p);
	}
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The control connection: frames in, one answer for each, and the loop that runs it all. See server.h and agent.h.
 *
 * Back-pressure: a host that does not read its answers is not read from; see OUTPUT_RESERVE.
 */
#include "guest-init/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-init/agent.h"
#include "vmm/base/fdio.h"
#include "vmm/base/log.h"

#define AREA            "agent"
#define STEPS_A_TURN    64 /* reads of the control connection */
#define REAPED_A_TURN   256
#define ACCEPTED_A_TURN 64
#define LAST_WAITS      20 /* of 100 ms, for killed processes at the end */

static void stop(struct agent *a, enum server_end end)
{
	if (!a->stop)
		a->end = end;
	a->stop = true;
}

/* --- output --- */

static void flush_output(struct agent *a)
{
	while (a->out_len > a->out_off) {
		ssize_t n = send(a->cfg->control, a->out + a->out_off, a->out_len - a->out_off,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			stop(a, SERVER_LOST);
		if (n < 0)
			break;
		a->out_off += (size_t)n;
	}
	memmove(a->out, a->out + a->out_off, a->out_len - a->out_off);
	a->out_len -= a->out_off;
	a->out_off = 0;
}

static size_t output_room(const struct agent *a)
{
	return sizeof(a->out) - a->out_len;
}

/* By OUTPUT_RESERVE it fits; should it not, the connection cannot be kept in step. */
static bool output_add(struct agent *a, const struct wr *w)
{
	if (!wr_ok(w) || w->len > output_room(a))
		return false;
	memcpy(a->out + a->out_len, w->p, w->len);
	a->out_len += w->len;
	flush_output(a);
	return true;
}

void agent_answer_ok(struct agent *a, uint32_t seq)
{
	uint8_t buf[PROTO_HEADER_LEN];
	struct wr w = wr_init(buf, sizeof(buf));

	proto_end(&w, proto_begin(&w, PROTO_OK, seq));
	if (!output_add(a, &w))
		stop(a, SERVER_BROKEN);
}

void agent_answer_error(struct agent *a, uint32_t seq, const struct err *e)
{
	uint8_t buf[ANSWER_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	proto_put_error(&w, seq, e->code, e->text);
	if (!output_add(a, &w))
		stop(a, SERVER_BROKEN);
}

bool agent_send_exited(struct agent *a, const struct process *p, uint32_t code, uint32_t signal, uint32_t flags)
{
	uint8_t buf[ANSWER_MAX], status[12];
	struct wr w = wr_init(buf, sizeof(buf)), s = wr_init(status, sizeof(status));
	size_t mark = proto_begin(&w, PROTO_EXITED, 0);

	wr_u32(&s, code);
	wr_u32(&s, signal);
	wr_u32(&s, flags);
	proto_put_u32(&w, PROTO_T_PROC, p->proc);
	proto_put_bytes(&w, PROTO_T_STATUS, status, sizeof(status));
	proto_end(&w, mark);
	return output_add(a, &w);
}

static void say_hello(struct agent *a)
{
	uint8_t buf[ANSWER_MAX], version[4];
	struct wr w = wr_init(buf, sizeof(buf)), v = wr_init(version, sizeof(version));
	size_t mark = proto_begin(&w, PROTO_HELLO, 0);

	wr_u16(&v, PROTO_MAJOR);
	wr_u16(&v, PROTO_MINOR);
	proto_put_bytes(&w, PROTO_T_VERSION, version, sizeof(version));
	proto_put_str(&w, PROTO_T_BUILD, KVMBOX_VERSION);
	proto_end(&w, mark);
	if (!output_add(a, &w))
		stop(a, SERVER_BROKEN);
}

/* --- requests --- */

/* What the small requests are made of. */
struct request {
	uint32_t proc, signo, slot;
	uint8_t all, add;
	uint16_t rows, columns;
	uint64_t time_ns;
	struct rd seed;
	const char *hostname;
	size_t hostname_len;
	uint32_t have; /* 1 << tag; all tags here are below 32 */
	bool has_hostname;
};

static int take_winsize(struct rd v, struct request *q)
{
	q->rows = rd_u16(&v);
	q->columns = rd_u16(&v);
	return rd_done(&v) ? 0 : -EPROTO;
}

static int take_field(const struct proto_tlv *t, struct request *q)
{
	switch (t->tag) {
	case PROTO_T_PROC: return proto_get_u32(t->value, &q->proc);
	case PROTO_T_SIGNO: return proto_get_u32(t->value, &q->signo);
	case PROTO_T_ALL: return proto_get_u8(t->value, &q->all);
	case PROTO_T_WINSIZE: return take_winsize(t->value, q);
	case PROTO_T_TIME: return proto_get_u64(t->value, &q->time_ns);
	case PROTO_T_SEED: q->seed = t->value; return 0;
	case PROTO_T_SLOT: return proto_get_u32(t->value, &q->slot);
	case PROTO_T_ADD: return proto_get_u8(t->value, &q->add);
	case PROTO_T_HOSTNAME: q->has_hostname = true; return proto_get_str(t->value, &q->hostname, &q->hostname_len);
	default: return t->critical ? -EOPNOTSUPP : 0;
	}
}

#define HAS(tag) (1u << (tag))

/* The fields of a request; `need` must be among them, each at most once. */
static int parse_request(struct proto_frame *f, struct request *q, uint32_t need, struct err *e)
{
	const char *name = proto_type_name(f->type);
	struct rd body = f->body;
	struct proto_tlv t;
	int r;

	*q = (struct request){ 0 };
	while ((r = proto_tlv_next(&body, &t)) > 0) {
		r = take_field(&t, q);
		if (r == -EOPNOTSUPP)
			return err_say(e, EOPNOTSUPP, "%s: tag %u is unknown to this agent and marked as critical",
				       name, t.tag);
		if (r < 0 || (t.tag < 32 && (q->have & HAS(t.tag)) != 0))
			return err_say(e, EPROTO, "%s: tag %u is malformed or given twice", name, t.tag);
		if (t.tag < 32)
			q->have |= HAS(t.tag);
	}
	if (r < 0)
		return err_say(e, EPROTO, "%s: malformed list of fields", name);
	if ((q->have & need) != need)
		return err_say(e, EPROTO, "%s: a field is missing", name);
	return 0;
}

static int set_up(struct agent *a, const struct request *q, struct err *e)
{
	const struct server_ops *ops = a->cfg->ops;
	void *ctx = a->cfg->ctx;
	int r = 0;

	if ((q->have & HAS(PROTO_T_TIME)) != 0)
		r = ops->set_clock(ctx, q->time_ns);
	if (r < 0)
		return err_set(e, -r, "SETUP: set the clock");
	if ((q->have & HAS(PROTO_T_SEED)) != 0)
		r = ops->add_entropy(ctx, q->seed.p, q->seed.left);
	if (r < 0)
		return err_set(e, -r, "SETUP: seed the random pool");
	if (q->has_hostname)
		r = ops->set_hostname(ctx, q->hostname, q->hostname_len);
	return r < 0 ? err_set(e, -r, "SETUP: set the host name") : 0;
}

static void answer(struct agent *a, uint32_t seq, int r, const struct err *e)
{
	if (r < 0)
		agent_answer_error(a, seq, e);
	else
		agent_answer_ok(a, seq);
}

static int handle_small(struct agent *a, struct proto_frame *f, struct err *e)
{
	static const uint32_t need[PROTO_TYPE_END] = {
		[PROTO_START] = HAS(PROTO_T_PROC),
		[PROTO_SIGNAL] = HAS(PROTO_T_PROC) | HAS(PROTO_T_SIGNO),
		[PROTO_WINSIZE] = HAS(PROTO_T_PROC) | HAS(PROTO_T_WINSIZE),
		[PROTO_BIND] = HAS(PROTO_T_SLOT) | HAS(PROTO_T_ADD),
	};
	struct request q;
	int r = parse_request(f, &q, need[f->type], e);

	if (r < 0)
		return r;
	switch (f->type) {
	case PROTO_SETUP: answer(a, f->seq, set_up(a, &q, e), e); break;
	case PROTO_START: process_start(a, f->seq, q.proc); break;
	case PROTO_SIGNAL: process_signal(a, f->seq, q.proc, q.signo, q.all != 0); break;
	case PROTO_WINSIZE: process_winsize(a, f->seq, q.proc, q.rows, q.columns); break;
	case PROTO_BIND: answer(a, f->seq, a->cfg->ops->bind_slot(a->cfg->ctx, q.slot, q.add != 0, e), e); break;
	default: agent_answer_ok(a, f->seq); break; /* PING */
	}
	return 0;
}

static void handle(struct agent *a, struct proto_frame *f)
{
	struct err e = { 0 };
	int r = 0;

	switch (f->type) {
	case PROTO_CREATE: process_create(a, f->seq, f->body); break;
	case PROTO_SETUP:
	case PROTO_START:
	case PROTO_SIGNAL:
	case PROTO_WINSIZE:
	case PROTO_BIND:
	case PROTO_PING: r = handle_small(a, f, &e); break;
	case PROTO_SHUTDOWN: stop(a, SERVER_SHUTDOWN); break;
	default:
		r = err_say(&e, EOPNOTSUPP, "request %s (%u) is not one that this agent serves",
			    proto_type_name(f->type), f->type);
		break;
	}
	if (r < 0)
		agent_answer_error(a, f->seq, &e);
}

/* --- input --- */

/* The header is whole: make room for the frame. */
static int begin_frame(struct agent *a)
{
	struct rd head = rd_init(a->head, sizeof(a->head));
	struct proto_frame f;
	int r = proto_frame_next(a->head, sizeof(a->head), PROTO_MAX_TO_GUEST, &f);

	if (r < 0)
		return r;
	a->frame_len = PROTO_HEADER_LEN + (size_t)rd_u32(&head); /* bounded by the call above */
	a->frame = malloc(a->frame_len);
	if (a->frame == NULL)
		return -ENOMEM;
	memcpy(a->frame, a->head, sizeof(a->head));
	a->frame_got = sizeof(a->head);
	a->head_got = 0;
	return 0;
}

/* 1: some bytes; 0: none now; -errno; -ECONNRESET: the end */
static int receive(struct agent *a, uint8_t *buf, size_t *got, size_t want)
{
	ssize_t n = recv(a->cfg->control, buf + *got, want - *got, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	*got += (size_t)n;
	return 1;
}

/* 1: progress; 0: no more bytes now; -errno */
static int input_step(struct agent *a)
{
	struct proto_frame f;
	int r;

	if (a->frame == NULL) {
		r = receive(a, a->head, &a->head_got, sizeof(a->head));
		if (r <= 0 || a->head_got < sizeof(a->head))
			return r;
		r = begin_frame(a);
		if (r < 0)
			return r;
	}
	if (a->frame_got < a->frame_len) {
		r = receive(a, a->frame, &a->frame_got, a->frame_len);
		if (r <= 0 || a->frame_got < a->frame_len)
			return r;
	}
	r = proto_frame_next(a->frame, a->frame_len, PROTO_MAX_TO_GUEST, &f);
	if (r == 1)
		handle(a, &f);
	free(a->frame);
	a->frame = NULL;
	return r;
}

static void read_requests(struct agent *a)
{
	unsigned int i;
	int r = 1;

	a->input_more = false;
	for (i = 0; i < STEPS_A_TURN && r > 0 && !a->stop && output_room(a) >= OUTPUT_RESERVE; i++)
		r = input_step(a);
	a->input_more = r > 0 && !a->stop && output_room(a) >= OUTPUT_RESERVE;
	if (r == -ECONNRESET)
		stop(a, SERVER_LOST);
	if (r < 0 && r != -ECONNRESET) {
		log_error(AREA, "the control connection is given up: %s", strerror(-r));
		stop(a, SERVER_BROKEN);
	}
}

/* --- events --- */

static void on_control(struct ev *ev, uint32_t events)
{
	struct agent *a = container_of(ev, struct agent, control);

	(void)events;
	flush_output(a);
	read_requests(a);
}

static void on_listener(struct ev *ev, uint32_t events)
{
	struct agent *a = container_of(ev, struct agent, listener);
	unsigned int i;

	(void)events;
	for (i = 0; i < ACCEPTED_A_TURN; i++) { /* level-triggered: what is left comes again */
		int fd = a->cfg->ops->accept(a->cfg->ctx, a->cfg->listener);

		if (fd == -EAGAIN)
			return;
		if (fd >= 0)
			stream_accept(&a->streams, fd);
	}
}

static void reap(struct agent *a)
{
	unsigned int i;
	int status;

	a->reap_more = false;
	for (i = 0; i < REAPED_A_TURN; i++) {
		pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

		if (pid <= 0)
			return;
		process_reaped(a, pid, status);
	}
	a->reap_more = true; /* a container may make orphans faster than that */
}

static void on_sigchld(struct ev *ev, uint32_t events)
{
	struct signalfd_siginfo si;
	ssize_t n = read(ev->fd, &si, sizeof(si));

	(void)events;
	if (n == (ssize_t)sizeof(si))
		reap(container_of(ev, struct agent, sigchld));
}

/* --- the loop --- */

/* Dispositions that a container's process inherits are all the default; a broken pipe is seen as EPIPE. For good. */
static int take_signals(void)
{
	/* all zero is SIG_DFL in the kernel's own form; the C library's call would leave out 32 and 33, which it keeps
	 */
	static const uint64_t dfl[4];
	sigset_t set;
	int sig, fd;

	for (sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t)); /* fails for KILL and STOP */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	(void)sigdelset(&set, SIGPIPE);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int watch_all(struct agent *a)
{
	int r = evloop_add(&a->loop, &a->sigchld, a->sigchld.fd, EPOLLIN, on_sigchld);

	if (r == 0)
		r = evloop_add(&a->loop, &a->listener, a->cfg->listener, EPOLLIN, on_listener);
	if (r == 0)
		r = evloop_add(&a->loop, &a->control, a->cfg->control, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
			       on_control);
	return r;
}

static int serve(struct agent *a)
{
	int r = watch_all(a);

	if (r == 0)
		say_hello(a);
	while (r == 0 && !a->stop) {
		bool more = a->input_more || a->reap_more || stream_has_more(&a->streams);

		r = evloop_wait(&a->loop, more ? 0 : process_timeout_ms(a));
		if (a->input_more)
			read_requests(a);
		if (a->reap_more)
			reap(a);
		stream_run_more(&a->streams);
		process_tick(a);
	}
	return r;
}

/* Killed processes let go of what they held before the caller writes everything back. */
static void await_the_dead(int sigfd)
{
	struct pollfd p = { .fd = sigfd, .events = POLLIN };
	struct signalfd_siginfo si;
	unsigned int waits = 0;
	pid_t pid;

	while (waits < LAST_WAITS) {
		pid = waitpid(-1, NULL, WNOHANG | __WALL);
		if (pid < 0)
			return;
		if (pid > 0)
			continue;
		waits++;
		if (poll(&p, 1, 100) > 0 && read(sigfd, &si, sizeof(si)) < 0)
			return;
	}
}

enum server_end server_run(const struct server_config *cfg)
{
	struct agent *a = calloc(1, sizeof(*a));
	enum server_end end = SERVER_BROKEN;
	int r;

	if (a == NULL)
		return SERVER_BROKEN;
	a->cfg = cfg;
	a->sigchld.fd = -1;
	r = evloop_init(&a->loop);
	if (r < 0) {
		free(a);
		return SERVER_BROKEN;
	}
	stream_set_init(&a->streams, &a->loop, &process_stream_ops, a);
	r = take_signals();
	if (r >= 0) {
		a->sigchld.fd = r;
		r = serve(a);
	}
	if (r < 0)
		log_error(AREA, "the loop ends: %s", strerror(-r));
	else
		end = a->end;
	process_kill_all(a);
	stream_set_fini(&a->streams);
	if (a->sigchld.fd >= 0)
		await_the_dead(a->sigchld.fd);
	fd_close(&a->sigchld.fd);
	evloop_fini(&a->loop);
	free(a->frame);
	free(a);
	return end;
}

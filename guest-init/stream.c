// SPDX-License-Identifier: Apache-2.0
#include "guest-init/stream.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define CHUNK   ((size_t)64 << 10) /* of a splice: a pipe's own size */
#define TURN    ((size_t)1 << 20)  /* bytes of one stream before others have a turn */
#define PTY_OUT ((size_t)16 << 10)
#define PTY_IN  ((size_t)4 << 10)

enum state { GREETING, HELD, OPEN, LINGER, GONE };

enum moved {
	MOVED_ALL,  /* until one side blocked */
	MOVED_TURN, /* there may be more */
	MOVED_END,  /* the source has ended and all of it was handed on */
	MOVED_LOST, /* the sink takes no more */
};

/* Bytes between a pty and a connection, which splice() cannot join. */
struct pending {
	size_t off, len;
	uint8_t *bytes;
	size_t cap;
};

struct stream {
	struct ev_garbage garbage; /* first */
	struct stream *next, *prev;
	struct stream_set *set;
	enum state state;
	uint32_t proc;
	enum proto_stream kind;
	struct ev sock, local;
	bool in, out;        /* directions that are still open; in: to the process */
	bool more;           /* stopped at its turn's end */
	bool ended;          /* the process is gone */
	bool peer_half_done; /* the host had nothing (more) to send when we closed for writing */
	struct pending pin, pout;
	size_t got;
	uint8_t frame[STREAM_ATTACH_MAX];
};

static void pump(struct stream *st);

/* --- life --- */

void stream_set_init(struct stream_set *set, struct evloop *loop, const struct stream_ops *ops, void *ctx)
{
	*set = (struct stream_set){ .loop = loop, .ops = ops, .ctx = ctx };
}

static void close_ev(struct stream *st, struct ev *ev)
{
	evloop_del(st->set->loop, ev);
	fd_close(&ev->fd);
}

static void destroy(struct stream *st)
{
	struct stream_set *set = st->set;

	close_ev(st, &st->sock);
	close_ev(st, &st->local);
	free(st->pin.bytes);
	free(st->pout.bytes);
	if (st->prev != NULL)
		st->prev->next = st->next;
	else
		set->head = st->next;
	if (st->next != NULL)
		st->next->prev = st->prev;
	set->count--;
	/* memory stays until the batch of events is over; a caller up the stack sees that nothing is to be done */
	st->state = GONE;
	st->in = st->out = st->more = false;
	evloop_free(set->loop, &st->garbage);
}

void stream_set_fini(struct stream_set *set)
{
	while (set->head != NULL)
		destroy(set->head);
}

struct stream *stream_find(struct stream_set *set, uint32_t proc, enum proto_stream kind)
{
	struct stream *st;

	for (st = set->head; st != NULL; st = st->next)
		if ((st->state == HELD || st->state == OPEN) && st->proc == proc && st->kind == kind)
			return st;
	return NULL;
}

/* --- moving bytes --- */

static_assert(EAGAIN == EWOULDBLOCK, "one answer of a side that blocks");

static enum moved move_by_splice(int from, int to)
{
	size_t left = TURN;

	while (left > 0) {
		ssize_t n = splice(from, NULL, to, NULL, CHUNK, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n == 0)
			return MOVED_END;
		if (n > 0)
			left -= min_size((size_t)n, left);
		else if (errno == EAGAIN)
			return MOVED_ALL;
		else if (errno == EPIPE || errno == ENOTCONN)
			return MOVED_LOST;
		else if (errno != EINTR)
			return MOVED_END; /* a reset by the host: there will be no more */
	}
	return MOVED_TURN;
}

/* Fill an empty buffer: bytes, 0 at the end, -errno */
static ssize_t pending_fill(struct pending *p, int from)
{
	ssize_t n;

	do
		n = read(from, p->bytes, p->cap);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	p->off = 0;
	p->len = (size_t)n;
	return n;
}

static int pending_drain(struct pending *p, int to)
{
	while (p->len > 0) {
		ssize_t n = write(to, p->bytes + p->off, p->len); /* SIGPIPE is blocked */

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p->off += (size_t)n;
		p->len -= (size_t)n;
	}
	return 0;
}

static enum moved move_by_buffer(struct stream *st, struct pending *p, int from, int to)
{
	size_t left = TURN;

	while (left > 0) {
		ssize_t n = pending_drain(p, to);

		if (n < 0)
			return n == -EAGAIN ? MOVED_ALL : MOVED_LOST;
		n = pending_fill(p, from);
		/* EIO: nobody has the pty open, for now or for ever */
		if (n < 0 && (n == -EAGAIN || (n == -EIO && from == st->local.fd && !st->ended)))
			return MOVED_ALL;
		if (n <= 0)
			return MOVED_END;
		left -= min_size((size_t)n, left);
	}
	return MOVED_TURN;
}

/* --- ends --- */

static void output_ended(struct stream *st)
{
	st->out = false;
	st->in = false;
	close_ev(st, &st->local);
	(void)shutdown(st->sock.fd, SHUT_WR); /* fails when the peer is gone, which is an event of its own */
	st->state = LINGER;
	st->set->ops->changed(st->set->ctx, st->proc);
}

static void connection_lost(struct stream *st)
{
	struct stream_set *set = st->set;
	uint32_t proc = st->proc;

	destroy(st);
	set->ops->changed(set->ctx, proc);
}

/* false when the stream is gone */
static bool pump_output(struct stream *st)
{
	enum moved m = st->kind == PROTO_TTY ? move_by_buffer(st, &st->pout, st->local.fd, st->sock.fd)
					     : move_by_splice(st->local.fd, st->sock.fd);

	st->more = st->more || m == MOVED_TURN;
	if (m == MOVED_END)
		output_ended(st);
	if (m == MOVED_LOST)
		connection_lost(st);
	return m != MOVED_LOST;
}

static void pump_input(struct stream *st)
{
	enum moved m = st->kind == PROTO_TTY ? move_by_buffer(st, &st->pin, st->sock.fd, st->local.fd)
					     : move_by_splice(st->sock.fd, st->local.fd);

	st->more = st->more || m == MOVED_TURN;
	if (m != MOVED_END && m != MOVED_LOST)
		return;
	if (st->kind == PROTO_TTY)
		st->in = false;
	else
		connection_lost(st);
}

/* The host reads no more, even if the process writes nothing now. */
static bool peer_stopped_reading(const struct stream *st)
{
	return send(st->sock.fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN;
}

static void pump(struct stream *st)
{
	st->more = false;
	if (st->out && !pump_output(st))
		return;
	if (st->state == OPEN && st->in)
		pump_input(st);
}

static void on_local(struct ev *ev, uint32_t events)
{
	struct stream *st = container_of(ev, struct stream, local);

	if (st->kind == PROTO_STDIN && (events & EPOLLERR) != 0)
		connection_lost(st); /* nobody will read what the host still sends */
	else
		pump(st);
}

static void on_open(struct stream *st, uint32_t events)
{
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
		st->peer_half_done = true;
		if (st->out && peer_stopped_reading(st)) {
			connection_lost(st);
			return;
		}
	}
	pump(st);
}

/* --- ATTACH --- */

/* 1: all of it, in f; 0: more needed; -errno. Reads not one byte more than the frame: the next are the stream's. */
static int read_attach(struct stream *st, struct proto_frame *f)
{
	for (;;) {
		size_t want = PROTO_HEADER_LEN;
		ssize_t n;
		int r = proto_frame_next(st->frame, st->got, sizeof(st->frame) - PROTO_HEADER_LEN, f);

		if (r != 0)
			return r;
		if (st->got >= PROTO_HEADER_LEN) {
			struct rd head = rd_init(st->frame, st->got);

			want += rd_u32(&head); /* at most the array's size, by proto_frame_next() */
		}
		n = recv(st->sock.fd, st->frame + st->got, want - st->got, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		st->got += (size_t)n;
	}
}

static int parse_attach(struct proto_frame *f, uint32_t *proc, uint32_t *kind)
{
	bool have_proc = false, have_kind = false;
	struct proto_tlv t;
	int r;

	if (f->type != PROTO_ATTACH)
		return -EPROTO;
	while ((r = proto_tlv_next(&f->body, &t)) > 0) {
		if (t.tag == PROTO_T_PROC && !have_proc)
			have_proc = proto_get_u32(t.value, proc) == 0;
		else if (t.tag == PROTO_T_STREAM && !have_kind)
			have_kind = proto_get_u32(t.value, kind) == 0;
		else if (t.critical)
			return -EPROTO;
	}
	if (r < 0 || !have_proc || !have_kind || *kind >= PROTO_STREAM_COUNT)
		return -EPROTO;
	return 0;
}

static int answer(struct stream *st, uint32_t seq, int code)
{
	uint8_t buf[PROTO_HEADER_LEN + 64];
	struct wr w = wr_init(buf, sizeof(buf));

	if (code == 0)
		proto_end(&w, proto_begin(&w, PROTO_OK, seq));
	else
		proto_put_error(&w, seq, code, code == EBUSY ? "stream is attached already" : "no such stream");
	BUG_ON(!wr_ok(&w));
	/* the first bytes on a fresh connection: there is room, or it is of no use */
	return send(st->sock.fd, buf, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)w.len ? 0 : -EPIPE;
}

static int attach(struct stream *st, struct proto_frame *f)
{
	struct stream_set *set = st->set;
	uint32_t proc, kind;
	int r = parse_attach(f, &proc, &kind);

	if (r == 0 && stream_find(set, proc, kind) != NULL)
		r = -EBUSY;
	if (r == 0)
		r = set->ops->may_attach(set->ctx, proc, kind);
	if (answer(st, f->seq, -r) < 0 || r < 0)
		return -EPIPE;
	st->proc = proc;
	st->kind = kind;
	st->state = HELD;
	return 0;
}

static void on_greeting(struct stream *st)
{
	struct stream_set *set = st->set;
	struct proto_frame f;
	int r = read_attach(st, &f);

	if (r == 0)
		return;
	if (r < 0 || attach(st, &f) < 0)
		destroy(st);
	else
		set->ops->changed(set->ctx, st->proc);
}

static void on_sock(struct ev *ev, uint32_t events)
{
	struct stream *st = container_of(ev, struct stream, sock);

	switch (st->state) {
	case GREETING: on_greeting(st); break;
	case HELD:
		if ((events & (EPOLLHUP | EPOLLERR)) != 0)
			destroy(st);
		break;
	case OPEN: on_open(st, events); break;
	case LINGER:
		/* A peer that had half-closed before cannot be told from one that is gone: it is left to read on. */
		if ((events & (EPOLLHUP | EPOLLERR)) != 0 && !st->peer_half_done)
			destroy(st);
		break;
	case GONE: break;
	}
}

/* --- the owner's side --- */

/* The longest-standing connection that only lingers: most likely its peer is gone. */
static bool make_room(struct stream_set *set)
{
	struct stream *st, *oldest = NULL;

	if (set->count < STREAM_MAX)
		return true;
	for (st = set->head; st != NULL; st = st->next)
		if (st->state == LINGER)
			oldest = st; /* new ones come to the front */
	if (oldest != NULL)
		destroy(oldest);
	return oldest != NULL;
}

void stream_accept(struct stream_set *set, int fd)
{
	const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	struct stream *st = make_room(set) ? calloc(1, sizeof(*st)) : NULL;

	if (st == NULL) {
		(void)close(fd);
		return;
	}
	st->set = set;
	st->state = GREETING;
	st->local.fd = -1;
	st->sock.fd = -1;
	if (evloop_add(set->loop, &st->sock, fd, events, on_sock) < 0) {
		(void)close(fd);
		free(st);
		return;
	}
	st->next = set->head;
	if (set->head != NULL)
		set->head->prev = st;
	set->head = st;
	set->count++;
}

static int pty_buffers(struct stream *st)
{
	st->pin.cap = PTY_IN;
	st->pout.cap = PTY_OUT;
	st->pin.bytes = malloc(PTY_IN);
	st->pout.bytes = malloc(PTY_OUT);
	return st->pin.bytes != NULL && st->pout.bytes != NULL ? 0 : -ENOMEM;
}

void stream_join(struct stream *st, int local)
{
	uint32_t events = EPOLLET;

	BUG_ON(st->state != HELD);
	st->state = OPEN;
	st->in = st->kind == PROTO_STDIN || st->kind == PROTO_TTY;
	st->out = st->kind != PROTO_STDIN;
	events |= (st->in ? EPOLLOUT : 0u) | (st->out ? EPOLLIN : 0u);
	if ((st->kind == PROTO_TTY && pty_buffers(st) < 0) ||
	    evloop_add(st->set->loop, &st->local, local, events, on_local) < 0) {
		(void)close(local);
		connection_lost(st); /* the host sees its stream end, the process a closed pipe */
		return;
	}
	pump(st);
}

void stream_process_ended(struct stream *st)
{
	st->ended = true;
	if (st->state == OPEN)
		pump(st);
}

bool stream_is_open(const struct stream *st)
{
	return st->state == OPEN;
}

bool stream_is_idle(const struct stream *st)
{
	int n = 0;

	if (st->state != OPEN || !st->out)
		return true;
	return st->pout.len == 0 && ioctl(st->local.fd, FIONREAD, &n) == 0 && n == 0;
}

void stream_end(struct stream *st)
{
	if (st->state == OPEN && st->out)
		output_ended(st);
	else
		destroy(st);
}

int stream_winsize(struct stream *st, uint16_t rows, uint16_t columns)
{
	struct winsize ws = { .ws_row = rows, .ws_col = columns };

	if (st->kind != PROTO_TTY || st->state != OPEN)
		return -ENOTTY;
	return ioctl(st->local.fd, TIOCSWINSZ, &ws) == 0 ? 0 : -errno;
}

bool stream_has_more(const struct stream_set *set)
{
	const struct stream *st;

	for (st = set->head; st != NULL; st = st->next)
		if (st->more)
			return true;
	return false;
}

/* Pumping may end streams, this one and others: their memory, and so the way along the list, outlives the walk. */
void stream_run_more(struct stream_set *set)
{
	struct stream *st;

	for (st = set->head; st != NULL; st = st->next)
		if (st->more)
			pump(st);
}

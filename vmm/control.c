// SPDX-License-Identifier: Apache-2.0
#include "vmm/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/base/fdio.h"

#define TAG_MAX 31

/* One request: its words, and the fds that came with it until somebody takes them */
struct request {
	char line[CONTROL_LINE_MAX + 1];
	char *arg; /* after the first space; "" without */
	int fd[FDS_MAX];
	unsigned int fds;
};

int control_send(int fd, const char *fmt, ...)
{
	char line[CONTROL_LINE_MAX + ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (fd < 0)
		return 0;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	if (send(fd, line, min_size((size_t)n, sizeof(line) - 1), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

static int want_fds(const struct request *q, unsigned int n, struct err *e)
{
	if (q->fds == n)
		return 0;
	return err_say(e, EINVAL, "%u file descriptors came with the message, %u wanted", q->fds, n);
}

/* The one fd of a request, which becomes the caller's */
static int take_fd(struct request *q)
{
	q->fds = 0;
	return q->fd[0];
}

static int do_entry_add(struct control *c, struct request *q, struct err *e)
{
	int r = want_fds(q, 1, e);

	if (r < 0)
		return r;
	if (strcmp(q->arg, "ro=0") != 0 && strcmp(q->arg, "ro=1") != 0)
		return err_say(e, EINVAL, "entry-add wants ro=0 or ro=1");
	r = c->ops->entry_add(c->ctx, take_fd(q), q->arg[3] == '1', e);
	return r < 0 ? r : control_send(c->fd, "ok entry=%d", r);
}

static int do_slot_add(struct control *c, struct request *q, struct err *e)
{
	static const char prefix[] = "share,tag=";
	char *tag = q->arg + sizeof(prefix) - 1, *comma;
	int r = want_fds(q, 1, e);

	if (r < 0)
		return r;
	if (strncmp(q->arg, prefix, sizeof(prefix) - 1) != 0)
		return err_say(e, EINVAL, "slot-add wants share,tag=TAG[,ro]");
	comma = strchr(tag, ',');
	if (comma != NULL)
		*comma++ = '\0';
	if (comma != NULL && strcmp(comma, "ro") != 0)
		return err_say(e, EINVAL, "slot-add: after the tag only `ro` is known");
	if (*tag == '\0' || strlen(tag) > TAG_MAX)
		return err_say(e, EINVAL, "slot-add: a tag has 1 to %d bytes", TAG_MAX);
	r = c->ops->slot_add(c->ctx, take_fd(q), tag, comma != NULL, e);
	return r < 0 ? r : control_send(c->fd, "ok slot=%d", r);
}

static int do_slot_del(struct control *c, struct request *q, struct err *e)
{
	int r = want_fds(q, 0, e);
	unsigned long slot;
	char *end;

	if (r < 0)
		return r;
	slot = strtoul(q->arg, &end, 10);
	if (q->arg[0] < '0' || q->arg[0] > '9' || *end != '\0' || slot > UINT16_MAX)
		return err_say(e, EINVAL, "slot-del wants a slot's number");
	r = c->ops->slot_del(c->ctx, (unsigned int)slot, e);
	if (r == -EBUSY)
		return control_send(c->fd, "busy");
	return r < 0 ? r : control_send(c->fd, "ok");
}

static int do_klog(struct control *c, struct request *q, struct err *e)
{
	int r = want_fds(q, 0, e);

	if (r == 0)
		r = c->ops->klog(c->ctx, e);
	return r < 0 ? r : control_send(c->fd, "ok lines=%d", r);
}

static int do_ping(struct control *c, struct request *q, struct err *e)
{
	int r = want_fds(q, 0, e);

	return r < 0 ? r : control_send(c->fd, "ok");
}

static const struct {
	const char *verb;
	int (*run)(struct control *c, struct request *q, struct err *e);
} verbs[] = {
	{ "entry-add", do_entry_add }, { "slot-add", do_slot_add }, { "slot-del", do_slot_del },
	{ "klog", do_klog },           { "ping", do_ping },
};

/* Cut the line into verb and argument; false when it is no line of text */
static bool split(struct request *q, size_t len)
{
	size_t i;

	if (len > 0 && q->line[len - 1] == '\n')
		len--;
	q->line[len] = '\0';
	for (i = 0; i < len; i++)
		if ((unsigned char)q->line[i] < 0x20 || q->line[i] == 0x7f)
			return false;
	q->arg = strchr(q->line, ' ');
	if (q->arg != NULL)
		*q->arg++ = '\0';
	else
		q->arg = q->line + len;
	return true;
}

static int run_request(struct control *c, struct request *q, size_t len, struct err *e)
{
	size_t i;

	if (!split(q, len))
		return err_say(e, EINVAL, "a control character in the message");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(q->line, verbs[i].verb) == 0)
			return verbs[i].run(c, q, e);
	return err_say(e, EINVAL, "unknown request `%.32s`", q->line);
}

static void control_ready(void *arg, uint32_t events UNUSED)
{
	struct control *c = arg;
	struct err e = { 0 };
	struct request q;
	ssize_t n;
	int r;

	q.fds = FDS_MAX;
	n = fds_recv(c->fd, q.line, CONTROL_LINE_MAX, q.fd, &q.fds);
	if (n == 0 || (n < 0 && n != -EMSGSIZE)) {
		c->ops->hangup(c->ctx);
		return;
	}
	if (n < 0)
		r = err_say(&e, EMSGSIZE, "the message is too long or has too many file descriptors");
	else
		r = run_request(c, &q, (size_t)n, &e);
	while (q.fds > 0)
		fd_close(&q.fd[--q.fds]);
	if (r < 0 && e.code != 0)
		r = control_send(c->fd, "error %s", e.text);
	if (r < 0)
		c->ops->hangup(c->ctx); /* it does not read its answers, or is gone */
}

int control_init(struct control *c, struct loop *loop, int fd, const struct control_ops *ops, void *ctx, struct err *e)
{
	int type = 0;
	socklen_t len = sizeof(type);

	*c = (struct control){ .loop = loop, .fd = -1, .ops = ops, .ctx = ctx };
	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return err_set(e, errno, "--control-fd %d", fd);
	if (type != SOCK_SEQPACKET)
		return err_say(e, EINVAL, "--control-fd %d is no SOCK_SEQPACKET socket", fd);
	c->id = loop_add_fd(loop, fd, EPOLLIN, control_ready, c);
	if (c->id == 0)
		return err_say(e, ENOSPC, "--control-fd %d cannot be watched", fd);
	c->fd = fd;
	return 0;
}

void control_fini(struct control *c)
{
	if (c->fd >= 0)
		loop_del(c->loop, c->id);
	c->fd = -1;
}

// SPDX-License-Identifier: Apache-2.0
#include "guest-init/evloop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 32

int evloop_init(struct evloop *l)
{
	l->garbage = NULL;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	return l->epfd < 0 ? -errno : 0;
}

static void sweep(struct evloop *l)
{
	while (l->garbage != NULL) {
		struct ev_garbage *g = l->garbage;

		l->garbage = g->next;
		free(g);
	}
}

void evloop_fini(struct evloop *l)
{
	sweep(l);
	if (l->epfd >= 0)
		(void)close(l->epfd);
	l->epfd = -1;
}

int evloop_add(struct evloop *l, struct ev *ev, int fd, uint32_t events, void (*fn)(struct ev *, uint32_t))
{
	struct epoll_event e = { .events = events, .data.ptr = ev };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &e) < 0)
		return -errno;
	ev->fd = fd;
	ev->fn = fn;
	return 0;
}

void evloop_del(struct evloop *l, struct ev *ev)
{
	if (ev->fn == NULL)
		return;
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, ev->fd, NULL); /* fails only for what is not there */
	ev->fn = NULL;
}

void evloop_free(struct evloop *l, struct ev_garbage *g)
{
	g->next = l->garbage;
	l->garbage = g;
}

int evloop_wait(struct evloop *l, int timeout_ms)
{
	struct epoll_event e[BATCH];
	int i, n = epoll_wait(l->epfd, e, BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (i = 0; i < n; i++) {
		struct ev *ev = e[i].data.ptr;

		if (ev->fn != NULL)
			ev->fn(ev, e[i].events);
	}
	sweep(l);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's event loop: epoll with the watched thing embedded in its owner.
 *
 * A handler may stop watching anything, also what has an event waiting in the same batch: such events are dropped, and
 * memory given to evloop_free() is freed only after the batch. One thread.
 */
#ifndef KVMBOX_EVLOOP_H
#define KVMBOX_EVLOOP_H

#include <sys/epoll.h>

#include "vmm/base/compat.h"

struct evloop;

struct ev {
	void (*fn)(struct ev *ev, uint32_t events); /* NULL: not watched */
	int fd;                                     /* owned by whoever embeds this */
};

/* Begin an allocation that is freed by evloop_free() with this. */
struct ev_garbage {
	struct ev_garbage *next;
};

struct evloop {
	int epfd;
	struct ev_garbage *garbage;
};

int evloop_init(struct evloop *l) MUST_CHECK; /* -errno */
void evloop_fini(struct evloop *l);

/* events may hold EPOLLET. -errno */
int evloop_add(struct evloop *l, struct ev *ev, int fd, uint32_t events, void (*fn)(struct ev *, uint32_t)) MUST_CHECK;
void evloop_del(struct evloop *l, struct ev *ev);
void evloop_free(struct evloop *l, struct ev_garbage *g);

/* Wait at most timeout_ms (-1: for ever) and call handlers. 0 or -errno */
int evloop_wait(struct evloop *l, int timeout_ms) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Sources live in a fixed table. epoll carries (generation << 32 | slot), never a pointer; a slot's generation grows
 * when it is freed, so an event or an id that outlived its source matches nothing.
 *
 * epoll always reports EPOLLHUP and EPOLLERR for what it watches. A source that watches nothing is therefore taken
 * out of epoll, or a peer that hung up would make the loop spin.
 *
 * A mutex is not fair: vcpus that do nothing but register accesses could keep the loop out without bound (four threads
 * on two processors: 22 ms on average, 1 ms with the gate). So the loop, while it waits for the lock, holds a gate that
 * the others must pass first: each gets in once more at most.
 */
#include "vmm/core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LOOP_BATCH 64
#define NO_SLOT    UINT32_MAX

struct source {
	loop_fn fn; /* NULL: the slot is free */
	void *arg;
	int fd;
	uint32_t events; /* watched; 0: not in epoll */
	uint32_t gen;    /* of the source in the slot; never 0 once used */
	uint32_t next_free;
	bool timer; /* fd is a timerfd of ours */
};

struct loop {
	pthread_mutex_t lock;
	pthread_mutex_t gate; /* held by the loop while it waits for lock */
	bool wanted;          /* atomic: the loop waits, take the gate first */
	const void *owner;    /* identity of the thread that holds lock; atomic */
	int epfd;
	int stopfd;
	bool stop; /* atomic */
	uint32_t free_head;
	uint32_t used; /* slots ever used, so that untouched ones cost no memory */
	struct source src[LOOP_SOURCES_MAX];
};

/* Its address names the thread, without a system call. */
static _Thread_local char thread_mark;

int loop_new(struct loop **out)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0 };
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->free_head = NO_SLOT;
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_mutex_init(&l->gate, NULL);
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		r = -errno;
		goto err_mem;
	}
	l->stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->stopfd < 0) {
		r = -errno;
		goto err_epfd;
	}
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->stopfd, &ev) < 0) {
		r = -errno;
		goto err_stopfd;
	}
	*out = l;
	return 0;

err_stopfd:
	(void)close(l->stopfd);
err_epfd:
	(void)close(l->epfd);
err_mem:
	free(l);
	return r;
}

void loop_free(struct loop *l)
{
	uint32_t i;

	if (l == NULL)
		return;
	for (i = 0; i < l->used; i++)
		if (l->src[i].fn != NULL && l->src[i].timer)
			(void)close(l->src[i].fd);
	(void)close(l->stopfd);
	(void)close(l->epfd);
	(void)pthread_mutex_destroy(&l->gate);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

static loop_id source_id(const struct loop *l, uint32_t slot)
{
	return (uint64_t)l->src[slot].gen << 32 | slot;
}

/* The live source an id names, or NULL */
static struct source *source_get(struct loop *l, loop_id id)
{
	uint32_t slot = (uint32_t)id;

	if (id == 0 || slot >= l->used)
		return NULL;
	if (l->src[slot].fn == NULL || source_id(l, slot) != id)
		return NULL;
	return &l->src[slot];
}

static uint32_t slot_alloc(struct loop *l)
{
	uint32_t slot = l->free_head;

	if (slot != NO_SLOT) {
		l->free_head = l->src[slot].next_free;
		return slot;
	}
	if (l->used == LOOP_SOURCES_MAX)
		return NO_SLOT;
	l->src[l->used].gen = 1;
	return l->used++;
}

static void slot_free(struct loop *l, uint32_t slot)
{
	struct source *s = &l->src[slot];

	s->fn = NULL;
	s->gen++;
	if (s->gen == 0)
		s->gen = 1;
	s->next_free = l->free_head;
	l->free_head = slot;
}

static int source_watch(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = source_id(l, (uint32_t)(s - l->src)) };
	int op = EPOLL_CTL_MOD;

	if (events == s->events)
		return 0;
	if (events == 0)
		op = EPOLL_CTL_DEL;
	else if (s->events == 0)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(l->epfd, op, s->fd, &ev) < 0)
		return -errno;
	s->events = events;
	return 0;
}

static loop_id source_add(struct loop *l, const struct source *model, uint32_t events)
{
	uint32_t slot = slot_alloc(l);
	struct source *s;

	if (slot == NO_SLOT)
		return 0;
	s = &l->src[slot];
	s->fn = model->fn;
	s->arg = model->arg;
	s->fd = model->fd;
	s->timer = model->timer;
	s->events = 0;
	if (source_watch(l, s, events) < 0) {
		slot_free(l, slot);
		return 0;
	}
	return source_id(l, slot);
}

loop_id loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fn fn, void *arg)
{
	const struct source model = { .fn = fn, .arg = arg, .fd = fd };

	BUG_ON(fn == NULL || (events & EPOLLET) != 0);
	return source_add(l, &model, events);
}

void loop_mod_fd(struct loop *l, loop_id id, uint32_t events)
{
	struct source *s = source_get(l, id);

	BUG_ON((events & EPOLLET) != 0);
	if (s == NULL || s->timer)
		return;
	/* Fails only for want of kernel memory or watches; the source then stays as it was. */
	(void)source_watch(l, s, events);
}

void loop_del(struct loop *l, loop_id id)
{
	struct source *s = source_get(l, id);

	if (s == NULL)
		return;
	(void)source_watch(l, s, 0);
	if (s->timer)
		(void)close(s->fd);
	slot_free(l, (uint32_t)(s - l->src));
}

loop_id loop_add_timer(struct loop *l, loop_fn fn, void *arg)
{
	struct source model = { .fn = fn, .arg = arg, .timer = true };
	loop_id id;

	BUG_ON(fn == NULL);
	model.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (model.fd < 0)
		return 0;
	id = source_add(l, &model, EPOLLIN);
	if (id == 0)
		(void)close(model.fd);
	return id;
}

void loop_set_timer(struct loop *l, loop_id id, uint64_t ns_from_now)
{
	const uint64_t second = 1000000000;
	struct source *s = source_get(l, id);
	struct itimerspec t = { 0 };

	if (s == NULL || !s->timer)
		return;
	t.it_value.tv_sec = (time_t)(ns_from_now / second);
	t.it_value.tv_nsec = (long)(ns_from_now % second);
	/* Also forgets an expiry that was not read yet. */
	BUG_ON(timerfd_settime(s->fd, 0, &t, NULL) < 0);
}

/* One event of a batch, which an earlier callback of the batch may have made stale. Returns the callbacks made. */
static int loop_dispatch(struct loop *l, const struct epoll_event *ev)
{
	struct source *s = source_get(l, ev->data.u64);
	uint32_t events;
	uint64_t count;

	if (ev->data.u64 == 0) {
		if (read(l->stopfd, &count, sizeof(count)) < 0)
			return 0; /* drained already */
		return 0;
	}
	if (s == NULL || s->events == 0)
		return 0;
	events = ev->events & (s->events | EPOLLERR | EPOLLHUP);
	if (events == 0)
		return 0;
	if (s->timer && read(s->fd, &count, sizeof(count)) < 0)
		return 0; /* disarmed since */
	s->fn(s->arg, events);
	return 1;
}

static void lock_taken(struct loop *l)
{
	__atomic_store_n(&l->owner, (const void *)&thread_mark, __ATOMIC_RELAXED);
}

static void loop_lock_first(struct loop *l)
{
	(void)pthread_mutex_lock(&l->gate);
	__atomic_store_n(&l->wanted, true, __ATOMIC_RELAXED);
	(void)pthread_mutex_lock(&l->lock);
	__atomic_store_n(&l->wanted, false, __ATOMIC_RELAXED);
	(void)pthread_mutex_unlock(&l->gate);
	lock_taken(l);
}

int loop_step(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[LOOP_BATCH];
	int n = epoll_wait(l->epfd, ev, LOOP_BATCH, timeout_ms);
	int i, called = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return 0;
	loop_lock_first(l);
	for (i = 0; i < n; i++)
		called += loop_dispatch(l, &ev[i]);
	loop_unlock(l);
	return called;
}

int loop_run(struct loop *l)
{
	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		int r = loop_step(l, -1);

		if (r < 0)
			return r;
	}
	__atomic_store_n(&l->stop, false, __ATOMIC_RELAXED);
	return 0;
}

void loop_stop(struct loop *l)
{
	const uint64_t one = 1;
	int saved = errno;

	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	if (write(l->stopfd, &one, sizeof(one)) < 0)
		errno = saved; /* full: it is readable */
	errno = saved;
}

void loop_lock(struct loop *l)
{
	if (__atomic_load_n(&l->wanted, __ATOMIC_RELAXED)) {
		(void)pthread_mutex_lock(&l->gate);
		(void)pthread_mutex_unlock(&l->gate);
	}
	(void)pthread_mutex_lock(&l->lock);
	lock_taken(l);
}

void loop_unlock(struct loop *l)
{
	__atomic_store_n(&l->owner, NULL, __ATOMIC_RELAXED);
	(void)pthread_mutex_unlock(&l->lock);
}

bool loop_is_locked(const struct loop *l)
{
	return __atomic_load_n(&l->owner, __ATOMIC_RELAXED) == &thread_mark;
}

void loop_assert_locked(const struct loop *l)
{
	BUG_ON(!loop_is_locked(l));
}

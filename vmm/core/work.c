// SPDX-License-Identifier: Apache-2.0
/*
 * Two singly linked queues under one lock: waiting works, taken by the workers, and finished ones, taken whole by the
 * loop. The eventfd is written when the finished queue stops being empty, so one wake-up serves a batch.
 */
#include "vmm/core/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

struct work_list {
	struct work *first;
	struct work **end;
};

struct workq {
	pthread_mutex_t lock; /* all below it; never held over run() or done() */
	pthread_cond_t wake;  /* a work waits, or stop */
	pthread_cond_t ready; /* a worker has run its init */
	struct work_list waiting, finished;
	bool stop;
	unsigned int inited;
	int init_error;
	bool in_done; /* device lock: done() callbacks are being run */
	int evfd;
	struct loop *loop;
	loop_id id;
	workq_init_fn init;
	void *init_arg;
	unsigned int nthreads;
	pthread_t thread[WORKQ_THREADS_MAX];
	char name[16];
};

static void list_init(struct work_list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void list_add(struct work_list *l, struct work *w)
{
	w->next = NULL;
	*l->end = w;
	l->end = &w->next;
}

static struct work *list_take(struct work_list *l)
{
	struct work *w = l->first;

	l->first = w->next;
	if (l->first == NULL)
		l->end = &l->first;
	return w;
}

static void workq_finished(struct workq *q, struct work *w)
{
	const uint64_t one = 1;
	bool first = q->finished.first == NULL;

	list_add(&q->finished, w);
	if (first && write(q->evfd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is readable */
}

static void *workq_thread(void *arg)
{
	struct workq *q = arg;
	int r;

	(void)prctl(PR_SET_NAME, q->name); /* by itself: for another thread it takes a procfs, and the root is empty */
	r = q->init != NULL ? q->init(q->init_arg) : 0;
	(void)pthread_mutex_lock(&q->lock);
	q->inited++;
	if (r != 0 && q->init_error == 0)
		q->init_error = r;
	(void)pthread_cond_signal(&q->ready);
	for (;;) {
		struct work *w;

		while (!q->stop && q->waiting.first == NULL)
			(void)pthread_cond_wait(&q->wake, &q->lock);
		if (q->stop)
			break;
		w = list_take(&q->waiting);
		(void)pthread_mutex_unlock(&q->lock);
		w->run(w);
		(void)pthread_mutex_lock(&q->lock);
		workq_finished(q, w);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* Loop thread, device lock */
static void workq_event(void *arg, uint32_t events UNUSED)
{
	struct workq *q = arg;
	struct work *w, *next;
	uint64_t count;

	if (read(q->evfd, &count, sizeof(count)) < 0)
		return;
	(void)pthread_mutex_lock(&q->lock);
	w = q->finished.first;
	list_init(&q->finished);
	(void)pthread_mutex_unlock(&q->lock);
	q->in_done = true;
	for (; w != NULL; w = next) {
		next = w->next; /* done() may submit w again or free it */
		w->done(w);
	}
	q->in_done = false;
}

static void workq_join(struct workq *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->stop = true;
	(void)pthread_cond_broadcast(&q->wake);
	(void)pthread_mutex_unlock(&q->lock);
	while (q->nthreads > 0)
		(void)pthread_join(q->thread[--q->nthreads], NULL);
}

/* Workers take no signals: those belong to the loop. */
static int workq_start(struct workq *q, unsigned int threads)
{
	sigset_t all, old;
	int r = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r == 0 && q->nthreads < threads) {
		r = -pthread_create(&q->thread[q->nthreads], NULL, workq_thread, q);
		if (r == 0)
			q->nthreads++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_mutex_lock(&q->lock);
	while (q->inited < q->nthreads)
		(void)pthread_cond_wait(&q->ready, &q->lock);
	if (r == 0)
		r = q->init_error;
	(void)pthread_mutex_unlock(&q->lock);
	return r;
}

int workq_new(struct workq **out, struct loop *l, const char *name, unsigned int threads, workq_init_fn init, void *arg)
{
	struct workq *q;
	int r;

	BUG_ON(threads == 0 || threads > WORKQ_THREADS_MAX);
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	(void)pthread_mutex_init(&q->lock, NULL);
	(void)pthread_cond_init(&q->wake, NULL);
	(void)pthread_cond_init(&q->ready, NULL);
	list_init(&q->waiting);
	list_init(&q->finished);
	q->loop = l;
	q->init = init;
	q->init_arg = arg;
	q->evfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->evfd < 0) {
		r = -errno;
		goto err_mem;
	}
	q->id = loop_add_fd(l, q->evfd, EPOLLIN, workq_event, q);
	if (q->id == 0) {
		r = -ENOSPC;
		goto err_fd;
	}
	(void)snprintf(q->name, sizeof(q->name), "%s", name);
	r = workq_start(q, threads);
	if (r != 0)
		goto err_threads;
	*out = q;
	return 0;

err_threads:
	workq_join(q);
	loop_del(l, q->id);
err_fd:
	(void)close(q->evfd);
err_mem:
	free(q);
	return r;
}

void workq_free(struct workq *q)
{
	bool held;

	if (q == NULL)
		return;
	workq_join(q);
	held = loop_is_locked(q->loop);
	if (!held)
		loop_lock(q->loop);
	BUG_ON(q->in_done);
	loop_del(q->loop, q->id);
	if (!held)
		loop_unlock(q->loop);
	(void)close(q->evfd);
	(void)pthread_cond_destroy(&q->ready);
	(void)pthread_cond_destroy(&q->wake);
	(void)pthread_mutex_destroy(&q->lock);
	free(q);
}

void workq_submit(struct workq *q, struct work *w)
{
	(void)pthread_mutex_lock(&q->lock);
	list_add(&q->waiting, w);
	(void)pthread_cond_signal(&q->wake);
	(void)pthread_mutex_unlock(&q->lock);
}

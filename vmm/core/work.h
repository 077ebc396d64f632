// SPDX-License-Identifier: Apache-2.0
/*
 * Worker threads for what may block on files: run() on a worker, then done() on the loop thread with the device lock.
 *
 * A queue with one thread runs its works in order. Completion is told by an eventfd in the loop; done() is called in
 * completion order. struct work is embedded in the request, owned by the worker between submit and done().
 * Nothing is allocated after workq_new().
 */
#ifndef KVMBOX_WORK_H
#define KVMBOX_WORK_H

#include "vmm/core/loop.h"

#define WORKQ_THREADS_MAX 8

struct work {
	void (*run)(struct work *w);  /* worker thread, no lock */
	void (*done)(struct work *w); /* loop thread, device lock */
	struct work *next;            /* the queue's */
};

struct workq;

/* Optional, on each worker thread before its first work (namespaces, working directory, filters): 0 or -errno */
typedef int (*workq_init_fn)(void *arg);

/*
 * A queue with 1 to WORKQ_THREADS_MAX threads, each named `name` (15 bytes are shown) and with all signals blocked.
 * Call at set-up or with the device lock.
 */
int workq_new(struct workq **out, struct loop *l, const char *name, unsigned int threads, workq_init_fn init,
	      void *arg) MUST_CHECK; /* -errno, the first failing init's error too */
/*
 * Waits for works in progress, drops queued and finished ones without done(), joins the threads. NULL ok. Never from
 * a done() of the same queue. It may block: with the device lock only when nothing is in progress (after the device's
 * reset is done, say).
 */
void workq_free(struct workq *q);

void workq_submit(struct workq *q, struct work *w); /* any thread */

#endif

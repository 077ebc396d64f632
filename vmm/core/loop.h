// SPDX-License-Identifier: Apache-2.0
/*
 * The event loop: one thread, epoll, fds and timers, and the device lock.
 *
 * All callbacks run on the loop's thread with the device lock held; the lock is dropped only while waiting. A vcpu
 * thread takes it around bus accesses, so device code has no locks of its own. loop_add_fd(), loop_mod_fd() and
 * loop_del() may be called by whoever holds the lock, on any thread. An id carries a generation: after loop_del() its
 * callback is not called any more, not even for an event of the batch in progress, and a stale id is ignored. The same
 * holds for an event that loop_mod_fd() or loop_set_timer() took back.
 *
 * fds are not owned: delete the id first, then close. Fixed table, no allocation.
 */
#ifndef KVMBOX_LOOP_H
#define KVMBOX_LOOP_H

#include <pthread.h>
#include <sys/epoll.h>

#include "vmm/base/compat.h"

/* 1,024 vsock connections and everything else */
#define LOOP_SOURCES_MAX 1280

typedef uint64_t loop_id; /* slot and generation; 0 is never valid */
typedef void (*loop_fn)(void *arg, uint32_t events);

struct loop;

int loop_new(struct loop **out) MUST_CHECK; /* 0 or -errno; the creator's thread runs it */
void loop_free(struct loop *l);             /* NULL ok; open fds stay the callers' */

/* 0 when the table is full or epoll refuses */
loop_id loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fn fn, void *arg);
void loop_mod_fd(struct loop *l, loop_id id,
		 uint32_t events); /* events 0: watch nothing (errors too are not reported) */
void loop_del(struct loop *l, loop_id id);

/* A one-shot timer, disarmed at first; ns 0 disarms. Deleted by loop_del(). 0 when it cannot be made. */
loop_id loop_add_timer(struct loop *l, loop_fn fn, void *arg);
void loop_set_timer(struct loop *l, loop_id id, uint64_t ns_from_now);

/* Run until loop_stop(); returns 0 or -errno when epoll itself fails. */
int loop_run(struct loop *l) MUST_CHECK;
/* One wait of at most timeout_ms (-1: for ever, 0: only what is ready) and its callbacks; returns their number or
 * -errno. */
int loop_step(struct loop *l, int timeout_ms) MUST_CHECK;
/* Make loop_run() return; any thread, and signal handlers. */
void loop_stop(struct loop *l);

void loop_lock(struct loop *l);
void loop_unlock(struct loop *l);
/* Does the calling thread hold the device lock? */
bool loop_is_locked(const struct loop *l);
/* BUG unless it does. */
void loop_assert_locked(const struct loop *l);

#endif

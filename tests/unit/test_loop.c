// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/core/loop: fds, timers, generations and the device lock.
 */
#include "vmm/core/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"

struct seen {
	struct loop *l;
	loop_id id;
	int fd;
	unsigned int calls;
	uint32_t events;
	bool locked;
	struct seen *other; /* what the callback acts upon */
};

static void see(void *arg, uint32_t events)
{
	struct seen *s = arg;

	s->calls++;
	s->events = events;
	s->locked = loop_is_locked(s->l);
}

static struct loop *new_loop(void)
{
	struct loop *l;

	ck_assert_int_eq(loop_new(&l), 0);
	return l;
}

static void ring(int fd)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static void watch(struct loop *l, uint32_t events, loop_fn fn, struct seen *s)
{
	*s = (struct seen){ .l = l, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	ck_assert_int_ge(s->fd, 0);
	s->id = loop_add_fd(l, s->fd, events, fn, s);
	ck_assert_uint_ne(s->id, 0);
}

START_TEST(test_callback_runs_with_the_lock_for_a_ready_fd)
{
	struct loop *l = new_loop();
	struct seen s;

	watch(l, EPOLLIN, see, &s);
	ck_assert_int_eq(loop_step(l, 0), 0);
	ring(s.fd);
	ck_assert_int_eq(loop_step(l, -1), 1);
	ck_assert_uint_eq(s.events, EPOLLIN);
	ck_assert(s.locked);
	ck_assert(!loop_is_locked(l));
	ck_assert_int_eq(loop_step(l, 0), 1); /* level-triggered */
	loop_del(l, s.id);
	ck_assert_int_eq(loop_step(l, 0), 0);
	(void)close(s.fd);
	loop_free(l);
}
END_TEST

START_TEST(test_mod_changes_what_is_watched)
{
	struct loop *l = new_loop();
	struct seen s;

	watch(l, EPOLLIN, see, &s);
	loop_mod_fd(l, s.id, EPOLLOUT);
	ck_assert_int_eq(loop_step(l, 0), 1);
	ck_assert_uint_eq(s.events, EPOLLOUT);
	loop_mod_fd(l, s.id, 0);
	ring(s.fd);
	ck_assert_int_eq(loop_step(l, 0), 0);
	loop_mod_fd(l, s.id, EPOLLIN | EPOLLOUT);
	ck_assert_int_eq(loop_step(l, 0), 1);
	ck_assert_uint_eq(s.events, EPOLLIN | EPOLLOUT);
	(void)close(s.fd);
	loop_free(l);
}
END_TEST

START_TEST(test_a_source_that_watches_nothing_does_not_hear_of_a_hangup)
{
	struct loop *l = new_loop();
	struct seen s = { .l = l };
	int sk[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sk), 0);
	s.id = loop_add_fd(l, sk[0], EPOLLIN, see, &s);
	loop_mod_fd(l, s.id, 0);
	(void)close(sk[1]);
	ck_assert_int_eq(loop_step(l, 0), 0);
	loop_mod_fd(l, s.id, EPOLLIN);
	ck_assert_int_eq(loop_step(l, 0), 1);
	ck_assert_uint_eq(s.events & EPOLLHUP, EPOLLHUP);
	loop_del(l, s.id);
	s.id = loop_add_fd(l, sk[0], 0, see, &s); /* from the start */
	ck_assert_uint_ne(s.id, 0);
	ck_assert_int_eq(loop_step(l, 0), 0);
	(void)close(sk[0]);
	loop_free(l);
}
END_TEST

static void see_and_delete_other(void *arg, uint32_t events)
{
	struct seen *s = arg;

	see(arg, events);
	loop_del(s->l, s->other->id);
}

START_TEST(test_a_source_deleted_in_a_batch_is_not_called_in_it)
{
	struct loop *l = new_loop();
	struct seen a, b;

	/* Each deletes the other, so whichever epoll reports first, exactly one is called. */
	watch(l, EPOLLIN, see_and_delete_other, &a);
	watch(l, EPOLLIN, see_and_delete_other, &b);
	a.other = &b;
	b.other = &a;
	ring(a.fd);
	ring(b.fd);
	ck_assert_int_eq(loop_step(l, 0), 1);
	ck_assert_uint_eq(a.calls + b.calls, 1);
	loop_free(l);
	(void)close(a.fd);
	(void)close(b.fd);
}
END_TEST

static struct seen reborn;

static void see_and_replace_other(void *arg, uint32_t events)
{
	struct seen *s = arg;

	see(arg, events);
	loop_del(s->l, s->other->id);
	/* takes over the freed slot, while the old event for it is still in the batch */
	reborn = (struct seen){ .l = s->l };
	reborn.id = loop_add_fd(s->l, s->other->fd, EPOLLOUT, see, &reborn);
}

START_TEST(test_a_new_source_in_a_freed_slot_gets_no_event_of_the_old_one)
{
	struct loop *l = new_loop();
	struct seen a, b;

	watch(l, EPOLLIN, see_and_replace_other, &a);
	watch(l, EPOLLIN, see_and_replace_other, &b);
	a.other = &b;
	b.other = &a;
	ring(a.fd);
	ring(b.fd);
	ck_assert_int_eq(loop_step(l, 0), 1);
	ck_assert_uint_eq(reborn.calls, 0);
	ck_assert_uint_ne(reborn.id, a.id);
	ck_assert_uint_ne(reborn.id, b.id);
	ck_assert_uint_eq((uint32_t)reborn.id, (uint32_t)(a.calls ? b.id : a.id));
	loop_free(l);
	(void)close(a.fd);
	(void)close(b.fd);
}
END_TEST

static void see_and_silence_other(void *arg, uint32_t events)
{
	struct seen *s = arg;

	see(arg, events);
	loop_mod_fd(s->l, s->other->id, 0);
}

START_TEST(test_a_source_silenced_in_a_batch_is_not_called_in_it)
{
	struct loop *l = new_loop();
	struct seen a, b;

	watch(l, EPOLLIN, see_and_silence_other, &a);
	watch(l, EPOLLIN, see_and_silence_other, &b);
	a.other = &b;
	b.other = &a;
	ring(a.fd);
	ring(b.fd);
	ck_assert_int_eq(loop_step(l, 0), 1);
	loop_free(l);
	(void)close(a.fd);
	(void)close(b.fd);
}
END_TEST

START_TEST(test_a_source_silenced_in_a_batch_does_not_hear_of_a_hangup_in_it)
{
	struct loop *l = new_loop();
	struct seen a = { .l = l }, b = { .l = l };
	int sk[4];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sk), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sk + 2), 0);
	a.id = loop_add_fd(l, sk[0], EPOLLIN, see_and_silence_other, &a);
	b.id = loop_add_fd(l, sk[2], EPOLLIN, see_and_silence_other, &b);
	a.other = &b;
	b.other = &a;
	(void)close(sk[1]);
	(void)close(sk[3]);
	ck_assert_int_eq(loop_step(l, 0), 1);
	ck_assert_uint_eq((a.events | b.events) & EPOLLHUP, EPOLLHUP);
	loop_free(l);
	(void)close(sk[0]);
	(void)close(sk[2]);
}
END_TEST

START_TEST(test_stale_and_invented_ids_do_nothing)
{
	struct loop *l = new_loop();
	struct seen s;
	loop_id old;

	watch(l, EPOLLIN, see, &s);
	old = s.id;
	loop_del(l, old);
	s.id = loop_add_fd(l, s.fd, EPOLLIN, see, &s);
	ck_assert_uint_ne(s.id, old);
	loop_del(l, old);
	loop_mod_fd(l, old, 0);
	loop_set_timer(l, old, 1);
	loop_set_timer(l, s.id, 1); /* not a timer */
	loop_del(l, 0);
	loop_del(l, UINT64_MAX);
	loop_del(l, 1ULL << 32 | 999);
	ring(s.fd);
	ck_assert_int_eq(loop_step(l, 0), 1);
	(void)close(s.fd);
	loop_free(l);
}
END_TEST

START_TEST(test_what_epoll_refuses_is_not_added)
{
	struct loop *l = new_loop();
	struct seen s;
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(file, 0);
	ck_assert_uint_eq(loop_add_fd(l, file, EPOLLIN, see, &s), 0);
	ck_assert_uint_eq(loop_add_fd(l, -1, EPOLLIN, see, &s), 0);
	watch(l, EPOLLIN, see, &s);
	ck_assert_uint_eq(loop_add_fd(l, s.fd, EPOLLIN, see, &s), 0); /* watched already */
	(void)close(file);
	(void)close(s.fd);
	loop_free(l);
}
END_TEST

START_TEST(test_a_full_table_refuses_and_a_deletion_makes_room)
{
	static loop_id id[LOOP_SOURCES_MAX];
	struct loop *l = new_loop();
	struct seen s = { .l = l };
	unsigned int i;
	int fd = eventfd(0, EFD_CLOEXEC);

	for (i = 0; i < LOOP_SOURCES_MAX; i++) { /* watching nothing needs no fd of its own */
		id[i] = loop_add_fd(l, fd, 0, see, &s);
		ck_assert_uint_ne(id[i], 0);
	}
	ck_assert_uint_eq(loop_add_fd(l, fd, 0, see, &s), 0);
	ck_assert_uint_eq(loop_add_timer(l, see, &s), 0);
	loop_del(l, id[700]);
	id[700] = loop_add_fd(l, fd, EPOLLOUT, see, &s);
	ck_assert_uint_ne(id[700], 0);
	ck_assert_int_eq(loop_step(l, 0), 1);
	(void)close(fd);
	loop_free(l);
}
END_TEST

START_TEST(test_timer_fires_once_and_can_be_taken_back)
{
	struct loop *l = new_loop();
	struct seen s = { .l = l };

	s.id = loop_add_timer(l, see, &s);
	ck_assert_uint_ne(s.id, 0);
	ck_assert_int_eq(loop_step(l, 0), 0); /* disarmed at first */
	loop_set_timer(l, s.id, 1);
	ck_assert_int_eq(loop_step(l, -1), 1);
	ck_assert_int_eq(loop_step(l, 0), 0);
	loop_set_timer(l, s.id, 1);
	loop_set_timer(l, s.id, 0);
	ck_assert_int_eq(loop_step(l, 2), 0);
	loop_set_timer(l, s.id, UINT64_MAX); /* far, but no error */
	ck_assert_int_eq(loop_step(l, 0), 0);
	loop_mod_fd(l, s.id, 0); /* not an fd */
	loop_set_timer(l, s.id, 1000001);
	ck_assert_int_eq(loop_step(l, -1), 1);
	loop_del(l, s.id);
	loop_set_timer(l, s.id, 1);
	ck_assert_int_eq(loop_step(l, 2), 0);
	ck_assert_uint_eq(s.calls, 2);
	loop_free(l);
}
END_TEST

static void see_and_disarm_other(void *arg, uint32_t events)
{
	struct seen *s = arg;

	see(arg, events);
	loop_set_timer(s->l, s->other->id, 0);
}

START_TEST(test_a_timer_disarmed_in_a_batch_does_not_fire_in_it)
{
	struct loop *l = new_loop();
	struct seen a = { .l = l }, b = { .l = l };

	a.id = loop_add_timer(l, see_and_disarm_other, &a);
	b.id = loop_add_timer(l, see_and_disarm_other, &b);
	a.other = &b;
	b.other = &a;
	loop_set_timer(l, a.id, 1);
	loop_set_timer(l, b.id, 1);
	(void)usleep(1000); /* both are due before the batch is taken */
	ck_assert_int_eq(loop_step(l, -1), 1);
	ck_assert_uint_eq(a.calls + b.calls, 1);
	loop_free(l);
}
END_TEST

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(test_timers_leave_no_fd_behind)
{
	unsigned int before = open_fds();
	struct loop *l = new_loop();
	loop_id id = loop_add_timer(l, see, l);

	ck_assert_uint_ne(id, 0);
	ck_assert_uint_ne(loop_add_timer(l, see, l), 0);
	ck_assert_uint_eq(open_fds(), before + 4);
	loop_del(l, id);
	ck_assert_uint_eq(open_fds(), before + 3);
	loop_free(l);
	loop_free(NULL);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(test_loop_new_reports_a_lack_of_fds_and_leaks_none)
{
	struct rlimit old, low;
	int fds[3], i, r[3];
	struct loop *l;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	fds[0] = eventfd(0, EFD_CLOEXEC);
	for (i = 0; i < 3; i++) { /* no fd, one, two: epoll and eventfd */
		low = (struct rlimit){ (rlim_t)fds[0] + (rlim_t)i, old.rlim_max };
		(void)close(fds[0]);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
		r[i] = loop_new(&l);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
		fds[0] = eventfd(0, EFD_CLOEXEC);
		if (r[i] == 0)
			loop_free(l);
	}
	ck_assert_int_eq(r[0], -EMFILE);
	ck_assert_int_eq(r[1], -EMFILE);
	ck_assert_int_eq(r[2], 0);
	(void)close(fds[0]);
}
END_TEST

static void *run(void *arg)
{
	return loop_run(arg) == 0 ? arg : NULL;
}

START_TEST(test_stop_ends_a_run_from_another_thread_and_before_it)
{
	struct loop *l = new_loop();
	pthread_t t;
	void *r;

	loop_stop(l);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, run, l), 0);
	loop_stop(l);
	ck_assert_int_eq(pthread_join(t, &r), 0);
	ck_assert_ptr_eq(r, l);
	loop_free(l);
}
END_TEST

static void *hold(void *arg)
{
	struct seen *s = arg;

	s->locked = loop_is_locked(s->l);
	loop_lock(s->l);
	loop_assert_locked(s->l);
	s->calls++;
	loop_unlock(s->l);
	return NULL;
}

START_TEST(test_the_lock_knows_its_owner)
{
	struct loop *l = new_loop();
	struct seen s = { .l = l };
	pthread_t t;

	loop_lock(l);
	loop_assert_locked(l);
	ck_assert_int_eq(pthread_create(&t, NULL, hold, &s), 0);
	s.calls++;
	loop_unlock(l);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_eq(s.calls, 2);
	ck_assert(!s.locked);
	ck_assert(!loop_is_locked(l));
	loop_free(l);
}
END_TEST

static void see_and_drain(void *arg, uint32_t events)
{
	struct seen *s = arg;
	uint64_t n;

	see(arg, events);
	ck_assert_int_eq(read(s->fd, &n, sizeof(n)), sizeof(n));
}

START_TEST(test_a_thread_that_takes_the_lock_at_once_again_lets_the_loop_in_first)
{
	struct loop *l = new_loop();
	unsigned int first = 0, i;
	struct seen s;
	pthread_t t;

	watch(l, EPOLLIN, see_and_drain, &s);
	ck_assert_int_eq(pthread_create(&t, NULL, run, l), 0);
	for (i = 0; i < 20; i++) {
		unsigned int before;

		loop_lock(l);
		before = s.calls;
		ring(s.fd);
		(void)usleep(5000); /* the loop comes to wait for the lock meanwhile */
		loop_unlock(l);
		loop_lock(l);
		first += s.calls != before;
		loop_unlock(l);
	}
	loop_stop(l);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_ge(first, 15); /* 20 but for a loop thread that got no processor in 5 ms */
	(void)close(s.fd);
	loop_free(l);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_callback_runs_with_the_lock_for_a_ready_fd,
		test_mod_changes_what_is_watched,
		test_a_source_that_watches_nothing_does_not_hear_of_a_hangup,
		test_a_source_deleted_in_a_batch_is_not_called_in_it,
		test_a_new_source_in_a_freed_slot_gets_no_event_of_the_old_one,
		test_a_source_silenced_in_a_batch_is_not_called_in_it,
		test_a_source_silenced_in_a_batch_does_not_hear_of_a_hangup_in_it,
		test_stale_and_invented_ids_do_nothing,
		test_what_epoll_refuses_is_not_added,
		test_a_full_table_refuses_and_a_deletion_makes_room,
		test_timer_fires_once_and_can_be_taken_back,
		test_a_timer_disarmed_in_a_batch_does_not_fire_in_it,
		test_timers_leave_no_fd_behind,
		test_loop_new_reports_a_lack_of_fds_and_leaks_none,
		test_stop_ends_a_run_from_another_thread_and_before_it,
		test_the_lock_knows_its_owner,
		test_a_thread_that_takes_the_lock_at_once_again_lets_the_loop_in_first,
	};

	return suite_run("loop", tests, ARRAY_SIZE(tests));
}

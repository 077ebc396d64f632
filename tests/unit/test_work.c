// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/core/work: works run on workers and are done on the loop, in order with one worker, and end cleanly.
 */
#include "vmm/core/work.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/fake/suite.h"

#define N 100

struct job {
	struct work w;
	struct loop *l;
	struct workq *q;
	int number;
	bool run_locked; /* run() held the device lock */
	bool done_locked;
	pthread_t runner;
	unsigned int again; /* submit it this often from done() */
};

static int order[4 * N];
static int count; /* done so far */
static sem_t gate, entered;

static void job_run(struct work *w)
{
	struct job *j = container_of(w, struct job, w);

	j->run_locked = loop_is_locked(j->l);
	j->runner = pthread_self();
}

static void job_done(struct work *w)
{
	struct job *j = container_of(w, struct job, w);

	j->done_locked = loop_is_locked(j->l);
	order[count++] = j->number;
	if (j->again > 0) {
		j->again--;
		workq_submit(j->q, w);
	}
}

static void gate_run(struct work *w UNUSED)
{
	(void)sem_post(&entered);
	(void)sem_wait(&gate);
}

static struct loop *new_loop(void)
{
	struct loop *l;

	ck_assert_int_eq(loop_new(&l), 0);
	count = 0;
	return l;
}

static void step_until(struct loop *l, int n)
{
	int i;

	for (i = 0; i < 10000 && count < n; i++)
		ck_assert_int_ge(loop_step(l, 10), 0);
	ck_assert_int_eq(count, n);
}

static void jobs_init(struct job *j, int n, struct loop *l, struct workq *q)
{
	int i;

	for (i = 0; i < n; i++)
		j[i] = (struct job){ .w = { .run = job_run, .done = job_done }, .l = l, .q = q, .number = i };
}

START_TEST(test_one_worker_does_works_in_order)
{
	struct loop *l = new_loop();
	struct job j[N];
	struct workq *q;
	int i;

	ck_assert_int_eq(workq_new(&q, l, "test", 1, NULL, NULL), 0);
	jobs_init(j, N, l, q);
	for (i = 0; i < N; i++)
		workq_submit(q, &j[i].w);
	step_until(l, N);
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(order[i], i);
		ck_assert(!j[i].run_locked);
		ck_assert(j[i].done_locked);
		ck_assert(!pthread_equal(j[i].runner, pthread_self()));
	}
	workq_free(q);
	loop_free(l);
}
END_TEST

START_TEST(test_several_workers_do_every_work_once)
{
	struct loop *l = new_loop();
	bool seen[N] = { false };
	struct job j[N];
	struct workq *q;
	int i;

	ck_assert_int_eq(workq_new(&q, l, "test", 4, NULL, NULL), 0);
	jobs_init(j, N, l, q);
	for (i = 0; i < N; i++)
		workq_submit(q, &j[i].w);
	step_until(l, N);
	for (i = 0; i < N; i++) {
		ck_assert(!seen[order[i]]);
		seen[order[i]] = true;
	}
	workq_free(q);
	loop_free(l);
}
END_TEST

START_TEST(test_done_may_submit_the_same_work_again)
{
	struct loop *l = new_loop();
	struct workq *q;
	struct job j;

	ck_assert_int_eq(workq_new(&q, l, "test", 2, NULL, NULL), 0);
	jobs_init(&j, 1, l, q);
	j.again = 3 * N - 1;
	workq_submit(q, &j.w);
	step_until(l, 3 * N);
	workq_free(q);
	loop_free(l);
}
END_TEST

START_TEST(test_free_waits_for_the_running_work_and_drops_the_waiting_ones)
{
	struct loop *l = new_loop();
	struct job j[3];
	struct workq *q;

	ck_assert_int_eq(sem_init(&gate, 0, 0) | sem_init(&entered, 0, 0), 0);
	ck_assert_int_eq(workq_new(&q, l, "test", 1, NULL, NULL), 0);
	jobs_init(j, 3, l, q);
	j[0].w.run = gate_run;
	workq_submit(q, &j[0].w);
	workq_submit(q, &j[1].w);
	workq_submit(q, &j[2].w);
	(void)sem_wait(&entered);
	(void)sem_post(&gate);
	workq_free(q);
	ck_assert_int_eq(loop_step(l, 0), 0); /* no done() any more */
	ck_assert_int_eq(count, 0);
	loop_free(l);
	workq_free(NULL);
}
END_TEST

START_TEST(test_free_works_with_the_device_lock_held)
{
	struct loop *l = new_loop();
	struct workq *q;

	ck_assert_int_eq(workq_new(&q, l, "test", 2, NULL, NULL), 0);
	loop_lock(l);
	workq_free(q);
	ck_assert(loop_is_locked(l));
	loop_unlock(l);
	loop_free(l);
}
END_TEST

struct init {
	int calls; /* atomic: one per thread */
	int fail_at;
	char name[16];
	bool blocked;
};

static int thread_init(void *arg)
{
	struct init *in = arg;
	sigset_t now;

	if (__atomic_add_fetch(&in->calls, 1, __ATOMIC_ACQ_REL) == in->fail_at)
		return -EPERM;
	if (in->fail_at == 0) {
		(void)prctl(PR_GET_NAME, in->name);
		(void)pthread_sigmask(SIG_SETMASK, NULL, &now);
		in->blocked = sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGUSR1) == 1;
	}
	return 0;
}

START_TEST(test_init_runs_on_every_thread_before_new_returns)
{
	struct loop *l = new_loop();
	struct init in = { .fail_at = -1 };
	sigset_t before, after;
	struct workq *q;

	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
	ck_assert_int_eq(workq_new(&q, l, "test", 5, thread_init, &in), 0);
	ck_assert_int_eq(in.calls, 5);
	workq_free(q);
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	ck_assert_int_eq(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
	in = (struct init){ .fail_at = 0 };
	ck_assert_int_eq(workq_new(&q, l, "p9 worker", 1, thread_init, &in), 0);
	ck_assert(in.blocked);
	workq_free(q);
	loop_free(l);
}
END_TEST

START_TEST(test_a_failing_init_fails_new_and_leaves_nothing)
{
	struct loop *l = new_loop();
	int before = eventfd(0, EFD_CLOEXEC), after, i;
	struct init in = { .fail_at = 3 };
	struct workq *q = NULL;

	(void)close(before);
	ck_assert_int_eq(workq_new(&q, l, "test", 4, thread_init, &in), -EPERM);
	ck_assert_int_eq(in.calls, 4);
	ck_assert_ptr_null(q);
	for (i = 0; i < LOOP_SOURCES_MAX; i++) {
		in = (struct init){ .fail_at = 1 };
		ck_assert_int_eq(workq_new(&q, l, "test", 1, thread_init, &in), -EPERM);
	}
	ck_assert_int_eq(workq_new(&q, l, "test", 1, NULL, NULL), 0);
	workq_free(q);
	after = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(after, before);
	(void)close(after);
	loop_free(l);
}
END_TEST

START_TEST(test_new_reports_a_lack_of_fds)
{
	struct loop *l = new_loop();
	struct rlimit old, low;
	struct workq *q;
	int fd = eventfd(0, EFD_CLOEXEC), r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ (rlim_t)fd, old.rlim_max };
	(void)close(fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = workq_new(&q, l, "test", 1, NULL, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(r, -EMFILE);
	loop_free(l);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_one_worker_does_works_in_order,
		test_several_workers_do_every_work_once,
		test_done_may_submit_the_same_work_again,
		test_free_waits_for_the_running_work_and_drops_the_waiting_ones,
		test_free_works_with_the_device_lock_held,
		test_init_runs_on_every_thread_before_new_returns,
		test_a_failing_init_fails_new_and_leaves_nothing,
		test_new_reports_a_lack_of_fds,
	};

	return suite_run("work", tests, ARRAY_SIZE(tests));
}

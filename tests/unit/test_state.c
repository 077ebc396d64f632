// SPDX-License-Identifier: Apache-2.0
/*
 * runtime-cli/state, proc and cgroup_path: what is stored, what is computed, what an id may be.
 */
#include "runtime-cli/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-cli/cgroup.h"
#include "tests/unit/fake/suite.h"
#include "vmm/base/fdio.h"

static char root[] = "/tmp/kvmbox-state.XXXXXX";

static int open_root(void)
{
	struct err e = { 0 };
	int fd;

	if (strstr(root, "XXXXXX") != NULL)
		ck_assert_ptr_nonnull(mkdtemp(root));
	fd = state_open_root(root, &e);
	ck_assert_msg(fd >= 0, "%s", e.text);
	return fd;
}

static void remove_all(struct state *s, int rootfd)
{
	struct err e = { 0 };

	ck_assert_msg(state_remove(s, rootfd, &e) == 0, "%s", e.text);
	state_fini(s);
	(void)close(rootfd);
	(void)rmdir(root);
}

START_TEST(test_ids_follow_the_rule)
{
	static const char *const good[] = { "a", "A-b_c.d+e",
					    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" };
	static const char *const bad[] = { "", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "\xc3\xa4", "a:b" };
	char long_id[STATE_ID_MAX + 2];
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_int_eq(state_check_id(good[i], &e), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(state_check_id(bad[i], &e), -EINVAL);
	memset(long_id, 'a', sizeof(long_id));
	long_id[STATE_ID_MAX + 1] = '\0';
	ck_assert_int_eq(state_check_id(long_id, &e), -EINVAL);
	long_id[STATE_ID_MAX] = '\0';
	ck_assert_int_eq(state_check_id(long_id, &e), 0);
}
END_TEST

START_TEST(test_what_is_saved_is_loaded_and_a_second_reservation_fails)
{
	struct state s = STATE_INIT, t = STATE_INIT, u = STATE_INIT;
	struct err e = { 0 };
	int rootfd = open_root();

	ck_assert_int_eq(state_reserve(&s, rootfd, "box", &e), 0);
	ck_assert_int_eq(state_reserve(&u, rootfd, "box", &e), -EEXIST);
	ck_assert_ptr_nonnull(strstr(e.text, "already exists"));
	strncpy(s.bundle, "/a \"bundle\"", sizeof(s.bundle) - 1);
	strncpy(s.cgroup, "/kvmbox/box", sizeof(s.cgroup) - 1);
	s.annotations = strdup("{\"k\":\"v\"}");
	s.owner = 4294967294U;
	s.monitor = (struct proc){ 12, 18446744073709551615ULL };
	ck_assert_int_eq(state_save(&s, &e), 0);
	ck_assert_int_eq(state_load(&t, rootfd, "box", &e), 0);
	ck_assert_str_eq(t.bundle, s.bundle);
	ck_assert_str_eq(t.cgroup, s.cgroup);
	ck_assert_str_eq(t.annotations, s.annotations);
	ck_assert_uint_eq(t.owner, s.owner);
	ck_assert_int_eq(t.monitor.pid, 12);
	ck_assert_uint_eq(t.monitor.start, s.monitor.start);
	state_fini(&t);
	remove_all(&s, rootfd);
}
END_TEST

START_TEST(test_status_is_computed_from_the_process_and_the_letter)
{
	struct state s = STATE_INIT;
	struct err e = { 0 };
	int rootfd = open_root(), fd;
	char reason[32];
	pid_t pid;

	ck_assert_int_eq(state_reserve(&s, rootfd, "box", &e), 0);
	ck_assert_int_eq(state_status(&s), STATUS_STOPPED); /* nobody creates it, nothing runs */
	ck_assert_int_eq(proc_identify(&s.creator, getpid()), 0);
	ck_assert_int_eq(state_status(&s), STATUS_CREATING);
	pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	ck_assert_int_eq(proc_identify(&s.monitor, pid), 0);
	ck_assert_int_eq(state_status(&s), STATUS_CREATING);
	fd = openat(s.dir, "status", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(pwrite(fd, "c\n", 2, 0), 2);
	ck_assert_int_eq(state_status(&s), STATUS_CREATED);
	ck_assert_int_eq(pwrite(fd, "r\n", 2, 0), 2);
	ck_assert_int_eq(state_status(&s), STATUS_RUNNING);
	s.monitor.start++; /* the pid was reused */
	ck_assert_int_eq(state_status(&s), STATUS_STOPPED);
	s.monitor.start--;
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	while (proc_alive(&s.monitor))
		(void)usleep(1000);
	ck_assert_int_eq(state_status(&s), STATUS_STOPPED); /* a zombie does not run */
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(state_status(&s), STATUS_STOPPED);
	ck_assert_int_eq(pwrite(fd, "xpanic\n", 7, 0), 7);
	state_reason(&s, reason, sizeof(reason));
	ck_assert_str_eq(reason, "panic");
	(void)close(fd);
	remove_all(&s, rootfd);
}
END_TEST

START_TEST(test_damaged_or_foreign_state_is_an_error_with_a_way_out)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"version\":2}", "null" };
	struct state s = STATE_INIT, t = STATE_INIT;
	struct err e = { 0 };
	int rootfd = open_root(), fd;
	size_t i;

	ck_assert_int_eq(state_reserve(&s, rootfd, "box", &e), 0);
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		fd = openat(s.dir, "state.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		ck_assert_int_eq(write_full(fd, texts[i], strlen(texts[i])), 0);
		(void)close(fd);
		ck_assert_int_eq(state_load(&t, rootfd, "box", &e), -EPROTO);
		ck_assert_ptr_nonnull(strstr(e.text, "state.json"));
	}
	remove_all(&s, rootfd);
}
END_TEST

static int count_one(const struct state *s, void *arg)
{
	ck_assert_str_eq(s->id, "box");
	++*(int *)arg;
	return 0;
}

START_TEST(test_a_container_without_state_json_is_listed_and_can_be_removed)
{
	struct state s = STATE_INIT;
	struct err e = { 0 };
	int rootfd = open_root(), n = 0;

	ck_assert_int_eq(state_reserve(&s, rootfd, "box", &e), 0);
	ck_assert_int_eq(mkdirat(rootfd, ".not-one", 0700), 0);
	ck_assert_int_eq(state_each(rootfd, count_one, &n, &e), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(unlinkat(rootfd, ".not-one", AT_REMOVEDIR), 0);
	remove_all(&s, rootfd);
}
END_TEST

START_TEST(test_the_lock_is_exclusive_and_tells_of_a_deletion)
{
	struct state s = STATE_INIT, t = STATE_INIT;
	struct err e = { 0 };
	int rootfd = open_root();

	ck_assert_int_eq(state_reserve(&s, rootfd, "box", &e), 0);
	ck_assert_int_eq(state_load(&t, rootfd, "box", &e), 0);
	ck_assert_int_eq(state_trylock(&t), -EWOULDBLOCK);
	ck_assert_int_eq(state_remove(&s, rootfd, &e), 0);
	state_fini(&s);
	ck_assert_int_eq(state_lock(&t, rootfd, &e), -ENOENT);
	state_fini(&t);
	(void)close(rootfd);
	(void)rmdir(root);
}
END_TEST

START_TEST(test_cgroup_paths_are_checked)
{
	struct err e = { 0 };
	char out[64];

	ck_assert_int_eq(cgroup_path(out, sizeof(out), NULL, "box", &e), 0);
	ck_assert_str_eq(out, "/kvmbox/box");
	ck_assert_int_eq(cgroup_path(out, sizeof(out), "libpod/x", "box", &e), 0);
	ck_assert_str_eq(out, "/libpod/x");
	ck_assert_int_eq(cgroup_path(out, sizeof(out), "//a/b", "box", &e), 0);
	ck_assert_str_eq(out, "/a/b");
	ck_assert_int_lt(cgroup_path(out, sizeof(out), "a/../../b", "box", &e), 0);
	ck_assert_int_lt(cgroup_path(out, sizeof(out), "/..", "box", &e), 0);
	ck_assert_int_lt(cgroup_path(out, sizeof(out), "../a", "box", &e), 0);
	ck_assert_int_lt(cgroup_path(out, sizeof(out), "/", "box", &e), 0);
	ck_assert_int_lt(cgroup_path(out, sizeof(out), "machine.slice:libpod:x", "box", &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "linux.cgroupsPath"));
	ck_assert_int_lt(cgroup_path(out, 8, "/long/path", "box", &e), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_ids_follow_the_rule,
		test_what_is_saved_is_loaded_and_a_second_reservation_fails,
		test_status_is_computed_from_the_process_and_the_letter,
		test_damaged_or_foreign_state_is_an_error_with_a_way_out,
		test_a_container_without_state_json_is_listed_and_can_be_removed,
		test_the_lock_is_exclusive_and_tells_of_a_deletion,
		test_cgroup_paths_are_checked,
	};

	return suite_run("state", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What a container's process gets from the agent: identity, limits, descriptors, namespaces, terminal; how it is
 * started, signalled and reported. Over socket pairs, see agent_host.h.
 */
#include <sys/resource.h>

#include "tests/unit/agent_host.h"
#include "tests/unit/fake/suite.h"

/* --- start and exit --- */

static void run(const char *script, uint32_t code, uint32_t signal)
{
	struct wr w = container(0);

	put_shell(&w, script);
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(simple(PROTO_START));
	expect_exited(code, signal, 0);
}

START_TEST(test_exit_codes_and_signals_are_reported)
{
	HOST_START();
	run("exit 0", 0, 0);
	run("exit 7", 7, 0);
	run("exit 255", 255, 0);
	run("sh -c 'kill -TERM $$'; exit $?", 143, 0); /* a child killed by TERM */
	host_end();
}
END_TEST

START_TEST(test_an_init_that_is_killed_is_reported_with_its_signal)
{
	struct wr w;

	HOST_START();
	w = container(0);
	put_shell(&w, "sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(simple(PROTO_START));
	expect_ok(tell_signal(SIGKILL, false));
	expect_exited(0, SIGKILL, 0);
	host_end();
}
END_TEST

START_TEST(test_a_kill_for_memory_is_marked)
{
	int fd;
	struct wr w;

	HOST_START();
	fd = open(BASE "/oom", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	(void)close(fd);
	w = container(0);
	put_shell(&w, "sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(simple(PROTO_START));
	expect_ok(tell_signal(SIGKILL, false));
	expect_exited(0, SIGKILL, 1);
	run("exit 3", 3, 0); /* not so an exit of its own */
	host_end();
}
END_TEST

START_TEST(test_written_pages_are_synced_before_the_exit_is_told)
{
	char got[64];

	HOST_START();
	run("exit 0", 0, 0);
	host_end();
	(void)read_all(host.calls, got, sizeof(got));
	ck_assert_str_eq(got, "sync\n");
}
END_TEST

START_TEST(test_the_program_does_not_run_before_its_start)
{
	struct wr w;

	HOST_START();
	w = container(0);
	put_shell(&w, "echo ran >/tmp/ran");
	expect_ok(tell(PROTO_CREATE, &w));
	(void)poll(NULL, 0, 50);
	ck_assert_int_eq(access(SHARES "/0/tmp/ran", F_OK), -1);
	expect_ok(simple(PROTO_START));
	expect_exited(0, 0, 0);
	ck_assert_int_eq(access(SHARES "/0/tmp/ran", F_OK), 0);
	host_end();
}
END_TEST

START_TEST(test_a_process_killed_before_its_start_is_reported)
{
	struct wr w;

	HOST_START();
	w = container(PIPES);
	put_shell(&w, "true");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(tell_signal(SIGKILL, false));
	expect_exited(0, SIGKILL, 0);
	expect_error(simple(PROTO_START), ESRCH, "no such process");
	host_end();
}
END_TEST

START_TEST(test_a_number_is_used_once_at_a_time)
{
	struct wr w;

	HOST_START();
	w = container(0);
	put_shell(&w, "sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_error(tell(PROTO_CREATE, &w), EEXIST, "exists already");
	expect_ok(tell_signal(SIGKILL, false));
	expect_exited(0, SIGKILL, 0);
	run("exit 4", 4, 0);
	host_end();
}
END_TEST

/* --- errors of CREATE and START --- */

static uint32_t create_arg0(const char *arg0)
{
	struct wr w = container(0);

	proto_put_str(&w, C(PROTO_T_ARG), arg0);
	return tell(PROTO_CREATE, &w);
}

START_TEST(test_programs_that_cannot_run_are_refused_at_create)
{
	HOST_START();
	expect_error(create_arg0("nosuch"), ENOENT, "exec: \"nosuch\": executable file not found in $PATH");
	expect_error(create_arg0("/etc/passwd"), EACCES, "exec: \"/etc/passwd\": permission denied");
	expect_error(create_arg0("/etc"), EACCES, "exec: \"/etc\": is a directory");
	run("exit 0", 0, 0); /* nothing is left of those */
	host_end();
}
END_TEST

START_TEST(test_programs_that_fail_in_exec_are_refused_at_start_and_reported)
{
	FILE *f;

	HOST_START();
	f = fopen(SHARES "/0/etc/broken", "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs("\177ELF is not enough", f);
	(void)fclose(f);
	ck_assert_int_eq(chmod(SHARES "/0/etc/broken", 0755), 0);
	expect_ok(create_arg0("/etc/broken"));
	expect_error(simple(PROTO_START), ENOEXEC, "exec /etc/broken: Exec format error");
	expect_exited(126, 0, 0);

	f = fopen(SHARES "/0/etc/script", "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs("#!/no/interpreter\n", f);
	(void)fclose(f);
	ck_assert_int_eq(chmod(SHARES "/0/etc/script", 0755), 0);
	expect_ok(create_arg0("/etc/script"));
	expect_error(simple(PROTO_START), ENOENT, "exec /etc/script: no such file or directory");
	expect_exited(127, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_set_up_that_fails_names_the_thing)
{
	struct wr w;

	HOST_START();
	w = container(0);
	put_shell(&w, "true");
	put_mount_as(&w, 9, 0, MS_BIND, "/x", "", "");
	expect_error(tell(PROTO_CREATE, &w), ENOENT, "mounts: `/x`: entry 9");
	w = container(0);
	put_shell(&w, "true");
	put_sysctl(&w, "kernel.nosuch", "1");
	expect_error(tell(PROTO_CREATE, &w), ENOENT, "linux.sysctl: the guest's kernel has no `kernel.nosuch`");
	w = container(0);
	put_shell(&w, "true");
	put_sysctl(&w, "../etc/passwd", "1");
	expect_error(tell(PROTO_CREATE, &w), EINVAL, "linux.sysctl: `../etc/passwd` is not the name");
	w = container(0);
	put_shell(&w, "true");
	put_sysctl(&w, "net.ipv4.ip_forward", "banana");
	expect_error(tell(PROTO_CREATE, &w), EINVAL, "linux.sysctl: `net.ipv4.ip_forward`: write `banana`");
	run("exit 0", 0, 0);
	host_end();
}
END_TEST

/* A request whose single fields differ from container()'s. */
static struct wr custom(uint32_t streams, const char *cwd, uint32_t uid, uint32_t gid, uint32_t umask, bool ro)
{
	struct wr w = request();

	proto_put_u32(&w, C(PROTO_T_PROC), PROTO_PROC_INIT);
	proto_put_str(&w, C(PROTO_T_CWD), cwd);
	put_user(&w, uid, gid, umask);
	put_root(&w, 0, ro);
	proto_put_u64(&w, C(PROTO_T_NAMESPACES), ALL_NAMESPACES);
	put_mount_as(&w, 1, 0, MS_BIND | MS_RDONLY, "/usr", "", "");
	put_fs(&w, "/proc", "proc", 0, "");
	put_fs(&w, "/dev", "tmpfs", MS_NOSUID, "mode=755");
	proto_put_u32(&w, C(PROTO_T_STREAMS), streams);
	return w;
}

START_TEST(test_a_working_directory_is_made_or_its_absence_named)
{
	struct wr w;

	HOST_START();
	w = custom(1u << PROTO_STDOUT, "/made/here", 0, 0, UINT32_MAX, false);
	put_shell(&w, "pwd");
	expect_output(&w, "/made/here\n");
	w = custom(0, "/etc/passwd", 0, 0, UINT32_MAX, false);
	put_shell(&w, "pwd");
	expect_error(tell(PROTO_CREATE, &w), ENOTDIR, "process.cwd: `/etc/passwd`");
	host_end();
}
END_TEST

/* --- identity --- */

START_TEST(test_user_groups_and_umask_are_the_configs)
{
	static const uint32_t groups[] = { 7, 8 };
	struct wr w;

	HOST_START();
	w = custom(1u << PROTO_STDOUT, "/home/me", 1000, 1001, 0027, false);
	put_u32s(&w, PROTO_T_GROUPS, groups, 2);
	put_shell(&w, "grep -E '^(Uid|Gid|Groups|Umask)' /proc/self/status; echo $HOME; echo x >/dev/stdout");
	expect_output(&w, "Umask:\t0027\nUid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\n"
			  "Groups:\t7 8 \n/home/me\nx\n");
	w = container(1u << PROTO_STDOUT);
	put_shell(&w, "umask; echo $HOME; grep Groups /proc/self/status");
	expect_output(&w, "0022\n/root\nGroups:\t \n");
	host_end();
}
END_TEST

START_TEST(test_home_of_the_environment_stays_unless_it_is_empty)
{
	struct wr w;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	proto_put_str(&w, C(PROTO_T_ENV), "HOME=/mine");
	put_shell(&w, "env | grep -c HOME=; echo $HOME");
	expect_output(&w, "1\n/mine\n");
	w = container(1u << PROTO_STDOUT);
	proto_put_str(&w, C(PROTO_T_ENV), "HOME=");
	put_shell(&w, "env | grep -c HOME=; echo $HOME");
	expect_output(&w, "1\n/root\n");
	w = custom(1u << PROTO_STDOUT, "/", 4242, 0, UINT32_MAX, false);
	put_shell(&w, "echo $HOME");
	expect_output(&w, "/\n");
	host_end();
}
END_TEST

START_TEST(test_the_five_capability_sets_are_the_configs)
{
	struct wr w;

	HOST_START();
	w = custom(1u << PROTO_STDOUT, "/", 1000, 1000, UINT32_MAX, false);
	put_caps(&w, 0x4e1, 0x400, 0x421, 0x421, 0x401);
	put_shell(&w, "grep Cap /proc/self/status");
	/* permitted and effective of a user after execve() are the ambient ones */
	expect_output(&w, "CapInh:\t0000000000000421\nCapPrm:\t0000000000000401\nCapEff:\t0000000000000401\n"
			  "CapBnd:\t00000000000004e1\nCapAmb:\t0000000000000401\n");
	w = custom(1u << PROTO_STDOUT, "/", 0, 0, UINT32_MAX, false);
	put_caps(&w, 0x4e1, 0x4e1, 0, 0x4e1, 0);
	put_shell(&w, "grep Cap /proc/self/status");
	expect_output(&w, "CapInh:\t0000000000000000\nCapPrm:\t00000000000004e1\nCapEff:\t00000000000004e1\n"
			  "CapBnd:\t00000000000004e1\nCapAmb:\t0000000000000000\n");
	w = custom(1u << PROTO_STDOUT, "/", 0, 0, UINT32_MAX, false);
	put_shell(&w, "grep -E 'Cap(Bnd|Eff)' /proc/self/status"); /* none given: none */
	expect_output(&w, "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n");
	w = custom(0, "/", 0, 0, UINT32_MAX, false);
	put_caps(&w, 1, 1, 0, 1, 1);
	put_shell(&w, "true");
	expect_error(tell(PROTO_CREATE, &w), EPERM, "process.capabilities.ambient");
	host_end();
}
END_TEST

START_TEST(test_limits_scores_and_no_new_privileges_are_set)
{
	struct wr w;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_rlimit(&w, RLIMIT_NOFILE, 3, 4000);
	put_rlimit(&w, RLIMIT_CORE, 0, UINT64_MAX);
	proto_put_u8(&w, C(PROTO_T_NO_NEW_PRIVS), 1);
	proto_put_u32(&w, C(PROTO_T_OOM_SCORE), 500);
	put_shell(&w, "read x y </dev/null; ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc");
	/* so low a limit is set after all that needs descriptors, HOME included */
	proto_put_str(&w, C(PROTO_T_ENV), "X=1");
	{
		uint32_t seq = tell(PROTO_CREATE, &w);
		char got[256];
		int out;

		expect_ok(seq);
		out = attach(PROTO_STDOUT);
		expect_ok(simple(PROTO_START));
		(void)read_all(out, got, sizeof(got));
		ck_assert_str_eq(got, "3\n4000\n0\nunlimited\n");
		expect_exited(0, 0, 0);
	}
	w = container(1u << PROTO_STDOUT);
	proto_put_u8(&w, C(PROTO_T_NO_NEW_PRIVS), 1);
	proto_put_u32(&w, C(PROTO_T_OOM_SCORE), 500);
	put_shell(&w, "grep NoNewPrivs /proc/self/status; cat /proc/self/oom_score_adj");
	expect_output(&w, "NoNewPrivs:\t1\n500\n");
	host_end();
}
END_TEST

START_TEST(test_the_process_inherits_nothing_of_the_agents)
{
	struct wr w;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_command(&w, "ls", "/proc/self/fd", NULL);
	expect_output(&w, "0\n1\n2\n3\n"); /* 3 is its own, of the directory */
	w = container(1u << PROTO_STDOUT);
	put_command(&w, "grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status", NULL);
	expect_output(&w, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
	w = container(1u << PROTO_STDOUT);
	put_command(&w, "readlink", "/proc/self/fd/0", NULL);
	expect_output(&w, "/dev/null\n");
	w = container(1u << PROTO_STDOUT);
	put_command(&w, "env", NULL);
	expect_output(&w, "PATH=/bin:/usr/bin\nHOME=/root\n");
	host_end();
}
END_TEST

START_TEST(test_arguments_and_environment_arrive_up_to_the_kernels_limits)
{
	static char big[1 << 17];
	struct wr w;

	HOST_START();
	memset(big, 'x', 50000);
	memcpy(big, "BIG=", 4);
	w = container(1u << PROTO_STDOUT);
	proto_put_str(&w, C(PROTO_T_ENV), big);
	put_shell(&w, "printf '%s|%s|%s' ${#BIG} \"$1\" \"$0\"");
	proto_put_str(&w, C(PROTO_T_ARG), "");
	proto_put_str(&w, C(PROTO_T_ARG), "a b\n\xff");
	expect_output(&w, "49996|a b\n\xff|");
	host_end();
}
END_TEST

/* --- namespaces --- */

START_TEST(test_namespaces_names_and_sysctls_are_the_containers)
{
	struct wr w;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	proto_put_str(&w, C(PROTO_T_HOSTNAME), "web");
	proto_put_str(&w, C(PROTO_T_DOMAINNAME), "example.org");
	put_sysctl(&w, "net.ipv4.ip_forward", "1");
	put_sysctl(&w, "kernel.shmmni", "1234");
	put_shell(&w, "echo $$; hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward "
		      "/proc/sys/kernel/shmmni; ip -o link show lo | grep -c UP");
	expect_output(&w, "1\nweb\nexample.org\n1\n1234\n1\n");
	host_end();
}
END_TEST

START_TEST(test_the_cgroup_namespace_is_rooted_in_the_containers_cgroup)
{
	struct wr w;

	HOST_START();
	if (host.cgroup[0] == '\0') {
		printf("skipped: %s: needs a cgroup v2 that can be written\n", __func__);
		host_end();
		return;
	}
	w = container_in(ALL_NAMESPACES | CLONE_NEWCGROUP, 1u << PROTO_STDOUT);
	put_fs(&w, "/cg", "cgroup", 0, "");
	put_shell(&w, "grep ^0:: /proc/self/cgroup; grep -qx 1 /cg/cgroup.procs && echo inside");
	expect_output(&w, "0::/\ninside\n");
	host_end();
}
END_TEST

START_TEST(test_all_other_processes_die_with_the_first)
{
	char out[64];
	struct wr w;
	int o;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_shell(&w, "(trap '' TERM; sleep 100) & echo up; exit 3"); /* the background holds the pipe */
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	(void)read_all(o, out, sizeof(out));
	ck_assert_str_eq(out, "up\n");
	expect_exited(3, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_so_they_do_without_a_pid_namespace)
{
	char out[64];
	struct wr w;
	int o;

	HOST_START();
	if (host.cgroup[0] == '\0') {
		printf("skipped: %s: needs a cgroup v2 that can be written\n", __func__);
		host_end();
		return;
	}
	w = container_in(CLONE_NEWNS, 1u << PROTO_STDOUT);
	put_shell(&w, "(trap '' TERM; sleep 100) & echo up; exit 3");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	(void)read_all(o, out, sizeof(out));
	ck_assert_str_eq(out, "up\n");
	expect_exited(3, 0, 0);
	host_end();
}
END_TEST

/* --- signals --- */

START_TEST(test_signals_reach_the_process_and_only_valid_ones_are_sent)
{
	char c;
	struct wr w;
	int o;

	HOST_START();
	w = container(1u << PROTO_STDOUT);
	put_shell(&w, "trap 'exit 9' TERM; trap 'echo u' USR1; trap 'echo r' 37; echo; while :; do sleep 0.05; done");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	ck_assert(ready(o, POLLIN, WAIT_MS) && read(o, &c, 1) == 1);
	expect_error(tell_signal(65, false), EINVAL, "no such signal");
	expect_ok(tell_signal(0, false)); /* is it there? */
	expect_ok(tell_signal(SIGUSR1, false));
	ck_assert(ready(o, POLLIN, WAIT_MS) && read(o, &c, 1) == 1);
	ck_assert_int_eq(c, 'u');
	expect_ok(tell_signal(37, false));
	ck_assert(ready(o, POLLIN, WAIT_MS) && read(o, &c, 1) == 1 && read(o, &c, 1) == 1);
	ck_assert_int_eq(c, 'r');
	expect_ok(tell_signal(SIGTERM, false));
	expect_exited(9, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_a_signal_to_all_reaches_every_process_of_the_container)
{
	char out[256];
	struct wr w;
	int o;

	HOST_START();
	if (host.cgroup[0] == '\0') {
		printf("skipped: %s: needs a cgroup v2 that can be written\n", __func__);
		host_end();
		return;
	}
	w = container(1u << PROTO_STDOUT);
	put_shell(
		&w,
		"trap : USR1; for i in 1 2 3; do (trap 'echo got; exit' USR1; echo up; while :; do sleep 0.05; done) & "
		"done; wait; wait; wait; wait");
	expect_ok(tell(PROTO_CREATE, &w));
	o = attach(PROTO_STDOUT);
	expect_ok(simple(PROTO_START));
	{
		size_t n = 0;

		while (n < 9) {
			ck_assert(ready(o, POLLIN, WAIT_MS));
			n += (size_t)read(o, out, sizeof(out));
		}
	}
	expect_ok(tell_signal(SIGUSR1, true));
	(void)read_all(o, out, sizeof(out));
	ck_assert_str_eq(out, "got\ngot\ngot\n");
	ck_assert(hear_from(host.control));
	ck_assert_uint_eq(host.f.type, PROTO_EXITED);

	w = container(0);
	put_shell(&w, "sleep 100 & sleep 100");
	expect_ok(tell(PROTO_CREATE, &w));
	expect_ok(simple(PROTO_START));
	expect_ok(tell_signal(SIGKILL, true));
	expect_exited(0, SIGKILL, 0);
	host_end();
}
END_TEST

/* --- terminal --- */

static struct wr with_terminal(uint16_t rows, uint16_t columns)
{
	const uint16_t size[] = { rows, columns };
	struct wr w = container(1u << PROTO_TTY);

	put_fs(&w, "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620");
	proto_put_bytes(&w, C(PROTO_T_TERMINAL), size, sizeof(size));
	return w;
}

static void read_until(int fd, const char *want)
{
	static char got[4096];
	size_t n = 0;

	got[0] = '\0';
	while (strstr(got, want) == NULL) {
		ssize_t r;

		ck_assert_msg(ready(fd, POLLIN, WAIT_MS), "`%s` does not come, only `%s`", want, got);
		r = read(fd, got + n, sizeof(got) - 1 - n);
		ck_assert_msg(r > 0, "`%s` does not come, only `%s`", want, got);
		n += (size_t)r;
		got[n] = '\0';
	}
}

START_TEST(test_a_terminal_is_the_controlling_one_and_has_its_size)
{
	char out[256];
	struct wr w;
	int t;

	HOST_START();
	w = with_terminal(24, 80);
	put_shell(&w, "stty size; tty; test -c /dev/console && test -t 0 && test -t 2 && echo yes >/dev/tty; exit 5");
	expect_ok(tell(PROTO_CREATE, &w));
	t = attach(PROTO_TTY);
	expect_ok(simple(PROTO_START));
	read_until(t, "yes\r\n");
	ck_assert_int_eq(shutdown(t, SHUT_WR), 0);
	(void)read_all(t, out, sizeof(out));
	expect_exited(5, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_terminal_output_is_whole_up_to_the_last_byte)
{
	static char got[400000];
	struct wr w;
	size_t n;
	int t;

	HOST_START();
	w = with_terminal(0, 0);
	put_shell(&w, "seq 1 20000; printf end");
	expect_ok(tell(PROTO_CREATE, &w));
	t = attach(PROTO_TTY);
	expect_ok(simple(PROTO_START));
	n = read_all(t, got, sizeof(got));
	expect_exited(0, 0, 0);
	ck_assert_uint_eq(n, 108894 + 20000 + 3); /* digits and \n, a \r each, and the end */
	ck_assert_str_eq(got + n - 3 - 7, "20000\r\nend");
	host_end();
}
END_TEST

START_TEST(test_input_resize_and_interrupt_reach_the_terminal)
{
	struct wr w;
	int t;

	HOST_START();
	w = with_terminal(10, 20);
	put_shell(&w, "trap 'stty size' WINCH; trap 'echo int; exit 6' INT; read x; echo got $x; while :; do sleep "
		      "0.05; done");
	expect_ok(tell(PROTO_CREATE, &w));
	t = attach(PROTO_TTY);
	expect_ok(simple(PROTO_START));
	ck_assert_int_eq(write_full(t, "hello\r", 6), 0);
	read_until(t, "got hello\r\n");
	w = request();
	proto_put_u32(&w, PROTO_T_PROC, PROTO_PROC_INIT);
	proto_put_u32(&w, PROTO_T_WINSIZE, 40 | 100u << 16);
	expect_ok(tell(PROTO_WINSIZE, &w));
	read_until(t, "40 100\r\n");
	ck_assert_int_eq(write_full(t, "\003", 1), 0);
	read_until(t, "int\r\n");
	expect_exited(6, 0, 0);
	host_end();
}
END_TEST

START_TEST(test_a_terminal_that_the_host_closes_hangs_up)
{
	struct wr w;
	int t;

	HOST_START();
	w = with_terminal(0, 0);
	put_shell(&w, "trap 'exit 8' HUP; echo up; while :; do sleep 0.05; done");
	expect_ok(tell(PROTO_CREATE, &w));
	t = attach(PROTO_TTY);
	expect_ok(simple(PROTO_START));
	read_until(t, "up\r\n");
	(void)close(t);
	expect_exited(8, 0, 0);
	host_end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_exit_codes_and_signals_are_reported,
		test_an_init_that_is_killed_is_reported_with_its_signal,
		test_a_kill_for_memory_is_marked,
		test_written_pages_are_synced_before_the_exit_is_told,
		test_the_program_does_not_run_before_its_start,
		test_a_process_killed_before_its_start_is_reported,
		test_a_number_is_used_once_at_a_time,
		test_programs_that_cannot_run_are_refused_at_create,
		test_programs_that_fail_in_exec_are_refused_at_start_and_reported,
		test_set_up_that_fails_names_the_thing,
		test_a_working_directory_is_made_or_its_absence_named,
		test_user_groups_and_umask_are_the_configs,
		test_home_of_the_environment_stays_unless_it_is_empty,
		test_the_five_capability_sets_are_the_configs,
		test_limits_scores_and_no_new_privileges_are_set,
		test_the_process_inherits_nothing_of_the_agents,
		test_arguments_and_environment_arrive_up_to_the_kernels_limits,
		test_namespaces_names_and_sysctls_are_the_containers,
		test_the_cgroup_namespace_is_rooted_in_the_containers_cgroup,
		test_all_other_processes_die_with_the_first,
		test_so_they_do_without_a_pid_namespace,
		test_signals_reach_the_process_and_only_valid_ones_are_sent,
		test_a_signal_to_all_reaches_every_process_of_the_container,
		test_a_terminal_is_the_controlling_one_and_has_its_size,
		test_terminal_output_is_whole_up_to_the_last_byte,
		test_input_resize_and_interrupt_reach_the_terminal,
		test_a_terminal_that_the_host_closes_hangs_up,
	};

	return suite_run("agent_process", tests, ARRAY_SIZE(tests));
}

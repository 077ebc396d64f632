// SPDX-License-Identifier: Apache-2.0
/*
 * `kvmbox doctor`: each check is shown machines below a temporary root, good ones and bad ones.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/doctor.h"
#include "runtime-cli/kvm_probe.h"

static char root[64], libexec[96];
static struct doctor doctor;

/* A file with its folders; text NULL: no such file */
static void put(const char *path, const char *text)
{
	char full[256], *slash;
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = strchr(full + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ck_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	if (text == NULL) {
		ck_assert(unlink(full) == 0 || errno == ENOENT);
		return;
	}
	f = fopen(full, "we");
	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* A machine on which all is well, but for /dev/kvm, which no file can stand for */
static const struct {
	const char *path, *text;
} good[] = {
	{ "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu svm lm\n\nprocessor\t: 1\nflags\t\t: hypervisor\n" },
	{ "/proc/sys/kernel/osrelease", "5.15.0-91-generic\n" },
	{ "/proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n" },
	{ "/proc/self/mounts", "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,favordynmods 0 0\n" },
	{ "/proc/filesystems", "nodev\tsysfs\n\text4\n" },
	{ "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n" },
	{ "/sys/fs/cgroup/cgroup.subtree_control", "cpuset cpu io memory pids\n" },
	{ "/sys/module/kvm/parameters/nx_huge_pages", "never\n" },
	{ "/sys/module/kvm/parameters/halt_poll_ns", "0\n" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
	{ "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size [advise] never deny force\n" },
	{ "/dev/net/tun", "" },
	{ "/libexec/kvmbox-vmm", "" },
	{ "/libexec/kvmbox-init", "" },
	{ "/libexec/vmlinux", "" },
	{ "/etc/group", "root:x:0:\nfoo:x:10\nkvm:x:65533:a,b\n" },
};

static void make_machine(void)
{
	static const char template[] = "/tmp/test_doctor.XXXXXX";
	char path[128];
	size_t i;

	memcpy(root, template, sizeof(template));
	ck_assert_ptr_nonnull(mkdtemp(root));
	for (i = 0; i < ARRAY_SIZE(good); i++)
		put(good[i].path, good[i].text);
	(void)snprintf(libexec, sizeof(libexec), "%s/libexec", root);
	(void)snprintf(path, sizeof(path), "%s/kvmbox-vmm", libexec);
	ck_assert_int_eq(chmod(path, 0755), 0);
	doctor = (struct doctor){ .root = root, .libexec = libexec };
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_machine(void)
{
	ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static const struct doctor_result *result(const char *name)
{
	size_t i;

	doctor_run(&doctor, false);
	for (i = 0; i < doctor.n; i++)
		if (strcmp(doctor.results[i].name, name) == 0)
			return &doctor.results[i];
	ck_abort_msg("no check `%s`", name);
	return NULL;
}

START_TEST(test_all_is_fine_on_a_good_machine)
{
	size_t i;

	doctor_run(&doctor, false);
	ck_assert_uint_ge(doctor.n, 15);
	for (i = 0; i < doctor.n; i++) {
		const struct doctor_result *r = &doctor.results[i];

		ck_assert_str_ne(r->finding, "");
		if (strncmp(r->name, "kvm ", 4) == 0 && strcmp(r->name, "kvm huge pages") != 0)
			continue;
		ck_assert_msg(r->state == DOCTOR_FINE, "%s: %s", r->name, r->finding);
		ck_assert_str_eq(r->advice, "");
	}
}
END_TEST

/* One file changed: one check says so. */
static const struct {
	const char *path, *text;
	const char *name;
	enum doctor_state state;
	const char *finding, *advice; /* parts of the texts */
} cases[] = {
	{ "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor lm\n", "nested", DOCTOR_SLOW, "itself a VM",
	  "bare metal" },
	{ "/proc/cpuinfo", NULL, "nested", DOCTOR_UNKNOWN, "says nothing", "" },
	{ "/proc/cpuinfo", "processor\t: 0\n", "nested", DOCTOR_UNKNOWN, "says nothing", "" },
	{ "/proc/cpuinfo", "x\nflags\t: hypervisors nohypervisor\n", "nested", DOCTOR_FINE, "no VM", "" },
	{ "/proc/sys/kernel/osrelease", "5.14.21\n", "host kernel", DOCTOR_MISSING, "Linux 5.14.21 is too old",
	  "5.15" },
	{ "/proc/sys/kernel/osrelease", "4.19\n", "host kernel", DOCTOR_MISSING, "too old", "5.15" },
	{ "/proc/sys/kernel/osrelease", "6.1.0\n", "host kernel", DOCTOR_FINE, "Linux 6.1.0", "" },
	{ "/proc/sys/kernel/osrelease", "x\n", "host kernel", DOCTOR_UNKNOWN, "`x` is not a version", "" },
	{ "/proc/sys/kernel/osrelease", NULL, "host kernel", DOCTOR_UNKNOWN, "reading /proc/sys/kernel/osrelease", "" },
	{ "/proc/self/status", "N\nCapEff:\t0000000000000000\n", "privileges", DOCTOR_MISSING, "lacking CAP_SYS_ADMIN",
	  "as root" },
	{ "/proc/self/status", "N\nCapEff:\t000001ffffdfffff\n", "privileges", DOCTOR_MISSING, "lacking CAP_SYS_ADMIN",
	  "as root" },
	{ "/proc/self/status", "N\nCapEff:\t000001fff7ffffff\n", "privileges", DOCTOR_MISSING, "lacking CAP_MKNOD",
	  "as root" },
	{ "/proc/self/status", "N\n", "privileges", DOCTOR_UNKNOWN, "no CapEff", "" },
	{ "/proc/self/mounts", "c /sys/fs/cgroup/unified cgroup2 rw 0 0\n", "cgroup v2", DOCTOR_MISSING,
	  "mounted at /sys/fs/cgroup/unified, beside version 1", "unified_cgroup_hierarchy=1" },
	{ "/proc/self/mounts", "proc /proc proc rw 0 0\n", "cgroup v2", DOCTOR_MISSING, "not mounted",
	  "mount -t cgroup2" },
	{ "/proc/self/mounts", "proc /proc proc rw 0 0\n", "cgroup controllers", DOCTOR_UNKNOWN, "not mounted", "" },
	{ "/proc/self/mounts", "proc /proc proc rw 0 0\n", "cgroup favordynmods", DOCTOR_UNKNOWN, "not mounted", "" },
	{ "/proc/self/mounts", NULL, "cgroup v2", DOCTOR_UNKNOWN, "reading /proc/self/mounts", "" },
	{ "/proc/self/mounts", "c /sys/fs/cgroup cgroup2 rw,nofavordynmods 0 0\n", "cgroup favordynmods", DOCTOR_SLOW,
	  "40 ms", "remount,favordynmods /sys/fs/cgroup" },
	{ "/sys/fs/cgroup/cgroup.controllers", "cpu pids io cpusets\n", "cgroup controllers", DOCTOR_MISSING,
	  "not offered: memory cpuset", "cgroup_no_v1=all" },
	{ "/sys/fs/cgroup/cgroup.controllers", NULL, "cgroup controllers", DOCTOR_UNKNOWN, "reading /sys/fs/cgroup",
	  "" },
	{ "/sys/fs/cgroup/cgroup.subtree_control", "cpu\n", "cgroup controllers", DOCTOR_FINE,
	  "not yet handed down: memory pids io cpuset", "" },
	{ "/libexec/vmlinux", NULL, "programs", DOCTOR_MISSING, "libexec: vmlinux", "make install" },
	{ "/dev/net/tun", NULL, "tun device", DOCTOR_MISSING, "without a network", "modprobe tun" },
	{ "/proc/filesystems", "nodev\tdebugfs\n", "debugfs", DOCTOR_SLOW, "60 files", "debugfs=off" },
	{ "/proc/filesystems", NULL, "debugfs", DOCTOR_UNKNOWN, "reading", "" },
	{ "/sys/module/kvm/parameters/nx_huge_pages", "Y\n", "kvm huge pages", DOCTOR_SLOW, "small pages", "keep it" },
	{ "/sys/module/kvm/parameters/nx_huge_pages", "N\n", "kvm huge pages", DOCTOR_FINE, "is N", "" },
	{ "/sys/module/kvm/parameters/nx_huge_pages", NULL, "kvm huge pages", DOCTOR_UNKNOWN, "cannot be read", "" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n", "huge pages", DOCTOR_SLOW,
	  "never: ", "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", NULL, "huge pages", DOCTOR_SLOW, "this kernel has none", "" },
	{ "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always [deny] never\n", "huge pages of shared memory",
	  DOCTOR_SLOW, "deny: ", "echo advise" },
	{ "/sys/module/kvm/parameters/halt_poll_ns", "0\n", "halt polling", DOCTOR_FINE, "off: ", "" },
	{ "/proc/self/status", NULL, "privileges", DOCTOR_UNKNOWN, "reading /proc/self/status", "" },
	{ "/sys/module/kvm/parameters/halt_poll_ns", "200000\n", "halt polling", DOCTOR_FINE, "up to 200000 ns", "" },
	{ "/sys/module/kvm/parameters/halt_poll_ns", NULL, "halt polling", DOCTOR_UNKNOWN, "cannot be read", "" },
};

START_TEST(test_a_change_of_the_machine_is_found)
{
	const struct doctor_result *r;

	put(cases[_i].path, cases[_i].text);
	r = result(cases[_i].name);
	ck_assert_msg(r->state == cases[_i].state, "%s %s: %s", doctor_state_name(r->state), r->name, r->finding);
	ck_assert_msg(strstr(r->finding, cases[_i].finding) != NULL, "finding: %s", r->finding);
	ck_assert_msg(strstr(r->advice, cases[_i].advice) != NULL, "advice: %s", r->advice);
	ck_assert(cases[_i].advice[0] != '\0' || r->advice[0] == '\0');
}
END_TEST

START_TEST(test_a_processor_without_the_flaw_needs_no_small_pages)
{
	put("/sys/module/kvm/parameters/nx_huge_pages", "Y\n");
	put("/sys/devices/system/cpu/vulnerabilities/itlb_multihit", "Not affected\n");
	ck_assert_ptr_nonnull(strstr(result("kvm huge pages")->advice, "kvm.nx_huge_pages=never"));
}
END_TEST

START_TEST(test_no_libexec_is_said)
{
	doctor.libexec = NULL;
	ck_assert_str_eq(result("programs")->finding, "not in libexec: kvmbox-vmm kvmbox-init vmlinux");
}
END_TEST

START_TEST(test_a_missing_device_is_told_with_the_module_for_this_processor)
{
	const struct doctor_result *r = result("kvm device");

	ck_assert_int_eq(r->state, DOCTOR_MISSING);
	ck_assert(r->needed && !doctor_usable(&doctor));
	ck_assert_str_eq(r->finding, "/dev/kvm is not there");
	ck_assert_str_eq(r->advice, "load the module: modprobe kvm_amd");
	put("/proc/cpuinfo", "x\nflags\t: vmx\n");
	ck_assert_str_eq(result("kvm device")->advice, "load the module: modprobe kvm_intel");
	put("/proc/cpuinfo", "x\nflags\t: fpu\n");
	ck_assert_ptr_nonnull(strstr(result("kvm device")->advice, "firmware"));
	ck_assert_int_eq(result("kvm interface")->state, DOCTOR_UNKNOWN);
	ck_assert_int_eq(result("kvm speed")->state, DOCTOR_UNKNOWN);
}
END_TEST

START_TEST(test_a_device_that_is_not_kvm_is_told)
{
	put("/dev/kvm", "");
	ck_assert_int_eq(result("kvm device")->state, DOCTOR_FINE);
	ck_assert_int_eq(result("kvm interface")->state, DOCTOR_MISSING);
	ck_assert_str_eq(result("kvm interface")->finding, "/dev/kvm is not a KVM device");
	ck_assert_int_eq(result("kvm speed")->state, DOCTOR_UNKNOWN);
	ck_assert(!doctor_usable(&doctor));
}
END_TEST

/* As another user; root may open everything. */
START_TEST(test_a_device_of_a_group_is_told_with_its_name)
{
	char path[96];

	if (getuid() != 0) {
		printf("SKIPPED test_a_device_of_a_group_is_told_with_its_name: needs root\n");
		return;
	}
	put("/dev/kvm", "");
	(void)snprintf(path, sizeof(path), "%s/dev/kvm", root);
	ck_assert_int_eq(chown(path, 0, 65533), 0);
	ck_assert_int_eq(chmod(path, 0660), 0);
	ck_assert_int_eq(chmod(root, 0755), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_str_eq(result("kvm device")->finding, "/dev/kvm is there, but this user may not open it");
	ck_assert_str_eq(result("kvm device")->advice, "join the group kvm: usermod -aG kvm $USER, then log in again");
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_ptr_nonnull(strstr(result("kvm device")->advice, "only root may"));
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(test_missing_things_that_are_not_needed_do_not_make_it_unusable)
{
	size_t i;

	put("/dev/net/tun", NULL);
	doctor_run(&doctor, false);
	for (i = 0; i < doctor.n; i++)
		if (strncmp(doctor.results[i].name, "kvm ", 4) == 0)
			doctor.results[i].state = DOCTOR_FINE;
	ck_assert(doctor_usable(&doctor));
}
END_TEST

START_TEST(test_a_guest_20_times_slower_than_a_program_is_interpreted)
{
	struct doctor_result r = { 0 };

	doctor_judge_speed(&r, 100000000, 2000000000);
	ck_assert_int_eq(r.state, DOCTOR_FINE);
	ck_assert_str_eq(r.finding, "the processor runs a guest's kernel: 100.0 million instructions a second");
	doctor_judge_speed(&r, 99999999, 2000000000);
	ck_assert_int_eq(r.state, DOCTOR_MISSING);
	ck_assert_ptr_nonnull(strstr(r.finding, "99.9 million instructions a second, 20 times slower"));
	ck_assert_ptr_nonnull(strstr(r.advice, "nested virtualization"));
	doctor_judge_speed(&r, 0, 2000000000);
	ck_assert_int_eq(r.state, DOCTOR_MISSING);
	ck_assert_ptr_nonnull(strstr(r.finding, ": 0 instructions a second"));
}
END_TEST

START_TEST(test_the_module_is_named)
{
	put("/dev/kvm", "");
	ck_assert_str_eq(result("kvm device")->finding,
			 "/dev/kvm opens (module unknown, built in or another back end)");
	put("/sys/module/kvm_amd/x", "");
	ck_assert_str_eq(result("kvm device")->finding, "/dev/kvm opens (module kvm_amd)");
	put("/sys/module/kvm_intel/x", "");
	ck_assert_str_eq(result("kvm device")->finding, "/dev/kvm opens (module kvm_intel)");
}
END_TEST

START_TEST(test_kvm_only_asks_for_kvm_alone)
{
	size_t i;

	doctor_run(&doctor, true);
	ck_assert_uint_eq(doctor.n, 3);
	for (i = 0; i < doctor.n; i++)
		ck_assert(doctor.results[i].needed);
	ck_assert_str_eq(doctor.results[2].name, "kvm speed");
}
END_TEST

START_TEST(test_the_texts_are_cut_not_overrun)
{
	char big[5000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	put("/proc/sys/kernel/osrelease", big);
	put("/proc/self/mounts", big);
	put("/proc/cpuinfo", big);
	put("/sys/kernel/mm/transparent_hugepage/enabled", big);
	ck_assert_int_eq(result("host kernel")->state, DOCTOR_UNKNOWN);
	ck_assert_int_eq(result("cgroup v2")->state, DOCTOR_MISSING);
	ck_assert_int_eq(result("nested")->state, DOCTOR_UNKNOWN);
}
END_TEST

#ifdef __x86_64__
START_TEST(test_the_probe_names_the_step_that_failed)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct kvm_speed speed;
	const char *step = NULL;

	ck_assert_int_eq(kvm_probe(fd, &speed, &step), -ENOTTY);
	ck_assert_str_eq(step, "KVM_CREATE_VM");
	ck_assert_uint_eq(speed.guest_ips, 0);
	ck_assert_uint_gt(speed.user_ips, 1000000);
	(void)close(fd);
}
END_TEST
#endif

START_TEST(test_wrong_usage_is_refused)
{
	char *extra[] = { (char[]){ "doctor" }, (char[]){ "x" }, NULL };
	char *unknown[] = { (char[]){ "doctor" }, (char[]){ "--x" }, NULL };
	char *help[] = { (char[]){ "doctor" }, (char[]){ "--help" }, NULL };
	const struct cli cli = { 0 };
	struct err e = { 0 };

	opterr = 0;
	optind = 0;
	ck_assert_int_lt(cmd_doctor(&cli, 2, extra, &e), 0);
	optind = 0;
	ck_assert_int_lt(cmd_doctor(&cli, 2, unknown, &e), 0);
	optind = 0;
	ck_assert_int_eq(cmd_doctor(&cli, 2, help, &e), CLI_HELP);
	ck_assert_ptr_nonnull(strstr(cmd_doctor_help, "--kvm"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("doctor");
	TCase *t = tcase_create("doctor");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, make_machine, remove_machine);
	tcase_add_test(t, test_all_is_fine_on_a_good_machine);
	tcase_add_loop_test(t, test_a_change_of_the_machine_is_found, 0, (int)ARRAY_SIZE(cases));
	tcase_add_test(t, test_a_processor_without_the_flaw_needs_no_small_pages);
	tcase_add_test(t, test_no_libexec_is_said);
	tcase_add_test(t, test_a_missing_device_is_told_with_the_module_for_this_processor);
	tcase_add_test(t, test_a_device_that_is_not_kvm_is_told);
	tcase_add_test(t, test_a_device_of_a_group_is_told_with_its_name);
	tcase_add_test(t, test_missing_things_that_are_not_needed_do_not_make_it_unusable);
	tcase_add_test(t, test_a_guest_20_times_slower_than_a_program_is_interpreted);
	tcase_add_test(t, test_the_module_is_named);
	tcase_add_test(t, test_kvm_only_asks_for_kvm_alone);
	tcase_add_test(t, test_the_texts_are_cut_not_overrun);
#ifdef __x86_64__
	tcase_add_test(t, test_the_probe_names_the_step_that_failed);
#endif
	tcase_add_test(t, test_wrong_usage_is_refused);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

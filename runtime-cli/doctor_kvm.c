// SPDX-License-Identifier: Apache-2.0
/*
 * Checks of /dev/kvm: there, permitted, complete, and backed by hardware.
 */
#include "runtime-cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "runtime-cli/kvm_probe.h"
#include "vmm/base/fdio.h"

#define KVM_PATH "/dev/kvm"
/* A nested guest without help of the hardware is 2 to 5 times slower than its host; an interpreter a thousand times. */
#define SLOWER_MAX 20

/* A word of the first `flags` line of /proc/cpuinfo. 1, 0, or -errno */
static int cpu_flag(const struct doctor *d, const char *flag)
{
	char text[8192], *line, *end, *at;
	int r = doctor_read(d, "/proc/cpuinfo", text, sizeof(text));
	size_t len = strlen(flag);

	if (r < 0)
		return r;
	line = strstr(text, "\nflags");
	if (line == NULL)
		return -ENODATA;
	end = strchr(line + 1, '\n');
	if (end != NULL)
		*end = '\0';
	for (at = line; (at = strstr(at, flag)) != NULL; at += len)
		if (at[-1] == ' ' && (at[len] == ' ' || at[len] == '\0'))
			return 1;
	return 0;
}

static void advise_module(const struct doctor *d, struct doctor_result *r)
{
	if (cpu_flag(d, "vmx") == 1)
		doctor_advise(r, "load the module: modprobe kvm_intel");
	else if (cpu_flag(d, "svm") == 1)
		doctor_advise(r, "load the module: modprobe kvm_amd");
	else
		doctor_advise(r,
			      "turn on virtualization in the firmware, or, where this machine is itself a VM, nested "
			      "virtualization in the machine below it");
}

/* Name of a group, from /etc/group below the root; "" when it has none */
static void group_name(const struct doctor *d, unsigned int gid, char *out, size_t cap)
{
	char text[16384], want[24], *line, *colon, *save = NULL;

	out[0] = '\0';
	if (doctor_read(d, "/etc/group", text, sizeof(text)) < 0)
		return;
	(void)snprintf(want, sizeof(want), ":%u:", gid);
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		colon = strchr(line, ':');
		if (colon == NULL || strchr(colon + 1, ':') == NULL)
			continue;
		if (strncmp(strchr(colon + 1, ':'), want, strlen(want)) != 0)
			continue;
		(void)snprintf(out, cap, "%.*s", (int)(colon - line), line);
		return;
	}
}

static void denied(const struct doctor *d, struct doctor_result *r)
{
	autofd fd = doctor_open(d, KVM_PATH, O_PATH);
	char group[64];
	struct stat st;

	doctor_find(r, DOCTOR_MISSING, KVM_PATH " is there, but this user may not open it");
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	group_name(d, st.st_gid, group, sizeof(group));
	if ((st.st_mode & 060) != 060 || group[0] == '\0')
		doctor_advise(r, "only root may: run kvmbox as root, or give the device to a group: chgrp kvm " KVM_PATH
				 "; chmod 660 " KVM_PATH);
	else
		doctor_advise(r, "join the group %s: usermod -aG %s $USER, then log in again", group, group);
}

static const char *module_name(const struct doctor *d)
{
	if (doctor_exists(d, "/sys/module/kvm_intel"))
		return "kvm_intel";
	if (doctor_exists(d, "/sys/module/kvm_amd"))
		return "kvm_amd";
	return "unknown, built in or another back end";
}

void doctor_check_device(const struct doctor *d, struct doctor_result *r)
{
	autofd fd = doctor_open(d, KVM_PATH, O_RDWR);

	if (fd >= 0) {
		doctor_find(r, DOCTOR_FINE, KVM_PATH " opens (module %s)", module_name(d));
	} else if (fd == -EACCES || fd == -EPERM) {
		denied(d, r);
	} else if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO) {
		doctor_find(r, DOCTOR_MISSING, KVM_PATH " is not there");
		advise_module(d, r);
	} else {
		doctor_find(r, DOCTOR_MISSING, "opening " KVM_PATH ": %s", strerror(-fd));
	}
}

static const struct {
	int number;
	const char *name;
} extensions[] = {
	{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },   { KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
	{ KVM_CAP_IOEVENTFD, "IOEVENTFD" },       { KVM_CAP_IRQFD, "IRQFD" },
	{ KVM_CAP_IRQCHIP, "IRQCHIP" },
#ifdef __x86_64__
	{ KVM_CAP_EXT_CPUID, "EXT_CPUID" },       { KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR" },
	{ KVM_CAP_ADJUST_CLOCK, "ADJUST_CLOCK" },
#endif
};

void doctor_check_api(const struct doctor *d, struct doctor_result *r)
{
	autofd fd = doctor_open(d, KVM_PATH, O_RDWR);
	int version;
	size_t i;

	if (fd < 0) {
		doctor_find(r, DOCTOR_UNKNOWN, "not asked, " KVM_PATH " does not open");
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version < 0) {
		doctor_find(r, DOCTOR_MISSING, KVM_PATH " is not a KVM device");
		return;
	}
	if (version != KVM_API_VERSION) {
		doctor_find(r, DOCTOR_MISSING, "version %d of the interface", version);
		doctor_advise(r, "version %d is needed; a kernel of Linux 5.15 or newer has it", KVM_API_VERSION);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(extensions); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, extensions[i].number) > 0)
			continue;
		doctor_find(r, DOCTOR_MISSING, "KVM_CAP_%s is missing", extensions[i].name);
		doctor_advise(r, "use a kernel of Linux 5.15 or newer with the full KVM");
		return;
	}
	doctor_find(r, DOCTOR_FINE, "version %d with all that is needed", version);
}

/* "1.2 million", "250" */
static const char *ips_text(uint64_t ips, char *buf, size_t cap)
{
	if (ips < 100000)
		(void)snprintf(buf, cap, "%" PRIu64, ips);
	else
		(void)snprintf(buf, cap, "%" PRIu64 ".%" PRIu64 " million", ips / 1000000, ips / 100000 % 10);
	return buf;
}

void doctor_judge_speed(struct doctor_result *r, uint64_t guest_ips, uint64_t user_ips)
{
	char text[40];

	(void)ips_text(guest_ips, text, sizeof(text));
	if (guest_ips >= user_ips / SLOWER_MAX) {
		doctor_find(r, DOCTOR_FINE, "the processor runs a guest's kernel: %s instructions a second", text);
		return;
	}
	doctor_find(r, DOCTOR_MISSING,
		    "this KVM interprets a guest's kernel: %s instructions a second, %" PRIu64
		    " times slower than a program here",
		    text, user_ips / (guest_ips > 0 ? guest_ips : 1));
	doctor_advise(r, "use a machine whose processor runs guests: bare metal, or a VM with nested virtualization");
}

void doctor_check_speed(const struct doctor *d, struct doctor_result *r)
{
	autofd fd = doctor_open(d, KVM_PATH, O_RDWR);
	struct kvm_speed speed;
	const char *step = "";
	int e;

	if (fd < 0 || ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		doctor_find(r, DOCTOR_UNKNOWN, "not measured, there is no KVM to measure");
		return;
	}
	e = kvm_probe(fd, &speed, &step);
	if (e == -ENOSYS) {
		doctor_find(r, DOCTOR_UNKNOWN, "not measured on this architecture");
	} else if (e < 0) {
		doctor_find(r, DOCTOR_MISSING, "a small VM does not run: %s: %s", step, strerror(-e));
		doctor_advise(r, e == -EBUSY ? "end other hypervisors (VirtualBox, VMware) first"
					     : "see the kernel's log: dmesg | grep -i kvm");
	} else {
		doctor_judge_speed(r, speed.guest_ips, speed.user_ips);
	}
}

void doctor_check_nested(const struct doctor *d, struct doctor_result *r)
{
	int flag = cpu_flag(d, "hypervisor");

	if (flag < 0) {
		doctor_find(r, DOCTOR_UNKNOWN, "/proc/cpuinfo says nothing about the processor");
	} else if (flag == 0) {
		doctor_find(r, DOCTOR_FINE, "this machine is no VM");
	} else {
		doctor_find(r, DOCTOR_SLOW,
			    "this machine is itself a VM: each exit of a guest goes through the machine below");
		doctor_advise(r, "where milliseconds count, use bare metal");
	}
}

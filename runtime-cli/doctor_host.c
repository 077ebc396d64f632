// SPDX-License-Identifier: Apache-2.0
/*
 * Checks of the host: kernel, privileges, cgroups, programs, and the settings that cost boot time.
 */
#include "runtime-cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime-cli/caps_names.h"
#include "vmm/base/fdio.h"
#include "vmm/base/strbuf.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15

static void unreadable(struct doctor_result *r, const char *path, int e)
{
	doctor_find(r, DOCTOR_UNKNOWN, "reading %s: %s", path, strerror(-e));
}

void doctor_check_kernel(const struct doctor *d, struct doctor_result *r)
{
	static const char path[] = "/proc/sys/kernel/osrelease";
	char text[96], *end;
	unsigned long major, minor;
	int e = doctor_read(d, path, text, sizeof(text));

	major = strtoul(text, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (e < 0) {
		unreadable(r, path, e);
	} else if (major == 0) {
		doctor_find(r, DOCTOR_UNKNOWN, "`%s` is not a version", text);
	} else if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR)) {
		doctor_find(r, DOCTOR_MISSING, "Linux %s is too old", text);
		doctor_advise(r, "use Linux %d.%d or newer", KERNEL_MAJOR, KERNEL_MINOR);
	} else {
		doctor_find(r, DOCTOR_FINE, "Linux %s", text);
	}
}

/* Namespaces and mounts, and the owners and modes that a container's files need */
static const unsigned int caps_needed[] = {
	CAP_SYS_ADMIN, CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,
	CAP_MKNOD,     CAP_SETUID, CAP_SETGID,       CAP_SETPCAP, CAP_KILL,
};

void doctor_check_privileges(const struct doctor *d, struct doctor_result *r)
{
	static const char path[] = "/proc/self/status";
	char text[4096], lacking[160], *line;
	struct strbuf b = strbuf_init(lacking, sizeof(lacking));
	unsigned long long have;
	int e = doctor_read(d, path, text, sizeof(text));
	size_t i;

	if (e < 0) {
		unreadable(r, path, e);
		return;
	}
	line = strstr(text, "\nCapEff:");
	if (line == NULL) {
		doctor_find(r, DOCTOR_UNKNOWN, "no CapEff in %s", path);
		return;
	}
	have = strtoull(line + strlen("\nCapEff:"), NULL, 16);
	for (i = 0; i < ARRAY_SIZE(caps_needed); i++)
		if ((have & 1ull << caps_needed[i]) == 0)
			strbuf_add(&b, " %s", caps_name(caps_needed[i]));
	if (b.len == 0) {
		doctor_find(r, DOCTOR_FINE, "all capabilities that are needed");
		return;
	}
	doctor_find(r, DOCTOR_MISSING, "lacking%s", lacking);
	doctor_advise(r, "run kvmbox as root");
}

/* Options of the first mount of type cgroup2, and where it is; both cut to the arrays. 0, -ENODATA, or -errno */
static int find_cgroup2(const struct doctor *d, char where[static 256], char options[static 256])
{
	char text[65536], type[64], *line, *save = NULL;
	int e = doctor_read(d, "/proc/self/mounts", text, sizeof(text));

	if (e < 0)
		return e;
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%*s %255s %63s %255s", where, type, options) == 3 && strcmp(type, "cgroup2") == 0)
			return 0;
	return -ENODATA;
}

void doctor_check_cgroup(const struct doctor *d, struct doctor_result *r)
{
	char where[256], options[256];
	int e = find_cgroup2(d, where, options);

	if (e == 0 && strcmp(where, "/sys/fs/cgroup") == 0) {
		doctor_find(r, DOCTOR_FINE, "mounted at /sys/fs/cgroup");
		return;
	}
	if (e < 0 && e != -ENODATA) {
		unreadable(r, "/proc/self/mounts", e);
		return;
	}
	if (e == 0)
		doctor_find(r, DOCTOR_MISSING, "mounted at %s, beside version 1", where);
	else
		doctor_find(r, DOCTOR_MISSING, "not mounted");
	doctor_advise(r, "boot with systemd.unified_cgroup_hierarchy=1, or: mount -t cgroup2 none /sys/fs/cgroup");
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (at = text; (at = strstr(at, word)) != NULL; at += len)
		if ((at == text || at[-1] == ' ' || at[-1] == ',') && strchr(" ,", at[len]) != NULL)
			return true;
	return false;
}

void doctor_check_controllers(const struct doctor *d, struct doctor_result *r)
{
	static const char *const wanted[] = { "cpu", "memory", "pids", "io", "cpuset" };
	char where[256], options[256], path[320], have[256], given[256], lacking[80];
	struct strbuf b = strbuf_init(lacking, sizeof(lacking));
	size_t i;
	int e;

	if (find_cgroup2(d, where, options) < 0) {
		doctor_find(r, DOCTOR_UNKNOWN, "cgroup v2 is not mounted");
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", where);
	(void)doctor_read(d, path, given, sizeof(given)); /* "" also where the root has none */
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", where);
	e = doctor_read(d, path, have, sizeof(have));
	if (e < 0) {
		unreadable(r, path, e);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!has_word(have, wanted[i]))
			strbuf_add(&b, " %s", wanted[i]);
	if (b.len > 0) {
		doctor_find(r, DOCTOR_MISSING, "not offered:%s", lacking);
		doctor_advise(
			r,
			"limits of these kinds cannot be set; boot without cgroup_disable=, or with cgroup_no_v1=all");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!has_word(given, wanted[i]))
			strbuf_add(&b, " %s", wanted[i]);
	doctor_find(r, DOCTOR_FINE, "offered: %s; %s%s", have, b.len > 0 ? "not yet handed down:" : "all handed down",
		    lacking);
}

void doctor_check_programs(const struct doctor *d, struct doctor_result *r)
{
	static const struct {
		const char *name;
		int mode;
	} files[] = { { "kvmbox-vmm", X_OK }, { "kvmbox-init", R_OK }, { "vmlinux", R_OK } };
	char lacking[80];
	struct strbuf b = strbuf_init(lacking, sizeof(lacking));
	autofd dir = d->libexec != NULL ? open(d->libexec, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (dir < 0 || faccessat(dir, files[i].name, files[i].mode, 0) < 0)
			strbuf_add(&b, " %s", files[i].name);
	if (b.len == 0) {
		doctor_find(r, DOCTOR_FINE, "VMM, agent and guest kernel are in %s", d->libexec);
		return;
	}
	doctor_find(r, DOCTOR_MISSING, "not in %s:%s", d->libexec != NULL ? d->libexec : "libexec", lacking);
	doctor_advise(r, "build and install them: make, make install");
}

void doctor_check_tun(const struct doctor *d, struct doctor_result *r)
{
	if (doctor_exists(d, "/dev/net/tun")) {
		doctor_find(r, DOCTOR_FINE, "/dev/net/tun is there");
		return;
	}
	doctor_find(r, DOCTOR_MISSING, "/dev/net/tun is not there; containers run without a network");
	doctor_advise(r, "load the module: modprobe tun");
}

void doctor_check_debugfs(const struct doctor *d, struct doctor_result *r)
{
	char text[4096];
	int e = doctor_read(d, "/proc/filesystems", text, sizeof(text));

	if (e < 0) {
		unreadable(r, "/proc/filesystems", e);
	} else if (strstr(text, "\tdebugfs") == NULL) {
		doctor_find(r, DOCTOR_FINE, "off");
	} else {
		doctor_find(r, DOCTOR_SLOW,
			    "on: KVM makes about 60 files in it for each VM, most of the cost of making one");
		doctor_advise(r, "boot with debugfs=off where nobody debugs this kernel");
	}
}

void doctor_check_favordynmods(const struct doctor *d, struct doctor_result *r)
{
	char where[256], options[256];
	int e = find_cgroup2(d, where, options);

	if (e < 0) {
		doctor_find(r, DOCTOR_UNKNOWN, "cgroup v2 is not mounted");
	} else if (has_word(options, "favordynmods")) {
		doctor_find(r, DOCTOR_FINE, "on");
	} else {
		doctor_find(r, DOCTOR_SLOW, "off: moving a process between cgroups may wait up to 40 ms");
		doctor_advise(r, "mount -o remount,favordynmods %s (Linux 6.0 or newer)", where);
	}
}

void doctor_check_huge_text(const struct doctor *d, struct doctor_result *r)
{
	static const char path[] = "/sys/module/kvm/parameters/nx_huge_pages";
	char value[32], flaw[96];
	int e = doctor_read(d, path, value, sizeof(value));

	if (e < 0) {
		doctor_find(r, DOCTOR_UNKNOWN, "kvm.nx_huge_pages cannot be read");
		return;
	}
	if (value[0] == 'N' || value[0] == '0' || strcmp(value, "never") == 0) {
		doctor_find(r, DOCTOR_FINE, "kvm.nx_huge_pages is %s: a guest's code runs on huge pages", value);
		return;
	}
	doctor_find(r, DOCTOR_SLOW, "kvm.nx_huge_pages is %s: a guest's code runs on small pages", value);
	(void)doctor_read(d, "/sys/devices/system/cpu/vulnerabilities/itlb_multihit", flaw, sizeof(flaw));
	if (strcmp(flaw, "Not affected") == 0)
		doctor_advise(r, "this processor does not have the flaw (iTLB multihit): set kvm.nx_huge_pages=never");
	else
		doctor_advise(r, "keep it: this processor may have the flaw it works around (iTLB multihit)");
}

/* The word in brackets of `always [madvise] never`, or "" */
static void chosen(char *text)
{
	char *from = strchr(text, '['), *to = from != NULL ? strchr(from, ']') : NULL;

	if (to == NULL) {
		text[0] = '\0';
		return;
	}
	*to = '\0';
	memmove(text, from + 1, (size_t)(to - from));
}

static void check_huge(const struct doctor *d, struct doctor_result *r, const char *path, const char *cost,
		       const char *set)
{
	char text[96];
	int e = doctor_read(d, path, text, sizeof(text));

	if (e < 0) {
		doctor_find(r, DOCTOR_SLOW, "this kernel has none: %s", cost);
		return;
	}
	chosen(text);
	if (strcmp(text, "never") != 0 && strcmp(text, "deny") != 0) {
		doctor_find(r, DOCTOR_FINE, "%s", text[0] != '\0' ? text : "on");
		return;
	}
	doctor_find(r, DOCTOR_SLOW, "%s: %s", text, cost);
	doctor_advise(r, "echo %s > %s", set, path);
}

void doctor_check_huge_memory(const struct doctor *d, struct doctor_result *r)
{
	check_huge(d, r, "/sys/kernel/mm/transparent_hugepage/enabled",
		   "a guest's memory comes in pages of 4 KiB, which about doubles the time of a boot", "madvise");
}

void doctor_check_huge_shmem(const struct doctor *d, struct doctor_result *r)
{
	check_huge(d, r, "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
		   "memory that VMs share comes in pages of 4 KiB, which costs page faults at each start", "advise");
}

void doctor_check_halt_poll(const struct doctor *d, struct doctor_result *r)
{
	static const char path[] = "/sys/module/kvm/parameters/halt_poll_ns";
	char text[32];
	int e = doctor_read(d, path, text, sizeof(text));

	if (e < 0)
		doctor_find(r, DOCTOR_UNKNOWN, "kvm.halt_poll_ns cannot be read");
	else if (strcmp(text, "0") == 0)
		doctor_find(r, DOCTOR_FINE, "off: idle VMs leave the processor at once");
	else
		doctor_find(r, DOCTOR_FINE,
			    "up to %s ns after each halt: quicker wake-ups, some processor time of idle VMs", text);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

static const struct check {
	const char *name;
	bool needed, kvm;
	void (*run)(const struct doctor *d, struct doctor_result *r);
} checks[] = {
	{ "kvm device", true, true, doctor_check_device },
	{ "kvm interface", true, true, doctor_check_api },
	{ "kvm speed", true, true, doctor_check_speed },
	{ "nested", false, false, doctor_check_nested },
	{ "host kernel", true, false, doctor_check_kernel },
	{ "privileges", true, false, doctor_check_privileges },
	{ "cgroup v2", true, false, doctor_check_cgroup },
	{ "cgroup controllers", false, false, doctor_check_controllers },
	{ "programs", true, false, doctor_check_programs },
	{ "tun device", false, false, doctor_check_tun },
	{ "debugfs", false, false, doctor_check_debugfs },
	{ "cgroup favordynmods", false, false, doctor_check_favordynmods },
	{ "kvm huge pages", false, false, doctor_check_huge_text },
	{ "huge pages", false, false, doctor_check_huge_memory },
	{ "huge pages of shared memory", false, false, doctor_check_huge_shmem },
	{ "halt polling", false, false, doctor_check_halt_poll },
};

static_assert(ARRAY_SIZE(checks) <= DOCTOR_RESULTS_MAX, "room for every result");

static const char *const state_names[] = {
	[DOCTOR_FINE] = "fine",
	[DOCTOR_SLOW] = "slow",
	[DOCTOR_MISSING] = "missing",
	[DOCTOR_UNKNOWN] = "unknown",
};

static_assert(ARRAY_SIZE(state_names) == DOCTOR_STATE_COUNT, "a name for every state");

void doctor_run(struct doctor *d, bool kvm_only)
{
	size_t i;

	d->n = 0;
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		struct doctor_result *r = &d->results[d->n];

		if (kvm_only && !checks[i].kvm)
			continue;
		*r = (struct doctor_result){ .name = checks[i].name, .needed = checks[i].needed };
		checks[i].run(d, r);
		d->n++;
	}
}

bool doctor_usable(const struct doctor *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->results[i].needed && d->results[i].state == DOCTOR_MISSING)
			return false;
	return true;
}

const char *doctor_state_name(enum doctor_state state)
{
	return state_names[state];
}

void doctor_find(struct doctor_result *r, enum doctor_state state, const char *fmt, ...)
{
	va_list ap;

	r->state = state;
	va_start(ap, fmt);
	(void)vsnprintf(r->finding, sizeof(r->finding), fmt, ap);
	va_end(ap);
}

void doctor_advise(struct doctor_result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->advice, sizeof(r->advice), fmt, ap);
	va_end(ap);
}

static int full_path(const struct doctor *d, const char *path, char out[static PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s%s", d->root, path);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int doctor_open(const struct doctor *d, const char *path, int flags)
{
	char full[PATH_MAX];
	int fd, r = full_path(d, path, full);

	if (r < 0)
		return r;
	fd = open(full, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int doctor_read(const struct doctor *d, const char *path, char *buf, size_t cap)
{
	autofd fd = doctor_open(d, path, O_RDONLY);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	n = read_full(fd, buf, cap - 1);
	if (n < 0)
		return (int)n;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

bool doctor_exists(const struct doctor *d, const char *path)
{
	char full[PATH_MAX];

	return full_path(d, path, full) == 0 && access(full, F_OK) == 0;
}

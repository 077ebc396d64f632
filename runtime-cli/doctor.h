// SPDX-License-Identifier: Apache-2.0
/*
 * Is this machine fit to run VMs, and what slows it down: a list of checks, each with a finding and, where something is
 * to be done, an advice.
 *
 * All files are looked up below a root, so that tests can show a check any machine. Nothing is changed on the host; the
 * one thing that runs is a throwaway VM of a few milliseconds (doctor_kvm.c). Not thread-safe.
 */
#ifndef KVMBOX_DOCTOR_H
#define KVMBOX_DOCTOR_H

#include "vmm/base/compat.h"

enum doctor_state {
	DOCTOR_FINE,
	DOCTOR_SLOW, /* works, costs time */
	DOCTOR_MISSING,
	DOCTOR_UNKNOWN, /* could not be found out */
	DOCTOR_STATE_COUNT,
};

struct doctor_result {
	const char *name;
	bool needed; /* when missing, no container runs */
	enum doctor_state state;
	char finding[200];
	char advice[240]; /* "" when there is nothing to do */
};

#define DOCTOR_RESULTS_MAX 24

struct doctor {
	const char *root;    /* "" for the real machine; else a folder that holds dev, proc and sys */
	const char *libexec; /* folder of kvmbox-vmm, kvmbox-init and vmlinux; NULL: not found */
	struct doctor_result results[DOCTOR_RESULTS_MAX];
	size_t n;
};

/* Run all checks, or with kvm_only those that say whether KVM can be used. */
void doctor_run(struct doctor *d, bool kvm_only);
/* No needed thing is missing. */
bool doctor_usable(const struct doctor *d);
const char *doctor_state_name(enum doctor_state state);

/* --- for the checks themselves --- */

/* Set the state and finding of the result in hand, and what to do ("" or a text) */
void doctor_find(struct doctor_result *r, enum doctor_state state, const char *fmt, ...) PRINTF_LIKE(3, 4);
void doctor_advise(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

int doctor_open(const struct doctor *d, const char *path, int flags) MUST_CHECK; /* an fd or -errno */
/* Read the whole of a small file: cut to cap - 1, terminated, last newline dropped; "" when it fails with -errno. */
int doctor_read(const struct doctor *d, const char *path, char *buf, size_t cap);
bool doctor_exists(const struct doctor *d, const char *path);

/* doctor_kvm.c */
void doctor_check_device(const struct doctor *d, struct doctor_result *r);
void doctor_check_api(const struct doctor *d, struct doctor_result *r);
void doctor_check_speed(const struct doctor *d, struct doctor_result *r);
void doctor_judge_speed(struct doctor_result *r, uint64_t guest_ips, uint64_t user_ips);
void doctor_check_nested(const struct doctor *d, struct doctor_result *r);

/* doctor_host.c */
void doctor_check_kernel(const struct doctor *d, struct doctor_result *r);
void doctor_check_privileges(const struct doctor *d, struct doctor_result *r);
void doctor_check_cgroup(const struct doctor *d, struct doctor_result *r);
void doctor_check_controllers(const struct doctor *d, struct doctor_result *r);
void doctor_check_programs(const struct doctor *d, struct doctor_result *r);
void doctor_check_tun(const struct doctor *d, struct doctor_result *r);
void doctor_check_debugfs(const struct doctor *d, struct doctor_result *r);
void doctor_check_favordynmods(const struct doctor *d, struct doctor_result *r);
void doctor_check_huge_text(const struct doctor *d, struct doctor_result *r);
void doctor_check_huge_memory(const struct doctor *d, struct doctor_result *r);
void doctor_check_huge_shmem(const struct doctor *d, struct doctor_result *r);
void doctor_check_halt_poll(const struct doctor *d, struct doctor_result *r);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * kvmbox-vmm as a child: its fds, its argument vector, its empty root, its capabilities.
 */
#ifndef KVMBOX_LAUNCH_VMM_H
#define KVMBOX_LAUNCH_VMM_H

#include <sys/types.h>

#include "runtime-cli/plan.h"
#include "vmm/base/err.h"

#define VMM_ENTRIES_MAX 128 /* as kvmbox-vmm takes */

struct vmm_parts {
	const char *name;
	const struct vm_plan *plan;
	uint64_t memory;
	uint32_t vcpus;
	const char *over; /* a folder to pivot over */
	int netns;        /* to join; -1: it was born in its own. Not owned. */
	dev_t deny;       /* the host's /dev, never to be served; 0: none */
	int exe, kernel, init, kvm;
	int log;
	int vsock;          /* listening socket */
	int agent, control; /* its ends */
	int entry[VMM_ENTRIES_MAX];
	unsigned int n_entries;
};

#define VMM_PARTS_INIT                                                                                                 \
	{                                                                                                              \
		.netns = -1, .exe = -1, .kernel = -1, .init = -1, .kvm = -1, .log = -1, .vsock = -1, .agent = -1,      \
		.control = -1                                                                                          \
	}

/* Open the programs and the kernel. p->kvm is set by the caller (opened before anything joins a cgroup). */
int vmm_parts_open(struct vmm_parts *p, const char *libexec, struct err *e) MUST_CHECK;
void vmm_parts_close(struct vmm_parts *p);

/* The child's whole life up to execve; returns an exit status only when that fails. arg: struct vmm_parts. */
int vmm_main(void *arg);

/* /dev/kvm, or an error that says what to do. */
int host_kvm_open(struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * From a plan to two running processes: kvmbox-vmm and the monitor, siblings in one cgroup and one network namespace.
 *
 *     kvmbox ──► kvmbox-vmm   own mount namespace with an empty root; capabilities: what 9p needs
 *            └─► monitor      own pid, mount, uts, ipc namespaces, rooted in the container's tree; no capabilities
 *
 * All authority is opened here, by name, and handed over as fds. Both are born in the container's cgroup. Everything
 * that lives is recorded in the state folder, or in its cgroup, before it can run.
 */
#ifndef KVMBOX_LAUNCH_H
#define KVMBOX_LAUNCH_H

#include "runtime-cli/cli.h"
#include "runtime-cli/oci.h"
#include "runtime-cli/plan.h"
#include "runtime-cli/state.h"

struct launch {
	const struct oci_spec *spec;
	const struct vm_plan *plan;
	struct state *state; /* reserved and saved; gets the processes */
	int rootfd;          /* of the state root */
	int kvm;             /* /dev/kvm; taken over */
	int cgroup;          /* fd of the container's cgroup */
	uint32_t streams;    /* mask of 1 << enum proto_stream */
	int commit;          /* out: SOCK_SEQPACKET to the monitor; the caller's */
};

/* Streams worth attaching for this process's own stdio: what is /dev/null needs none. */
uint32_t launch_streams(bool terminal);

/*
 * Start both. The container is not ready yet: wait on l->commit for "created". On failure whatever was started is in
 * the cgroup or dies by itself; the caller destroys the container.
 */
int launch(struct launch *l, struct err *e) MUST_CHECK;

#endif

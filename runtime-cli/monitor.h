// SPDX-License-Identifier: Apache-2.0
/*
 * The monitor: the host process that stands for the container. Its pid is the container's, its exit status too.
 *
 * It relays the streams, parses the agent's frames and serves start, kill and logs on ctl.sock. It runs without
 * privileges, rooted in the container's tree, behind a seccomp filter, before it reads the first byte from the guest.
 * Nothing of the host is reachable from it but the fds below.
 *
 *     WAIT_HELLO -> (SETUP, CREATE, ATTACH each stream) -> PREPARING -> CREATED -> (START) -> STARTING -> RUNNING
 *     -> EXITED (status known, output still on its way) -> drained: exit
 *
 * Deaths: end of file from kvmbox-vmm ends it (status 255 unless EXITED came first); end of file from the creating
 * CLI before "commit" ends it; its own end is end of file for kvmbox-vmm.
 */
#ifndef KVMBOX_MONITOR_H
#define KVMBOX_MONITOR_H

#include <stddef.h>
#include <stdint.h>

#include "guest-init/proto/proto.h"

/* Exit status when the VM died under the container */
#define MONITOR_STATUS_VM_DIED 255

struct monitor_config {
	int agent;                    /* control connection to the agent, by way of kvmbox-vmm */
	int vmm;                      /* SOCK_SEQPACKET: control of kvmbox-vmm; its end of file is the VM's death */
	int ctl;                      /* listening SOCK_SEQPACKET */
	int commit;                   /* SOCK_SEQPACKET to the creating CLI */
	int status;                   /* the state folder's status file */
	int conn[PROTO_STREAM_COUNT]; /* connected to vsock.sock; -1: stream not used */
	const void *setup;            /* body of SETUP */
	size_t setup_len;
	const void *create; /* body of CREATE */
	size_t create_len;
};

/*
 * Messages on commit, one per packet. Monitor to CLI: "created", "started", "error CODE TEXT". CLI to monitor:
 * "commit", then or instead "start" (commit, and start the process).
 */

/* Prepare what needs privileges or /proc (stdio opened anew, buffers); then the caller sandboxes; then monitor_run().
 */
struct monitor;
int monitor_new(struct monitor **out, const struct monitor_config *c) MUST_CHECK; /* 0 or -errno */
int monitor_signal_fd(const struct monitor *m);          /* to be kept open, as those of the config */
int monitor_sandbox(const struct monitor *m) MUST_CHECK; /* no privileges, filter */
/* Until the end: the exit status. */
int monitor_run(struct monitor *m);

#endif

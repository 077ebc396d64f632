// SPDX-License-Identifier: Apache-2.0
/*
 * What the process gives up at its start, before it looks at any file: inherited fds that nobody named, new privileges,
 * core files with guest memory in them, being traced by its own user. The empty root, the namespaces and the cgroup are
 * the launcher's work.
 */
#ifndef KVMBOX_VMM_SANDBOX_H
#define KVMBOX_VMM_SANDBOX_H

#include "vmm/config.h"

int sandbox_enter(const struct vm_config *cfg, struct err *e) MUST_CHECK;

/* Close every fd from 3 upward but the n in keep (which is sorted by this). 0 or -errno */
int sandbox_close_others(int *keep, unsigned int n) MUST_CHECK;

#endif

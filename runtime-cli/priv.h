// SPDX-License-Identifier: Apache-2.0
/* Giving up privileges in the two processes that face the guest. */
#ifndef KVMBOX_PRIV_H
#define KVMBOX_PRIV_H

#include "vmm/base/compat.h"

/* Keep only the capabilities in mask (1 << CAP_x): bounding, permitted, effective; across execve too when the user is
 * root. */
int priv_keep_caps(uint64_t mask) MUST_CHECK;

/* No core file may ever hold guest memory or container data: RLIMIT_CORE 0 and not dumpable. */
int priv_no_core(void) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * A seccomp filter from a short list of system call numbers: what is not on it ends the process with SIGSYS.
 *
 * For our own processes, whose lists stand beside the code that needs them. Calls of a foreign architecture and of
 * x86's x32 ABI end the process too.
 */
#ifndef KVMBOX_FILTER_H
#define KVMBOX_FILTER_H

#include "vmm/base/compat.h"

#define FILTER_CALLS_MAX 64

/* Set no_new_privs and load the filter for the calling thread. 0 or -errno; -E2BIG for a longer list. */
int filter_allow(const int *calls, size_t n) MUST_CHECK;

#endif

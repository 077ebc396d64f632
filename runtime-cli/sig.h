// SPDX-License-Identifier: Apache-2.0
/* Signal names and numbers as engines write them: 9, KILL, SIGKILL, RTMIN+3; 0 is the probe. */
#ifndef KVMBOX_SIG_H
#define KVMBOX_SIG_H

#include "vmm/base/err.h"

/* 0..64, or -EINVAL with the word named */
int sig_parse(const char *word, struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/* One request to a container's monitor over ctl.sock. */
#ifndef KVMBOX_CTL_H
#define KVMBOX_CTL_H

#include "runtime-cli/state.h"

/*
 * Send a request and wait for its answer: 0 for "ok"; the monitor's error; -ESRCH with "container not running" when
 * nobody answers any more.
 */
int ctl_request(const struct state *s, const char *request, struct err *e) MUST_CHECK;

#endif

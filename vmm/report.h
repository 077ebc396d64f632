// SPDX-License-Identifier: Apache-2.0
/*
 * What kvmbox-vmm prints instead of running: --help, --version, --limits, --dry-run. All to standard output.
 */
#ifndef KVMBOX_VMM_REPORT_H
#define KVMBOX_VMM_REPORT_H

#include "vmm/config.h"

int report_text(const char *text);                                      /* exit status */
int report_limits(void);                                                /* exit status */
int report_plan(const struct vm_config *cfg, struct err *e) MUST_CHECK; /* 0, or what would fail */

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * linux.maskedPaths and linux.readonlyPaths. A path that is not there is skipped, as every runtime does; one that is
 * there and cannot be covered is an error. Called in the child before the pivot.
 */
#ifndef KVMBOX_MASKS_H
#define KVMBOX_MASKS_H

#include "vmm/base/err.h"

/* Files are covered by the container's /dev/null (devnodes_defaults() comes first), directories by an empty read-only
 * tmpfs. */
int masks_hide(int root, const char *const *paths, size_t n, struct err *e) MUST_CHECK;

/* Each path, with what is mounted beneath it, becomes read-only. */
int masks_readonly(int root, const char *const *paths, size_t n, struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The five capability sets and the user ids of a process, applied to the caller in the order the kernel needs:
 * bounding set and groups while privileged, then the ids with the permitted set kept, then the other sets.
 */
#ifndef KVMBOX_CAPS_H
#define KVMBOX_CAPS_H

#include "guest-init/spec.h"

/* NULL when the sets fit each other, otherwise the name of the one that does not. Pure. */
const char *caps_check(const uint64_t caps[SPEC_CAPSETS]);

/* Umask, groups, gid, uid and capabilities of s. */
int caps_become(const struct spec *s, struct err *e) MUST_CHECK;

#endif

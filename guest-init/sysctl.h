// SPDX-License-Identifier: Apache-2.0
/*
 * linux.sysctl: values written under /proc/sys by the child, inside the container's namespaces.
 */
#ifndef KVMBOX_SYSCTL_H
#define KVMBOX_SYSCTL_H

#include "guest-init/spec.h"

#define SYSCTL_PATH_MAX 256

/* "net.ipv4.ip_forward" to "sys/net/ipv4/ip_forward"; -EINVAL for a key that is none. Pure. */
int sysctl_path(const char *key, char path[SYSCTL_PATH_MAX]) MUST_CHECK;

/* proc: a directory descriptor of a proc file system */
int sysctl_apply(int proc, const struct spec_sysctl *y, struct err *e) MUST_CHECK;

#endif

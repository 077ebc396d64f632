// SPDX-License-Identifier: Apache-2.0
/*
 * The words that may stand in a mount's `options`, as runc and crun read them.
 */
#ifndef KVMBOX_MOUNT_OPTS_H
#define KVMBOX_MOUNT_OPTS_H

#include "vmm/base/compat.h"

enum mount_opt_kind {
	MOUNT_SET,         /* bits are set, and no longer cleared */
	MOUNT_CLEAR,       /* bits are cleared */
	MOUNT_PROPAGATION, /* bits become the propagation */
	MOUNT_BIND,        /* bind; with bits: recursive */
	MOUNT_NOTHING,     /* accepted, says nothing new */
	MOUNT_LATER,       /* not in this version */
};

struct mount_opt {
	const char *name;
	enum mount_opt_kind kind;
	uint64_t bits;
};

/* NULL: not one of these words; it is then an option for the file system */
const struct mount_opt *mount_opt_find(const char *name, size_t len);
/* Entry i of the table, NULL at its end; for `features` */
const struct mount_opt *mount_opt_at(size_t i);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Paths of a container, resolved inside its root and never outside: every look-up is one openat2() with
 * RESOLVE_IN_ROOT, so absolute symlinks and `..` end at the root's descriptor, magic links are refused, and a tree that
 * somebody changes meanwhile can only make the look-up fail.
 *
 * Descriptors returned are O_PATH (except inroot_open_file) and close-on-exec, owned by the caller. Errors are -errno.
 */
#ifndef KVMBOX_INROOT_H
#define KVMBOX_INROOT_H

#include <sys/types.h>

#include "vmm/base/compat.h"

enum inroot_kind { INROOT_DIR, INROOT_FILE };

#define INROOT_NO_SYMLINKS 1u /* no component may be a symlink: -ELOOP */

int inroot_path(int root, const char *path, unsigned int flags) MUST_CHECK;

/* Opened with the O_ flags given, for reading or writing. */
int inroot_open_file(int root, const char *path, int o_flags) MUST_CHECK;

/* As inroot_path(), after making what is missing: directories 0755, and at the end an empty file for INROOT_FILE. */
int inroot_make(int root, const char *path, enum inroot_kind kind) MUST_CHECK;

/* The directory that holds path's last component (made when missing), and that component in name (NAME_MAX + 1). */
int inroot_parent(int root, const char *path, char *name) MUST_CHECK;

#endif

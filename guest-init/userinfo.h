// SPDX-License-Identifier: Apache-2.0
/*
 * What a container's own files and environment say: the home directory of a user, the program that a name stands for.
 *
 * The image is not trusted: files are read without blocking, bounded, and only when they are regular. Called in the
 * child after the pivot, so that paths are the container's.
 */
#ifndef KVMBOX_USERINFO_H
#define KVMBOX_USERINFO_H

#include <limits.h>
#include <sys/types.h>

#include "vmm/base/err.h"

/* Value of NAME in an environment, or NULL. */
const char *userinfo_env(char *const *envp, const char *name);

/* The home directory of uid by the text of a passwd file, copied to home; false when it has none that fits. Pure. */
bool userinfo_home(const char *text, size_t len, uid_t uid, char *home, size_t cap);

/* As userinfo_home() with the container's /etc/passwd; "/" when there is no answer. */
void userinfo_home_of(uid_t uid, char *home, size_t cap);

/*
 * The file that execve() is to be given for name: itself when it holds a slash, otherwise the first executable one in
 * PATH. The texts of the errors are those that engines look for.
 */
int userinfo_find(const char *name, char *const *envp, char path[PATH_MAX], struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/mount_opts.h"

#include <string.h>
#include <sys/mount.h>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256 /* Linux 5.10 */
#endif

/* clang-format off */
static const struct mount_opt opts[] = {
	{ "defaults", MOUNT_NOTHING, 0 },
	{ "ro", MOUNT_SET, MS_RDONLY },                 { "rw", MOUNT_CLEAR, MS_RDONLY },
	{ "nosuid", MOUNT_SET, MS_NOSUID },             { "suid", MOUNT_CLEAR, MS_NOSUID },
	{ "nodev", MOUNT_SET, MS_NODEV },               { "dev", MOUNT_CLEAR, MS_NODEV },
	{ "noexec", MOUNT_SET, MS_NOEXEC },             { "exec", MOUNT_CLEAR, MS_NOEXEC },
	{ "sync", MOUNT_SET, MS_SYNCHRONOUS },          { "async", MOUNT_CLEAR, MS_SYNCHRONOUS },
	{ "dirsync", MOUNT_SET, MS_DIRSYNC },
	{ "mand", MOUNT_SET, MS_MANDLOCK },             { "nomand", MOUNT_CLEAR, MS_MANDLOCK },
	{ "noatime", MOUNT_SET, MS_NOATIME },           { "atime", MOUNT_CLEAR, MS_NOATIME },
	{ "nodiratime", MOUNT_SET, MS_NODIRATIME },     { "diratime", MOUNT_CLEAR, MS_NODIRATIME },
	{ "relatime", MOUNT_SET, MS_RELATIME },         { "norelatime", MOUNT_CLEAR, MS_RELATIME },
	{ "strictatime", MOUNT_SET, MS_STRICTATIME },   { "nostrictatime", MOUNT_CLEAR, MS_STRICTATIME },
	{ "lazytime", MOUNT_SET, MS_LAZYTIME },         { "nolazytime", MOUNT_CLEAR, MS_LAZYTIME },
	{ "iversion", MOUNT_SET, MS_I_VERSION },        { "noiversion", MOUNT_CLEAR, MS_I_VERSION },
	{ "silent", MOUNT_SET, MS_SILENT },             { "loud", MOUNT_CLEAR, MS_SILENT },
	{ "nosymfollow", MOUNT_SET, MS_NOSYMFOLLOW },   { "symfollow", MOUNT_CLEAR, MS_NOSYMFOLLOW },

	{ "private", MOUNT_PROPAGATION, MS_PRIVATE },   { "rprivate", MOUNT_PROPAGATION, MS_PRIVATE | MS_REC },
	{ "slave", MOUNT_PROPAGATION, MS_SLAVE },       { "rslave", MOUNT_PROPAGATION, MS_SLAVE | MS_REC },
	{ "shared", MOUNT_PROPAGATION, MS_SHARED },     { "rshared", MOUNT_PROPAGATION, MS_SHARED | MS_REC },
	{ "unbindable", MOUNT_PROPAGATION, MS_UNBINDABLE },
	{ "runbindable", MOUNT_PROPAGATION, MS_UNBINDABLE | MS_REC },

	{ "bind", MOUNT_BIND, 0 },                      { "rbind", MOUNT_BIND, MS_REC },

	{ "remount", MOUNT_LATER, 0 },
	{ "acl", MOUNT_LATER, 0 },                      { "noacl", MOUNT_LATER, 0 },
	{ "rro", MOUNT_LATER, 0 },                      { "rrw", MOUNT_LATER, 0 },
	{ "rnosuid", MOUNT_LATER, 0 },                  { "rsuid", MOUNT_LATER, 0 },
	{ "rnodev", MOUNT_LATER, 0 },                   { "rdev", MOUNT_LATER, 0 },
	{ "rnoexec", MOUNT_LATER, 0 },                  { "rexec", MOUNT_LATER, 0 },
	{ "rnodiratime", MOUNT_LATER, 0 },              { "rdiratime", MOUNT_LATER, 0 },
	{ "rrelatime", MOUNT_LATER, 0 },                { "rnorelatime", MOUNT_LATER, 0 },
	{ "rnoatime", MOUNT_LATER, 0 },                 { "ratime", MOUNT_LATER, 0 },
	{ "rstrictatime", MOUNT_LATER, 0 },             { "rnostrictatime", MOUNT_LATER, 0 },
	{ "rnosymfollow", MOUNT_LATER, 0 },             { "rsymfollow", MOUNT_LATER, 0 },
	{ "idmap", MOUNT_LATER, 0 },                    { "ridmap", MOUNT_LATER, 0 },
	{ "tmpcopyup", MOUNT_LATER, 0 },                { "copy-symlink", MOUNT_LATER, 0 },
	{ "src-nofollow", MOUNT_LATER, 0 },             { "dest-nofollow", MOUNT_LATER, 0 },
};
/* clang-format on */

const struct mount_opt *mount_opt_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(opts); i++)
		if (strlen(opts[i].name) == len && memcmp(opts[i].name, name, len) == 0)
			return &opts[i];
	return NULL;
}

const struct mount_opt *mount_opt_at(size_t i)
{
	return i < ARRAY_SIZE(opts) ? &opts[i] : NULL;
}

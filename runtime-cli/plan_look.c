// SPDX-License-Identifier: Apache-2.0
/*
 * What plan.c asks of the real host, and the list of file systems that are never served to a guest.
 */
#include "runtime-cli/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "vmm/base/fdio.h"

/* Not in <linux/magic.h> */
#define CONFIGFS_MAGIC   0x62656570
#define FUSECTL_MAGIC    0x65735543
#define MQUEUE_MAGIC     0x19800202
#define RPC_PIPEFS_MAGIC 0x67596969
#define RESCTRL_MAGIC    0x7655821

static const struct {
	uint32_t type;
	const char *name;
} refused[] = {
	{ PROC_SUPER_MAGIC, "proc" },
	{ SYSFS_MAGIC, "sysfs" },
	{ CGROUP_SUPER_MAGIC, "cgroup" },
	{ CGROUP2_SUPER_MAGIC, "cgroup2" },
	{ DEBUGFS_MAGIC, "debugfs" },
	{ TRACEFS_MAGIC, "tracefs" },
	{ SECURITYFS_MAGIC, "securityfs" },
	{ SELINUX_MAGIC, "selinuxfs" },
	{ SMACK_MAGIC, "smackfs" },
	{ AAFS_MAGIC, "apparmorfs" },
	{ BPF_FS_MAGIC, "bpf" },
	{ DEVPTS_SUPER_MAGIC, "devpts" },
	{ EFIVARFS_MAGIC, "efivarfs" },
	{ PSTOREFS_MAGIC, "pstore" },
	{ BINFMTFS_MAGIC, "binfmt_misc" },
	{ NSFS_MAGIC, "nsfs" },
	{ CONFIGFS_MAGIC, "configfs" },
	{ FUSECTL_MAGIC, "fusectl" },
	{ MQUEUE_MAGIC, "mqueue" },
	{ RPC_PIPEFS_MAGIC, "rpc_pipefs" },
	{ RESCTRL_MAGIC, "resctrl" },
	{ BDEVFS_MAGIC, "bdev" },
	{ SOCKFS_MAGIC, "sockfs" },
	{ PIPEFS_MAGIC, "pipefs" },
	{ ANON_INODE_FS_MAGIC, "anon_inodefs" },
};

const char *plan_fs_refused(uint32_t fs_type)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].type == fs_type)
			return refused[i].name;
	return NULL;
}

int plan_look(void *arg, const char *path, struct plan_source *out)
{
	struct stat st;
	struct statfs fs;
	autofd fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);

	(void)arg;
	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	/* kernfs (sysfs, cgroup) numbers its root 1 */
	*out = (struct plan_source){ .mode = st.st_mode, .fs_type = (uint32_t)fs.f_type, .fs_root = st.st_ino == 1 };
	return 0;
}

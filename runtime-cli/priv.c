// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/priv.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int priv_keep_caps(uint64_t mask)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	unsigned int cap;

	for (cap = 0; cap < 64; cap++) {
		if ((mask >> cap & 1) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL) /* past the kernel's last capability */
				break;
			if (errno != EPERM) /* EPERM: not privileged, nothing to lose */
				return -errno;
		}
	}
	if (syscall(SYS_capget, &hdr, data) < 0)
		return -errno;
	data[0].permitted &= (uint32_t)mask;
	data[1].permitted &= (uint32_t)(mask >> 32);
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	data[0].inheritable = data[1].inheritable = 0;
	return syscall(SYS_capset, &hdr, data) < 0 ? -errno : 0;
}

int priv_no_core(void)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

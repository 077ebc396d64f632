// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/caps_names.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#define NAME(x) [x] = #x

/* clang-format off */
static const char *const cap_names[] = {
	NAME(CAP_CHOWN), NAME(CAP_DAC_OVERRIDE), NAME(CAP_DAC_READ_SEARCH), NAME(CAP_FOWNER), NAME(CAP_FSETID),
	NAME(CAP_KILL), NAME(CAP_SETGID), NAME(CAP_SETUID), NAME(CAP_SETPCAP), NAME(CAP_LINUX_IMMUTABLE),
	NAME(CAP_NET_BIND_SERVICE), NAME(CAP_NET_BROADCAST), NAME(CAP_NET_ADMIN), NAME(CAP_NET_RAW),
	NAME(CAP_IPC_LOCK), NAME(CAP_IPC_OWNER), NAME(CAP_SYS_MODULE), NAME(CAP_SYS_RAWIO), NAME(CAP_SYS_CHROOT),
	NAME(CAP_SYS_PTRACE), NAME(CAP_SYS_PACCT), NAME(CAP_SYS_ADMIN), NAME(CAP_SYS_BOOT), NAME(CAP_SYS_NICE),
	NAME(CAP_SYS_RESOURCE), NAME(CAP_SYS_TIME), NAME(CAP_SYS_TTY_CONFIG), NAME(CAP_MKNOD), NAME(CAP_LEASE),
	NAME(CAP_AUDIT_WRITE), NAME(CAP_AUDIT_CONTROL), NAME(CAP_SETFCAP), NAME(CAP_MAC_OVERRIDE),
	NAME(CAP_MAC_ADMIN), NAME(CAP_SYSLOG), NAME(CAP_WAKE_ALARM), NAME(CAP_BLOCK_SUSPEND), NAME(CAP_AUDIT_READ),
	NAME(CAP_PERFMON), NAME(CAP_BPF), NAME(CAP_CHECKPOINT_RESTORE),
};

static_assert(ARRAY_SIZE(cap_names) == CAP_LAST_CAP + 1, "a name for every capability");

static const char *const rlimit_names[] = {
	NAME(RLIMIT_AS), NAME(RLIMIT_CORE), NAME(RLIMIT_CPU), NAME(RLIMIT_DATA), NAME(RLIMIT_FSIZE),
	NAME(RLIMIT_LOCKS), NAME(RLIMIT_MEMLOCK), NAME(RLIMIT_MSGQUEUE), NAME(RLIMIT_NICE), NAME(RLIMIT_NOFILE),
	NAME(RLIMIT_NPROC), NAME(RLIMIT_RSS), NAME(RLIMIT_RTPRIO), NAME(RLIMIT_RTTIME), NAME(RLIMIT_SIGPENDING),
	NAME(RLIMIT_STACK),
};

/* clang-format on */

static_assert(ARRAY_SIZE(rlimit_names) == RLIM_NLIMITS, "a name for every limit");

static int find(const char *const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

int caps_from_name(const char *name)
{
	return find(cap_names, ARRAY_SIZE(cap_names), name);
}

const char *caps_name(unsigned int cap)
{
	return cap < ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
}

unsigned int caps_count(void)
{
	return ARRAY_SIZE(cap_names);
}

int rlimit_from_name(const char *name)
{
	return find(rlimit_names, ARRAY_SIZE(rlimit_names), name);
}

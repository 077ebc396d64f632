// SPDX-License-Identifier: Apache-2.0
#include "guest-init/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP_BITS 64

const char *caps_check(const uint64_t caps[SPEC_CAPSETS])
{
	if ((caps[SPEC_EFFECTIVE] & ~caps[SPEC_PERMITTED]) != 0)
		return "effective";
	if ((caps[SPEC_INHERITABLE] & ~caps[SPEC_BOUNDING]) != 0)
		return "inheritable";
	if ((caps[SPEC_AMBIENT] & ~(caps[SPEC_PERMITTED] & caps[SPEC_INHERITABLE])) != 0)
		return "ambient";
	return NULL;
}

/* Ends at the first number that the kernel does not know. */
static int drop_bounding(uint64_t keep)
{
	int cap;

	for (cap = 0; cap < CAP_BITS; cap++) {
		if ((keep >> cap & 1) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -errno;
	}
	return 0;
}

static int set_three(const uint64_t caps[SPEC_CAPSETS])
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(caps[SPEC_EFFECTIVE] >> 32 * i);
		d[i].permitted = (uint32_t)(caps[SPEC_PERMITTED] >> 32 * i);
		d[i].inheritable = (uint32_t)(caps[SPEC_INHERITABLE] >> 32 * i);
	}
	return syscall(SYS_capset, &h, d) == 0 ? 0 : -errno;
}

static int raise_ambient(uint64_t ambient)
{
	int cap;

	for (cap = 0; cap < CAP_BITS; cap++)
		if ((ambient >> cap & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}

int caps_become(const struct spec *s, struct err *e)
{
	const char *odd = caps_check(s->caps);
	int r;

	if (odd != NULL)
		return err_say(e, EPERM, "process.capabilities.%s: has capabilities that the other sets do not allow",
			       odd);
	(void)umask(s->umask == SPEC_NO_UMASK ? 0022 : s->umask);
	r = drop_bounding(s->caps[SPEC_BOUNDING]);
	if (r < 0)
		return err_set(e, -r, "process.capabilities.bounding");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "process.capabilities: keep them over setuid");
	/* the calls themselves: glibc's wrappers would look for other threads */
	if (syscall(SYS_setgroups, s->group_count, s->groups) < 0)
		return err_set(e, errno, "process.user.additionalGids");
	if (syscall(SYS_setresgid, s->gid, s->gid, s->gid) < 0)
		return err_set(e, errno, "process.user.gid %u", s->gid);
	if (syscall(SYS_setresuid, s->uid, s->uid, s->uid) < 0)
		return err_set(e, errno, "process.user.uid %u", s->uid);
	r = set_three(s->caps);
	if (r < 0)
		return err_set(e, -r, "process.capabilities");
	r = raise_ambient(s->caps[SPEC_AMBIENT]);
	return r < 0 ? err_set(e, -r, "process.capabilities.ambient") : 0;
}

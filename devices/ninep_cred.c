// SPDX-License-Identifier: Apache-2.0
#include "devices/ninep_cred.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/ninep_msg.h"

static struct __user_cap_header_struct cap_header(void)
{
	return (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
}

static_assert(sizeof(((struct ninep_cred *)NULL)->cap) == 2 * sizeof(struct __user_cap_data_struct), "capset's form");

int ninep_cred_init(struct ninep_cred *c)
{
	const uint32_t need = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_CHOWN;
	struct __user_cap_header_struct head = cap_header();

	*c = (struct ninep_cred){ .uid = geteuid(), .gid = getegid() };
	if (syscall(SYS_capget, &head, c->cap) < 0)
		return -errno;
	c->can_switch = (c->cap[0].effective & need) == need;
	return 0;
}

static bool cred_ids_are(uint32_t uid, uint32_t gid)
{
	/* -1 is never valid: such a call only tells */
	return (uint32_t)setfsuid(P9_NOID) == uid && (uint32_t)setfsgid(P9_NOID) == gid;
}

int ninep_cred_enter(struct ninep_cred *c, uint32_t uid, uint32_t gid)
{
	struct __user_cap_header_struct head = cap_header();

	uid = uid == P9_NOID ? c->uid : uid;
	gid = gid == P9_NOID ? c->gid : gid;
	if (!c->can_switch || (uid == c->uid && gid == c->gid))
		return 0;
	c->switched = true;
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	if (cred_ids_are(uid, gid) && syscall(SYS_capset, &head, c->cap) == 0)
		return 0;
	ninep_cred_leave(c);
	return -EINVAL;
}

void ninep_cred_leave(struct ninep_cred *c)
{
	if (!c->switched)
		return;
	(void)setfsuid(c->uid);
	(void)setfsgid(c->gid);
	BUG_ON(!cred_ids_are(c->uid, c->gid)); /* the worker must never go on as somebody else */
	c->switched = false;
}

// SPDX-License-Identifier: Apache-2.0
#include "guest-init/newroot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/inroot.h"
#include "guest-init/masks.h"
#include "guest-init/mounts.h"
#include "vmm/base/fdio.h"

static const struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

static int place_root(const struct newroot_where *w, int shares, const struct spec *s, struct err *e)
{
	autofd tree = mounts_clone_entry(shares, s->root_entry);
	autofd at = -1;
	int r;

	if (tree < 0)
		return err_set(e, -tree, "root: entry %u", s->root_entry);
	at = open(w->at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = at < 0 ? -errno : mounts_attach(tree, at);
	if (r < 0)
		return err_set(e, -r, "root: put it in place");
	return fd_steal(&tree);
}

/* /dev is filled after it was mounted, so a read-only one becomes that at the end. */
static bool is_late_dev(const struct spec_mount *m)
{
	return m->entry == PROTO_NO_ENTRY && (m->flags & MS_RDONLY) != 0 && strcmp(m->destination, "/dev") == 0;
}

static int mount_all(int root, int shares, const struct spec *s, struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; i < s->mount_count && r == 0; i++) {
		struct spec_mount m = s->mounts[i];

		if (is_late_dev(&m))
			m.flags &= ~(uint64_t)MS_RDONLY;
		r = mounts_apply(root, shares, &m, e);
	}
	return r;
}

static int fill_dev(int root, const struct spec *s, struct devnodes_pty *pty, struct err *e)
{
	int r = devnodes_defaults(root, e);
	size_t i;

	for (i = 0; i < s->device_count && r == 0; i++)
		r = devnodes_add(root, &s->devices[i], e);
	if (r == 0 && s->terminal)
		r = devnodes_pty(root, s, pty, e);
	return r;
}

static int close_down(int root, const struct spec *s, struct err *e)
{
	int r = masks_hide(root, s->masked, s->masked_count, e);
	size_t i;

	if (r == 0)
		r = masks_readonly(root, s->readonly, s->readonly_count, e);
	for (i = 0; i < s->mount_count && r == 0; i++) {
		autofd dev = is_late_dev(&s->mounts[i]) ? inroot_path(root, "/dev", 0) : -1;

		r = dev < 0 ? 0 : mounts_setattr(dev, read_only, 0);
		if (r < 0)
			return err_set(e, -r, "mounts: `/dev`: make it read-only");
	}
	if (r < 0 || !s->root_readonly)
		return r;
	r = mounts_setattr(root, read_only, 0);
	return r < 0 ? err_set(e, -r, "root.readonly: make it read-only") : 0;
}

static int pivot(int root, uint64_t propagation, struct err *e)
{
	if (fchdir(root) < 0)
		return err_set(e, errno, "root: enter");
	/* the old root comes to lie over the new one, where the next call takes it away */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_set(e, errno, "root: pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_set(e, errno, "root: leave the agent's tree");
	if (chdir("/") < 0)
		return err_set(e, errno, "root: enter");
	if (propagation != 0 && mount(NULL, "/", NULL, propagation, NULL) < 0)
		return err_set(e, errno, "linux.rootfsPropagation");
	return 0;
}

int newroot_enter(const struct newroot_where *w, const struct spec *s, struct devnodes_pty *pty, struct err *e)
{
	autofd shares = -1;
	autofd root = -1;
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(e, errno, "root: make the agent's tree private");
	/* by path: a descriptor of the agent's would be of its mount namespace */
	shares = open(w->shares, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (shares < 0)
		return err_set(e, errno, "root: the shared file system");
	root = place_root(w, shares, s, e);
	if (root < 0)
		return root;
	r = mount_all(root, shares, s, e);
	if (r == 0)
		r = fill_dev(root, s, pty, e);
	if (r < 0)
		return r;
	/* made when it can be, as other runtimes do; what is wrong with it is said when it is entered */
	r = inroot_make(root, s->cwd, INROOT_DIR);
	fd_close(&r);
	r = close_down(root, s, e);
	return r < 0 ? r : pivot(root, s->propagation, e);
}

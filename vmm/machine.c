// SPDX-License-Identifier: Apache-2.0
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/base/fdio.h"
#include "vmm/vm.h"

static struct virtio_dev *slot_device(const struct machine_slot *s)
{
	if (s->p9 != NULL)
		return virtio_p9_dev(s->p9);
	return s->vsock != NULL ? virtio_vsock_dev(s->vsock) : NULL;
}

static int free_slot(const struct machine *m)
{
	int i;

	for (i = 0; i < MACHINE_SLOTS; i++)
		if (slot_device(&m->slot[i]) == NULL)
			return i;
	return -ENOSPC;
}

/* Plug the slot's device in and wire its interrupt line. */
static int plug(struct vm *vm, struct machine_slot *s, struct err *e)
{
	struct virtio_dev *d = slot_device(s);
	int r = mmio_slot_fill(&s->mmio, d);

	if (r < 0)
		return err_set(e, -r, "%s device", d->ops->name);
	if (s->wired)
		return 0;
	r = kvm_wire_irq(&vm->kvm, &s->mmio.irq);
	if (r < 0)
		return err_set(e, -r, "interrupt line %u: KVM_IRQFD", s->mmio.irq.gsi);
	s->wired = true;
	return 0;
}

/* --- at the start --- */

int machine_cmdline(const struct vm_config *cfg, struct cmdline *c, struct err *e)
{
	unsigned int i;
	int r = 0;

	cmdline_init(c);
	arch_cmdline(cfg, c);
	for (i = 0; i < MACHINE_SLOTS; i++)
		cmdline_add_slot(c, arch_layout.slot_base + (uint64_t)i * MMIO_SLOT_LEN, arch_layout.slot_gsi + i);
	if (cfg->cmdline[0] != '\0')
		r = cmdline_add_user(c, cfg->cmdline, e);
	return r < 0 ? r : cmdline_done(c, e);
}

static int add_p9(struct vm *vm, const char *tag, const struct ninep_config *cfg, struct err *e)
{
	struct machine *m = &vm->machine;
	int n = free_slot(m), r;
	struct ninep *srv;

	if (n < 0)
		return err_say(e, ENOSPC, "all %d device slots are taken", MACHINE_SLOTS);
	r = ninep_new(&srv, cfg, e);
	if (r < 0)
		return r;
	r = virtio_p9_new(&m->slot[n].p9, tag, srv, &vm->mem, vm->loop, e);
	if (r < 0) {
		ninep_free(srv);
		return r;
	}
	if (cfg->root == NINEP_SYNTHETIC)
		m->root = srv;
	r = plug(vm, &m->slot[n], e);
	return r < 0 ? r : n;
}

static int add_root(struct vm *vm, struct err *e)
{
	const struct vm_config *c = vm->cfg;
	struct ninep_entry entry[CONFIG_ENTRIES_MAX];
	struct ninep_config cfg = { .root = NINEP_SYNTHETIC, .entry = entry, .n = c->entries };
	unsigned int i;
	int r;

	for (i = 0; i < c->entries; i++)
		entry[i] = (struct ninep_entry){ .fd = c->entry[i].fd, .ro = c->entry[i].ro };
	if (c->deny_major != 0 || c->deny_minor != 0)
		cfg.deny_dev[cfg.n_deny++] = makedev(c->deny_major, c->deny_minor);
	r = add_p9(vm, c->root_tag, &cfg, e);
	return r < 0 ? err_wrap(e, "--root") : 0;
}

static int add_share(struct vm *vm, const struct config_share *s, struct err *e)
{
	struct ninep_entry entry = { .fd = s->dir.fd, .ro = s->ro };
	struct ninep_config cfg = { .root = NINEP_PLAIN, .entry = &entry, .n = 1 };
	int r;

	if (s->dir.path != NULL)
		entry.fd = open(s->dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (entry.fd < 0)
		return err_set(e, errno, "--share: open `%s`", s->dir.path);
	r = add_p9(vm, s->tag, &cfg, e);
	return r < 0 ? err_wrap(e, "--share tag=%s", s->tag) : 0;
}

/* A listening unix socket at path, which must not exist yet */
static int listen_at(struct machine *m, const char *path, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_say(e, ENAMETOOLONG, "--vsock: path `%s` is longer than %zu bytes", path,
			       sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, errno, "--vsock: socket");
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int code = errno;

		(void)close(fd);
		if (code == EADDRINUSE)
			return err_say(e, code, "--vsock: `%s` exists; if no VM uses it, remove it", path);
		return err_set(e, code, "--vsock: bind `%s`", path);
	}
	memcpy(m->vsock_path, sa.sun_path, sizeof(sa.sun_path));
	if (listen(fd, 64) < 0) {
		int code = errno;

		(void)close(fd);
		return err_set(e, code, "--vsock: listen");
	}
	return fd;
}

static int add_vsock(struct vm *vm, struct err *e)
{
	const struct vm_config *c = vm->cfg;
	struct vsock_config cfg = { .cid = c->vsock_cid,
				    .listen_fd = c->vsock_fd,
				    .control_port = c->vsock_port,
				    .control_fd = c->vsock_port_fd,
				    .path = c->vsock_path };
	struct machine *m = &vm->machine;
	int n = free_slot(m), r;

	if (n < 0)
		return err_say(e, ENOSPC, "--vsock: all %d device slots are taken", MACHINE_SLOTS);
	if (c->vsock_path != NULL) {
		cfg.listen_fd = listen_at(m, c->vsock_path, e);
		if (cfg.listen_fd < 0)
			return cfg.listen_fd;
	}
	r = virtio_vsock_new(&m->slot[n].vsock, &cfg, &vm->mem, vm->loop, e);
	if (r == 0)
		r = plug(vm, &m->slot[n], e);
	return r < 0 ? err_wrap(e, "--vsock") : 0;
}

int machine_init(struct vm *vm, struct err *e)
{
	const struct notify notify = { .ops = &kvm_notify_ops, .ctx = &vm->kvm };
	struct machine *m = &vm->machine;
	unsigned int i;
	int r = 0;

	for (i = 0; i < MACHINE_SLOTS; i++) {
		r = mmio_slot_init(&m->slot[i].mmio, &vm->mmio, arch_layout.slot_base + (uint64_t)i * MMIO_SLOT_LEN,
				   arch_layout.slot_gsi + i, vm->loop, notify);
		if (r < 0)
			return err_set(e, -r, "device slot %u", i);
	}
	if (vm->cfg->root_tag != NULL)
		r = add_root(vm, e);
	if (r == 0 && vm->cfg->vsock)
		r = add_vsock(vm, e);
	for (i = 0; r == 0 && i < vm->cfg->shares; i++)
		r = add_share(vm, &vm->cfg->share[i], e);
	return r;
}

void machine_fini(struct machine *m)
{
	if (m->vsock_path[0] != '\0')
		(void)unlink(m->vsock_path); /* gone already, or ours no more to remove */
}

/* --- while it runs --- */

int machine_add_share(struct vm *vm, int fd, const char *tag, bool ro, struct err *e)
{
	const struct ninep_entry entry = { .fd = fd, .ro = ro };
	const struct ninep_config cfg = { .root = NINEP_PLAIN, .entry = &entry, .n = 1 };
	struct virtio_p9 *p9 = NULL;
	struct ninep *srv = NULL;
	int n, r, gone;

	/* The device's threads are started without the lock; no other request can come meanwhile. */
	loop_unlock(vm->loop);
	r = ninep_new(&srv, &cfg, e);
	if (r < 0)
		fd_close(&fd);
	else
		r = virtio_p9_new(&p9, tag, srv, &vm->mem, vm->loop, e);
	if (r < 0)
		ninep_free(srv);
	loop_lock(vm->loop);
	if (r < 0)
		return r;
	n = free_slot(&vm->machine);
	if (n < 0) {
		r = err_say(e, ENOSPC, "all %d device slots are taken", MACHINE_SLOTS);
	} else {
		vm->machine.slot[n].p9 = p9;
		r = plug(vm, &vm->machine.slot[n], e);
		if (r == 0)
			return n;
		vm->machine.slot[n].p9 = NULL;
		gone = mmio_slot_empty(&vm->machine.slot[n].mmio);
		BUG_ON(gone != 0); /* the lock was held all the time: nothing can be in progress */
	}
	loop_unlock(vm->loop);
	virtio_p9_free(p9);
	loop_lock(vm->loop);
	return r;
}

int machine_del_share(struct vm *vm, unsigned int slot, struct err *e)
{
	struct machine_slot *s = slot < MACHINE_SLOTS ? &vm->machine.slot[slot] : NULL;
	struct virtio_p9 *p9;

	if (s == NULL || s->p9 == NULL)
		return err_say(e, ENOENT, "slot %u holds no share", slot);
	p9 = s->p9;
	if (virtio_p9_server(p9) == vm->machine.root)
		return err_say(e, EPERM, "slot %u holds the root", slot);
	if ((virtio_p9_dev(p9)->status & VIRTIO_CONFIG_S_DRIVER) != 0)
		return -EBUSY;
	if (mmio_slot_empty(&s->mmio) != 0)
		return -EBUSY; /* requests in progress: ask again */
	s->p9 = NULL;
	loop_unlock(vm->loop);
	virtio_p9_free(p9);
	loop_lock(vm->loop);
	return 0;
}

int machine_add_entry(struct vm *vm, int fd, bool ro, struct err *e)
{
	int r = -ENOENT;

	if (vm->machine.root != NULL)
		r = ninep_add_entry(vm->machine.root, fd, ro);
	if (r >= 0)
		return r;
	fd_close(&fd);
	if (vm->machine.root == NULL)
		return err_say(e, ENOENT, "this VM has no --root to add entries to");
	return err_set(e, -r, "entry-add");
}

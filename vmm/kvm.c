// SPDX-License-Identifier: Apache-2.0
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEV "/dev/kvm"

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static int not_permitted(int code, struct err *e)
{
	struct stat st;

	if (stat(DEV, &st) < 0)
		return err_set(e, code, "open " DEV);
	if ((st.st_mode & 060) != 060)
		return err_say(e, code,
			       DEV " is for its owner only (user id %u): run as that user, or let the group kvm in: "
				   "`chgrp kvm " DEV "; chmod 660 " DEV "`",
			       st.st_uid);
	return err_say(
		e, code,
		DEV " may not be opened: become a member of the group that owns it (usually `kvm`, here group id %u)",
		st.st_gid);
}

static int open_error(int code, struct err *e)
{
	switch (code) {
	case ENOENT:
		return err_say(e, code,
			       DEV " is missing: load the module kvm_amd or kvm_intel, or switch virtualization on in "
				   "the firmware; in a virtual machine, nested virtualization on its host");
	case EACCES:
	case EPERM: return not_permitted(code, e);
	case ENODEV:
	case ENXIO: return err_say(e, code, DEV " has no driver behind it: load the module kvm_amd or kvm_intel");
	default: return err_set(e, code, "open " DEV);
	}
}

static int check_capabilities(struct kvm *k, struct err *e)
{
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (ioctl(k->sys_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_say(e, ENOTSUP, DEV " lacks %s; a host with Linux 5.15 or newer is needed",
				       needed[i].name);
	k->tsc_deadline = ioctl(k->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	n = ioctl(k->sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (n < (int)sizeof(struct kvm_run))
		return err_set(e, n < 0 ? errno : EINVAL, DEV ": KVM_GET_VCPU_MMAP_SIZE");
	k->run_len = (size_t)n;
	return 0;
}

int kvm_open(struct kvm *k, int fd, struct err *e)
{
	int version;

	*k = (struct kvm){ .sys_fd = fd, .vm_fd = -1 };
	if (k->sys_fd < 0)
		k->sys_fd = open(DEV, O_RDWR | O_CLOEXEC);
	if (k->sys_fd < 0)
		return open_error(errno, e);
	version = ioctl(k->sys_fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return err_set(e, errno, "%s is no KVM device: KVM_GET_API_VERSION",
			       fd < 0 ? DEV : "the fd of --kvm-fd");
	if (version != KVM_API_VERSION)
		return err_say(e, ENOTSUP, DEV " has API version %d, %d is needed", version, KVM_API_VERSION);
	return check_capabilities(k, e);
}

int kvm_create_vm(struct kvm *k, struct err *e)
{
	do
		k->vm_fd = ioctl(k->sys_fd, KVM_CREATE_VM, 0);
	while (k->vm_fd < 0 && errno == EINTR);
	if (k->vm_fd >= 0)
		return 0;
	if (errno == EBUSY)
		return err_say(e, EBUSY,
			       "KVM_CREATE_VM: the processor's virtualization is in use by another hypervisor");
	if (errno == ENOMEM)
		return err_say(e, ENOMEM, "KVM_CREATE_VM: the host is out of memory, or the cgroup's limit is reached");
	return err_set(e, errno, "KVM_CREATE_VM");
}

int kvm_add_memory(struct kvm *k, uint32_t slot, uint64_t gpa, uint64_t size, void *hva, struct err *e)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)hva
	};

	if (ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
		return err_set(e, errno, "KVM_SET_USER_MEMORY_REGION (%llu MiB)", (unsigned long long)size >> 20);
	return 0;
}

int kvm_wire_irq(struct kvm *k, const struct irq_line *line)
{
	struct kvm_irqfd r = { .fd = (uint32_t)line->fd, .gsi = line->gsi };

	return ioctl(k->vm_fd, KVM_IRQFD, &r) < 0 ? -errno : 0;
}

static int ioeventfd(const struct kvm *k, uint64_t addr, uint32_t value, int fd, uint32_t flags)
{
	struct kvm_ioeventfd r = { .datamatch = value, .addr = addr, .len = 4, .fd = fd, .flags = flags };

	return ioctl(k->vm_fd, KVM_IOEVENTFD, &r) < 0 ? -errno : 0;
}

static int doorbell_attach(void *ctx, uint64_t addr, uint32_t value, int fd)
{
	return ioeventfd(ctx, addr, value, fd, KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static int doorbell_detach(void *ctx, uint64_t addr, uint32_t value, int fd)
{
	return ioeventfd(ctx, addr, value, fd, KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

const struct notify_ops kvm_notify_ops = { .attach = doorbell_attach, .detach = doorbell_detach };

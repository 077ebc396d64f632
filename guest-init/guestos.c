// SPDX-License-Identifier: Apache-2.0
#include "guest-init/guestos.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/io.h>
#endif
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/fdio.h"
#include "vmm/base/log.h"

#define SHARES_DIR        "/shares"
#define ROOT_DIR          "/root" /* where containers' roots are put together, each in its own mount namespace */
#define TAG               "kvmbox"
#define POWER_PORT        0x600
#define POWER_OFF         1
#define CONNECT_TIMEOUT_S 30
#define BACKLOG           64
#define SEED_MAX          512

/* Written data reaches the host before write() returns; see docs/filesystem.md. */
#define SHARES_OPTIONS "trans=virtio,version=9p2000.L,msize=512000,cache=writethrough,access=client,locktimeout=1"

/* --- mounts --- */

static int make_node(const char *path, unsigned int minor)
{
	return mknod(path, S_IFCHR | 0666, makedev(1, minor)) == 0 || errno == EEXIST ? 0 : -errno;
}

/* 0, 1 and 2 are open in every process, and the log is the kernel's: where the VMM finds it when the machine dies. */
static int open_basics(struct err *e)
{
	int fd, r;

	(void)umask(0);
	(void)mkdir("/dev", 0755); /* the initramfs brings it */
	r = make_node("/dev/null", 3);
	if (r == 0)
		r = make_node("/dev/urandom", 9);
	if (r == 0)
		r = make_node("/dev/kmsg", 11);
	if (r < 0)
		return err_set(e, -r, "make nodes in /dev");
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return err_set(e, errno, "open /dev/null");
	(void)close(fd);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open /dev/kmsg");
	log_init("kvmbox-init", "", fd, LOG_WARN);
	return 0;
}

/*
 * The initramfs is the one mount that pivot_root() cannot leave, so the agent works in a copy mounted over it: the
 * containers' processes, born with the agent's root, pivot from there.
 */
static int leave_rootfs(struct err *e)
{
	autofd tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 || move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(tree) < 0 ||
	    chroot(".") < 0)
		return err_set(e, errno, "mount a copy of the root over it");
	return 0;
}

static int mount_shares(struct guestos *g, struct err *e)
{
	/* the kernel's own initramfs has a /root already */
	if (mkdir(ROOT_DIR, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "make %s", ROOT_DIR);
	if (mkdir(SHARES_DIR, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "make %s", SHARES_DIR);
	if (mount(TAG, SHARES_DIR, "9p", 0, SHARES_OPTIONS) < 0) {
		if (errno == ENODEV)
			return err_say(e, ENODEV,
				       "the guest's kernel has no 9p; use the kernel that comes with kvmbox");
		if (errno == EINVAL)
			return err_say(e, EINVAL,
				       "the guest's kernel refuses 9p with %s; use the kernel that comes with "
				       "kvmbox",
				       SHARES_OPTIONS);
		return err_set(e, errno, "mount the shared file system `" TAG "` with %s", SHARES_OPTIONS);
	}
	g->shares = open(SHARES_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return g->shares < 0 ? err_set(e, errno, "open %s", SHARES_DIR) : 0;
}

/* A mount that only its descriptor leads to. */
static int detached(const char *type)
{
	autofd fs = fsopen(type, FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return mnt < 0 ? -errno : mnt;
}

/* A container that gets no network namespace of its own uses the machine's. */
static int loopback_up(struct err *e)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	autofd s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return s >= 0 && ioctl(s, SIOCSIFFLAGS, &lo) == 0 ? 0 : err_set(e, errno, "bring up lo");
}

/* --- the host --- */

static int vsock_listen(struct err *e)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = PROTO_PORT_STREAM };
	autofd s = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (s < 0 || bind(s, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(s, BACKLOG) < 0)
		return err_set(e, errno, "listen on vsock port %d", PROTO_PORT_STREAM);
	return fd_steal(&s);
}

static int vsock_connect(struct err *e)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = PROTO_PORT_CONTROL };
	struct timeval limit = { .tv_sec = CONNECT_TIMEOUT_S };
	autofd s = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (s < 0)
		return err_set(e, errno, "make a vsock socket");
	if (setsockopt(s, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof(limit)) < 0 ||
	    connect(s, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return err_set(e, errno, "connect to the host's vsock port %d", PROTO_PORT_CONTROL);
	r = fd_set_nonblock(s, true);
	return r < 0 ? err_set(e, -r, "make the control connection non-blocking") : fd_steal(&s);
}

/* Other peers than the host cannot be: the kernel has no vsock loopback. Checked all the same. */
static int op_accept(void *ctx, int listen_fd)
{
	struct sockaddr_vm from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept4(listen_fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)ctx;
	if (fd < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	if (len >= sizeof(from) && from.svm_family == AF_VSOCK && from.svm_cid == VMADDR_CID_HOST)
		return fd;
	(void)close(fd);
	return -EACCES;
}

/* --- requests --- */

static int op_set_clock(void *ctx, uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	(void)ctx;
	return clock_settime(CLOCK_REALTIME, &ts) == 0 ? 0 : -errno;
}

static int op_add_entropy(void *ctx, const void *bytes, size_t len)
{
	union {
		struct rand_pool_info info;
		uint8_t room[sizeof(struct rand_pool_info) + SEED_MAX];
	} pool = { 0 };
	autofd fd = -1;

	(void)ctx;
	if (len == 0 || len > SEED_MAX)
		return -EINVAL;
	pool.info.entropy_count = (int)len * 8;
	pool.info.buf_size = (int)len;
	memcpy(pool.room + offsetof(struct rand_pool_info, buf), bytes, len);
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool.info) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return -errno;
	explicit_bzero(&pool, sizeof(pool));
	return 0;
}

static int op_set_hostname(void *ctx, const char *name, size_t len)
{
	(void)ctx;
	return sethostname(name, len) == 0 ? 0 : -errno;
}

int guestos_slot_name(uint32_t slot, char name[32])
{
	if (slot >= GUESTOS_SLOTS)
		return -EINVAL;
	/* devices of the command line are numbered in its order, which is that of the slots */
	return snprintf(name, 32, "virtio-mmio.%u", slot);
}

static int op_bind_slot(void *ctx, uint32_t slot, bool add, struct err *e)
{
	const char *file = add ? "bus/platform/drivers/virtio-mmio/bind" : "bus/platform/drivers/virtio-mmio/unbind";
	struct guestos *g = ctx;
	char name[32];
	int len = guestos_slot_name(slot, name);
	autofd fd = -1;

	if (len < 0)
		return err_say(e, EINVAL, "BIND: slot %u is not one of 0..%d", slot, GUESTOS_SLOTS - 1);
	if (g->sys < 0)
		g->sys = detached("sysfs");
	if (g->sys < 0)
		return err_set(e, -g->sys, "BIND: mount sysfs");
	fd = openat(g->sys, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, name, (size_t)len) != len)
		return err_set(e, errno, "BIND: %s %s", add ? "bind" : "unbind", name);
	return 0;
}

static void op_sync_shares(void *ctx)
{
	const struct guestos *g = ctx;

	if (syncfs(g->shares) < 0)
		log_error("agent", "write back the shared file system: %s", strerror(errno));
}

uint64_t guestos_oom_kills(const char *text)
{
	static const char key[] = "\noom_kill ";
	const char *at = strstr(text, key);

	return at == NULL ? 0 : strtoull(at + sizeof(key) - 1, NULL, 10);
}

static bool op_oom_happened(void *ctx)
{
	const struct guestos *g = ctx;
	char text[16384];
	autofd fd = openat(g->proc, "vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_full(fd, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return guestos_oom_kills(text) > 0;
}

const struct server_ops guestos_ops = {
	.accept = op_accept,
	.set_clock = op_set_clock,
	.add_entropy = op_add_entropy,
	.set_hostname = op_set_hostname,
	.bind_slot = op_bind_slot,
	.sync_shares = op_sync_shares,
	.oom_happened = op_oom_happened,
};

/* --- begin and end --- */

int guestos_boot(struct guestos *g, struct err *e)
{
	/* the kernel's limit for init, 4096, is low for servers; the soft one stays what programs expect */
	const struct rlimit files = { .rlim_cur = 1024, .rlim_max = 524288 };
	int r = open_basics(e);

	if (r == 0)
		r = leave_rootfs(e);
	if (r == 0)
		r = mount_shares(g, e);
	if (r < 0)
		return r;
	g->proc = detached("proc");
	if (g->proc < 0)
		return err_set(e, -g->proc, "mount proc");
	g->cgroup = detached("cgroup2");
	if (g->cgroup < 0)
		return err_set(e, -g->cgroup, "mount cgroup2");
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set(e, errno, "raise the limit of open files");
	r = loopback_up(e);
	if (r < 0)
		return r;
	g->listener = vsock_listen(e);
	if (g->listener < 0)
		return g->listener;
	/* last: the host takes it as the sign that everything is ready */
	g->control = vsock_connect(e);
	return g->control < 0 ? g->control : 0;
}

struct server_config guestos_server_config(struct guestos *g)
{
	return (struct server_config){
		.control = g->control,
		.listener = g->listener,
		.where = { .shares = SHARES_DIR, .at = ROOT_DIR },
		.proc = g->proc,
		.cgroup = g->cgroup,
		.cgroup_path = "",
		.ops = &guestos_ops,
		.ctx = g,
	};
}

void guestos_power_off(void)
{
	sync();
#if defined(__x86_64__)
	/* the VMM's own port: at once, without the kernel's farewell to its devices */
	if (ioperm(POWER_PORT, 1, 1) == 0)
		outb(POWER_OFF, POWER_PORT);
#endif
	(void)reboot(RB_POWER_OFF);
}

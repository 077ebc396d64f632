// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime-cli/launch_vmm.h"
#include "runtime-cli/monitor.h"
#include "runtime-cli/pump.h"
#include "runtime-cli/spawn.h"
#include "runtime-cli/tree.h"
#include "vmm/base/fdio.h"
#include "vmm/base/step.h"

#define SETUP_MAX 128

/* Everything the two children need, opened before the first fork */
struct parts {
	struct launch *l;
	struct vmm_parts vmm;
	int netns;      /* of the path in config.json, or of kvmbox-vmm; -1: not known yet */
	int tree;       /* the monitor's own clone of the rootfs */
	int *bind;      /* its clones of the binds, plan->n_binds of them */
	int agent[2];   /* [0] the monitor's end of the control connection, [1] kvmbox-vmm's */
	int control[2]; /* the same for kvmbox-vmm's own control */
	int commit[2];  /* [0] the CLI's end, [1] the monitor's */
	int ctl;
	int conn[PROTO_STREAM_COUNT];
	int status;
	char over[PATH_MAX]; /* a folder to pivot over */
	uint8_t setup[SETUP_MAX];
	size_t setup_len;
};

uint32_t launch_streams(bool terminal)
{
	static const int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	uint32_t mask = 0;
	struct stat st;
	size_t i;

	if (terminal)
		return 1U << PROTO_TTY;
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		bool null = fstat(fds[i], &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);

		if (!null)
			mask |= 1U << i;
	}
	return mask;
}
static_assert(PROTO_STDIN == STDIN_FILENO && PROTO_STDOUT == STDOUT_FILENO && PROTO_STDERR == STDERR_FILENO,
	      "streams are numbered as fds");

/* --- files --- */

static int open_trees(struct parts *p, struct err *e)
{
	const struct vm_plan *plan = p->l->plan;
	size_t i;

	/* Mount points first: a read-only tree takes none, and the monitor's tree needs them too. */
	p->tree = tree_clone(plan->entries[0].source, true, false, e);
	if (p->tree < 0)
		return err_wrap(e, "root.path");
	if (plan->n_entries > VMM_ENTRIES_MAX)
		return err_say(e, E2BIG, "mounts: %zu binds are more than the %d a VM can have", plan->n_entries - 1,
			       VMM_ENTRIES_MAX - 1);
	for (i = 0; i < plan->n_points; i++)
		if (tree_make_point(p->tree, plan->points[i].path, plan->points[i].is_file, e) < 0)
			return -e->code;
	for (i = 0; i < plan->n_entries; i++) {
		p->vmm.entry[i] =
			tree_clone(plan->entries[i].source, plan->entries[i].recursive, plan->entries[i].readonly, e);
		if (p->vmm.entry[i] < 0)
			return -e->code;
		p->vmm.n_entries = (unsigned int)i + 1;
		if (plan->entries[i].is_file &&
		    tree_open_file(&p->vmm.entry[i], plan->entries[i].readonly, plan->entries[i].source, e) < 0)
			return -e->code;
	}
	for (i = 0; i < plan->n_binds; i++) {
		const struct plan_entry *entry = &plan->entries[plan->binds[i].entry];

		p->bind[i] = tree_clone(entry->source, entry->recursive, entry->readonly, e);
		if (p->bind[i] < 0)
			return -e->code;
	}
	return 0;
}

static int open_state_files(struct parts *p, struct err *e)
{
	int dir = p->l->state->dir;

	p->vmm.log = openat(dir, "vmm.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->vmm.log < 0)
		return err_set(e, errno, "open vmm.log of `%s`", p->l->state->id);
	p->status = openat(dir, "status", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->status < 0)
		return err_set(e, errno, "open the status file of `%s`", p->l->state->id);
	return 0;
}

static int open_netns(struct parts *p, struct err *e)
{
	const char *path = p->l->spec->netns_path;

	if (path == NULL)
		return 0;
	p->netns = open(path, O_RDONLY | O_CLOEXEC);
	if (p->netns < 0)
		return err_set(e, errno, "linux.namespaces: open the network namespace `%s`", path);
	return 0;
}

/* --- sockets --- */

static struct sockaddr_un state_socket(int dir, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	/* by way of the folder's fd: the real path may be longer than sun_path */
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name);
	return sa;
}

static int listen_socket(int dir, const char *name, int type, struct err *e)
{
	struct sockaddr_un sa = state_socket(dir, name);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 128) < 0) {
		(void)err_set(e, errno, "listen on %s", name);
		fd_close(&fd);
		return -e->code;
	}
	return fd;
}

static int connect_streams(struct parts *p, struct err *e)
{
	struct sockaddr_un sa = state_socket(p->l->state->dir, "vsock.sock");
	size_t i;

	for (i = 0; i < PROTO_STREAM_COUNT; i++) {
		if ((p->l->streams >> i & 1) == 0)
			continue;
		p->conn[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (p->conn[i] < 0 || connect(p->conn[i], (struct sockaddr *)&sa, sizeof(sa)) < 0)
			return err_set(e, errno, "connect a stream to vsock.sock");
	}
	return 0;
}

static int make_sockets(struct parts *p, struct err *e)
{
	int dir = p->l->state->dir;

	p->vmm.vsock = listen_socket(dir, "vsock.sock", SOCK_STREAM, e);
	if (p->vmm.vsock < 0)
		return p->vmm.vsock;
	p->ctl = listen_socket(dir, "ctl.sock", SOCK_SEQPACKET, e);
	if (p->ctl < 0)
		return p->ctl;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->agent) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->control) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->commit) < 0)
		return err_set(e, errno, "make socket pairs");
	p->vmm.agent = p->agent[1];
	p->vmm.control = p->control[1];
	return connect_streams(p, e);
}

/* --- the monitor --- */

static int monitor_tree(const struct parts *p)
{
	const struct oci_spec *spec = p->l->spec;
	const struct vm_plan *plan = p->l->plan;
	size_t i;
	int r;

	r = tree_enter(p->tree, p->over);
	for (i = 0; i < plan->n_binds && r == 0; i++) {
		r = tree_attach(p->bind[i], plan->binds[i].path);
		if (r == -ENOENT) /* below a volume, or below what exists in the guest only */
			r = 0;
	}
	for (i = 0; i < spec->n_mounts && r == 0; i++)
		if (strcmp(spec->mounts[i].type, "proc") == 0)
			r = tree_mount_proc(spec->mounts[i].destination);
	return r;
}

static int monitor_close(const struct parts *p, const struct monitor *m)
{
	int keep[16] = { p->agent[0], p->control[0], p->ctl, p->commit[1], p->status, step_fd(), monitor_signal_fd(m) };
	size_t n = 7, i;

	for (i = 0; i < PROTO_STREAM_COUNT; i++)
		keep[n++] = p->conn[i];
	return spawn_close_others(keep, n);
}

static int monitor_fail(const struct parts *p, const char *what, int r)
{
	char msg[ERR_TEXT_MAX + 32];
	struct err e;
	int n;

	(void)err_set(&e, -r, "the monitor cannot %s", what);
	n = snprintf(msg, sizeof(msg), "error %d %s", -r, e.text);
	(void)send(p->commit[1], msg, (size_t)n, MSG_NOSIGNAL);
	return 1;
}

/* In the child: namespaces entered, tree built, then nothing of the host left but the fds of the config. */
static int monitor_enter(const struct parts *p, const struct monitor *m, const char **what)
{
	const char *hostname = p->l->spec->hostname;
	int r;

	*what = "join the network namespace";
	if (setns(p->netns, CLONE_NEWNET) < 0)
		return -errno;
	step("monitor:tree");
	*what = "build the container's tree";
	r = monitor_tree(p);
	if (r < 0)
		return r;
	step("monitor:root");
	*what = "set the host name";
	if (hostname != NULL && sethostname(hostname, strlen(hostname)) < 0)
		return -errno;
	*what = "close what it does not need";
	return monitor_close(p, m);
}

static int monitor_main(void *arg)
{
	const struct parts *p = arg;
	struct monitor_config c = {
		.agent = p->agent[0],
		.vmm = p->control[0],
		.ctl = p->ctl,
		.commit = p->commit[1],
		.status = p->status,
		.setup = p->setup,
		.setup_len = p->setup_len,
		.create = p->l->plan->create,
		.create_len = p->l->plan->create_len,
	};
	const char *what = "set up";
	struct monitor *m;
	int r;

	step("monitor:start");
	memcpy(c.conn, p->conn, sizeof(c.conn));
	(void)setsid();
	r = monitor_new(&m, &c); /* opens stdio anew by /proc, so before the tree is entered */
	if (r == 0)
		r = monitor_enter(p, m, &what);
	if (r < 0)
		return monitor_fail(p, what, r);
	r = monitor_sandbox(m);
	if (r < 0)
		return monitor_fail(p, "give up privileges", r);
	step("monitor:locked");
	return monitor_run(m);
}

/* --- both --- */

static int make_setup(struct parts *p, struct err *e)
{
	struct wr w = wr_init(p->setup, sizeof(p->setup));
	uint8_t seed[32];
	struct timespec ts;

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) || clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return err_set(e, errno, "get random bytes and the time for the guest");
	proto_put_u64(&w, PROTO_T_TIME, (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec);
	proto_put_bytes(&w, PROTO_T_SEED, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	p->setup_len = w.len;
	return wr_ok(&w) ? 0 : err_say(e, ENOBUFS, "SETUP is too long");
}

static int record(struct proc *p, pid_t pid, const char *what, struct err *e)
{
	if (proc_identify(p, pid) < 0)
		return err_say(e, ESRCH, "%s ended at once", what);
	return 0;
}

static int start_vmm(struct parts *p, struct err *e)
{
	uint64_t flags = CLONE_NEWNS | (p->netns < 0 ? CLONE_NEWNET : 0);
	char path[64];
	pid_t pid;

	p->vmm.netns = p->netns;
	p->vmm.over = p->over;
	pid = spawn(flags, p->l->cgroup, vmm_main, &p->vmm);
	if (pid < 0)
		return err_set(e, -pid, "start kvmbox-vmm");
	step("cli:vmm-started");
	if (record(&p->l->state->vmm, pid, "kvmbox-vmm", e) < 0)
		return -e->code;
	if (p->netns >= 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	p->netns = open(path, O_RDONLY | O_CLOEXEC);
	return p->netns < 0 ? err_say(e, errno, "kvmbox-vmm ended at once; `kvmbox logs` may tell why") : 0;
}

static int start_monitor(struct parts *p, struct err *e)
{
	uint64_t flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
	pid_t pid = spawn(flags, p->l->cgroup, monitor_main, p);

	if (pid < 0)
		return err_set(e, -pid, "start the monitor");
	step("cli:monitor-started");
	return record(&p->l->state->monitor, pid, "the monitor", e);
}

static void close_all(struct parts *p)
{
	size_t i;

	vmm_parts_close(&p->vmm);
	for (i = 0; i < p->l->plan->n_binds; i++)
		fd_close(&p->bind[i]);
	for (i = 0; i < PROTO_STREAM_COUNT; i++)
		fd_close(&p->conn[i]);
	fd_close(&p->agent[0]);
	fd_close(&p->control[0]);
	fd_close(&p->commit[1]);
	fd_close(&p->netns);
	fd_close(&p->tree);
	fd_close(&p->ctl);
	fd_close(&p->status);
	free(p->bind);
}

static int prepare(struct parts *p, struct err *e)
{
	char libexec[PATH_MAX];
	int r = cli_libexec(libexec, e);

	if (r == 0)
		r = vmm_parts_open(&p->vmm, libexec, e);
	if (r == 0)
		r = open_state_files(p, e);
	if (r == 0)
		r = open_netns(p, e);
	if (r == 0)
		r = open_trees(p, e);
	step("cli:files");
	if (r == 0)
		r = make_setup(p, e);
	if (r == 0)
		r = make_sockets(p, e);
	step("cli:sockets");
	return r;
}

static struct parts parts_empty(struct launch *l)
{
	struct parts p = { .l = l,
			   .vmm = VMM_PARTS_INIT,
			   .netns = -1,
			   .tree = -1,
			   .agent = { -1, -1 },
			   .control = { -1, -1 },
			   .commit = { -1, -1 },
			   .ctl = -1,
			   .conn = { -1, -1, -1, -1 },
			   .status = -1 };
	return p;
}
static_assert(PROTO_STREAM_COUNT == 4, "parts_empty() names each stream");

int launch(struct launch *l, struct err *e)
{
	struct parts p = parts_empty(l);
	char link[32];
	size_t i;
	int r;

	p.bind = calloc(l->plan->n_binds + 1, sizeof(*p.bind));
	if (p.bind == NULL)
		return err_set(e, ENOMEM, "start the container");
	for (i = 0; i < l->plan->n_binds; i++)
		p.bind[i] = -1;
	p.vmm.kvm = fd_steal(&l->kvm);
	p.vmm.name = l->state->id;
	p.vmm.memory = l->plan->memory;
	p.vmm.vcpus = l->plan->vcpus;
	p.vmm.plan = l->plan;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", l->rootfd);
	if (readlink(link, p.over, sizeof(p.over) - 1) < 0)
		r = err_set(e, errno, "find the state folder");
	else
		r = prepare(&p, e);
	if (r == 0)
		r = start_vmm(&p, e);
	if (r == 0)
		r = start_monitor(&p, e);
	l->commit = r == 0 ? fd_steal(&p.commit[0]) : -1;
	fd_close(&p.commit[0]);
	close_all(&p);
	if (r == 0)
		r = state_save(l->state, e);
	step("cli:recorded");
	return r;
}

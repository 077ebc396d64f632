// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/launch_vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest-init/proto/proto.h"
#include "runtime-cli/priv.h"
#include "runtime-cli/spawn.h"
#include "vmm/base/fdio.h"
#include "vmm/base/step.h"
#include "vmm/base/strbuf.h"

#define GUEST_CID     3
#define NOFILE_WANTED 131072
#define ARGS_MAX      4096

/* What serving files as root to the guest needs (devices/ninep_fs.c), and nothing for the VM itself. */
#define VMM_CAPS                                                                                                       \
	(1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID | 1ULL << CAP_SETUID | \
	 1ULL << CAP_SETGID | 1ULL << CAP_MKNOD | 1ULL << CAP_SETFCAP)

int host_kvm_open(struct err *e)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		return err_say(e, ENOENT,
			       "/dev/kvm does not exist: load kvm_intel or kvm_amd, and switch virtualization on "
			       "in the firmware; `kvmbox doctor` tells more");
	case EACCES:
	case EPERM:
		return err_say(e, EACCES,
			       "/dev/kvm: access refused to this user; join the group kvm; `kvmbox doctor` tells "
			       "more");
	default: return err_set(e, errno, "open /dev/kvm (`kvmbox doctor` tells more)");
	}
}

static int open_part(const char *libexec, const char *name, struct err *e)
{
	char path[PATH_MAX + 32];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", libexec, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open `%s` (part of the installation: `make install` puts it there)", path);
	return fd;
}

int vmm_parts_open(struct vmm_parts *p, const char *libexec, struct err *e)
{
	struct stat st;

	p->exe = open_part(libexec, "kvmbox-vmm", e);
	if (p->exe < 0)
		return p->exe;
	p->kernel = open_part(libexec, "vmlinux", e);
	if (p->kernel < 0)
		return p->kernel;
	p->init = open_part(libexec, "kvmbox-init", e);
	if (p->init < 0)
		return p->init;
	p->deny = stat("/dev", &st) == 0 ? st.st_dev : 0;
	return 0;
}

void vmm_parts_close(struct vmm_parts *p)
{
	unsigned int i;

	for (i = 0; i < p->n_entries; i++)
		fd_close(&p->entry[i]);
	fd_close(&p->exe);
	fd_close(&p->kernel);
	fd_close(&p->init);
	fd_close(&p->kvm);
	fd_close(&p->log);
	fd_close(&p->vsock);
	fd_close(&p->agent);
	fd_close(&p->control);
}

/* Keep what the child was given across execve, under the same numbers; close all else. */
static int pass_fds(const struct vmm_parts *p)
{
	int keep[16 + VMM_ENTRIES_MAX] = {
		p->exe, p->kernel, p->init, p->kvm, p->vsock, p->agent, p->control, step_fd()
	};
	size_t n = 8, i;
	int r;

	for (i = 0; i < p->n_entries; i++)
		keep[n++] = p->entry[i];
	r = spawn_close_others(keep, n);
	for (i = 1; i < n && r == 0; i++) /* the program itself stays close-on-exec */
		if (keep[i] >= 0)
			r = fd_set_cloexec(keep[i], false);
	return r;
}

static int null_stdio(int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), r = 0;

	if (null < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		r = -errno;
	(void)close(null);
	return r;
}

static void raise_nofile(void)
{
	struct rlimit rl = { NOFILE_WANTED, NOFILE_WANTED };

	/* Each 9p fid holds an fd; without the right to raise the limit the server just has fewer. */
	if (setrlimit(RLIMIT_NOFILE, &rl) < 0 && getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int run_vmm(const struct vmm_parts *p)
{
	char kernel[16], init[16], kvm[16], mem[32], cpus[16], control[16], root[ARGS_MAX], vsock[96], name[64];
	struct strbuf b = strbuf_init(root, sizeof(root));
	unsigned int i;

	(void)snprintf(name, sizeof(name), "%.63s", p->name); /* for log lines only */
	(void)snprintf(kernel, sizeof(kernel), "%d", p->kernel);
	(void)snprintf(init, sizeof(init), "%d", p->init);
	(void)snprintf(kvm, sizeof(kvm), "%d", p->kvm);
	(void)snprintf(mem, sizeof(mem), "%llu", (unsigned long long)p->memory);
	(void)snprintf(cpus, sizeof(cpus), "%u", p->vcpus);
	(void)snprintf(control, sizeof(control), "%d", p->control);
	(void)snprintf(vsock, sizeof(vsock), "fd=%d,cid=%d,control=%d:%d", p->vsock, GUEST_CID, PROTO_PORT_CONTROL,
		       p->agent);
	strbuf_add(&b, "tag=kvmbox");
	/* devtmpfs cannot be told from tmpfs by its type: by its number the server refuses the host's */
	if (p->deny != 0)
		strbuf_add(&b, ",deny=%u:%u", major(p->deny), minor(p->deny));
	for (i = 0; i < p->n_entries; i++)
		strbuf_add(&b, ",fd=%d%s", p->entry[i], p->plan->entries[i].readonly ? ":ro" : "");
	if (b.full)
		return -E2BIG;

	char *argv[] = { (char[]){ "kvmbox-vmm" },
			 (char[]){ "--name" },
			 name,
			 (char[]){ "--kernel-fd" },
			 kernel,
			 (char[]){ "--init-fd" },
			 init,
			 (char[]){ "--kvm-fd" },
			 kvm,
			 (char[]){ "--mem" },
			 mem,
			 (char[]){ "--cpus" },
			 cpus,
			 (char[]){ "--root" },
			 root,
			 (char[]){ "--vsock" },
			 vsock,
			 (char[]){ "--control-fd" },
			 control,
			 (char[]){ "--log-fd" },
			 (char[]){ "2" },
			 NULL };
	char *none[] = { NULL };
#ifdef KVMBOX_STEPS
	char **env = environ;
	(void)none;
#else
	char **env = none;
#endif
	(void)syscall(SYS_execveat, p->exe, "", argv, env, AT_EMPTY_PATH);
	return -errno;
}

int vmm_main(void *arg)
{
	const struct vmm_parts *p = arg;
	struct err e;
	int r;

	step("launch:vmm-child");
	(void)setsid();
	r = null_stdio(p->log);
	if (r == 0 && p->netns >= 0 && setns(p->netns, CLONE_NEWNET) < 0)
		r = -errno;
	if (r == 0)
		r = spawn_empty_root(p->over);
	step("launch:vmm-root");
	if (r == 0)
		r = pass_fds(p);
	raise_nofile();
	if (r == 0)
		r = priv_keep_caps(VMM_CAPS);
	if (r == 0)
		r = run_vmm(p);
	(void)err_set(&e, -r, "kvmbox-vmm cannot be started");
	dprintf(STDERR_FILENO, "%s\n", e.text);
	return 1;
}

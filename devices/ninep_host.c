// SPDX-License-Identifier: Apache-2.0
/*
 * The 9p server's life: tables, entries, the worker's thread; and the host's calls that count fds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "devices/ninep_priv.h"

/* --- the host's calls --- */

static int fd_counted(struct ninep *np, int fd)
{
	if (fd < 0)
		return -errno;
	np->fds++;
	return fd;
}

int ninep_openat(struct ninep *np, int dirfd, const char *name, int flags, unsigned int mode)
{
	struct open_how how = { .flags = (uint64_t)(uint32_t)(flags | O_NOFOLLOW | O_CLOEXEC),
				.mode = mode,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	if (np->fds >= np->fd_max)
		return -EMFILE;
	return fd_counted(np, (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how)));
}

int ninep_dup(struct ninep *np, int fd)
{
	if (np->fds >= np->fd_max)
		return -EMFILE;
	return fd_counted(np, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

void ninep_close(struct ninep *np, int *fd)
{
	if (*fd < 0)
		return;
	(void)close(*fd);
	*fd = -1;
	np->fds--;
}

int ninep_statx(int dirfd, const char *name, struct statx *st)
{
	const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	return statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, st) == 0 ? 0 : -errno;
}

/* --- set-up --- */

/* devtmpfs has no number of its own: take the host's /dev if that is visible and looks like it. */
static void deny_dev_default(struct ninep *np)
{
	struct statfs fs;
	struct statx st;

	if (ninep_statx(AT_FDCWD, "/dev", &st) != 0 || statfs("/dev", &fs) < 0)
		return;
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		np->deny_dev[np->ndeny++] = ninep_dev(&st);
}

static unsigned int fd_limit(void)
{
	const unsigned int enough = NINEP_NODES_MAX + 2 * NINEP_FIDS_MAX; /* one for a node, two for a fid */
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur > enough)
		return enough;
	return (unsigned int)(rl.rlim_cur / 4 * 3);
}

/* Whatever pages are touched stay few and small, and out of core files. */
static struct ninep *ninep_map(void)
{
	void *p = mmap(NULL, sizeof(struct ninep), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, sizeof(struct ninep), MADV_NOHUGEPAGE);
	(void)madvise(p, sizeof(struct ninep), MADV_DONTDUMP);
	return p;
}

/* May fd be served? 0 or -errno; *io: it is open for I/O. */
static int export_check(const struct ninep *np, int fd, bool *io)
{
	int flags = fcntl(fd, F_GETFL), r;
	struct statx st;

	if (flags < 0)
		return -errno;
	r = ninep_statx(fd, "", &st);
	if (r != 0)
		return r;
	*io = (flags & O_PATH) == 0 && !S_ISDIR(st.stx_mode);
	if (S_ISREG(st.stx_mode) && (!*io || (flags & O_ACCMODE) == O_WRONLY))
		return -EINVAL;
	if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode) && *io)
		return -EINVAL;
	if (np->root == NINEP_PLAIN && !S_ISDIR(st.stx_mode))
		return -ENOTDIR;
	return ninep_mount_check(np, fd, ninep_dev(&st));
}

static int export_add(struct ninep *np, int fd, bool ro)
{
	unsigned int n = atomic_load_explicit(&np->nentries, memory_order_relaxed);
	bool io = false;
	int r = export_check(np, fd, &io);

	if (r != 0)
		return r;
	if (n == (np->root == NINEP_PLAIN ? 1 : NINEP_ENTRIES_MAX))
		return -ENOSPC;
	np->entry[n] = (struct ninep_export){ .fd = fd, .ro = ro, .io = io };
	atomic_store_explicit(&np->nentries, n + 1, memory_order_release);
	return (int)n;
}

int ninep_add_entry(struct ninep *np, int fd, bool ro)
{
	return np->root == NINEP_PLAIN ? -EINVAL : export_add(np, fd, ro);
}

static int export_error(struct err *e, unsigned int i, int r)
{
	switch (r) {
	case -EINVAL:
		return err_say(
			e, EINVAL,
			"9p: entry %u is not a directory, nor a regular file open for reading (an O_PATH fd of a "
			"file cannot be opened again: pass one opened O_RDWR or O_RDONLY)",
			i);
	case -EACCES:
		return err_say(
			e, EACCES,
			"9p: entry %u lies on proc, sysfs, devtmpfs or another interface to the host's kernel, which "
			"is not shared: the guest has its own",
			i);
	default: return err_set(e, -r, "9p: entry %u", i);
	}
}

int ninep_new(struct ninep **out, const struct ninep_config *cfg, struct err *e)
{
	struct ninep *np;
	struct timespec now;
	unsigned int i;
	int r = 0;

	if ((cfg->root == NINEP_PLAIN && cfg->n != 1) || cfg->n > NINEP_ENTRIES_MAX || cfg->n_deny > NINEP_DENY_MAX)
		return err_say(e, EINVAL, "9p: %u entries: a plain root takes 1, a synthetic one at most %d", cfg->n,
			       NINEP_ENTRIES_MAX);
	np = ninep_map();
	if (np == NULL)
		return err_set(e, ENOMEM, "9p: %zu MiB of address space for tables", sizeof(struct ninep) >> 20);
	np->root = cfg->root;
	np->old_host = cfg->old_host;
	np->fd_max = cfg->fd_max != 0 ? cfg->fd_max : fd_limit();
	np->ndeny = cfg->n_deny;
	memcpy(np->deny_dev, cfg->deny_dev, sizeof(np->deny_dev));
	if (np->ndeny == 0)
		deny_dev_default(np);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	np->born = (struct statx_timestamp){ .tv_sec = now.tv_sec, .tv_nsec = (uint32_t)now.tv_nsec };
	if (getrandom(&np->nodes.seed, sizeof(np->nodes.seed), GRND_NONBLOCK) < 0)
		np->nodes.seed = (uint64_t)now.tv_nsec; /* early in the host's boot: hash chains only */
	for (i = 0; i < cfg->n && r >= 0; i++)
		r = export_add(np, cfg->entry[i].fd, cfg->entry[i].ro);
	if (r < 0) {
		(void)munmap(np, sizeof(*np));
		return export_error(e, i - 1, r);
	}
	*out = np;
	return 0;
}

void ninep_free(struct ninep *np)
{
	unsigned int i;

	if (np == NULL)
		return;
	ninep_reset(np);
	for (i = 0; i < np->nentries; i++)
		(void)close(np->entry[i].fd);
	(void)munmap(np, sizeof(*np));
}

int ninep_worker_init(void *arg)
{
	struct ninep *np = arg;
	sigset_t set;

	if (unshare(CLONE_FS) < 0)
		return -errno;
	(void)umask(0);
	/* a guest's write beyond RLIMIT_FSIZE is EFBIG, not our death */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGXFSZ);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	return ninep_cred_init(&np->cred);
}

void ninep_reset(struct ninep *np)
{
	ninep_fids_reset(np);
	ninep_nodes_reset(np);
	np->msize = 0;
}

struct ninep_usage ninep_usage(const struct ninep *np)
{
	return (struct ninep_usage){ .fids = np->fids.live,
				     .nodes = np->nodes.live,
				     .fds = np->fds,
				     .xattrs = np->xattrs.live,
				     .locks = np->locks.live };
}

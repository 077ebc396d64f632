// SPDX-License-Identifier: Apache-2.0
/*
 * A 9P2000.L server: the host's files for a guest, over request and reply buffers. Knows no virtio.
 *
 * Root. NINEP_PLAIN: the one entry, a directory, is the root. NINEP_SYNTHETIC: the root is a read-only directory that
 * lists entries "0", "1", ...; each is a directory or a single file, more can be added while the server runs.
 *
 * Entries are fds. A directory: any fd of it, O_PATH will do. A regular file: an fd opened for what the guest may do
 * (O_RDWR, or O_RDONLY), since an O_PATH fd of a file cannot be opened again without /proc. Other files: O_PATH; they
 * can be looked at, not opened. The launcher makes them from detached mount trees with MOUNT_ATTR_NODEV (and RDONLY)
 * set.
 *
 * Confinement. The server holds fds, never a path, never a procfs fd, and needs no CAP_DAC_READ_SEARCH: file handles,
 * which reach a whole file system, are not used. A name from the guest is one component ('/', NUL, "." and the empty
 * name are refused) and is resolved by openat2(RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS) on the fd of a directory
 * that was reached the same way. ".." is the parent by which a directory was reached, looked up in our own table: it
 * cannot lead above an entry, whatever is moved on the host. A walk that enters another mount (its mnt_id differs) is
 * refused when that is proc, sysfs, a cgroup, devtmpfs or another file system that is an interface to the host's
 * kernel. Only regular files and directories are opened. What differs from the file the guest walked to is not used:
 * ESTALE.
 *
 * Identity of files the guest makes: owner is the fid's user (n_uname of Tattach), group the message's gid, by
 * setfsuid() and setfsgid() around the call on the worker's thread, capabilities kept. All else runs as the server: the
 * guest's kernel has made the permission checks (access=client), and a guest's root owns its entries anyway. A server
 * that cannot change ids (a plain user) creates everything as itself, and chown() gives EPERM.
 *
 * Threads: ninep_handle() and ninep_reset() on ONE worker thread that has run ninep_worker_init(); they may block on
 * files. ninep_add_entry() on the loop thread, at any time. The rest before the first and after the last of these.
 * Memory: mapped at ninep_new(), touched when used; no allocation afterwards.
 */
#ifndef KVMBOX_NINEP_H
#define KVMBOX_NINEP_H

#include "vmm/base/err.h"
#include "vmm/core/giov.h"

#define NINEP_ENTRIES_MAX 1024   /* of a synthetic root */
#define NINEP_FIDS_MAX    65536  /* a guest's fid number is below this */
#define NINEP_NODES_MAX   131072 /* files and directories that fids refer to, ancestors included */
#define NINEP_MSIZE_MAX   512000 /* 125 pages: what Linux' virtio transport can carry */
#define NINEP_MSIZE_MIN   4096   /* less is refused, as Linux does */
#define NINEP_HEAD_MAX    8192   /* a request without the payload of Twrite, a reply without that of Tread */
#define NINEP_XATTRS_MAX  1024   /* fids that stand for an xattr at one time, 64 KiB each at most */
#define NINEP_LOCKS_MAX   4096   /* byte ranges */
#define NINEP_LOCKED_MAX  1024   /* files with locks */
#define NINEP_DEVICES_MAX 65535  /* pairs of a device and the upper 16 bits of an inode number */
#define NINEP_DENY_MAX    4
#define NINEP_NAME_MAX    255
#define NINEP_SEGS_MAX    32 /* iovecs per preadv: host tmpfs takes time quadratic in them */

enum ninep_root { NINEP_PLAIN, NINEP_SYNTHETIC };

struct ninep_entry {
	int fd;
	bool ro; /* every change gives EROFS; also when the mount is writable */
};

struct ninep_config {
	enum ninep_root root;
	const struct ninep_entry *entry;
	unsigned int n; /* NINEP_PLAIN: 1; NINEP_SYNTHETIC: 0..NINEP_ENTRIES_MAX */
	/*
	 * st_dev numbers never to be entered. devtmpfs looks like tmpfs to fstatfs(), so that of the host's /dev
	 * belongs here; with none given, ninep_new() looks at "/dev" itself, which finds nothing in an empty root.
	 */
	uint64_t deny_dev[NINEP_DENY_MAX];
	unsigned int n_deny;
	unsigned int fd_max; /* fds to hold at most; 0: three quarters of RLIMIT_NOFILE */
	bool old_host;       /* do without calls newer than Linux 5.15, for tests */
};

struct ninep;

/* Takes the entries' fds when it succeeds. 0 or -errno with *e set. */
int ninep_new(struct ninep **out, const struct ninep_config *cfg, struct err *e) MUST_CHECK;
void ninep_free(struct ninep *np); /* NULL ok */

/*
 * Add an entry to a synthetic root. Takes fd and returns the entry's number, or leaves it the caller's and returns
 * -EINVAL (plain root, not a fd that can be served: see above), -ENOSPC, -EACCES (a refused file system), -errno.
 */
int ninep_add_entry(struct ninep *np, int fd, bool ro) MUST_CHECK;

/*
 * Once on the worker's thread before its first request: a workq_init_fn (arg: the server). A working directory, umask
 * and credentials of its own. 0 or -errno.
 */
int ninep_worker_init(void *arg) MUST_CHECK;

/*
 * Answer one request. Returns the bytes put into resp: a whole reply, never more than msize or resp's room. 0: no reply
 * can be given (no whole header, or room for not even an error), the guest broke the transport's rules.
 */
size_t ninep_handle(struct ninep *np, struct giov *req, struct giov *resp) MUST_CHECK;

/* End the session as Tversion does: drop every fid, lock and xattr. */
void ninep_reset(struct ninep *np);

/* Open fds and fids now, for tests and statistics; on the worker's thread. */
struct ninep_usage {
	unsigned int fids, nodes, fds, xattrs, locks;
};
struct ninep_usage ninep_usage(const struct ninep *np);

#endif

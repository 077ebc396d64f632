// SPDX-License-Identifier: Apache-2.0
/*
 * File descriptor helpers: whole reads and writes, passing fds over unix sockets, scope-bound fds.
 * All return -errno; EINTR is handled inside.
 */
#ifndef KVMBOX_FDIO_H
#define KVMBOX_FDIO_H

#include <sys/types.h>
#include <unistd.h>

#include "vmm/base/compat.h"

/* Bytes read, less than len only at end of file */
ssize_t read_full(int fd, void *buf, size_t len);
ssize_t pread_full(int fd, void *buf, size_t len, off_t off);
int write_full(int fd, const void *buf, size_t len) MUST_CHECK;

int fd_set_cloexec(int fd, bool on) MUST_CHECK;
int fd_set_nonblock(int fd, bool on) MUST_CHECK;

/* Close *fd if it is open, and forget it. Keeps errno. */
void fd_close(int *fd);

static inline int fd_steal(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/* CLI and agent only (the VMM uses labels): closes at the end of the scope. Declare with a value. */
#define autofd __attribute__((cleanup(fd_close))) int

#define FDS_MAX 32

/* One message of len bytes with n (<= FDS_MAX) fds over a unix socket. 0 or -errno. */
int fds_send(int sock, const void *buf, size_t len, const int *fds, unsigned int n) MUST_CHECK;

/*
 * Receive one message of at most cap bytes and at most *n fds (close-on-exec, owned by the caller). Returns the bytes,
 * 0 at end of file, -errno; -EMSGSIZE for a message or fd list that was cut, whose fds are closed.
 */
ssize_t fds_recv(int sock, void *buf, size_t cap, int *fds, unsigned int *n) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The control socket: the launcher's requests to a running VM, and the VM's last message.
 *
 * A connected AF_UNIX SOCK_SEQPACKET socket; every message is one line of text without a newline (one is accepted), fds
 * by SCM_RIGHTS. Requests and answers:
 *
 *     entry-add ro=0|1              + 1 fd   ok entry=N     add an entry to the synthetic 9p root
 *     slot-add share,tag=TAG[,ro]   + 1 fd   ok slot=N      fill a free virtio-mmio slot with a 9p device
 *     slot-del N                             ok | busy      empty it; busy while the guest's driver is bound
 *     klog                                   ok lines=N     the guest kernel's log, to the log fd
 *     ping                                   ok
 *     anything else                          error TEXT
 *
 * Unasked: `exit poweroff|reset|panic|triple-fault|killed|internal|error [TEXT]` before the VM ends. End of file or an
 * error on the socket ends the VM at once (hangup). The peer is trusted to own the VM, not to be right: messages are
 * bounded, fds that are not wanted are closed, and a peer that does not read its answers is hung up on. Threads: loop
 * thread, device lock held.
 */
#ifndef KVMBOX_VMM_CONTROL_H
#define KVMBOX_VMM_CONTROL_H

#include "vmm/base/err.h"
#include "vmm/core/loop.h"

#define CONTROL_LINE_MAX 512

/* The fds become the callee's, whatever it returns. Errors are -errno with a text in *e. */
struct control_ops {
	int (*entry_add)(void *ctx, int fd, bool ro, struct err *e);                 /* entry number */
	int (*slot_add)(void *ctx, int fd, const char *tag, bool ro, struct err *e); /* slot number */
	int (*slot_del)(void *ctx, unsigned int slot, struct err *e);                /* 0, -EBUSY: busy */
	int (*klog)(void *ctx, struct err *e);                                       /* lines written */
	void (*hangup)(void *ctx);
};

struct control {
	struct loop *loop;
	int fd; /* -1: none; not owned */
	loop_id id;
	const struct control_ops *ops;
	void *ctx;
};

/* Watch fd; 0, or an error when it is no such socket. */
int control_init(struct control *c, struct loop *loop, int fd, const struct control_ops *ops, void *ctx,
		 struct err *e) MUST_CHECK;
void control_fini(struct control *c);

/* Send one line to the peer of fd, never blocking; 0 or -errno. For -1 nothing is done. */
int control_send(int fd, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

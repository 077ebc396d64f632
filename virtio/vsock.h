// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-vsock front-end (virtio 1.2, 5.10): device id 19, queues rx, tx and event, stream sockets only.
 *
 * Moves packets between the rings and devices/vsock_mux.h, which owns connections and host sockets. A packet that is
 * too short, says it is longer than its chain, or a receive buffer without room for a byte of payload makes the device
 * need a reset, and ends every connection; all other mistakes of the guest cost it a connection.
 * Threads: device lock held.
 */
#ifndef KVMBOX_VIRTIO_VSOCK_H
#define KVMBOX_VIRTIO_VSOCK_H

#include "devices/vsock_mux.h"
#include "virtio/virtio.h"

struct virtio_vsock;

/* On success the fds of cfg belong to the device, which closes them; on failure they stay the caller's. */
int virtio_vsock_new(struct virtio_vsock **out, const struct vsock_config *cfg, const struct gmem *mem,
		     struct loop *loop, struct err *e) MUST_CHECK;
struct virtio_dev *virtio_vsock_dev(struct virtio_vsock *v);
/* NULL ok. The slot was emptied before. */
void virtio_vsock_free(struct virtio_vsock *v);

/* For vsock_mux_unflushed(): before the VM exits, let host clients take what the guest has sent, for a bounded time. */
struct vsock_mux *virtio_vsock_mux(struct virtio_vsock *v);

/*
 * Copy a packet's header to *out and check that as many bytes of payload follow, which are then at the front of rd.
 * Pure. 0 or -EPROTO.
 */
int vsock_parse(struct giov *rd, struct vsock_hdr_host *out) MUST_CHECK;

#endif

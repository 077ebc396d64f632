// SPDX-License-Identifier: Apache-2.0
/*
 * virtio-9p (virtio 1.2 has a device id for it, 9; the layout is that of <linux/virtio_9p.h>): one queue of requests, a
 * mount tag in the config space.
 *
 * Chains go as they are to one worker thread that owns the 9p server; the loop gives them back. At most
 * P9_REQUESTS_MAX are out at a time, the rest waits in the ring. A reset waits for requests in progress and ends the
 * session, so that a guest's fds and locks do not outlive its driver.
 *
 * Threads: as virtio.h; virtio_p9_new() and virtio_p9_free() without the device lock.
 */
#ifndef KVMBOX_P9_H
#define KVMBOX_P9_H

#include "devices/ninep.h"
#include "virtio/virtio.h"

#define P9_REQUESTS_MAX 64
#define P9_TAG_MAX      32

struct virtio_p9;

/*
 * A device that serves srv under tag (1 to P9_TAG_MAX bytes). Starts the worker. On success srv belongs to the device.
 * 0 or -errno with *e set.
 */
int virtio_p9_new(struct virtio_p9 **out, const char *tag, struct ninep *srv, const struct gmem *mem, struct loop *loop,
		  struct err *e) MUST_CHECK;
struct virtio_dev *virtio_p9_dev(struct virtio_p9 *p);
struct ninep *virtio_p9_server(struct virtio_p9 *p); /* for ninep_add_entry() */
/* Stops the worker and frees the server too. The slot must be empty. NULL ok. */
void virtio_p9_free(struct virtio_p9 *p);

#endif

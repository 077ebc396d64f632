// SPDX-License-Identifier: Apache-2.0
/*
 * A virtio device with no purpose but to be driven: an example of a front-end, for tests and fuzzing of the transport.
 *
 * Queue 0 echoes at once: the readable bytes are copied to the writable part. Queue 1 echoes later: on a worker when
 * the device has a workq, else when the test calls fake_dev_complete(). At most FAKE_DEV_REQS are in flight; then it
 * stops popping. Its reset takes as long as requests are in flight. The configuration space is 12 bytes, bytes 0 to 7
 * writable.
 */
#ifndef KVMBOX_FAKE_DEV_H
#define KVMBOX_FAKE_DEV_H

#include "virtio/virtio.h"
#include "vmm/core/work.h"

#define FAKE_DEV_ID      42
#define FAKE_DEV_QUEUES  2
#define FAKE_DEV_SIZE    64
#define FAKE_DEV_REQS    8
#define FAKE_DEV_CONFIG  12
#define FAKE_DEV_FEATURE 0 /* a feature bit of its own */

struct fake_dev_req {
	struct work work;
	struct fake_dev *dev;
	bool busy;
	uint32_t written;
	struct vq_chain chain;
};

struct fake_dev {
	struct virtio_dev v;
	struct workq *wq; /* NULL: fake_dev_complete() */
	loop_id again;    /* a timer: goes on with queue 0 after its budget of chains */
	struct fake_dev_req req[FAKE_DEV_REQS];
	unsigned int in_flight;
	int activate_error; /* not 0: activate() fails with it */
	unsigned int activated, resets, notified, config_writes;
	uint64_t popped, pushed; /* of both queues; chains of a reset queue count as pushed */
};

/* workers 0: none. The struct must not move. 0 or -errno. */
int fake_dev_init(struct fake_dev *d, const struct gmem *mem, struct loop *loop, unsigned int workers) MUST_CHECK;
void fake_dev_fini(struct fake_dev *d); /* after its slot was emptied */

/* Finish one request of queue 1, of a device without workers; false when none is in flight. With the device lock. */
bool fake_dev_complete(struct fake_dev *d);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake/fake_dev.h"

#include <errno.h>
#include <string.h>

#define BUDGET 128 /* chains of queue 0 in one callback */

static struct fake_dev *dev_of(struct virtio_dev *v)
{
	return container_of(v, struct fake_dev, v);
}

static uint32_t echo(struct vq_chain *c)
{
	uint32_t written = 0;
	uint8_t buf[256];

	while (c->rd.left > 0 && c->wr.left > 0) {
		size_t n = min_size(min_size(c->rd.left, c->wr.left), sizeof(buf));

		if (giov_get(&c->rd, buf, n) != 0 || giov_put(&c->wr, buf, n) != 0)
			break;
		written += (uint32_t)n;
	}
	return written;
}

/* Queue 0; true when it stopped at its budget and there may be more. */
static bool pump_now(struct fake_dev *d)
{
	static _Thread_local struct vq_chain c; /* 4 KiB: off the stack */
	struct vq *q = &d->v.vq[0];
	unsigned int n = 0;
	int r;

	vq_no_notify(q);
	do {
		while (n < BUDGET && (r = vq_pop(q, &c)) == 1) {
			uint32_t written = echo(&c);

			n++;
			d->popped++;
			d->pushed++;
			vq_push(q, &c, written);
		}
		if (n == BUDGET)
			break;
		if (r < 0) {
			virtio_needs_reset(&d->v, "bad chain in queue 0");
			return false;
		}
	} while (vq_want_notify(q));
	virtio_signal(&d->v, 0);
	return n == BUDGET;
}

static void pump_again(void *arg, uint32_t events UNUSED)
{
	struct fake_dev *d = arg;

	if (virtio_active(&d->v) && pump_now(d))
		loop_set_timer(d->v.loop, d->again, 1);
}

static struct fake_dev_req *req_free(struct fake_dev *d)
{
	unsigned int i;

	for (i = 0; i < FAKE_DEV_REQS; i++)
		if (!d->req[i].busy)
			return &d->req[i];
	return NULL;
}

/* Queue 1: pops as long as there is a request to put the chain in. */
static void pump_later(struct fake_dev *d)
{
	struct vq *q = &d->v.vq[1];
	struct fake_dev_req *req;

	while ((req = req_free(d)) != NULL) {
		int r = vq_pop(q, &req->chain);

		if (r < 0) {
			virtio_needs_reset(&d->v, "bad chain in queue 1");
			return;
		}
		if (r == 0) {
			if (!vq_want_notify(q))
				return;
			continue;
		}
		d->popped++;
		d->in_flight++;
		req->busy = true;
		if (d->wq != NULL)
			workq_submit(d->wq, &req->work);
	}
	vq_no_notify(q); /* req_done() looks again */
}

static void req_run(struct work *w)
{
	struct fake_dev_req *req = container_of(w, struct fake_dev_req, work);

	req->written = echo(&req->chain);
}

static void req_done(struct work *w)
{
	struct fake_dev_req *req = container_of(w, struct fake_dev_req, work);
	struct fake_dev *d = req->dev;

	vq_push(&d->v.vq[1], &req->chain, req->written);
	d->pushed++;
	req->busy = false;
	d->in_flight--;
	if (d->v.resetting) {
		if (d->in_flight == 0)
			virtio_reset_done(&d->v);
		return;
	}
	virtio_signal(&d->v, 1);
	if (virtio_active(&d->v))
		pump_later(d);
}

bool fake_dev_complete(struct fake_dev *d)
{
	unsigned int i;

	for (i = 0; d->wq == NULL && i < FAKE_DEV_REQS; i++) {
		if (!d->req[i].busy)
			continue;
		req_run(&d->req[i].work);
		req_done(&d->req[i].work);
		return true;
	}
	return false;
}

static int dev_activate(struct virtio_dev *v)
{
	struct fake_dev *d = dev_of(v);

	if (d->activate_error != 0)
		return d->activate_error;
	d->activated++;
	return 0;
}

static int dev_reset(struct virtio_dev *v)
{
	struct fake_dev *d = dev_of(v);

	d->resets++;
	loop_set_timer(v->loop, d->again, 0);
	return d->in_flight == 0 ? 0 : -EINPROGRESS;
}

static void dev_notify(struct virtio_dev *v, unsigned int q)
{
	struct fake_dev *d = dev_of(v);

	loop_assert_locked(v->loop);
	d->notified++;
	if (q == 1)
		pump_later(d);
	else
		pump_again(d, 0);
}

static void dev_config_write(struct virtio_dev *v, size_t off, const void *src, size_t len)
{
	struct fake_dev *d = dev_of(v);

	BUG_ON(off > v->config_len || len > v->config_len - off);
	d->config_writes++;
	if (off + len <= 8)
		memcpy(v->config + off, src, len);
}

static const struct virtio_ops fake_ops = {
	.name = "fake",
	.device_id = FAKE_DEV_ID,
	.nqueues = FAKE_DEV_QUEUES,
	.queue_max = FAKE_DEV_SIZE,
	.features = 1ULL << FAKE_DEV_FEATURE,
	.activate = dev_activate,
	.reset = dev_reset,
	.notify = dev_notify,
	.config_write = dev_config_write,
};

int fake_dev_init(struct fake_dev *d, const struct gmem *mem, struct loop *loop, unsigned int workers)
{
	unsigned int i;

	memset(d, 0, sizeof(*d));
	virtio_init(&d->v, &fake_ops, mem, loop, "0123456789ab", FAKE_DEV_CONFIG);
	for (i = 0; i < FAKE_DEV_REQS; i++) {
		d->req[i].dev = d;
		d->req[i].work.run = req_run;
		d->req[i].work.done = req_done;
	}
	d->again = loop_add_timer(loop, pump_again, d);
	if (d->again == 0)
		return -ENOSPC;
	return workers == 0 ? 0 : workq_new(&d->wq, loop, "fake", workers, NULL, NULL);
}

void fake_dev_fini(struct fake_dev *d)
{
	workq_free(d->wq);
	loop_del(d->v.loop, d->again);
}

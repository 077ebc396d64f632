// SPDX-License-Identifier: Apache-2.0
/*
 * A request's way: notify (device lock) takes a slot and pops a chain into it -> run (worker) answers it -> done
 * (device lock) pushes it and frees the slot. With no slot free nothing is popped; done() looks at the ring again.
 *
 * Reset: no more chains are popped; when the last work in progress is done, a work of its own ends the 9p session on
 * the worker, and then the reset is. The transport has reset the queue meanwhile, so pushes of that time are dropped.
 */
#include "virtio/p9.h"

#include <errno.h>
#include <linux/virtio_9p.h>
#include <linux/virtio_ids.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/work.h"

struct p9_request {
	struct work work;
	struct virtio_p9 *p9;
	struct p9_request *next; /* free */
	size_t written;          /* the worker's until done() */
	struct vq_chain chain;
};

struct virtio_p9 {
	struct virtio_dev dev;
	struct ninep *srv; /* the worker's, but for ninep_add_entry() */
	struct workq *workq;
	/* device lock */
	struct p9_request *free;
	unsigned int in_flight;
	unsigned int done; /* works whose done() has run, modulo 2^32 */
	bool session;      /* the server has seen a request since the last reset */
	bool resetting;
	struct work reset_work;
	_Atomic unsigned int ran; /* works whose run() has ended: written by the worker, read by the loop */
	struct p9_request request[P9_REQUESTS_MAX];
};

static struct virtio_p9 *p9_of(struct virtio_dev *d)
{
	return container_of(d, struct virtio_p9, dev);
}

/* Worker */
static void p9_run(struct work *w)
{
	struct p9_request *q = container_of(w, struct p9_request, work);

	q->written = ninep_handle(q->p9->srv, &q->chain.rd, &q->chain.wr);
	atomic_fetch_add_explicit(&q->p9->ran, 1, memory_order_release);
}

/* Pop into free slots: each turn takes one, or is the second in a row that finds nothing, and the last. */
static void p9_fill(struct virtio_p9 *p)
{
	struct vq *vq = &p->dev.vq[0];
	bool empty = false;

	while (p->free != NULL && virtio_active(&p->dev)) {
		struct p9_request *q = p->free;
		int r = vq_pop(vq, &q->chain);

		if (r < 0) {
			virtio_needs_reset(&p->dev, "a request is not a valid chain");
			return;
		}
		if (r == 0) {
			if (empty || !vq_want_notify(vq))
				return;
			empty = true; /* something came meanwhile; an honest driver does not take it back */
			continue;
		}
		empty = false;
		p->free = q->next;
		p->in_flight++;
		p->session = true;
		workq_submit(p->workq, &q->work);
	}
	if (p->free == NULL)
		vq_no_notify(vq);
}

static void p9_notify(struct virtio_dev *d, unsigned int q UNUSED)
{
	p9_fill(p9_of(d));
}

static void p9_end_session(struct virtio_p9 *p)
{
	workq_submit(p->workq, &p->reset_work);
}

static void p9_push(struct virtio_p9 *p, struct p9_request *q)
{
	if (q->written == 0) {
		virtio_needs_reset(&p->dev, "a request has no whole header, or no room for a reply");
		return;
	}
	vq_push(&p->dev.vq[0], &q->chain, (uint32_t)q->written);
	/* More results are on their way already: the last of them signals for all. */
	if (p->done == atomic_load_explicit(&p->ran, memory_order_acquire))
		virtio_signal(&p->dev, 0);
}

static void p9_done(struct work *w)
{
	struct p9_request *q = container_of(w, struct p9_request, work);
	struct virtio_p9 *p = q->p9;

	p->done++;
	p->in_flight--;
	q->next = p->free;
	p->free = q;
	if (p->resetting) {
		if (p->in_flight == 0)
			p9_end_session(p);
		return;
	}
	if (virtio_active(&p->dev))
		p9_push(p, q);
	p9_fill(p);
}

static int p9_activate(struct virtio_dev *d)
{
	p9_fill(p9_of(d)); /* chains may be there before DRIVER_OK's first notification */
	return 0;
}

static int p9_reset(struct virtio_dev *d)
{
	struct virtio_p9 *p = p9_of(d);

	if (!p->session)
		return 0;
	p->resetting = true;
	if (p->in_flight == 0)
		p9_end_session(p);
	return -EINPROGRESS;
}

/* Worker */
static void p9_reset_run(struct work *w)
{
	ninep_reset(container_of(w, struct virtio_p9, reset_work)->srv);
}

static void p9_reset_finish(struct work *w)
{
	struct virtio_p9 *p = container_of(w, struct virtio_p9, reset_work);

	p->resetting = false;
	p->session = false;
	virtio_reset_done(&p->dev);
}

static const struct virtio_ops p9_ops = {
	.name = "p9",
	.device_id = VIRTIO_ID_9P,
	.nqueues = 1,
	.queue_max = VQ_SIZE_MAX,
	.features = 1ULL << VIRTIO_9P_MOUNT_TAG,
	.activate = p9_activate,
	.reset = p9_reset,
	.notify = p9_notify,
};

static void p9_config(struct virtio_p9 *p, const char *tag, const struct gmem *mem, struct loop *loop)
{
	uint8_t config[2 + P9_TAG_MAX];
	size_t len = strlen(tag);

	config[0] = (uint8_t)len;
	config[1] = 0;
	memcpy(config + 2, tag, len);
	virtio_init(&p->dev, &p9_ops, mem, loop, config, 2 + len);
}

int virtio_p9_new(struct virtio_p9 **out, const char *tag, struct ninep *srv, const struct gmem *mem, struct loop *loop,
		  struct err *e)
{
	struct virtio_p9 *p;
	unsigned int i;
	int r;

	if (tag[0] == '\0' || strlen(tag) > P9_TAG_MAX)
		return err_say(e, EINVAL, "9p: the tag `%.40s` must have 1 to %d characters", tag, P9_TAG_MAX);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ENOMEM, "9p: tag `%s`", tag);
	p->srv = srv;
	p9_config(p, tag, mem, loop);
	p->reset_work = (struct work){ .run = p9_reset_run, .done = p9_reset_finish };
	for (i = P9_REQUESTS_MAX; i-- > 0;) {
		p->request[i].work = (struct work){ .run = p9_run, .done = p9_done };
		p->request[i].p9 = p;
		p->request[i].next = p->free;
		p->free = &p->request[i];
	}
	r = workq_new(&p->workq, loop, "p9", 1, ninep_worker_init, srv);
	if (r != 0) {
		free(p);
		return err_set(e, -r, "9p: worker thread for tag `%s`", tag);
	}
	*out = p;
	return 0;
}

struct virtio_dev *virtio_p9_dev(struct virtio_p9 *p)
{
	return &p->dev;
}

struct ninep *virtio_p9_server(struct virtio_p9 *p)
{
	return p->srv;
}

void virtio_p9_free(struct virtio_p9 *p)
{
	if (p == NULL)
		return;
	workq_free(p->workq);
	ninep_free(p->srv);
	free(p);
}

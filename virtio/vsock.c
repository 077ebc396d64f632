// SPDX-License-Identifier: Apache-2.0
#include "virtio/vsock.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>

/* virtio 1.2, 5.10.3; <linux/virtio_vsock.h> has no name for it */
#define VSOCK_F_STREAM 0

/*
 * Linux fills the receive queue with one 8 KiB buffer an entry at probe: 64 entries are 512 KiB of guest memory, and
 * as many payload bytes in flight (256 KiB) as its sockets allow.
 */
#define VSOCK_QUEUE_SIZE 64
#define VSOCK_BATCH      64 /* packets each way before other devices have their turn */

enum vsock_queue { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

static_assert(VSOCK_IOV_MAX >= VQ_SEGS_MAX, "every chain's payload fits the mux's vectors");
static_assert(sizeof(struct virtio_vsock_hdr) == 44, "virtio 1.2, 5.10.6");

struct virtio_vsock {
	struct virtio_dev dev;
	struct vsock_mux *mux;
	loop_id again; /* timer: a batch was used up, or the driver has just come */
	bool in_tx;    /* answers wait until the batch of packets is done */
	struct vq_chain chain;
};

int vsock_parse(struct giov *rd, struct vsock_hdr_host *out)
{
	struct virtio_vsock_hdr h;
	int r = giov_get(rd, &h, sizeof(h));

	if (r < 0)
		return r;
	*out = (struct vsock_hdr_host){
		.src_cid = le64toh(h.src_cid),
		.dst_cid = le64toh(h.dst_cid),
		.src_port = le32toh(h.src_port),
		.dst_port = le32toh(h.dst_port),
		.len = le32toh(h.len),
		.type = le16toh(h.type),
		.op = le16toh(h.op),
		.flags = le32toh(h.flags),
		.buf_alloc = le32toh(h.buf_alloc),
		.fwd_cnt = le32toh(h.fwd_cnt),
	};
	return out->len > rd->left ? -EPROTO : 0;
}

static struct virtio_vsock_hdr vsock_wire(const struct vsock_hdr_host *h)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(h->src_cid),
		.dst_cid = htole64(h->dst_cid),
		.src_port = htole32(h->src_port),
		.dst_port = htole32(h->dst_port),
		.len = htole32(h->len),
		.type = htole16(h->type),
		.op = htole16(h->op),
		.flags = htole32(h->flags),
		.buf_alloc = htole32(h->buf_alloc),
		.fwd_cnt = htole32(h->fwd_cnt),
	};
}

static void vsock_broken(struct virtio_vsock *v, const char *why)
{
	virtio_needs_reset(&v->dev, why);
	vsock_mux_reset(v->mux);
}

/* Put one packet into a receive buffer. 1 done, 0 there was none, -EPROTO. */
static int rx_packet(struct virtio_vsock *v, struct vq *q)
{
	struct vq_chain *c = &v->chain;
	struct giov head = c->wr, room = c->wr;
	struct virtio_vsock_hdr wire;
	struct vsock_hdr_host h;
	int r = giov_skip(&room, sizeof(wire));

	if (r < 0 || room.left == 0)
		return -EPROTO;
	if (!vsock_mux_fill(v->mux, &room, &h)) {
		vq_unpop(q, c);
		return 0;
	}
	wire = vsock_wire(&h);
	r = giov_put(&head, &wire, sizeof(wire));
	if (r < 0)
		return r;
	vq_push(q, c, (uint32_t)sizeof(wire) + h.len);
	return 1;
}

/* Give the guest what the mux has for it, as far as it has buffers. */
static void rx_run(struct virtio_vsock *v)
{
	struct vq *q = &v->dev.vq[VSOCK_RX];
	unsigned int done = 0;
	int r = 1;

	if (!virtio_active(&v->dev))
		return;
	while (r == 1 && done < VSOCK_BATCH && vsock_mux_ready(v->mux)) {
		r = vq_pop(q, &v->chain);
		if (r == 0 && vq_want_notify(q))
			r = vq_pop(q, &v->chain);
		if (r == 1)
			r = rx_packet(v, q);
		done += r == 1;
	}
	if (done > 0)
		virtio_signal(&v->dev, VSOCK_RX);
	if (r < 0)
		vsock_broken(v, "bad receive buffer");
	else if (done == VSOCK_BATCH)
		loop_set_timer(v->dev.loop, v->again, 1);
}

/* Take a batch of the guest's packets, *done of them. 0, -EPROTO or -EFAULT. */
static int tx_batch(struct virtio_vsock *v, struct vq *q, unsigned int *done)
{
	struct vsock_hdr_host h;
	int r = 0;

	for (*done = 0; *done < VSOCK_BATCH; (*done)++) {
		r = vq_pop(q, &v->chain);
		if (r == 0 && vq_want_notify(q))
			r = vq_pop(q, &v->chain);
		if (r != 1)
			return r;
		r = vsock_parse(&v->chain.rd, &h);
		if (r < 0)
			return r;
		vsock_mux_packet(v->mux, &h, &v->chain.rd);
		vq_push(q, &v->chain, 0);
	}
	return 0;
}

static void tx_run(struct virtio_vsock *v)
{
	struct vq *q = &v->dev.vq[VSOCK_TX];
	unsigned int done;
	int r;

	if (!virtio_active(&v->dev))
		return;
	vq_no_notify(q);
	v->in_tx = true;
	r = tx_batch(v, q, &done);
	v->in_tx = false;
	if (done > 0)
		virtio_signal(&v->dev, VSOCK_TX);
	if (r < 0) {
		vsock_broken(v, "bad packet");
		return;
	}
	if (done == VSOCK_BATCH)
		loop_set_timer(v->dev.loop, v->again, 1);
	rx_run(v);
}

static void vsock_ready(void *ctx)
{
	struct virtio_vsock *v = ctx;

	if (!v->in_tx)
		rx_run(v);
}

static void vsock_again(void *arg, uint32_t events)
{
	(void)events;
	tx_run(arg);
}

static void vsock_notify(struct virtio_dev *d, unsigned int q)
{
	struct virtio_vsock *v = container_of(d, struct virtio_vsock, dev);

	/* No events are ever sent: buffers for them stay where they are. */
	if (q == VSOCK_TX)
		tx_run(v);
	else if (q == VSOCK_RX)
		rx_run(v);
}

static int vsock_activate(struct virtio_dev *d)
{
	struct virtio_vsock *v = container_of(d, struct virtio_vsock, dev);

	/* Buffers that were there before DRIVER_OK come without a notification. */
	loop_set_timer(d->loop, v->again, 1);
	return 0;
}

static int vsock_reset(struct virtio_dev *d)
{
	struct virtio_vsock *v = container_of(d, struct virtio_vsock, dev);

	vsock_mux_reset(v->mux);
	return 0;
}

static const struct virtio_ops vsock_ops = {
	.name = "vsock",
	.device_id = VIRTIO_ID_VSOCK,
	.nqueues = VSOCK_QUEUES,
	.queue_max = VSOCK_QUEUE_SIZE,
	.features = 1ULL << VSOCK_F_STREAM,
	.activate = vsock_activate,
	.reset = vsock_reset,
	.notify = vsock_notify,
};

static const struct vsock_mux_ops mux_ops = {
	.ready = vsock_ready,
};

int virtio_vsock_new(struct virtio_vsock **out, const struct vsock_config *cfg, const struct gmem *mem,
		     struct loop *loop, struct err *e)
{
	struct virtio_vsock_config config = { .guest_cid = htole64(cfg->cid) };
	struct virtio_vsock *v = calloc(1, sizeof(*v));
	int r;

	if (v == NULL)
		return err_set(e, ENOMEM, "vsock device");
	virtio_init(&v->dev, &vsock_ops, mem, loop, &config, sizeof(config));
	v->again = loop_add_timer(loop, vsock_again, v);
	if (v->again == 0) {
		r = err_set(e, EMFILE, "vsock: timer");
		goto err_mem;
	}
	r = vsock_mux_new(&v->mux, cfg, loop, &mux_ops, v, e);
	if (r < 0)
		goto err_timer;
	*out = v;
	return 0;

err_timer:
	loop_del(loop, v->again);
err_mem:
	free(v);
	return r;
}

struct virtio_dev *virtio_vsock_dev(struct virtio_vsock *v)
{
	return &v->dev;
}

void virtio_vsock_free(struct virtio_vsock *v)
{
	if (v == NULL)
		return;
	vsock_mux_free(v->mux);
	loop_del(v->dev.loop, v->again);
	free(v);
}

struct vsock_mux *virtio_vsock_mux(struct virtio_vsock *v)
{
	return v->mux;
}

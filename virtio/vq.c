// SPDX-License-Identifier: Apache-2.0
/*
 * The split ring (virtio 1.2, 2.7), three areas in guest RAM, each written by one side only:
 *
 *     descriptors  driver   desc[size]: {addr, len, flags, next}, 16 bytes each
 *     available    driver   flags, idx, ring[size] of heads, used_event
 *     used         device   flags, idx, ring[size] of {head, written}, avail_event
 *
 * Indices run freely modulo 2^16. With the event index each side writes the index at which it wants to be told:
 * used_event (driver: interrupt me) and avail_event (device: notify me). Without it, bit 0 of the other side's flags
 * says no.
 *
 * Memory order, each with its partner in the driver. All of it is in this file:
 *   - avail.idx load-acquire: what the driver wrote before its store-release of idx (descriptors, ring entry) is seen;
 *   - used.idx store-release: the driver that sees idx (load-acquire) sees the element and the data;
 *   - a full fence between the used.idx store and the used_event load: the driver stores used_event, fences and
 *     loads used.idx, so one of both sees the other's store and no interrupt is lost;
 *   - a full fence between the avail_event store and the avail.idx load: the same for notifications.
 *
 * Every word the guest can write is loaded once, atomically, and only the copy is used.
 */
#include "virtio/vq.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");
static_assert(sizeof(struct vring_used_elem) == 8, "virtio 1.2, 2.7.8");
static_assert(VQ_SIZE_MAX <= 32768 && (VQ_SIZE_MAX & (VQ_SIZE_MAX - 1)) == 0, "virtio 1.2, 2.7");

/* Offsets: avail and used begin alike; the other side's event word follows the ring. */
#define RING_FLAGS 0
#define RING_IDX   2
#define RING_ITEMS 4

static size_t desc_len(uint16_t size)
{
	return sizeof(struct vring_desc) * size;
}

static size_t avail_len(uint16_t size)
{
	return RING_ITEMS + sizeof(uint16_t) * size + sizeof(uint16_t);
}

static size_t used_len(uint16_t size)
{
	return RING_ITEMS + sizeof(struct vring_used_elem) * size + sizeof(uint16_t);
}

static uint16_t load16(const struct gslice *s, size_t off)
{
	BUG_ON(off > s->len - sizeof(uint16_t));
	return __atomic_load_n((const uint16_t *)(const void *)(s->p + off), __ATOMIC_RELAXED);
}

static void store16(const struct gslice *s, size_t off, uint16_t v)
{
	BUG_ON(off > s->len - sizeof(uint16_t));
	__atomic_store_n((uint16_t *)(void *)(s->p + off), v, __ATOMIC_RELAXED);
}

static uint16_t avail_idx(const struct vq *q)
{
	return __atomic_load_n((const uint16_t *)(const void *)(q->avail.p + RING_IDX), __ATOMIC_ACQUIRE);
}

static size_t used_event_off(const struct vq *q)
{
	return avail_len(q->st.size) - sizeof(uint16_t);
}

static size_t avail_event_off(const struct vq *q)
{
	return used_len(q->st.size) - sizeof(uint16_t);
}

int vq_setup(struct vq *q, const struct gmem *mem, const struct vq_state *st)
{
	struct gslice desc, avail, used;
	int r;

	if (st->size == 0 || st->size > VQ_SIZE_MAX || (st->size & (st->size - 1)) != 0)
		return -EINVAL;
	if (st->desc_gpa % 16 != 0 || st->avail_gpa % 2 != 0 || st->used_gpa % 4 != 0)
		return -EINVAL;
	if (st->in_flight > st->size)
		return -EINVAL;
	r = gmem_slice(mem, st->desc_gpa, desc_len(st->size), &desc);
	if (r == 0)
		r = gmem_slice(mem, st->avail_gpa, avail_len(st->size), &avail);
	if (r == 0)
		r = gmem_slice(mem, st->used_gpa, used_len(st->size), &used);
	if (r != 0)
		return r;
	q->mem = mem;
	q->st = *st;
	q->st.ready = 1;
	q->desc = desc;
	q->avail = avail;
	q->used = used;
	return 0;
}

void vq_reset(struct vq *q)
{
	*q = (struct vq){ .generation = q->generation + 1 };
}

static int vq_break(struct vq *q, int r)
{
	q->st.broken = 1;
	return r;
}

/*
 * One copy of descriptor i, by words that the guest cannot tear. Ring tables are always aligned; an indirect table need
 * not be, and is then copied by bytes: a torn copy is as good as any other hostile one.
 */
static struct vring_desc desc_load(const struct gslice *table, uint16_t i)
{
	const uint8_t *p = table->p + sizeof(struct vring_desc) * i;
	struct vring_desc d;
	uint64_t w[2];

	if ((uintptr_t)p % sizeof(uint64_t) == 0) {
		w[0] = __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_RELAXED);
		w[1] = __atomic_load_n((const uint64_t *)(const void *)(p + 8), __ATOMIC_RELAXED);
		memcpy(&d, w, sizeof(d));
	} else {
		memcpy(&d, p, sizeof(d));
		__asm__ volatile("" ::: "memory"); /* the copy is not made again from guest memory */
	}
	return d;
}

/* What is known of a chain while it is walked */
struct walk {
	unsigned int nrd; /* readable segments; the rest of nseg is writable */
	size_t bytes;
};

static int walk_add(const struct vq *q, struct vq_chain *c, struct walk *w, const struct vring_desc *d)
{
	bool write = (d->flags & VRING_DESC_F_WRITE) != 0;
	struct gslice s;
	int r;

	if (!write && w->nrd != c->nseg)
		return -EPROTO; /* readable after writable */
	if (c->nseg == VQ_SEGS_MAX || d->len == 0 || d->len > VQ_CHAIN_BYTES_MAX - w->bytes)
		return -EPROTO;
	r = gmem_slice(q->mem, d->addr, d->len, &s);
	if (r != 0)
		return r;
	c->seg[c->nseg++] = (struct iovec){ .iov_base = s.p, .iov_len = s.len };
	w->bytes += s.len;
	if (!write)
		w->nrd++;
	return 0;
}

/*
 * Follow `next` from descriptor i through a table of count, at most count steps, so that a loop ends. The ring's own
 * table may end in an indirect descriptor, left in *indirect for the caller (len 0: there was none).
 */
static int walk_table(const struct vq *q, struct vq_chain *c, struct walk *w, const struct gslice *table,
		      uint16_t count, uint16_t i, struct vring_desc *indirect)
{
	unsigned int step;

	for (step = 0; step < count; step++) {
		struct vring_desc d;
		int r;

		if (i >= count)
			return -EPROTO;
		d = desc_load(table, i);
		if ((d.flags & VRING_DESC_F_INDIRECT) != 0) {
			if (indirect == NULL || (d.flags & VRING_DESC_F_NEXT) != 0 || d.len == 0)
				return -EPROTO;
			*indirect = d;
			return 0;
		}
		r = walk_add(q, c, w, &d);
		if (r != 0)
			return r;
		if ((d.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		i = d.next;
	}
	return -EPROTO;
}

static int walk_indirect(const struct vq *q, struct vq_chain *c, struct walk *w, const struct vring_desc *d)
{
	struct gslice table;
	int r;

	if (d->len % sizeof(struct vring_desc) != 0 || d->len / sizeof(struct vring_desc) > VQ_SEGS_MAX)
		return -EPROTO;
	r = gmem_slice(q->mem, d->addr, d->len, &table);
	if (r != 0)
		return r;
	return walk_table(q, c, w, &table, (uint16_t)(d->len / sizeof(struct vring_desc)), 0, NULL);
}

static int vq_walk(const struct vq *q, struct vq_chain *c)
{
	struct vring_desc indirect = { 0 };
	struct walk w = { 0 };
	int r;

	c->nseg = 0;
	r = walk_table(q, c, &w, &q->desc, q->st.size, c->head, &indirect);
	if (r == 0 && indirect.len != 0)
		r = walk_indirect(q, c, &w, &indirect);
	if (r != 0)
		return r;
	c->rd = giov_init(c->seg, w.nrd);
	c->wr = giov_init(c->seg + w.nrd, c->nseg - w.nrd);
	return 0;
}

int vq_pop(struct vq *q, struct vq_chain *c)
{
	uint16_t waiting;
	int r;

	if (!q->st.ready)
		return 0;
	if (q->st.broken)
		return -EPROTO;
	waiting = (uint16_t)(avail_idx(q) - q->st.last_avail);
	if (waiting == 0)
		return 0;
	if (waiting > q->st.size || q->st.in_flight >= q->st.size)
		return vq_break(q, -EPROTO);
	c->head = load16(&q->avail, RING_ITEMS + sizeof(uint16_t) * (q->st.last_avail & (q->st.size - 1U)));
	if (c->head >= q->st.size)
		return vq_break(q, -EPROTO);
	r = vq_walk(q, c);
	if (r != 0)
		return vq_break(q, r);
	c->generation = q->generation;
	q->st.last_avail++;
	q->st.in_flight++;
	return 1;
}

void vq_unpop(struct vq *q, const struct vq_chain *c)
{
	if (!q->st.ready || c->generation != q->generation)
		return;
	BUG_ON(q->st.in_flight == 0);
	q->st.last_avail--;
	q->st.in_flight--;
}

void vq_push(struct vq *q, const struct vq_chain *c, uint32_t written)
{
	size_t off;
	uint32_t *elem;

	if (!q->st.ready || c->generation != q->generation)
		return;
	BUG_ON(q->st.in_flight == 0);
	off = RING_ITEMS + sizeof(struct vring_used_elem) * (q->st.used_idx & (q->st.size - 1U));
	BUG_ON(off > q->used.len - sizeof(struct vring_used_elem));
	elem = (uint32_t *)(void *)(q->used.p + off);
	__atomic_store_n(&elem[0], (uint32_t)c->head, __ATOMIC_RELAXED);
	__atomic_store_n(&elem[1], written, __ATOMIC_RELAXED);
	q->st.used_idx++;
	q->st.in_flight--;
	__atomic_store_n((uint16_t *)(void *)(q->used.p + RING_IDX), q->st.used_idx, __ATOMIC_RELEASE);
}

bool vq_should_signal(struct vq *q)
{
	uint16_t old = q->st.signalled_used;

	if (!q->st.ready || old == q->st.used_idx)
		return false;
	q->st.signalled_used = q->st.used_idx;
	vq_fence(); /* used.idx store before the load of what the driver wants */
	if (q->st.event_idx)
		return vring_need_event(load16(&q->avail, used_event_off(q)), q->st.used_idx, old);
	return (load16(&q->avail, RING_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

bool vq_want_notify(struct vq *q)
{
	if (!q->st.ready || q->st.broken)
		return false;
	if (q->st.event_idx)
		store16(&q->used, avail_event_off(q), q->st.last_avail);
	else
		store16(&q->used, RING_FLAGS, 0);
	vq_fence(); /* avail_event or flags store before the avail.idx load */
	return avail_idx(q) != q->st.last_avail;
}

void vq_no_notify(struct vq *q)
{
	/* With the event index nothing needs be written: an avail_event in the past asks for nothing. */
	if (q->st.ready && !q->st.broken && !q->st.event_idx)
		store16(&q->used, RING_FLAGS, VRING_USED_F_NO_NOTIFY);
}

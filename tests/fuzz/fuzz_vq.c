// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: a split ring whose memory and every later change of it come from the input.
 *
 * Input: 8 bytes {event_idx, log2 size, desc, avail, used in units of 16 bytes}, 2 bytes number of ops, the ops (4
 * bytes each, below), then the image of RAM. A second region of zeros makes chains of many bytes possible.
 *
 * Oracles, beside the sanitizers:
 *   - vq_pop() gives exactly what a second, independent walk of the ring gives: the same segments or a refusal;
 *   - every iovec lies inside RAM and is not empty, readable ones come first, both cursors cover all of them;
 *   - a pop changes nothing in RAM; a push changes only its element and the index; a refusal lasts until reset;
 *   - pops == pushes + unpops + in flight, and never more in flight than the queue is long;
 *   - a push of an older generation changes nothing.
 */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "virtio/vq.h"

#define RAM_GPA  0x1000ULL
#define RAM_LEN  0x4000ULL
#define ZERO_GPA 0x100000ULL
#define ZERO_LEN 0x200000ULL
#define CHAINS   4
#define OPS_MAX  256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t ram[RAM_LEN] __attribute__((aligned(4096)));
static uint8_t zero[ZERO_LEN] __attribute__((aligned(4096)));
static uint8_t before[RAM_LEN];

static struct gmem mem;
static struct vq q;
static struct vq_state st;
static struct {
	struct vq_chain c;
	bool held;
	bool last; /* may be unpopped: nothing was popped since */
} slot[CHAINS];
static uint64_t pops, pushes, unpops; /* of the current generation */

/* --- the second walk: plain and slow, on memory that stands still --- */

struct expect {
	int r;
	unsigned int n, nrd;
	uint64_t bytes;
	struct {
		uint64_t gpa;
		uint32_t len;
	} seg[VQ_SEGS_MAX];
};

static const uint8_t *ref_ptr(uint64_t gpa, uint64_t len)
{
	if (gpa >= RAM_GPA && gpa < RAM_GPA + RAM_LEN && len <= RAM_GPA + RAM_LEN - gpa)
		return ram + (gpa - RAM_GPA);
	if (gpa >= ZERO_GPA && gpa < ZERO_GPA + ZERO_LEN && len <= ZERO_GPA + ZERO_LEN - gpa)
		return zero + (gpa - ZERO_GPA);
	return NULL;
}

/* Where vq_setup() or a check before has made sure of it */
static void ref_copy(void *dst, uint64_t gpa, size_t len)
{
	const uint8_t *p = ref_ptr(gpa, len);

	BUG_ON(p == NULL);
	memcpy(dst, p, len);
}

static uint16_t ref_u16(uint64_t gpa)
{
	uint16_t v;

	ref_copy(&v, gpa, sizeof(v));
	return v;
}

static bool ref_add(struct expect *e, const struct vring_desc *d)
{
	bool write = (d->flags & VRING_DESC_F_WRITE) != 0;

	if (d->len == 0 || e->n == VQ_SEGS_MAX || e->bytes + d->len > VQ_CHAIN_BYTES_MAX)
		return false;
	if (ref_ptr(d->addr, d->len) == NULL || (!write && e->n > e->nrd))
		return false;
	e->seg[e->n].gpa = d->addr;
	e->seg[e->n++].len = d->len;
	e->nrd += !write;
	e->bytes += d->len;
	return true;
}

static bool ref_walk(struct expect *e, uint64_t table, uint32_t count, uint32_t i, bool nested)
{
	bool seen[VQ_SEGS_MAX] = { false };

	for (;;) {
		struct vring_desc d;

		if (i >= count || seen[i])
			return false;
		seen[i] = true;
		ref_copy(&d, table + 16ULL * i, sizeof(d));
		if ((d.flags & VRING_DESC_F_INDIRECT) != 0) {
			if (nested || (d.flags & VRING_DESC_F_NEXT) != 0 || d.len == 0 || d.len % 16 != 0 ||
			    d.len > 16 * VQ_SEGS_MAX || ref_ptr(d.addr, d.len) == NULL)
				return false;
			return ref_walk(e, d.addr, d.len / 16, 0, true);
		}
		if (!ref_add(e, &d))
			return false;
		if ((d.flags & VRING_DESC_F_NEXT) == 0)
			return true;
		i = d.next;
	}
}

static void ref_pop(struct expect *e)
{
	uint16_t waiting;

	memset(e, 0, sizeof(*e));
	if (!q.st.ready)
		return;
	e->r = -1;
	if (q.st.broken)
		return;
	waiting = (uint16_t)(ref_u16(q.st.avail_gpa + 2) - q.st.last_avail);
	if (waiting == 0)
		e->r = 0;
	else if (waiting <= q.st.size && q.st.in_flight < q.st.size &&
		 ref_walk(e, q.st.desc_gpa, q.st.size,
			  ref_u16(q.st.avail_gpa + 4 + 2ULL * (q.st.last_avail % q.st.size)), false))
		e->r = 1;
}

/* --- operations --- */

static void check_chain(const struct vq_chain *c, const struct expect *e)
{
	unsigned int i;
	size_t sum = 0;

	BUG_ON(c->nseg != e->n || c->nseg == 0);
	for (i = 0; i < c->nseg; i++) {
		BUG_ON(c->seg[i].iov_base != ref_ptr(e->seg[i].gpa, e->seg[i].len));
		BUG_ON(c->seg[i].iov_len != e->seg[i].len || c->seg[i].iov_len == 0);
		sum += c->seg[i].iov_len;
	}
	BUG_ON(c->rd.v != c->seg || c->rd.n != e->nrd);
	BUG_ON(c->wr.v != c->seg + e->nrd || c->wr.n != e->n - e->nrd);
	BUG_ON(c->rd.left + c->wr.left != sum || sum > VQ_CHAIN_BYTES_MAX);
}

static void op_pop(unsigned int i)
{
	struct expect e;
	unsigned int k;
	int r;

	if (slot[i].held) /* the chain is forgotten, as by a device that never answers */
		slot[i].held = false;
	ref_pop(&e);
	r = vq_pop(&q, &slot[i].c);
	BUG_ON((r < 0) != (e.r < 0) || (r >= 0 && r != e.r));
	if (r < 0) {
		BUG_ON(r != -EPROTO && r != -EFAULT);
		BUG_ON(!q.st.broken || vq_pop(&q, &slot[i].c) != -EPROTO);
		return;
	}
	if (r == 0)
		return;
	check_chain(&slot[i].c, &e);
	for (k = 0; k < CHAINS; k++)
		slot[k].last = k == i;
	slot[i].held = true;
	pops++;
}

static void op_push(unsigned int i, uint32_t written)
{
	bool current = q.st.ready && slot[i].c.generation == q.generation;
	uint64_t at = q.st.used_gpa + 4 + 8ULL * (q.st.size != 0 ? q.st.used_idx % q.st.size : 0);
	const uint32_t elem[2] = { slot[i].c.head, written };
	uint16_t idx;

	if (!slot[i].held)
		return;
	slot[i].held = false;
	slot[i].last = false;
	vq_push(&q, &slot[i].c, written);
	if (current) {
		pushes++;
		idx = q.st.used_idx;
		/* what it may change: the rest must be as before */
		memcpy(before + (at - RAM_GPA), elem, 8);
		memcpy(before + (q.st.used_gpa - RAM_GPA) + 2, &idx, 2);
	}
	BUG_ON(memcmp(before, ram, RAM_LEN) != 0);
}

static void op_unpop(unsigned int i)
{
	bool current = q.st.ready && slot[i].c.generation == q.generation;

	if (!slot[i].held || !slot[i].last)
		return;
	slot[i].held = false;
	slot[i].last = false;
	vq_unpop(&q, &slot[i].c);
	if (current)
		unpops++;
}

static void op_signal(void)
{
	bool fresh = q.st.ready && q.st.signalled_used != q.st.used_idx;
	bool r = vq_should_signal(&q);

	BUG_ON(r && !fresh);
	BUG_ON(q.st.signalled_used != q.st.used_idx);
	if (fresh && !q.st.event_idx)
		BUG_ON(r != ((ref_u16(q.st.avail_gpa) & VRING_AVAIL_F_NO_INTERRUPT) == 0));
}

static void op_want(void)
{
	bool usable = q.st.ready && !q.st.broken;
	bool r = vq_want_notify(&q);

	BUG_ON(!usable && r);
	if (usable)
		BUG_ON(r != (ref_u16(q.st.avail_gpa + 2) != q.st.last_avail));
	if (usable && q.st.event_idx)
		BUG_ON(ref_u16(q.st.used_gpa + 4 + 8ULL * q.st.size) != q.st.last_avail);
}

/* Saved and restored, the queue is the same. */
static void op_restore(void)
{
	const struct vq_state saved = q.st;

	if (!saved.ready)
		return;
	BUG_ON(vq_setup(&q, &mem, &saved) != 0);
	BUG_ON(memcmp(&q.st, &saved, sizeof(saved)) != 0);
}

static void op_reset(bool setup)
{
	uint32_t generation = q.generation;

	vq_reset(&q);
	BUG_ON(q.generation == generation || q.st.ready);
	pops = pushes = unpops = 0;
	if (setup && vq_setup(&q, &mem, &st) == 0)
		BUG_ON(!q.st.ready || q.desc.len != 16ULL * st.size);
}

static void guest_write16(uint16_t off, uint16_t v)
{
	memcpy(ram + off % (RAM_LEN - 1), &v, 2);
}

/* What a driver does: put a head into the ring and raise the index. */
static void guest_post(uint8_t head)
{
	uint16_t idx, h = head;

	if (!q.st.ready)
		return;
	idx = ref_u16(st.avail_gpa + 2);
	memcpy(ram + (st.avail_gpa - RAM_GPA) + 4 + sizeof(h) * (idx % st.size), &h, 2);
	idx++;
	memcpy(ram + (st.avail_gpa - RAM_GPA) + 2, &idx, 2);
}

static void run_op(const uint8_t op[4])
{
	uint16_t arg = (uint16_t)(op[2] | op[3] << 8);
	unsigned int i = op[1] % CHAINS;

	memcpy(before, ram, RAM_LEN);
	switch (op[0] % 10) {
	case 0:
	case 1:
		op_pop(i);
		BUG_ON(memcmp(before, ram, RAM_LEN) != 0);
		break;
	case 2: op_push(i, arg); break;
	case 3: op_unpop(i); break;
	case 4: op_signal(); break;
	case 5: op_want(); break;
	case 6: vq_no_notify(&q); break;
	case 7:
		if (op[1] % 3 == 2)
			op_restore();
		else
			op_reset(op[1] % 3 == 1);
		break;
	case 8: guest_write16((uint16_t)(arg + op[1] * 16U), (uint16_t)(op[1] * 257U)); break;
	default: guest_post(op[1]); break;
	}
	BUG_ON(pops != pushes + unpops + q.st.in_flight);
	BUG_ON(q.st.ready && q.st.in_flight > q.st.size);
}

static uint64_t ring_gpa(const uint8_t *p)
{
	/* up to 0x800 beyond the end */
	return RAM_GPA + 16ULL * ((uint16_t)(p[0] | p[1] << 8) % (RAM_LEN / 16 + 0x80));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t nops, i;

	if (size < 10)
		return 0;
	if (mem.count == 0 &&
	    (gmem_add(&mem, RAM_GPA, RAM_LEN, ram) != 0 || gmem_add(&mem, ZERO_GPA, ZERO_LEN, zero) != 0))
		return 0;
	st = (struct vq_state){
		.event_idx = data[0] & 1,
		.size = (uint16_t)(1U << data[1] % 10),
		.desc_gpa = ring_gpa(data + 2),
		.avail_gpa = ring_gpa(data + 4),
		.used_gpa = ring_gpa(data + 6),
	};
	nops = min_size(min_size((size_t)(data[8] | data[9] << 8), OPS_MAX), (size - 10) / 4);
	memset(ram, 0, RAM_LEN);
	memcpy(ram, data + 10 + 4 * nops, min_size(size - 10 - 4 * nops, RAM_LEN));
	memset(slot, 0, sizeof(slot));
	op_reset(true);
	for (i = 0; i < nops; i++)
		run_op(data + 10 + 4 * i);
	return 0;
}

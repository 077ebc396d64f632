// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake/fake_drv.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

/* --- registers --- */

uint32_t fake_drv_get(struct fake_drv *d, uint32_t reg)
{
	return (uint32_t)fake_read(d->vm, d->slot, reg, 4);
}

void fake_drv_reg(struct fake_drv *d, uint32_t reg, uint32_t val)
{
	fake_write(d->vm, d->slot, reg, 4, val);
}

void fake_drv_config(struct fake_drv *d, uint32_t off, void *dst, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		((uint8_t *)dst)[i] = (uint8_t)fake_read(d->vm, d->slot, VIRTIO_MMIO_CONFIG + off + i, 1);
}

uint32_t fake_drv_status(struct fake_drv *d)
{
	return fake_drv_get(d, VIRTIO_MMIO_STATUS);
}

bool fake_drv_needs_reset(struct fake_drv *d)
{
	return (fake_drv_status(d) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

/* Add a bit as Linux does; -EPROTO when it does not stick. */
static int add_status(struct fake_drv *d, uint32_t bit)
{
	fake_drv_reg(d, VIRTIO_MMIO_STATUS, fake_drv_status(d) | bit);
	return (fake_drv_status(d) & bit) != 0 ? 0 : -EPROTO;
}

void fake_drv_reset(struct fake_drv *d)
{
	fake_drv_reg(d, VIRTIO_MMIO_STATUS, 0);
	memset(d->q, 0, sizeof(d->q));
	d->nqueues = 0;
	d->features = 0;
}

int fake_drv_init(struct fake_drv *d, struct fake_vm *vm, unsigned int slot)
{
	int r;

	*d = (struct fake_drv){ .vm = vm, .slot = slot };
	if (fake_drv_get(d, VIRTIO_MMIO_MAGIC_VALUE) != 0x74726976 || fake_drv_get(d, VIRTIO_MMIO_VERSION) != 2)
		return -EPROTO;
	if (fake_drv_get(d, VIRTIO_MMIO_DEVICE_ID) == 0)
		return -ENODEV;
	fake_drv_reset(d);
	if (fake_drv_status(d) != 0)
		return -EPROTO;
	r = add_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (r == 0)
		r = add_status(d, VIRTIO_CONFIG_S_DRIVER);
	return r;
}

int fake_drv_features(struct fake_drv *d, uint64_t want)
{
	uint64_t offered;

	fake_drv_reg(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	offered = (uint64_t)fake_drv_get(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	fake_drv_reg(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	offered |= fake_drv_get(d, VIRTIO_MMIO_DEVICE_FEATURES);
	d->features = offered & want;
	fake_drv_reg(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	fake_drv_reg(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(d->features >> 32));
	fake_drv_reg(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	fake_drv_reg(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)d->features);
	return add_status(d, VIRTIO_CONFIG_S_FEATURES_OK);
}

static void queue_init(struct fake_drv *d, struct fake_queue *q, uint16_t size)
{
	uint16_t i;

	*q = (struct fake_queue){ .size = size, .nfree = size };
	q->desc = fake_alloc(d->vm, 16ULL * size, 16);
	q->avail = fake_alloc(d->vm, 6 + 2ULL * size, 2);
	q->used = fake_alloc(d->vm, 6 + 8ULL * size, 4);
	for (i = 0; i < size; i++)
		q->free[i] = (uint16_t)(size - 1 - i); /* handed out from 0 up */
}

void fake_drv_ring(struct fake_drv *d, struct fake_vm *vm, unsigned int q, uint16_t size, uint64_t features)
{
	d->vm = vm;
	d->features = features;
	queue_init(d, &d->q[q], size);
}

struct vq_state fake_drv_state(const struct fake_drv *d, unsigned int q)
{
	const struct fake_queue *fq = &d->q[q];

	return (struct vq_state){
		.desc_gpa = fq->desc,
		.avail_gpa = fq->avail,
		.used_gpa = fq->used,
		.size = fq->size,
		.event_idx = (d->features & FAKE_EVENT_IDX) != 0,
	};
}

static void write_gpa(struct fake_drv *d, uint32_t reg, uint64_t gpa)
{
	fake_drv_reg(d, reg, (uint32_t)gpa);
	fake_drv_reg(d, reg + 4, (uint32_t)(gpa >> 32));
}

int fake_drv_queue(struct fake_drv *d, unsigned int q, uint16_t qsize)
{
	uint32_t max;

	fake_drv_reg(d, VIRTIO_MMIO_QUEUE_SEL, q);
	if (fake_drv_get(d, VIRTIO_MMIO_QUEUE_READY) != 0)
		return -EPROTO;
	max = fake_drv_get(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (max == 0)
		return -ENOENT;
	queue_init(d, &d->q[q], qsize < max ? qsize : (uint16_t)max);
	fake_drv_reg(d, VIRTIO_MMIO_QUEUE_NUM, d->q[q].size);
	write_gpa(d, VIRTIO_MMIO_QUEUE_DESC_LOW, d->q[q].desc);
	write_gpa(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, d->q[q].avail);
	write_gpa(d, VIRTIO_MMIO_QUEUE_USED_LOW, d->q[q].used);
	fake_drv_reg(d, VIRTIO_MMIO_QUEUE_READY, 1);
	return fake_drv_get(d, VIRTIO_MMIO_QUEUE_READY) == 1 ? 0 : -EPROTO;
}

int fake_drv_ok(struct fake_drv *d)
{
	int r = add_status(d, VIRTIO_CONFIG_S_DRIVER_OK);

	return r == 0 && fake_drv_needs_reset(d) ? -EPROTO : r;
}

int fake_drv_probe(struct fake_drv *d, struct fake_vm *vm, unsigned int slot, uint64_t want, uint16_t qsize)
{
	int r = fake_drv_init(d, vm, slot);

	if (r == 0)
		r = fake_drv_features(d, want);
	while (r == 0 && d->nqueues < VIRTIO_QUEUES_MAX) {
		r = fake_drv_queue(d, d->nqueues, qsize);
		if (r == 0)
			d->nqueues++;
	}
	if (r != 0 && r != -ENOENT)
		return r;
	return fake_drv_ok(d);
}

void fake_drv_attach(struct fake_drv *d, const struct fake_drv *from)
{
	*d = *from;
}

/* --- ring words, with the atomics of a driver --- */

static uint16_t ring_load(struct fake_drv *d, uint64_t gpa, int order)
{
	const uint16_t *p = fake_ptr(d->vm, gpa, 2);

	return order == __ATOMIC_ACQUIRE ? __atomic_load_n(p, __ATOMIC_ACQUIRE) : __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void ring_store(struct fake_drv *d, uint64_t gpa, uint16_t v, int order)
{
	uint16_t *p = fake_ptr(d->vm, gpa, 2);

	if (order == __ATOMIC_RELEASE)
		__atomic_store_n(p, v, __ATOMIC_RELEASE);
	else
		__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

uint16_t fake_drv_used_idx(struct fake_drv *d, unsigned int q)
{
	return ring_load(d, d->q[q].used + 2, __ATOMIC_ACQUIRE);
}

uint16_t fake_drv_used_flags(struct fake_drv *d, unsigned int q)
{
	return ring_load(d, d->q[q].used, __ATOMIC_RELAXED);
}

uint16_t fake_drv_avail_event(struct fake_drv *d, unsigned int q)
{
	return ring_load(d, d->q[q].used + 4 + 8ULL * d->q[q].size, __ATOMIC_RELAXED);
}

void fake_drv_avail_flags(struct fake_drv *d, unsigned int q, uint16_t flags)
{
	ring_store(d, d->q[q].avail, flags, __ATOMIC_RELAXED);
}

void fake_drv_used_event(struct fake_drv *d, unsigned int q, uint16_t idx)
{
	ring_store(d, d->q[q].avail + 4 + 2ULL * d->q[q].size, idx, __ATOMIC_RELAXED);
}

void fake_vm_desc(struct fake_vm *vm, uint64_t table, unsigned int i, const struct vring_desc *desc)
{
	uint64_t gpa = table + 16ULL * i;
	uint64_t w[2];
	uint64_t *p;

	memcpy(w, desc, sizeof(w));
	if (gpa % 8 != 0) {
		memcpy(fake_ptr(vm, gpa, 16), w, sizeof(w));
		return;
	}
	p = fake_ptr(vm, gpa, 16);
	__atomic_store_n(&p[0], w[0], __ATOMIC_RELAXED);
	__atomic_store_n(&p[1], w[1], __ATOMIC_RELAXED);
}

void fake_drv_desc(struct fake_drv *d, unsigned int q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		   uint16_t next)
{
	const struct vring_desc desc = { .addr = addr, .len = len, .flags = flags, .next = next };

	fake_vm_desc(d->vm, d->q[q].desc, i, &desc);
}

void fake_drv_idx(struct fake_drv *d, unsigned int q, uint16_t idx)
{
	d->q[q].avail_idx = idx;
	ring_store(d, d->q[q].avail + 2, idx, __ATOMIC_RELEASE);
}

void fake_drv_avail(struct fake_drv *d, unsigned int q, uint16_t head)
{
	struct fake_queue *fq = &d->q[q];

	ring_store(d, fq->avail + 4 + 2ULL * (fq->avail_idx & (fq->size - 1U)), head, __ATOMIC_RELAXED);
	fake_drv_idx(d, q, (uint16_t)(fq->avail_idx + 1));
}

void fake_drv_force_kick(struct fake_drv *d, unsigned int q)
{
	d->q[q].kicked = d->q[q].avail_idx;
	fake_notify(d->vm, d->slot, q);
}

/* --- honest queue work --- */

static uint64_t table_of(struct fake_drv *d, struct fake_queue *q, uint16_t head)
{
	if (q->tables == 0)
		q->tables = fake_alloc(d->vm, 16ULL * FAKE_TABLE_MAX * q->size, 16);
	return q->tables + 16ULL * FAKE_TABLE_MAX * head;
}

static int add_table(struct fake_drv *d, unsigned int q, const struct fake_buf *b, unsigned int n)
{
	struct fake_queue *fq = &d->q[q];
	uint64_t table;
	uint16_t head;
	unsigned int i;

	if (fq->nfree == 0 || n > FAKE_TABLE_MAX)
		return -ENOSPC;
	head = fq->free[--fq->nfree];
	table = table_of(d, fq, head);
	for (i = 0; i < n; i++) {
		const struct vring_desc desc = {
			.addr = b[i].gpa,
			.len = b[i].len,
			.flags =
				(uint16_t)((b[i].write ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0)),
			.next = (uint16_t)(i + 1),
		};

		fake_vm_desc(d->vm, table, i, &desc);
	}
	fake_drv_desc(d, q, head, table, 16 * n, VRING_DESC_F_INDIRECT, 0);
	fq->chain_len[head] = 1;
	return head;
}

static int add_direct(struct fake_drv *d, unsigned int q, const struct fake_buf *b, unsigned int n)
{
	struct fake_queue *fq = &d->q[q];
	uint16_t head, at;
	unsigned int i;

	if (n > fq->nfree)
		return -ENOSPC;
	head = fq->free[--fq->nfree];
	fq->chain_len[head] = (uint16_t)n;
	for (i = 0, at = head; i < n; i++) {
		uint16_t next = i + 1 < n ? fq->free[--fq->nfree] : 0;
		uint16_t flags =
			(uint16_t)((b[i].write ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0));

		fake_drv_desc(d, q, at, b[i].gpa, b[i].len, flags, next);
		fq->chain[at] = next;
		at = next;
	}
	return head;
}

int fake_drv_add(struct fake_drv *d, unsigned int q, const struct fake_buf *b, unsigned int n, enum fake_how how)
{
	int head;

	if (n == 0)
		return -EINVAL;
	head = how == FAKE_TABLE ? add_table(d, q, b, n) : add_direct(d, q, b, n);
	if (head >= 0)
		fake_drv_avail(d, q, (uint16_t)head);
	return head;
}

bool fake_drv_kick(struct fake_drv *d, unsigned int q)
{
	struct fake_queue *fq = &d->q[q];
	uint16_t old = fq->kicked;
	bool want;

	fq->kicked = fq->avail_idx;
	vq_fence(); /* avail.idx store before the load of what the device wants */
	if ((d->features & FAKE_EVENT_IDX) != 0)
		want = vring_need_event(fake_drv_avail_event(d, q), fq->avail_idx, old);
	else
		want = (fake_drv_used_flags(d, q) & VRING_USED_F_NO_NOTIFY) == 0;
	if (want)
		fake_notify(d->vm, d->slot, q);
	return want;
}

static void free_chain(struct fake_queue *q, uint16_t head)
{
	uint16_t n = q->chain_len[head], at = head;

	q->chain_len[head] = 0;
	for (; n > 0; n--) {
		q->free[q->nfree++] = at;
		at = q->chain[at];
	}
}

bool fake_drv_used(struct fake_drv *d, unsigned int q, uint16_t *head, uint32_t *len)
{
	struct fake_queue *fq = &d->q[q];
	const uint32_t *elem;
	uint32_t id;

	if (fq->size == 0 || fake_drv_used_idx(d, q) == fq->last_used)
		return false;
	elem = fake_ptr(d->vm, fq->used + 4 + 8ULL * (fq->last_used & (fq->size - 1U)), 8);
	id = __atomic_load_n(&elem[0], __ATOMIC_RELAXED);
	*len = __atomic_load_n(&elem[1], __ATOMIC_RELAXED);
	fq->last_used++;
	if (id >= fq->size || fq->chain_len[id] == 0)
		return false;
	free_chain(fq, (uint16_t)id);
	*head = (uint16_t)id;
	return true;
}

void fake_drv_want_irq(struct fake_drv *d, unsigned int q)
{
	struct fake_queue *fq = &d->q[q];

	if ((d->features & FAKE_EVENT_IDX) != 0)
		fake_drv_used_event(d, q, fq->last_used);
	else
		fake_drv_avail_flags(d, q, 0);
	vq_fence(); /* before the caller's next load of used.idx */
}

void fake_drv_no_irq(struct fake_drv *d, unsigned int q)
{
	struct fake_queue *fq = &d->q[q];

	if ((d->features & FAKE_EVENT_IDX) != 0)
		fake_drv_used_event(d, q, (uint16_t)(fq->last_used - 1));
	else
		fake_drv_avail_flags(d, q, VRING_AVAIL_F_NO_INTERRUPT);
}

struct wait {
	struct fake_drv *d;
	unsigned int q;
};

static bool used_waits(void *arg)
{
	const struct wait *w = arg;
	const struct fake_queue *fq = &w->d->q[w->q];

	return fq->size != 0 && fake_drv_used_idx(w->d, w->q) != fq->last_used;
}

bool fake_drv_wait(struct fake_drv *d, unsigned int q, uint16_t *head, uint32_t *len, unsigned int timeout_ms)
{
	struct wait w = { d, q };

	return fake_until(d->vm, used_waits, &w, timeout_ms) && fake_drv_used(d, q, head, len);
}

void fake_call_init(struct fake_call *c, struct fake_vm *vm, uint32_t req_cap, uint32_t resp_cap)
{
	c->req_gpa = fake_alloc(vm, req_cap, 16);
	c->resp_gpa = fake_alloc(vm, resp_cap, 16);
	c->req_cap = req_cap;
	c->resp_cap = resp_cap;
}

static bool call_over(void *arg)
{
	const struct wait *w = arg;

	return used_waits(arg) || (w->d->vm->slot[w->d->slot].dev->status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

int fake_drv_call(struct fake_drv *d, unsigned int q, const struct fake_call *c, const void *req, size_t req_len,
		  void *resp, size_t resp_cap)
{
	struct fake_buf b[2];
	struct wait w = { d, q };
	unsigned int n = 0;
	uint16_t head;
	uint32_t len;
	int r;

	if (req_len > c->req_cap || resp_cap > c->resp_cap)
		return -EINVAL;
	if (req_len != 0) {
		memcpy(fake_ptr(d->vm, c->req_gpa, req_len), req, req_len);
		b[n++] = (struct fake_buf){ c->req_gpa, (uint32_t)req_len, false };
	}
	if (resp_cap != 0)
		b[n++] = (struct fake_buf){ c->resp_gpa, (uint32_t)resp_cap, true };
	r = fake_drv_add(d, q, b, n, FAKE_DIRECT);
	if (r < 0)
		return r;
	(void)fake_drv_kick(d, q);
	if (!fake_until(d->vm, call_over, &w, 10000))
		return -ETIMEDOUT;
	if (!fake_drv_used(d, q, &head, &len) || head != r)
		return -EIO;
	if (len > resp_cap)
		return -EMSGSIZE;
	if (len != 0)
		memcpy(resp, fake_ptr(d->vm, c->resp_gpa, len), len);
	return (int)len;
}

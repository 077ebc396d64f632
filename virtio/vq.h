// SPDX-License-Identifier: Apache-2.0
/*
 * Split virtqueues (virtio 1.2, 2.7): take descriptor chains from the driver, give them back used.
 *
 * Trust: everything in the ring is written by the guest, at any time, from any vcpu. Each descriptor is copied once and
 * only the copy is checked and used. After vq_pop() returned 1 every iovec of the chain lies inside guest RAM, readable
 * ones come before writable ones, and there are at most VQ_SEGS_MAX of them and VQ_CHAIN_BYTES_MAX bytes.
 * Event index and indirect descriptors are supported.
 *
 * Guest errors (pop gives -EPROTO, or -EFAULT for an address outside RAM): head or next index out of range; more chains
 * available or in flight than the queue has descriptors; a chain longer than the queue, a table or VQ_SEGS_MAX, so
 * loops too; readable after writable; more than VQ_CHAIN_BYTES_MAX bytes; a descriptor of length 0 (QEMU refuses them
 * too, and an iovec is then never empty); an indirect table of length 0 or not a multiple of 16, nested or with NEXT
 * beside INDIRECT. The WRITE flag of an indirect descriptor is ignored (2.7.5.3.2). A driver that makes the same head
 * available twice gets what it asked for: heads are not unique among chains in flight, so never index by them.
 * Threads: device lock held.
 */
#ifndef KVMBOX_VQ_H
#define KVMBOX_VQ_H

#include "vmm/core/giov.h"
#include "vmm/core/gmem.h"

#define VQ_SIZE_MAX        256
#define VQ_SEGS_MAX        256
#define VQ_CHAIN_BYTES_MAX ((size_t)16 << 20)

/* Filled in place; never copied, since rd and wr point into seg. */
struct vq_chain {
	struct giov rd;      /* device-readable part, in order */
	struct giov wr;      /* device-writable part, in order */
	uint16_t head;       /* index of the head descriptor */
	uint32_t generation; /* of the queue when popped: a push after a reset is dropped */
	unsigned int nseg;
	struct iovec seg[VQ_SEGS_MAX];
};

/* What a queue is made of; plain data, saved and restored as it is. */
struct vq_state {
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t size; /* power of two, <= VQ_SIZE_MAX */
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled_used; /* used_idx at the last vq_should_signal() */
	uint8_t ready;
	uint8_t event_idx;
	uint8_t broken; /* guest error seen: pops give -EPROTO until reset */
	uint8_t pad;
	uint32_t in_flight; /* popped and not yet pushed */
};

struct vq {
	const struct gmem *mem;
	struct vq_state st;
	uint32_t generation; /* grows at every reset */
	struct gslice desc, avail, used;
};

/*
 * A full fence between a store and a load of ring words; the fake driver uses it too. ThreadSanitizer knows no fences
 * and gcc refuses them there: a locked exchange is one for the processor, and no happens-before depends on it.
 */
static inline void vq_fence(void)
{
#ifdef __SANITIZE_THREAD__
	int word = 0;

	(void)__atomic_exchange_n(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/*
 * Validate st (size, alignment, ring ranges inside RAM, in_flight) and make the queue ready, whatever st->ready says;
 * the rest of st is taken over, all zero for a fresh queue. 0, -EINVAL, -EFAULT.
 */
int vq_setup(struct vq *q, const struct gmem *mem, const struct vq_state *st) MUST_CHECK;
/* Forget everything but the generation, which grows. */
void vq_reset(struct vq *q);

/*
 * Take the next chain into *c, which the caller owns until vq_push(). 1 got one, 0 none available, -EPROTO/-EFAULT when
 * the guest broke the rules (the queue is then broken until reset: -EPROTO). 0 for a queue that is not ready.
 */
int vq_pop(struct vq *q, struct vq_chain *c) MUST_CHECK;

/* Put back the chain taken last, as if never popped (no reply buffer yet, say). Only right after its vq_pop(). */
void vq_unpop(struct vq *q, const struct vq_chain *c);

/* Give a chain back with `written` bytes filled. Dropped silently when the queue was reset since. */
void vq_push(struct vq *q, const struct vq_chain *c, uint32_t written);

/* After a batch of pushes: does the driver want an interrupt? (2.7.7, 2.7.10) */
bool vq_should_signal(struct vq *q) MUST_CHECK;

/*
 * Ask for a doorbell at the next available chain (after vq_pop() gave 0). Returns true when one became available
 * meanwhile: pop again. vq_no_notify() is the reverse, a hint.
 */
bool vq_want_notify(struct vq *q) MUST_CHECK;
void vq_no_notify(struct vq *q);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * A virtio-mmio *driver*: the guest's side of a device under test, honest or hostile.
 *
 * Honest: fake_drv_probe() does the whole handshake as Linux does; fake_drv_add() posts a chain, fake_drv_kick()
 * notifies if the device asked for it, fake_drv_used() takes a used element; fake_drv_call() does one request with its
 * answer. Ring words are accessed with the atomics of a real driver, so ThreadSanitizer sees only races that are real.
 *
 * Hostile: fake_drv_desc/avail/idx write raw ring words, fake_drv_reg writes raw registers; a test breaks one rule with
 * them. Every front-end test is a real driver's sequence plus such variants.
 *
 *     struct fake_vm vm;                         struct fake_buf b[] = {
 *     struct fake_drv drv;                               { req_gpa, 16, false },
 *     fake_vm_init(&vm, 1 << 20, true);                  { resp_gpa, 512, true } };
 *     ck(fake_fill(&vm, 0, dev) == 0);           ck(fake_drv_add(&drv, 0, b, 2, 0) >= 0);
 *     ck(fake_drv_probe(&drv, &vm, 0,            fake_drv_kick(&drv, 0);
 *             FAKE_FEATURES, 64) == 0);          ck(fake_drv_wait(&drv, 0, &head, &len, 1000));
 *
 * Functions return 0 or more for success, -errno otherwise; nothing asserts. A struct fake_drv belongs to one thread;
 * two threads may drive different queues of a device with a struct fake_drv each (fake_drv_attach()).
 */
#ifndef KVMBOX_FAKE_DRV_H
#define KVMBOX_FAKE_DRV_H

#include <linux/virtio_ring.h>

#include "tests/unit/fake/fake_vm.h"

/* What every kvmbox device offers beside its own: VERSION_1, RING_EVENT_IDX, RING_INDIRECT_DESC */
#define FAKE_FEATURES  (1ULL << 32 | 1ULL << 29 | 1ULL << 28)
#define FAKE_VERSION_1 (1ULL << 32)
#define FAKE_EVENT_IDX (1ULL << 29)
#define FAKE_INDIRECT  (1ULL << 28)

struct fake_buf {
	uint64_t gpa;
	uint32_t len;
	bool write; /* the device writes it */
};

enum fake_how {
	FAKE_DIRECT = 0,
	FAKE_TABLE = 1, /* one indirect descriptor */
};

struct fake_queue {
	uint16_t size;                         /* 0: the device has no such queue */
	uint64_t desc, avail, used;            /* GPAs */
	uint64_t tables;                       /* size indirect tables of FAKE_TABLE_MAX entries; made at first use */
	uint16_t avail_idx, last_used, kicked; /* kicked: avail_idx at the last fake_drv_kick() */
	uint16_t nfree;
	uint16_t free[VQ_SIZE_MAX];
	uint16_t chain_len[VQ_SIZE_MAX]; /* of the chain with this head; 0: not in flight */
	uint16_t chain[VQ_SIZE_MAX];     /* next descriptor of the same chain */
};

#define FAKE_TABLE_MAX 32

struct fake_drv {
	struct fake_vm *vm;
	unsigned int slot;
	uint64_t features; /* accepted */
	unsigned int nqueues;
	struct fake_queue q[VIRTIO_QUEUES_MAX];
};

/*
 * Reset, ACKNOWLEDGE, DRIVER, accept `want` & offered, FEATURES_OK, every queue with min(qsize, its maximum) entries,
 * DRIVER_OK. 0; -ENODEV for an empty slot; -EPROTO when a register did not answer as it must, the device
 * refused FEATURES_OK or is not alive afterwards.
 */
int fake_drv_probe(struct fake_drv *d, struct fake_vm *vm, unsigned int slot, uint64_t want, uint16_t qsize) MUST_CHECK;

/* The same in steps, for tests that leave the path: probe = init, features, then queue for each, then ok. */
int fake_drv_init(struct fake_drv *d, struct fake_vm *vm, unsigned int slot) MUST_CHECK; /* up to DRIVER */
int fake_drv_features(struct fake_drv *d, uint64_t want) MUST_CHECK;                     /* up to FEATURES_OK */
int fake_drv_queue(struct fake_drv *d, unsigned int q, uint16_t qsize) MUST_CHECK;
int fake_drv_ok(struct fake_drv *d) MUST_CHECK;

/* Write 0 to Status and forget the queues. The device may take its time: fake_drv_status() is 0 when it is done. */
void fake_drv_reset(struct fake_drv *d);
uint32_t fake_drv_status(struct fake_drv *d);
bool fake_drv_needs_reset(struct fake_drv *d);

/* 4-byte registers and bytes of the configuration space */
uint32_t fake_drv_get(struct fake_drv *d, uint32_t reg);
void fake_drv_reg(struct fake_drv *d, uint32_t reg, uint32_t val);
void fake_drv_config(struct fake_drv *d, uint32_t off, void *dst, size_t len);

/* A second driver object on the device that `from` probed, to be used for other queues by another thread. */
void fake_drv_attach(struct fake_drv *d, const struct fake_drv *from);

/* A ring without a device, for tests of vq itself: memory for queue q, and what vq_setup() needs to know of it */
void fake_drv_ring(struct fake_drv *d, struct fake_vm *vm, unsigned int q, uint16_t size, uint64_t features);
struct vq_state fake_drv_state(const struct fake_drv *d, unsigned int q);

/* --- honest queue work --- */

/* Post n buffers (readable ones first) as one chain. Returns its head; -ENOSPC when descriptors are short. */
int fake_drv_add(struct fake_drv *d, unsigned int q, const struct fake_buf *b, unsigned int n,
		 enum fake_how how) MUST_CHECK;
/* Notify if the device wants it for what was added since the last kick; returns whether it did. */
bool fake_drv_kick(struct fake_drv *d, unsigned int q);
/* The next used element, if any: its head (whose descriptors are free again) and length. False also for a bad head. */
bool fake_drv_used(struct fake_drv *d, unsigned int q, uint16_t *head, uint32_t *len) MUST_CHECK;
/* Ask for an interrupt at the next used element (event index or flag). */
void fake_drv_want_irq(struct fake_drv *d, unsigned int q);
void fake_drv_no_irq(struct fake_drv *d, unsigned int q);
/* fake_drv_used(), running the loop for at most timeout_ms until there is one. */
bool fake_drv_wait(struct fake_drv *d, unsigned int q, uint16_t *head, uint32_t *len,
		   unsigned int timeout_ms) MUST_CHECK;

/*
 * One request: req_len bytes readable and up to resp_cap writable, in guest memory that is kept for the next call; add,
 * kick, wait (10 s at most). Copies the answer to resp and returns its length, -ETIMEDOUT, -EIO when the
 * device asks for a reset, -EMSGSIZE for a used length above resp_cap.
 */
struct fake_call {
	uint64_t req_gpa, resp_gpa; /* from fake_alloc() */
	uint32_t req_cap, resp_cap;
};
void fake_call_init(struct fake_call *c, struct fake_vm *vm, uint32_t req_cap, uint32_t resp_cap);
int fake_drv_call(struct fake_drv *d, unsigned int q, const struct fake_call *c, const void *req, size_t req_len,
		  void *resp, size_t resp_cap) MUST_CHECK;

/* --- hostile queue work: raw words --- */

void fake_drv_desc(struct fake_drv *d, unsigned int q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		   uint16_t next);
/* One entry of an indirect table at any GPA inside RAM */
void fake_vm_desc(struct fake_vm *vm, uint64_t table, unsigned int i, const struct vring_desc *desc);
/* Words of the other side, for oracles: used.idx, used.flags, avail_event */
uint16_t fake_drv_used_idx(struct fake_drv *d, unsigned int q);
uint16_t fake_drv_used_flags(struct fake_drv *d, unsigned int q);
uint16_t fake_drv_avail_event(struct fake_drv *d, unsigned int q);
/* The driver's own: avail.flags and used_event */
void fake_drv_avail_flags(struct fake_drv *d, unsigned int q, uint16_t flags);
void fake_drv_used_event(struct fake_drv *d, unsigned int q, uint16_t idx);
/* Put head into the next avail entry and publish it; no check of anything. */
void fake_drv_avail(struct fake_drv *d, unsigned int q, uint16_t head);
/* Publish an avail index as it is. */
void fake_drv_idx(struct fake_drv *d, unsigned int q, uint16_t idx);
/* Notify whatever the device said. */
void fake_drv_force_kick(struct fake_drv *d, unsigned int q);

#endif

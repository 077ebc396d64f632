// SPDX-License-Identifier: Apache-2.0
/*
 * A machine without KVM for unit tests and fuzzers: guest RAM between guard pages, a bus with mmio slots, the event
 * loop, interrupt eventfds and a recorder of doorbells.
 *
 * fake_vm_init() makes FAKE_SLOTS empty slots; fill one with mmio_slot_fill(&vm.slot[n], dev) under the lock (or
 * fake_fill()), drive it with fake_drv.h, empty it with fake_empty(). One thread may do everything: fake_step() and
 * fake_until() run the loop's callbacks in the calling thread. A test with threads starts loop_run(vm.loop) on one.
 *
 * Failures of the host itself (no memory, no fds) abort. Guest addresses: RAM is two regions with a hole between, so
 * that a range can cross a region's end:
 *
 *     FAKE_RAM0 .. FAKE_RAM0 + ram_len        all that fake_alloc() hands out
 *     FAKE_RAM1 .. FAKE_RAM1 + FAKE_RAM1_LEN  a small second region, for tests of region ends
 *
 * Threads: fake_read/write, fake_lock, fake_irqs and fake_ptr from any; the rest from the test's main thread.
 */
#ifndef KVMBOX_FAKE_VM_H
#define KVMBOX_FAKE_VM_H

#include "virtio/mmio.h"

#define FAKE_SLOTS    4
#define FAKE_RAM0     0x100000ULL
#define FAKE_RAM1     0x80000000ULL
#define FAKE_RAM1_LEN 0x4000ULL
#define FAKE_MMIO     0xd0000000ULL
#define FAKE_BELLS    (FAKE_SLOTS * VIRTIO_QUEUES_MAX)

struct fake_bell {
	uint64_t addr;
	uint32_t value;
	int fd;
};

struct fake_vm {
	struct gmem mem;
	struct bus bus;
	struct loop *loop;
	struct mmio_slot slot[FAKE_SLOTS];
	uint64_t ram_len;
	uint64_t brk; /* next free GPA for fake_alloc() */
	uint8_t *map[2];
	size_t map_len[2];
	struct fake_bell bell[FAKE_BELLS]; /* attached doorbells */
	unsigned int nbells;
	int attach_error; /* not 0: the next attach fails with it */
	bool doorbells;
};

/* ram_len: a multiple of 4096. doorbells: offer ioeventfds to the slots (kicks then come through the loop). */
void fake_vm_init(struct fake_vm *vm, uint64_t ram_len, bool doorbells);
/*
 * Empties the slots that are still filled and frees all. A device that uses the loop (a workq, fds, timers) is freed by
 * its test before, after fake_empty(); any other may live longer.
 */
void fake_vm_fini(struct fake_vm *vm);

void fake_lock(struct fake_vm *vm);
void fake_unlock(struct fake_vm *vm);

/* mmio_slot_fill() and mmio_slot_empty() with the lock. fake_empty() runs the loop while a reset is in progress. */
int fake_fill(struct fake_vm *vm, unsigned int slot, struct virtio_dev *d) MUST_CHECK;
void fake_empty(struct fake_vm *vm, unsigned int slot);

/* A guest's register access: off within the slot, the device lock is taken. */
uint64_t fake_read(struct fake_vm *vm, unsigned int slot, uint64_t off, unsigned int size);
void fake_write(struct fake_vm *vm, unsigned int slot, uint64_t off, unsigned int size, uint64_t val);

/* A guest's write to QueueNotify: by its doorbell where one is attached, else by the bus. */
void fake_notify(struct fake_vm *vm, unsigned int slot, uint32_t queue);

/* How often the slot's interrupt was raised since the last call; 0 for a slot never filled */
uint64_t fake_irqs(struct fake_vm *vm, unsigned int slot);

/* Guest memory: a zeroed range of the first region (aborts when it is used up), and the test's view of a range. */
uint64_t fake_alloc(struct fake_vm *vm, uint64_t len, uint64_t align);
void *fake_ptr(const struct fake_vm *vm, uint64_t gpa, uint64_t len);

/* Callbacks for what is ready now; returns how many ran. */
int fake_step(struct fake_vm *vm);
/* Run the loop until cond(arg) is true (called with the lock) or timeout_ms have passed; returns cond's last value. */
bool fake_until(struct fake_vm *vm, bool (*cond)(void *arg), void *arg, unsigned int timeout_ms);

#endif

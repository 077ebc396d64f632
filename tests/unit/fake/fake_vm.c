// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake/fake_vm.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake_vm: %s: %s\n", what, strerror(errno));
	abort();
}

/* RAM with a page that faults on either side */
static uint8_t *fake_map(struct fake_vm *vm, unsigned int i, uint64_t len)
{
	vm->map_len[i] = (size_t)len + 2 * PAGE;
	vm->map[i] = mmap(NULL, vm->map_len[i], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(vm->map[i] != MAP_FAILED, "mmap");
	must(mprotect(vm->map[i] + PAGE, (size_t)len, PROT_READ | PROT_WRITE) == 0, "mprotect");
	return vm->map[i] + PAGE;
}

static int fake_attach(void *ctx, uint64_t addr, uint32_t value, int fd)
{
	struct fake_vm *vm = ctx;
	int r = vm->attach_error;

	vm->attach_error = 0;
	if (r != 0)
		return r;
	if (vm->nbells == FAKE_BELLS)
		return -ENOSPC;
	vm->bell[vm->nbells++] = (struct fake_bell){ addr, value, fd };
	return 0;
}

static struct fake_bell *fake_bell(struct fake_vm *vm, uint64_t addr, uint32_t value)
{
	unsigned int i;

	for (i = 0; i < vm->nbells; i++)
		if (vm->bell[i].addr == addr && vm->bell[i].value == value)
			return &vm->bell[i];
	return NULL;
}

static int fake_detach(void *ctx, uint64_t addr, uint32_t value, int fd)
{
	struct fake_vm *vm = ctx;
	struct fake_bell *b = fake_bell(vm, addr, value);

	if (b == NULL || b->fd != fd)
		return -ENOENT;
	*b = vm->bell[--vm->nbells];
	return 0;
}

static const struct notify_ops fake_notify_ops = { .attach = fake_attach, .detach = fake_detach };

void fake_vm_init(struct fake_vm *vm, uint64_t ram_len, bool doorbells)
{
	struct notify notify = { .ops = doorbells ? &fake_notify_ops : NULL, .ctx = vm };
	unsigned int i;

	*vm = (struct fake_vm){ .ram_len = ram_len, .brk = FAKE_RAM0, .doorbells = doorbells };
	must(gmem_add(&vm->mem, FAKE_RAM0, ram_len, fake_map(vm, 0, ram_len)) == 0, "gmem_add");
	must(gmem_add(&vm->mem, FAKE_RAM1, FAKE_RAM1_LEN, fake_map(vm, 1, FAKE_RAM1_LEN)) == 0, "gmem_add");
	must(loop_new(&vm->loop) == 0, "loop_new");
	for (i = 0; i < FAKE_SLOTS; i++)
		must(mmio_slot_init(&vm->slot[i], &vm->bus, FAKE_MMIO + (uint64_t)i * MMIO_SLOT_LEN, 5 + i, vm->loop,
				    notify) == 0,
		     "mmio_slot_init");
}

void fake_vm_fini(struct fake_vm *vm)
{
	unsigned int i;

	for (i = 0; i < FAKE_SLOTS; i++) {
		fake_empty(vm, i);
		mmio_slot_fini(&vm->slot[i]);
	}
	must(vm->nbells == 0, "a doorbell is still attached");
	loop_free(vm->loop);
	for (i = 0; i < ARRAY_SIZE(vm->map); i++)
		(void)munmap(vm->map[i], vm->map_len[i]);
}

void fake_lock(struct fake_vm *vm)
{
	loop_lock(vm->loop);
}

void fake_unlock(struct fake_vm *vm)
{
	loop_unlock(vm->loop);
}

int fake_fill(struct fake_vm *vm, unsigned int slot, struct virtio_dev *d)
{
	int r;

	fake_lock(vm);
	r = mmio_slot_fill(&vm->slot[slot], d);
	fake_unlock(vm);
	return r;
}

static bool try_empty(void *arg)
{
	return mmio_slot_empty(arg) == 0;
}

void fake_empty(struct fake_vm *vm, unsigned int slot)
{
	must(fake_until(vm, try_empty, &vm->slot[slot], 10000), "a device's reset does not end");
}

uint64_t fake_read(struct fake_vm *vm, unsigned int slot, uint64_t off, unsigned int size)
{
	uint64_t v;

	fake_lock(vm);
	v = bus_read(&vm->bus, vm->slot[slot].base + off, size);
	fake_unlock(vm);
	return v;
}

void fake_write(struct fake_vm *vm, unsigned int slot, uint64_t off, unsigned int size, uint64_t val)
{
	fake_lock(vm);
	bus_write(&vm->bus, vm->slot[slot].base + off, size, val);
	fake_unlock(vm);
}

void fake_notify(struct fake_vm *vm, unsigned int slot, uint32_t queue)
{
	const uint64_t one = 1;
	uint64_t addr = vm->slot[slot].base + VIRTIO_MMIO_QUEUE_NOTIFY;
	const struct fake_bell *b;

	fake_lock(vm);
	b = fake_bell(vm, addr, queue);
	if (b == NULL)
		bus_write(&vm->bus, addr, 4, queue);
	else
		must(write(b->fd, &one, sizeof(one)) == (ssize_t)sizeof(one), "doorbell");
	fake_unlock(vm);
}

uint64_t fake_irqs(struct fake_vm *vm, unsigned int slot)
{
	uint64_t n;
	int fd;

	fake_lock(vm);
	fd = vm->slot[slot].irq.fd;
	fake_unlock(vm);
	if (fd < 0 || read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return 0;
	return n;
}

uint64_t fake_alloc(struct fake_vm *vm, uint64_t len, uint64_t align)
{
	uint64_t gpa = (vm->brk + align - 1) / align * align;

	must(gpa - FAKE_RAM0 <= vm->ram_len && len <= vm->ram_len - (gpa - FAKE_RAM0), "guest memory is used up");
	vm->brk = gpa + len;
	must(gmem_zero(&vm->mem, gpa, len) == 0 || len == 0, "gmem_zero");
	return gpa;
}

void *fake_ptr(const struct fake_vm *vm, uint64_t gpa, uint64_t len)
{
	struct gslice s;

	must(gmem_slice(&vm->mem, gpa, len, &s) == 0, "fake_ptr outside RAM");
	return s.p;
}

int fake_step(struct fake_vm *vm)
{
	int n = loop_step(vm->loop, 0);

	must(n >= 0, "loop_step");
	return n;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool fake_until(struct fake_vm *vm, bool (*cond)(void *arg), void *arg, unsigned int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	for (;;) {
		bool ok;

		fake_lock(vm);
		ok = cond(arg);
		fake_unlock(vm);
		if (ok || now_ms() >= end)
			return ok;
		/* Short waits: what cond() waits for need not be an event of this loop. */
		must(loop_step(vm->loop, 5) >= 0, "loop_step");
	}
}

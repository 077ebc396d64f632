// SPDX-License-Identifier: Apache-2.0
#include "boot/x86_64/mptable.h"

#include <errno.h>

#include "vmm/base/cursor.h"

enum {
	MP_POINTER_LEN = 16,
	MP_HEADER_LEN = 44,
	MP_CPU_LEN = 20,
	MP_ENTRY_LEN = 8, /* every other kind of entry */
};

enum { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL_INTERRUPT };
enum { TYPE_INT = 0, TYPE_NMI = 1, TYPE_EXTINT = 3 };
enum { CONFORMING = 0, EDGE_HIGH = 5, ALL_APICS = 0xff };
enum { CPU_ENABLED = 1, CPU_BOOT = 2, IOAPIC_ENABLED = 1 };
enum { LAPIC_VERSION = 0x14, IOAPIC_VERSION = 0x11 };

#define LAPIC_ADDR  0xfee00000u
#define IOAPIC_ADDR 0xfec00000u

/* Entries counted as they are written */
struct table {
	struct wr w;
	uint16_t entries;
	uint8_t ioapic;
};

static uint8_t checksum(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)-sum;
}

static void put_zeros(struct wr *w, size_t n)
{
	static const uint8_t zero[MP_HEADER_LEN];

	wr_bytes(w, zero, n);
}

static void put_cpu(struct table *t, unsigned int id)
{
	wr_u8(&t->w, ENTRY_CPU);
	wr_u8(&t->w, (uint8_t)id);
	wr_u8(&t->w, LAPIC_VERSION);
	wr_u8(&t->w, id == 0 ? CPU_ENABLED | CPU_BOOT : CPU_ENABLED);
	wr_u32(&t->w, 0x600);             /* family 6 */
	wr_u32(&t->w, 1u << 0 | 1u << 9); /* FPU, APIC */
	put_zeros(&t->w, 8);
	t->entries++;
}

static void put_bus_and_ioapic(struct table *t)
{
	wr_u8(&t->w, ENTRY_BUS);
	wr_u8(&t->w, 0);
	wr_bytes(&t->w, "ISA   ", 6);
	wr_u8(&t->w, ENTRY_IOAPIC);
	wr_u8(&t->w, t->ioapic);
	wr_u8(&t->w, IOAPIC_VERSION);
	wr_u8(&t->w, IOAPIC_ENABLED);
	wr_u32(&t->w, IOAPIC_ADDR);
	t->entries = (uint16_t)(t->entries + 2);
}

static void put_interrupt(struct table *t, uint8_t pin)
{
	wr_u8(&t->w, ENTRY_INTERRUPT);
	wr_u8(&t->w, TYPE_INT);
	wr_u16(&t->w, EDGE_HIGH);
	wr_u8(&t->w, 0); /* bus */
	wr_u8(&t->w, pin);
	wr_u8(&t->w, t->ioapic);
	wr_u8(&t->w, pin);
	t->entries++;
}

static void put_local_interrupt(struct table *t, uint8_t type, uint8_t apic, uint8_t lint)
{
	wr_u8(&t->w, ENTRY_LOCAL_INTERRUPT);
	wr_u8(&t->w, type);
	wr_u16(&t->w, CONFORMING);
	wr_u8(&t->w, 0); /* bus */
	wr_u8(&t->w, 0); /* its line */
	wr_u8(&t->w, apic);
	wr_u8(&t->w, lint);
	t->entries++;
}

static void put_header(uint8_t *p, const struct table *t, size_t len)
{
	struct wr w = wr_init(p, MP_HEADER_LEN);

	wr_bytes(&w, "PCMP", 4);
	wr_u16(&w, (uint16_t)len);
	wr_u8(&w, 4); /* specification 1.4 */
	wr_u8(&w, 0); /* checksum, below */
	wr_bytes(&w, "KVMBOX  ", 8);
	wr_bytes(&w, "000000000000", 12);
	wr_u32(&w, 0); /* no OEM table */
	wr_u16(&w, 0);
	wr_u16(&w, t->entries);
	wr_u32(&w, LAPIC_ADDR);
	wr_u32(&w, 0); /* no extended table */
	BUG_ON(!wr_ok(&w));
	p[7] = checksum(p, len);
}

static void put_pointer(uint8_t *p, uint64_t table)
{
	struct wr w = wr_init(p, MP_POINTER_LEN);

	wr_bytes(&w, "_MP_", 4);
	wr_u32(&w, (uint32_t)table);
	wr_u8(&w, 1); /* length in 16 bytes */
	wr_u8(&w, 4); /* specification 1.4 */
	p[10] = checksum(p, MP_POINTER_LEN);
}

int mptable_write(const struct gmem *mem, uint64_t at, unsigned int cpus, uint32_t pins)
{
	size_t len = MP_HEADER_LEN + (size_t)cpus * MP_CPU_LEN + (4 + (size_t)__builtin_popcount(pins)) * MP_ENTRY_LEN;
	struct gslice pointer, table;
	struct table t = { 0 };
	unsigned int i;

	if (cpus == 0 || cpus > MPTABLE_CPUS_MAX || pins >> MPTABLE_PINS != 0 || at > UINT32_MAX)
		return -EINVAL;
	if (gmem_slice(mem, 0, MP_POINTER_LEN, &pointer) < 0 || gmem_slice(mem, at, len, &table) < 0)
		return -EFAULT;
	t.w = wr_init(table.p, len);
	t.ioapic = (uint8_t)cpus;
	put_zeros(&t.w, MP_HEADER_LEN);
	for (i = 0; i < cpus; i++)
		put_cpu(&t, i);
	put_bus_and_ioapic(&t);
	for (i = 0; i < MPTABLE_PINS; i++)
		if ((pins >> i & 1) != 0)
			put_interrupt(&t, (uint8_t)i);
	put_local_interrupt(&t, TYPE_EXTINT, 0, 0);
	put_local_interrupt(&t, TYPE_NMI, ALL_APICS, 1);
	BUG_ON(!wr_ok(&t.w) || t.w.len != len);
	put_header(table.p, &t, len);
	put_pointer(pointer.p, at);
	return 0;
}

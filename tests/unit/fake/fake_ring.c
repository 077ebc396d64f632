// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake/fake_ring.h"

#include <string.h>

#include "vmm/base/compat.h"

enum { COUNT = 1 << FAKE_RING_COUNT_BITS, TEXT = 1 << FAKE_RING_TEXT_BITS };
enum { DESC_LEN = 24, INFO_LEN = 88 };
enum { OFF_COUNT_BITS = 0, OFF_DESCS = 8, OFF_INFOS = 16, OFF_HEAD_ID = 24, OFF_TAIL_ID = 32 };
enum { OFF_SIZE_BITS = 48, OFF_DATA = 56, OFF_HEAD_LPOS = 64 };

#define FINALIZED (UINT64_C(2) << 62)
#define ID_MASK   ((UINT64_C(1) << 62) - 1)

static void put(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

void fake_ring_init(struct fake_ring *r, uint8_t *mem, uint64_t base)
{
	uint8_t *head = mem + FAKE_RING_HEAD;

	/* As Linux starts: ids just below a wrap, so that it is met soon */
	*r = (struct fake_ring){
		.mem = mem, .base = base, .next_id = ID_MASK & -(uint64_t)COUNT, .lpos = -(uint64_t)TEXT
	};
	memset(mem, 0, FAKE_RING_LEN);
	put(mem + FAKE_RING_PRB, base + FAKE_RING_HEAD);
	put(head + OFF_COUNT_BITS, FAKE_RING_COUNT_BITS);
	put(head + OFF_DESCS, base + FAKE_RING_DESCS);
	put(head + OFF_INFOS, base + FAKE_RING_INFOS);
	put(head + OFF_HEAD_ID, r->next_id - 1);
	put(head + OFF_TAIL_ID, r->next_id - 1);
	put(head + OFF_SIZE_BITS, FAKE_RING_TEXT_BITS);
	put(head + OFF_DATA, base + FAKE_RING_TEXT);
}

uint64_t *fake_ring_word(struct fake_ring *r, size_t off)
{
	return (uint64_t *)(void *)(r->mem + FAKE_RING_HEAD + off);
}

uint64_t *fake_ring_desc(struct fake_ring *r, unsigned int n)
{
	uint64_t id = (r->next_id - 1 - n) & (COUNT - 1);

	return (uint64_t *)(void *)(r->mem + FAKE_RING_DESCS + id * DESC_LEN);
}

/* Room for a text block: its begin, next and the offset it lies at */
static size_t place(struct fake_ring *r, size_t len, uint64_t *begin)
{
	uint64_t size = (8 + len + 7) & ~(uint64_t)7;
	uint64_t next = r->lpos + size;

	*begin = r->lpos;
	if (next / TEXT != r->lpos / TEXT && next % TEXT != 0) {
		r->lpos = (next & ~(uint64_t)(TEXT - 1)) + size; /* at the start of the next round */
		return 0;
	}
	r->lpos = next;
	return (size_t)(*begin % TEXT);
}

void fake_ring_add(struct fake_ring *r, uint64_t ts_ns, unsigned int level, const char *text)
{
	uint64_t id = r->next_id, begin, *desc;
	size_t len = strlen(text), off = place(r, len, &begin);
	uint8_t *info = r->mem + FAKE_RING_INFOS + (id & (COUNT - 1)) * INFO_LEN;
	uint16_t text_len = (uint16_t)len;

	BUG_ON(len > TEXT - 8 - off);
	r->next_id = (id + 1) & ID_MASK;
	r->records++;
	put(r->mem + FAKE_RING_TEXT + off, id);
	memcpy(r->mem + FAKE_RING_TEXT + off + 8, text, len);
	put(info, r->records);
	put(info + 8, ts_ns);
	memcpy(info + 16, &text_len, sizeof(text_len));
	info[19] = (uint8_t)(level << 5);
	desc = fake_ring_desc(r, 0);
	desc[0] = FINALIZED | id;
	desc[1] = begin;
	desc[2] = r->lpos;
	*fake_ring_word(r, OFF_HEAD_ID) = id;
	*fake_ring_word(r, OFF_HEAD_LPOS) = r->lpos;
	if (r->records == 1)
		*fake_ring_word(r, OFF_TAIL_ID) = id;
	else if (r->records > COUNT)
		*fake_ring_word(r, OFF_TAIL_ID) = (id - COUNT + 1) & ID_MASK;
}

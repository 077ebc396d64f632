// SPDX-License-Identifier: Apache-2.0
#include "devices/ninep_qid.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define QID_INO_BITS 48

uint64_t ninep_dev(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static unsigned int qid_bucket(uint64_t dev, uint16_t high)
{
	uint64_t h = (dev ^ (uint64_t)high << QID_INO_BITS) * 0x9e3779b97f4a7c15ULL;

	return (unsigned int)(h >> 32) % NINEP_QID_BUCKETS;
}

int ninep_qid_path(struct ninep_qids *t, uint64_t dev, uint64_t ino, uint64_t *path)
{
	const uint64_t low = ino & ((1ULL << QID_INO_BITS) - 1);
	uint16_t high = (uint16_t)(ino >> QID_INO_BITS);
	uint16_t *head = &t->bucket[qid_bucket(dev, high)];
	uint16_t i;

	for (i = *head; i != 0; i = t->pair[i].next)
		if (t->pair[i].dev == dev && t->pair[i].high == high)
			break;
	if (i == 0) {
		if (t->n == NINEP_DEVICES_MAX)
			return -ENFILE;
		i = (uint16_t)++t->n;
		t->pair[i] = (struct ninep_qid_pair){ .dev = dev, .high = high, .next = *head };
		*head = i;
	}
	*path = (uint64_t)i << QID_INO_BITS | low;
	return 0;
}

static uint64_t mix(uint64_t v, uint64_t more)
{
	v = (v ^ more) * 0x9e3779b97f4a7c15ULL;
	return v ^ v >> 32;
}

static uint32_t qid_version(const struct statx *st)
{
	uint64_t v = mix(0, (uint64_t)st->stx_ctime.tv_sec);

	v = mix(v, st->stx_ctime.tv_nsec);
	v = mix(v, (uint64_t)st->stx_mtime.tv_sec);
	v = mix(v, st->stx_mtime.tv_nsec);
	v = mix(v, st->stx_size);
	return (uint32_t)v != 0 ? (uint32_t)v : 1;
}

int ninep_qid_of(struct ninep_qids *t, const struct statx *st, struct ninep_qid *out)
{
	out->type = S_ISDIR(st->stx_mode) ? P9_QT_DIR : S_ISLNK(st->stx_mode) ? P9_QT_SYMLINK : 0;
	out->version = qid_version(st);
	return ninep_qid_path(t, ninep_dev(st), st->stx_ino, &out->path);
}

struct ninep_qid ninep_qid_root(void)
{
	return (struct ninep_qid){ .type = P9_QT_DIR, .version = 1, .path = 1 };
}

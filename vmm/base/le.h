// SPDX-License-Identifier: Apache-2.0
/*
 * Little-endian wire types. Each is a struct, so that arithmetic on a raw wire value does not compile.
 * Hosts and guests are little-endian (x86-64, arm64): get and put are plain copies, checked below.
 */
#ifndef KVMBOX_LE_H
#define KVMBOX_LE_H

#include <assert.h>
#include <stdint.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "kvmbox hosts are little-endian");

typedef struct {
	uint16_t raw;
} le16;
typedef struct {
	uint32_t raw;
} le32;
typedef struct {
	uint64_t raw;
} le64;

static inline uint16_t le16_get(le16 v)
{
	return v.raw;
}

static inline uint32_t le32_get(le32 v)
{
	return v.raw;
}

static inline uint64_t le64_get(le64 v)
{
	return v.raw;
}

static inline le16 le16_put(uint16_t v)
{
	return (le16){ v };
}

static inline le32 le32_put(uint32_t v)
{
	return (le32){ v };
}

static inline le64 le64_put(uint64_t v)
{
	return (le64){ v };
}

#endif

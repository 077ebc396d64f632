// SPDX-License-Identifier: Apache-2.0
/*
 * Small language helpers that every layer may use. No state, no policy.
 */
#ifndef KVMBOX_COMPAT_H
#define KVMBOX_COMPAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED                 __attribute__((unused))
#define NORETURN               __attribute__((noreturn))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* true when the result does not fit; *out then holds the wrapped value and must not be used */
#define ckd_add(out, a, b) (__builtin_add_overflow((a), (b), (out)))
#define ckd_sub(out, a, b) (__builtin_sub_overflow((a), (b), (out)))
#define ckd_mul(out, a, b) (__builtin_mul_overflow((a), (b), (out)))

/* Our own invariants only: never reachable by a guest, a bundle or a peer. */
NORETURN void bug_at(const char *file, int line, const char *what);
#define BUG_ON(cond)                                                                                                   \
	do {                                                                                                           \
		if (__builtin_expect(!!(cond), 0))                                                                     \
			bug_at(__FILE__, __LINE__, #cond);                                                             \
	} while (0)

#endif

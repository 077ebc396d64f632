// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies of CREATE for the agent's tests: a least one that decodes, and its parts.
 */
#ifndef KVMBOX_TEST_AGENT_CREATE_H
#define KVMBOX_TEST_AGENT_CREATE_H

#include <sched.h>
#include <string.h>

#include "guest-init/proto/proto.h"

#define C(tag) ((uint16_t)((tag) | PROTO_CRITICAL))

#define ALL_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET)

static inline void put_u32s(struct wr *w, uint16_t tag, const uint32_t *v, size_t n)
{
	proto_put_bytes(w, C(tag), v, n * sizeof(*v));
}

static inline void put_user(struct wr *w, uint32_t uid, uint32_t gid, uint32_t umask)
{
	const uint32_t v[] = { uid, gid, umask };

	put_u32s(w, PROTO_T_USER, v, 3);
}

static inline void put_root(struct wr *w, uint32_t entry, bool readonly)
{
	const uint32_t v[] = { entry, readonly };

	put_u32s(w, PROTO_T_ROOT, v, 2);
}

static inline void put_caps(struct wr *w, uint64_t bounding, uint64_t effective, uint64_t inheritable,
			    uint64_t permitted, uint64_t ambient)
{
	const uint64_t v[] = { bounding, effective, inheritable, permitted, ambient };

	proto_put_bytes(w, C(PROTO_T_CAPS), v, sizeof(v));
}

static inline void put_rlimit(struct wr *w, uint32_t resource, uint64_t soft, uint64_t hard)
{
	struct {
		uint32_t resource, zero;
		uint64_t soft, hard;
	} v = { resource, 0, soft, hard };

	proto_put_bytes(w, C(PROTO_T_RLIMIT), &v, sizeof(v));
}

static inline void put_sysctl(struct wr *w, const char *key, const char *value)
{
	uint8_t buf[512];
	struct wr v = wr_init(buf, sizeof(buf));

	wr_u32(&v, (uint32_t)strlen(key));
	wr_bytes(&v, key, strlen(key));
	wr_u32(&v, (uint32_t)strlen(value));
	wr_bytes(&v, value, strlen(value));
	proto_put_bytes(w, C(PROTO_T_SYSCTL), buf, v.len);
}

static inline void put_mount_as(struct wr *w, uint32_t entry, uint32_t bits, uint64_t flags, const char *destination,
				const char *type, const char *data)
{
	const struct proto_mount m = { .entry = entry,
				       .bits = bits,
				       .flags = flags,
				       .destination = destination,
				       .destination_len = strlen(destination),
				       .type = type,
				       .type_len = strlen(type),
				       .data = data,
				       .data_len = strlen(data) };

	proto_put_mount(w, &m);
}

static inline void put_fs(struct wr *w, const char *destination, const char *type, uint64_t flags, const char *data)
{
	put_mount_as(w, PROTO_NO_ENTRY, 0, flags, destination, type, data);
}

static inline void put_device(struct wr *w, const char *path, uint32_t mode, uint32_t major, uint32_t minor)
{
	const struct proto_device d = {
		.mode = mode, .major = major, .minor = minor, .path = path, .path_len = strlen(path)
	};

	proto_put_device(w, &d);
}

/* All that a request must have but ARG. */
static inline void put_least(struct wr *w, uint64_t namespaces)
{
	proto_put_u32(w, C(PROTO_T_PROC), PROTO_PROC_INIT);
	proto_put_str(w, C(PROTO_T_CWD), "/");
	put_user(w, 0, 0, UINT32_MAX);
	put_root(w, 0, false);
	proto_put_u64(w, C(PROTO_T_NAMESPACES), namespaces);
}

#endif

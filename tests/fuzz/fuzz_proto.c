// SPDX-License-Identifier: Apache-2.0
/*
 * The agent protocol as each end reads it: frames and TLVs by both bounds, every kind of value, and CREATE.
 *
 * The first byte picks the role: even, what a host sends to the agent; odd, what an agent sends to the host. The rest
 * is the byte stream of one connection. Oracles:
 *   - a frame lies in the buffer, is not seen in any shorter one, and its TLVs fill its body exactly;
 *   - a value that is read has the width of its kind, a string has no NUL and lies in the frame;
 *   - an error made of the frame's bytes is read back as one frame with that text, cut at its bound;
 *   - a CREATE that decodes keeps every promise of spec.h, and written again it decodes to the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "guest-init/caps.h"
#include "guest-init/proto/proto.h"
#include "guest-init/spec.h"
#include "guest-init/sysctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			abort();                                                                                       \
	} while (0)

#define BODY_MAX 65536

static void check_inside(struct rd v, const char *s, size_t len)
{
	CHECK(memchr(s, 0, len) == NULL);
	CHECK(len == 0 || ((const uint8_t *)s >= v.p && (const uint8_t *)s + len <= v.p + v.left));
}

static void check_value(struct rd v)
{
	struct proto_device d;
	struct proto_mount m;
	uint32_t u32;
	uint64_t u64;
	const char *s;
	size_t len;
	uint8_t u8;

	CHECK((proto_get_u8(v, &u8) == 0) == (v.left == 1));
	CHECK((proto_get_u32(v, &u32) == 0) == (v.left == 4));
	CHECK((proto_get_u64(v, &u64) == 0) == (v.left == 8));
	if (proto_get_str(v, &s, &len) == 0) {
		CHECK(len == v.left);
		check_inside(v, s, len);
	}
	if (proto_get_mount(v, &m) == 0) {
		CHECK(v.left == 44 + m.destination_len + m.type_len + m.data_len);
		check_inside(v, m.destination, m.destination_len);
		check_inside(v, m.type, m.type_len);
		check_inside(v, m.data, m.data_len);
	}
	if (proto_get_device(v, &d) == 0) {
		CHECK(v.left == 24 + d.path_len);
		check_inside(v, d.path, d.path_len);
	}
}

static void check_tlvs(struct rd body)
{
	const size_t whole = body.left;
	struct proto_tlv t;
	size_t sum = 0;
	int r;

	while ((r = proto_tlv_next(&body, &t)) > 0) {
		CHECK(t.tag < PROTO_CRITICAL);
		sum += 8 + t.value.left;
		check_value(t.value);
	}
	CHECK(r == 0 ? sum == whole : r == -EPROTO);
}

/* --- CREATE, written again --- */

static void put_u32s(struct wr *w, uint16_t tag, const uint32_t *v, size_t n)
{
	proto_put_bytes(w, tag, v, n * sizeof(*v));
}

static void put_process(struct wr *w, const struct spec *s)
{
	const uint32_t user[] = { s->uid, s->gid, s->umask };
	const uint16_t terminal[] = { s->rows, s->columns };
	size_t i;

	proto_put_u32(w, PROTO_T_PROC, s->proc);
	for (i = 0; s->argv[i] != NULL; i++)
		proto_put_str(w, PROTO_T_ARG, s->argv[i]);
	for (i = 0; i < s->envc; i++)
		proto_put_str(w, PROTO_T_ENV, s->envp[i]);
	proto_put_str(w, PROTO_T_CWD, s->cwd);
	put_u32s(w, PROTO_T_USER, user, 3);
	put_u32s(w, PROTO_T_GROUPS, s->groups, s->group_count);
	proto_put_bytes(w, PROTO_T_CAPS, s->caps, sizeof(s->caps));
	for (i = 0; i < s->rlimit_count; i++) {
		const struct spec_rlimit *l = &s->rlimits[i];
		const uint64_t v[] = { (uint64_t)l->resource, l->soft, l->hard };

		proto_put_bytes(w, PROTO_T_RLIMIT, v, sizeof(v));
	}
	proto_put_u8(w, PROTO_T_NO_NEW_PRIVS, s->no_new_privs);
	if (s->has_oom_score)
		proto_put_u32(w, PROTO_T_OOM_SCORE, (uint32_t)s->oom_score);
	if (s->terminal)
		proto_put_bytes(w, PROTO_T_TERMINAL, terminal, sizeof(terminal));
	proto_put_u32(w, PROTO_T_STREAMS, s->streams);
}

static void put_sysctl(struct wr *w, const struct spec_sysctl *y)
{
	uint8_t buf[BODY_MAX];
	struct wr v = wr_init(buf, sizeof(buf));

	wr_u32(&v, (uint32_t)strlen(y->key));
	wr_bytes(&v, y->key, strlen(y->key));
	wr_u32(&v, (uint32_t)strlen(y->value));
	wr_bytes(&v, y->value, strlen(y->value));
	proto_put_bytes(w, PROTO_T_SYSCTL, buf, v.len);
}

static void put_mounts(struct wr *w, const struct spec *s)
{
	size_t i;

	for (i = 0; i < s->mount_count; i++) {
		const struct spec_mount *m = &s->mounts[i];
		const struct proto_mount p = { m->entry,        m->bits,        m->flags,
					       m->clear,        m->propagation, m->destination,
					       m->type,         m->data,        strlen(m->destination),
					       strlen(m->type), strlen(m->data) };

		proto_put_mount(w, &p);
	}
}

static void put_container(struct wr *w, const struct spec *s)
{
	const uint32_t root[] = { s->root_entry, s->root_readonly };
	size_t i;

	put_u32s(w, PROTO_T_ROOT, root, 2);
	proto_put_u64(w, PROTO_T_NAMESPACES, s->namespaces);
	if (s->hostname != NULL)
		proto_put_str(w, PROTO_T_HOSTNAME, s->hostname);
	if (s->domainname != NULL)
		proto_put_str(w, PROTO_T_DOMAINNAME, s->domainname);
	put_mounts(w, s);
	for (i = 0; i < s->masked_count; i++)
		proto_put_str(w, PROTO_T_MASKED, s->masked[i]);
	for (i = 0; i < s->readonly_count; i++)
		proto_put_str(w, PROTO_T_READONLY, s->readonly[i]);
	for (i = 0; i < s->sysctl_count; i++)
		put_sysctl(w, &s->sysctls[i]);
	for (i = 0; i < s->device_count; i++) {
		const struct spec_device *d = &s->devices[i];
		const struct proto_device p = { d->mode, major(d->rdev), minor(d->rdev), d->uid,
						d->gid,  d->path,        strlen(d->path) };

		proto_put_device(w, &p);
	}
	proto_put_u64(w, PROTO_T_PROPAGATION, s->propagation);
}

static void check_promises(const struct spec *s)
{
	char path[SYSCTL_PATH_MAX];
	size_t i;

	CHECK(s->argv[0] != NULL && s->argv[0][0] != '\0' && s->cwd[0] == '/');
	CHECK(s->envp[s->envc] == NULL && s->envp[s->envc + 1] == NULL);
	CHECK(s->streams < 16 && s->terminal == ((s->streams & 1u << PROTO_TTY) != 0));
	for (i = 0; i < s->mount_count; i++)
		CHECK(s->mounts[i].destination[0] == '/');
	for (i = 0; i < s->masked_count; i++)
		CHECK(s->masked[i][0] == '/');
	for (i = 0; i < s->device_count; i++)
		CHECK(s->devices[i].path[0] == '/');
	for (i = 0; i < s->sysctl_count; i++)
		if (sysctl_path(s->sysctls[i].key, path) == 0)
			CHECK(strncmp(path, "sys/", 4) == 0 && strstr(path, "//") == NULL && strchr(path, '.') == NULL);
	(void)caps_check(s->caps);
}

static void check_create(struct rd body)
{
	static uint8_t first[2 * BODY_MAX], second[2 * BODY_MAX];
	struct wr a = wr_init(first, sizeof(first)), b = wr_init(second, sizeof(second));
	struct err e = { 0 };
	struct spec *s, *again;
	int r = spec_decode(&s, body, &e);

	if (r < 0) {
		CHECK(s == NULL && e.code == -r && e.text[0] != '\0');
		return;
	}
	check_promises(s);
	put_process(&a, s);
	put_container(&a, s);
	spec_free(s);
	if (!wr_ok(&a))
		return;
	CHECK(spec_decode(&again, rd_init(first, a.len), &e) == 0);
	put_process(&b, again);
	put_container(&b, again);
	spec_free(again);
	CHECK(wr_ok(&b) && a.len == b.len && memcmp(first, second, a.len) == 0);
}

static void check_error(struct proto_frame *f)
{
	char text[PROTO_TEXT_MAX + 100];
	uint8_t buf[512];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t n = min_size(f->body.left, sizeof(text) - 1), len;
	struct proto_frame g;
	struct proto_tlv t;
	const char *s;

	memcpy(text, f->body.p, n);
	text[n] = '\0';
	proto_put_error(&w, f->seq, ENOENT, text);
	CHECK(wr_ok(&w) && proto_frame_next(buf, w.len, sizeof(buf), &g) == 1);
	CHECK(g.type == PROTO_ERROR && g.seq == f->seq && g.total == w.len);
	CHECK(proto_tlv_next(&g.body, &t) == 1 && t.tag == PROTO_T_ERRNO);
	CHECK(proto_tlv_next(&g.body, &t) == 1 && t.tag == PROTO_T_TEXT);
	CHECK(proto_get_str(t.value, &s, &len) == 0 && len == strnlen(text, PROTO_TEXT_MAX) &&
	      memcmp(s, text, len) == 0);
	CHECK(proto_tlv_next(&g.body, &t) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t max, left;
	bool to_guest;

	if (size == 0)
		return 0;
	to_guest = data[0] % 2 == 0;
	max = to_guest ? PROTO_MAX_TO_GUEST : PROTO_MAX_TO_HOST;
	for (data++, left = size - 1; left <= BODY_MAX;) {
		struct proto_frame f;
		int r = proto_frame_next(data, left, max, &f);

		if (r <= 0) {
			CHECK(r == 0 || r == -EPROTO || r == -EMSGSIZE);
			break;
		}
		CHECK(f.total <= left && f.total == PROTO_HEADER_LEN + f.body.left && f.flags == 0);
		CHECK(proto_frame_next(data, f.total - 1, max, &f) == 0);
		CHECK(proto_frame_next(data, f.total, max, &f) == 1);
		CHECK(proto_type_name(f.type)[0] != '\0');
		check_tlvs(f.body);
		check_error(&f);
		if (to_guest && f.type == PROTO_CREATE)
			check_create(f.body);
		data += f.total;
		left -= f.total;
	}
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "devices/ninep_msg.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int name_check(const char *s, size_t len)
{
	if (len == 0 || memchr(s, '/', len) != NULL || memchr(s, '\0', len) != NULL || (len == 1 && s[0] == '.'))
		return -EINVAL;
	return 0;
}

/* A string into dst (cap bytes, terminated); "" and an error in *err when it is too long. */
static size_t rd_string(struct rd *r, char *dst, size_t cap, int *err)
{
	size_t len = rd_u16(r);
	const uint8_t *p = rd_bytes(r, len);

	dst[0] = '\0';
	if (p == NULL)
		return 0;
	if (len >= cap) {
		if (*err == 0)
			*err = -ENAMETOOLONG;
		return 0;
	}
	memcpy(dst, p, len);
	dst[len] = '\0';
	return len;
}

static void rd_name(struct ninep_msg *m, struct rd *r)
{
	char *dst = m->name[m->n++];
	size_t len;
	int e = 0;

	len = rd_string(r, dst, sizeof(m->name[0]), &e);
	if (e == 0)
		e = name_check(dst, len);
	if (e == 0 && strcmp(dst, "..") == 0 && m->type != P9_TWALK)
		e = -EINVAL;
	if (m->name_error == 0)
		m->name_error = e;
}

static void dec_fid(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
}

static void dec_version(struct ninep_msg *m, struct rd *r)
{
	static const char version[] = "9P2000.L";
	size_t len;
	const uint8_t *p;

	m->count = rd_u32(r);
	len = rd_u16(r);
	p = rd_bytes(r, len);
	m->known = p != NULL && len == sizeof(version) - 1 && memcmp(p, version, len) == 0;
}

static void dec_auth(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	(void)rd_bytes(r, rd_u16(r));
	(void)rd_bytes(r, rd_u16(r));
	m->uid = rd_u32(r);
}

static void dec_attach(struct ninep_msg *m, struct rd *r)
{
	size_t len;
	const uint8_t *p;

	m->fid = rd_u32(r);
	m->fid2 = rd_u32(r);
	(void)rd_bytes(r, rd_u16(r));
	len = rd_u16(r);
	p = rd_bytes(r, len);
	m->known = len == 0 || (len == 1 && p != NULL && p[0] == '/');
	m->uid = rd_u32(r);
}

static void dec_flush(struct ninep_msg *m UNUSED, struct rd *r)
{
	(void)rd_u16(r);
}

static void dec_walk(struct ninep_msg *m, struct rd *r)
{
	unsigned int n;

	m->fid = rd_u32(r);
	m->fid2 = rd_u32(r);
	n = rd_u16(r);
	if (n > P9_WALK_MAX) {
		r->bad = true;
		return;
	}
	while (m->n < n)
		rd_name(m, r);
}

static void dec_lopen(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->flags = rd_u32(r);
}

static void dec_lcreate(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	rd_name(m, r);
	m->flags = rd_u32(r);
	m->mode = rd_u32(r);
	m->gid = rd_u32(r);
}

static void dec_symlink(struct ninep_msg *m, struct rd *r)
{
	size_t len;
	int e = 0;

	m->fid = rd_u32(r);
	rd_name(m, r);
	len = rd_string(r, m->target, sizeof(m->target), &e);
	if (e == 0 && (len == 0 || memchr(m->target, '\0', len) != NULL))
		e = -EINVAL;
	if (m->name_error == 0)
		m->name_error = e;
	m->gid = rd_u32(r);
}

static void dec_mknod(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	rd_name(m, r);
	m->mode = rd_u32(r);
	m->major = rd_u32(r);
	m->minor = rd_u32(r);
	m->gid = rd_u32(r);
}

static void dec_mkdir(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	rd_name(m, r);
	m->mode = rd_u32(r);
	m->gid = rd_u32(r);
}

/* Trename and Tlink: two fids and a name */
static void dec_rename(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->fid2 = rd_u32(r);
	rd_name(m, r);
}

static void dec_renameat(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	rd_name(m, r);
	m->fid2 = rd_u32(r);
	rd_name(m, r);
}

static void dec_unlinkat(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	rd_name(m, r);
	m->flags = rd_u32(r);
}

static void dec_getattr(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	(void)rd_u64(r); /* the mask of wanted attributes: all are given */
}

static void dec_setattr(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->valid = rd_u32(r);
	m->mode = rd_u32(r);
	m->uid = rd_u32(r);
	m->gid = rd_u32(r);
	m->size = rd_u64(r);
	m->atime.sec = rd_u64(r);
	m->atime.nsec = rd_u64(r);
	m->mtime.sec = rd_u64(r);
	m->mtime.nsec = rd_u64(r);
}

/* The name of an xattr is not a component of a path: "" asks for the list, and it may hold a '/'. */
static void rd_xattr_name(struct ninep_msg *m, struct rd *r)
{
	char *dst = m->name[m->n++];
	size_t len = rd_string(r, dst, sizeof(m->name[0]), &m->name_error);

	if (memchr(dst, '\0', len) != NULL)
		m->name_error = -EINVAL;
}

static void dec_xattrwalk(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->fid2 = rd_u32(r);
	rd_xattr_name(m, r);
}

static void dec_xattrcreate(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	rd_xattr_name(m, r);
	m->size = rd_u64(r);
	m->flags = rd_u32(r);
}

/* Tread, Treaddir, and Twrite up to its payload */
static void dec_io(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->off = rd_u64(r);
	m->count = rd_u32(r);
}

static void dec_fsync(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	/* diod's protocol text has no datasync field; Linux sends it */
	m->flags = r->left != 0 ? rd_u32(r) : 0;
}

static void dec_lock(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->lock = rd_u8(r);
	m->flags = rd_u32(r);
	m->off = rd_u64(r);
	m->size = rd_u64(r);
	m->proc = rd_u32(r);
	(void)rd_bytes(r, rd_u16(r)); /* client_id: one mount, one client */
}

static void dec_getlock(struct ninep_msg *m, struct rd *r)
{
	m->fid = rd_u32(r);
	m->lock = rd_u8(r);
	m->off = rd_u64(r);
	m->size = rd_u64(r);
	m->proc = rd_u32(r);
	(void)rd_bytes(r, rd_u16(r));
}

/* By type: the decoder, and the largest reply's body without what varies */
static const struct {
	void (*decode)(struct ninep_msg *m, struct rd *r);
	size_t reply;
} wire[] = {
	[P9_TSTATFS] = { dec_fid, 60 },
	[P9_TLOPEN] = { dec_lopen, P9_QID_LEN + 4 },
	[P9_TLCREATE] = { dec_lcreate, P9_QID_LEN + 4 },
	[P9_TSYMLINK] = { dec_symlink, P9_QID_LEN },
	[P9_TMKNOD] = { dec_mknod, P9_QID_LEN },
	[P9_TRENAME] = { dec_rename, 0 },
	[P9_TREADLINK] = { dec_fid, 2 },
	[P9_TGETATTR] = { dec_getattr, 153 },
	[P9_TSETATTR] = { dec_setattr, 0 },
	[P9_TXATTRWALK] = { dec_xattrwalk, 8 },
	[P9_TXATTRCREATE] = { dec_xattrcreate, 0 },
	[P9_TREADDIR] = { dec_io, 4 },
	[P9_TFSYNC] = { dec_fsync, 0 },
	[P9_TLOCK] = { dec_lock, 1 },
	[P9_TGETLOCK] = { dec_getlock, 23 },
	[P9_TLINK] = { dec_rename, 0 },
	[P9_TMKDIR] = { dec_mkdir, P9_QID_LEN },
	[P9_TRENAMEAT] = { dec_renameat, 0 },
	[P9_TUNLINKAT] = { dec_unlinkat, 0 },
	[P9_TVERSION] = { dec_version, 14 },
	[P9_TAUTH] = { dec_auth, P9_QID_LEN },
	[P9_TATTACH] = { dec_attach, P9_QID_LEN },
	[P9_TFLUSH] = { dec_flush, 0 },
	[P9_TWALK] = { dec_walk, 2 },
	[P9_TREAD] = { dec_io, 4 },
	[P9_TWRITE] = { dec_io, 4 },
	[P9_TCLUNK] = { dec_fid, 0 },
	[P9_TREMOVE] = { dec_fid, 0 },
};

int ninep_decode(struct ninep_msg *m, struct rd *r)
{
	if (m->type >= ARRAY_SIZE(wire) || wire[m->type].decode == NULL)
		return -EOPNOTSUPP;
	m->n = 0;
	m->name_error = 0;
	wire[m->type].decode(m, r);
	if (!rd_done(r))
		return -EPROTO;
	return m->name_error;
}

size_t ninep_reply_max(const struct ninep_msg *m)
{
	size_t walked = m->type == P9_TWALK ? (size_t)m->n * P9_QID_LEN : 0;

	return P9_HEAD + wire[m->type].reply + walked;
}

void ninep_put_qid(struct wr *w, const struct ninep_qid *q)
{
	wr_u8(w, q->type);
	wr_u32(w, q->version);
	wr_u64(w, q->path);
}

void ninep_put_str(struct wr *w, const char *s, size_t len)
{
	BUG_ON(len > UINT16_MAX);
	wr_u16(w, (uint16_t)len);
	wr_bytes(w, s, len);
}

static void put_time(struct wr *w, const struct statx_timestamp *t)
{
	wr_u64(w, (uint64_t)t->tv_sec);
	wr_u64(w, t->tv_nsec);
}

/* Linux' 32-bit form: 12 bits of major, 20 of minor */
static uint64_t device_number(uint32_t maj, uint32_t min)
{
	return (min & 0xff) | (uint64_t)(maj & 0xfff) << 8 | (uint64_t)(min & 0xfff00) << 12;
}

void ninep_put_attr(struct wr *w, const struct ninep_qid *q, const struct statx *st)
{
	bool born = (st->stx_mask & STATX_BTIME) != 0;
	struct statx_timestamp none = { 0 };

	wr_u64(w, P9_STATS_BASIC | (born ? P9_STATS_BTIME : 0));
	ninep_put_qid(w, q);
	wr_u32(w, st->stx_mode);
	wr_u32(w, st->stx_uid);
	wr_u32(w, st->stx_gid);
	wr_u64(w, st->stx_nlink);
	wr_u64(w, device_number(st->stx_rdev_major, st->stx_rdev_minor));
	wr_u64(w, st->stx_size);
	wr_u64(w, st->stx_blksize);
	wr_u64(w, st->stx_blocks);
	put_time(w, &st->stx_atime);
	put_time(w, &st->stx_mtime);
	put_time(w, &st->stx_ctime);
	put_time(w, born ? &st->stx_btime : &none);
	wr_u64(w, 0); /* generation */
	wr_u64(w, 0); /* data version */
}

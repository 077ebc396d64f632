// SPDX-License-Identifier: Apache-2.0
/*
 * The 9p server's session: version, attach, walk, clunk, flush; dispatch and replies.
 *
 * Requests are served one at a time, in order. So Tflush finds its request answered already, and is answered at once.
 */
#include "devices/ninep.h"

#include <errno.h>
#include <string.h>

#include "devices/ninep_priv.h"

/* --- requests of the session itself --- */

static int do_version(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	static const char version[] = "9P2000.L", unknown[] = "unknown";

	ninep_reset(np);
	if (m->count < NINEP_MSIZE_MIN)
		return -EINVAL;
	wr_u32(&io->out, m->count < NINEP_MSIZE_MAX ? m->count : NINEP_MSIZE_MAX);
	if (!m->known) {
		ninep_put_str(&io->out, unknown, sizeof(unknown) - 1);
		return 0;
	}
	np->msize = m->count < NINEP_MSIZE_MAX ? m->count : NINEP_MSIZE_MAX;
	ninep_put_str(&io->out, version, sizeof(version) - 1);
	return 0;
}

static int do_auth(struct ninep *np UNUSED, struct ninep_msg *m UNUSED, struct ninep_io *io UNUSED)
{
	return -EOPNOTSUPP; /* nobody to authenticate: the transport is the guest's own */
}

static int do_flush(struct ninep *np UNUSED, struct ninep_msg *m UNUSED, struct ninep_io *io UNUSED)
{
	return 0;
}

static int do_attach(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_qid qid = ninep_qid_root();
	struct ninep_node *n;
	struct statx st;
	int r = ninep_fid_check(np, m->fid);

	if (r != 0)
		return r;
	if (m->fid2 != P9_NOID)
		return -EOPNOTSUPP;
	if (!m->known)
		return -ENOENT;
	r = ninep_node_root(np, &n, &st);
	if (r != 0)
		return r;
	if (n->fd >= 0)
		r = ninep_qid_of(&np->qids, &st, &qid);
	if (r != 0 || ninep_fid_new(np, m->fid, n, m->uid, &r) == NULL) {
		ninep_node_put(np, n);
		return r;
	}
	ninep_put_qid(&io->out, &qid);
	return 0;
}

/*
 * Walk as far as it goes. Returns the number of names walked with the last node in *at (a reference), or the first
 * name's error.
 */
static int walk_names(struct ninep *np, const struct ninep_msg *m, struct ninep_node **at, struct wr *qids)
{
	unsigned int i;

	ninep_node_get(*at);
	for (i = 0; i < m->n; i++) {
		struct ninep_qid qid = ninep_qid_root();
		struct ninep_node *next;
		struct statx st;
		int r = ninep_node_walk(np, *at, m->name[i], &next, &st);

		if (r == 0) {
			ninep_node_put(np, *at);
			*at = next;
			if (next->fd >= 0)
				r = ninep_qid_of(&np->qids, &st, &qid);
		}
		if (r != 0 && i == 0)
			ninep_node_put(np, *at);
		if (r != 0)
			return i == 0 ? r : (int)i;
		ninep_put_qid(qids, &qid);
	}
	return (int)m->n;
}

/* A fid for n, whose reference it takes: in place of f, or a new one that inherits from f. */
static int walk_arrive(struct ninep *np, const struct ninep_msg *m, struct ninep_fid *f, struct ninep_node *n)
{
	struct ninep_fid *new;
	int donor = -1, r;

	if (m->fid2 == m->fid) {
		ninep_node_put(np, f->node);
		f->node = n;
		return 0;
	}
	/* a clone of an open file without a name can be opened again only by what is open */
	if (m->n == 0 && !n->named && n->mode == S_IFREG && (f->fd >= 0 || f->donor >= 0)) {
		donor = ninep_dup(np, f->fd >= 0 ? f->fd : f->donor);
		if (donor < 0)
			return donor;
	}
	new = ninep_fid_new(np, m->fid2, n, f->uid, &r);
	if (new == NULL)
		ninep_close(np, &donor);
	else
		new->donor = donor;
	return r;
}

static int do_walk(struct ninep *np, struct ninep_msg *m, struct ninep_io *io)
{
	struct ninep_fid *f = ninep_fid_file(np, m->fid);
	uint8_t buf[P9_WALK_MAX * P9_QID_LEN];
	struct wr qids = wr_init(buf, sizeof(buf));
	struct ninep_node *n;
	int walked, r = 0;

	if (f == NULL)
		return -EBADF;
	if (m->fid2 != m->fid)
		r = ninep_fid_check(np, m->fid2);
	else if (f->state == NINEP_OPEN && m->n > 0)
		r = -EBUSY;
	if (r != 0)
		return r;
	n = f->node;
	walked = walk_names(np, m, &n, &qids);
	if (walked < 0)
		return walked;
	r = walked == (int)m->n ? walk_arrive(np, m, f, n) : 0;
	if (r != 0 || walked != (int)m->n)
		ninep_node_put(np, n);
	if (r != 0)
		return r;
	wr_u16(&io->out, (uint16_t)walked);
	wr_bytes(&io->out, buf, qids.len);
	return 0;
}

/* The fid is gone afterwards, whatever happened. */
static int do_clunk(struct ninep *np, struct ninep_msg *m, struct ninep_io *io UNUSED)
{
	struct ninep_fid *f = ninep_fid_find(np, m->fid);
	int r = 0;

	if (f == NULL)
		return -EBADF;
	if (f->state == NINEP_XATTR && f->xattr->writing)
		r = ninep_xattr_store(np, f);
	ninep_fid_drop(np, f);
	return r;
}

/* --- dispatch --- */

static const ninep_handler handlers[] = {
	[P9_TSTATFS] = ninep_do_statfs,
	[P9_TLOPEN] = ninep_do_lopen,
	[P9_TLCREATE] = ninep_do_lcreate,
	[P9_TSYMLINK] = ninep_do_symlink,
	[P9_TMKNOD] = ninep_do_mknod,
	[P9_TRENAME] = ninep_do_rename,
	[P9_TREADLINK] = ninep_do_readlink,
	[P9_TGETATTR] = ninep_do_getattr,
	[P9_TSETATTR] = ninep_do_setattr,
	[P9_TXATTRWALK] = ninep_do_xattrwalk,
	[P9_TXATTRCREATE] = ninep_do_xattrcreate,
	[P9_TREADDIR] = ninep_do_readdir,
	[P9_TFSYNC] = ninep_do_fsync,
	[P9_TLOCK] = ninep_do_lock,
	[P9_TGETLOCK] = ninep_do_getlock,
	[P9_TLINK] = ninep_do_link,
	[P9_TMKDIR] = ninep_do_mkdir,
	[P9_TRENAMEAT] = ninep_do_renameat,
	[P9_TUNLINKAT] = ninep_do_unlinkat,
	[P9_TVERSION] = do_version,
	[P9_TAUTH] = do_auth,
	[P9_TATTACH] = do_attach,
	[P9_TFLUSH] = do_flush,
	[P9_TWALK] = do_walk,
	[P9_TREAD] = ninep_do_read,
	[P9_TWRITE] = ninep_do_write,
	[P9_TCLUNK] = do_clunk,
	[P9_TREMOVE] = ninep_do_remove,
};

/*
 * The rest of a message of `size` bytes into np->in; of Twrite only up to its payload. Returns the bytes there, -EPROTO
 * when the chain is shorter than the message says, -EMSGSIZE.
 */
static int take_body(struct ninep *np, struct giov *req, uint32_t size)
{
	size_t len = (size_t)size - P9_HEAD;

	if (len > req->left)
		return -EPROTO;
	if (size > (np->msize != 0 ? np->msize : NINEP_HEAD_MAX))
		return -EMSGSIZE;
	if (np->msg.type == P9_TWRITE)
		len = min_size(len, P9_WRITE_HEAD - P9_HEAD);
	if (len > sizeof(np->in))
		return -EMSGSIZE;
	if (giov_get(req, np->in, len) != 0)
		return -EPROTO;
	return (int)len;
}

/* Decode and serve. 0 with the reply in io, -errno for an error reply. */
static int serve(struct ninep *np, struct giov *req, uint32_t size, struct ninep_io *io, size_t room)
{
	struct ninep_msg *m = &np->msg;
	int len = take_body(np, req, size), r;
	struct rd rd;

	if (len < 0)
		return len;
	rd = rd_init(np->in, (size_t)len);
	r = ninep_decode(m, &rd);
	if (r != 0)
		return r;
	if (np->msize == 0 && m->type != P9_TVERSION)
		return -EPROTO;
	if (m->type == P9_TWRITE && m->count != size - P9_WRITE_HEAD)
		return -EPROTO;
	if (ninep_reply_max(m) > room)
		return -EMSGSIZE;
	io->source = req;
	return handlers[m->type](np, m, io);
}

/* Head and body of a reply at the front of the room that resp describes. */
static size_t reply(struct ninep *np, struct giov *resp, int error, const struct ninep_io *io)
{
	uint8_t head[P9_HEAD + 4];
	struct wr w = wr_init(head, sizeof(head));
	size_t body = error != 0 ? 4 : io->out.len;
	size_t total = P9_HEAD + body + (error != 0 ? 0 : io->data_len);

	wr_u32(&w, (uint32_t)total);
	wr_u8(&w, error != 0 ? P9_RLERROR : (uint8_t)(np->msg.type + 1));
	wr_u16(&w, np->msg.tag);
	if (error != 0)
		wr_u32(&w, (uint32_t)error);
	if (giov_put(resp, head, w.len) != 0)
		return 0;
	if (error == 0 && giov_put(resp, np->out, body) != 0)
		return 0;
	return total;
}

size_t ninep_handle(struct ninep *np, struct giov *req, struct giov *resp)
{
	struct ninep_io io = { .out = wr_init(np->out, sizeof(np->out)) };
	uint8_t head[P9_HEAD];
	struct rd rd = rd_init(head, sizeof(head));
	size_t room;
	uint32_t size;
	int r;

	if (resp->left < P9_ERROR_LEN || giov_get(req, head, sizeof(head)) != 0)
		return 0;
	size = rd_u32(&rd);
	np->msg.type = rd_u8(&rd);
	np->msg.tag = rd_u16(&rd);
	room = min_size(resp->left, np->msize != 0 ? np->msize : NINEP_HEAD_MAX);
	/* data goes behind where the head of Rread and Rreaddir will be */
	io.data = *resp;
	if (room < P9_DATA_HEAD || giov_skip(&io.data, P9_DATA_HEAD) != 0)
		return 0;
	io.data.left = room - P9_DATA_HEAD;
	r = size < P9_HEAD ? -EPROTO : serve(np, req, size, &io, room);
	if (r == 0 && (!wr_ok(&io.out) || P9_HEAD + io.out.len + io.data_len > room))
		r = -EMSGSIZE;
	return reply(np, resp, -r, &io);
}

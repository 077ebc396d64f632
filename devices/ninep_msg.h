// SPDX-License-Identifier: Apache-2.0
/*
 * 9P2000.L on the wire: message numbers, requests from bytes, the compound parts of replies to bytes. Pure functions.
 *
 * A request is decoded from a private copy (the payload of Twrite stays where it is). After ninep_decode() returned 0
 * every byte of the message was used once, and every name is one component: 1 to 255 bytes, without '/' and NUL, not
 * "." and, except in a walk, not "..".
 */
#ifndef KVMBOX_NINEP_MSG_H
#define KVMBOX_NINEP_MSG_H

#include "devices/ninep.h"
#include "vmm/base/cursor.h"

enum {
	P9_RLERROR = 7,
	P9_TSTATFS = 8,
	P9_TLOPEN = 12,
	P9_TLCREATE = 14,
	P9_TSYMLINK = 16,
	P9_TMKNOD = 18,
	P9_TRENAME = 20,
	P9_TREADLINK = 22,
	P9_TGETATTR = 24,
	P9_TSETATTR = 26,
	P9_TXATTRWALK = 30,
	P9_TXATTRCREATE = 32,
	P9_TREADDIR = 40,
	P9_TFSYNC = 50,
	P9_TLOCK = 52,
	P9_TGETLOCK = 54,
	P9_TLINK = 70,
	P9_TMKDIR = 72,
	P9_TRENAMEAT = 74,
	P9_TUNLINKAT = 76,
	P9_TVERSION = 100,
	P9_TAUTH = 102,
	P9_TATTACH = 104,
	P9_TFLUSH = 108,
	P9_TWALK = 110,
	P9_TREAD = 116,
	P9_TWRITE = 118,
	P9_TCLUNK = 120,
	P9_TREMOVE = 122,
};

#define P9_HEAD       7 /* size[4] type[1] tag[2] */
#define P9_ERROR_LEN  11
#define P9_DATA_HEAD  11 /* of Rread and Rreaddir: head, count[4] */
#define P9_WRITE_HEAD 23 /* of Twrite: head, fid[4] offset[8] count[4] */
#define P9_NOTAG      0xffffU
#define P9_NOID       UINT32_MAX /* no fid, no user, no group */
#define P9_WALK_MAX   16
#define P9_TARGET_MAX 4096 /* of a symlink, its NUL included */

/* Open flags; the numbers are those of the protocol, not the host's. */
#define P9_O_ACCMODE   00000003U
#define P9_O_WRONLY    00000001U
#define P9_O_RDWR      00000002U
#define P9_O_NOACCESS  00000003U
#define P9_O_CREATE    00000100U
#define P9_O_EXCL      00000200U
#define P9_O_TRUNC     00001000U
#define P9_O_APPEND    00002000U
#define P9_O_DSYNC     00010000U
#define P9_O_DIRECTORY 00200000U
#define P9_O_NOATIME   01000000U
#define P9_O_SYNC      04000000U
#define P9_O_KNOWN                                                                                                     \
	07777703U /* with NOCTTY, NONBLOCK, FASYNC, DIRECT, LARGEFILE, NOFOLLOW, CLOEXEC: no meaning here              \
		   */

#define P9_AT_REMOVEDIR 0x200U

#define P9_SET_MODE      0x001U
#define P9_SET_UID       0x002U
#define P9_SET_GID       0x004U
#define P9_SET_SIZE      0x008U
#define P9_SET_ATIME     0x010U
#define P9_SET_MTIME     0x020U
#define P9_SET_CTIME     0x040U
#define P9_SET_ATIME_VAL 0x080U
#define P9_SET_MTIME_VAL 0x100U
#define P9_SET_KNOWN     0x1ffU

#define P9_STATS_BASIC 0x7ffULL
#define P9_STATS_BTIME 0x800ULL

#define P9_LOCK_RD      0
#define P9_LOCK_WR      1
#define P9_LOCK_UN      2
#define P9_LOCK_SUCCESS 0
#define P9_LOCK_BLOCKED 1
#define P9_LOCK_ERROR   2

#define P9_QT_DIR     0x80
#define P9_QT_SYMLINK 0x02

struct ninep_time {
	uint64_t sec, nsec;
};

/* A decoded request; which fields count is in the decoder's table. */
struct ninep_msg {
	uint8_t type;
	uint16_t tag;
	uint32_t fid;
	uint32_t fid2; /* newfid, newdirfid; Tattach: afid; Tlink: the file */
	uint32_t flags;
	uint32_t mode; /* Tsetattr too */
	uint32_t uid;  /* Tattach: n_uname; Tsetattr */
	uint32_t gid;
	uint32_t valid; /* Tsetattr */
	uint32_t major, minor;
	uint32_t count; /* Tread, Twrite, Treaddir, msize of Tversion */
	uint32_t proc;  /* locks */
	uint8_t lock;
	uint64_t off;  /* start of a lock */
	uint64_t size; /* length of a lock, size of an xattr, Tsetattr */
	struct ninep_time atime, mtime;
	bool known;     /* Tversion: it was "9P2000.L"; Tattach: the tree's name was "" or "/" */
	unsigned int n; /* names */
	int name_error; /* of the first name that is none */
	char name[P9_WALK_MAX][NINEP_NAME_MAX + 1]; /* also the name of an xattr, which may be "" */
	char target[P9_TARGET_MAX];
};

/*
 * The body of a request after its head. 0; -EOPNOTSUPP for a type that is not served; -EPROTO when short or with bytes
 * left; -EINVAL or -ENAMETOOLONG when only a name is wrong.
 */
int ninep_decode(struct ninep_msg *m, struct rd *r) MUST_CHECK;

/* Bytes the reply takes at most, head included; what varies (data, names, entries) not counted. */
size_t ninep_reply_max(const struct ninep_msg *m);

struct ninep_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

#define P9_QID_LEN 13
void ninep_put_qid(struct wr *w, const struct ninep_qid *q);
void ninep_put_str(struct wr *w, const char *s, size_t len);

struct statx;
/* Rgetattr: everything but the type and tag */
void ninep_put_attr(struct wr *w, const struct ninep_qid *q, const struct statx *st);

#endif

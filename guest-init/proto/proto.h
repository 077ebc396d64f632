// SPDX-License-Identifier: Apache-2.0
/*
 * The wire protocol between the host (monitor) and the guest's agent: frames of TLVs, little-endian.
 *
 *     frame: le32 len (bytes of body)  le16 type  le16 flags  le32 seq   then the body
 *     TLV:   le16 tag  le16 zero  le32 len   then len bytes
 *
 * Connections (all vsock):
 *   - control: the agent connects to the host's PROTO_PORT_CONTROL once, before any container process exists, and
 *     sends HELLO. The host then sends requests; every request has a seq and gets one OK or ERROR frame with the same
 *     type's seq. EXITED is sent by the agent unasked (seq 0), after all output of that process was handed to its
 * streams: exactly one for every CREATE that was answered with OK, also when START failed or the process was killed
 * before it.
 *   - streams: the host connects to the agent's PROTO_PORT_STREAM, sends one ATTACH frame, reads one OK frame; from
 *     then on the connection carries raw bytes of one stream. Half-close (shutdown for writing) is end of file.
 *     ATTACH may come before or after CREATE of its process; START fails with EAGAIN until all streams of the CREATE's
 *     mask are attached.
 * The agent accepts peers with CID 2 (the host) only.
 *
 * Bounds: a body is at most PROTO_MAX_TO_GUEST or PROTO_MAX_TO_HOST bytes. Unknown tags without PROTO_CRITICAL are
 * skipped, unknown ones with it are refused by number. Strings are bytes without NUL inside.
 * HELLO carries the version: another major is refused by name; a minor only adds non-critical tags.
 */
#ifndef KVMBOX_PROTO_H
#define KVMBOX_PROTO_H

#include "vmm/base/compat.h"
#include "vmm/base/cursor.h"

#define PROTO_MAJOR 1
#define PROTO_MINOR 0

#define PROTO_PORT_CONTROL 1024
#define PROTO_PORT_STREAM  1025

#define PROTO_HEADER_LEN   12
#define PROTO_MAX_TO_GUEST ((size_t)8 << 20) /* argv and environment up to the kernel's own limits */
#define PROTO_MAX_TO_HOST  ((size_t)64 << 10)
#define PROTO_TEXT_MAX     400 /* of an ERROR */

#define PROTO_CRITICAL 0x8000
#define PROTO_NO_ENTRY UINT32_MAX

/* Processes are numbered by the host; the container's first process is always this one. */
#define PROTO_PROC_INIT 1

enum proto_type {
	PROTO_HELLO = 1,     /* agent: VERSION, BUILD */
	PROTO_OK = 2,        /* answer; may carry TLVs of the request's kind */
	PROTO_ERROR = 3,     /* answer: ERRNO, TEXT */
	PROTO_SETUP = 4,     /* host: TIME, SEED, HOSTNAME of the VM; before anything else */
	PROTO_CREATE = 5,    /* host: PROC and the container and its process; answered when all but exec is done */
	PROTO_START = 6,     /* host: PROC; answered when exec succeeded, or with its errno */
	PROTO_SIGNAL = 7,    /* host: PROC, SIGNO, ALL */
	PROTO_WINSIZE = 8,   /* host: PROC, WINSIZE */
	PROTO_EXITED = 9,    /* agent: PROC, STATUS */
	PROTO_SHUTDOWN = 10, /* host: kill everything, sync, power off; no answer */
	PROTO_ATTACH = 11,   /* host, on a stream connection: PROC, STREAM */
	PROTO_BIND = 12,     /* host: SLOT, ADD: bind or unbind the virtio-mmio slot in sysfs */
	PROTO_PING = 13,     /* host: answered with OK */
	PROTO_TYPE_END
};

enum proto_stream { PROTO_STDIN, PROTO_STDOUT, PROTO_STDERR, PROTO_TTY, PROTO_STREAM_COUNT };

enum proto_tag {
	/* general */
	PROTO_T_VERSION = 1,  /* u16 major, u16 minor */
	PROTO_T_BUILD = 2,    /* text: version of the sender */
	PROTO_T_ERRNO = 3,    /* u32 */
	PROTO_T_TEXT = 4,     /* text */
	PROTO_T_PROC = 5,     /* u32 */
	PROTO_T_STREAM = 6,   /* u32, enum proto_stream */
	PROTO_T_SIGNO = 7,    /* u32 */
	PROTO_T_ALL = 8,      /* u8: every process of the container */
	PROTO_T_STATUS = 9,   /* u32 exit code 0..255, u32 signal or 0, u32 flags (bit 0: killed for memory) */
	PROTO_T_WINSIZE = 10, /* u16 rows, u16 columns */
	PROTO_T_TIME = 11,    /* u64 ns since the epoch */
	PROTO_T_SEED = 12,    /* random bytes */
	PROTO_T_SLOT = 13,    /* u32 */
	PROTO_T_ADD = 14,     /* u8: 1 bind, 0 unbind */

	/* CREATE: the process */
	PROTO_T_ARG = 32, /* repeated, in order */
	PROTO_T_ENV = 33, /* repeated, in order */
	PROTO_T_CWD = 34,
	PROTO_T_USER = 35,         /* u32 uid, u32 gid, u32 umask (UINT32_MAX: not given) */
	PROTO_T_GROUPS = 36,       /* u32 each */
	PROTO_T_CAPS = 37,         /* 5 x u64: bounding, effective, inheritable, permitted, ambient */
	PROTO_T_RLIMIT = 38,       /* repeated: u32 RLIMIT_x, u32 zero, u64 soft, u64 hard */
	PROTO_T_NO_NEW_PRIVS = 39, /* u8 */
	PROTO_T_OOM_SCORE = 40,    /* i32 as u32 */
	PROTO_T_TERMINAL = 41,     /* u16 rows, u16 columns (0: unknown): a pty instead of pipes */
	PROTO_T_STREAMS = 42,      /* u32 mask of 1 << enum proto_stream that will be attached; others are /dev/null */

	/* CREATE: the container */
	PROTO_T_ROOT = 64,       /* u32 entry, u32 flags (bit 0: read-only) */
	PROTO_T_NAMESPACES = 65, /* u64 of CLONE_NEWx */
	PROTO_T_HOSTNAME = 66,
	PROTO_T_DOMAINNAME = 67,
	PROTO_T_MOUNT = 68,       /* repeated, in order: struct proto_mount */
	PROTO_T_MASKED = 69,      /* repeated: path */
	PROTO_T_READONLY = 70,    /* repeated: path */
	PROTO_T_SYSCTL = 71,      /* repeated: string key, string value */
	PROTO_T_DEVICE = 72,      /* repeated: struct proto_device */
	PROTO_T_PROPAGATION = 73, /* u64 MS_ flags of the root */
	PROTO_T_CGROUP = 74,      /* reserved: limits in the guest */
};

/* Strings inside a TLV: le32 len, then the bytes. */

/* In a MOUNT: u32 entry, u32 bits, u64 flags, u64 clear, u64 propagation, string destination, string type, string data
 */
struct proto_mount {
	uint32_t entry;          /* of the 9p root, or PROTO_NO_ENTRY: a file system of the guest's own */
	uint32_t bits;           /* PROTO_MOUNT_x */
	uint64_t flags;          /* MS_ flags to set */
	uint64_t clear;          /* MS_ flags to clear ("rw", "exec", ...) */
	uint64_t propagation;    /* MS_SHARED and so on, with MS_REC; 0: none */
	const char *destination; /* all three: not terminated when read from the wire; see the lengths */
	const char *type;
	const char *data;
	size_t destination_len, type_len, data_len;
};
#define PROTO_MOUNT_FILE 1u /* the entry is a single file (or other non-directory) */
#define PROTO_MOUNT_REC  2u /* rbind */

/* In a DEVICE: u32 mode (type and permissions), u32 major, u32 minor, u32 uid, u32 gid, string path */
struct proto_device {
	uint32_t mode, major, minor, uid, gid;
	const char *path;
	size_t path_len;
};

struct proto_frame {
	uint16_t type;
	uint16_t flags; /* must be 0 */
	uint32_t seq;
	struct rd body; /* in the caller's buffer */
	size_t total;   /* header and body: bytes to drop from the buffer */
};

struct proto_tlv {
	uint16_t tag; /* without PROTO_CRITICAL */
	bool critical;
	struct rd value;
};

/* Look at the front of buf. 1: a whole frame; 0: more bytes needed; -EPROTO: bad; -EMSGSIZE: its body is larger than
 * max. */
int proto_frame_next(const uint8_t *buf, size_t len, size_t max, struct proto_frame *f) MUST_CHECK;
/* 1: a TLV; 0: end of body; -EPROTO */
int proto_tlv_next(struct rd *body, struct proto_tlv *t) MUST_CHECK;

/* Writing: begin, TLVs, end. wr_ok() tells at the end whether it fitted. */
size_t proto_begin(struct wr *w, enum proto_type type, uint32_t seq); /* returns a mark for proto_end() */
void proto_end(struct wr *w, size_t mark);
void proto_put_bytes(struct wr *w, uint16_t tag, const void *p, size_t len);
void proto_put_str(struct wr *w, uint16_t tag, const char *s);
void proto_put_u8(struct wr *w, uint16_t tag, uint8_t v);
void proto_put_u32(struct wr *w, uint16_t tag, uint32_t v);
void proto_put_u64(struct wr *w, uint16_t tag, uint64_t v);
void proto_put_mount(struct wr *w, const struct proto_mount *m);
void proto_put_device(struct wr *w, const struct proto_device *d);
void proto_put_error(struct wr *w, uint32_t seq, int errnum,
		     const char *text); /* a whole frame; text is cut at PROTO_TEXT_MAX */

/* Reading values: 0 or -EPROTO (wrong width, NUL inside, trailing bytes). Strings stay in place. */
int proto_get_u8(struct rd v, uint8_t *out) MUST_CHECK;
int proto_get_u32(struct rd v, uint32_t *out) MUST_CHECK;
int proto_get_u64(struct rd v, uint64_t *out) MUST_CHECK;
int proto_get_str(struct rd v, const char **s, size_t *len) MUST_CHECK; /* the whole value */
int proto_get_mount(struct rd v, struct proto_mount *out) MUST_CHECK;
int proto_get_device(struct rd v, struct proto_device *out) MUST_CHECK;
/* Read one inner string: le32 len and bytes; bad cursor or NUL inside: -EPROTO */
int proto_rd_str(struct rd *r, const char **s, size_t *len) MUST_CHECK;

const char *proto_type_name(uint16_t type); /* "CREATE", or "type?" */

#endif

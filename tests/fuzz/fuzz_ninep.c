// SPDX-License-Identifier: Apache-2.0
/*
 * The 9p server, with a temporary directory to serve and a canary beside it.
 *
 * Input: a byte that picks a server, then steps: type[1] len[2] body[len]. A step is a request of that type (size and
 * tag are put in front), or, from type 240 on, something the host does: see host_step() and raw_step().
 *
 * Servers: 0 plain, 1 plain and read-only, 2 synthetic, 3 with hardly any fds to use, 4 as on an old host, 5 synthetic
 * behind the virtio device and a queue.
 *
 * Oracles: a reply is whole, of the request's type or an error, carries its tag, says its own length and keeps to the
 * room there was; only a request without a head, or without room, goes unanswered. Whatever was asked, the canary is
 * what it was, and after the session's end no fd, node, lock or xattr is left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/ninep_msg.h"
#include "tests/unit/fake/fake_drv.h"
#include "virtio/p9.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                               \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

enum { PLAIN, READ_ONLY, SYNTHETIC, FEW_FDS, OLD_HOST, VIRTIO, SERVERS };

#define STEPS_MAX 64
#define ROOM_MAX  16384

static char top_path[64];
static int top, root, home; /* home: the fuzzer's own working directory, which xattr calls leave */
static struct stat canary;
static struct ninep *server[SERVERS];
static unsigned int entries; /* of the synthetic ones */
static size_t room;
static uint8_t request[65536 + P9_HEAD], reply[ROOM_MAX];
static int host_fd = -1;

static struct fake_vm vm;
static struct fake_drv drv;
static struct fake_call call;
static struct virtio_p9 *p9;
static uint64_t vm_free; /* guest memory below is the call's; each driver's rings come after */

static void put_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);

	if (fd < 0)
		return; /* a directory is there, say */
	if (write(fd, text, strlen(text)) < 0)
		perror(name);
	(void)close(fd);
}

static void clean(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *d = fdopendir(fd);

	CHECK(d != NULL);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		dir = openat(fd, e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir >= 0) {
			clean(dir);
			(void)close(dir);
		}
		(void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(d);
}

static void tree_reset(void)
{
	int moved = openat(top, "moved", O_PATH | O_DIRECTORY | O_CLOEXEC);

	clean(root);
	if (moved >= 0) {
		clean(moved);
		(void)close(moved);
		(void)unlinkat(top, "moved", AT_REMOVEDIR);
	}
	put_file(root, "file", "hello, world");
	put_file(root, "b", "");
	CHECK(mkdirat(root, "d", 0755) == 0);
	put_file(root, "d/f", "inner");
	CHECK(symlinkat("../outside/canary", root, "s") == 0);
	put_file(top, "single", "one file");
	if (mknodat(root, "p", S_IFIFO | 0644, 0) < 0)
		return;
}

static void canary_check(void)
{
	struct stat st;
	char text[8] = "";
	int fd = openat(top, "outside/canary", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && fstat(fd, &st) == 0 && read(fd, text, sizeof(text)) == 5 && memcmp(text, "alive", 5) == 0);
	CHECK(st.st_ino == canary.st_ino && st.st_nlink == canary.st_nlink && st.st_mode == canary.st_mode);
	CHECK(st.st_ctim.tv_sec == canary.st_ctim.tv_sec && st.st_ctim.tv_nsec == canary.st_ctim.tv_nsec);
	(void)close(fd);
}

static struct ninep *server_new(unsigned int kind)
{
	bool synthetic = kind == SYNTHETIC || kind == VIRTIO;
	struct ninep_entry entry[2] = { { .fd = fcntl(root, F_DUPFD_CLOEXEC, 0), .ro = kind == READ_ONLY } };
	struct ninep_config cfg = { .root = synthetic ? NINEP_SYNTHETIC : NINEP_PLAIN,
				    .entry = entry,
				    .n = synthetic ? 2 : 1,
				    .fd_max = kind == FEW_FDS ? 4 : 0,
				    .old_host = kind == OLD_HOST };
	struct ninep *np;
	struct err e;

	if (synthetic)
		entry[1].fd = openat(top, "single", O_RDWR | O_CLOEXEC);
	CHECK(ninep_new(&np, &cfg, &e) == 0);
	CHECK(ninep_worker_init(np) == 0);
	return np;
}

static void tear_down(void)
{
	int fd = open(top_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned int i;

	fake_empty(&vm, 0);
	virtio_p9_free(p9);
	fake_vm_fini(&vm);
	for (i = 0; i < VIRTIO; i++)
		ninep_free(server[i]);
	if (fd >= 0)
		clean(fd);
	(void)rmdir(top_path);
}

static void set_up(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct err e;
	unsigned int i;

	(void)snprintf(top_path, sizeof(top_path), "%s/fuzz9p.XXXXXX", base);
	CHECK(mkdtemp(top_path) != NULL);
	home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	top = open(top_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(mkdirat(top, "outside", 0755) == 0 && mkdirat(top, "root", 0755) == 0);
	put_file(top, "outside/canary", "alive");
	CHECK(fstatat(top, "outside/canary", &canary, 0) == 0);
	root = openat(top, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	tree_reset();
	log_init("fuzz", "", -1, LOG_ERROR);
	for (i = 0; i < SERVERS; i++)
		server[i] = server_new(i);
	fake_vm_init(&vm, 1 << 20, true);
	CHECK(virtio_p9_new(&p9, "t", server[VIRTIO], &vm.mem, vm.loop, &e) == 0);
	CHECK(fake_fill(&vm, 0, virtio_p9_dev(p9)) == 0);
	fake_call_init(&call, &vm, sizeof(request), ROOM_MAX);
	vm_free = vm.brk;
	(void)atexit(tear_down);
}

/* A new driver, in the place of the last one's rings */
static void probe(void)
{
	vm.brk = vm_free;
	CHECK(fake_drv_probe(&drv, &vm, 0, FAKE_FEATURES | 1, 64) == 0);
}

/* --- steps --- */

static void reply_check(size_t got, size_t len)
{
	struct rd r = rd_init(reply, got);
	uint8_t type;

	CHECK(got <= room);
	if (got == 0) {
		CHECK(len < P9_HEAD || room < P9_ERROR_LEN);
		return;
	}
	CHECK(got >= P9_HEAD);
	CHECK(rd_u32(&r) == got);
	type = rd_u8(&r);
	CHECK(type == P9_RLERROR || type == (uint8_t)(request[4] + 1));
	CHECK(rd_u16(&r) == (uint16_t)(request[5] | request[6] << 8));
	if (type == P9_RLERROR) {
		uint32_t e = rd_u32(&r);

		CHECK(got == P9_ERROR_LEN && e > 0 && e < 4096);
	}
}

static void by_virtio(size_t len)
{
	int r = fake_drv_call(&drv, 0, &call, request, len, reply, room);

	if (r >= 0) {
		reply_check((size_t)r, len);
		return;
	}
	CHECK(r == -EIO || len + room == 0);
	fake_empty(&vm, 0); /* waits for the reset */
	CHECK(fake_fill(&vm, 0, virtio_p9_dev(p9)) == 0);
	probe();
}

/* In three segments each, of which one is empty at times */
static void direct(struct ninep *np, size_t len)
{
	size_t a = min_size(len, 9), b = min_size(room, 13);
	struct iovec out[3] = { { request, a }, { request, 0 }, { request + a, len - a } };
	struct iovec in[3] = { { reply, b }, { reply + b, (room - b) / 2 }, { reply + b + (room - b) / 2, 0 } };
	struct giov req = giov_init(out, 3), resp;

	in[2].iov_len = room - b - in[1].iov_len;
	resp = giov_init(in, 3);
	reply_check(ninep_handle(np, &req, &resp), len);
}

static void send_request(unsigned int kind, size_t len)
{
	memset(reply, 0, sizeof(reply));
	if (kind == VIRTIO)
		by_virtio(len);
	else
		direct(server[kind], len);
}

/* The launcher adds an entry; what cannot be served is refused. */
static void add_entry_step(unsigned int kind, uint8_t what)
{
	static const struct {
		const char *path;
		int flags;
	} kinds[] = { { "root", O_PATH },
		      { "single", O_RDONLY },
		      { "single", O_PATH },
		      { "single", O_WRONLY },
		      { "/proc/self", O_PATH },
		      { "root/p", O_PATH },
		      { "root/p", O_RDONLY | O_NONBLOCK } };
	int fd;

	if (entries > 20)
		return;
	what %= ARRAY_SIZE(kinds);
	fd = openat(top, kinds[what].path, kinds[what].flags | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ninep_add_entry(server[kind], fd, true) < 0)
		(void)close(fd);
	else
		entries++;
}

/* What a host process or another VM may do meanwhile */
static void host_step(unsigned int kind, uint8_t what)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10 };

	switch (what) {
	case 0: (void)unlinkat(root, "file", 0); break;
	case 1: (void)renameat(root, "file", root, "b"); break;
	case 2:
		put_file(top, "new", "other");
		(void)renameat(top, "new", root, "file");
		break;
	case 3:
		(void)unlinkat(root, "file", 0);
		if (symlinkat("../outside/canary", root, "file") < 0)
			break;
		break;
	case 4:
		(void)unlinkat(root, "file", 0);
		(void)mknodat(root, "file", S_IFIFO | 0666, 0);
		break;
	case 5:
		if (host_fd < 0)
			host_fd = openat(root, "file", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (host_fd >= 0)
			(void)fcntl(host_fd, F_OFD_SETLK, &fl);
		break;
	case 6: (void)renameat(root, "d", top, "moved"); break;
	case 7: (void)renameat(top, "moved", root, "d"); break;
	default: add_entry_step(kind, what - 8); break;
	}
}

/* A request whose size is not told by its length */
static void raw_step(unsigned int kind, const uint8_t *body, size_t len)
{
	len = min_size(len, 200);
	memcpy(request, body, len);
	send_request(kind, len);
}

static void step(unsigned int kind, uint8_t type, const uint8_t *body, size_t len)
{
	static uint16_t tag;
	uint32_t size = (uint32_t)(P9_HEAD + len);

	switch (type) {
	case 240: raw_step(kind, body, len); return;
	case 241: room = len > 1 ? min_size((size_t)body[0] | (size_t)body[1] << 8, ROOM_MAX) : ROOM_MAX; return;
	case 242: host_step(kind, len > 0 ? body[0] : 0); return;
	default: break;
	}
	tag++;
	memcpy(request, &size, 4);
	request[4] = type;
	memcpy(request + 5, &tag, 2);
	memcpy(request + P9_HEAD, body, len);
	send_request(kind, size);
}

static void begin(unsigned int kind)
{
	tree_reset();
	room = ROOM_MAX;
	if (kind == VIRTIO)
		probe();
	/* a session, attached as fid 0 by user 0 */
	step(kind, P9_TVERSION,
	     (const uint8_t *)"\0\x40\0\0\x8\0"
			      "9P2000.L",
	     14);
	step(kind, P9_TATTACH, (const uint8_t *)"\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16);
}

static void end(unsigned int kind)
{
	struct ninep_usage u;

	if (kind == VIRTIO) {
		fake_empty(&vm, 0);
		CHECK(fake_fill(&vm, 0, virtio_p9_dev(p9)) == 0);
	} else {
		ninep_reset(server[kind]);
	}
	u = ninep_usage(server[kind]);
	CHECK(u.fids == 0 && u.nodes == 0 && u.fds == 0 && u.xattrs == 0 && u.locks == 0);
	if (host_fd >= 0)
		(void)close(host_fd);
	host_fd = -1;
	CHECK(fchdir(home) == 0);
	canary_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	unsigned int kind, steps;

	if (top_path[0] == '\0')
		set_up();
	if (size > sizeof(request) - P9_HEAD)
		return 0;
	kind = rd_u8(&r) % SERVERS;
	begin(kind);
	for (steps = 0; steps < STEPS_MAX && r.left > 0; steps++) {
		uint8_t type = rd_u8(&r);
		size_t want = rd_u16(&r), len = min_size(want, r.left);

		step(kind, type, len > 0 ? rd_bytes(&r, len) : &type, len);
	}
	end(kind);
	return 0;
}

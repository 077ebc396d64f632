// SPDX-License-Identifier: Apache-2.0
/*
 * A guest of its own, with no Linux in it: drives a virtio-9p device by hand and tries to get out of what is shared.
 *
 * An ELF for the 64-bit Linux entry: boot_params in rsi, the first 4 GiB mapped onto themselves, no interrupts. It
 * takes the slots from the command line (virtio_mmio.device=4K@0x...), uses the first one with a 9p device, prints a
 * line `ok NAME` or `not ok NAME` for each attempt on port 0x3f8 and `N of M ok` at the end, and powers off by port
 * 0x600. Works on a plain root and on a synthetic one (then below "0", with "1" as the other entry if there is one);
 * both must be writable. It leaves nothing behind but, should it fail, files called p9k-*.
 *
 * Build: gcc -O2 -ffreestanding -fno-pie -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none
 *        -nostdlib -static -no-pie -Wl,-Ttext-segment=0x100000 -Wl,--build-id=none -o p9kernel p9kernel.c
 * Run:   kvmbox-vmm --kernel p9kernel --console --share path=DIR,tag=t
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The way in: a stack, then the C part with boot_params. */
__asm__(".section .text.start,\"ax\"\n"
	".global _start\n"
	"_start:\n"
	"	cli\n"
	"	leaq	stack_end(%rip), %rsp\n"
	"	xorl	%ebp, %ebp\n"
	"	movq	%rsi, %rdi\n"
	"	call	p9kernel_main\n"
	"1:	hlt\n"
	"	jmp	1b\n"
	".bss\n"
	".balign 16\n"
	"	.skip	65536\n"
	"stack_end:\n"
	".text\n");

void p9kernel_main(const uint8_t *boot_params);

/* gcc calls these by itself. */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *dst, const void *src, size_t n)
{
	void *r = dst;

	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
	return r;
}

void *memset(void *dst, int c, size_t n)
{
	void *r = dst;

	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(c) : "memory");
	return r;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

/* --- ports, console --- */

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void put_char(char ch)
{
	unsigned int i;

	for (i = 0; i < 10000 && (in8(0x3fd) & 0x20) == 0; i++)
		;
	out8(0x3f8, (uint8_t)ch);
}

static void print(const char *s)
{
	while (*s != '\0')
		put_char(*s++);
}

static void print_number(unsigned int n)
{
	char buf[12];
	unsigned int i = sizeof(buf) - 1;

	buf[i] = '\0';
	do
		buf[--i] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	print(buf + i);
}

static unsigned int tried, passed;

static void report(bool good, const char *name)
{
	tried++;
	passed += good ? 1 : 0;
	print(good ? "ok " : "not ok ");
	print(name);
	print("\n");
}

static __attribute__((noreturn)) void power_off(void)
{
	print_number(passed);
	print(" of ");
	print_number(tried);
	print(" ok\n");
	out8(0x600, 1);
	for (;;)
		__asm__ volatile("hlt");
}

/* --- the device --- */

enum {
	MAGIC = 0x000,
	VERSION = 0x004,
	DEVICE_ID = 0x008,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060,
	INTERRUPT_ACK = 0x064,
	STATUS = 0x070,
	QUEUE_DESC = 0x080,
	QUEUE_DRIVER = 0x090,
	QUEUE_DEVICE = 0x0a0,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };
enum { NEXT = 1, WRITE = 2 };

#define QUEUE 16

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct {
	struct desc desc[QUEUE];
	uint16_t avail_flags, avail_idx, avail_ring[QUEUE], used_event;
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[QUEUE];
	} used __attribute__((aligned(4096)));
} ring __attribute__((aligned(4096)));

static volatile uint8_t *slot;
static uint16_t used_seen;
static uint8_t req[4096], resp[16384];
static uint32_t req_len, resp_len, resp_at;

static uint32_t reg(unsigned int off)
{
	return *(volatile uint32_t *)(volatile void *)(slot + off);
}

static void set_reg(unsigned int off, uint32_t v)
{
	*(volatile uint32_t *)(volatile void *)(slot + off) = v;
}

static void set_addr(unsigned int off, const void *p)
{
	set_reg(off, (uint32_t)(uintptr_t)p);
	set_reg(off + 4, (uint32_t)((uintptr_t)p >> 32));
}

static bool reset_device(void)
{
	unsigned int i;

	set_reg(STATUS, 0);
	for (i = 0; i < 1000000 && reg(STATUS) != 0; i++)
		;
	memset(&ring, 0, sizeof(ring));
	used_seen = 0;
	return reg(STATUS) == 0;
}

static bool start_device(void)
{
	if (!reset_device())
		return false;
	set_reg(STATUS, ACKNOWLEDGE);
	set_reg(STATUS, ACKNOWLEDGE | DRIVER);
	set_reg(DRIVER_FEATURES_SEL, 1);
	set_reg(DRIVER_FEATURES, 1); /* VERSION_1 and nothing else */
	set_reg(DRIVER_FEATURES_SEL, 0);
	set_reg(DRIVER_FEATURES, 0);
	set_reg(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	set_reg(QUEUE_SEL, 0);
	set_reg(QUEUE_NUM, QUEUE);
	set_addr(QUEUE_DESC, ring.desc);
	set_addr(QUEUE_DRIVER, &ring.avail_flags);
	set_addr(QUEUE_DEVICE, &ring.used);
	set_reg(QUEUE_READY, 1);
	set_reg(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	return reg(STATUS) == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void publish(uint16_t head)
{
	ring.avail_ring[ring.avail_idx % QUEUE] = head;
	__atomic_store_n(&ring.avail_idx, (uint16_t)(ring.avail_idx + 1), __ATOMIC_RELEASE);
	set_reg(QUEUE_NOTIFY, 0);
}

/* The length of the next reply; 0: none came, or the device asks for a reset. */
static uint32_t wait_used(void)
{
	unsigned int i;

	for (i = 0; i < 3000000; i++) {
		if (__atomic_load_n(&ring.used.idx, __ATOMIC_ACQUIRE) != used_seen)
			return ring.used.ring[used_seen++ % QUEUE].len;
		/* leaves the guest each time, which lets the worker run on a machine with one cpu */
		set_reg(INTERRUPT_ACK, reg(INTERRUPT_STATUS));
		if ((reg(STATUS) & NEEDS_RESET) != 0)
			return 0;
	}
	return 0;
}

static uint32_t exchange(uint32_t out, uint32_t in)
{
	ring.desc[0] = (struct desc){ (uintptr_t)req, out, NEXT, 1 };
	ring.desc[1] = (struct desc){ (uintptr_t)resp, in, WRITE, 0 };
	publish(0);
	return wait_used();
}

/* --- 9p --- */

enum {
	RLERROR = 7,
	TLOPEN = 12,
	TLCREATE = 14,
	TSYMLINK = 16,
	TMKNOD = 18,
	TRENAME = 20,
	TREADLINK = 22,
	TGETATTR = 24,
	TSETATTR = 26,
	TXATTRWALK = 30,
	TXATTRCREATE = 32,
	TREADDIR = 40,
	TLINK = 70,
	TMKDIR = 72,
	TRENAMEAT = 74,
	TUNLINKAT = 76,
	TVERSION = 100,
	TAUTH = 102,
	TATTACH = 104,
	TWALK = 110,
	TREAD = 116,
	TWRITE = 118,
	TCLUNK = 120,
};

enum { EPERM_ = 1, ENOENT_ = 2, EBADF_ = 9, EACCES_ = 13, EXDEV_ = 18, EINVAL_ = 22, EROFS_ = 30, ELOOP_ = 40 };

#define NOID 0xffffffffU

static void put(const void *p, size_t n)
{
	if (n <= sizeof(req) - req_len)
		memcpy(req + req_len, p, n);
	req_len += (uint32_t)n;
}

static void put16(uint32_t v)
{
	put(&v, 2);
}

static void put32(uint32_t v)
{
	put(&v, 4);
}

static void put64(uint64_t v)
{
	put(&v, 8);
}

static void put_str(const char *s)
{
	put16((uint32_t)length(s));
	put(s, length(s));
}

static void begin(uint8_t type)
{
	uint16_t tag = 1;

	req_len = 4;
	put(&type, 1);
	put(&tag, 2);
}

/* 0, the errno of an error reply, or -1 for a reply that is none */
static int call(void)
{
	uint32_t size;
	int e;

	memcpy(req, &req_len, 4);
	memset(resp, 0, 64);
	resp_len = exchange(req_len, sizeof(resp));
	memcpy(&size, resp, 4);
	resp_at = 7;
	if (resp_len < 7 || size != resp_len)
		return -1;
	if (resp[4] == RLERROR) {
		memcpy(&e, resp + 7, 4);
		return e > 0 ? e : -1;
	}
	return resp[4] == req[4] + 1 ? 0 : -1;
}

static uint64_t get(size_t n)
{
	uint64_t v = 0;

	if (n <= sizeof(v) && n <= resp_len - resp_at)
		memcpy(&v, resp + resp_at, n);
	resp_at += (uint32_t)n;
	return v;
}

static int session(void)
{
	int r;

	begin(TVERSION);
	put32(16384);
	put_str("9P2000.L");
	r = call();
	if (r != 0)
		return r;
	begin(TATTACH);
	put32(0);
	put32(NOID);
	put_str("");
	put_str("");
	put32(0);
	return call();
}

/* Walk along a path, split at each '/' as the client of an honest kernel does; 0 only when it arrived. */
static int walk(uint32_t from, uint32_t to, const char *path)
{
	uint16_t n = 0;
	uint32_t at;
	int r;

	begin(TWALK);
	put32(from);
	put32(to);
	at = req_len;
	put16(0);
	while (*path != '\0') {
		size_t len = 0;

		while (path[len] != '\0' && path[len] != '/')
			len++;
		put16((uint32_t)len);
		put(path, len);
		path += len + (path[len] == '/' ? 1 : 0);
		n++;
	}
	memcpy(req + at, &n, 2);
	r = call();
	if (r == 0 && get(2) != n)
		return ENOENT_;
	return r;
}

/* One name, with whatever is in it */
static int walk_name(uint32_t from, uint32_t to, const char *name, size_t len)
{
	begin(TWALK);
	put32(from);
	put32(to);
	put16(1);
	put16((uint32_t)len);
	put(name, len);
	return call();
}

static int clunk(uint32_t fid)
{
	begin(TCLUNK);
	put32(fid);
	return call();
}

static int lopen(uint32_t fid, uint32_t flags)
{
	begin(TLOPEN);
	put32(fid);
	put32(flags);
	return call();
}

static int lcreate(uint32_t fid, const char *name, uint32_t flags)
{
	begin(TLCREATE);
	put32(fid);
	put_str(name);
	put32(flags);
	put32(0600);
	put32(0);
	return call();
}

static int symlink_in(uint32_t fid, const char *name, const char *target)
{
	begin(TSYMLINK);
	put32(fid);
	put_str(name);
	put_str(target);
	put32(0);
	return call();
}

static int mknod_in(uint32_t fid, const char *name, uint32_t mode, uint32_t maj, uint32_t min)
{
	begin(TMKNOD);
	put32(fid);
	put_str(name);
	put32(mode);
	put32(maj);
	put32(min);
	put32(0);
	return call();
}

static int mkdir_in(uint32_t fid, const char *name)
{
	begin(TMKDIR);
	put32(fid);
	put_str(name);
	put32(0700);
	put32(0);
	return call();
}

static int rename_in(uint32_t from, const char *a, uint32_t to, const char *b)
{
	begin(TRENAMEAT);
	put32(from);
	put_str(a);
	put32(to);
	put_str(b);
	return call();
}

static int link_in(uint32_t dir, uint32_t fid, const char *name)
{
	begin(TLINK);
	put32(dir);
	put32(fid);
	put_str(name);
	return call();
}

static int unlink_in(uint32_t fid, const char *name, uint32_t flags)
{
	begin(TUNLINKAT);
	put32(fid);
	put_str(name);
	put32(flags);
	return call();
}

static uint64_t qid_path(uint32_t fid)
{
	begin(TGETATTR);
	put32(fid);
	put64(0x7ff);
	if (call() != 0)
		return 0;
	resp_at += 8 + 1 + 4; /* mask, type and version */
	return get(8);
}

/* --- the attempts --- */

enum { ROOT = 0, TOP = 1, F = 2, G = 3, H = 4 }; /* fids: the root, the writable directory, free ones */

static bool synthetic;

static void attempt_walks(void)
{
	static const char *const paths[] = {
		"proc/self", "proc/1",   "proc/sys/kernel/core_pattern", "sys/kernel",     "sys/module",
		"dev/mem",   "dev/kmsg", "proc/self/root/etc",           "proc/1/root/etc"
	};
	static const char *const names[] = { "..\0", "/", "/etc",    "/etc/passwd", "../..",    "../../etc/passwd",
					     ".",    "",  "a/../..", "0/..",        "proc/self" };
	bool found = false, taken = false;
	unsigned int i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (walk(TOP, F, paths[i]) == 0) {
			found = true;
			(void)clunk(F);
		}
	report(!found, "no proc, sys or dev of the host below the root");
	for (i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		taken = taken || walk_name(TOP, F, names[i], length(names[i])) != EINVAL_;
	taken = taken || walk_name(TOP, F, "..\0x", 4) != EINVAL_ || walk_name(TOP, F, "x\0", 2) != EINVAL_;
	report(!taken, "names that are paths, dots, empty or hold a NUL are refused");
}

static void attempt_up(void)
{
	uint64_t root = qid_path(ROOT);
	bool same;

	same = root != 0 && walk(TOP, F, "../../../../../../../../../../../../../../..") == 0 && qid_path(F) == root;
	(void)clunk(F);
	report(same, "dot dot from the root is the root");
	report(walk(TOP, F, "../../../../etc/passwd") != 0 && walk(TOP, F, "../../outside") != 0,
	       "nothing is above it");
	(void)mkdir_in(TOP, "p9k-d");
	same = walk(TOP, F, "p9k-d") == 0 && walk(F, G, "..") == 0 && qid_path(G) == qid_path(TOP);
	(void)clunk(F);
	(void)clunk(G);
	report(same, "dot dot from a directory is its parent");
	(void)unlink_in(TOP, "p9k-d", 0x200);
}

static void attempt_symlinks(void)
{
	static const char *const targets[] = { "/",          "/etc", "..", "../../../../../../etc", "/proc/self/root",
					       "/etc/passwd" };
	bool out = false, opened = false;
	unsigned int i;

	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (symlink_in(TOP, "p9k-l", targets[i]) != 0) {
			out = true;
			continue;
		}
		out = out || walk(TOP, F, "p9k-l/passwd") == 0 || walk(TOP, F, "p9k-l/etc/passwd") == 0;
		if (walk(TOP, F, "p9k-l") == 0) {
			opened = opened || lopen(F, 0) != ELOOP_ || lopen(F, 2) != ELOOP_ || mkdir_in(F, "p9k-x") == 0;
			(void)clunk(F);
		}
		(void)walk(TOP, G, "");
		opened = opened || lcreate(G, "p9k-l", 2) == 0;
		(void)clunk(G);
		(void)unlink_in(TOP, "p9k-l", 0);
	}
	report(!out, "symlinks are not walked through");
	report(!opened, "symlinks are not opened");
}

static void attempt_devices(void)
{
	static const struct {
		uint32_t mode, maj, min;
	} kinds[] = { { 0020666, 1, 1 },   { 0020666, 1, 3 }, { 0020666, 10, 232 }, { 0060666, 8, 0 },
		      { 0060666, 254, 0 }, { 0010666, 0, 0 }, { 0140666, 0, 0 } };
	bool opened = false;
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (mknod_in(TOP, "p9k-n", kinds[i].mode, kinds[i].maj, kinds[i].min) != 0)
			continue;
		if (walk(TOP, F, "p9k-n") == 0) {
			opened = opened || lopen(F, 0) == 0 || lopen(F, 1) == 0 || lopen(F, 2) == 0;
			(void)clunk(F);
		}
		(void)walk(TOP, G, "");
		opened = opened || lcreate(G, "p9k-n", 2) == 0;
		(void)clunk(G);
		(void)unlink_in(TOP, "p9k-n", 0);
	}
	report(!opened, "devices, fifos and sockets are not opened");
}

static void attempt_names_in_calls(void)
{
	static const char *const names[] = { "../p9k-x", "/tmp/p9k-x", "..", ".", "", "a/b" };
	bool taken = false;
	unsigned int i;

	(void)walk(TOP, F, "");
	taken = lcreate(F, "p9k-f", 2) != 0;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)walk(TOP, G, "");
		taken = taken || lcreate(G, names[i], 2) != EINVAL_ || mkdir_in(TOP, names[i]) != EINVAL_;
		taken = taken || symlink_in(TOP, names[i], "x") != EINVAL_ || link_in(TOP, F, names[i]) != EINVAL_;
		taken = taken || mknod_in(TOP, names[i], 0100600, 0, 0) != EINVAL_;
		taken = taken || rename_in(TOP, "p9k-f", TOP, names[i]) != EINVAL_;
		taken = taken || rename_in(TOP, names[i], TOP, "p9k-y") != EINVAL_;
		taken = taken || unlink_in(TOP, names[i], 0) != EINVAL_ || unlink_in(TOP, names[i], 0x200) != EINVAL_;
		(void)clunk(G);
	}
	report(!taken, "no call takes a path for a name");
	(void)unlink_in(TOP, "p9k-f", 0);
	(void)clunk(F);
}

static void attempt_entries(void)
{
	static const char *const none[] = {
		"1023", "1024", "-1", "00", "0x0", "4294967296", "18446744073709551616", "a"
	};
	bool found = false, changed;
	unsigned int i;

	if (!synthetic)
		return;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (walk(ROOT, F, none[i]) == 0) {
			found = true;
			(void)clunk(F);
		}
	report(!found, "only entries that were given are there");
	changed = mkdir_in(ROOT, "x") != EROFS_ || unlink_in(ROOT, "0", 0x200) != EROFS_ ||
		  rename_in(ROOT, "0", ROOT, "9") != EROFS_ || symlink_in(ROOT, "x", "/") != EROFS_;
	report(!changed, "the root cannot be changed");
	if (walk(ROOT, F, "1") != 0)
		return;
	(void)mkdir_in(TOP, "p9k-d");
	report(rename_in(TOP, "p9k-d", F, "p9k-d") != 0 && rename_in(F, "x", TOP, "x") != 0,
	       "nothing moves between entries");
	(void)unlink_in(TOP, "p9k-d", 0x200);
	(void)clunk(F);
}

static int xattr_walk(const char *name)
{
	begin(TXATTRWALK);
	put32(TOP);
	put32(F);
	put_str(name);
	return call();
}

static void attempt_xattrs(void)
{
	bool served = xattr_walk("security.selinux") == 0 || xattr_walk("trusted.overlay.redirect") == 0 ||
		      xattr_walk("security.ima") == 0;

	begin(TXATTRCREATE);
	put32(TOP);
	put_str("trusted.overlay.redirect");
	put64(1);
	put32(0);
	report(!served && call() != 0, "the host's own xattrs are not served");
}

static void attempt_malformed(void)
{
	bool good = true;
	uint32_t n;

	/* a body cut at every length */
	for (n = 7; n < 30 && good; n++) {
		begin(TMKDIR);
		put32(TOP);
		put_str("p9k-cut");
		put32(0700);
		put32(0);
		if (n >= req_len)
			break;
		req_len = n;
		good = call() > 0;
	}
	/* sizes that lie */
	begin(TCLUNK);
	put32(TOP);
	n = 0xffffffff;
	memcpy(req, &n, 4);
	good = good && exchange(11, sizeof(resp)) == 11 && resp[4] == RLERROR;
	n = 0;
	memcpy(req, &n, 4);
	good = good && exchange(11, sizeof(resp)) == 11 && resp[4] == RLERROR;
	/* a payload that is not there */
	begin(TWRITE);
	put32(TOP);
	put64(0);
	put32(0x7fffffff);
	good = good && call() > 0;
	report(good && qid_path(TOP) != 0, "malformed requests get an error and change nothing");
	report(walk(ROOT, 0xfffffffe, "") != 0 && clunk(0x10000) == EBADF_, "fid numbers out of range are refused");
}

static bool read_back(uint32_t fid, const char *text)
{
	begin(TREAD);
	put32(fid);
	put64(0);
	put32(100);
	return call() == 0 && get(4) == length(text) && memcmp(resp + 11, text, length(text)) == 0;
}

static void attempt_honest_work(void)
{
	bool good;

	(void)walk(TOP, F, "");
	good = lcreate(F, "p9k-work", 2) == 0;
	begin(TWRITE);
	put32(F);
	put64(0);
	put32(5);
	put("words", 5);
	good = good && call() == 0 && read_back(F, "words");
	report(good, "a file is written and read");
	good = unlink_in(TOP, "p9k-work", 0) == 0 && read_back(F, "words") && qid_path(F) != 0;
	good = good && walk(F, G, "") == 0 && lopen(G, 0) == 0 && read_back(G, "words");
	report(good, "it works on without its name");
	(void)clunk(F);
	(void)clunk(G);
}

/* The ring itself, broken: the device asks for a reset and lives on. */
static void attempt_ring(const char *name, struct desc a, struct desc b, uint16_t head)
{
	bool good;

	ring.desc[0] = a;
	ring.desc[1] = b;
	publish(head);
	good = wait_used() == 0 && (reg(STATUS) & NEEDS_RESET) != 0;
	good = start_device() && clunk(TOP) > 0 && session() == 0 && good;
	good = walk(ROOT, TOP, synthetic ? "0" : "") == 0 && good;
	report(good, name);
}

static void attempt_rings(void)
{
	const uintptr_t q = (uintptr_t)req, p = (uintptr_t)resp;

	attempt_ring("a request outside memory", (struct desc){ 0xfffff000, 4096, NEXT, 1 },
		     (struct desc){ p, 4096, WRITE, 0 }, 0);
	attempt_ring("a reply outside memory", (struct desc){ q, 11, NEXT, 1 },
		     (struct desc){ 0x7fffffffffffff00, 4096, WRITE, 0 }, 0);
	attempt_ring("a reply over the end of the address space", (struct desc){ q, 11, NEXT, 1 },
		     (struct desc){ UINT64_MAX - 10, 4096, WRITE, 0 }, 0);
	attempt_ring("a chain that is a circle", (struct desc){ q, 11, NEXT, 1 }, (struct desc){ q, 11, NEXT, 0 }, 0);
	attempt_ring("a head outside the ring", (struct desc){ q, 11, NEXT, 1 }, (struct desc){ p, 64, WRITE, 0 },
		     4000);
	attempt_ring("a link outside the ring", (struct desc){ q, 11, NEXT, 999 }, (struct desc){ p, 64, WRITE, 0 }, 0);
	attempt_ring("a request after its reply", (struct desc){ p, 64, WRITE | NEXT, 1 }, (struct desc){ q, 11, 0, 0 },
		     0);
	attempt_ring("a request without room for a reply", (struct desc){ q, 11, NEXT, 1 },
		     (struct desc){ p, 4, WRITE, 0 }, 0);
}

/* --- start --- */

static bool starts_with(const char *s, const char *with)
{
	return memcmp(s, with, length(with)) == 0;
}

/* The next virtio_mmio.device=4K@0xADDRESS on the command line, or 0 */
static uintptr_t next_slot(const char **at)
{
	const char *s = *at;
	uintptr_t addr = 0;

	while (*s != '\0' && !starts_with(s, "virtio_mmio.device=4K@0x"))
		s++;
	if (*s == '\0')
		return 0;
	for (s += length("virtio_mmio.device=4K@0x");; s++) {
		if (*s >= '0' && *s <= '9')
			addr = addr << 4 | (uintptr_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			addr = addr << 4 | (uintptr_t)(*s - 'a' + 10);
		else
			break;
	}
	*at = s;
	return addr;
}

static bool find_device(const uint8_t *boot_params)
{
	const char *cmdline;
	uint32_t low;
	uintptr_t addr;

	memcpy(&low, boot_params + 0x228, 4);
	cmdline = (const char *)(uintptr_t)low;
	while ((addr = next_slot(&cmdline)) != 0) {
		slot = (volatile uint8_t *)addr;
		if (reg(MAGIC) == 0x74726976 && reg(VERSION) == 2 && reg(DEVICE_ID) == 9)
			return true;
	}
	return false;
}

void p9kernel_main(const uint8_t *boot_params)
{
	if (!find_device(boot_params)) {
		report(false, "there is a 9p device");
		power_off();
	}
	report(start_device(), "the device starts");
	report(walk(ROOT, F, "") > 0, "nothing is served before a session");
	report(session() == 0, "a session begins");
	synthetic = qid_path(ROOT) == 1;
	if (walk(ROOT, TOP, synthetic ? "0" : "") != 0) {
		report(false, "there is a directory to work in");
		power_off();
	}
	attempt_honest_work();
	attempt_walks();
	attempt_up();
	attempt_symlinks();
	attempt_devices();
	attempt_names_in_calls();
	attempt_entries();
	attempt_xattrs();
	attempt_malformed();
	attempt_rings();
	attempt_honest_work();
	power_off();
}

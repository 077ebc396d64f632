// SPDX-License-Identifier: Apache-2.0
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "boot/image.h"
#include "boot/initrd.h"
#include "vmm/arch.h"
#include "vmm/base/step.h"

#define HUGE_PAGE ((uint64_t)2 << 20)

/* The last lines of a dead guest, and what `klog` gives at most */
enum { DEATH_LINES = 40, KLOG_LINES = 1000 };

/* After the guest's end: callbacks that deliver what it left, and how long readers may take */
enum { DRAIN_STEPS = 256, DRAIN_STEP_MS = 20, CONSOLE_FLUSH_MS = 1000 };

/* --- build --- */

static int host_memory_check(uint64_t size, struct err *e)
{
	struct sysinfo si;
	uint64_t total;

	if (sysinfo(&si) < 0)
		return err_set(e, errno, "sysinfo");
	total = (uint64_t)si.totalram * si.mem_unit;
	if (size <= total)
		return 0;
	return err_say(e, ENOMEM, "--mem: %" PRIu64 " MiB is more than the host has; give at most %" PRIu64 "M",
		       size >> 20, total >> 20);
}

/*
 * One private mapping for all of guest memory, on a huge page's boundary: the kernel and its tables then take a dozen
 * page faults instead of thousands. Never in a core file.
 */
static int build_memory(struct vm *vm, struct err *e)
{
	const uint64_t size = vm->cfg->mem;
	uint8_t *p;
	int r;

	r = host_memory_check(size, e);
	if (r < 0)
		return r;
	p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return err_set(e, errno, "guest memory of %" PRIu64 " MiB; give less with --mem", size >> 20);
	p += (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	(void)madvise(p, size, MADV_HUGEPAGE); /* without it: slower, and doctor says why */
	if (madvise(p, size, MADV_DONTDUMP) < 0)
		return err_set(e, errno, "guest memory: MADV_DONTDUMP");
	vm->low_ram = min_u64(size, arch_layout.low_max);
	vm->high_ram = size - vm->low_ram;
	r = gmem_add(&vm->mem, 0, vm->low_ram, p);
	if (r == 0 && vm->high_ram > 0)
		r = gmem_add(&vm->mem, arch_layout.high_base, vm->high_ram, p + vm->low_ram);
	return r < 0 ? err_set(e, -r, "guest memory") : 0;
}

static int build_kvm(struct vm *vm, struct err *e)
{
	uint32_t i;
	int r;

	r = kvm_open(&vm->kvm, vm->cfg->kvm_fd, e);
	if (r == 0)
		r = kvm_create_vm(&vm->kvm, e);
	for (i = 0; r == 0 && i < vm->mem.count; i++) {
		const struct gmem_region *g = &vm->mem.region[i];

		r = kvm_add_memory(&vm->kvm, i, g->gpa, g->size, g->hva, e);
	}
	return r < 0 ? r : arch_vm_init(vm, e);
}

static int open_image(const struct config_file *f, const char *what, struct boot_file *out, char *name, size_t cap,
		      struct err *e)
{
	if (f->path == NULL) {
		(void)snprintf(name, cap, "fd %d", f->fd);
		*out = (struct boot_file){ .fd = f->fd, .name = name };
		return 0;
	}
	*out = (struct boot_file){ .fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), .name = f->path };
	return out->fd < 0 ? err_set(e, errno, "%s: open `%s`", what, f->path) : 0;
}

static int build_images(struct vm *vm, struct err *e)
{
	static char kernel_name[16];
	struct boot_initrd initrd = { 0 };
	struct boot_kernel kernel = { 0 };
	struct boot_file f = { .fd = -1 };
	struct cmdline cmdline;
	char name[16];
	int r;

	r = open_image(&vm->cfg->kernel, "kernel", &vm->kernel, kernel_name, sizeof(kernel_name), e);
	if (r == 0)
		r = image_load(&vm->kernel, &vm->mem, &kernel, e);
	if (r < 0)
		return r;
	if (vm->cfg->initrd.path != NULL || vm->cfg->initrd.fd >= 0) {
		const char *what = vm->cfg->initrd_is_init ? "init" : "initrd";

		r = open_image(&vm->cfg->initrd, what, &f, name, sizeof(name), e);
		if (r == 0 && vm->cfg->initrd_is_init)
			r = initrd_wrap(&f, &vm->mem, kernel.end, &initrd, e);
		else if (r == 0)
			r = initrd_load(&f, &vm->mem, kernel.end, &initrd, e);
		if (f.fd >= 0)
			(void)close(f.fd);
	}
	if (r == 0)
		r = machine_cmdline(vm->cfg, &cmdline, e);
	return r < 0 ? r : arch_boot(vm, &kernel, &initrd, cmdline.text, e);
}

static int ctl_entry_add(void *ctx, int fd, bool ro, struct err *e)
{
	return machine_add_entry(ctx, fd, ro, e);
}

static int ctl_slot_add(void *ctx, int fd, const char *tag, bool ro, struct err *e)
{
	return machine_add_share(ctx, fd, tag, ro, e);
}

static int ctl_slot_del(void *ctx, unsigned int slot, struct err *e)
{
	return machine_del_share(ctx, slot, e);
}

static int vm_klog(struct vm *vm, unsigned int max, bool *panicked, struct err *e);

static int ctl_klog(void *ctx, struct err *e)
{
	return vm_klog(ctx, KLOG_LINES, NULL, e);
}

static void ctl_hangup(void *ctx)
{
	struct vm *vm = ctx;

	vm->at_once = true;
	vm_end(vm, END_KILLED, "the launcher is gone");
}

static const struct control_ops control_ops = {
	.entry_add = ctl_entry_add,
	.slot_add = ctl_slot_add,
	.slot_del = ctl_slot_del,
	.klog = ctl_klog,
	.hangup = ctl_hangup,
};

static void signal_ready(void *arg, uint32_t events UNUSED)
{
	struct vm *vm = arg;
	struct signalfd_siginfo si;

	if (read(vm->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	vm->at_once = true;
	vm_end(vm, END_KILLED, "signal %u", si.ssi_signo);
}

/* All signals wait; those that ask for the end are read by the loop. */
static int build_signals(struct vm *vm, struct err *e)
{
	sigset_t all, end;

	(void)sigfillset(&all);
	(void)sigemptyset(&end);
	(void)sigaddset(&end, SIGTERM);
	(void)sigaddset(&end, SIGINT);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	vm->signal_fd = signalfd(-1, &end, SFD_CLOEXEC | SFD_NONBLOCK);
	if (vm->signal_fd < 0)
		return err_set(e, errno, "signalfd");
	if (loop_add_fd(vm->loop, vm->signal_fd, EPOLLIN, signal_ready, vm) == 0)
		return err_say(e, ENOSPC, "signalfd cannot be watched");
	return 0;
}

static int build_devices(struct vm *vm, struct err *e)
{
	int r = build_signals(vm, e); /* before there are threads, which inherit the mask */

	if (r == 0)
		r = arch_platform_init(vm, e);
	if (r == 0)
		r = machine_init(vm, e);
	return r < 0 ? r : control_init(&vm->control, vm->loop, vm->cfg->control_fd, &control_ops, vm, e);
}

static int build_vcpus(struct vm *vm, struct err *e)
{
	unsigned int i;
	int r = 0;

	for (i = 0; r == 0 && i < vm->cpus; i++)
		r = vcpu_create(&vm->vcpu[i], vm, i, e);
	for (i = 0; r == 0 && i < vm->cpus; i++)
		r = arch_vcpu_init(&vm->vcpu[i], e);
	return r;
}

int vm_build(struct vm *vm, const struct vm_config *cfg, struct err *e)
{
	int r;

	vm->cfg = cfg;
	vm->cpus = cfg->cpus;
	r = build_memory(vm, e);
	if (r < 0)
		return r;
	step("vmm:memory");
	r = build_kvm(vm, e);
	if (r < 0)
		return r;
	step("vmm:kvm");
	r = build_images(vm, e);
	if (r < 0)
		return r;
	step("vmm:kernel");
	r = loop_new(&vm->loop);
	if (r < 0)
		return err_set(e, -r, "event loop");
	r = build_vcpus(vm, e);
	if (r == 0)
		r = build_devices(vm, e);
	if (r < 0)
		return r;
	step("vmm:devices");
	return 0;
}

/* --- run --- */

int vm_run(struct vm *vm, struct err *e)
{
	unsigned int i;
	int r;

	step("vmm:before-run");
	for (i = 0; i < vm->cpus; i++) {
		r = vcpu_start(&vm->vcpu[i], e);
		if (r < 0)
			return r;
	}
	r = loop_run(vm->loop);
	if (r < 0)
		vm_end(vm, END_INTERNAL, "event loop: %s", strerror(-r));
	step("vmm:exit");
	return 0;
}

void vm_end(struct vm *vm, enum end_kind kind, const char *fmt, ...)
{
	bool locked = loop_is_locked(vm->loop);
	va_list ap;

	if (!locked)
		loop_lock(vm->loop);
	if (vm->end == END_NONE) {
		va_start(ap, fmt);
		(void)vsnprintf(vm->end_text, sizeof(vm->end_text), fmt, ap);
		va_end(ap);
		__atomic_store_n(&vm->end, kind, __ATOMIC_RELAXED);
	}
	if (!locked)
		loop_unlock(vm->loop);
	loop_stop(vm->loop);
}

/* --- finish --- */

struct klog {
	bool print;
	bool panicked;
};

static void klog_print(uint64_t ts_ns, const char *text, size_t len)
{
	char safe[LOG_LINE_MAX / 2];

	log_error("guest", "[%5" PRIu64 ".%06" PRIu64 "] %s", ts_ns / 1000000000, ts_ns / 1000 % 1000000,
		  log_escape(safe, sizeof(safe), text, len));
}

static void klog_line(void *arg, const struct printk_line *line)
{
	static const char panic[] = "Kernel panic - not syncing";
	struct klog *k = arg;
	const char *p = line->text, *end = line->text + line->len;

	if (line->len >= sizeof(panic) - 1 && memcmp(line->text, panic, sizeof(panic) - 1) == 0)
		k->panicked = true;
	while (k->print && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl != NULL ? nl : end;

		klog_print(line->ts_ns, p, (size_t)(stop - p));
		p = nl != NULL ? nl + 1 : end;
	}
}

/* The guest kernel's last lines: to the log, or (panicked given) only looked at. Returns their number. */
static int vm_klog(struct vm *vm, unsigned int max, bool *panicked, struct err *e)
{
	struct klog k = { .print = panicked == NULL };
	int r;

	if (vm->printk.prb == 0) {
		r = printk_find(&vm->kernel, &vm->printk, e);
		if (r < 0)
			return r;
	}
	r = printk_read(&vm->mem, &vm->printk, max, klog_line, &k);
	if (r < 0)
		return err_say(e, -r,
			       "the guest's memory holds no kernel log yet (or its kernel is not Linux 6.8 to 6.12)");
	if (panicked != NULL)
		*panicked = k.panicked;
	return r;
}

static void tell_death(struct vm *vm, const char *how)
{
	struct err e = { 0 };
	int r;

	log_error("vm", "the guest died: %s%s%s", how, vm->end_text[0] != '\0' ? ": " : "", vm->end_text);
	r = vm_klog(vm, DEATH_LINES, NULL, &e);
	if (r < 0)
		log_error("vm", "%s", e.text);
	else if (r == 0)
		log_error("vm", "the guest's kernel log is empty");
}

/* What the guest handed over before its end still reaches its readers, unless we are told to go. */
static void drain(struct vm *vm)
{
	unsigned int i, left;
	int n;

	for (i = 0; i < DRAIN_STEPS && !vm->at_once; i++) {
		unsigned int s;

		for (s = 0, left = 0; s < MACHINE_SLOTS; s++)
			if (vm->machine.slot[s].vsock != NULL)
				left += vsock_mux_unflushed(virtio_vsock_mux(vm->machine.slot[s].vsock));
		n = loop_step(vm->loop, left > 0 ? DRAIN_STEP_MS : 0);
		if (n < 0 || (n == 0 && left == 0))
			break;
	}
	if (vm->cfg->console && !vm->at_once)
		serial_flush(&vm->serial, CONSOLE_FLUSH_MS);
}

static const struct {
	const char *word; /* of the control protocol */
	int status;
} end_kinds[] = {
	[END_NONE] = { "internal", EXIT_INTERNAL },
	[END_POWER_OFF] = { "poweroff", EXIT_OFF },
	[END_RESET] = { "reset", EXIT_RESET },
	[END_PANIC] = { "panic", EXIT_GUEST_DIED },
	[END_TRIPLE_FAULT] = { "triple-fault", EXIT_GUEST_DIED },
	[END_KILLED] = { "killed", EXIT_KILLED },
	[END_INTERNAL] = { "internal", EXIT_INTERNAL },
};
static_assert(ARRAY_SIZE(end_kinds) == END_KIND_COUNT, "a word and a status for every end");

int vm_finish(struct vm *vm)
{
	enum end_kind kind = vm->end;
	struct err e = { 0 };
	bool panicked = false;

	drain(vm);
	/* A kernel without the power port panics and then resets. */
	if ((kind == END_RESET && vm->legacy_reset) || kind == END_TRIPLE_FAULT)
		if (vm_klog(vm, DEATH_LINES, &panicked, &e) >= 0 && panicked)
			kind = END_PANIC;
	if (kind == END_PANIC || kind == END_TRIPLE_FAULT || kind == END_INTERNAL)
		tell_death(vm, end_kinds[kind].word);
	else
		log_info("vm", "%s%s%s", end_kinds[kind].word, vm->end_text[0] != '\0' ? ": " : "", vm->end_text);
	/* Nobody may listen any more; the exit status says it too. */
	(void)control_send(vm->cfg->control_fd, "exit %s%s%s", end_kinds[kind].word, vm->end_text[0] != '\0' ? " " : "",
			   vm->end_text);
	return end_kinds[kind].status;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/kvm_probe.h"

#include <errno.h>

#ifndef __x86_64__

int kvm_probe(int kvm_fd, struct kvm_speed *out, const char **step)
{
	(void)kvm_fd;
	*out = (struct kvm_speed){ 0 };
	*step = "probe";
	return -ENOSYS;
}

#else

#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define MEMORY_LEN 0x4000
#define CODE_GPA   0x1000
#define TSS_ADDR   0xfffbd000 /* where KVM may put its own task state on Intel, below 4 GiB */
#define LOOPS      2000000u
#define LOOPS_WARM 1000u
#define LOOP_INSNS 2u
#define TICK_US    10000 /* the timer goes on ticking, so that one lost before KVM_RUN does no harm */
#define TICKS_MAX  5

struct probe {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_len;
	const char *step;
};

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static uint64_t cpu_ns(void)
{
	struct timespec t = { 0 };

	/* processor time of this thread: a busy machine does not look like a slow one */
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t ips(uint64_t loops, uint64_t ns)
{
	return loops * LOOP_INSNS * 1000000000u / (ns > 0 ? ns : 1);
}

static int failed(struct probe *p, const char *step)
{
	p->step = step;
	return -errno;
}

static int make_vm(struct probe *p)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY_LEN };
	int len;

	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return failed(p, "KVM_CREATE_VM");
	p->memory = mmap(NULL, MEMORY_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->memory == MAP_FAILED)
		return failed(p, "mmap");
	slot.userspace_addr = (uintptr_t)p->memory;
	if (ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return failed(p, "KVM_SET_USER_MEMORY_REGION");
	if (ioctl(p->vm, KVM_SET_TSS_ADDR, TSS_ADDR) < 0)
		return failed(p, "KVM_SET_TSS_ADDR");
	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0)
		return failed(p, "KVM_CREATE_VCPU");
	len = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (len < (int)sizeof(*p->run)) {
		errno = EPROTO;
		return failed(p, "KVM_GET_VCPU_MMAP_SIZE");
	}
	p->run_len = (size_t)len;
	p->run = mmap(NULL, p->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	return p->run == MAP_FAILED ? failed(p, "mmap of the vcpu") : 0;
}

static void drop_vm(struct probe *p)
{
	if (p->run != MAP_FAILED)
		(void)munmap(p->run, p->run_len);
	if (p->memory != MAP_FAILED)
		(void)munmap(p->memory, MEMORY_LEN);
	fd_close(&p->vcpu);
	fd_close(&p->vm);
}

/* Protected mode, ring 0, flat segments, no paging */
static int set_mode(struct probe *p)
{
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 16,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_segment code = data;
	struct kvm_sregs s;

	if (ioctl(p->vcpu, KVM_GET_SREGS, &s) < 0)
		return failed(p, "KVM_GET_SREGS");
	code.selector = 8;
	code.type = 11;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 |= 1;
	return ioctl(p->vcpu, KVM_SET_SREGS, &s) < 0 ? failed(p, "KVM_SET_SREGS") : 0;
}

static int set_count(struct probe *p, uint32_t loops)
{
	const struct kvm_regs r = { .rip = CODE_GPA, .rcx = loops, .rflags = 2 };

	return ioctl(p->vcpu, KVM_SET_REGS, &r) < 0 ? failed(p, "KVM_SET_REGS") : 0;
}

/* Run to the end of the countdown, or until the timer has ticked enough. *done: how far it came. */
static int run_loop(struct probe *p, uint32_t loops, uint64_t *done)
{
	struct kvm_regs r;

	ticks = 0;
	while (ticks < TICKS_MAX) {
		if (ioctl(p->vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return failed(p, "KVM_RUN");
		}
		if (p->run->exit_reason == KVM_EXIT_HLT) {
			*done = loops;
			return 0;
		}
		if (p->run->exit_reason != KVM_EXIT_INTR) {
			errno = EPROTO;
			return failed(p, "the countdown in the VM");
		}
	}
	if (ioctl(p->vcpu, KVM_GET_REGS, &r) < 0)
		return failed(p, "KVM_GET_REGS");
	*done = loops - min_u64(r.rcx, loops);
	return 0;
}

static int time_guest(struct probe *p, uint64_t *out)
{
	/* dec ecx; jnz back; hlt */
	static const uint8_t code[] = { 0x49, 0x75, 0xfd, 0xf4 };
	uint64_t start, done = 0;
	int r;

	memcpy(p->memory + CODE_GPA, code, sizeof(code));
	r = set_mode(p);
	if (r == 0)
		r = set_count(p, LOOPS_WARM); /* the first entry brings the pages in */
	if (r == 0)
		r = run_loop(p, LOOPS_WARM, &done);
	if (r == 0)
		r = set_count(p, LOOPS);
	start = cpu_ns();
	if (r == 0)
		r = run_loop(p, LOOPS, &done);
	*out = ips(done, cpu_ns() - start);
	return r;
}

static uint64_t time_user(void)
{
	uint32_t loops = LOOPS;
	uint64_t start = cpu_ns();

	__asm__ volatile("1: decl %0\n\tjnz 1b" : "+r"(loops) : : "cc");
	return ips(LOOPS, cpu_ns() - start);
}

static int probe_timed(struct probe *p, struct kvm_speed *out)
{
	const struct itimerval on = { .it_interval.tv_usec = TICK_US, .it_value.tv_usec = TICK_US }, off = { 0 };
	const struct sigaction act = { .sa_handler = on_tick }; /* without SA_RESTART */
	struct sigaction old;
	sigset_t alarm, mask;
	int r;

	(void)sigemptyset(&alarm);
	(void)sigaddset(&alarm, SIGALRM);
	if (sigaction(SIGALRM, &act, &old) < 0)
		return failed(p, "sigaction");
	(void)sigprocmask(SIG_UNBLOCK, &alarm, &mask);
	if (setitimer(ITIMER_REAL, &on, NULL) < 0)
		r = failed(p, "setitimer");
	else
		r = time_guest(p, &out->guest_ips);
	(void)setitimer(ITIMER_REAL, &off, NULL);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)sigaction(SIGALRM, &old, NULL);
	return r;
}

int kvm_probe(int kvm_fd, struct kvm_speed *out, const char **step)
{
	struct probe p = { .kvm = kvm_fd, .vm = -1, .vcpu = -1, .memory = MAP_FAILED, .run = MAP_FAILED };
	int r = make_vm(&p);

	*out = (struct kvm_speed){ 0 };
	if (r == 0)
		r = probe_timed(&p, out);
	drop_vm(&p);
	out->user_ips = time_user();
	*step = p.step;
	return r;
}

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The VM without KVM: what exits do, how the VM ends and tells it, the kernel's command line. struct vm is filled by
 * hand as far as the code under test looks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake/fake_elf.h"
#include "tests/unit/fake/fake_ring.h"
#include "tests/unit/fake/suite.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

static struct vm vm;
static struct vm_config cfg;
static struct vcpu vcpu;
static struct kvm_run *run;
static int peer, log_fd;
static uint8_t ram[FAKE_RING_LEN] __attribute__((aligned(4096)));
static struct fake_ring ring;

/* A device that remembers the last access */
static struct {
	uint64_t off, val;
	unsigned int size, reads, writes;
} seen;

static uint64_t dev_read(void *dev UNUSED, uint64_t off, unsigned int size)
{
	seen.off = off;
	seen.size = size;
	seen.reads++;
	return 0x1122334455667700 + seen.reads;
}

static void dev_write(void *dev UNUSED, uint64_t off, unsigned int size, uint64_t val)
{
	seen.off = off;
	seen.size = size;
	seen.val = val;
	seen.writes++;
}

static const struct bus_ops dev_ops = { .read = dev_read, .write = dev_write };

/* A kernel file whose symbol `prb` leads to a ring in guest memory */
static void give_kernel(void)
{
	static const char *const name[] = { "prb" };
	static const uint64_t value[] = { FAKE_RING_VIRT };
	static struct fake_elf elf;

	fake_elf_init(&elf, 0x100000, 1);
	fake_elf_load(&elf, 0, FAKE_RING_VIRT, 0, "x", 1, sizeof(ram));
	fake_elf_symbols(&elf, name, value, 1);
	vm.kernel = (struct boot_file){ .fd = fake_file(elf.buf, elf.len), .name = "vmlinux" };
	fake_ring_init(&ring, ram, FAKE_RING_VIRT);
}

static void start(void)
{
	int sv[2];

	memset(&seen, 0, sizeof(seen));
	run = calloc(3, 4096);
	ck_assert_ptr_nonnull(run);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	log_init("kvmbox-vmm", "test", log_fd, LOG_WARN);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	peer = sv[0];
	cfg.control_fd = sv[1];
	vm.cfg = &cfg;
	vcpu = (struct vcpu){ .vm = &vm, .run = run };
	ck_assert_int_eq(loop_new(&vm.loop), 0);
	ck_assert_int_eq(gmem_add(&vm.mem, 0, sizeof(ram), ram), 0);
	ck_assert_int_eq(bus_add(&vm.mmio, 0xd0000000, 0x1000, &dev_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&vm.ports, 0x3f8, 8, &dev_ops, NULL), 0);
	give_kernel();
}

static const char *log_text(void)
{
	static char text[65536];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* vm_finish(), which must give this status and this last message */
static void finishes(int status, const char *message)
{
	char buf[1024];
	ssize_t n;

	ck_assert_int_eq(vm_finish(&vm), status);
	n = recv(peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	ck_assert_int_gt(n, 0);
	buf[n] = '\0';
	ck_assert_str_eq(buf, message);
}

START_TEST(test_memory_exits_go_to_the_bus)
{
	const uint32_t val = 0xcafe;

	start();
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = 0xd0000010;
	run->mmio.len = 4;
	run->mmio.is_write = 1;
	memcpy(run->mmio.data, &val, sizeof(val));
	vcpu_handle_exit(&vcpu);
	ck_assert(seen.writes == 1 && seen.off == 0x10 && seen.size == 4 && seen.val == 0xcafe);
	run->mmio.is_write = 0;
	vcpu_handle_exit(&vcpu);
	ck_assert_mem_eq(run->mmio.data, "\x01\x77\x66\x55", 4);
	run->mmio.phys_addr = 0xd0001000;
	vcpu_handle_exit(&vcpu);
	ck_assert_mem_eq(run->mmio.data, "\xff\xff\xff\xff", 4);
	ck_assert(!vm_ended(&vm));
}
END_TEST

START_TEST(test_memory_exits_of_impossible_size_touch_nothing)
{
	start();
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = 0xd0000000;
	run->mmio.len = 9;
	vcpu_handle_exit(&vcpu);
	run->mmio.len = 0;
	vcpu_handle_exit(&vcpu);
	ck_assert_uint_eq(seen.reads, 0);
}
END_TEST

START_TEST(test_port_exits_do_every_access_of_a_string)
{
	uint8_t *data;

	start();
	run->exit_reason = KVM_EXIT_IO;
	run->io.data_offset = 4096;
	data = (uint8_t *)run + 4096;
	run->io.port = 0x3f8;
	run->io.size = 1;
	run->io.count = 3;
	run->io.direction = KVM_EXIT_IO_OUT;
	memcpy(data, "abc", 3);
	vcpu_handle_exit(&vcpu);
	ck_assert(seen.writes == 3 && seen.val == 'c' && seen.off == 0);
	run->io.direction = KVM_EXIT_IO_IN;
	run->io.size = 2;
	run->io.count = 2;
	vcpu_handle_exit(&vcpu);
	ck_assert_mem_eq(data, "\x01\x77\x02\x77", 4);
	run->io.port = 0x99;
	run->io.count = 1;
	vcpu_handle_exit(&vcpu);
	ck_assert_mem_eq(data, "\xff\xff", 2);
}
END_TEST

static const struct {
	uint32_t reason, type;
	enum end_kind end;
} ends[] = {
	{ KVM_EXIT_SHUTDOWN, 0, END_TRIPLE_FAULT },
	{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_SHUTDOWN, END_POWER_OFF },
	{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_RESET, END_RESET },
	{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_CRASH, END_PANIC },
	{ KVM_EXIT_SYSTEM_EVENT, 77, END_INTERNAL },
	{ KVM_EXIT_HLT, 0, END_INTERNAL },
	{ KVM_EXIT_FAIL_ENTRY, 0, END_INTERNAL },
	{ KVM_EXIT_INTERNAL_ERROR, 0, END_INTERNAL },
	{ KVM_EXIT_UNKNOWN, 0, END_INTERNAL },
	{ 9999, 0, END_INTERNAL },
	{ KVM_EXIT_INTR, 0, END_NONE },
};

START_TEST(test_every_exit_has_a_meaning)
{
	size_t i;

	start();
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		vm.end = END_NONE;
		run->exit_reason = ends[i].reason;
		run->internal.suberror = 0;
		if (ends[i].reason == KVM_EXIT_SYSTEM_EVENT)
			run->system_event.type = ends[i].type;
		vcpu_handle_exit(&vcpu);
		ck_assert_msg(vm.end == ends[i].end, "exit %u: %u", ends[i].reason, vm.end);
	}
}
END_TEST

START_TEST(test_the_first_end_counts_and_stops_the_loop)
{
	start();
	vm_end(&vm, END_POWER_OFF, "%s", "");
	vm_end(&vm, END_PANIC, "late");
	ck_assert_int_eq(loop_run(vm.loop), 0);
	finishes(EXIT_OFF, "exit poweroff");
	ck_assert_str_eq(log_text(), "");
}
END_TEST

START_TEST(test_the_end_may_come_with_the_lock_held)
{
	start();
	loop_lock(vm.loop);
	vm_end(&vm, END_KILLED, "signal %d", 15);
	loop_unlock(vm.loop);
	finishes(EXIT_KILLED, "exit killed signal 15");
}
END_TEST

START_TEST(test_reset_has_a_status_of_its_own)
{
	start();
	vm_end(&vm, END_RESET, "%s", "");
	finishes(EXIT_RESET, "exit reset");
}
END_TEST

START_TEST(test_a_dead_guests_last_lines_are_logged_escaped)
{
	start();
	fake_ring_add(&ring, 1500000000, 6, "Run /init");
	fake_ring_add(&ring, 2000001000, 0, "Kernel panic: \033[31mred\nsecond");
	vm_end(&vm, END_PANIC, "%s", "");
	finishes(EXIT_GUEST_DIED, "exit panic");
	ck_assert_ptr_nonnull(strstr(log_text(), "the guest died: panic\n"));
	ck_assert_ptr_nonnull(strstr(log_text(), "guest: [    1.500000] Run /init\n"));
	ck_assert_ptr_nonnull(strstr(log_text(), "guest: [    2.000001] Kernel panic: \\x1b[31mred\n"));
	ck_assert_ptr_nonnull(strstr(log_text(), "guest: [    2.000001] second\n"));
}
END_TEST

START_TEST(test_a_dead_guest_without_a_log_says_why_there_is_none)
{
	start();
	memset(ram, 0, sizeof(ram));
	vm_end(&vm, END_TRIPLE_FAULT, "processor 0");
	finishes(EXIT_GUEST_DIED, "exit triple-fault processor 0");
	ck_assert_ptr_nonnull(strstr(log_text(), "the guest died: triple-fault: processor 0\n"));
	ck_assert_ptr_nonnull(strstr(log_text(), "no kernel log yet"));
}
END_TEST

START_TEST(test_a_reset_after_a_panic_is_a_panic)
{
	start();
	fake_ring_add(&ring, 1, 0, "Kernel panic - not syncing: Attempted to kill init!");
	vm.legacy_reset = true;
	vm_end(&vm, END_RESET, "%s", "");
	finishes(EXIT_GUEST_DIED, "exit panic");
}
END_TEST

START_TEST(test_a_reset_by_the_power_port_is_believed)
{
	start();
	fake_ring_add(&ring, 1, 0, "Kernel panic - not syncing: said by a program in /dev/kmsg");
	vm_end(&vm, END_RESET, "%s", "");
	finishes(EXIT_RESET, "exit reset");
}
END_TEST

/* Keeps the loop busy, as a reader that takes its bytes one by one does */
static void busy(void *arg, uint32_t events UNUSED)
{
	unsigned int *calls = arg;

	(*calls)++;
	if (*calls == 3)
		vm.at_once = true; /* as a signal or the launcher's hang-up does */
}

START_TEST(test_what_is_ready_is_delivered_until_told_to_go)
{
	unsigned int calls = 0;
	int fds[2];

	start();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_uint_ne(loop_add_fd(vm.loop, fds[1], EPOLLOUT, busy, &calls), 0);
	vm_end(&vm, END_POWER_OFF, "%s", "");
	finishes(EXIT_OFF, "exit poweroff");
	ck_assert_uint_eq(calls, 3);
}
END_TEST

START_TEST(test_a_loop_that_never_rests_does_not_hold_up_the_end)
{
	unsigned int calls = 3; /* never told */
	int fds[2];

	start();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_uint_ne(loop_add_fd(vm.loop, fds[1], EPOLLOUT, busy, &calls), 0);
	vm_end(&vm, END_POWER_OFF, "%s", "");
	finishes(EXIT_OFF, "exit poweroff");
	ck_assert_uint_gt(calls, 100);
}
END_TEST

START_TEST(test_internal_errors_say_what)
{
	start();
	vm_end(&vm, END_INTERNAL, "KVM gave up");
	finishes(EXIT_INTERNAL, "exit internal KVM gave up");
}
END_TEST

START_TEST(test_command_line_declares_all_slots_and_ends_with_the_users_words)
{
	struct vm_config c = { .cmdline = "user=1" };
	struct cmdline line;
	const char *p;
	struct err e;
	int n = 0;

	ck_assert_int_eq(machine_cmdline(&c, &line, &e), 0);
	for (p = line.text; (p = strstr(p, "virtio_mmio.device=")) != NULL; p++)
		n++;
	ck_assert_int_eq(n, MACHINE_SLOTS);
	ck_assert_ptr_nonnull(strstr(line.text, "4K@0xd000f000:20"));
	ck_assert_ptr_nonnull(strstr(line.text, "quiet 8250.nr_uarts=0 "));
	ck_assert_ptr_null(strstr(line.text, "console="));
	ck_assert_str_eq(line.text + strlen(line.text) - 7, " user=1");
	c.console = true;
	ck_assert_int_eq(machine_cmdline(&c, &line, &e), 0);
	ck_assert_ptr_nonnull(strstr(line.text, "console=ttyS0 "));
	ck_assert_ptr_null(strstr(line.text, "quiet"));
}
END_TEST

START_TEST(test_command_line_that_is_too_long_is_an_error)
{
	static char words[CMDLINE_MAX];
	struct vm_config c = { .cmdline = words };
	struct cmdline line;
	struct err e;

	memset(words, 'x', 1500);
	ck_assert_int_eq(machine_cmdline(&c, &line, &e), -E2BIG);
	words[800] = '\0';
	ck_assert_int_eq(machine_cmdline(&c, &line, &e), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_memory_exits_go_to_the_bus,
		test_memory_exits_of_impossible_size_touch_nothing,
		test_port_exits_do_every_access_of_a_string,
		test_every_exit_has_a_meaning,
		test_the_first_end_counts_and_stops_the_loop,
		test_the_end_may_come_with_the_lock_held,
		test_reset_has_a_status_of_its_own,
		test_a_dead_guests_last_lines_are_logged_escaped,
		test_a_dead_guest_without_a_log_says_why_there_is_none,
		test_a_reset_after_a_panic_is_a_panic,
		test_a_reset_by_the_power_port_is_believed,
		test_what_is_ready_is_delivered_until_told_to_go,
		test_a_loop_that_never_rests_does_not_hold_up_the_end,
		test_internal_errors_say_what,
		test_command_line_declares_all_slots_and_ends_with_the_users_words,
		test_command_line_that_is_too_long_is_an_error,
	};

	return suite_run("vm", tests, ARRAY_SIZE(tests));
}

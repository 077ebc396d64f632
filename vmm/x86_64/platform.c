// SPDX-License-Identifier: Apache-2.0
/*
 * The x86-64 machine: addresses, ports, the kernel's command line, the boot tables.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "boot/x86_64/linux64.h"
#include "boot/x86_64/mptable.h"
#include "vmm/arch.h"
#include "vmm/vm.h"
#include "vmm/x86_64/layout.h"

const struct arch_layout arch_layout = {
	.low_max = X86_LOW_MAX,
	.high_base = X86_HIGH_BASE,
	.slot_base = X86_SLOT_BASE,
	.slot_gsi = X86_SLOT_GSI,
};

static_assert(X86_SLOT_GSI + MACHINE_SLOTS <= MPTABLE_PINS, "every slot has a pin");
static_assert(CONFIG_CPUS_MAX <= MPTABLE_CPUS_MAX, "every processor has an entry");

/* Device lock held, on a vcpu thread */
static void power_event(void *ctx, enum power_event ev)
{
	struct vm *vm = ctx;

	switch (ev) {
	case POWER_OFF: vm_end(vm, END_POWER_OFF, "%s", ""); return;
	case POWER_RESET: vm_end(vm, END_RESET, "%s", ""); return;
	case POWER_KEYBOARD_RESET:
		vm->legacy_reset = true;
		vm_end(vm, END_RESET, "%s", "");
		return;
	case POWER_PANIC: vm_end(vm, END_PANIC, "%s", ""); return;
	}
}

int arch_platform_init(struct vm *vm, struct err *e)
{
	int r = power_init(&vm->power, &vm->ports, power_event, vm);

	if (r < 0)
		return err_set(e, -r, "power port");
	if (!vm->cfg->console)
		return 0;
	r = serial_init(&vm->serial, &vm->ports, vm->loop, STDIN_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = kvm_wire_irq(&vm->kvm, &vm->serial.irq);
	if (r < 0)
		return err_set(e, -r, "serial port");
	return 0;
}

void arch_cmdline(const struct vm_config *cfg, struct cmdline *c)
{
	if (cfg->console)
		cmdline_add(c, "console=ttyS0 8250.nr_uarts=1");
	else
		cmdline_add(c, "quiet 8250.nr_uarts=0");
	/*
	 * kvmbox.power: our kernel tells power off, reset and panic apart by it. Any other kernel resets by the
	 * keyboard controller, at once after a panic. Nothing waits for a timer interrupt that no PIT makes, and no
	 * bounce buffers (64 MiB from 4 GiB upward) are set aside for devices that do not exist.
	 */
	cmdline_add(c, "kvmbox.power=0x%x reboot=k panic=-1 tsc=reliable no_timer_check swiotlb=noforce", POWER_PORT);
}

static uint32_t pins(const struct vm *vm)
{
	uint32_t slots = ((1u << MACHINE_SLOTS) - 1) << X86_SLOT_GSI;

	return vm->cfg->console ? slots | 1u << SERIAL_GSI : slots;
}

int arch_boot(struct vm *vm, const struct boot_kernel *kernel, const struct boot_initrd *initrd, const char *cmdline,
	      struct err *e)
{
	struct linux64_config cfg = { .low_ram = vm->low_ram,
				      .high_ram = vm->high_ram,
				      .cmdline = cmdline,
				      .kernel = *kernel,
				      .initrd = *initrd };
	int r;

	if (getrandom(cfg.seed, sizeof(cfg.seed), 0) != sizeof(cfg.seed))
		return err_set(e, errno, "getrandom");
	r = linux64_setup(&vm->mem, &cfg, &vm->entry, e);
	explicit_bzero(cfg.seed, sizeof(cfg.seed));
	if (r < 0)
		return r;
	r = mptable_write(&vm->mem, LINUX64_MPTABLE, vm->cpus, pins(vm));
	if (r < 0)
		return err_set(e, -r, "MP table");
	return 0;
}

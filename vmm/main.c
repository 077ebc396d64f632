// SPDX-License-Identifier: Apache-2.0
/*
 * kvmbox-vmm: one virtual machine, made from numbers and open files. It knows no container, no JSON, no agent.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/fdio.h"
#include "vmm/base/step.h"
#include "vmm/report.h"
#include "vmm/sandbox.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

static void say_error(const struct err *e)
{
	char line[ERR_TEXT_MAX + 32];
	int n = snprintf(line, sizeof(line), "kvmbox-vmm: %s\n", e->text);

	if (n > 0 && write_full(STDERR_FILENO, line, min_size((size_t)n, sizeof(line) - 1)) < 0)
		return; /* nowhere left to say it */
}

static int fail(const struct vm_config *cfg, const struct err *e)
{
	say_error(e);
	(void)control_send(cfg->control_fd, "exit error %s", e->text); /* the status says it too */
	return EXIT_SETUP;
}

static int run(const struct vm_config *cfg)
{
	static struct vm vm;
	struct terminal terminal = { 0 };
	struct err e = { 0 };
	int r, status = EXIT_SETUP;

	(void)mallopt(M_ARENA_MAX, 1); /* no heap is used after the start: one arena is enough */
	r = sandbox_enter(cfg, &e);
	if (r == 0)
		r = vm_build(&vm, cfg, &e);
	if (r == 0 && cfg->console)
		terminal_raw(&terminal, STDIN_FILENO);
	if (r == 0)
		r = vm_run(&vm, &e);
	if (r == 0)
		status = vm_finish(&vm);
	terminal_restore(&terminal, STDIN_FILENO);
	machine_fini(&vm.machine);
	return r < 0 ? fail(cfg, &e) : status;
}

int main(int argc, char **argv)
{
	static struct vm_config cfg;
	struct err e = { 0 };

	step("vmm:start");
	if (config_parse(&cfg, argc, argv, &e) < 0) {
		say_error(&e);
		return EXIT_USAGE;
	}
	log_init("kvmbox-vmm", cfg.name, cfg.log_fd, cfg.log_level);
	/* _exit: the kernel takes the VM down at once, with every thread, and better than step by step. */
	switch (cfg.action) {
	case ACTION_RUN: _exit(run(&cfg));
	case ACTION_HELP: return report_text(config_help);
	case ACTION_VERSION: return report_text("kvmbox-vmm " KVMBOX_VERSION "\n");
	case ACTION_LIMITS: return report_limits();
	case ACTION_DRY_RUN: return report_plan(&cfg, &e) < 0 ? fail(&cfg, &e) : EXIT_SUCCESS;
	}
	return EXIT_INTERNAL;
}

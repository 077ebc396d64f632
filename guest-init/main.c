// SPDX-License-Identifier: Apache-2.0
/*
 * kvmbox-init: PID 1 of the guest. Boots what containers need, serves the host, switches the machine off.
 *
 * If it ends in any other way the kernel panics, which the VMM reports together with the last lines of the kernel's
 * log; so its own last words go there.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest-init/guestos.h"
#include "guest-init/server.h"
#include "vmm/base/log.h"

int main(int argc, char **argv)
{
	struct guestos g = { .control = -1, .listener = -1, .proc = -1, .cgroup = -1, .sys = -1, .shares = -1 };
	struct server_config cfg;
	struct err e = { 0 };

	if (argc == 2 && getpid() != 1 && strcmp(argv[1], "--version") == 0) {
		dprintf(STDOUT_FILENO, "kvmbox-init %s\n", KVMBOX_VERSION);
		return 0;
	}
	if (getpid() != 1) {
		dprintf(STDERR_FILENO,
			"kvmbox-init: runs as PID 1 of a kvmbox guest only; start one with `kvmbox run`\n");
		return 1;
	}
	if (guestos_boot(&g, &e) < 0) {
		log_error("boot", "%s", e.text);
		return 1;
	}
	cfg = guestos_server_config(&g);
	switch (server_run(&cfg)) {
	case SERVER_SHUTDOWN: break;
	case SERVER_LOST: log_warn("agent", "the host has closed the control connection"); break;
	case SERVER_BROKEN: return 1;
	}
	guestos_power_off();
	log_error("agent", "the machine cannot be switched off");
	return 1;
}

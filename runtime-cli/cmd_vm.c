// SPDX-License-Identifier: Apache-2.0
/*
 * vm: a VM without a container. A thin door to kvmbox-vmm, which parses and checks the options; what is missing (the
 * kernel) comes from the installation.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime-cli/cli.h"

const char cmd_vm_help[] =
	"usage: kvmbox vm [--kernel FILE] [--initrd FILE | --init FILE] [--cmdline TEXT] [--cpus N] [--mem SIZE]\n"
	"                 [--console] [--share path=DIR,tag=TAG[,ro]]... [--vsock path=SOCKET[,cid=N]] [--dry-run]\n\n"
	"Run a virtual machine without a container. Without --kernel the guest kernel of the installation boots.\n"
	"kvmbox-vmm(1) describes the options, and the exit status: 0 powered off, 3 the guest died, 5 it asked for a "
	"reset.\n\n"
	"  --help\n";

static bool has_option(int argc, char **argv, const char *name)
{
	size_t len = strlen(name);
	int i;

	for (i = 1; i < argc; i++)
		if (strncmp(argv[i], name, len) == 0)
			return true;
	return false;
}

int cmd_vm(const struct cli *cli, int argc, char **argv, struct err *e)
{
	char libexec[PATH_MAX], vmm[PATH_MAX + 32], kernel[PATH_MAX + 32];
	char **args = calloc((size_t)argc + 3, sizeof(*args));
	int n = 0, i, r = cli_libexec(libexec, e);

	(void)cli;
	if (r < 0 || args == NULL || (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))) {
		free(args);
		return r < 0 ? r : args == NULL ? err_set(e, ENOMEM, "vm") : CLI_HELP;
	}
	(void)snprintf(vmm, sizeof(vmm), "%s/kvmbox-vmm", libexec);
	(void)snprintf(kernel, sizeof(kernel), "--kernel=%s/vmlinux", libexec);
	args[n++] = vmm;
	for (i = 1; i < argc; i++)
		args[n++] = argv[i];
	if (!has_option(argc, argv, "--kernel"))
		args[n++] = kernel;
	(void)execv(vmm, args);
	r = err_set(e, errno, "run `%s`", vmm);
	free(args);
	return r;
}

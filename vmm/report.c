// SPDX-License-Identifier: Apache-2.0
#include "vmm/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/base/fdio.h"
#include "vmm/vm.h"

int report_text(const char *text)
{
	return write_full(STDOUT_FILENO, text, strlen(text)) < 0 ? EXIT_SETUP : EXIT_SUCCESS;
}

static const struct {
	const char *what;
	unsigned long value;
} limits[] = {
	{ "processors", CONFIG_CPUS_MAX },
	{ "least memory, MiB", CONFIG_MEM_MIN >> 20 },
	{ "device slots", MACHINE_SLOTS },
	{ "shares on the command line", CONFIG_SHARES_MAX },
	{ "entries of --root on the command line", CONFIG_ENTRIES_MAX },
	{ "entries of the synthetic root", NINEP_ENTRIES_MAX },
	{ "kernel command line, bytes", CMDLINE_MAX - 1 },
	{ "control message, bytes", CONTROL_LINE_MAX },
	{ "queue size", VQ_SIZE_MAX },
	{ "bytes of one descriptor chain", VQ_CHAIN_BYTES_MAX },
	{ "9p message, bytes", NINEP_MSIZE_MAX },
	{ "9p fids for each share", NINEP_FIDS_MAX },
	{ "9p requests in progress", P9_REQUESTS_MAX },
	{ "vsock connections", VSOCK_CONNS_MAX },
	{ "vsock buffer of a connection, bytes", VSOCK_BUF_SIZE },
	{ "event sources", LOOP_SOURCES_MAX },
	{ "serial output ring, bytes", SERIAL_RING },
};

int report_limits(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		if (dprintf(STDOUT_FILENO, "%10lu  %s\n", limits[i].value, limits[i].what) < 0)
			return EXIT_SETUP;
	return EXIT_SUCCESS;
}

static void print_file(const char *what, const struct config_file *f)
{
	if (f->path != NULL)
		dprintf(STDOUT_FILENO, "%s: %s\n", what, f->path);
	else if (f->fd >= 0)
		dprintf(STDOUT_FILENO, "%s: fd %d\n", what, f->fd);
}

static void print_slots(const struct vm_config *c)
{
	unsigned int slot = 0, i;

	if (c->root_tag != NULL)
		dprintf(STDOUT_FILENO, "slot %u: 9p, tag %s, synthetic root of %u entries\n", slot++, c->root_tag,
			c->entries);
	if (c->vsock && c->vsock_path != NULL)
		dprintf(STDOUT_FILENO, "slot %u: vsock, cid %" PRIu64 ", socket %s\n", slot++, c->vsock_cid,
			c->vsock_path);
	else if (c->vsock)
		dprintf(STDOUT_FILENO, "slot %u: vsock, cid %" PRIu64 ", fd %d\n", slot++, c->vsock_cid, c->vsock_fd);
	for (i = 0; i < c->shares; i++) {
		const struct config_share *s = &c->share[i];

		dprintf(STDOUT_FILENO, "slot %u: 9p, tag %s, %s%s", slot++, s->tag,
			s->dir.path != NULL ? s->dir.path : "a folder's fd", s->ro ? ", read-only\n" : "\n");
	}
	dprintf(STDOUT_FILENO, "slots %u to %d: empty\n", slot, MACHINE_SLOTS - 1);
}

int report_plan(const struct vm_config *cfg, struct err *e)
{
	uint64_t low = min_u64(cfg->mem, arch_layout.low_max);
	struct cmdline cmdline;
	int r = machine_cmdline(cfg, &cmdline, e);

	if (r < 0)
		return r;
	print_file("kernel", &cfg->kernel);
	print_file(cfg->initrd_is_init ? "init" : "initrd", &cfg->initrd);
	dprintf(STDOUT_FILENO, "command line: %s\n", cmdline.text);
	dprintf(STDOUT_FILENO, "memory: %" PRIu64 " MiB from 0\n", low >> 20);
	if (cfg->mem > low)
		dprintf(STDOUT_FILENO, "memory: %" PRIu64 " MiB from 0x%" PRIx64 "\n", (cfg->mem - low) >> 20,
			arch_layout.high_base);
	dprintf(STDOUT_FILENO, "processors: %u\n", cfg->cpus);
	dprintf(STDOUT_FILENO, "console: %s\n", cfg->console ? "standard input and output" : "none");
	print_slots(cfg);
	return 0;
}

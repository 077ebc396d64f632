// SPDX-License-Identifier: Apache-2.0
#include "vmm/base/step.h"

#include "vmm/base/compat.h"

#ifdef KVMBOX_STEPS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const steps[] = {
	"cli:reserved",        "cli:cgroup",      "cli:files",      "cli:sockets",      "cli:vmm-started",
	"cli:monitor-started", "cli:recorded",    "cli:created",    "cli:pid-file",     "cli:before-start",
	"cli:before-exit",     "vmm:start",       "vmm:memory",     "vmm:kvm",          "vmm:kernel",
	"vmm:devices",         "vmm:before-run",  "vmm:exit",       "launch:vmm-child", "launch:vmm-root",
	"monitor:start",       "monitor:tree",    "monitor:root",   "monitor:locked",   "monitor:hello",
	"monitor:created",     "monitor:started", "monitor:exited", "monitor:drained",  "delete:killed",
	"delete:empty",        "delete:cgroup",   "delete:files",
};

int step_fd(void)
{
	const char *s = getenv("KVMBOX_STEP_FD");

	return s == NULL ? -1 : (int)strtol(s, NULL, 10);
}

void step_list(int fd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		dprintf(fd, "%s\n", steps[i]);
}

static bool step_known(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		if (strcmp(steps[i], name) == 0)
			return true;
	return false;
}

void step(const char *name)
{
	const char *stop = getenv("KVMBOX_STOP_AT");
	char line[64];
	int n;

	BUG_ON(!step_known(name));
	if (stop == NULL || strcmp(stop, name) != 0)
		return;
	/* not dprintf(), which seeks: the monitor's filter knows no lseek */
	n = snprintf(line, sizeof(line), "%s %d\n", name, getpid());
	if (write(step_fd(), line, (size_t)n) < 0)
		return;
	for (;;)
		(void)pause();
}

#endif

static_assert(sizeof(int) == 4, "a translation unit needs a declaration");

// SPDX-License-Identifier: Apache-2.0
/*
 * Named places where the test build (STEPS=1) can be stopped, so that tests kill each process at each of them.
 *
 * step() does nothing in a normal build. In the test build the process whose step is named by the environment variable
 * KVMBOX_STOP_AT writes "NAME PID\n" to the inherited fd KVMBOX_STEP_FD and waits for ever. Every name stands in
 * step.c's table, which `kvmbox --list-steps` prints.
 */
#ifndef KVMBOX_STEP_H
#define KVMBOX_STEP_H

#ifdef KVMBOX_STEPS
void step(const char *name);
int step_fd(void); /* to be kept open across exec; -1: none */
void step_list(int fd);
#else
static inline void step(const char *name)
{
	(void)name;
}

static inline int step_fd(void)
{
	return -1;
}
#endif

#endif

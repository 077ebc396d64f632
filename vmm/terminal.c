// SPDX-License-Identifier: Apache-2.0
#include "vmm/terminal.h"

void terminal_raw(struct terminal *t, int fd)
{
	struct termios raw;

	*t = (struct terminal){ 0 };
	if (tcgetattr(fd, &t->saved) < 0)
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own log lines may go to the same terminal */
	t->changed = tcsetattr(fd, TCSANOW, &raw) == 0;
}

void terminal_restore(struct terminal *t, int fd)
{
	if (t->changed)
		(void)tcsetattr(fd, TCSANOW, &t->saved); /* hung up meanwhile: nothing to restore */
	t->changed = false;
}

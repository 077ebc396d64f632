// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

int ctl_request(const struct state *s, const char *request, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char msg[700], *text;
	long code;
	ssize_t n;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/ctl.sock", s->dir);
	if (fd < 0)
		return err_set(e, errno, "make a socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return err_say(e, ESRCH, "container not running");
	do
		n = recv(fd, msg, sizeof(msg) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_say(e, ESRCH, "container not running");
	msg[n] = '\0';
	if (strcmp(msg, "ok") == 0)
		return 0;
	if (strncmp(msg, "error ", 6) != 0)
		return err_say(e, EPROTO, "the monitor answered what this kvmbox does not understand");
	code = strtol(msg + 6, &text, 10);
	while (*text == ' ')
		text++;
	return err_say(e, code > 0 && code < 4096 ? (int)code : EIO, "%s", text);
}

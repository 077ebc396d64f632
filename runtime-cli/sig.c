// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/sig.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The kernel's own numbers: RTMIN is 32 there, but the C library keeps 32 and 33 to itself, and so do all runtimes. */
#define RT_FIRST 34
#define RT_LAST  64

static const char *const sig_name[] = {
	[SIGHUP] = "HUP",       [SIGINT] = "INT",   [SIGQUIT] = "QUIT",   [SIGILL] = "ILL",   [SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT",     [SIGBUS] = "BUS",   [SIGFPE] = "FPE",     [SIGKILL] = "KILL", [SIGUSR1] = "USR1",
	[SIGSEGV] = "SEGV",     [SIGUSR2] = "USR2", [SIGPIPE] = "PIPE",   [SIGALRM] = "ALRM", [SIGTERM] = "TERM",
	[SIGSTKFLT] = "STKFLT", [SIGCHLD] = "CHLD", [SIGCONT] = "CONT",   [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP",
	[SIGTTIN] = "TTIN",     [SIGTTOU] = "TTOU", [SIGURG] = "URG",     [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ",
	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH", [SIGIO] = "IO",     [SIGPWR] = "PWR",
	[SIGSYS] = "SYS",
};

static int parse_number(const char *word, int low, int high)
{
	char *end;
	long v;

	if (*word < '0' || *word > '9')
		return -EINVAL;
	errno = 0;
	v = strtol(word, &end, 10);
	return errno != 0 || *end != '\0' || v < low || v > high ? -EINVAL : (int)v;
}

static int parse_rt(const char *word)
{
	int n;

	if (strcasecmp(word, "RTMIN") == 0)
		return RT_FIRST;
	if (strcasecmp(word, "RTMAX") == 0)
		return RT_LAST;
	if (strncasecmp(word, "RTMIN+", 6) == 0) {
		n = parse_number(word + 6, 0, RT_LAST - RT_FIRST);
		return n < 0 ? n : RT_FIRST + n;
	}
	if (strncasecmp(word, "RTMAX-", 6) == 0) {
		n = parse_number(word + 6, 0, RT_LAST - RT_FIRST);
		return n < 0 ? n : RT_LAST - n;
	}
	return -EINVAL;
}

int sig_parse(const char *word, struct err *e)
{
	const char *name = strncasecmp(word, "SIG", 3) == 0 ? word + 3 : word;
	int n = parse_number(word, 0, RT_LAST);
	size_t i;

	if (n >= 0)
		return n;
	for (i = 1; i < ARRAY_SIZE(sig_name); i++)
		if (sig_name[i] != NULL && strcasecmp(name, sig_name[i]) == 0)
			return (int)i;
	if (strcasecmp(name, "POLL") == 0)
		return SIGIO;
	n = parse_rt(name);
	if (n >= 0)
		return n;
	return err_say(e, EINVAL, "unknown signal `%.40s`; give a number (0 to 64) or a name such as TERM or RTMIN+3",
		       word);
}

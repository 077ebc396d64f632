// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_usage(struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_say(e, EINVAL, "%s; `kvmbox COMMAND --help` shows the usage", text);
}

int cli_bad_option(struct err *e, char **argv)
{
	const char *word = optind > 0 ? argv[optind - 1] : "";

	if (optopt != 0 && strncmp(word, "--", 2) != 0)
		return cli_usage(e, "unknown option `-%c`, or its value is missing", optopt);
	return cli_usage(e, "unknown option `%s`, or its value is missing", word);
}

int cli_libexec(char dir[static PATH_MAX], struct err *e)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_set(e, errno, "find this program's own folder: readlink /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0'; /* bin */
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0'; /* prefix */
	if (snprintf(dir, PATH_MAX, "%s/libexec/kvmbox", self) >= PATH_MAX)
		return err_say(e, ENAMETOOLONG, "the path of this program is too long");
	return 0;
}

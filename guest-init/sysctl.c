// SPDX-License-Identifier: Apache-2.0
#include "guest-init/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

/* Letters, digits, `_`, `-` in parts divided by `.` or `/`; no part is empty, so none is `.` or `..` either. */
int sysctl_path(const char *key, char path[SYSCTL_PATH_MAX])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t out = 4;

	memcpy(path, "sys/", out);
	for (;;) {
		size_t n = strspn(key, allowed);

		if (n == 0 || n > SYSCTL_PATH_MAX - 1 - out)
			return -EINVAL;
		memcpy(path + out, key, n);
		out += n;
		key += n;
		path[out] = '\0';
		if (*key == '\0')
			return 0;
		if ((*key != '.' && *key != '/') || out >= SYSCTL_PATH_MAX - 1)
			return -EINVAL;
		path[out++] = '/';
		key++;
	}
}

int sysctl_apply(int proc, const struct spec_sysctl *y, struct err *e)
{
	char path[SYSCTL_PATH_MAX];
	size_t len = strlen(y->value);
	autofd fd = -1;
	ssize_t n;

	if (sysctl_path(y->key, path) < 0)
		return err_say(e, EINVAL, "linux.sysctl: `%.100s` is not the name of a sysctl", y->key);
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_say(e, ENOENT, "linux.sysctl: the guest's kernel has no `%.100s`", y->key);
	if (fd < 0)
		return err_set(e, errno, "linux.sysctl: `%.100s`", y->key);
	n = write(fd, y->value, len);
	if (n < 0 || (size_t)n != len)
		return err_set(e, n < 0 ? errno : EIO, "linux.sysctl: `%.100s`: write `%.100s`", y->key, y->value);
	return 0;
}

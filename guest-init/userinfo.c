// SPDX-License-Identifier: Apache-2.0
#include "guest-init/userinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define PASSWD_MAX ((size_t)1 << 20)

const char *userinfo_env(char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

/* Field n of a line, fields being parted by colons; NULL when there are fewer. */
static const char *field(const char *line, size_t len, unsigned int n, size_t *field_len)
{
	const char *end = line + len, *colon;

	for (; n > 0; n--) {
		colon = memchr(line, ':', (size_t)(end - line));
		if (colon == NULL)
			return NULL;
		line = colon + 1;
	}
	colon = memchr(line, ':', (size_t)(end - line));
	*field_len = (size_t)((colon == NULL ? end : colon) - line);
	return line;
}

static bool is_number(const char *s, size_t len, uint64_t want)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || v > UINT32_MAX)
			return false;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	return len > 0 && v == want;
}

bool userinfo_home(const char *text, size_t len, uid_t uid, char *home, size_t cap)
{
	const char *end = text + len, *nl, *f;
	size_t n;

	for (; text < end; text = nl + 1) {
		nl = memchr(text, '\n', (size_t)(end - text));
		if (nl == NULL)
			nl = end;
		f = field(text, (size_t)(nl - text), 2, &n);
		if (f == NULL || !is_number(f, n, uid))
			continue;
		f = field(text, (size_t)(nl - text), 5, &n);
		if (f == NULL || n == 0 || n >= cap || memchr(f, '\0', n) != NULL)
			return false;
		memcpy(home, f, n);
		home[n] = '\0';
		return true;
	}
	return false;
}

static int faccessat2_empty(int fd)
{
	return (int)syscall(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH);
}

/* No stat() here and below: over 9p each is a question to the host, and a start waits for the answer. */
void userinfo_home_of(uid_t uid, char *home, size_t cap)
{
	autofd fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END); /* fails for a fifo, is 0 for what has no size */
	size_t want = size < 0 ? 0 : (size_t)min_u64((uint64_t)size, PASSWD_MAX);
	char *text = want == 0 ? NULL : malloc(want);
	ssize_t n = text == NULL ? -1 : pread_full(fd, text, want, 0);

	if (n < 0 || !userinfo_home(text, (size_t)n, uid, home, cap))
		(void)snprintf(home, cap, "/");
	free(text);
}

/* As executable(), for a process that may have no descriptor more. */
static int executable_by_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* 0 when execve() may succeed on it, otherwise the errno that says why not. One walk to it, whatever it is. */
static int executable(const char *path)
{
	autofd fd = open(path, O_PATH | O_CLOEXEC);
	autofd dir = -1;

	if (fd < 0)
		return errno == EMFILE ? executable_by_path(path) : errno;
	if (faccessat2_empty(fd) < 0)
		return errno;
	dir = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? 0 : EISDIR;
}

static int find_failed(const char *name, int code, struct err *e)
{
	switch (code) {
	case ENOENT: return err_say(e, code, "exec: \"%.200s\": no such file or directory", name);
	case EACCES: return err_say(e, code, "exec: \"%.200s\": permission denied", name);
	case EISDIR: return err_say(e, EACCES, "exec: \"%.200s\": is a directory: permission denied", name);
	default: return err_set(e, code, "exec: \"%.200s\"", name);
	}
}

int userinfo_find(const char *name, char *const *envp, char path[PATH_MAX], struct err *e)
{
	const char *dirs = userinfo_env(envp, "PATH");
	bool denied = false;
	int code;

	if (strlen(name) >= PATH_MAX)
		return find_failed(name, ENAMETOOLONG, e);
	if (strchr(name, '/') != NULL) {
		memcpy(path, name, strlen(name) + 1);
		code = executable(path);
		return code == 0 ? 0 : find_failed(name, code, e);
	}
	while (dirs != NULL) {
		size_t n = strcspn(dirs, ":");
		int len = snprintf(path, PATH_MAX, "%.*s/%s", n == 0 ? 1 : (int)min_size(n, PATH_MAX),
				   n == 0 ? "." : dirs, name);

		code = len < 0 || len >= PATH_MAX ? ENAMETOOLONG : executable(path);
		if (code == 0)
			return 0;
		denied = denied || code == EACCES;
		dirs = dirs[n] == ':' ? dirs + n + 1 : NULL;
	}
	if (denied)
		return find_failed(name, EACCES, e);
	return err_say(e, ENOENT, "exec: \"%.200s\": executable file not found in $PATH", name);
}

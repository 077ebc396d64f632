// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/state.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fdio.h"

#define STATE_FILE_MAX ((size_t)1 << 20)

static const char *const names[] = {
	[STATUS_CREATING] = "creating",
	[STATUS_CREATED] = "created",
	[STATUS_RUNNING] = "running",
	[STATUS_STOPPED] = "stopped",
};
static_assert(ARRAY_SIZE(names) == STATUS_COUNT, "a name for every status");

const char *status_name(enum status st)
{
	return names[st];
}

int state_check_id(const char *id, struct err *e)
{
	size_t i, len = strlen(id);

	if (len == 0)
		return err_say(e, EINVAL, "the container id is empty");
	if (len > STATE_ID_MAX)
		return err_say(e, EINVAL, "the container id is longer than %d characters", STATE_ID_MAX);
	for (i = 0; i < len; i++) {
		char c = id[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			  strchr("_+-.", c) != NULL;

		if (!ok || (i == 0 && (c == '.' || c == '-')))
			break;
	}
	if (i == len)
		return 0;
	return err_say(e, EINVAL,
		       "invalid container id `%.100s`: use letters, digits, `_`, `+`, `-`, `.`, and begin with "
		       "neither `.` nor `-`",
		       id);
}

/* mkdir -p of the last two components is all the defaults need */
static int make_root(const char *path, struct err *e)
{
	char parent[PATH_MAX];
	char *slash;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT) {
		(void)snprintf(parent, sizeof(parent), "%s", path);
		slash = strrchr(parent, '/');
		if (slash != NULL && slash != parent) {
			*slash = '\0';
			if (make_root(parent, e) < 0)
				return -e->code;
			if (mkdir(path, 0700) == 0 || errno == EEXIST)
				return 0;
		}
	}
	return err_set(e, errno, "make the state folder `%s` (--root chooses another)", path);
}

int state_open_root(const char *root, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];
	int fd;

	if (root != NULL)
		(void)snprintf(path, sizeof(path), "%s", root);
	else if (geteuid() == 0)
		(void)snprintf(path, sizeof(path), "/run/kvmbox");
	else if (runtime != NULL && runtime[0] == '/')
		(void)snprintf(path, sizeof(path), "%s/kvmbox", runtime);
	else
		return err_say(e, EINVAL, "XDG_RUNTIME_DIR is not set; set it, or give --root DIR");
	if (make_root(path, e) < 0)
		return -e->code;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open the state folder `%s`", path);
	return fd;
}

int state_reserve(struct state *s, int rootfd, const char *id, struct err *e)
{
	if (state_check_id(id, e) < 0)
		return -e->code;
	if (mkdirat(rootfd, id, 0700) < 0) {
		if (errno == EEXIST)
			return err_say(e, EEXIST,
				       "a container with the id `%s` already exists; `kvmbox delete %s` removes it", id,
				       id);
		return err_set(e, errno, "make the state folder of `%s`", id);
	}
	s->dir = openat(rootfd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dir < 0 || flock(s->dir, LOCK_EX) < 0) {
		(void)err_set(e, errno, "lock the state folder of `%s`", id);
		(void)unlinkat(rootfd, id, AT_REMOVEDIR);
		return -e->code;
	}
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	return 0;
}

static void get_text(struct json_object *o, const char *key, char *dst, size_t cap)
{
	struct json_object *v;

	if (json_object_object_get_ex(o, key, &v))
		(void)snprintf(dst, cap, "%s", json_object_get_string(v));
}

static struct proc get_proc(struct json_object *o, const char *key)
{
	struct json_object *v, *pid, *start;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_object_get_ex(v, "pid", &pid) ||
	    !json_object_object_get_ex(v, "start", &start))
		return (struct proc){ 0 };
	return (struct proc){ .pid = json_object_get_int(pid), .start = json_object_get_uint64(start) };
}

static int parse_state(struct state *s, const char *text, struct err *e)
{
	struct json_object *o = json_tokener_parse(text), *v;

	if (o == NULL || !json_object_object_get_ex(o, "version", &v)) {
		json_object_put(o);
		return err_say(e, EPROTO,
			       "state.json of `%s` is damaged; `kvmbox delete --force %s` removes the container", s->id,
			       s->id);
	}
	if (json_object_get_int(v) != STATE_VERSION) {
		int version = json_object_get_int(v);

		json_object_put(o);
		return err_say(e, EPROTO, "state.json of `%s` has version %d, this kvmbox knows %d", s->id, version,
			       STATE_VERSION);
	}
	get_text(o, "bundle", s->bundle, sizeof(s->bundle));
	get_text(o, "rootfs", s->rootfs, sizeof(s->rootfs));
	get_text(o, "cgroup", s->cgroup, sizeof(s->cgroup));
	get_text(o, "created", s->created, sizeof(s->created));
	get_text(o, "ociVersion", s->oci_version, sizeof(s->oci_version));
	if (json_object_object_get_ex(o, "owner", &v))
		s->owner = (uid_t)json_object_get_int64(v);
	free(s->annotations);
	s->annotations = NULL;
	if (json_object_object_get_ex(o, "annotations", &v))
		s->annotations = strdup(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN));
	s->creator = get_proc(o, "creator");
	s->monitor = get_proc(o, "monitor");
	s->vmm = get_proc(o, "vmm");
	json_object_put(o);
	return 0;
}

/* A folder without state.json is a create that died right after its reservation: nothing of it lives. */
static int read_state(struct state *s, struct err *e)
{
	autofd fd = openat(s->dir, "state.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text;
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	text = malloc(STATE_FILE_MAX + 1);
	if (fd < 0 || text == NULL) {
		free(text);
		return err_set(e, errno, "read state.json of `%s`", s->id);
	}
	n = read_full(fd, text, STATE_FILE_MAX);
	text[n > 0 ? n : 0] = '\0';
	r = parse_state(s, text, e);
	free(text);
	return r;
}

int state_load(struct state *s, int rootfd, const char *id, struct err *e)
{
	int r;

	if (state_check_id(id, e) < 0)
		return -e->code;
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	s->dir = openat(rootfd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dir < 0 && errno == ENOENT)
		return err_say(e, ENOENT, "container `%s` does not exist", id);
	if (s->dir < 0)
		return err_set(e, errno, "open the state folder of `%s`", id);
	r = read_state(s, e);
	if (r < 0)
		state_fini(s);
	return r;
}

int state_trylock(struct state *s)
{
	return flock(s->dir, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int state_lock(struct state *s, int rootfd, struct err *e)
{
	struct stat mine, now;
	int r;

	do
		r = flock(s->dir, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_set(e, errno, "lock the state of `%s`", s->id);
	if (fstat(s->dir, &mine) < 0 || fstatat(rootfd, s->id, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
	    mine.st_ino != now.st_ino)
		return err_say(e, ENOENT, "container `%s` does not exist", s->id);
	return read_state(s, e);
}

void state_unlock(const struct state *s)
{
	(void)flock(s->dir, LOCK_UN);
}

static struct json_object *proc_json(const struct proc *p)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "pid", json_object_new_int(p->pid));
	json_object_object_add(o, "start", json_object_new_uint64(p->start));
	return o;
}

static struct json_object *state_json(const struct state *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_int(STATE_VERSION));
	json_object_object_add(o, "id", json_object_new_string(s->id));
	json_object_object_add(o, "bundle", json_object_new_string(s->bundle));
	json_object_object_add(o, "rootfs", json_object_new_string(s->rootfs));
	json_object_object_add(o, "cgroup", json_object_new_string(s->cgroup));
	json_object_object_add(o, "created", json_object_new_string(s->created));
	json_object_object_add(o, "ociVersion", json_object_new_string(s->oci_version));
	json_object_object_add(o, "owner", json_object_new_int64(s->owner));
	if (s->annotations != NULL)
		json_object_object_add(o, "annotations", json_tokener_parse(s->annotations));
	json_object_object_add(o, "creator", proc_json(&s->creator));
	json_object_object_add(o, "monitor", proc_json(&s->monitor));
	json_object_object_add(o, "vmm", proc_json(&s->vmm));
	return o;
}

int state_save(const struct state *s, struct err *e)
{
	struct json_object *o = state_json(s);
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	autofd fd = openat(s->dir, "state.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : write_full(fd, text, strlen(text));

	json_object_put(o);
	if (r == 0 && renameat(s->dir, "state.json.new", s->dir, "state.json") < 0)
		r = -errno;
	return r < 0 ? err_set(e, -r, "write state.json of `%s`", s->id) : 0;
}

static char status_letter(const struct state *s, char *text, size_t cap)
{
	autofd fd = openat(s->dir, "status", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return '\0';
	n = pread_full(fd, text, cap - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text[0];
}

enum status state_status(const struct state *s)
{
	char text[8];

	if (s->monitor.pid == 0)
		return proc_alive(&s->creator) ? STATUS_CREATING : STATUS_STOPPED;
	if (!proc_alive(&s->monitor))
		return STATUS_STOPPED;
	switch (status_letter(s, text, sizeof(text))) {
	case 'c': return STATUS_CREATED;
	case 'r': return STATUS_RUNNING;
	case 'x': return STATUS_STOPPED;
	default: return proc_alive(&s->creator) ? STATUS_CREATING : STATUS_STOPPED;
	}
}

void state_reason(const struct state *s, char *buf, size_t cap)
{
	char text[512];

	(void)status_letter(s, text, sizeof(text));
	(void)snprintf(buf, cap, "%s", text[0] != '\0' ? text + 1 : "");
	buf[strcspn(buf, "\n")] = '\0';
}

int state_copy_log(const struct state *s, int fd)
{
	autofd log = openat(s->dir, "vmm.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[16384];
	ssize_t n;

	if (log < 0)
		return errno == ENOENT ? 0 : -errno;
	while ((n = read_full(log, buf, sizeof(buf))) > 0)
		if (write_full(fd, buf, (size_t)n) < 0)
			return -EPIPE;
	return (int)n;
}

/* state.json goes last: until then the container can be found and deleted again */
int state_remove(struct state *s, int rootfd, struct err *e)
{
	static const char *const files[] = { "ctl.sock", "vsock.sock",     "vmm.log",
					     "status",   "state.json.new", "state.json" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (unlinkat(s->dir, files[i], 0) < 0 && errno != ENOENT)
			return err_set(e, errno, "remove `%s` of container `%s`", files[i], s->id);
	if (unlinkat(rootfd, s->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(e, errno, "remove the state folder of `%s`", s->id);
	return 0;
}

void state_fini(struct state *s)
{
	fd_close(&s->dir);
	free(s->annotations);
	s->annotations = NULL;
}

int state_each(int rootfd, int (*fn)(const struct state *s, void *arg), void *arg, struct err *e)
{
	int fd = openat(rootfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return err_set(e, errno, "read the state folder");
	}
	while (r == 0 && (entry = readdir(d)) != NULL) {
		struct state s = STATE_INIT;
		struct err ignored;

		if (state_check_id(entry->d_name, &ignored) < 0 || state_load(&s, rootfd, entry->d_name, &ignored) < 0)
			continue; /* deleted meanwhile, or not a container's */
		r = fn(&s, arg);
		state_fini(&s);
	}
	(void)closedir(d);
	return r;
}

// SPDX-License-Identifier: Apache-2.0
#include "vmm/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char config_help[] =
	"Usage: kvmbox-vmm --kernel FILE [OPTION]...\n"
	"Run one virtual machine under KVM.\n"
	"\n"
	"  --kernel FILE, --kernel-fd N    the kernel: an uncompressed x86-64 ELF file (vmlinux)\n"
	"  --initrd FILE, --initrd-fd N    initial RAM file system\n"
	"  --init FILE, --init-fd N        or one static program that becomes /init\n"
	"  --cmdline TEXT                  more words for the kernel's command line\n"
	"  --mem SIZE                      guest memory, with K, M, G or T (default 256M)\n"
	"  --cpus N                        1 to 32 (default 1)\n"
	"  --console                       a serial port on standard input and output\n"
	"  --share path=DIR|fd=N,tag=TAG[,ro]\n"
	"                                  a folder as a 9p device; may be repeated\n"
	"  --root tag=TAG,fd=N[:ro]...     one 9p device whose entries 0, 1, ... are the given fds\n"
	"  --vsock path=SOCKET|fd=N[,cid=N][,control=PORT:FD]\n"
	"                                  vsock behind a unix socket\n"
	"  --control-fd N                  a connected SOCK_SEQPACKET socket; the VM ends with it\n"
	"  --kvm-fd N                      an open /dev/kvm\n"
	"  --log-fd N, --log-level LEVEL   where and how much to log (error, warn, info, debug)\n"
	"  --name NAME                     of the VM, in log lines\n"
	"  --dry-run                       say what would be done and end\n"
	"  --limits, --version, --help\n"
	"\n"
	"Exit status: 0 powered off, 1 set-up failed, 2 usage, 3 the guest died, 4 internal error, 5 reset,\n"
	"6 ended on request.\n";

/* --- values --- */

static int parse_number(const char *s, uint64_t max, uint64_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, 10);
	if (errno != 0 || *end != '\0')
		return -EINVAL;
	return *out > max ? -ERANGE : 0;
}

int config_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t n;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno != 0)
		return -ERANGE;
	if (*end != '\0') {
		unit = strchr(units, *end);
		if (unit == NULL || end[1] != '\0')
			return -EINVAL;
		if (ckd_mul(&n, n, UINT64_C(1) << (10 * (unit - units + 1))))
			return -ERANGE;
	}
	*out = n;
	return 0;
}

static int parse_fd(const char *opt, const char *s, int *out, struct err *e)
{
	uint64_t n;

	if (parse_number(s, INT32_MAX, &n) < 0)
		return err_say(e, EINVAL, "%s: `%s` is no file descriptor number", opt, s);
	*out = (int)n;
	return 0;
}

static int parse_tag(const char *opt, const char *s, const char **out, struct err *e)
{
	if (*s == '\0' || strlen(s) > CONFIG_TAG_MAX)
		return err_say(e, EINVAL, "%s: a tag has 1 to %d bytes", opt, CONFIG_TAG_MAX);
	*out = s;
	return 0;
}

static int given_twice(const char *opt, struct err *e)
{
	return err_say(e, EINVAL, "%s is given twice", opt);
}

/* --- sub-options: key=value,key=value, cut in place --- */

/* The next part of *rest: key, and value or NULL. False at the end. */
static bool next_part(char **rest, char **key, char **value)
{
	char *part = *rest, *p;

	if (part == NULL)
		return false;
	p = strchr(part, ',');
	*rest = p != NULL ? p + 1 : NULL;
	if (p != NULL)
		*p = '\0';
	*key = part;
	*value = strchr(part, '=');
	if (*value != NULL)
		*(*value)++ = '\0';
	return true;
}

static int bad_key(const char *opt, const char *key, const char *value, struct err *e)
{
	if (*key == '\0')
		return err_say(e, EINVAL, "%s: an empty part (two commas, or nothing at all)", opt);
	return err_say(e, EINVAL, "%s: unknown or incomplete key `%s%s`", opt, key, value != NULL ? "=" : "");
}

/* --- one function per option --- */

static int opt_kernel(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	if (c->kernel.path != NULL || c->kernel.fd >= 0)
		return given_twice("--kernel", e);
	if (strcmp(opt, "--kernel-fd") == 0)
		return parse_fd(opt, v, &c->kernel.fd, e);
	c->kernel.path = v;
	return 0;
}

static int opt_initrd(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	if (c->initrd.path != NULL || c->initrd.fd >= 0)
		return err_say(e, EINVAL, "%s: there is only one of --initrd and --init", opt);
	c->initrd_is_init = strncmp(opt, "--initrd", 8) != 0;
	if (strcmp(opt + strlen(opt) - 3, "-fd") == 0)
		return parse_fd(opt, v, &c->initrd.fd, e);
	c->initrd.path = v;
	return 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type of the table's functions */
static int opt_cmdline(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	if (c->cmdline[0] != '\0')
		return given_twice(opt, e);
	c->cmdline = v;
	return 0;
}

static int opt_mem(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	int r = config_size(v, &c->mem);

	if (r == -EINVAL)
		return err_say(e, EINVAL, "%s: `%s` is no size; write it like 256M or 2G", opt, v);
	if (r < 0)
		return err_say(e, EINVAL, "%s: `%s` is too large a number", opt, v);
	if (c->mem % (1 << 20) != 0)
		return err_say(e, EINVAL, "%s: `%s` is no multiple of 1 MiB (a plain number counts bytes)", opt, v);
	if (c->mem < CONFIG_MEM_MIN)
		return err_say(e, EINVAL, "%s: `%s` is too little; a guest needs 64M at least", opt, v);
	return 0;
}

static int opt_cpus(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	uint64_t n;

	if (parse_number(v, CONFIG_CPUS_MAX, &n) < 0 || n == 0)
		return err_say(e, EINVAL, "%s: `%s` is no number from 1 to %d", opt, v, CONFIG_CPUS_MAX);
	c->cpus = (unsigned int)n;
	return 0;
}

static int opt_share(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	struct config_share *s = &c->share[c->shares];
	char *key, *value;
	int r = 0;

	if (c->shares == CONFIG_SHARES_MAX)
		return err_say(e, EINVAL, "%s: more than %d shares", opt, CONFIG_SHARES_MAX);
	*s = (struct config_share){ .dir.fd = -1 };
	while (r == 0 && next_part(&v, &key, &value)) {
		if (strcmp(key, "ro") == 0 && value == NULL)
			s->ro = true;
		else if (strcmp(key, "path") == 0 && value != NULL && *value != '\0')
			s->dir.path = value;
		else if (strcmp(key, "fd") == 0 && value != NULL)
			r = parse_fd(opt, value, &s->dir.fd, e);
		else if (strcmp(key, "tag") == 0 && value != NULL)
			r = parse_tag(opt, value, &s->tag, e);
		else
			r = bad_key(opt, key, value, e);
	}
	if (r < 0)
		return r;
	if ((s->dir.path != NULL) == (s->dir.fd >= 0))
		return err_say(e, EINVAL, "%s: needs one of path=DIR and fd=N", opt);
	if (s->tag == NULL)
		return err_say(e, EINVAL, "%s: needs tag=TAG, the name to mount it by", opt);
	c->shares++;
	return 0;
}

static int root_entry(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	struct config_entry *en = &c->entry[c->entries];
	char *flag = strchr(v, ':');
	int r;

	if (c->entries == CONFIG_ENTRIES_MAX)
		return err_say(e, EINVAL, "%s: more than %d entries", opt, CONFIG_ENTRIES_MAX);
	if (flag != NULL)
		*flag++ = '\0';
	if (flag != NULL && strcmp(flag, "ro") != 0)
		return err_say(e, EINVAL, "%s: `%s` after fd=%s: only `ro` is known", opt, flag, v);
	r = parse_fd(opt, v, &en->fd, e);
	if (r < 0)
		return r;
	en->ro = flag != NULL;
	c->entries++;
	return 0;
}

static int root_deny(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	char *minor = strchr(v, ':');
	uint64_t a, b;

	if (minor != NULL)
		*minor++ = '\0';
	if (minor == NULL || parse_number(v, UINT32_MAX, &a) < 0 || parse_number(minor, UINT32_MAX, &b) < 0)
		return err_say(e, EINVAL, "%s: deny=MAJOR:MINOR wants a device number", opt);
	c->deny_major = (uint32_t)a;
	c->deny_minor = (uint32_t)b;
	return 0;
}

static int opt_root(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	char *key, *value;
	int r = 0;

	if (c->root_tag != NULL)
		return given_twice(opt, e);
	while (r == 0 && next_part(&v, &key, &value)) {
		if (strcmp(key, "tag") == 0 && value != NULL)
			r = parse_tag(opt, value, &c->root_tag, e);
		else if (strcmp(key, "fd") == 0 && value != NULL)
			r = root_entry(c, opt, value, e);
		else if (strcmp(key, "deny") == 0 && value != NULL)
			r = root_deny(c, opt, value, e);
		else
			r = bad_key(opt, key, value, e);
	}
	if (r == 0 && c->root_tag == NULL)
		return err_say(e, EINVAL, "%s: needs tag=TAG, the name to mount it by", opt);
	return r;
}

static int vsock_control(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	char *fd = strchr(v, ':');
	uint64_t port;

	if (fd != NULL)
		*fd++ = '\0';
	if (fd == NULL || parse_number(v, UINT32_MAX - 1, &port) < 0 || port == 0)
		return err_say(e, EINVAL, "%s: control=PORT:FD wants a port number and a file descriptor", opt);
	c->vsock_port = (uint32_t)port;
	return parse_fd(opt, fd, &c->vsock_port_fd, e);
}

static int vsock_cid(struct vm_config *c, const char *opt, const char *v, struct err *e)
{
	if (parse_number(v, UINT32_MAX - 1, &c->vsock_cid) < 0 || c->vsock_cid < 3)
		return err_say(e, EINVAL, "%s: cid=%s: a guest's CID is 3 to 4294967294", opt, v);
	return 0;
}

static int opt_vsock(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	char *key, *value;
	int r = 0;

	if (c->vsock)
		return given_twice(opt, e);
	c->vsock = true;
	while (r == 0 && next_part(&v, &key, &value)) {
		bool has = value != NULL && *value != '\0';

		if (has && strcmp(key, "path") == 0)
			c->vsock_path = value;
		else if (has && strcmp(key, "fd") == 0)
			r = parse_fd(opt, value, &c->vsock_fd, e);
		else if (has && strcmp(key, "cid") == 0)
			r = vsock_cid(c, opt, value, e);
		else if (has && strcmp(key, "control") == 0)
			r = vsock_control(c, opt, value, e);
		else
			r = bad_key(opt, key, value, e);
	}
	if (r == 0 && (c->vsock_path != NULL) == (c->vsock_fd >= 0))
		return err_say(e, EINVAL, "%s: needs one of path=SOCKET and fd=N", opt);
	return r;
}

static int opt_fd(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	if (strcmp(opt, "--control-fd") == 0)
		return parse_fd(opt, v, &c->control_fd, e);
	if (strcmp(opt, "--kvm-fd") == 0)
		return parse_fd(opt, v, &c->kvm_fd, e);
	return parse_fd(opt, v, &c->log_fd, e);
}

static int opt_log_level(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	static const char *const name[] = { "error", "warn", "info", "debug" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++)
		if (strcmp(v, name[i]) == 0) {
			c->log_level = (enum log_level)i;
			return 0;
		}
	return err_say(e, EINVAL, "%s: `%s` is none of error, warn, info, debug", opt, v);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type of the table's functions */
static int opt_name(struct vm_config *c, const char *opt, char *v, struct err *e)
{
	const char *p;

	for (p = v; *p != '\0'; p++)
		if (*p <= 0x20 || *p == 0x7f)
			return err_say(e, EINVAL, "%s: blanks and control characters are not allowed", opt);
	if (p - v > CONFIG_NAME_MAX)
		return err_say(e, EINVAL, "%s: longer than %d bytes", opt, CONFIG_NAME_MAX);
	c->name = v;
	return 0;
}

static int opt_later(struct vm_config *c UNUSED, const char *opt, char *v UNUSED, struct err *e)
{
	return err_say(e, EINVAL, "%s is not supported yet by this version", opt);
}

static int opt_flag(struct vm_config *c, const char *opt, char *v UNUSED, struct err *e UNUSED)
{
	if (strcmp(opt, "--console") == 0)
		c->console = true;
	else if (strcmp(opt, "--dry-run") == 0)
		c->action = ACTION_DRY_RUN;
	else if (strcmp(opt, "--limits") == 0)
		c->action = ACTION_LIMITS;
	else if (strcmp(opt, "--version") == 0)
		c->action = ACTION_VERSION;
	else
		c->action = ACTION_HELP;
	return 0;
}

/* --- the table --- */

struct option_kind {
	const char *name;
	int (*parse)(struct vm_config *c, const char *opt, char *value, struct err *e);
	bool flag; /* takes no value */
};

static const struct option_kind options[] = {
	{ "--kernel", opt_kernel, false },       { "--kernel-fd", opt_kernel, false },
	{ "--initrd", opt_initrd, false },       { "--initrd-fd", opt_initrd, false },
	{ "--init", opt_initrd, false },         { "--init-fd", opt_initrd, false },
	{ "--cmdline", opt_cmdline, false },     { "--mem", opt_mem, false },
	{ "--cpus", opt_cpus, false },           { "--console", opt_flag, true },
	{ "--share", opt_share, false },         { "--root", opt_root, false },
	{ "--vsock", opt_vsock, false },         { "--disk", opt_later, false },
	{ "--net", opt_later, false },           { "--control-fd", opt_fd, false },
	{ "--kvm-fd", opt_fd, false },           { "--log-fd", opt_fd, false },
	{ "--log-level", opt_log_level, false }, { "--name", opt_name, false },
	{ "--dry-run", opt_flag, true },         { "--limits", opt_flag, true },
	{ "--version", opt_flag, true },         { "--help", opt_flag, true },
};

static const struct option_kind *option_find(const char *arg, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, arg, len) == 0)
			return &options[i];
	return NULL;
}

/* One option at argv[0]; returns how many words it took. */
static int parse_one(struct vm_config *c, int argc, char **argv, struct err *e)
{
	char *arg = argv[0];
	char *value = strchr(arg, '=');
	size_t len = value != NULL ? (size_t)(value - arg) : strlen(arg);
	const struct option_kind *o = option_find(arg, len);
	int used = 1, r;

	if (o == NULL)
		return err_say(e, EINVAL, "unknown %s `%.*s`; see --help", *arg == '-' ? "option" : "argument",
			       (int)min_size(len, 64), arg);
	if (o->flag && value != NULL)
		return err_say(e, EINVAL, "%s takes no value", o->name);
	if (value != NULL) {
		value++;
	} else if (!o->flag) {
		if (argc < 2)
			return err_say(e, EINVAL, "%s needs a value; see --help", o->name);
		value = argv[1];
		used = 2;
	}
	r = o->parse(c, o->name, value, e);
	return r < 0 ? r : used;
}

static int check_tags(const struct vm_config *c, struct err *e)
{
	unsigned int i, j;

	for (i = 0; i < c->shares; i++) {
		if (c->root_tag != NULL && strcmp(c->root_tag, c->share[i].tag) == 0)
			return err_say(e, EINVAL, "--share: tag `%s` is --root's", c->share[i].tag);
		for (j = 0; j < i; j++)
			if (strcmp(c->share[i].tag, c->share[j].tag) == 0)
				return err_say(e, EINVAL, "--share: tag `%s` is used twice", c->share[i].tag);
	}
	return 0;
}

/* Each fd has one owner: one that is named twice would be closed twice. */
static int check_fds(const struct vm_config *c, struct err *e)
{
	int fds[CONFIG_FDS_MAX];
	unsigned int n = config_fds(c, fds), i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			if (fds[i] == fds[j])
				return err_say(e, EINVAL, "file descriptor %d is given for two things", fds[i]);
	return 0;
}

int config_parse(struct vm_config *c, int argc, char **argv, struct err *e)
{
	int i, r;

	*c = (struct vm_config){
		.kernel.fd = -1,
		.initrd.fd = -1,
		.cmdline = "",
		.mem = CONFIG_MEM_DEFAULT,
		.cpus = 1,
		.vsock_fd = -1,
		.vsock_cid = CONFIG_CID_DEFAULT,
		.vsock_port_fd = -1,
		.control_fd = -1,
		.kvm_fd = -1,
		.log_fd = 2,
		.log_level = LOG_WARN,
		.name = "",
	};
	for (i = 1; i < argc; i += r) {
		r = parse_one(c, argc - i, argv + i, e);
		if (r < 0)
			return r;
	}
	if (c->action != ACTION_RUN && c->action != ACTION_DRY_RUN)
		return 0;
	if (c->kernel.path == NULL && c->kernel.fd < 0)
		return err_say(e, EINVAL, "no kernel: give --kernel FILE or --kernel-fd N; see --help");
	r = check_fds(c, e);
	return r < 0 ? r : check_tags(c, e);
}

unsigned int config_fds(const struct vm_config *c, int fds[CONFIG_FDS_MAX])
{
	const int single[] = { c->kernel.fd,  c->initrd.fd, c->vsock_fd, c->vsock_port_fd,
			       c->control_fd, c->kvm_fd,    c->log_fd };
	unsigned int n = 0, i;

	for (i = 0; i < ARRAY_SIZE(single); i++)
		if (single[i] >= 0)
			fds[n++] = single[i];
	for (i = 0; i < c->shares; i++)
		if (c->share[i].dir.fd >= 0)
			fds[n++] = c->share[i].dir.fd;
	for (i = 0; i < c->entries; i++)
		fds[n++] = c->entry[i].fd;
	return n;
}

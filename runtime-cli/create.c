// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/create.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-cli/cgroup.h"
#include "runtime-cli/launch.h"
#include "runtime-cli/launch_vmm.h"
#include "vmm/base/fdio.h"
#include "vmm/base/step.h"
#include "vmm/base/timetext.h"

enum {
	OPT_PID_FILE = 256,
	OPT_CONSOLE,
	OPT_NO_PIVOT,
	OPT_NO_KEYRING,
	OPT_PRESERVE,
	OPT_PIDFD,
	OPT_KEEP,
	OPT_NO_SUBREAPER,
	OPT_COLD
};

static const struct option options[] = {
	{ "bundle", required_argument, NULL, 'b' },
	{ "pid-file", required_argument, NULL, OPT_PID_FILE },
	{ "console-socket", required_argument, NULL, OPT_CONSOLE },
	{ "no-pivot", no_argument, NULL, OPT_NO_PIVOT },
	{ "no-new-keyring", no_argument, NULL, OPT_NO_KEYRING },
	{ "preserve-fds", required_argument, NULL, OPT_PRESERVE },
	{ "pidfd-socket", required_argument, NULL, OPT_PIDFD },
	{ "help", no_argument, NULL, 'h' },
	{ "detach", no_argument, NULL, 'd' },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ "no-subreaper", no_argument, NULL, OPT_NO_SUBREAPER },
	{ "cold", no_argument, NULL, OPT_COLD },
	{ 0 },
};

static bool run_only(int c)
{
	return c == 'd' || c == OPT_KEEP || c == OPT_NO_SUBREAPER || c == OPT_COLD;
}

static int parse_option(struct create_opts *o, int c, struct err *e)
{
	switch (c) {
	case 'b': o->bundle = optarg; return 0;
	case 'd': o->detach = true; return 0;
	case OPT_PID_FILE: o->pid_file = optarg; return 0;
	case OPT_CONSOLE: o->console_socket = optarg; return 0;
	case OPT_KEEP: o->keep = true; return 0;
	case OPT_PRESERVE:
		if (strcmp(optarg, "0") == 0)
			return 0;
		return err_say(e, ENOTSUP, "--preserve-fds %s: open files cannot cross into a VM in this version",
			       optarg);
	case OPT_PIDFD: return err_say(e, ENOTSUP, "--pidfd-socket is not supported by this version; use --pid-file");
	default: return 0; /* --no-pivot, --no-new-keyring, --no-subreaper, --cold: a VM does so anyway */
	}
}

int create_parse(struct create_opts *o, bool run, int argc, char **argv, struct err *e)
{
	int c, r;

	opterr = 0;
	while ((c = getopt_long_only(argc, argv, run ? "+b:dh" : "+b:h", options, NULL)) != -1) {
		if (c == 'h')
			return CLI_HELP;
		if (c == '?' || c == ':' || (!run && run_only(c)))
			return cli_bad_option(e, argv);
		r = parse_option(o, c, e);
		if (r < 0)
			return r;
	}
	if (argc - optind > 1)
		return cli_usage(e, "too many arguments: `%s`", argv[optind + 1]);
	if (optind == argc && o->bundle == NULL)
		return cli_usage(e,
				 "give a container id (with --bundle DIR), or a bundle's folder such as `./bundle/`");
	if (optind < argc && strchr(argv[optind], '/') != NULL) {
		if (o->bundle != NULL)
			return cli_usage(e, "`%s` holds a `/`, so it is a bundle, but --bundle names another",
					 argv[optind]);
		o->bundle = argv[optind];
	} else if (optind < argc) {
		o->id = argv[optind];
	}
	return 0;
}

/* --- naming --- */

static void name_from_folder(char *id, size_t cap, const char *bundle)
{
	const char *base = strrchr(bundle, '/');
	size_t n = 0;

	for (base = base != NULL ? base + 1 : bundle; *base != '\0' && n < cap - 8; base++) {
		bool ok = (*base >= 'a' && *base <= 'z') || (*base >= 'A' && *base <= 'Z') ||
			  (*base >= '0' && *base <= '9') || strchr("_+-.", *base) != NULL;

		if (n == 0 && (*base == '.' || *base == '-'))
			continue;
		id[n++] = (char)(ok ? *base : '_');
	}
	id[n] = '\0';
	if (n == 0)
		(void)snprintf(id, cap, "container");
}

static int reserve(struct container *c, const struct create_opts *o, const char *bundle, struct err *e)
{
	char base[STATE_ID_MAX - 8], id[STATE_ID_MAX + 1];
	unsigned int n;
	int r;

	if (o->id != NULL)
		return state_reserve(&c->state, c->rootfd, o->id, e);
	name_from_folder(base, sizeof(base), bundle);
	(void)snprintf(id, sizeof(id), "%s", base);
	for (n = 2; (r = state_reserve(&c->state, c->rootfd, id, e)) == -EEXIST && n < 100000; n++)
		(void)snprintf(id, sizeof(id), "%s-%u", base, n);
	return r;
}

/* --- the state --- */

static int fill_state(struct state *s, const struct oci_spec *spec, const struct vm_plan *plan, const char *bundle,
		      struct err *e)
{
	(void)snprintf(s->bundle, sizeof(s->bundle), "%s", bundle);
	BUG_ON(plan->n_entries == 0 || plan->entries == NULL); /* the root file system is always there */
	(void)snprintf(s->rootfs, sizeof(s->rootfs), "%s", plan->entries[0].source);
	(void)snprintf(s->oci_version, sizeof(s->oci_version), "%s", spec->version);
	s->owner = geteuid();
	s->annotations = strdup(oci_annotations_text(spec));
	(void)timetext_now(s->created, 9);
	if (s->annotations == NULL || proc_identify(&s->creator, getpid()) < 0)
		return err_say(e, ENOMEM, "cannot describe this process for the state");
	return cgroup_path(s->cgroup, sizeof(s->cgroup), spec->cgroups_path, s->id, e);
}

/* --- waiting --- */

static int make_signals(struct container *c, struct err *e)
{
	sigset_t set;

	/* Ctrl-C and its like are events from here on: whatever was started must not stay behind. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGCONT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set(e, errno, "block signals");
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return c->signals < 0 ? err_set(e, errno, "signalfd") : 0;
}

static bool interrupted(const struct container *c)
{
	struct signalfd_siginfo si;

	while (read(c->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo == SIGINT || si.ssi_signo == SIGTERM || si.ssi_signo == SIGHUP ||
		    si.ssi_signo == SIGQUIT)
			return true;
	return false;
}

/* "error CODE TEXT" as an error; the status file has the reason when the monitor could say nothing */
static int message_error(const struct container *c, char *msg, struct err *e)
{
	char *text = msg, reason[512];
	long code = EIO;

	if (strncmp(msg, "error ", 6) == 0) {
		code = strtol(msg + 6, &text, 10);
		if (*text == ' ')
			text++;
		return err_say(e, code > 0 && code < 4096 ? (int)code : EIO, "%s", text);
	}
	state_reason(&c->state, reason, sizeof(reason));
	return err_say(e, EIO, "%s; `kvmbox --debug run ...` shows the VM's log",
		       reason[0] != '\0' ? reason : "the monitor ended before the container was ready");
}

/* Wait for one message of the monitor: 0 when it is `want`. */
static int wait_message(const struct container *c, const char *want, struct err *e)
{
	struct pollfd p[2] = { { .fd = c->commit, .events = POLLIN }, { .fd = c->signals, .events = POLLIN } };
	char msg[700];
	ssize_t n;

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return err_set(e, errno, "wait for the container");
		if (p[1].revents != 0 && interrupted(c))
			return err_say(e, EINTR, "interrupted");
		if (p[0].revents != 0)
			break;
	}
	n = recv(c->commit, msg, sizeof(msg) - 1, 0);
	msg[n > 0 ? n : 0] = '\0';
	return strcmp(msg, want) == 0 ? 0 : message_error(c, msg, e);
}

/* --- create --- */

static int write_pid_file(const char *path, pid_t pid, struct err *e)
{
	char tmp[PATH_MAX], text[16];
	int n = snprintf(tmp, sizeof(tmp), "%s.kvmbox-new", path), len = snprintf(text, sizeof(text), "%d", pid), r;
	autofd fd = -1;

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return err_say(e, ENAMETOOLONG, "--pid-file: the path is too long");
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set(e, errno, "--pid-file `%s`", path);
	r = write_full(fd, text, (size_t)len);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp);
	return r < 0 ? err_set(e, -r, "--pid-file `%s`", path) : 0;
}

static int check_terminal(const struct oci_spec *spec, const struct create_opts *o, struct err *e)
{
	if (o->console_socket != NULL)
		return err_say(e, ENOTSUP,
			       "--console-socket: detached terminals are not supported by this version; set "
			       "process.terminal to false, or use `kvmbox run` in the foreground");
	if (spec->process.terminal && o->detach)
		return err_say(e, ENOTSUP,
			       "process.terminal: a detached container cannot have a terminal in this version; "
			       "set it to false, or use `kvmbox run` in the foreground");
	return 0;
}

static int bring_up(struct launch *l, const struct create_opts *o, struct container *c, struct err *e)
{
	autofd cgroup = -1;
	int r;

	cgroup = cgroup_make(c->state.cgroup, e);
	if (cgroup < 0)
		return cgroup;
	step("cli:cgroup");
	l->cgroup = cgroup;
	r = launch(l, e);
	c->commit = l->commit;
	if (r == 0)
		r = wait_message(c, "created", e);
	step("cli:created");
	if (r == 0 && o->pid_file != NULL)
		r = write_pid_file(o->pid_file, c->state.monitor.pid, e);
	step("cli:pid-file");
	return r;
}

int container_destroy(struct state *s, int rootfd, struct err *e)
{
	int r = 0;

	if (s->cgroup[0] != '\0') {
		r = cgroup_kill(s->cgroup, e);
		step("delete:killed");
		if (r == 0)
			r = cgroup_wait_empty(s->cgroup, e);
		step("delete:empty");
		if (r == 0)
			r = cgroup_remove(s->cgroup, e);
		step("delete:cgroup");
	}
	if (r == 0)
		r = state_remove(s, rootfd, e);
	step("delete:files");
	return r;
}

void create_undo(struct container *c)
{
	struct err ignored;
	int status;

	if (c->debug && state_copy_log(&c->state, STDERR_FILENO) < 0)
		(void)fprintf(stderr, "kvmbox: cannot show the VM's log\n");
	fd_close(&c->commit); /* not committed: the monitor ends, and kvmbox-vmm with it */
	if (container_destroy(&c->state, c->rootfd, &ignored) < 0)
		(void)fprintf(stderr, "kvmbox: cannot undo the container `%s`: %s\n", c->state.id, ignored.text);
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
}

static int plan_container(const struct oci_spec *spec, const char *bundle, struct vm_plan *plan, uint32_t *streams,
			  struct err *e)
{
	struct plan_opts po = { .bundle = bundle,
				.streams = launch_streams(spec->process.terminal),
				.look = plan_look };
	struct winsize ws;
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return err_set(e, errno, "find out how much memory the host has");
	po.host_memory = (uint64_t)si.totalram * si.mem_unit;
	if (spec->process.terminal && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0) {
		po.rows = ws.ws_row;
		po.columns = ws.ws_col;
	}
	*streams = po.streams;
	return plan_make(spec, &po, plan, e);
}

static int create_from(const struct create_opts *o, struct container *c, const char *bundle,
		       const struct oci_spec *spec, struct err *e)
{
	struct vm_plan plan = { 0 };
	struct launch l = {
		.spec = spec, .plan = &plan, .state = &c->state, .rootfd = c->rootfd, .kvm = -1, .commit = -1
	};
	int r = plan_container(spec, bundle, &plan, &l.streams, e);

	if (r < 0)
		return r;
	l.kvm = host_kvm_open(e);
	r = l.kvm < 0 ? l.kvm : make_signals(c, e);
	if (r == 0)
		r = reserve(c, o, bundle, e);
	if (r == 0) {
		/* at once: whoever finds the folder locked must be able to find who holds it */
		r = fill_state(&c->state, spec, &plan, bundle, e);
		if (r == 0)
			r = state_save(&c->state, e);
		step("cli:reserved");
		if (r == 0)
			r = bring_up(&l, o, c, e);
		if (r < 0)
			create_undo(c);
	}
	fd_close(&l.kvm);
	plan_free(&plan);
	return r;
}

int create_container(const struct cli *cli, const struct create_opts *o, struct container *c, struct err *e)
{
	const char *folder = o->bundle != NULL ? o->bundle : ".";
	struct oci_spec spec = { 0 };
	char bundle[PATH_MAX];
	autofd dir = -1;
	int r;

	if (o->id != NULL && state_check_id(o->id, e) < 0)
		return -e->code;
	if (realpath(folder, bundle) == NULL)
		return err_set(e, errno, "bundle `%s`", folder);
	dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "bundle `%s`", folder);
	r = oci_load(dir, &spec, e);
	if (r < 0)
		return err_wrap(e, "bundle `%s`", folder);
	c->debug = cli->debug;
	c->terminal = spec.process.terminal;
	r = check_terminal(&spec, o, e);
	if (r == 0) {
		c->rootfd = state_open_root(cli->root, e);
		r = c->rootfd < 0 ? c->rootfd : create_from(o, c, bundle, &spec, e);
	}
	oci_free(&spec);
	return r;
}

int create_commit(struct container *c, bool start, struct err *e)
{
	const char *word = start ? "start" : "commit";

	if (start)
		step("cli:before-start");
	if (send(c->commit, word, strlen(word), MSG_NOSIGNAL) < 0)
		return message_error(c, (char[]){ "" }, e);
	if (start && wait_message(c, "started", e) < 0)
		return -e->code;
	state_unlock(&c->state);
	return 0;
}

void container_fini(struct container *c)
{
	state_fini(&c->state);
	fd_close(&c->rootfd);
	fd_close(&c->commit);
	fd_close(&c->signals);
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <signal.h>

#include "runtime-cli/cgroup.h"
#include "runtime-cli/create.h"
#include "runtime-cli/one_id.h"
#include "vmm/base/fdio.h"

const char cmd_delete_help[] = "usage: kvmbox delete [-f] ID\n\n"
			       "Remove a stopped container: its cgroup and its state.\n\n"
			       "  -f, --force    kill it first if it lives; no error when it does not exist\n"
			       "  -h, --help\n";

/*
 * The creating process holds the lock until it is done. With force it is ended first: it may hang, or have been
 * stopped. A holder that is not the creator is another delete, which will finish.
 */
static int take_lock(struct one_id *o, bool force, struct err *e)
{
	int r = state_trylock(&o->state);

	if (r == -EWOULDBLOCK && force) {
		autofd creator = proc_open(&o->state.creator);

		if (creator >= 0 && proc_signal_fd(creator, SIGKILL) == 0 && proc_wait_fd(creator) < 0)
			return err_say(e, EBUSY, "cannot wait for the process that creates `%s`", o->state.id);
		/* its children hold the same open folder until they have closed what they do not need */
		if (o->state.cgroup[0] != '\0' && cgroup_kill(o->state.cgroup, e) < 0)
			return -e->code;
	} else if (r == -EWOULDBLOCK && state_status(&o->state) == STATUS_CREATING) {
		return err_say(e, EBUSY, "container `%s` is still being created; use --force to end that", o->state.id);
	}
	return state_lock(&o->state, o->rootfd, e);
}

static int delete_locked(struct one_id *o, bool force, struct err *e)
{
	enum status st = state_status(&o->state);

	if (!force && st != STATUS_STOPPED)
		return err_say(e, EBUSY, "container `%s` is %s; stop it first, or use --force", o->state.id,
			       status_name(st));
	return container_destroy(&o->state, o->rootfd, e);
}

int cmd_delete(const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = { { "force", no_argument, NULL, 'f' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	struct one_id o = ONE_ID_INIT;
	bool force = false;
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+fh", options, NULL)) != -1) {
		if (c == 'h')
			return CLI_HELP;
		if (c != 'f')
			return cli_bad_option(e, argv);
		force = true;
	}
	if (argc - optind != 1)
		return cli_usage(e, argc == optind ? "the container's id is missing" : "too many arguments");
	r = one_id_load(&o, cli, argv[optind], e);
	if (r == -ENOENT && force)
		return 0;
	if (r < 0)
		return r;
	r = take_lock(&o, force, e);
	if (r == 0)
		r = delete_locked(&o, force, e);
	one_id_fini(&o);
	return r == -ENOENT && force ? 0 : r;
}

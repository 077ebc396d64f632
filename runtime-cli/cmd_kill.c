// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/ctl.h"
#include "runtime-cli/one_id.h"
#include "runtime-cli/sig.h"

const char cmd_kill_help[] =
	"usage: kvmbox kill [-a] ID [SIGNAL]\n\n"
	"Send a signal (default TERM) to the container's first process.\n"
	"SIGNAL: a number, or a name with or without SIG, such as KILL or RTMIN+3; 0 only asks whether it runs.\n\n"
	"  -a, --all    to every process of the container\n"
	"  -h, --help\n";

int cmd_kill(const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = { { "all", no_argument, NULL, 'a' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	struct one_id o = ONE_ID_INIT;
	enum status st;
	bool all = false;
	char request[32];
	int c, sig, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+ah", options, NULL)) != -1) {
		if (c == 'h')
			return CLI_HELP;
		if (c != 'a')
			return cli_bad_option(e, argv);
		all = true;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage(e, argc == optind ? "the container's id is missing" : "too many arguments");
	sig = sig_parse(argc - optind == 2 ? argv[optind + 1] : "TERM", e);
	if (sig < 0)
		return sig;
	r = one_id_load(&o, cli, argv[optind], e);
	if (r < 0)
		return r;
	st = state_status(&o.state);
	(void)snprintf(request, sizeof(request), "signal %d %d", sig, all);
	if (st == STATUS_CREATED || st == STATUS_RUNNING)
		r = ctl_request(&o.state, request, e);
	else
		r = err_say(e, ESRCH, "container not running");
	one_id_fini(&o);
	return r;
}

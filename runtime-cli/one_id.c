// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/one_id.h"

#include <getopt.h>

#include "vmm/base/fdio.h"

int one_id_open(struct one_id *o, const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c == 'h')
			return CLI_HELP;
		return cli_bad_option(e, argv);
	}
	if (argc - optind != 1)
		return cli_usage(e, argc == optind ? "the container's id is missing" : "too many arguments");
	return one_id_load(o, cli, argv[optind], e);
}

int one_id_load(struct one_id *o, const struct cli *cli, const char *id, struct err *e)
{
	int r;

	o->rootfd = state_open_root(cli->root, e);
	if (o->rootfd < 0)
		return o->rootfd;
	r = state_load(&o->state, o->rootfd, id, e);
	if (r < 0)
		fd_close(&o->rootfd);
	return r;
}

void one_id_fini(struct one_id *o)
{
	state_fini(&o->state);
	fd_close(&o->rootfd);
}

// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/state_json.h"
#include "vmm/base/fdio.h"

const char cmd_list_help[] = "usage: kvmbox list [-q] [--format table|json]\n\n"
			     "List the containers.\n\n"
			     "  -q, --quiet       ids only\n"
			     "  -f, --format F    table (default) or json\n"
			     "  -h, --help\n";

static int print_row(const struct state *s, void *arg)
{
	enum status st = state_status(s);
	char owner[16];

	(void)arg;
	state_owner(s, owner, sizeof(owner));
	(void)printf("%-27s %-10d %-10s %-40s %-32s %s\n", s->id, st == STATUS_STOPPED ? 0 : s->monitor.pid,
		     status_name(st), s->bundle, s->created, owner);
	return 0;
}

static int print_id(const struct state *s, void *arg)
{
	(void)arg;
	(void)printf("%s\n", s->id);
	return 0;
}

static int add_json(const struct state *s, void *arg)
{
	json_object_array_add(arg, state_to_json(s));
	return 0;
}

static int list_json(int rootfd, struct err *e)
{
	struct json_object *all = json_object_new_array();
	int r = state_each(rootfd, add_json, all, e);

	if (r == 0)
		(void)printf("%s\n", json_object_to_json_string_ext(all, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
	return r;
}

int cmd_list(const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = { { "quiet", no_argument, NULL, 'q' },
						 { "format", required_argument, NULL, 'f' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	bool quiet = false, json = false;
	autofd rootfd = -1;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+qf:h", options, NULL)) != -1) {
		if (c == 'h')
			return CLI_HELP;
		if (c == 'q')
			quiet = true;
		else if (c == 'f' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "table") == 0))
			json = strcmp(optarg, "json") == 0;
		else if (c == 'f')
			return cli_usage(e, "--format `%s` is neither table nor json", optarg);
		else
			return cli_bad_option(e, argv);
	}
	if (optind != argc)
		return cli_usage(e, "list takes no argument: `%s`", argv[optind]);
	rootfd = state_open_root(cli->root, e);
	if (rootfd < 0)
		return rootfd;
	if (quiet)
		return state_each(rootfd, print_id, NULL, e);
	if (json)
		return list_json(rootfd, e);
	(void)printf("%-27s %-10s %-10s %-40s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
	return state_each(rootfd, print_row, NULL, e);
}

// SPDX-License-Identifier: Apache-2.0
/* The common beginning of commands that take one container: no options but --help, then the id. */
#ifndef KVMBOX_ONE_ID_H
#define KVMBOX_ONE_ID_H

#include "runtime-cli/cli.h"
#include "runtime-cli/state.h"

struct one_id {
	struct state state;
	int rootfd;
};

#define ONE_ID_INIT                                                                                                    \
	{                                                                                                              \
		.state = STATE_INIT, .rootfd = -1                                                                      \
	}

/* Parse and load: 0, CLI_HELP, or -errno. one_id_fini() is due after 0 only. */
int one_id_open(struct one_id *o, const struct cli *cli, int argc, char **argv, struct err *e) MUST_CHECK;

/* The same for a given id, after a command has parsed its own options. */
int one_id_load(struct one_id *o, const struct cli *cli, const char *id, struct err *e) MUST_CHECK;
void one_id_fini(struct one_id *o);

#endif

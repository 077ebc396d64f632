// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/ctl.h"
#include "runtime-cli/one_id.h"

const char cmd_start_help[] = "usage: kvmbox start ID\n\nStart the process of a created container.\n\n  -h, --help\n";

int cmd_start(const struct cli *cli, int argc, char **argv, struct err *e)
{
	struct one_id o = ONE_ID_INIT;
	int r = one_id_open(&o, cli, argc, argv, e);

	if (r != 0)
		return r;
	switch (state_status(&o.state)) {
	case STATUS_CREATED: r = ctl_request(&o.state, "start", e); break;
	case STATUS_RUNNING: r = err_say(e, EINVAL, "cannot start an already running container"); break;
	case STATUS_CREATING: r = err_say(e, EINVAL, "container `%s` is still being created", o.state.id); break;
	case STATUS_STOPPED:
	case STATUS_COUNT:
	default: r = err_say(e, EINVAL, "cannot start a container that has stopped"); break;
	}
	one_id_fini(&o);
	return r;
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <unistd.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/ctl.h"
#include "runtime-cli/one_id.h"

const char cmd_logs_help[] = "usage: kvmbox logs ID\n\n"
			     "Print what kvmbox-vmm logged for the container. While the VM lives, the lines of the "
			     "guest's kernel and agent\n"
			     "are fetched from it first; when it died, its last lines are there already.\n\n"
			     "  -h, --help\n";

int cmd_logs(const struct cli *cli, int argc, char **argv, struct err *e)
{
	struct one_id o = ONE_ID_INIT;
	int r = one_id_open(&o, cli, argc, argv, e);

	if (r != 0)
		return r;
	if (state_status(&o.state) != STATUS_STOPPED)
		r = ctl_request(&o.state, "logs", e);
	if (r == -ESRCH) { /* it has just ended: what it left is all there is */
		e->code = 0;
		r = 0;
	}
	if (r == 0)
		r = state_copy_log(&o.state, STDOUT_FILENO);
	if (r == -EPIPE)
		r = err_say(e, EPIPE, "cannot write to standard output");
	else if (r < 0 && e->code == 0)
		r = err_set(e, -r, "read vmm.log of `%s`", o.state.id);
	one_id_fini(&o);
	return r;
}

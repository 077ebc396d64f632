// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/create.h"

const char cmd_create_help[] =
	"usage: kvmbox create [options] ID        (bundle: the working directory, or --bundle)\n"
	"       kvmbox create [options] BUNDLE/   (named after the folder)\n\n"
	"Boot a VM and prepare the container in it; `kvmbox start ID` then starts its process.\n\n"
	"  -b, --bundle DIR       folder with config.json\n"
	"      --pid-file FILE    write the pid of the process that stands for the container\n"
	"      --no-pivot, --no-new-keyring\n"
	"                         accepted; a VM needs neither\n"
	"  -h, --help\n";

int cmd_create(const struct cli *cli, int argc, char **argv, struct err *e)
{
	struct container c = CONTAINER_INIT;
	struct create_opts o = { 0 };
	int r = create_parse(&o, false, argc, argv, e);

	if (r != 0)
		return r;
	o.detach = true;
	r = create_container(cli, &o, &c, e);
	if (r == 0)
		r = create_commit(&c, false, e);
	container_fini(&c);
	return r;
}

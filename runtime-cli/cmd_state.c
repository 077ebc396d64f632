// SPDX-License-Identifier: Apache-2.0
#include <json-c/json.h>
#include <stdio.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/one_id.h"
#include "runtime-cli/state_json.h"

const char cmd_state_help[] = "usage: kvmbox state ID\n\nPrint the state of a container as JSON.\n\n  -h, --help\n";

int cmd_state(const struct cli *cli, int argc, char **argv, struct err *e)
{
	struct one_id o = ONE_ID_INIT;
	struct json_object *json;
	int r = one_id_open(&o, cli, argc, argv, e);

	if (r != 0)
		return r;
	json = state_to_json(&o.state);
	(void)printf("%s\n",
		     json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
	one_id_fini(&o);
	return 0;
}

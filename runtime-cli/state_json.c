// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/state_json.h"

#include <stdio.h>

/* Static programs cannot use the name service; root is the one name that is the same everywhere. */
void state_owner(const struct state *s, char *buf, size_t cap)
{
	if (s->owner == 0)
		(void)snprintf(buf, cap, "root");
	else
		(void)snprintf(buf, cap, "%u", s->owner);
}

struct json_object *state_to_json(const struct state *s)
{
	struct json_object *o = json_object_new_object(), *annotations = NULL;
	enum status st = state_status(s);
	char owner[16];

	state_owner(s, owner, sizeof(owner));
	if (s->annotations != NULL)
		annotations = json_tokener_parse(s->annotations);
	json_object_object_add(o, "ociVersion", json_object_new_string(s->oci_version));
	json_object_object_add(o, "id", json_object_new_string(s->id));
	json_object_object_add(o, "pid", json_object_new_int(st == STATUS_STOPPED ? 0 : s->monitor.pid));
	json_object_object_add(o, "status", json_object_new_string(status_name(st)));
	json_object_object_add(o, "bundle", json_object_new_string(s->bundle));
	json_object_object_add(o, "rootfs", json_object_new_string(s->rootfs));
	json_object_object_add(o, "created", json_object_new_string(s->created));
	json_object_object_add(o, "annotations", annotations != NULL ? annotations : json_object_new_object());
	json_object_object_add(o, "owner", json_object_new_string(owner));
	return o;
}

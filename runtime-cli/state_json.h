// SPDX-License-Identifier: Apache-2.0
/* The state as the runtime spec and engines want it: used by state, list and (later) hooks. */
#ifndef KVMBOX_STATE_JSON_H
#define KVMBOX_STATE_JSON_H

#include <json-c/json.h>

#include "runtime-cli/state.h"

/* A new object, the caller's: json_object_put() */
struct json_object *state_to_json(const struct state *s);

/* Name of the owner, or the number */
void state_owner(const struct state *s, char *buf, size_t cap);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's part of a plan, written as the body of PROTO_CREATE. For plan.c only.
 */
#ifndef KVMBOX_PLAN_ENCODE_H
#define KVMBOX_PLAN_ENCODE_H

#include "guest-init/proto/proto.h"
#include "runtime-cli/plan.h"

/* mounts[i]: what became of the spec's mount i. Sets p->create. */
int plan_encode(const struct oci_spec *s, const struct plan_opts *opts, const struct proto_mount *mounts,
		struct vm_plan *p, struct err *e) MUST_CHECK;

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * `kvmbox doctor`: print the checks of doctor.c.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/doctor.h"

const char cmd_doctor_help[] =
	"usage: kvmbox doctor [--json | --kvm]\n"
	"\n"
	"Checks whether this machine can run VMs, and what slows them down. A line for each check:\n"
	"fine, slow (works, costs time), missing or unknown; what was found; what to do about it.\n"
	"Exits 1 when something is missing without which no container runs.\n"
	"\n"
	"  --json   print an object {\"overall\", \"checks\": [{\"name\", \"state\", \"needed\", \"finding\", "
	"\"advice\"}]}\n"
	"  --kvm    check only whether KVM is usable, in one line; exits 0 or 1\n";

static void print_text(const struct doctor *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		const struct doctor_result *r = &d->results[i];

		printf("%-8s %s: %s%s%s\n", doctor_state_name(r->state), r->name, r->finding,
		       r->advice[0] != '\0' ? "; " : "", r->advice);
	}
	printf("%s\n", doctor_usable(d) ? "This machine can run containers in VMs."
					: "This machine cannot run containers in VMs: see what is missing above.");
}

/* The first needed thing that is missing decides, otherwise what the last check, the speed, found. */
static void print_kvm(const struct doctor *d)
{
	const struct doctor_result *r = &d->results[d->n - 1];
	size_t i;

	for (i = d->n; i-- > 0;)
		if (d->results[i].needed && d->results[i].state == DOCTOR_MISSING)
			r = &d->results[i];
	printf("KVM is %s: %s%s%s\n", doctor_usable(d) ? "usable" : "not usable", r->finding,
	       r->advice[0] != '\0' ? "; " : "", r->advice);
}

static int add_result(struct json_object *list, const struct doctor_result *r)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL || json_object_array_add(list, o) != 0)
		return -ENOMEM;
	if (json_object_object_add(o, "name", json_object_new_string(r->name)) != 0 ||
	    json_object_object_add(o, "state", json_object_new_string(doctor_state_name(r->state))) != 0 ||
	    json_object_object_add(o, "needed", json_object_new_boolean(r->needed)) != 0 ||
	    json_object_object_add(o, "finding", json_object_new_string(r->finding)) != 0 ||
	    json_object_object_add(o, "advice", json_object_new_string(r->advice)) != 0)
		return -ENOMEM;
	return 0;
}

static int print_json(const struct doctor *d, struct err *e)
{
	struct json_object *top = json_object_new_object(), *list = json_object_new_array();
	const char *text = NULL;
	size_t i;
	int r = 0;

	if (top == NULL || list == NULL ||
	    json_object_object_add(top, "overall", json_object_new_string(doctor_usable(d) ? "usable" : "unusable")) !=
		    0 ||
	    json_object_object_add(top, "checks", list) != 0)
		return err_set(e, ENOMEM, "doctor"); /* the end of the process frees */
	for (i = 0; r == 0 && i < d->n; i++)
		r = add_result(list, &d->results[i]);
	if (r == 0)
		text = json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text != NULL)
		printf("%s\n", text);
	json_object_put(top);
	return text != NULL ? 0 : err_set(e, ENOMEM, "doctor");
}

static int examine(bool json, bool kvm_only, struct err *e)
{
	static struct doctor d; /* some KiB */
	char libexec[PATH_MAX];
	struct err ignored = { 0 };
	int r = 0;

	d = (struct doctor){ .root = "", .libexec = cli_libexec(libexec, &ignored) == 0 ? libexec : NULL };
	doctor_run(&d, kvm_only);
	if (json)
		r = print_json(&d, e);
	else if (kvm_only)
		print_kvm(&d);
	else
		print_text(&d);
	if (r == 0)
		r = doctor_usable(&d) ? 0 : 1;
	d.libexec = NULL;
	return r;
}

int cmd_doctor(const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "kvm", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false, kvm_only = false;
	int c;

	(void)cli;
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (c) {
		case 'j': json = true; break;
		case 'k': kvm_only = true; break;
		case 'h': return CLI_HELP;
		default: return cli_bad_option(e, argv);
		}
	}
	if (optind < argc)
		return cli_usage(e, "doctor takes no argument, found `%s`", argv[optind]);
	return examine(json, kvm_only, e);
}

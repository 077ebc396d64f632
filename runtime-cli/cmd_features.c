// SPDX-License-Identifier: Apache-2.0
/*
 * `kvmbox features`: what this runtime supports, in the form of the runtime spec's features.md.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "runtime-cli/caps_names.h"
#include "runtime-cli/cli.h"
#include "runtime-cli/mount_opts.h"
#include "runtime-cli/oci.h"

const char cmd_features_help[] =
	"usage: kvmbox features\n"
	"\n"
	"Prints what this runtime supports as a JSON object (the runtime spec's features.md).\n";

/* A shortage of memory shows in `ok` at the end; what is lost then, the end of the process frees. */
struct out {
	bool ok;
};

static void add(struct out *out, struct json_object *to, const char *key, struct json_object *value)
{
	if (to == NULL || value == NULL || json_object_object_add(to, key, value) != 0)
		out->ok = false;
}

static struct json_object *object(struct out *out, struct json_object *to, const char *key)
{
	struct json_object *o = json_object_new_object();

	add(out, to, key, o);
	return o;
}

static void add_bool(struct out *out, struct json_object *to, const char *key, bool value)
{
	add(out, to, key, json_object_new_boolean(value));
}

static void add_string(struct out *out, struct json_object *to, const char *key, const char *value)
{
	add(out, to, key, json_object_new_string(value));
}

static void append(struct out *out, struct json_object *to, const char *value)
{
	struct json_object *s = json_object_new_string(value);

	if (to == NULL || s == NULL || json_object_array_add(to, s) != 0)
		out->ok = false;
}

static struct json_object *array(struct out *out, struct json_object *to, const char *key)
{
	struct json_object *o = json_object_new_array();

	add(out, to, key, o);
	return o;
}

static void add_enabled(struct out *out, struct json_object *to, const char *key, bool enabled)
{
	add_bool(out, object(out, to, key), "enabled", enabled);
}

static void add_mount_options(struct out *out, struct json_object *to)
{
	struct json_object *list = array(out, to, "mountOptions");
	const struct mount_opt *opt;
	size_t i;

	for (i = 0; (opt = mount_opt_at(i)) != NULL; i++)
		if (opt->kind != MOUNT_LATER)
			append(out, list, opt->name);
}

static void add_linux(struct out *out, struct json_object *to)
{
	static const char *const namespaces[] = { "cgroup", "ipc", "mount", "network", "pid", "uts" };
	struct json_object *lx = object(out, to, "linux"), *list, *cgroup;
	unsigned int i;

	list = array(out, lx, "namespaces");
	for (i = 0; i < ARRAY_SIZE(namespaces); i++)
		append(out, list, namespaces[i]);
	list = array(out, lx, "capabilities");
	for (i = 0; i < caps_count(); i++)
		append(out, list, caps_name(i));
	cgroup = object(out, lx, "cgroup");
	add_bool(out, cgroup, "v1", false);
	add_bool(out, cgroup, "v2", true);
	add_bool(out, cgroup, "systemd", false);
	add_bool(out, cgroup, "systemdUser", false);
	add_bool(out, cgroup, "rdma", false);
	add_enabled(out, lx, "seccomp", false);
	add_enabled(out, lx, "apparmor", false);
	add_enabled(out, lx, "selinux", false);
	add_enabled(out, lx, "intelRdt", false);
	add_enabled(out, object(out, lx, "mountExtensions"), "idmap", false);
	add_enabled(out, lx, "netDevices", false);
}

static void add_all(struct out *out, struct json_object *top)
{
	struct json_object *annotations;

	add_string(out, top, "ociVersionMin", OCI_VERSION_MIN);
	add_string(out, top, "ociVersionMax", OCI_VERSION_MAX);
	(void)array(out, top, "hooks");
	add_mount_options(out, top);
	add_linux(out, top);
	annotations = object(out, top, "annotations");
	add_string(out, annotations, "io.kvmbox.version", KVMBOX_VERSION);
	append(out, array(out, top, "potentiallyUnsafeConfigAnnotations"), "io.kvmbox.");
}

static int print_features(struct err *e)
{
	struct json_object *top = json_object_new_object();
	struct out out = { .ok = top != NULL };
	const char *text = NULL;

	if (out.ok)
		add_all(&out, top);
	if (out.ok)
		text = json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text != NULL)
		printf("%s\n", text);
	json_object_put(top);
	return text != NULL ? 0 : err_set(e, ENOMEM, "features");
}

int cmd_features(const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	(void)cli;
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c == 'h')
			return CLI_HELP;
		return cli_bad_option(e, argv);
	}
	if (optind < argc)
		return cli_usage(e, "features takes no argument, found `%s`", argv[optind]);
	return print_features(e);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * kvmbox: global options, the table of commands, and the one place that prints errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/json.h"
#include "vmm/base/fdio.h"
#include "vmm/base/log.h"
#include "vmm/base/step.h"
#include "vmm/base/timetext.h"

static const struct command commands[] = {
	{ "run", "create and start a container, and wait for it", cmd_run, cmd_run_help },
	{ "create", "boot a VM and prepare a container in it", cmd_create, cmd_create_help },
	{ "start", "start the process of a created container", cmd_start, cmd_start_help },
	{ "state", "print the state of a container as JSON", cmd_state, cmd_state_help },
	{ "kill", "send a signal to a container", cmd_kill, cmd_kill_help },
	{ "delete", "remove a container and everything of it", cmd_delete, cmd_delete_help },
	{ "list", "list the containers", cmd_list, cmd_list_help },
	{ "logs", "print what the VM, its kernel and the agent logged", cmd_logs, cmd_logs_help },
	{ "spec", "write a config.json to start from", cmd_spec, cmd_spec_help },
	{ "features", "print what this runtime supports as JSON", cmd_features, cmd_features_help },
	{ "doctor", "check this machine and say what to do", cmd_doctor, cmd_doctor_help },
	{ "vm", "run a VM without a container", cmd_vm, cmd_vm_help },
};

enum { OPT_ROOT = 256, OPT_LOG, OPT_LOG_FORMAT, OPT_SYSTEMD, OPT_DEBUG, OPT_IGNORED, OPT_STOP_AT, OPT_LIST_STEPS };

static const struct option options[] = {
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-format", required_argument, NULL, OPT_LOG_FORMAT },
	{ "systemd-cgroup", no_argument, NULL, OPT_SYSTEMD },
	{ "debug", no_argument, NULL, OPT_DEBUG },
	{ "criu", required_argument, NULL, OPT_IGNORED },
	{ "rootless", optional_argument, NULL, OPT_IGNORED },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
#ifdef KVMBOX_STEPS
	{ "stop-at", required_argument, NULL, OPT_STOP_AT },
	{ "list-steps", no_argument, NULL, OPT_LIST_STEPS },
#endif
	{ 0 },
};

static void print_help(void)
{
	size_t i;

	printf("kvmbox runs an OCI container in its own virtual machine.\n\n"
	       "usage: kvmbox [--root DIR] [--log FILE] [--log-format text|json] [--debug] COMMAND ...\n\n"
	       "  kvmbox run bundle/         run the bundle in that folder\n\n"
	       "commands:\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\nglobal options:\n"
	       "  --root DIR            where the state is kept (root: /run/kvmbox)\n"
	       "  --log FILE            write errors to FILE as well\n"
	       "  --log-format F        text (default) or json\n"
	       "  --debug               say more\n"
	       "  -v, --version         version, commit and supported spec\n"
	       "  -h, --help            this text; `kvmbox COMMAND --help` for a command\n\n"
	       "`kvmbox doctor` tells whether this machine can run VMs, and what to do if not.\n");
}

static void log_file_write(const struct cli *cli, const struct err *e)
{
	char stamp[TIMETEXT_MAX], *line = NULL;
	autofd fd = open(cli->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int n;

	if (fd < 0) {
		(void)fprintf(stderr, "kvmbox: --log %s: %s\n", cli->log, strerror(errno));
		return;
	}
	(void)timetext_now(stamp, 0);
	if (cli->log_json)
		line = json_log_line("error", e->text, stamp);
	else
		n = asprintf(&line, "%s error %s\n", stamp, e->text), line = n < 0 ? NULL : line;
	if (line != NULL && write_full(fd, line, strlen(line)) < 0)
		(void)fprintf(stderr, "kvmbox: --log %s: cannot write\n", cli->log);
	free(line);
}

static int report(const struct cli *cli, const struct err *e)
{
	(void)fprintf(stderr, "kvmbox: %s\n", e->text);
	if (cli->log != NULL)
		log_file_write(cli, e);
	return 1;
}

static int set_log_format(struct cli *cli, const char *word, struct err *e)
{
	cli->log_json = strcmp(word, "json") == 0;
	if (!cli->log_json && strcmp(word, "text") != 0)
		return cli_usage(e, "--log-format `%s` is neither text nor json", word);
	return 0;
}

/* 0: go on with the command at optind; 1: done; -errno */
static int parse_global(int argc, char **argv, struct cli *cli, struct err *e)
{
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+vh", options, NULL)) != -1) {
		switch (c) {
		case OPT_ROOT: cli->root = optarg; break;
		case OPT_LOG: cli->log = optarg; break;
		case OPT_SYSTEMD: cli->systemd_cgroup = true; break;
		case OPT_DEBUG: cli->debug = true; break;
		case OPT_IGNORED: break;
		case OPT_LOG_FORMAT:
			r = set_log_format(cli, optarg, e);
			if (r < 0)
				return r;
			break;
#ifdef KVMBOX_STEPS
		case OPT_STOP_AT:
			if (setenv("KVMBOX_STOP_AT", optarg, 1) < 0)
				return err_set(e, errno, "--stop-at");
			break;
		case OPT_LIST_STEPS: step_list(STDOUT_FILENO); return 1;
#endif
		case 'v': (void)fputs(cli_version_text, stdout); return 1;
		case 'h': print_help(); return 1;
		default: return cli_bad_option(e, argv);
		}
	}
	return 0;
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int dispatch(const struct cli *cli, int argc, char **argv, struct err *e)
{
	const struct command *cmd;
	int r;

	if (argc == 0) {
		print_help();
		return err_say(e, EINVAL, "no command given");
	}
	cmd = find_command(argv[0]);
	if (cmd == NULL)
		return err_say(e, EINVAL, "unknown command `%s`; `kvmbox --help` lists them", argv[0]);
	optind = 0; /* start anew, with the '+' of each command */
	r = cmd->run(cli, argc, argv, e);
	if (r == CLI_HELP) {
		(void)fputs(cmd->help, stdout);
		return 0;
	}
	return r;
}

/* Engines close 0, 1 or 2 now and then: nothing we open may land there. */
static int hold_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct err e = { 0 };
	int r;

	if (hold_stdio() < 0)
		return 1;
	r = parse_global(argc, argv, &cli, &e);
	if (r == 1)
		return fflush(stdout) == 0 ? 0 : 1;
	log_init("kvmbox", "", STDERR_FILENO, cli.debug ? LOG_DEBUG : LOG_WARN);
	if (r == 0)
		r = dispatch(&cli, argc - optind, argv + optind, &e);
	if (r < 0)
		return report(&cli, &e);
	if (fflush(stdout) != 0) {
		(void)err_set(&e, errno, "write to standard output");
		return report(&cli, &e);
	}
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What every subcommand gets: the global options, and where the other programs are.
 *
 * A command returns its exit status (0..255), or a negative errno with *e set; main() alone prints and exits.
 */
#ifndef KVMBOX_CLI_H
#define KVMBOX_CLI_H

#include <limits.h>

#include "vmm/base/err.h"

struct cli {
	const char *root;    /* --root, or NULL: the default */
	const char *log;     /* --log FILE, or NULL: stderr only */
	bool log_json;       /* --log-format json */
	bool debug;          /* --debug */
	bool systemd_cgroup; /* --systemd-cgroup */
};

struct command {
	const char *name;
	const char *summary;                                                     /* one line for --help */
	int (*run)(const struct cli *cli, int argc, char **argv, struct err *e); /* argv[0] is the command's name */
	const char *help;                                                        /* text of `kvmbox NAME --help` */
};

/* A negative code that asks main() to print the command's help and exit 0. */
#define CLI_HELP (-4096)

/* Wrong usage: sets *e with a hint at --help; main() exits 1. */
int cli_usage(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* getopt_long() returned '?' or ':': say which option of argv is wrong. */
int cli_bad_option(struct err *e, char **argv);

/* Folder of kvmbox-vmm, kvmbox-init and vmlinux: found from this program's own place (bin/ beside libexec/kvmbox/). */
int cli_libexec(char dir[static PATH_MAX], struct err *e) MUST_CHECK;

/* Run a command function again with what --help asks. Version text, for --version. */
extern const char cli_version_text[];

int cmd_create(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_delete(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_doctor(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_features(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_kill(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_list(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_logs(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_run(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_spec(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_start(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_state(const struct cli *cli, int argc, char **argv, struct err *e);
int cmd_vm(const struct cli *cli, int argc, char **argv, struct err *e);

extern const char cmd_create_help[], cmd_delete_help[], cmd_doctor_help[], cmd_features_help[], cmd_kill_help[],
	cmd_list_help[], cmd_logs_help[], cmd_run_help[], cmd_spec_help[], cmd_start_help[], cmd_state_help[],
	cmd_vm_help[];

#endif

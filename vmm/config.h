// SPDX-License-Identifier: Apache-2.0
/*
 * The command line of kvmbox-vmm as plain data.
 *
 * Sub-options (`path=DIR,tag=T,ro`) are split in place: strings in struct vm_config point into argv, which must live as
 * long. Nothing is opened here. Every mistake is an error that names the option, the cause and the way out.
 */
#ifndef KVMBOX_VMM_CONFIG_H
#define KVMBOX_VMM_CONFIG_H

#include "vmm/base/err.h"
#include "vmm/base/log.h"

#define CONFIG_CPUS_MAX    32
#define CONFIG_SHARES_MAX  14
#define CONFIG_ENTRIES_MAX 128
#define CONFIG_FDS_MAX     (CONFIG_SHARES_MAX + CONFIG_ENTRIES_MAX + 8)
#define CONFIG_TAG_MAX     31
#define CONFIG_NAME_MAX    64
#define CONFIG_MEM_MIN     ((uint64_t)64 << 20)
#define CONFIG_MEM_DEFAULT ((uint64_t)256 << 20)
#define CONFIG_CID_DEFAULT 3

enum config_action { ACTION_RUN, ACTION_DRY_RUN, ACTION_HELP, ACTION_VERSION, ACTION_LIMITS };

/* A file by path or by fd: path NULL and fd -1 when not given */
struct config_file {
	const char *path;
	int fd;
};

struct config_share {
	struct config_file dir;
	const char *tag;
	bool ro;
};

struct config_entry {
	int fd;
	bool ro;
};

struct vm_config {
	enum config_action action;
	struct config_file kernel;
	struct config_file initrd; /* or the program that becomes /init */
	bool initrd_is_init;
	const char *cmdline; /* "" when not given */
	uint64_t mem;        /* a multiple of 1 MiB */
	unsigned int cpus;
	bool console;

	unsigned int shares;
	struct config_share share[CONFIG_SHARES_MAX];

	const char *root_tag;            /* NULL: no synthetic root */
	uint32_t deny_major, deny_minor; /* a device number the root never enters (the host's devtmpfs); 0, 0: none */
	unsigned int entries;
	struct config_entry entry[CONFIG_ENTRIES_MAX];

	bool vsock;
	const char *vsock_path; /* or */
	int vsock_fd;
	uint64_t vsock_cid;
	uint32_t vsock_port; /* the control port, 0: none */
	int vsock_port_fd;

	int control_fd, kvm_fd; /* -1: none */
	int log_fd;
	enum log_level log_level;
	const char *name; /* of the VM in log lines, "" when not given */
};

/* argv[0] is skipped; argc counts it. 0 or -EINVAL. */
int config_parse(struct vm_config *c, int argc, char **argv, struct err *e) MUST_CHECK;

/* Bytes of "256M", "2G", "1048576": 0 or -EINVAL, -ERANGE */
int config_size(const char *s, uint64_t *out) MUST_CHECK;

/* All fds named in c, in no order, at most CONFIG_FDS_MAX; returns their number. */
unsigned int config_fds(const struct vm_config *c, int fds[CONFIG_FDS_MAX]);

extern const char config_help[];

#endif

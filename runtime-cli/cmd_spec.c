// SPDX-License-Identifier: Apache-2.0
/*
 * `kvmbox spec`: write a config.json to start from. It runs with crun and runc, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime-cli/cli.h"
#include "runtime-cli/oci.h"
#include "vmm/base/fdio.h"

const char cmd_spec_help[] =
	"usage: kvmbox spec [--bundle DIR]\n"
	"\n"
	"Writes DIR/config.json: a shell in the root file system DIR/rootfs. Nothing is overwritten.\n"
	"\n"
	"  -b, --bundle DIR   the bundle's folder (default: the current one)\n";

/* clang-format off */
static const char config[] =
"{\n"
"\t\"ociVersion\": \"1.0.2\",\n"
"\t\"process\": {\n"
"\t\t\"terminal\": false,\n"
"\t\t\"user\": { \"uid\": 0, \"gid\": 0 },\n"
"\t\t\"args\": [\"sh\"],\n"
"\t\t\"env\": [\n"
"\t\t\t\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
"\t\t\t\"TERM=xterm\"\n"
"\t\t],\n"
"\t\t\"cwd\": \"/\",\n"
"\t\t\"capabilities\": {\n"
"\t\t\t\"bounding\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n"
"\t\t\t\"effective\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n"
"\t\t\t\"permitted\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]\n"
"\t\t},\n"
"\t\t\"rlimits\": [{ \"type\": \"RLIMIT_NOFILE\", \"soft\": 1024, \"hard\": 1024 }],\n"
"\t\t\"noNewPrivileges\": true\n"
"\t},\n"
"\t\"root\": { \"path\": \"rootfs\", \"readonly\": true },\n"
"\t\"hostname\": \"kvmbox\",\n"
"\t\"mounts\": [\n"
"\t\t{ \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },\n"
"\t\t{ \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
"\t\t  \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"] },\n"
"\t\t{ \"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
"\t\t  \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\", \"gid=5\"] },\n"
"\t\t{ \"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"] },\n"
"\t\t{ \"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\"] },\n"
"\t\t{ \"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"] },\n"
"\t\t{ \"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
"\t\t  \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"] }\n"
"\t],\n"
"\t\"linux\": {\n"
"\t\t\"resources\": { \"devices\": [{ \"allow\": false, \"access\": \"rwm\" }] },\n"
"\t\t\"namespaces\": [\n"
"\t\t\t{ \"type\": \"pid\" },\n"
"\t\t\t{ \"type\": \"network\" },\n"
"\t\t\t{ \"type\": \"ipc\" },\n"
"\t\t\t{ \"type\": \"uts\" },\n"
"\t\t\t{ \"type\": \"mount\" },\n"
"\t\t\t{ \"type\": \"cgroup\" }\n"
"\t\t],\n"
"\t\t\"maskedPaths\": [\n"
"\t\t\t\"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\", \"/proc/latency_stats\",\n"
"\t\t\t\"/proc/timer_list\", \"/proc/timer_stats\", \"/proc/sched_debug\", \"/sys/firmware\", \"/proc/scsi\"\n"
"\t\t],\n"
"\t\t\"readonlyPaths\": [\n"
"\t\t\t\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"\n"
"\t\t]\n"
"\t}\n"
"}\n";
/* clang-format on */

static int write_config(const char *bundle, struct err *e)
{
	autofd dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd fd = -1;
	int r;

	if (dir < 0)
		return err_set(e, errno, "bundle folder `%s`", bundle);
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return err_say(
			e, EEXIST,
			"`%s/config.json` is there already and is not overwritten; remove it, or name another folder "
			"with --bundle",
			bundle);
	if (fd < 0)
		return err_set(e, errno, "create `%s/config.json`", bundle);
	r = write_full(fd, config, sizeof(config) - 1);
	if (r < 0) {
		(void)unlinkat(dir, "config.json", 0); /* half a file helps nobody */
		return err_set(e, -r, "write `%s/config.json`", bundle);
	}
	return 0;
}

int cmd_spec(const struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "bundle", required_argument, NULL, 'b' },
		{ "rootless", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *bundle = ".";
	int c;

	(void)cli;
	while ((c = getopt_long(argc, argv, "+b:h", options, NULL)) != -1) {
		switch (c) {
		case 'b': bundle = optarg; break;
		case 'r':
			return err_say(e, EOPNOTSUPP,
				       "--rootless: user namespaces are not supported by this version of kvmbox; leave "
				       "it out");
		case 'h': return CLI_HELP;
		default: return cli_bad_option(e, argv);
		}
	}
	if (optind < argc)
		return cli_usage(e, "spec takes no argument, found `%s`", argv[optind]);
	return write_config(bundle, e);
}

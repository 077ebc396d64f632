// SPDX-License-Identifier: Apache-2.0
/*
 * config.json to struct oci_spec: every field of the spec is read, or refused with its full name.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime-cli/oci.h"
#include "vmm/base/log.h"

/* A good config with members added to three of its objects; the last of two equal names wins, so these also replace. */
static int parse(struct oci_spec *s, const char *top, const char *process, const char *linux_, struct err *e)
{
	char *text = NULL;
	int r, n;

	n = asprintf(
		&text,
		"{\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"%s%s},"
		"\"root\":{\"path\":\"rootfs\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
		"{\"type\":\"network\"},{\"type\":\"ipc\"}]%s%s}%s%s}",
		process[0] != '\0' ? "," : "", process, linux_[0] != '\0' ? "," : "", linux_, top[0] != '\0' ? "," : "",
		top);
	ck_assert_int_gt(n, 0);
	r = oci_parse(text, (size_t)n, s, e);
	free(text);
	return r;
}

static void parse_ok(struct oci_spec *s, const char *top, const char *process, const char *linux_)
{
	struct err e = { 0 };
	int r = parse(s, top, process, linux_, &e);

	ck_assert_msg(r == 0, "%s", e.text);
}

struct wrong {
	const char *top, *process, *linux_;
	const char *says; /* the error begins with this */
};

static const struct wrong wrong[] = {
	/* version and what must be there */
	{ "\"ociVersion\":null", "", "", "ociVersion: missing" },
	{ "\"ociVersion\":\"2.0.0\"", "", "", "ociVersion: `2.0.0` is not a version that kvmbox knows" },
	{ "\"ociVersion\":\"0.9.0\"", "", "", "ociVersion: `0.9.0`" },
	{ "\"ociVersion\":\"1.0\"", "", "", "ociVersion: `1.0`" },
	{ "\"ociVersion\":\"1.\"", "", "", "ociVersion: `1.`" },
	{ "\"ociVersion\":\"1.0.0x\"", "", "", "ociVersion: `1.0.0x`" },
	{ "\"ociVersion\":\"1.0.0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "", "", "ociVersion: " },
	{ "\"ociVersion\":1", "", "", "ociVersion: expected a string, found a number" },
	{ "\"process\":null", "", "", "process: missing" },
	{ "\"root\":null", "", "", "root.path: missing" },
	{ "\"root\":{\"path\":\"\"}", "", "", "root.path: missing" },
	{ "\"root\":[]", "", "", "root: expected an object, found an array" },
	{ "\"linux\":null", "", "", "linux: missing" },
	/* process */
	{ "", "\"args\":[]", "", "process.args: missing" },
	{ "", "\"args\":\"sh\"", "", "process.args: expected an array, found a string" },
	{ "", "\"args\":[\"sh\",1]", "", "process.args[1]: expected a string, found a number" },
	{ "", "\"args\":[\"a\\u0000b\"]", "", "process.args[0]: a NUL byte" },
	{ "", "\"cwd\":null", "", "process.cwd: missing" },
	{ "", "\"cwd\":\"tmp\"", "", "process.cwd: must be an absolute path" },
	{ "", "\"env\":[\"A=1\",\"B\"]", "", "process.env[1]: no `=` in it" },
	{ "", "\"user\":{\"uid\":\"0\"}", "", "process.user.uid: expected a number, found a string" },
	{ "", "\"user\":{\"uid\":-1}", "", "process.user.uid: -1 is negative" },
	{ "", "\"user\":{\"gid\":4294967295}", "", "process.user.gid: 4294967295 is larger than 4294967294" },
	{ "", "\"user\":{\"umask\":512}", "", "process.user.umask: 512 is larger than 511" },
	{ "", "\"user\":{\"additionalGids\":[1,4294967296]}", "",
	  "process.user.additionalGids[1]: 4294967296 is larger" },
	{ "", "\"user\":0", "", "process.user: expected an object, found a number" },
	{ "", "\"consoleSize\":{\"height\":65536}", "", "process.consoleSize.height: 65536 is larger than 65535" },
	{ "", "\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]", "",
	  "process.rlimits[0]: unknown limit `RLIMIT_X`" },
	{ "", "\"rlimits\":[{\"soft\":1,\"hard\":1}]", "", "process.rlimits[0].type: missing" },
	{ "", "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"hard\":1}]", "", "process.rlimits[0].soft: missing" },
	{ "", "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1}]", "", "process.rlimits[0].hard: missing" },
	{ "", "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]", "",
	  "process.rlimits[0]: soft limit 2 of RLIMIT_CPU is above" },
	{ "",
	  "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}"
	  "]",
	  "", "process.rlimits[1]: this limit is given twice" },
	{ "", "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1.5,\"hard\":2}]", "",
	  "process.rlimits[0].soft: expected a number, found a number with" },
	{ "", "\"capabilities\":[]", "", "process.capabilities: expected an object" },
	{ "", "\"capabilities\":{\"bounding\":[1]}", "", "process.capabilities.bounding[0]: expected a string" },
	{ "", "\"capabilities\":{\"effective\":[\"CAP_CHOWN\"]}", "",
	  "process.capabilities.effective: CAP_CHOWN is not in the permitted" },
	{ "", "\"oomScoreAdj\":1001", "", "process.oomScoreAdj: 1001 is larger than 1000" },
	{ "", "\"oomScoreAdj\":-1001", "", "process.oomScoreAdj: -1001 is less than -1000" },
	{ "", "\"noNewPrivileges\":1", "", "process.noNewPrivileges: expected true or false, found a number" },
	{ "", "\"apparmorProfile\":\"p\"", "", "process.apparmorProfile: not supported by this version" },
	{ "", "\"selinuxLabel\":\"l\"", "", "process.selinuxLabel: not supported by this version" },
	{ "", "\"scheduler\":{\"policy\":\"SCHED_FIFO\"}", "", "process.scheduler: not supported" },
	{ "", "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\"}", "", "process.ioPriority: not supported" },
	{ "", "\"execCPUAffinity\":{\"initial\":\"0\"}", "", "process.execCPUAffinity: not supported" },
	/* other systems, hooks, names */
	{ "\"windows\":{\"layerFolders\":[\"x\"]}", "", "", "windows: not supported" },
	{ "\"solaris\":{\"limitpriv\":\"x\"}", "", "", "solaris: not supported" },
	{ "\"zos\":{\"namespaces\":[{\"type\":\"pid\"}]}", "", "", "zos: not supported" },
	{ "\"freebsd\":{\"jail\":{\"host\":\"new\"}}", "", "", "freebsd: not supported" },
	{ "\"vm\":{\"kernel\":{\"path\":\"/k\"}}", "", "", "vm: not supported" },
	{ "\"hooks\":{\"prestart\":[{\"path\":\"/x\"}]}", "", "", "hooks.prestart: not supported" },
	{ "\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"}]}", "", "", "hooks.createRuntime: not supported" },
	{ "\"hooks\":{\"createContainer\":[{\"path\":\"/x\"}]}", "", "", "hooks.createContainer: not supported" },
	{ "\"hooks\":{\"startContainer\":[{\"path\":\"/x\"}]}", "", "", "hooks.startContainer: not supported" },
	{ "\"hooks\":{\"poststart\":[{\"path\":\"/x\"}]}", "", "", "hooks.poststart: not supported" },
	{ "\"hooks\":{\"poststop\":[{\"path\":\"/x\"}]}", "", "", "hooks.poststop: not supported" },
	{ "\"hostname\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "", "",
	  "hostname: longer than 64" },
	{ "\"domainname\":7", "", "", "domainname: expected a string" },
	/* annotations */
	{ "\"annotations\":{\"a\":1}", "", "", "annotations.a: expected a string, found a number" },
	{ "\"annotations\":{\"io.kvmbox.vcpu\":\"2\"}", "", "", "annotations.io.kvmbox.vcpu: unknown" },
	{ "\"annotations\":{\"io.kvmbox.vcpus\":\"0\"}", "", "",
	  "annotations.io.kvmbox.vcpus: not a number from 1 to 32" },
	{ "\"annotations\":{\"io.kvmbox.vcpus\":\"33\"}", "", "", "annotations.io.kvmbox.vcpus: not a number" },
	{ "\"annotations\":{\"io.kvmbox.vcpus\":\"99999999999999999999\"}", "", "",
	  "annotations.io.kvmbox.vcpus: not a number" },
	{ "\"annotations\":{\"io.kvmbox.vcpus\":\"2x\"}", "", "", "annotations.io.kvmbox.vcpus: not a number" },
	{ "\"annotations\":{\"io.kvmbox.memory\":\"0\"}", "", "",
	  "annotations.io.kvmbox.memory: a VM cannot have no memory" },
	{ "\"annotations\":{\"io.kvmbox.memory\":\"G\"}", "", "", "annotations.io.kvmbox.memory: not a size" },
	{ "\"annotations\":{\"io.kvmbox.memory\":\"1Gb\"}", "", "", "annotations.io.kvmbox.memory: not a size" },
	{ "\"annotations\":{\"io.kvmbox.memory\":\"-1\"}", "", "", "annotations.io.kvmbox.memory: not a size" },
	{ "\"annotations\":{\"io.kvmbox.memory\":\"18446744073709551616\"}", "", "",
	  "annotations.io.kvmbox.memory: this size does not fit" },
	{ "\"annotations\":{\"io.kvmbox.memory\":\"18014398509481984K\"}", "", "",
	  "annotations.io.kvmbox.memory: this size does not fit" },
	{ "\"annotations\":{\"io.kvmbox.cold\":\"yes\"}", "", "", "annotations.io.kvmbox.cold: neither" },
	{ "\"annotations\":{\"io.kvmbox.kernel\":\"k\"}", "", "",
	  "annotations.io.kvmbox.kernel: a bundle may set this only" },
	{ "\"annotations\":{\"io.kvmbox.kernel-args\":\"k\"}", "", "",
	  "annotations.io.kvmbox.kernel-args: a bundle may" },
	{ "\"annotations\":{\"io.kvmbox.rootfs-image\":\"k\"}", "", "",
	  "annotations.io.kvmbox.rootfs-image: a bundle may" },
	{ "\"annotations\":[\"a\"]", "", "", "annotations: expected an object, found an array" },
	{ "\"annotations\":3", "", "", "annotations: expected an object, found a number" },
	/* wrong types, found before anything else is said */
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":{}}]", "", "",
	  "mounts[0].options: expected an array" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[1]}]", "", "",
	  "mounts[0].options[0]: expected a string" },
	{ "\"mounts\":[{\"destination\":\"a b\",\"type\":5}]", "", "", "mounts[0].type: expected a string" },
	{ "", "", "\"namespaces\":[\"pid\"]", "linux.namespaces[0]: expected an object" },
	{ "", "", "\"namespaces\":[{\"type\":1}]", "linux.namespaces[0].type: expected a string" },
	{ "", "", "\"personality\":\"LINUX\"", "linux.personality: expected an object" },
	{ "", "", "\"personality\":{\"domain\":1}", "linux.personality.domain: expected a string" },
	{ "", "", "\"devices\":{}", "linux.devices: expected an array" },
	{ "", "", "\"sysctl\":[]", "linux.sysctl: expected an object" },
	/* mounts */
	{ "\"mounts\":{}", "", "", "mounts: expected an array" },
	{ "\"mounts\":[{\"type\":\"proc\"}]", "", "", "mounts[0].destination: missing" },
	{ "\"mounts\":[{\"destination\":\"/\",\"type\":\"tmpfs\"}]", "", "", "mounts[0]: cannot mount over the root" },
	{ "\"mounts\":[{\"destination\":\"/a/..\",\"type\":\"tmpfs\"}]", "", "",
	  "mounts[0]: cannot mount over the root" },
	{ "\"mounts\":[{\"destination\":\"/a\"}]", "", "", "mounts[0].type: missing" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"none\"}]", "", "", "mounts[0].type: missing" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\"}]", "", "", "mounts[0].source: missing" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/s\",\"options\":[\"size=1\"]}]", "", "",
	  "mounts[0]: options `size=1` have no meaning for a bind" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/s\",\"options\":[\"rbind\",\"rro\"]}]", "", "",
	  "mounts[0].options[1]: `rro`: not supported" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"tmpcopyup\"]}]", "", "",
	  "mounts[0].options[0]: `tmpcopyup`: not supported" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/s\",\"options\":[\"bind\",\"idmap\"]}]", "", "",
	  "mounts[0].options[1]: `idmap`: not supported" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"remount\"]}]", "", "",
	  "mounts[0].options[0]: `remount`: not supported" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"uidMappings\":[{\"size\":1}]}]", "", "",
	  "mounts[0].uidMappings: not supported" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"gidMappings\":[{\"size\":1}]}]", "", "",
	  "mounts[0].gidMappings: not supported" },
	/* linux */
	{ "", "", "\"namespaces\":[]", "linux.namespaces: no mount namespace" },
	{ "", "", "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"ipc\"}]",
	  "linux.namespaces: no pid namespace, which asks for the host's own; a VM cannot share it: add {\"type\": "
	  "\"pid\"}" },
	{ "", "", "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"}]",
	  "linux.namespaces: no network namespace" },
	{ "", "", "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"network\"}]",
	  "linux.namespaces: no ipc namespace" },
	{ "", "", "\"namespaces\":[{\"type\":\"user\"}]", "linux.namespaces[0]: user namespaces are not supported" },
	{ "", "", "\"namespaces\":[{\"type\":\"time\"}]", "linux.namespaces[0]: time namespaces are not supported" },
	{ "", "", "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]",
	  "linux.namespaces[1]: the pid namespace is given twice" },
	{ "", "", "\"namespaces\":[{\"type\":\"x\"}]", "linux.namespaces[0]: unknown type `x`" },
	{ "", "", "\"namespaces\":[{}]", "linux.namespaces[0]: unknown type ``" },
	{ "", "", "\"namespaces\":[{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"}]",
	  "linux.namespaces[0].path: joining a namespace" },
	{ "", "", "\"namespaces\":[{\"type\":\"network\",\"path\":\"x\"}]",
	  "linux.namespaces[0].path: must be an absolute" },
	{ "", "", "\"uidMappings\":[{\"size\":1}]", "linux.uidMappings: not supported" },
	{ "", "", "\"gidMappings\":[{\"size\":1}]", "linux.gidMappings: not supported" },
	{ "", "", "\"timeOffsets\":{\"boottime\":{\"secs\":1}}", "linux.timeOffsets: not supported" },
	{ "", "", "\"netDevices\":{\"eth0\":{\"name\":\"x\"}}", "linux.netDevices: not supported" },
	{ "", "", "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
	  "linux.seccomp: not supported by this version of kvmbox; remove it, in podman" },
	{ "", "", "\"mountLabel\":\"x\"", "linux.mountLabel: not supported" },
	{ "", "", "\"intelRdt\":{\"closID\":\"x\"}", "linux.intelRdt: not supported" },
	{ "", "", "\"memoryPolicy\":{\"mode\":\"x\"}", "linux.memoryPolicy: not supported" },
	{ "", "", "\"personality\":{\"domain\":\"LINUX32\"}", "linux.personality: not supported" },
	{ "", "", "\"personality\":{\"flags\":[\"X\"]}", "linux.personality: not supported" },
	{ "", "", "\"rootfsPropagation\":\"sharedd\"", "linux.rootfsPropagation: `sharedd` is none of" },
	{ "", "", "\"maskedPaths\":[\"proc\"]", "linux.maskedPaths[0]: must be an absolute path" },
	{ "", "", "\"readonlyPaths\":[\"/a\",\"\"]", "linux.readonlyPaths[1]: must be an absolute path" },
	{ "", "", "\"sysctl\":{\"net/../../x\":\"1\"}", "linux.sysctl.net/../../x: not a name" },
	{ "", "", "\"sysctl\":{\"\":\"1\"}", "linux.sysctl.: not a name" },
	{ "", "", "\"sysctl\":{\"/etc\":\"1\"}", "linux.sysctl./etc: not a name" },
	{ "", "", "\"sysctl\":{\"a b\":\"1\"}", "linux.sysctl.a b: not a name" },
	{ "", "", "\"sysctl\":{\"a\":1}", "linux.sysctl.a: expected a string" },
	{ "", "", "\"devices\":[{\"path\":\"/dev/x\",\"major\":1,\"minor\":3}]", "linux.devices[0].type: missing" },
	{ "", "", "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":8,\"minor\":0}]",
	  "linux.devices[0]: block devices are not" },
	{ "", "", "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"q\"}]", "linux.devices[0]: unknown type `q`" },
	{ "", "", "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":226,\"minor\":0}]",
	  "linux.devices[0]: device 226:0 of the host has no meaning inside a VM" },
	{ "", "", "\"devices\":[{\"type\":\"c\",\"major\":1,\"minor\":3}]", "linux.devices[0].path: missing" },
	{ "", "", "\"devices\":[{\"path\":\"x\",\"type\":\"c\",\"major\":1,\"minor\":3}]",
	  "linux.devices[0].path: must be an absolute" },
	{ "", "", "\"devices\":[{\"path\":\"/x\",\"type\":\"c\",\"major\":-1,\"minor\":3}]",
	  "linux.devices[0].major: -1 is negative" },
	/* resources */
	{ "", "", "\"resources\":{\"memory\":{\"limit\":1048576}}", "linux.resources.memory.limit: not supported" },
	{ "", "", "\"resources\":{\"memory\":{\"reservation\":1}}",
	  "linux.resources.memory.reservation: not supported" },
	{ "", "", "\"resources\":{\"memory\":{\"swap\":1}}", "linux.resources.memory.swap: not supported" },
	{ "", "", "\"resources\":{\"memory\":{\"kernel\":1}}", "linux.resources.memory.kernel: not supported" },
	{ "", "", "\"resources\":{\"memory\":{\"kernelTCP\":1}}", "linux.resources.memory.kernelTCP: not supported" },
	{ "", "", "\"resources\":{\"memory\":{\"swappiness\":0}}", "linux.resources.memory.swappiness: not supported" },
	{ "", "", "\"resources\":{\"memory\":{\"disableOOMKiller\":true}}",
	  "linux.resources.memory.disableOOMKiller: not" },
	{ "", "", "\"resources\":{\"memory\":{\"limit\":\"1G\"}}", "linux.resources.memory.limit: expected a number" },
	{ "", "", "\"resources\":{\"cpu\":{\"shares\":2}}", "linux.resources.cpu.shares: not supported" },
	{ "", "", "\"resources\":{\"cpu\":{\"quota\":2}}", "linux.resources.cpu.quota: not supported" },
	{ "", "", "\"resources\":{\"cpu\":{\"burst\":2}}", "linux.resources.cpu.burst: not supported" },
	{ "", "", "\"resources\":{\"cpu\":{\"period\":2}}", "linux.resources.cpu.period: not supported" },
	{ "", "", "\"resources\":{\"cpu\":{\"realtimeRuntime\":2}}", "linux.resources.cpu.realtimeRuntime: not" },
	{ "", "", "\"resources\":{\"cpu\":{\"realtimePeriod\":2}}", "linux.resources.cpu.realtimePeriod: not" },
	{ "", "", "\"resources\":{\"cpu\":{\"cpus\":\"0-1\"}}", "linux.resources.cpu.cpus: not supported" },
	{ "", "", "\"resources\":{\"cpu\":{\"mems\":\"0\"}}", "linux.resources.cpu.mems: not supported" },
	{ "", "", "\"resources\":{\"cpu\":{\"idle\":1}}", "linux.resources.cpu.idle: not supported" },
	{ "", "", "\"resources\":{\"pids\":{\"limit\":5}}", "linux.resources.pids.limit: not supported" },
	{ "", "", "\"resources\":{\"blockIO\":{\"weight\":5}}", "linux.resources.blockIO: not supported" },
	{ "", "", "\"resources\":{\"hugepageLimits\":[{\"limit\":5}]}", "linux.resources.hugepageLimits: not" },
	{ "", "", "\"resources\":{\"network\":{\"classID\":5}}", "linux.resources.network: not supported" },
	{ "", "", "\"resources\":{\"rdma\":{\"x\":{\"hcaHandles\":5}}}", "linux.resources.rdma: not supported" },
	{ "", "", "\"resources\":{\"unified\":{\"memory.max\":\"5\"}}", "linux.resources.unified: not supported" },
	{ "", "", "\"resources\":{\"devices\":[1]}", "linux.resources.devices[0]: expected an object" },
};

START_TEST(test_a_wrong_or_later_field_is_refused_by_its_name)
{
	const struct wrong *w = &wrong[_i];
	struct oci_spec s;
	struct err e = { 0 };

	ck_assert_msg(parse(&s, w->top, w->process, w->linux_, &e) < 0, "accepted, should say: %s", w->says);
	ck_assert_msg(strncmp(e.text, w->says, strlen(w->says)) == 0, "\nsays   %s\nshould %s", e.text, w->says);
	ck_assert_ptr_null(strchr(e.text, '\n'));
}
END_TEST

/* What engines write when nothing is asked for. */
static const struct wrong empty[] = {
	{ "", "", "", "" },
	{ "\"hooks\":{\"prestart\":[],\"poststop\":null},\"windows\":{},\"vm\":null,\"mounts\":null", "", "", "" },
	{ "\"hooks\":{},\"solaris\":{},\"annotations\":{},\"hostname\":\"\"", "", "", "" },
	{ "\"futureField\":{\"x\":[1,2]}", "\"another\":true", "\"third\":\"x\"", "" },
	{ "", "\"apparmorProfile\":\"\",\"selinuxLabel\":\"\",\"ioPriority\":{\"class\":\"\",\"priority\":0}", "", "" },
	{ "", "\"apparmorProfile\":\"unconfined\",\"commandLine\":\"\",\"user\":{\"username\":\"root\"}", "", "" },
	{ "", "\"scheduler\":null,\"execCPUAffinity\":{},\"rlimits\":[],\"capabilities\":{}", "", "" },
	{ "", "", "\"seccomp\":{},\"mountLabel\":\"\",\"intelRdt\":{},\"uidMappings\":[],\"rootfsPropagation\":\"\"",
	  "" },
	{ "", "", "\"personality\":{\"domain\":\"LINUX\",\"flags\":[]},\"timeOffsets\":{},\"netDevices\":{}", "" },
	{ "", "",
	  "\"resources\":{\"memory\":{},\"cpu\":{\"shares\":0},\"pids\":{\"limit\":0},\"blockIO\":{\"weight\":0}}",
	  "" },
	{ "", "",
	  "\"resources\":{\"memory\":{\"limit\":-1,\"swap\":-1,\"useHierarchy\":true},\"cpu\":{\"quota\":-1},"
	  "\"pids\":{\"limit\":-1},\"unified\":{},\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}",
	  "" },
	{ "\"ociVersion\":\"1.0.2-dev\"", "", "", "" },
	{ "\"ociVersion\":\"1.3.0+x\"", "", "", "" },
	{ "\"mounts\":[{\"destination\":\"/"
	  "a\",\"type\":\"tmpfs\",\"options\":[\"x-a.b\",\"defaults\",\"\"],\"uidMappings\":[]}]",
	  "", "", "" },
};

START_TEST(test_an_empty_or_unknown_field_is_absent)
{
	struct oci_spec s;

	parse_ok(&s, empty[_i].top, empty[_i].process, empty[_i].linux_);
	ck_assert_str_eq(s.process.args.v[0], "sh");
	ck_assert_ptr_null(s.hostname);
	oci_free(&s);
}
END_TEST

START_TEST(test_process_is_read)
{
	struct oci_spec s;

	parse_ok(&s, "",
		 "\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},\"args\":[\"a\",\"\",\"c\"],"
		 "\"env\":[\"A=1\",\"B=\"],\"cwd\":\"/x y\",\"user\":{\"uid\":1,\"gid\":2,\"umask\":18,"
		 "\"additionalGids\":[3,4]},\"noNewPrivileges\":true,\"oomScoreAdj\":-7,"
		 "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":18446744073709551615}],"
		 "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_CHOWN\"],\"permitted\":[\"CAP_KILL\"],"
		 "\"effective\":[\"CAP_KILL\"],\"ambient\":[\"CAP_CHECKPOINT_RESTORE\"]}",
		 "");
	ck_assert(s.process.terminal && s.process.no_new_privileges && s.process.has_oom_score_adj);
	ck_assert_uint_eq(s.process.rows, 25);
	ck_assert_uint_eq(s.process.columns, 80);
	ck_assert_uint_eq(s.process.args.n, 3);
	ck_assert_str_eq(s.process.args.v[2], "c");
	ck_assert_str_eq(s.process.env.v[1], "B=");
	ck_assert_str_eq(s.process.cwd, "/x y");
	ck_assert_uint_eq(s.process.user.uid, 1);
	ck_assert_uint_eq(s.process.user.gid, 2);
	ck_assert_uint_eq(s.process.user.umask, 022);
	ck_assert_uint_eq(s.process.user.n_groups, 2);
	ck_assert_uint_eq(s.process.user.groups[1], 4);
	ck_assert_int_eq(s.process.oom_score_adj, -7);
	ck_assert_uint_eq(s.process.n_rlimits, 1);
	ck_assert_uint_eq(s.process.rlimits[0].resource, RLIMIT_NOFILE);
	ck_assert_uint_eq(s.process.rlimits[0].hard, RLIM_INFINITY);
	ck_assert_uint_eq(s.process.caps[OCI_BOUNDING], 1 << CAP_KILL | 1 << CAP_CHOWN);
	ck_assert_uint_eq(s.process.caps[OCI_PERMITTED], 1 << CAP_KILL);
	ck_assert_uint_eq(s.process.caps[OCI_EFFECTIVE], 1 << CAP_KILL);
	ck_assert_uint_eq(s.process.caps[OCI_INHERITABLE], 0);
	ck_assert_uint_eq(s.process.caps[OCI_AMBIENT], 1ull << CAP_CHECKPOINT_RESTORE);
	oci_free(&s);
}
END_TEST

START_TEST(test_what_is_not_given_has_its_default)
{
	struct oci_spec s;

	parse_ok(&s, "", "", "");
	ck_assert_uint_eq(s.process.user.umask, UINT32_MAX);
	ck_assert(!s.process.has_oom_score_adj && !s.process.terminal && !s.root_readonly && !s.cold);
	ck_assert_ptr_null(s.hostname);
	ck_assert_ptr_null(s.netns_path);
	ck_assert_ptr_null(s.cgroups_path);
	ck_assert_uint_eq(s.memory, 0);
	ck_assert_uint_eq(s.vcpus, 0);
	ck_assert_uint_eq(s.propagation, 0);
	ck_assert_uint_eq(s.namespaces, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC);
	ck_assert_str_eq(oci_annotations_text(&s), "{}");
	oci_free(&s);
}
END_TEST

START_TEST(test_annotations_are_kept_and_obeyed)
{
	struct oci_spec s;

	parse_ok(&s,
		 "\"annotations\":{\"a/b\":\"c\",\"io.kvmbox.memory\":\"3GiB\",\"io.kvmbox.vcpus\":\"32\","
		 "\"io.kvmbox.cold\":\"true\"}",
		 "", "");
	ck_assert_uint_eq(s.memory, 3ull << 30);
	ck_assert_uint_eq(s.vcpus, 32);
	ck_assert(s.cold);
	ck_assert_uint_eq(s.annotations.n, 4);
	ck_assert_str_eq(s.annotations.v[0].value, "c");
	ck_assert_str_eq(oci_annotations_text(&s),
			 "{\"a/b\":\"c\",\"io.kvmbox.memory\":\"3GiB\",\"io.kvmbox.vcpus\":\"32\","
			 "\"io.kvmbox.cold\":\"true\"}");
	oci_free(&s);
}
END_TEST

START_TEST(test_sizes_have_units_of_1024)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "1", 1 },           { "1K", 1 << 10 },      { "64M", 64 << 20 },        { "64MB", 64 << 20 },
		{ "2G", 2ull << 30 }, { "1TiB", 1ull << 40 }, { "134217728", 128 << 20 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct oci_spec s;
		char top[80];

		(void)snprintf(top, sizeof(top), "\"annotations\":{\"io.kvmbox.memory\":\"%s\"}", sizes[i].text);
		parse_ok(&s, top, "", "");
		ck_assert_uint_eq(s.memory, sizes[i].bytes);
		oci_free(&s);
	}
}
END_TEST

START_TEST(test_mount_options_are_taken_apart)
{
	struct oci_spec s;
	const struct oci_mount *m;

	parse_ok(&s,
		 "\"mounts\":["
		 "{\"destination\":\"dev//shm/"
		 ".\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\","
		 "\"mode=1777\",\"size=64m\",\"nosymfollow\"]},"
		 "{\"destination\":\"/d/../e/"
		 "\",\"source\":\"vol\",\"options\":[\"rbind\",\"ro\",\"rw\",\"nodev\",\"rslave\","
		 "\"rprivate\",\"relatime\",\"x-y=z\"]},"
		 "{\"destination\":\"/../../f\",\"type\":\"bind\",\"source\":\"/s\"}]",
		 "", "");
	ck_assert_uint_eq(s.n_mounts, 3);
	m = &s.mounts[0];
	ck_assert_str_eq(m->destination, "/dev/shm");
	ck_assert_uint_eq(m->flags, MS_NOSUID | MS_NOEXEC | 256);
	ck_assert_str_eq(m->data, "mode=1777,size=64m");
	ck_assert(!m->bind);
	m = &s.mounts[1];
	ck_assert_str_eq(m->destination, "/e");
	ck_assert_str_eq(m->source, "vol");
	ck_assert_str_eq(m->type, "");
	ck_assert_uint_eq(m->flags, MS_NODEV | MS_RELATIME);
	ck_assert_uint_eq(m->clear, MS_RDONLY);
	ck_assert_uint_eq(m->propagation, MS_PRIVATE | MS_REC);
	ck_assert_str_eq(m->data, "");
	ck_assert(m->bind && m->recursive);
	m = &s.mounts[2];
	ck_assert_str_eq(m->destination, "/f");
	ck_assert(m->bind && !m->recursive);
	oci_free(&s);
}
END_TEST

START_TEST(test_a_later_option_undoes_an_earlier_one)
{
	struct oci_spec s;

	parse_ok(&s,
		 "\"mounts\":[{\"destination\":\"/"
		 "a\",\"type\":\"tmpfs\",\"options\":[\"rw\",\"ro\",\"exec\",\"noexec\",\"exec\"]}]",
		 "", "");
	ck_assert_uint_eq(s.mounts[0].flags, MS_RDONLY);
	ck_assert_uint_eq(s.mounts[0].clear, MS_NOEXEC);
	oci_free(&s);
}
END_TEST

START_TEST(test_options_of_a_mount_are_bounded_by_a_page)
{
	char top[6000], word[4200];
	struct oci_spec s;
	struct err e = { 0 };

	memset(word, 'o', sizeof(word));
	word[4094] = '\0';
	(void)snprintf(top, sizeof(top),
		       "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"%s\"]}]", word);
	parse_ok(&s, top, "", "");
	ck_assert_uint_eq(strlen(s.mounts[0].data), 4094);
	oci_free(&s);
	(void)snprintf(top, sizeof(top),
		       "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"%s\",\"x\"]}]", word);
	ck_assert_int_lt(parse(&s, top, "", "", &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "mounts[0].options[1]: the mount's options are longer than 4095 bytes"));
}
END_TEST

START_TEST(test_more_mounts_than_4096_are_refused)
{
	static const char one[] = "{\"destination\":\"/a\",\"type\":\"proc\"},";
	static const char last[] = "{\"destination\":\"/a\",\"type\":\"proc\"}]";
	char *top = malloc(4098 * sizeof(one) + 100), *p = top;
	struct oci_spec s;
	struct err e = { 0 };
	int i;

	p = mempcpy(p, "\"mounts\":[", 10);
	for (i = 0; i < 4096; i++)
		p = mempcpy(p, one, sizeof(one) - 1);
	memcpy(p, last, sizeof(last));
	ck_assert_int_lt(parse(&s, top, "", "", &e), 0);
	ck_assert_str_eq(e.text, "mounts: more than 4096 mounts");
	free(top);
}
END_TEST

START_TEST(test_paths_longer_than_the_kernels_are_refused)
{
	static const char *const forms[][3] = {
		{ "", "\"cwd\":\"/%s\"", "" },
		{ "\"mounts\":[{\"destination\":\"/%s\",\"type\":\"tmpfs\"}]", "", "" },
		{ "", "", "\"maskedPaths\":[\"/%s\"]" },
		{ "", "", "\"devices\":[{\"path\":\"/%s\",\"type\":\"p\"}]" },
		{ "", "", "\"namespaces\":[{\"type\":\"network\",\"path\":\"/%s\"}]" },
	};
	char text[3][5000], path[4096];
	struct oci_spec s;
	struct err e = { 0 };
	size_t i, k, len;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		for (len = 4094; len <= 4095; len++) {
			memset(path, 'p', len);
			path[len] = '\0';
			for (k = 0; k < 3; k++) {
				const char *at = strstr(forms[i][k], "%s");
				int head = at != NULL ? (int)(at - forms[i][k]) : (int)strlen(forms[i][k]);

				(void)snprintf(text[k], sizeof(text[k]), "%.*s%s%s", head, forms[i][k],
					       at != NULL ? path : "", at != NULL ? at + 2 : "");
			}
			e.text[0] = '\0';
			if (parse(&s, text[0], text[1], text[2], &e) == 0)
				oci_free(&s);
			ck_assert_int_eq(strstr(e.text, "longer than 4095 bytes") != NULL, len == 4095);
		}
	}
}
END_TEST

START_TEST(test_linux_is_read)
{
	struct oci_spec s;

	parse_ok(&s, "\"hostname\":\"h\",\"domainname\":\"d\",\"root\":{\"path\":\"/r\",\"readonly\":true}", "",
		 "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\",\"path\":\"\"},{\"type\":"
		 "\"uts\"},"
		 "{\"type\":\"cgroup\"},{\"type\":\"network\",\"path\":\"/run/netns/x\"}],\"cgroupsPath\":\"/a/b\","
		 "\"rootfsPropagation\":\"runbindable\",\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/"
		 "sys\"],"
		 "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\",\"net/ipv4/conf/eth0.1/forwarding\":\"0\"},"
		 "\"devices\":[{\"path\":\"/dev/"
		 "null2\",\"type\":\"c\",\"major\":1,\"minor\":3,\"fileMode\":8630,\"uid\":5,"
		 "\"gid\":6},{\"path\":\"/dev/p\",\"type\":\"p\",\"fileMode\":384},{\"path\":\"/"
		 "z\",\"type\":\"u\",\"major\":1,"
		 "\"minor\":5}]");
	ck_assert_str_eq(s.hostname, "h");
	ck_assert_str_eq(s.domainname, "d");
	ck_assert_str_eq(s.root_path, "/r");
	ck_assert(s.root_readonly);
	ck_assert_uint_eq(s.namespaces,
			  CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET);
	ck_assert_str_eq(s.netns_path, "/run/netns/x");
	ck_assert_str_eq(s.cgroups_path, "/a/b");
	ck_assert_uint_eq(s.propagation, MS_UNBINDABLE | MS_REC);
	ck_assert_str_eq(s.masked_paths.v[0], "/proc/kcore");
	ck_assert_str_eq(s.readonly_paths.v[0], "/proc/sys");
	ck_assert_uint_eq(s.sysctl.n, 2);
	ck_assert_str_eq(s.sysctl.v[0].key, "net.ipv4.ip_forward");
	ck_assert_uint_eq(s.n_devices, 3);
	ck_assert_uint_eq(s.devices[0].mode, S_IFCHR | 0666);
	ck_assert_uint_eq(s.devices[0].minor, 3);
	ck_assert_uint_eq(s.devices[0].uid, 5);
	ck_assert_uint_eq(s.devices[0].gid, 6);
	ck_assert_uint_eq(s.devices[1].mode, S_IFIFO | 0600);
	ck_assert_uint_eq(s.devices[2].mode, S_IFCHR | 0666);
	oci_free(&s);
}
END_TEST

static char dir[64];

static int log_to_file(void)
{
	int fd = open(dir, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	log_init("test", "", fd, LOG_WARN);
	return fd;
}

static unsigned int logged_lines(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);
	unsigned int lines = 0;

	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	for (; n > 0; n--)
		lines += buf[n - 1] == '\n';
	log_init("test", "", -1, LOG_WARN);
	(void)close(fd);
	(void)unlink(dir);
	return lines;
}

START_TEST(test_unknown_capabilities_are_warned_about_once)
{
	struct oci_spec s;
	char text[2048];
	int fd;

	(void)snprintf(dir, sizeof(dir), "/tmp/test_oci.%d", getpid());
	fd = log_to_file();
	parse_ok(&s, "",
		 "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NEW\",\"kill\"],\"permitted\":[\"CAP_NEW\","
		 "\"CAP\\n_X\"]}",
		 "");
	ck_assert_uint_eq(s.process.caps[OCI_BOUNDING], 1 << CAP_KILL);
	ck_assert_uint_eq(logged_lines(fd, text, sizeof(text)), 1);
	ck_assert_ptr_nonnull(strstr(text, ": CAP_NEW kill CAP\\x0a_X"));
	oci_free(&s);
}
END_TEST

START_TEST(test_propagation_to_the_host_is_warned_about_once)
{
	struct oci_spec s;
	char text[2048];
	int fd;

	(void)snprintf(dir, sizeof(dir), "/tmp/test_oci.%d", getpid());
	fd = log_to_file();
	parse_ok(&s,
		 "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/s\",\"options\":[\"bind\",\"rslave\"]},"
		 "{\"destination\":\"/b\",\"source\":\"/s\",\"options\":[\"bind\",\"shared\"]}]",
		 "", "\"rootfsPropagation\":\"rshared\"");
	ck_assert_uint_eq(logged_lines(fd, text, sizeof(text)), 1);
	ck_assert_ptr_nonnull(strstr(text, "mounts[0]: mounts do not propagate"));
	oci_free(&s);
}
END_TEST

START_TEST(test_load_names_the_file_in_front)
{
	char tmp[] = "/tmp/test_oci.XXXXXX";
	static const char text[] = "{\"ociVersion\":\"3.0.0\"}";
	struct oci_spec s;
	struct err e = { 0 };
	int fd, file;

	ck_assert_ptr_nonnull(mkdtemp(tmp));
	fd = open(tmp, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(oci_load(fd, &s, &e), -ENOENT);
	ck_assert_str_eq(e.text, "`config.json` is missing");
	file = openat(fd, "config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_lt(oci_load(fd, &s, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "config.json: ociVersion: `3.0.0`"));
	(void)close(file);
	(void)unlinkat(fd, "config.json", 0);
	(void)close(fd);
	(void)rmdir(tmp);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("oci");
	TCase *t = tcase_create("config");
	SRunner *r = srunner_create(s);
	int failed;

	log_init("test", "", -1, LOG_WARN);
	tcase_add_loop_test(t, test_a_wrong_or_later_field_is_refused_by_its_name, 0, (int)ARRAY_SIZE(wrong));
	tcase_add_loop_test(t, test_an_empty_or_unknown_field_is_absent, 0, (int)ARRAY_SIZE(empty));
	tcase_add_test(t, test_process_is_read);
	tcase_add_test(t, test_what_is_not_given_has_its_default);
	tcase_add_test(t, test_annotations_are_kept_and_obeyed);
	tcase_add_test(t, test_sizes_have_units_of_1024);
	tcase_add_test(t, test_mount_options_are_taken_apart);
	tcase_add_test(t, test_a_later_option_undoes_an_earlier_one);
	tcase_add_test(t, test_options_of_a_mount_are_bounded_by_a_page);
	tcase_add_test(t, test_more_mounts_than_4096_are_refused);
	tcase_add_test(t, test_paths_longer_than_the_kernels_are_refused);
	tcase_add_test(t, test_linux_is_read);
	tcase_add_test(t, test_unknown_capabilities_are_warned_about_once);
	tcase_add_test(t, test_propagation_to_the_host_is_warned_about_once);
	tcase_add_test(t, test_load_names_the_file_in_front);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

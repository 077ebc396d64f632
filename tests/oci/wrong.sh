#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong input: one line that names the thing, an exit status of 1 to 127, nothing left.
source "$(dirname "$0")/lib.sh"

bundle good true

# wrong NAME PATTERN COMMAND...
wrong() {
	local name=$1 pattern=$2 text status
	shift 2
	text=$("$@" 2>&1 < /dev/null)
	status=$?
	if [ $status -eq 0 ] || [ $status -ge 128 ]; then
		not_ok "$name: exit status $status"
	elif [ "$(wc -l <<< "$text")" -ne 1 ]; then
		not_ok "$name: not one line: $text"
	elif [[ $text != *$pattern* ]]; then
		not_ok "$name: no '$pattern' in '$text'"
	elif [[ $text == *"o such file or directory"* || $text == *"ermission denied"* ]]; then
		not_ok "$name: words that engines take for the user's command: $text"
	elif [ -n "$(ls /run/kvmbox 2>/dev/null)" ]; then
		not_ok "$name: state is left: $(ls /run/kvmbox)"
	else
		ok "$name"
	fi
}

# wrong_config NAME PATTERN FILTER
wrong_config() {
	bundle bad true
	edit $work/bad "$3"
	wrong "$1" "$2" "$kvmbox" run --bundle $work/bad bad
}

wrong "no bundle" "nowhere" "$kvmbox" run $work/nowhere/
mkdir -p $work/empty
wrong "no config.json" "config.json" "$kvmbox" run $work/empty/
mkdir -p $work/broken && echo '{"ociVersion": ' > $work/broken/config.json
wrong "broken JSON" "config.json" "$kvmbox" run $work/broken/
echo '[]' > $work/broken/config.json
wrong "JSON that is no object" "config.json" "$kvmbox" run $work/broken/
head -c 100 /dev/urandom > $work/broken/config.json
wrong "no JSON at all" "config.json" "$kvmbox" run $work/broken/
wrong_config "a version to come" "ociVersion" '.ociVersion = "2.0.0"'
wrong_config "no version" "ociVersion" 'del(.ociVersion)'
wrong_config "a missing rootfs" "not-there" '.root.path = "not-there"'
wrong_config "no root" "root" 'del(.root)'
wrong_config "no process" "process" 'del(.process)'
wrong_config "no args" "process.args" '.process.args = []'
wrong_config "args of the wrong type" "process.args" '.process.args = "true"'
wrong_config "a uid that is a word" "process.user.uid" '.process.user.uid = "root"'
wrong_config "a negative uid" "process.user.uid" '.process.user.uid = -1'
wrong_config "a relative cwd" "process.cwd" '.process.cwd = "tmp"'
wrong_config "an unknown rlimit" "RLIMIT_NONSENSE" '.process.rlimits = [{type: "RLIMIT_NONSENSE", soft: 1, hard: 1}]'
wrong_config "seccomp, which comes later" "linux.seccomp" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW"}'
wrong_config "a memory limit, which comes later" "linux.resources.memory" '.linux.resources.memory = {limit: 1000000}'
wrong_config "hooks, which come later" "hooks" '.hooks = {prestart: [{path: "/bin/true"}]}'
wrong_config "the host's network" "network" '.linux.namespaces |= map(select(.type != "network"))'
wrong_config "the host's pids" "pid" '.linux.namespaces |= map(select(.type != "pid"))'
wrong_config "a user namespace" "user" '.linux.namespaces += [{type: "user"}]'
wrong_config "an unknown annotation of ours" "io.kvmbox.nonsense" '.annotations = {"io.kvmbox.nonsense": "1"}'
wrong_config "memory of 0" "memory" '.annotations = {"io.kvmbox.memory": "0"}'
wrong_config "memory of 1 TiB" "memory" '.annotations = {"io.kvmbox.memory": "1T"}'
wrong_config "a bind whose source is missing" "/not/there" '.mounts += [{destination: "/x", source: "/not/there", options: ["bind"]}]'
wrong_config "a bind of a socket" "socket" '.mounts += [{destination: "/x", source: "/run/kvmbox-test/sock", options: ["bind"]}]' \
	"$(python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/kvmbox-test/sock")')"
wrong_config "a bind of the host's proc" "proc" '.mounts += [{destination: "/x", source: "/proc", options: ["bind"]}]'
wrong_config "an unknown file system" "nonsensefs" '.mounts += [{destination: "/mnt", type: "nonsensefs", source: "none"}]'
wrong_config "a systemd cgroup" "cgroupsPath" '.linux.cgroupsPath = "machine.slice:libpod:x"'
wrong_config "a cgroup path that climbs" "cgroupsPath" '.linux.cgroupsPath = "/a/../../b"'
wrong_config "a sysctl that is not one" "sysctl" '.linux.sysctl = {"../../etc/passwd": "1"}'

# the user's own command: here engines must find their words
bundle cmd /bin/nosuch
text=$("$kvmbox" run --bundle $work/cmd cmd 2>&1 < /dev/null)
is "a missing command: status of a failed create" 1 $?
has "a missing command is named" "nosuch" "$text"
bundle cmd nosuch
has "a missing command in PATH" 'exec: "nosuch": executable file not found in $PATH' "$("$kvmbox" run --bundle $work/cmd cmd 2>&1 < /dev/null)"
bundle cmd /etc/passwd
has "a command that may not be run" 'exec: "/etc/passwd": permission denied' "$("$kvmbox" run --bundle $work/cmd cmd 2>&1 < /dev/null)"

wrong "an unknown id" "does not exist" "$kvmbox" state nobody
wrong "an id with a slash" "" "$kvmbox" state a/b
wrong "an id that climbs" "invalid container id" "$kvmbox" state ..
wrong "an empty id" "empty" "$kvmbox" state ""
wrong "an id of 300 characters" "longer" "$kvmbox" state "$(printf 'a%.0s' $(seq 300))"
wrong "create with an id that climbs" "invalid container id" "$kvmbox" create --bundle $work/good ..
wrong "an unknown command" "frobnicate" "$kvmbox" frobnicate
wrong "an unknown option" "--frobnicate" "$kvmbox" run --frobnicate $work/good/
wrong "an unknown global option" "--frobnicate" "$kvmbox" --frobnicate list
wrong "an unknown signal" "NONSENSE" "$kvmbox" kill nobody NONSENSE
wrong "a pid file nowhere" "pid-file" "$kvmbox" run --pid-file /not/there/pid --bundle $work/good g
wrong "a state folder nowhere" "/proc/nowhere" "$kvmbox" --root /proc/nowhere list
wrong "spec over a config.json" "config.json" "$kvmbox" spec --bundle $work/good

# kernels: with a copy of the installation whose vmlinux is wrong
wrong_kernel() {
	wrong "$1" "$2" $work/bad-usr/bin/kvmbox run --bundle $work/good k
}
cp -r $work/usr $work/bad-usr
kernel=$work/bad-usr/libexec/kvmbox/vmlinux
rm $kernel
wrong_kernel "no kernel" "vmlinux"
head -c 5000000 $work/usr/libexec/kvmbox/vmlinux > $kernel
wrong_kernel "a truncated kernel" "cut short"
cp /bin/busybox $kernel
wrong_kernel "an ELF that is no kernel" "kernel"
gzip -c < $work/usr/libexec/kvmbox/kvmbox-init > $kernel
wrong_kernel "a gzip file as kernel" "gzip"
echo hello > $kernel
wrong_kernel "a text as kernel" "kernel"
rm -rf $work/bad-usr
mv /dev/kvm /dev/kvm.away
wrong "no /dev/kvm" "/dev/kvm" "$kvmbox" run --bundle $work/good k
mknod /dev/kvm c 1 3
wrong "a /dev/kvm that is none" "kvm" "$kvmbox" run --bundle $work/good k
rm /dev/kvm
mv /dev/kvm.away /dev/kvm
chmod 000 /dev/kvm
wrong "/dev/kvm not permitted" "/dev/kvm" setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
	env XDG_RUNTIME_DIR=/tmp "$kvmbox" run --bundle $work/good k
chmod 666 /dev/kvm

# --log: exactly one object
"$kvmbox" --log $work/log.json --log-format json run --bundle $work/nowhere x 2>/dev/null
is "--log-format json writes one object" 1 "$(jq -s length $work/log.json)"
is "with level, msg and time" '["level","msg","time"]' "$(jq -c keys $work/log.json)"
end_of_suite

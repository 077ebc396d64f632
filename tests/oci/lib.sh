# SPDX-License-Identifier: Apache-2.0
# For lab suites: sourced with the build folder as $1. The programs are copied to RAM; names of functions are the checks.
set -u
build=$1
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=/run/kvmbox-test
mkdir -p $work/usr
cp -r "$build/bin" "$build/libexec" $work/usr/
kvmbox=$work/usr/bin/kvmbox
export PATH=$PATH:/usr/sbin:/sbin

ok() { echo "ok $*"; }
not_ok() { echo "not ok $*"; }

# is NAME EXPECTED GOT
is() {
	if [ "$2" == "$3" ]; then ok "$1"; else not_ok "$1: expected '$2', got '$3'"; fi
}

# has NAME PATTERN TEXT (a shell pattern)
has() {
	# shellcheck disable=SC2053
	if [[ $3 == *$2* ]]; then ok "$1"; else not_ok "$1: no '$2' in '$3'"; fi
}

# yes NAME COMMAND...
yes_() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name: $* gave $?"; fi
}

end_of_suite() {
	# Nothing may be left, whatever the suite did (deferred clean-up gets its time, and no more).
	local tries=0
	while [ -n "$(leftovers)" ] && [ $tries -lt 50 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	is "nothing is left behind" "" "$(leftovers)"
	echo "end of suite"
}

# Processes, cgroups, state and mounts of kvmbox
leftovers() {
	pgrep -a 'kvmbox' | grep -v "bash\|pgrep"
	ls /run/kvmbox 2>/dev/null
	find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -path '*kvmbox*'
	awk '$5 ~ /kvmbox/' /proc/self/mountinfo | grep -v "$work"
}

# bundle NAME [ARG...]: a busybox bundle in $work/NAME that runs ARG... (default: sh)
bundle() {
	local dir=$work/$1
	shift
	mkdir -p "$dir/rootfs"/{bin,etc,tmp,proc,sys,dev,root}
	cp /bin/busybox "$dir/rootfs/bin/"
	for applet in sh cat ls id env echo true false sleep kill head tail wc dd sha256sum mount uname hostname stat touch rm \
		mkdir ln chmod chown cp mv grep sed test printf readlink seq tr mknod umount sync df find ps cut sort yes od ip; do
		ln -sf busybox "$dir/rootfs/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' > "$dir/rootfs/etc/passwd"
	rm -f "$dir/config.json"
	"$kvmbox" spec --bundle "$dir"
	[ $# -eq 0 ] || args "$dir" "$@"
	edit "$dir" '.root.readonly = false | .process.noNewPrivileges = false |
		.process.capabilities |= with_entries(.value = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
		"CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SYS_CHROOT"])'
}

# args DIR ARG...: what the bundle runs
args() {
	local dir=$1
	shift
	edit "$dir" '.process.args = $ARGS.positional' --args -- "$@"
}

# edit DIR FILTER [JQ OPTION...]: change config.json
edit() {
	local dir=$1 filter=$2
	shift 2
	jq "$filter" "$@" < "$dir/config.json" > "$dir/config.json.new" && mv "$dir/config.json.new" "$dir/config.json"
}

# wait_for COMMAND...: until it succeeds, at most 30 s
wait_for() {
	local tries=0
	until "$@" >/dev/null 2>&1; do
		sleep 0.05
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
	done
}

# is_status ID STATUS: for wait_for
is_status() {
	test "$(status_of "$1" 2>/dev/null)" == "$2"
}

status_of() {
	"$kvmbox" state "$1" | jq -r .status
}

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of kvmbox, monitor and kvmbox-vmm at every named step of the test build: delete --force leaves nothing.
set -u
steps_build=$(dirname "$1")/$(basename "$1")-steps
[ -x "$steps_build/bin/kvmbox" ] || { echo "not ok the test build is missing: $steps_build"; exit 1; }
mkdir -p "$steps_build/libexec/kvmbox"
set -- "$steps_build"
source "$(dirname "$0")/lib.sh"
cp "$(dirname "$steps_build")/$(uname -m)/libexec/kvmbox/vmlinux" $work/usr/libexec/kvmbox/
bundle k sleep 1000
mkfifo $work/steps
exec 200<>$work/steps
export KVMBOX_STEP_FD=200

members() { cat /sys/fs/cgroup/kvmbox/kill/cgroup.procs 2>/dev/null; }
by_name() { for p in $(members); do [ "$(cat /proc/$p/comm 2>/dev/null)" == "$1" ] && echo $p; done; }

# one STEP VICTIM: run up to the step, kill, delete, look
one() {
	local step=$1 victim=$2 cli line pid left
	case $step in
	delete:*) "$kvmbox" run -d --bundle $work/k kill < /dev/null > /dev/null 2>&1
		KVMBOX_STOP_AT=$step "$kvmbox" delete --force kill < /dev/null > /dev/null 2>&1 & ;;
	*) "$kvmbox" --stop-at=$step run --bundle $work/k kill < /dev/null > /dev/null 2>&1 & ;;
	esac
	cli=$!
	if [[ $step == monitor:exited || $step == monitor:drained || $step == cli:before-exit || $step == vmm:exit ]]; then
		wait_for is_status kill running
		wait_for "$kvmbox" kill kill KILL
	fi
	if ! read -t 60 -r -u 200 line; then
		not_ok "$step: not reached"
		kill -9 $cli
		"$kvmbox" delete --force kill
		return
	fi
	case $victim in
	cli) pid=$cli ;;
	monitor) pid=$(jq -r '.monitor.pid // 0' /run/kvmbox/kill/state.json 2>/dev/null || echo 0)
		[ "${pid:-0}" != 0 ] || pid=$(by_name kvmbox | head -1) ;;
	vmm) pid=$(by_name kvmbox-vmm | head -1) ;;
	esac
	[ -n "${pid:-}" ] && [ "$pid" != 0 ] && kill -9 $pid 2>/dev/null
	# one delete waits for another, so a stopped one has to go first
	[[ $step != delete:* ]] || kill -9 $cli 2>/dev/null
	"$kvmbox" delete --force kill
	local status=$?
	# a foreground run that was stopped after its container ended is nobody's leftover: it goes with its terminal
	kill -9 $cli 2>/dev/null
	wait $cli 2>/dev/null
	local tries=0
	while left=$(leftovers) && [ -n "$left" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
	if [ $status -eq 0 ] && [ -z "$left" ]; then ok "$step: kill of $victim"; else not_ok "$step: kill of $victim: delete gave $status, left: $left"; fi
}

# KILL_STEPS="STEP ..." restricts it
for step in ${KILL_STEPS:-$("$kvmbox" --list-steps)}; do
	for victim in cli monitor vmm; do
		one $step $victim
	done
done
exec 200>&-
end_of_suite

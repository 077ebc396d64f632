#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The road from a bundle to its output and status, in both forms of run, and the life of a container step by step.
source "$(dirname "$0")/lib.sh"

bundle one sh -c 'uname -r; echo out; echo err >&2; exit 7'
out=$("$kvmbox" run $work/one/ 2>$work/err)
is "run gives the exit status" 7 $?
is "stdout arrives, and the kernel is the guest's" "$(strings "$build/libexec/kvmbox/vmlinux" | grep -m1 -o 'Linux version [^ ]*' | cut -d' ' -f3)
out" "$out"
is "stderr arrives apart from stdout" "err" "$(cat $work/err)"

for code in 0 1 42 255; do
	args $work/one sh -c "exit $code"
	"$kvmbox" run $work/one/
	is "exit code $code" $code $?
done
args $work/one sh -c 'sh -c "kill -TERM \$\$"; exit $?'
"$kvmbox" run $work/one/
is "a child killed by TERM gives 143" 143 $?

# as engines call it
args $work/one sh -c 'echo engine'
is "run --bundle B ID" "engine" "$("$kvmbox" run --bundle $work/one engine-id)"
is "run -b B ID in the bundle's folder" "engine" "$(cd $work/one && "$kvmbox" run here)"

# step by step
args $work/one sh -c 'echo started > /root/mark; exec sleep 1000'
"$kvmbox" create --bundle $work/one --pid-file $work/pid steps > $work/out 2>&1 < /dev/null
is "create succeeds" 0 $?
is "create prints nothing" "" "$(cat $work/out)"
is "the state is created" created "$(status_of steps)"
yes_ "the process has not run" test ! -e $work/one/rootfs/root/mark
pid=$(cat $work/pid)
is "the pid file holds the digits only" "$("$kvmbox" state steps | jq -r .pid)" "$pid"
is "pid file has no newline" 0 "$(wc -l < $work/pid)"
yes_ "the pid is alive" test -d "/proc/$pid"
has "a second create with the id fails" "already exists" "$("$kvmbox" create --bundle $work/one steps 2>&1)"
is "list -q names it" steps "$("$kvmbox" list -q)"
is "list --format json has it" created "$("$kvmbox" list --format json | jq -r '.[0].status')"
has "list has a table" "steps" "$("$kvmbox" list)"
echo '{"broken' > $work/one/config.json.later
mv $work/one/config.json $work/one/config.json.good
cp $work/one/config.json.later $work/one/config.json
"$kvmbox" start steps
is "start succeeds, whatever config.json says by now" 0 $?
mv $work/one/config.json.good $work/one/config.json
wait_for test -e $work/one/rootfs/root/mark
is "the process runs after start" started "$(cat $work/one/rootfs/root/mark)"
is "the state is running" running "$(status_of steps)"
has "a second start fails" "already running" "$("$kvmbox" start steps 2>&1)"
"$kvmbox" delete steps 2>/dev/null
is "delete of a running container fails" 1 $?
"$kvmbox" kill steps 0
is "kill 0 says that it runs" 0 $?
has "logs has the guest's kernel" "Linux version" "$("$kvmbox" logs steps)"
"$kvmbox" kill steps KILL
is "kill KILL succeeds" 0 $?
wait_for test ! -d "/proc/$pid"
is "the state is stopped" stopped "$(status_of steps)"
is "its pid is 0" 0 "$("$kvmbox" state steps | jq .pid)"
has "kill of a stopped container fails" "container not running" "$("$kvmbox" kill steps TERM 2>&1)"
has "start of a stopped container fails" "stopped" "$("$kvmbox" start steps 2>&1)"
"$kvmbox" delete steps
is "delete succeeds" 0 $?
has "state of an unknown container" "does not exist" "$("$kvmbox" state steps 2>&1)"
"$kvmbox" delete --force steps
is "delete --force of an unknown container succeeds" 0 $?
"$kvmbox" delete steps 2>/dev/null
is "delete of an unknown container fails" 1 $?

# signals
args $work/one sh -c 'trap "echo got TERM; exit 3" TERM; trap "echo got USR1" USR1; echo ready; while :; do sleep 0.1; done'
"$kvmbox" run --pid-file $work/pid --bundle $work/one sig > $work/out 2>&1 < /dev/null &
runner=$!
wait_for grep -q ready $work/out
"$kvmbox" kill sig USR1
wait_for grep -q USR1 $work/out
is "kill ID USR1 arrives" "got USR1" "$(sed -n 2p $work/out)"
kill -USR1 "$(cat $work/pid)"
twice() { test "$(grep -c 'got USR1' $work/out)" -eq 2; }
wait_for twice
kill -TERM $runner
wait $runner
is "TERM to the foreground run is handed on, and the status comes back" 3 $?
is "a signal to the pid was handed on too" 2 "$(grep -c 'got USR1' $work/out)"

# detached
args $work/one sh -c 'exec sleep 1000'
"$kvmbox" run -d --pid-file $work/pid --bundle $work/one det < /dev/null > /dev/null 2>&1
is "run -d returns at once" 0 $?
is "and leaves it running" running "$(status_of det)"
"$kvmbox" delete --force det
is "delete --force of a running container" 0 $?
is "nothing lives in it" "" "$("$kvmbox" list -q)"

# names
is "two runs of one folder get names of their own" "one one-2" "$(
	"$kvmbox" run -d $work/one/ < /dev/null > /dev/null 2>&1
	"$kvmbox" run -d $work/one/ < /dev/null > /dev/null 2>&1
	"$kvmbox" list -q | sort | tr '\n' ' ' | sed 's/ $//')"
"$kvmbox" delete --force one
"$kvmbox" delete --force one-2

is "--version begins as callers parse it" "kvmbox version $(cat "$top/VERSION")" "$("$kvmbox" --version | head -1)"
yes_ "features is JSON" jq -e .ociVersionMax <("$kvmbox" features)
yes_ "doctor --json is JSON" jq -e . <("$kvmbox" doctor --json)
for c in run create start state kill delete list logs spec features doctor vm; do
	"$kvmbox" $c --help | grep -q "usage: kvmbox $c"
	is "$c --help" 0 $?
done
end_of_suite

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whoever is killed takes the others along, and delete --force leaves nothing. The matrix at every step is kill-matrix-long.sh.
source "$(dirname "$0")/lib.sh"

bundle d sleep 1000

begin() {
	"$kvmbox" run -d --bundle $work/d dead < /dev/null > /dev/null 2>&1
	monitor=$(jq .monitor.pid /run/kvmbox/dead/state.json)
	vmm=$(jq .vmm.pid /run/kvmbox/dead/state.json)
}
gone() { test ! -d "/proc/$1" || grep -q '^State:.Z' "/proc/$1/status"; }

begin
kill -9 $monitor
yes_ "a killed monitor takes kvmbox-vmm with it" wait_for gone $vmm
is "the state is stopped" stopped "$(status_of dead)"
"$kvmbox" delete dead
is "and it can be deleted" 0 $?

begin
kill -9 $vmm
yes_ "a killed kvmbox-vmm takes the monitor with it" wait_for gone $monitor
is "the state is stopped" stopped "$(status_of dead)"
"$kvmbox" delete dead

begin
kill -STOP $vmm
kill -9 $monitor
wait_for gone $monitor
yes_ "a stopped kvmbox-vmm stays" test -d /proc/$vmm
is "list shows the container" dead "$("$kvmbox" list -q)"
"$kvmbox" delete --force dead
is "delete --force ends it" 0 $?
yes_ "it is gone" gone $vmm

# the foreground run
"$kvmbox" run --bundle $work/d fore < /dev/null > /dev/null 2>&1 &
runner=$!
wait_for "$kvmbox" kill fore 0
kill -9 $runner
sleep 0.3
is "killing a foreground run does not kill the container" running "$(status_of fore)"
"$kvmbox" delete --force fore

"$kvmbox" run --bundle $work/d fore < /dev/null > $work/out 2>&1 &
runner=$!
wait_for "$kvmbox" kill fore 0
kill -9 "$(jq .vmm.pid /run/kvmbox/fore/state.json)"
wait $runner
is "the VM dies under a run: 255" 255 $?
has "and it is said" "VM ended" "$(cat $work/out)"

# twice, and while others are at it
begin
"$kvmbox" delete --force dead &
"$kvmbox" delete --force dead
is "delete --force twice at once" 0 $?
wait $!
is "and the other" 0 $?
end_of_suite

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mounts, devices, masked and read-only paths, sysctl; and what a rootfs with hostile symlinks cannot do.
source "$(dirname "$0")/lib.sh"

bundle m sh
run_m() { args $work/m sh -c "$1"; "$kvmbox" run $work/m/ < /dev/null 2>&1; }
reset_m() { bundle m sh; }
mount_m() { edit $work/m '.mounts += [{destination: $d, type: $t, source: $s, options: ($o | split(","))}]' \
	--arg d "$1" --arg t "$2" --arg s "$3" --arg o "$4"; }

# what spec gives
out=$(run_m 'cut -d" " -f2,3 /proc/mounts')
for m in '/ 9p' '/proc proc' '/dev tmpfs' '/dev/pts devpts' '/dev/shm tmpfs' '/dev/mqueue mqueue' '/sys sysfs' '/sys/fs/cgroup cgroup2'; do
	has "mounted: $m" "$m" "$out"
done
is "default devices" "crw-rw-rw- 1 3 null,crw-rw-rw- 1 5 zero,crw-rw-rw- 1 7 full,crw-rw-rw- 1 8 random,crw-rw-rw- 1 9 urandom,crw-rw-rw- 5 0 tty," \
	"$(run_m 'for d in null zero full random urandom tty; do stat -c "%A %t %T" /dev/$d | tr "\n" " "; echo -n "$d,"; done')"
is "links in /dev" "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 pts/ptmx" \
	"$(run_m 'for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done' | tr '\n' ' ' | sed 's/ $//')"
is "masked paths are empty" 0 "$(run_m 'cat /proc/kcore /proc/keys 2>/dev/null | wc -c')"
has "read-only paths" "Read-only" "$(run_m 'echo 1 > /proc/sys/kernel/panic')"
reset_m

# binds
mkdir -p $work/vol/sub && echo host > $work/vol/file && echo single > $work/single
mount_m /vol bind $work/vol rbind,rw
mount_m /ro bind $work/vol bind,ro
mount_m /etc/single bind $work/single bind,ro
mount_m /deep/er/dir none $work/vol bind
out=$(run_m 'cat /vol/file /etc/single /deep/er/dir/file; echo guest > /vol/new; echo x > /ro/new; echo x > /etc/single; mkdir /vol/made')
has "a bind shows the host's files" $'host\nsingle\nhost' "$out"
is "what the guest writes is the host's" guest "$(cat $work/vol/new)"
yes_ "folders too" test -d $work/vol/made
is "a read-only bind refuses writes" 2 "$(grep -c 'Read-only' <<< "$out")"
is "a single file keeps its content" single "$(cat $work/single)"
yes_ "mount points were made in the rootfs" test -d $work/m/rootfs/deep/er/dir -a -f $work/m/rootfs/etc/single
reset_m

mount_m /n bind $work/vol bind,noexec,nosuid,nodev
cp /bin/busybox $work/vol/
has "noexec" "ermission denied" "$(run_m '/n/busybox true')"
reset_m

mount_m /t tmpfs tmpfs size=64k,mode=1770,nosuid
out=$(run_m 'stat -c %a /t; dd if=/dev/zero of=/t/x bs=1k count=100 2>&1 | grep -o "No space"; grep " /t " /proc/mounts')
is "tmpfs mode and size" $'1770\nNo space' "$(head -2 <<< "$out")"
has "tmpfs flags" "nosuid" "$out"
reset_m

# order: a later mount lies on an earlier one
mount_m /t tmpfs tmpfs rw
mount_m /t/vol bind $work/vol bind
is "a bind below a tmpfs" host "$(run_m 'cat /t/vol/file')"
reset_m

# readonly root
edit $work/m '.root.readonly = true'
has "a read-only rootfs" "Read-only" "$(run_m 'echo x > /file')"
has "it cannot be made writable from inside" "Read-only" "$(edit $work/m '.process.capabilities |= with_entries(.value = ["CAP_SYS_ADMIN"])'
	run_m 'mount -o remount,rw / ; echo x > /file')"
yes_ "nothing was written" test ! -e $work/m/rootfs/file
reset_m

# devices, sysctl
edit $work/m '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 7, fileMode: 420, uid: 5, gid: 6}]'
is "a device" "crw-r--r-- 5 6 1 7" "$(run_m 'stat -c "%A %u %g %t %T" /dev/mine')"
edit $work/m '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "10000"}'
is "sysctl" $'1\n10000' "$(run_m 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax')"
reset_m

# a rootfs whose symlinks point at the host
ln -s /etc $work/m/rootfs/link
ln -s / $work/m/rootfs/slash
echo canary > $work/canary
ln -s $work/canary $work/m/rootfs/canary
before=$(stat -c '%Y %s %i' /etc/passwd)
mount_m /link/made bind $work/vol bind
mount_m /slash/made2 bind $work/vol bind
out=$(run_m 'cat /canary; echo changed > /canary; cat /link/made/file /made2/file; echo root > /link/passwd')
has "a symlink is the guest's own" "No such file" "$out"
has "mount points behind symlinks stay inside" $'host\nhost' "$out"
yes_ "nothing was made in the host's /etc" test ! -e /etc/made -a ! -e /made2
is "the host's file is untouched" canary "$(cat $work/canary)"
is "the host's /etc/passwd is untouched" "$before" "$(stat -c '%Y %s %i' /etc/passwd)"
reset_m

# the monitor's own tree, which engines enter
mount_m /vol bind $work/vol bind
args $work/m sleep 1000
"$kvmbox" run -d --pid-file $work/pid --bundle $work/m mon < /dev/null > /dev/null 2>&1
pid=$(cat $work/pid)
is "the monitor's root is the container's" "$(stat -c %i $work/m/rootfs/bin)" "$(stat -c %i /proc/$pid/root/bin)"
is "with its volumes" host "$(cat /proc/$pid/root/vol/file)"
is "and a proc of its own: the monitor and this ls" "2" "$(nsenter -t $pid -m -p /bin/busybox ls /proc | grep -c '^[0-9]*$')"
is "without capabilities" 0000000000000000 "$(awk '/CapEff/ {print $2}' /proc/$pid/status)"
is "behind a filter" 2 "$(awk '/^Seccomp:/ {print $2}' /proc/$pid/status)"
vmm=$(jq .vmm.pid /run/kvmbox/mon/state.json)
is "kvmbox-vmm's root is empty" "" "$(ls -A /proc/$vmm/root/)"
is "both are in the container's cgroup" 2 "$(wc -l < /sys/fs/cgroup/kvmbox/mon/cgroup.procs)"
is "and in one network namespace, not the host's" "same" "$([ "$(readlink /proc/$pid/ns/net)" == "$(readlink /proc/$vmm/ns/net)" ] &&
	[ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ] && echo same)"
"$kvmbox" delete --force mon
end_of_suite

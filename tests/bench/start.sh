#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the lab's counting mode: a container that runs `true`, under kvmbox, crun and runc, and the same kernel under QEMU
# microvm; everything in RAM. Then, in a run of its own with tracing on, exits and system calls of one kvmbox run.
source "$(dirname "$0")/../oci/lib.sh"
runs=${BENCH_RUNS:-11}

bundle b true
edit $work/b '.annotations = {"io.kvmbox.memory": "128M"} | .process.noNewPrivileges = true'
# what the contenders read, into RAM: a copy in place goes to the overlay's upper layer
to_ram() { for f in "$@"; do f=$(readlink -f "$f"); cp "$f" "$f.ram" && mv "$f.ram" "$f"; done; }
for p in crun runc qemu-system-x86_64; do
	bin=$(command -v $p) || continue
	# shellcheck disable=SC2046
	to_ram "$bin" $(ldd "$bin" 2>/dev/null | grep -o '/[^ ]*')
done
to_ram /usr/share/seabios/*.bin /usr/share/qemu/*.rom 2>/dev/null
mkdir -p $work/initrd && cp "$build/guest/poweroff" $work/initrd/init && (cd $work/initrd && echo init | cpio -o -H newc --quiet > $work/initrd.cpio)
kernel=$work/usr/libexec/kvmbox/vmlinux
"$build/tools/clocked" -n "$runs" \
	"kvmbox run" "$kvmbox run --bundle $work/b kb" \
	"crun run" "$(command -v crun) --root $work/crun run --bundle $work/b cr" \
	"runc run" "$(command -v runc) --root $work/runc run --bundle $work/b rc" \
	"QEMU microvm, boot and exit" "$(command -v qemu-system-x86_64) -M microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=off -accel kvm -cpu host -m 128 -nodefaults -no-user-config -nographic -no-reboot -kernel $kernel -initrd $work/initrd.cpio -append reboot=t,quiet"

t=/sys/kernel/tracing
count() { awk '/hitcount:/ { n += $NF } END { print n + 0 }' "$1"; }
echo 'hist:keys=exit_reason:size=256' > $t/events/kvm/kvm_exit/trigger
echo 'hist:keys=reason:size=256' > $t/events/kvm/kvm_userspace_exit/trigger
echo 'hist:keys=common_pid.execname:size=1024' > $t/events/raw_syscalls/sys_enter/trigger
"$kvmbox" run --bundle $work/b counted < /dev/null > /dev/null
echo "exits of one kvmbox run: $(count $t/events/kvm/kvm_exit/hist); to user space: $(count $t/events/kvm/kvm_userspace_exit/hist)"
echo "system calls: $(grep -E 'kvmbox' $t/events/raw_syscalls/sys_enter/hist | awk '{ n += $NF } END { print n + 0 }'), by process:"
grep -E 'kvmbox' $t/events/raw_syscalls/sys_enter/hist | sed 's/^/    /'
[ -z "${BENCH_VERBOSE:-}" ] || { cat $t/events/kvm/kvm_exit/hist $t/events/kvm/kvm_userspace_exit/hist; }

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A raw 9p client inside a guest, no Linux between: what it tries on a plain share, and on the root of a container with
# the host's own file systems mounted inside the rootfs.
source "$(dirname "$0")/../oci/lib.sh"

mkdir -p $work/share/sub
ln -s /etc $work/share/etc
mount -t proc proc $work/share/sub
"$kvmbox" vm --kernel "$build/guest/p9kernel" --console --share path=$work/share,tag=t < /dev/null | tr -d '\r' |
	sed 's/^\(ok\|not ok\) /\1 plain: /'
umount $work/share/sub

# the fds a launcher would pass: trees with proc, sys and dev mounted below
mkdir -p $work/root/{proc,sys,dev} $work/vol
mount -t proc proc $work/root/proc
mount -t sysfs sys $work/root/sys
mount --bind /dev $work/root/dev
exec 30< $work/root 31< $work/vol
deny=$(python3 -c 'import os; d = os.stat("/dev").st_dev; print(f"{os.major(d)}:{os.minor(d)}")')
"$work/usr/libexec/kvmbox/kvmbox-vmm" --kernel "$build/guest/p9kernel" --console --root tag=t,deny=$deny,fd=30,fd=31 \
	< /dev/null | tr -d '\r' | sed 's/^\(ok\|not ok\) /\1 entries: /'
exec 30<&- 31<&-
umount $work/root/proc $work/root/sys $work/root/dev
end_of_suite

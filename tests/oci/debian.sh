#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real Debian root file system as bundle.
source "$(dirname "$0")/lib.sh"
cache=${KVMBOX_CACHE:-/var/cache/kvmbox}/debian

dir=$work/debian
mkdir -p $dir/rootfs
tar -xf "$cache/rootfs.tar" -C $dir/rootfs --exclude='./dev/*'
cp "$cache/hello.deb" $dir/rootfs/root/
"$kvmbox" spec --bundle $dir
edit $dir '.root.readonly = false | .process.noNewPrivileges = false | .process.capabilities |= with_entries(.value =
	["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_SETGID","CAP_SETUID","CAP_SETFCAP","CAP_KILL","CAP_SYS_CHROOT"])'
in_debian() {
	args $dir sh -c "$1"
	"$kvmbox" run $dir/ < /dev/null 2>&1
}

out=$(in_debian 'apt-get --version | head -1; perl -V:version; dpkg -l | grep -c ^ii')
has "apt-get --version" "apt 2." "$out"
has "perl -V:version" "version='5." "$out"
is "dpkg -l counts the packages the host sees" "$(grep -c '^Status: install ok installed' $dir/rootfs/var/lib/dpkg/status)" "$(tail -1 <<< "$out")"

out=$(in_debian 'dpkg -i /root/hello.deb && hello; echo status $?')
has "a .deb is installed from a file" "Hello, world!" "$out"
has "and its program runs" "status 0" "$out"
has "the host's tree has it" "Status: install ok installed" "$(sed -n '/^Package: hello$/,/^$/p' $dir/rootfs/var/lib/dpkg/status)"
out=$(in_debian 'dpkg --verify hello; dpkg -P hello; ls /usr/bin/hello 2>&1; dpkg --audit; echo end $?')
has "it verifies, and is purged again" "No such file" "$out"

out=$(in_debian 'cd /root; sqlite3 db "pragma journal_mode=wal; create table t(a); insert into t values(1),(2),(3);"
	for i in 1 2 3; do sqlite3 db ".timeout 20000" "begin immediate; insert into t select a+3 from t; commit;" & done; wait
	sqlite3 db "select count(*), sum(a) from t; pragma integrity_check;"; ls db*')
has "sqlite in WAL mode" "wal" "$out"
has "three writers at once" "24|" "$out"
has "integrity" "ok" "$out"
is "the host reads the same database" "24" "$(python3 -c '
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("select count(*) from t").fetchone()[0])' $dir/rootfs/root/db)"

out=$(in_debian 'perl -e "
	open(F, q(+>), q(/root/x)) or die; unlink q(/root/x); print F q(data); F->flush; print -s F, qq(\n); truncate(F, 2); print -s F, qq(\n);"')
is "open, unlink, fstat, ftruncate" $'4\n2' "$out"
is "flock excludes" "locked" "$(in_debian 'exec 9>/root/l; flock 9; flock -n /root/l true || echo locked')"
end_of_suite

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The container's files are the host's, at once, and after SIGKILL of everything.
source "$(dirname "$0")/lib.sh"

bundle f sh
fs=$work/f/rootfs
script='
cd /root
echo text > plain; chmod 640 plain; chown 1000:1001 plain
ln plain hard; ln -s ../target soft; mkdir -p a/b; touch a/b/empty
dd if=/dev/zero of=sparse bs=1 count=1 seek=1048575 2>/dev/null
mkfifo fifo 2>/dev/null || busybox mkfifo fifo
chmod 4755 /root/a/b/empty
setfattr() { :; }
echo done; cat > /dev/null'
args $work/f sh -c "$script"
mkfifo $work/stdin
"$kvmbox" run --bundle $work/f files < $work/stdin > $work/out 2>&1 &
exec 8> $work/stdin
wait_for grep -q done $work/out
check_files() {
	is "$1: content" text "$(cat $fs/root/plain)"
	is "$1: mode and owner" "640 1000 1001" "$(stat -c '%a %u %g' $fs/root/plain)"
	is "$1: hard link" "$(stat -c %i $fs/root/plain)" "$(stat -c %i $fs/root/hard)"
	is "$1: symlink" ../target "$(readlink $fs/root/soft)"
	is "$1: sparse size" 1048576 "$(stat -c %s $fs/root/sparse)"
	is "$1: fifo" fifo "$(stat -c %F $fs/root/fifo)"
	is "$1: setuid bit" 4755 "$(stat -c %a $fs/root/a/b/empty)"
}
check_files "while it runs"
echo "from the host" > $fs/root/seen
kill -9 "$(jq .monitor.pid /run/kvmbox/files/state.json)" "$(jq .vmm.pid /run/kvmbox/files/state.json)"
exec 8>&-
wait
check_files "after SIGKILL of everything"
"$kvmbox" delete --force files
rm -rf ${fs:?}/root/*

# the reverse: the host changes, the guest sees
args $work/f sh -c 'while [ "$(cat /root/flag 2>/dev/null)" != go ]; do sleep 0.05; done; cat /root/big | sha256sum; stat -c "%a %u %s" /root/big; ls /root'
"$kvmbox" run --bundle $work/f rev < /dev/null > $work/out 2>&1 &
sleep 0.5
head -c 300000 /dev/urandom > $fs/root/big
chmod 604 $fs/root/big
chown 77 $fs/root/big
echo wait > $fs/root/flag
sleep 0.2
echo go > $fs/root/flag
wait
is "what the host writes, the guest reads" "$(sha256sum < $fs/root/big)" "$(head -1 $work/out)"
is "with mode, owner and size" "604 77 300000" "$(sed -n 2p $work/out)"
is "new names are seen" $'big\nflag' "$(tail -2 $work/out)"
rm -rf ${fs:?}/root/*

# semantics, by programs inside (docs/filesystem.md names their tests)
# inside NAME PROGRAM ARGUMENT...: its lines, with the program's name
inside() {
	args $work/f "$@"
	"$kvmbox" run $work/f/ < /dev/null 2>&1 | sed "s/^\(ok\|not ok\) /\1 $1: /"
}
cp "$build"/guest/fs_{semantics,names,random,peer} $fs/bin/
edit $work/f '.process.capabilities |= with_entries(.value += ["CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_LEASE"])'
inside fs_semantics /root
rm -rf ${fs:?}/root/*
inside fs_names /root
rm -rf ${fs:?}/root/*
inside fs_random /root 2
rm -rf ${fs:?}/root/*
"$build/guest/fs_peer" --host $fs/root > $work/peer 2>&1 &
peer=$!
inside fs_peer /root
kill $peer 2>/dev/null
wait $peer
end_of_suite

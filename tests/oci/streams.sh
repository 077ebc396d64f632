#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bytes through stdin, stdout and stderr: none lost, none doubled, each stream with its own end.
source "$(dirname "$0")/lib.sh"

mib=64
dd if=/dev/urandom of=$work/data bs=1M count=$mib 2>/dev/null
sum=$(sha256sum < $work/data)

bundle io cat
is "$mib MiB through cat, from stdin to stdout" "$sum" "$("$kvmbox" run $work/io/ < $work/data | sha256sum)"
is "an empty stdin ends cat" "" "$("$kvmbox" run $work/io/ < /dev/null)"
is "a last line without newline" "no newline" "$(printf 'no newline' | "$kvmbox" run $work/io/)"

cp $work/data $work/io/rootfs/data
args $work/io sh -c 'exec cat /data'
is "$mib MiB just before the exit, to a fast reader" "$sum" "$("$kvmbox" run $work/io/ < /dev/null | sha256sum)"
is "the same to a file" "$sum" "$("$kvmbox" run $work/io/ < /dev/null > $work/out; sha256sum < $work/out)"
is "the same to a slow reader" "$sum" "$("$kvmbox" run $work/io/ < /dev/null | python3 -c '
import sys, time
n = 0
while chunk := sys.stdin.buffer.read(1 << 20):
    sys.stdout.buffer.write(chunk)
    n += 1
    if n % 8 == 0:
        time.sleep(0.1)
' | sha256sum)"
args $work/io sh -c 'cat /data >&2'
is "$mib MiB on stderr" "$sum" "$("$kvmbox" run $work/io/ < /dev/null 2>&1 >/dev/null | sha256sum)"

# A reader that closes early: the process gets SIGPIPE, the monitor does not
args $work/io sh -c 'cat /data; echo "cat: $?" >&2; sleep 0.2; echo alive >&2; exit 9'
{ "$kvmbox" run $work/io/ < /dev/null 2>$work/err; echo $? > $work/status; } | head -c 100000 > /dev/null
is "a reader that closes early: the run ends with the process's own status" 9 "$(cat $work/status)"
is "and the writer got SIGPIPE" "cat: 141" "$(head -1 $work/err)"
is "and stderr goes on" "alive" "$(tail -1 $work/err)"

# stdin closed by the process while it goes on writing; stdout closed while it goes on
args $work/io sh -c 'head -c 3; exec <&-; sleep 0.3; echo done'
is "a process that closes stdin early" "abcdone" "$(yes abcdef | head -c 10000000 | "$kvmbox" run $work/io/)"
args $work/io sh -c 'echo first; exec >&-; sleep 0.3; echo late >&2'
is "a process that closes stdout early" "first" "$("$kvmbox" run $work/io/ < /dev/null 2> $work/err)"
is "and its stderr afterwards" "late" "$(cat $work/err)"
args $work/io sh -c 'cat > /dev/null; for i in 1 2 3 4 5; do echo $i; sleep 0.1; done'
is "output goes on after the end of stdin" "1 2 3 4 5" "$(echo x | "$kvmbox" run $work/io/ | tr '\n' ' ' | sed 's/ $//')"

# A child in the background that keeps stdout does not hold up the end
args $work/io sh -c 'sleep 1000 & echo main; exit 4'
began=$SECONDS
is "a background child does not hold up the exit" "main" "$("$kvmbox" run $work/io/ < /dev/null)"
yes_ "and it took less than 30 s" test $((SECONDS - began)) -lt 30

# Statuses of signals
args $work/io sh -c 'kill -KILL $$'
"$kvmbox" run $work/io/ < /dev/null > /dev/null 2>&1
status=$?
args $work/io sleep 1000
"$kvmbox" run --bundle $work/io victim < /dev/null > /dev/null 2>&1 &
wait_for is_status victim running
wait_for "$kvmbox" kill victim 0
"$kvmbox" kill victim KILL
wait $!
is "an init killed by KILL gives 137" 137 $?

# Lines alternate in order on one stream, many small writes
args $work/io sh -c 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done'
is "2,000 small writes stay in order" "$(seq -f 'line %g' 0 1999 | sha256sum)" "$("$kvmbox" run $work/io/ < /dev/null | sha256sum)"

# Poor surroundings
is "stdio closed" 0 "$("$kvmbox" run $work/io/ <&- >&- 2>&-; echo $?)"
is "an empty environment and / as folder" "line 0" "$(cd / && env -i "$kvmbox" run $work/io/ < /dev/null | head -1)"
end_of_suite

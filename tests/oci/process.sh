#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What config.json says of the process, read back inside.
source "$(dirname "$0")/lib.sh"

bundle p sh
run_p() { "$kvmbox" run $work/p/ < /dev/null 2>&1; }
reset_p() { bundle p "$@"; }

reset_p sh -c 'for a in "$@"; do echo "[$a]"; done' x 'a b' '' 'ü"$' $'new\nline'
is "arguments arrive as they are" $'[a b]\n[]\n[ü"$]\n[new\nline]' "$(run_p)"

reset_p env
edit $work/p '.process.env = ["PATH=/bin", "A=1 2", "EMPTY=", "HOME=/x"]'
is "the environment is what was given" $'A=1 2\nEMPTY=\nHOME=/x\nPATH=/bin' "$(run_p | sort)"
edit $work/p '.process.env = ["PATH=/bin"]'
is "HOME comes from /etc/passwd" $'HOME=/root\nPATH=/bin' "$(run_p | sort)"

reset_p sh -c 'pwd'
edit $work/p '.process.cwd = "/tmp"'
is "cwd" /tmp "$(run_p)"
edit $work/p '.process.cwd = "/made/for/it"'
is "a cwd that does not exist is made" /made/for/it "$(run_p)"

reset_p sh -c 'id -u; id -g; id -G; umask'
edit $work/p '.process.user = {uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 23}'
is "user, group, groups, umask" $'1000\n1001\n1001 5 6\n0027' "$(run_p)"

reset_p sh -c 'grep -E "^(Cap|NoNewPrivs)" /proc/self/status | tr -d "\t"'
edit $work/p '.process.capabilities = {bounding: ["CAP_CHOWN", "CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL", "CAP_CHOWN"],
	inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]} | .process.user.uid = 1000'
is "capabilities of a user: ambient ones survive the exec" $'CapInh:0000000000000020\nCapPrm:0000000000000020\nCapEff:0000000000000020\nCapBnd:0000000000000021\nCapAmb:0000000000000020\nNoNewPrivs:0' "$(run_p)"
edit $work/p '.process.capabilities = {bounding: ["CAP_CHOWN", "CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL", "CAP_CHOWN"]} |
	.process.user.uid = 0 | .process.noNewPrivileges = true'
is "capabilities of root: the bounding set" $'CapInh:0000000000000000\nCapPrm:0000000000000021\nCapEff:0000000000000021\nCapBnd:0000000000000021\nCapAmb:0000000000000000\nNoNewPrivs:1' "$(run_p)"
edit $work/p 'del(.process.capabilities)'
has "no capabilities given: none" "CapEff:0000000000000000" "$(run_p)"

reset_p sh -c 'grep -E "^Max (open files|processes|core)" /proc/self/limits | sed "s/  */ /g"'
python3 - $work/p/config.json <<'PY'  # jq rounds such a number
import json, sys
path, infinity = sys.argv[1], 18446744073709551615
config = json.load(open(path))
config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                                {"type": "RLIMIT_NPROC", "soft": infinity, "hard": infinity}]
json.dump(config, open(path, "w"))
PY
out=$(run_p)
has "rlimit NOFILE" "Max open files 100 200" "$out"
has "rlimit without limit" "Max processes unlimited unlimited" "$out"

reset_p cat /proc/self/oom_score_adj
edit $work/p '.process.oomScoreAdj = 500'
is "oomScoreAdj" 500 "$(run_p)"

reset_p sh -c 'hostname; cat /proc/sys/kernel/domainname'
edit $work/p '.hostname = "box-1" | .domainname = "example"'
is "hostname and domainname" $'box-1\nexample' "$(run_p)"

reset_p sh -c 'grep Sig /proc/self/status | tr -d "\t" | grep -E "Blk|Ign"'
is "signals are at their defaults" $'SigBlk:0000000000000000\nSigIgn:0000000000000000' "$(trap '' PIPE HUP; run_p)"

reset_p sh -c 'ls /proc/self/fd | tr "\n" " "'
is "no other fd is open" "0 1 2 3 " "$(exec 9<$work/p/config.json 77<$work/p/config.json; run_p)"

reset_p sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'
is "the process is number 1 and sees its own only" $'1\n3' "$(run_p)"

# Size: one string of 120 KiB, 1.5 MiB in all
reset_p sh -c 'echo ${#BIG}; env | wc -c'
python3 - $work/p/config.json <<'PY'
import json, sys
path = sys.argv[1]
config = json.load(open(path))
config["process"]["env"] += ["BIG=" + "x" * 122880] + [f"V{i:05}=" + "y" * 1000 for i in range(1400)]
json.dump(config, open(path, "w"))
PY
out=$(run_p)
is "an environment string of 120 KiB" 122880 "$(head -1 <<< "$out")"
yes_ "and 1.5 MB of environment" test "$(tail -1 <<< "$out")" -gt 1500000
end_of_suite

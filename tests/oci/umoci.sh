#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bundle as `umoci unpack` makes it, its config.json untouched (it asks for a terminal).
source "$(dirname "$0")/lib.sh"
cp -r "$build/umoci/bundle" $work/
out=$("$kvmbox" run $work/bundle/ < /dev/null)
is "exit status" 0 $?
is "what the image says is what runs" $'Linux\r\nimage\r\n0\r\n/tmp\r' "$out"
edit $work/bundle '.process.terminal = false'
is "without the terminal" $'Linux\nimage\n0\n/tmp' "$("$kvmbox" run $work/bundle/ < /dev/null)"

# the same from a real terminal
cat > $work/in_pty.py <<'PY'
import os, pty, sys
status = pty.spawn(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(status))
PY
edit $work/bundle '.process.terminal = true | .process.args = ["sh", "-c", "test -t 0 && test -t 1 && echo tty; exit 5"]'
out=$(python3 $work/in_pty.py "$kvmbox" run $work/bundle/ < /dev/null)
is "status of a run in a terminal" 5 $?
has "stdin and stdout are a terminal" "tty" "$out"
end_of_suite

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls and words that do not belong into the product's sources: prints file:line of each, exits 1 when there are any.
cd "$(dirname "$0")/../.." || exit 2
files=$(git ls-files 'vmm/*.[ch]' 'devices/*.[ch]' 'virtio/*.[ch]' 'boot/*.[ch]' 'guest-init/*.[ch]' 'runtime-cli/*.[ch]')
status=0
deny() { # PATTERN WHY
	# shellcheck disable=SC2086
	if grep -nE "$1" $files /dev/null | grep -v "$3"; then
		echo "  ^ $2"
		status=1
	fi
}
deny '\b(strcpy|strcat|sprintf|vsprintf|gets|alloca|strtok|atoi|atol|system|popen)\(' 'unbounded, or a shell' '^$'
deny '\bsignal\(' 'use sigaction or signalfd' '^$'
deny '(^|[^a-z_])open(at)?\([^;]*O_(RD|WR)[^;]*\);' 'open without O_CLOEXEC' 'O_CLOEXEC'
deny '(^|[^_a-z])exit\(' 'only main.c ends the process' '/main.c:'
deny '(^|[^_a-z])assert\(' 'use BUG_ON for our own invariants' 'static_assert'
deny '\b(TODO|FIXME|XXX|HACK)\b' 'leave nothing open' '^$'
exit $status

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Functions longer than 100 lines and files longer than 1,000: prints them, exits 1 when there are any.
# With -v: median and 95th percentile of function lengths.
cd "$(dirname "$0")/../.." || exit 2
files=$(git ls-files '*.c' | grep -v '^tests/')
# shellcheck disable=SC2086
universal_ctags=$(command -v ctags-universal || command -v ctags)
$universal_ctags -x --c-kinds=f --_xformat='%{input} %N %{line} %{end}' $files |
	awk -v verbose="${1:-}" '
	{ n = $4 - $3 + 1; len[NR] = n; if (n > 100) { print $1 ":" $3 ": " $2 " has " n " lines"; bad = 1 } }
	END {
		if (verbose == "-v") {
			m = asort_(len, NR)
			print NR " functions, median " len[int((NR + 1) / 2)] ", 95 % at most " len[int(NR * 0.95)] ", longest " len[NR]
		}
		exit bad
	}
	function asort_(a, n, i, j, t) { for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j + 1] = a[j]; a[j + 1] = t } return n }'
status=$?
for f in $files; do
	n=$(wc -l < "$f")
	[ "$n" -le 1000 ] || { echo "$f has $n lines"; status=1; }
done
exit $status

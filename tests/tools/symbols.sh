#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Global names that two files of the library define: the linker would take one in silence. usage: symbols.sh LIBRARY
dups=$(nm --defined-only --extern-only "$1" 2>/dev/null | awk 'NF == 3 && $2 ~ /[TDBRC]/ { print $3 }' | sort | uniq -d)
[ -z "$dups" ] || { echo "defined more than once in $1:"; echo "$dups"; exit 1; }

#!/bin/sh
# Includes go downward only: prints file:line of each that does not, exits 1 when there is one.
cd "$(dirname "$0")/../.." || exit 2
awk '
BEGIN {
	n = split("vmm/base: ;vmm/core:vmm/base;boot:vmm/base vmm/core;devices:vmm/base vmm/core;" \
		"virtio:vmm/base vmm/core devices;vmm:vmm/base vmm/core devices virtio boot;guest-init/proto:vmm/base;" \
		"guest-init:vmm/base guest-init/proto;runtime-cli:vmm/base guest-init/proto", rule, ";")
	for (i = 1; i <= n; i++) {
		split(rule[i], kv, ":")
		ok[kv[1]] = " " kv[2] " " kv[1] " "
	}
}
function layer(p) {
	if (p ~ /^vmm\/(base|core)\//)
		return substr(p, 1, 8)
	if (p ~ /^guest-init\/proto\//)
		return "guest-init/proto"
	sub(/\/.*/, "", p)
	return p
}
/^#include "/ {
	split($0, a, "\"")
	from = layer(FILENAME)
	to = layer(a[2])
	if (!index(ok[from], " " to " ")) {
		print FILENAME ":" FNR ": " from " must not include " to
		bad = 1
	}
}
END { exit bad }' $(find vmm devices virtio boot guest-init runtime-cli -name '*.[ch]')

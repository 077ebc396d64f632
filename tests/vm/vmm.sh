#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kvmbox-vmm by itself, on a machine with KVM: console, shares, slots filled and emptied in a running VM, every end, limits.
exec python3 "$(dirname "$0")/vmm.py" "$1"

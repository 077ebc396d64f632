// SPDX-License-Identifier: Apache-2.0
/*
 * Guest-physical addresses and interrupt lines of the x86-64 machine. What lies below 1 MiB: boot/x86_64/linux64.h.
 *
 *     0 .. 3 GiB             memory
 *     0xd0000000             16 virtio-mmio slots of 4 KiB
 *     0xfec00000, 0xfee00000 I/O APIC, local APIC (in KVM)
 *     0xfffbc000             one page and three that Intel's KVM wants for real mode
 *     4 GiB ..               memory beyond 3 GiB
 */
#ifndef KVMBOX_VMM_X86_LAYOUT_H
#define KVMBOX_VMM_X86_LAYOUT_H

#define X86_LOW_MAX      ((uint64_t)3 << 30)
#define X86_HIGH_BASE    ((uint64_t)4 << 30)
#define X86_SLOT_BASE    UINT64_C(0xd0000000)
#define X86_SLOT_GSI     5
#define X86_IDENTITY_MAP UINT64_C(0xfffbc000)
#define X86_TSS          UINT64_C(0xfffbd000)

#endif

# SPDX-License-Identifier: Apache-2.0
# kvmbox: one Makefile, not recursive. `make help` lists the targets.
#
#   V=1 shows commands; WERROR=1 makes warnings errors; SAN=address,undefined or SAN=thread builds beside the normal
#   tree; COV=1 builds with coverage counters; STEPS=1 with stops for the kill matrix; DESTDIR= and PREFIX= steer install.
MAKEFLAGS += -r
.DELETE_ON_ERROR:
.SUFFIXES:

VERSION := $(shell cat VERSION)
COMMIT := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo release)
ARCH ?= $(shell uname -m)
PREFIX ?= /usr

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := gcc-ar
endif
CLANG ?= clang
PKG_CONFIG ?= pkg-config

comma := ,
variant := $(ARCH)$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(COV),-cov)$(if $(STEPS),-steps)
B := build/$(variant)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

warn := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wcast-qual -Wcast-align=strict -Wformat=2 -Wvla -Walloca -Wundef \
	-Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough=5 -Wduplicated-cond -Wlogical-op -Wnull-dereference \
	-Wjump-misses-init -Wbidi-chars=any $(if $(WERROR),-Werror)
harden := -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero \
	$(if $(filter x86_64,$(ARCH)),-fcf-protection=full) $(if $(SAN)$(COV),,-D_FORTIFY_SOURCE=3)
san := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
cov := $(if $(COV),--coverage -fprofile-update=atomic -DKVMBOX_COVERAGE)
CPPFLAGS += -D_GNU_SOURCE -I. -DKVMBOX_VERSION='"$(VERSION)"' $(if $(STEPS),-DKVMBOX_STEPS)
CFLAGS += -std=gnu17 -O2 -g -fPIE -ffunction-sections -fdata-sections -pthread $(warn) $(harden) $(san) $(cov)
LDFLAGS += -pthread -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections $(san) $(cov)
static := -static-pie

# Sources by layer; what has a main() stands apart.
mains := vmm/main.c guest-init/main.c runtime-cli/main.c
lib_src := $(filter-out $(mains),$(wildcard vmm/base/*.c vmm/core/*.c devices/*.c virtio/*.c boot/*.c boot/x86_64/*.c \
	vmm/*.c vmm/$(ARCH)/*.c guest-init/proto/*.c guest-init/*.c runtime-cli/*.c))
lib_obj := $(lib_src:%.c=$(B)/%.o)
unit_src := $(wildcard tests/unit/test_*.c)
unit_bin := $(unit_src:tests/unit/%.c=$(B)/unit/%)
fake_src := $(wildcard tests/unit/fake/*.c)
fuzz_src := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_bin := $(fuzz_src:tests/fuzz/%.c=$(B)/fuzz/%)
guest_src := $(wildcard tests/guest/*.c)
guest_bin := $(guest_src:tests/guest/%.c=$(B)/guest/%)
host_src := $(wildcard tests/tools/*.c)
host_bin := $(host_src:tests/tools/%.c=$(B)/tools/%)

vmm_libs := -lelf -lz
cli_libs := -ljson-c -lseccomp
check_libs = $(shell $(PKG_CONFIG) --libs check)

programs := $(B)/bin/kvmbox $(B)/libexec/kvmbox/kvmbox-vmm $(B)/libexec/kvmbox/kvmbox-init
kernel := $(B)/libexec/kvmbox/vmlinux

.PHONY: all programs help run check check-long check-san lint fuzz bench install clean format coverage deps-% kernel unit \
	fuzz-replay guest-programs
all: programs kernel
programs: deps-build $(programs)
kernel: $(kernel)
unit: $(unit_bin)
guest-programs: $(guest_bin) $(host_bin) $(B)/guest/p9kernel

help:
	@sed -n 's/^#? //p' Makefile

#? make              build everything, the guest kernel included
#? make run          the first command: build, make a small bundle, run it (through the lab where KVM is unusable)
#? make check        the second: unit suites, fuzz corpora, lab tests (20 minutes at most on two cores)
#? make check-long   what takes longer: kill matrix at every step, soak
#? make check-san    the unit suites under address, undefined and thread sanitizers
#? make lint         formatting, warnings as errors, cppcheck, clang-tidy, layers, function length, banned calls
#? make fuzz         explore with libFuzzer: T=target TIME=seconds
#? make bench        figures in the lab's counting mode beside crun, runc and QEMU microvm
#? make coverage     line coverage by module of unit suites and fuzz corpora
#? make install      DESTDIR= PREFIX=/usr
#? make format       clang-format in place
#? make clean        remove build/ (the kernel cache stays)

deps-%:
	@tests/tools/deps $*

# --- compile and link ---
$(B)/%.o: %.c Makefile | deps-build
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/runtime-cli/version.o: CPPFLAGS += -DKVMBOX_COMMIT='"$(COMMIT)"'

$(B)/libkvmbox.a: $(lib_obj)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(B)/bin/kvmbox: $(B)/runtime-cli/main.o $(B)/libkvmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $(static) -o $@ $^ $(cli_libs)

$(B)/libexec/kvmbox/kvmbox-vmm: $(B)/vmm/main.o $(B)/libkvmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $(static) -o $@ $^ $(vmm_libs)

$(B)/libexec/kvmbox/kvmbox-init: $(B)/guest-init/main.o $(B)/libkvmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -static -no-pie -s -o $@ $^

$(kernel): $(wildcard boot/guest-kernel/config boot/guest-kernel/build boot/guest-kernel/patches/*) | deps-kernel
	@mkdir -p $(@D)
	$(Q)boot/guest-kernel/build $(@D)

$(B)/unit/%: $(B)/tests/unit/%.o $(fake_src:%.c=$(B)/%.o) $(B)/libkvmbox.a | deps-check
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) $(check_libs) $(vmm_libs) $(cli_libs)

# Corpus replay with gcc; exploration (make fuzz) with clang's libFuzzer.
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay/main.o $(fake_src:%.c=$(B)/%.o) $(B)/libkvmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^ $(vmm_libs) $(cli_libs)

$(B)/guest/%: $(B)/tests/guest/%.o $(B)/libkvmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^

# A guest with no Linux in it: freestanding, entered as a kernel.
$(B)/guest/p9kernel: tests/guest/kernel/p9kernel.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 $(warn) -ffreestanding -fno-pie -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
		-fcf-protection=none -nostdlib -static -no-pie -Wl,-Ttext-segment=0x100000 -Wl,--build-id=none -o $@ $<

$(B)/tools/%: $(B)/tests/tools/%.o $(B)/libkvmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -static-pie -o $@ $^ $(cli_libs)

.SECONDARY:
-include $(shell test -d $(B) && find $(B) -name '*.d')

# --- the commands of the README ---
run: all
	@tests/tools/run-demo $(B)

check: all guest-programs unit $(fuzz_bin) deps-check deps-lab
	@tests/tools/check $(B)

check-long: all guest-programs unit $(fuzz_bin) deps-check deps-lab
	+@$(MAKE) --no-print-directory STEPS=1 WERROR=$(WERROR) programs
	@tests/tools/check --long $(B)

check-san: deps-check
	+@$(MAKE) --no-print-directory SAN=address,undefined WERROR=$(WERROR) san-run
	+@$(MAKE) --no-print-directory SAN=thread WERROR=$(WERROR) san-run

.PHONY: san-run
san-run: unit $(fuzz_bin)
	@tests/tools/check --unit $(B)

bench: all guest-programs deps-lab
	@tests/tools/bench $(B)

coverage: deps-check
	+@$(MAKE) --no-print-directory COV=1 unit $(patsubst tests/fuzz/%.c,build/$(ARCH)-cov/fuzz/%,$(fuzz_src))
	@tests/tools/coverage build/$(ARCH)-cov

# --- quality ---
sources := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
lint: deps-lint deps-build deps-check
	@tests/tools/lint

format: deps-lint
	$(Q)clang-format -i $(sources)

T ?= vq
TIME ?= 60
fuzz: deps-lint
	@tests/tools/fuzz $(T) $(TIME)

# --- install ---
install: all
	install -D -m 0755 $(B)/bin/kvmbox $(DESTDIR)$(PREFIX)/bin/kvmbox
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/kvmbox $(B)/libexec/kvmbox/kvmbox-vmm
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/kvmbox $(B)/libexec/kvmbox/kvmbox-init
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/libexec/kvmbox $(kernel)
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/kvmbox.1 docs/kvmbox-vmm.1

clean:
	rm -rf build

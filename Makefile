# SPDX-License-Identifier: MIT
#
# The targets that people type; kbuild reads Kbuild. Everything is built under build/,
# kernels for the tests in the user's cache folder.

KDIR	?= /lib/modules/$(shell uname -r)/build
PARTS	?= all

include config.mk

BUILD	:= $(CURDIR)/build
release	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
kbuild	= $(BUILD)/kmod-$(release)-$(or $(ARCH),$(shell uname -m))

all: lib tools		## the library and the tools

help:		## this list
	@sed -n 's/^\([a-z_-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

run:		## stream this tree through /dev/shmring in a VM, compare, measure (HOST=1, BACKEND=memfd, KERNEL=...)
	@KERNEL='$(KERNEL)' HOST='$(HOST)' BACKEND='$(BACKEND)' tools/run.sh

csv	= $(BUILD)/bench/report.csv
bench:		## measure shmring beside everything else there is (BENCH=--help: only some of it)
	@tests/vm/deps.sh build bench || echo "bench: goes on with what is installed" >&2
	@$(MAKE) --no-print-directory tools
	@mkdir -p $(BUILD)/bench && rm -f $(csv) $(csv:.csv=.html)
	@$(BUILD)/tools/bench --csv $(csv) $(BENCH); ret=$$?; [ ! -e $(csv) ] || { \
		echo; echo "every figure: $(csv)"; \
		python3 tools/bench/report $(csv) $(csv:.csv=.html) && \
		echo "with plots:   $(csv:.csv=.html)"; }; exit $$ret
	$(if $(BENCH),,@$(BUILD)/tools/bench-many)

test:		## everything that is tested (PARTS="unit kunit ...": some of it)
	@tests/all.sh $(PARTS)

test-rt:	## the system tests and torture on a PREEMPT_RT kernel (TIME=60, SEED=...)
	@tests/all.sh system-rt torture-rt

test-kcsan:	## KUnit, the system tests and torture on a kernel that watches for data races (TIME=60, SEED=...)
	@tests/all.sh kunit-kcsan system-kcsan torture-kcsan

test-arch:	## other machines: arm64 (4 and 64 KiB pages, no atomic instructions, no tick), riscv64, s390x
	@tests/all.sh system-arm64-4k system-arm64-64k system-arm64-llsc system-arm64-nohz system-riscv64 library-s390x

test-debug:	## the system tests, with KASAN, lockdep and each allocation failing; as 32-bit programs; loads counted
	@tests/all.sh system-debug system-m32 loads

check-model:	## Spin, herd7 and CBMC, at length
	@LONG=1 tests/all.sh model

mutants:	## are planted faults noticed? (MUTANTS="NAME ...": some of them)
	@tests/vm/deps.sh build kernel vm mutants && tests/mutants/run.py $(MUTANTS)

coverage:	## which lines and branches the tests reach, and why not the rest
	@tests/all.sh coverage

torture:	## crash points, SIGKILLs, hostile peers, loads, at length (POINTS, KILLS, SECONDS_EACH, LOADS, SEED)
	@tests/torture/run.sh long

fuzz:		## fuzz the system calls, on a kernel with every checker (TIME=600, SEED=...)
	@TIME='$(or $(TIME),600)' SEED='$(SEED)' tests/all.sh fuzz

check:		## static checks alone
	@tests/all.sh static

lib:		## libshmring, static and shared
	@$(MAKE) --no-print-directory -C libuser O=$(BUILD)/libuser

tools: lib	## the command and the benchmark
	@$(MAKE) --no-print-directory -C tools O=$(BUILD)/tools LIBO=$(BUILD)/libuser

# kbuild leaves its objects beside the sources: build a copy. Type data for BPF needs
# pahole, which is not part of the headers: without pahole, leave it out.
nobtf	= $(if $(shell command -v pahole),,CONFIG_DEBUG_INFO_BTF_MODULES=)
modules:	## the module, for the running kernel (KDIR=..., ARCH=..., W=1, KUNIT=1: its tests too)
	@test -n "$(release)" || { echo "$(KDIR): no kernel headers there: apt install linux-headers-$$(uname -r), or say KDIR=..." >&2; exit 1; }
	@mkdir -p $(kbuild)/tests
	@cp -ruT kmod $(kbuild)/kmod && cp -u Kbuild VERSION $(kbuild)/ && cp -ruT tests/kunit $(kbuild)/tests/kunit
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(kbuild) $(if $(ARCH),ARCH=$(ARCH)) $(nobtf) $(if $(W),W=$(W)) $(if $(C),C=$(C)) modules
	@cp -u $(kbuild)/kmod/shmring.ko $(kbuild)/

# Where systemd's tools and udev look for the files of packages.
UDEVDIR ?= /usr/lib/udev/rules.d
SYSUSERSDIR ?= /usr/lib/sysusers.d
MODULESLOADDIR ?= /usr/lib/modules-load.d
INSTALL_MOD_PATH ?= $(DESTDIR)
module_folder = $(INSTALL_MOD_PATH)/lib/modules/$(release)/updates/kmod
installed = 644:packaging/60-shmring.rules:$(UDEVDIR)/60-shmring.rules \
	644:packaging/sysusers.conf:$(SYSUSERSDIR)/shmring.conf \
	644:packaging/modules-load.conf:$(MODULESLOADDIR)/shmring.conf
# A package's own scripts run depmod where the package is installed.
depmod	= $(if $(INSTALL_MOD_PATH),,@PATH=$$PATH:/usr/sbin:/sbin; depmod $(release))

modules_install: modules	## the module, its udev rule, group and load at boot (KDIR, DESTDIR)
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(kbuild) $(if $(ARCH),ARCH=$(ARCH)) \
		INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) INSTALL_MOD_DIR=updates DEPMOD=true modules_install
	$(install_files)
	$(depmod)

modules_uninstall: folders = $(UDEVDIR) $(SYSUSERSDIR) $(MODULESLOADDIR)
modules_uninstall:	## all that modules_install put there
	@test -n "$(release)" || { echo "$(KDIR): no kernel headers there; say KDIR=..." >&2; exit 1; }
	rm -f $(module_folder)/shmring.ko*
	@cd $(INSTALL_MOD_PATH)/ && ! [ -d $(module_folder) ] || \
		rmdir -p --ignore-fail-on-non-empty $(patsubst $(INSTALL_MOD_PATH)/%,%,$(module_folder))
	$(uninstall_files)
	$(if $(DESTDIR),$(uninstall_folders))
	$(depmod)

# Installs what is built, and builds what is missing.
each	= @$(MAKE) --no-print-directory -C libuser O=$(BUILD)/libuser DESTDIR=$(DESTDIR) $(1) && \
	$(MAKE) --no-print-directory -C tools O=$(BUILD)/tools LIBO=$(BUILD)/libuser DESTDIR=$(DESTDIR) $(1)

install:	## library, headers, command, man pages (PREFIX, DESTDIR, LIBDIR, BINDIR, INCLUDEDIR, MANDIR)
	$(call each,install)

uninstall:	## takes away what install has put there, given the same variables
	$(call each,uninstall)

clean:		## what was built; the kernels in the cache stay
	rm -rf $(BUILD)

.PHONY: all help run bench test test-rt test-kcsan test-arch test-debug check-model mutants coverage torture fuzz check lib tools modules modules_install modules_uninstall install uninstall clean

# SPDX-License-Identifier: MIT
#
# What people type. `make help` says what there is; kbuild reads Kbuild.

KDIR	?= /lib/modules/$(shell uname -r)/build
ARCH	?= $(shell uname -m)
PREFIX	?= /usr/local
O	?= build

release	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
kbuild	= $(O)/kmod-$(release)-$(ARCH)

help:		## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

# kbuild leaves its objects beside the sources: let it do so in a copy.
modules:	## the module, for KDIR (default: the running kernel)
	@test -n "$(release)" || { echo "$(KDIR): no kernel headers there; install linux-headers-$$(uname -r), or say KDIR=..." >&2; exit 1; }
	@mkdir -p $(kbuild)/tests
	@cp -ruT kmod $(kbuild)/kmod && cp -u Kbuild $(kbuild)/ && cp -ruT tests/kunit $(kbuild)/tests/kunit
	@$(MAKE) -C $(KDIR) M=$(abspath $(kbuild)) ARCH=$(ARCH) $(if $(W),W=$(W)) $(if $(C),C=$(C)) modules
	@cp -u $(kbuild)/kmod/shmring.ko $(kbuild)/

.PHONY: help modules

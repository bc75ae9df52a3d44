# SPDX-License-Identifier: MIT
#
# What the Makefiles share: the version, where files are installed, and probes for
# libraries. CC, CPPFLAGS, CFLAGS, CXXFLAGS, LDFLAGS and PKG_CONFIG are the user's, from
# the environment or as arguments: no Makefile changes them, each adds its own flags in
# variables of its own.

top	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
VERSION	:= $(shell cat $(top)/VERSION)

override DESTDIR := $(filter-out /,$(abspath $(DESTDIR)))
PREFIX	?= /usr/local
BINDIR	?= $(PREFIX)/bin
LIBDIR	?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR	?= $(PREFIX)/share/man
$(if $(filter-out /%,$(PREFIX)),$(error PREFIX must be an absolute path, not $(PREFIX)))

# The test suite sets WERROR=1: a warning of some other compiler must not keep a user
# from building.
werror	= $(if $(filter-out 0,$(WERROR)),-Werror)

# links COMPILER,LANGUAGE,HEADER,FLAGS: "yes" if a program with that header can be built.
# It is linked, with the user's flags: a header alone may be another machine's.
hash	:= \#
links	= $(shell printf '$(hash)include <%s>\nint main(void) { return 0; }\n' '$(3)' | \
	$(1) $(CPPFLAGS) $(4) -w -O0 -g0 -x $(2) -o /dev/null - -x none $(LDFLAGS) $(4) >/dev/null 2>&1 && echo yes)

# machine COMPILER: what it compiles for. pkg-config answers for one machine: a compiler
# for another one needs its own.
machine	= $(firstword $(subst -, ,$(shell $(1) -dumpmachine 2>/dev/null)))
target	:= $(call machine,$(CC))
cross	:= $(filter-out $(or $(call machine,cc),$(target)),$(target))
PKG_CONFIG ?= $(if $(cross),$(shell $(CC) -dumpmachine)-)pkg-config
config	= $(shell $(PKG_CONFIG) $(1) 2>/dev/null)

# stamp TEXT: the recipe of a file that is written only when TEXT has changed, for what
# must be built anew then. `make install` takes what is built, as it may lack the flags
# that were arguments of the make before it.
stamp	= @mkdir -p $(@D); echo '$(subst ','\'',$(1))' | cmp -s - $@ || \
	echo '$(subst ','\'',$(1))' >$@
if_flags_change = $(if $(filter install,$(MAKECMDGOALS)),,FORCE)

# A Makefile lists what it installs in $(installed), as MODE:FILE:TARGET.
install_files = @set -e; for file in $(installed); do \
		IFS=:; set -- $$file; echo "  INSTALL $(DESTDIR)$$3"; \
		install -Dm$$1 "$$2" "$(DESTDIR)$$3"; \
	done
uninstall_files = rm -f $(foreach file,$(installed),"$(DESTDIR)$(lastword $(subst :, ,$(file)))")

# Folders that are empty without shmring go too: all of them under DESTDIR, and in a
# prefix of its own; elsewhere those that not every system has.
own_prefix = $(if $(DESTDIR),yes,$(filter-out /usr /usr/local,$(PREFIX)))
folders	= $(LIBDIR)/pkgconfig $(INCLUDEDIR)/linux $(INCLUDEDIR)/shmring $(foreach n,1 3 4 7,$(MANDIR)/man$(n)) \
	  $(if $(own_prefix),$(MANDIR) $(PREFIX)/share $(BINDIR) $(LIBDIR) $(INCLUDEDIR) $(PREFIX))
uninstall_folders = @cd "$(or $(DESTDIR),/)" 2>/dev/null || exit 0; for folder in $(folders:/%=%); do \
		[ ! -d "$$folder" ] || \
			rmdir $(if $(DESTDIR),-p) --ignore-fail-on-non-empty "$$folder"; \
	done

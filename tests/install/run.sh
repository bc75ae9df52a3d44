#!/bin/bash
# SPDX-License-Identifier: MIT
# Does shmring install? In a clean Debian 12 and a clean Debian 13, as debootstrap leaves
# them, with the packages that README.md names (inside.sh); the module into a staging
# folder; and the library and the tools for another machine.
#
#   run.sh [SUITE...]	in these Debian systems alone
#
# Clean systems are kept in the cache. They need root.
# shellcheck disable=SC1091,SC2154 # what lib.sh and common.sh set
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
. tests/vm/common.sh
scratch

# Something of this system may still be mounted there.
# shellcheck disable=SC2317 # the trap calls it
at_exit() {
	rm -rf --one-file-system "$tmp"
	tmp=
}

# ---------------------------------------------------------------- clean systems

# clean SUITE: sees to it that $cache has a tar of one
clean() (
	lock "clean-$1"
	[ ! -s "$cache/clean/$1.tar" ] || exit 0
	mkdir -p "$cache/clean"
	new=$(mktemp -d "$cache/clean/$1.XXXXXX")
	stage "debootstrap $1" debootstrap --variant=minbase "$1" "$new" "$mirror"
	tar -C "$new" -cf "$cache/clean/$1.part" . &&
		mv "$cache/clean/$1.part" "$cache/clean/$1.tar"
	rm -rf "$new"
)

# unpack SUITE ROOT: with this machine's way to the mirror, and this tree
unpack() {
	local file

	clean "$1" && mkdir "$2" && tar -C "$2" -xf "$cache/clean/$1.tar" || return
	for file in /etc/apt/apt.conf.d/*; do
		case $file in
		*/docker-* | *packagekit | *appstream) ;; # they run what is not there
		*) cp "$file" "$2/etc/apt/apt.conf.d/" ;;
		esac
	done
	echo "deb $mirror $1 main" >"$2/etc/apt/sources.list"
	mkdir -p "$2/etc/ssl/certs" "$2/usr/local/share/ca-certificates" "$2/src"
	cp -L /etc/resolv.conf /etc/hosts "$2/etc/"
	cp -L /etc/ssl/certs/ca-certificates.crt "$2/etc/ssl/certs/" 2>/dev/null
	cp -rL /usr/local/share/ca-certificates/. "$2/usr/local/share/ca-certificates/" 2>/dev/null
	tar -c --exclude=./build --exclude=./.git . | tar -C "$2/src" -x
}

# enter ROOT COMMAND...: in a mount namespace, where that can be had: in a chroot, whose root
# is no mount point, it cannot
enter() {
	local root=$1 apart=(unshare -m --propagation private)
	shift
	"${apart[@]}" true 2>/dev/null || apart=()
	mapfile -t proxies < <(env | grep -iE '^(https?|no|ftp|all)_proxy=')
	# shellcheck disable=SC2016 # the inner shell's
	"${apart[@]}" bash -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
			mount --make-rslave "$0/dev" &&
			env -i HOME=/root TERM=dumb \
				PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
				"${@:2:$1}" chroot "$0" "${@:$1 + 2}"
		status=$?
		umount -l "$0/dev" "$0/proc"
		exit $status
		' "$root" ${#proxies[@]} "${proxies[@]}" "$@"
}

in_clean() { # in_clean SUITE
	mirror=$(apt_mirror)
	check "a clean $1" unpack "$1" "$tmp/$1"
	[ -d "$tmp/$1/src" ] || return
	echo "--- $1"
	include "a clean $1" enter "$tmp/$1" sh /src/tests/install/inside.sh
	rm -rf --one-file-system "${tmp:?}/$1"
}

# --------------------------------------------------------------------- the module

staged() { (cd "$tmp/stage" && find . ! -type d | sed 's/^\.//' | sort); }

expected() {
	printf '%s\n' "/lib/modules/$RELEASE/updates/kmod/shmring.ko" \
		/usr/lib/modules-load.d/shmring.conf /usr/lib/sysusers.d/shmring.conf \
		/usr/lib/udev/rules.d/60-shmring.rules
}

same_as_expected() { diff <(expected) <(staged); }

# A folder named as missing is missing, and not this system's folder instead.
depmod_is_content() {
	depmod -b "$tmp/stage" "$RELEASE" 2>"$tmp/depmod"
	! grep -v 'WARNING: could not open modules' "$tmp/depmod"
}

versions_agree() {
	[ "$(modinfo -F version "build/kmod-$RELEASE-$ARCH/shmring.ko")" = "$(cat VERSION)" ]
}

nothing_left() { [ -z "$(staged)" ] || { staged; false; }; }

module() {
	check "a kernel and the module for it" module_for uml || return
	set -- KDIR="$KDIR" ARCH="$ARCH" DESTDIR="$tmp/stage"
	# The kernel has KUnit, and the suite built the module with its tests.
	check "make modules_install DESTDIR=..." quietly make modules_install KUNIT= "$@"
	check "... stages the module and what belongs to it, no tests" same_as_expected
	check "... of the version in VERSION" versions_agree
	check "... in which depmod finds no fault" depmod_is_content
	rm -f "$tmp/stage/lib/modules/$RELEASE"/modules.*
	check "make modules_uninstall DESTDIR=..." quietly make modules_uninstall "$@"
	check "... leaves nothing" nothing_left
}

# ---------------------------------------------------------------- another machine

# The probes must not find this machine's libraries.
cross() {
	local cc=aarch64-linux-gnu-gcc lib=$PWD/build/cross/libuser

	if ! command -v $cc >/dev/null; then
		skip "make CC=$cc" "no such compiler"
		return
	fi
	check "make CC=$cc" quietly make lib tools CC=$cc BUILD="$PWD/build/cross"
	check "... is for that machine" is_aarch64 "$lib/libshmring.so" build/cross/tools/*
}

is_aarch64() {
	local file

	for file; do
		[ ! -x "$file" ] || readelf -h "$file" | grep -q 'Machine: *AArch64' ||
			{ echo "    $file is not"; return 1; }
	done
}

[ $# -gt 0 ] || {
	module
	cross
	set -- bookworm trixie
}
for suite; do
	if [ "$(id -u)" -eq 0 ]; then
		in_clean "$suite"
	else
		skip "a clean $suite" "not root"
	fi
done
verdict

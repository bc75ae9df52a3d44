#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Installs the Debian packages that a kind of work needs and that are missing.
#
#   deps.sh build | kernel | vm | check | model | bench | coverage ...
#
#   build   the library, the tools and their tests
#   kernel  kernel.sh: kernels and modules
#   vm      boot.sh: guests
#   check   static checks
#   model   the models of the protocol
#   bench   the rings that the benchmark compares shmring with, and its report
#   coverage  which lines and branches the tests reach
set -eu

packages() {
	case $1 in
	build) echo gcc g++ clang libclang-rt-dev make pkg-config libc6-dev libcmocka-dev liburing-dev ;;
	kernel)
		echo gcc make flex bison bc cpio kmod xz-utils \
			pkg-config libelf-dev libssl-dev libc6-dev \
			ca-certificates debian-archive-keyring
		;;
	vm) echo qemu-system-x86 seabios busybox-static cpio kmod ;;
	model) echo spin gcc libc6-dev ;;
	bench) echo libck-dev libboost-dev libdpdk-dev libqb-dev python3 ;;
	check)
		echo perl sparse shellcheck codespell groff-base gcc \
			coccinelle clang-tidy dwarves libc6-dev liburing-dev
		;;
	coverage) echo gcc python3 ;;
	*)
		echo "deps.sh: no group $1; there are build, kernel, vm, check, model, bench, coverage" >&2
		return 2
		;;
	esac
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "deps.sh: neither root nor sudo; run as root: $*" >&2
		return 1
	fi
}

installed() {
	# shellcheck disable=SC2016 # for dpkg-query
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
		installed ]
}

[ $# -gt 0 ] || {
	echo "usage: deps.sh build | kernel | vm | check | model | bench | coverage ..." >&2
	exit 2
}
command -v dpkg-query >/dev/null || {
	echo "deps.sh: this is no Debian; install by hand what it names" >&2
	exit 1
}
missing=
for group; do
	wanted=$(packages "$group")
	for package in $wanted; do
		case " $missing " in
		*" $package "*) continue ;;
		esac
		installed "$package" || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

echo "deps.sh: installing$missing"
as_root apt-get update -q
# shellcheck disable=SC2086 # several packages
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
	--no-install-recommends $missing || {
	echo "deps.sh: apt could not install$missing" >&2
	exit 1
}

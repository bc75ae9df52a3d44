#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Installs the Debian packages that a kind of work needs and that are missing.
#
#   deps.sh GROUP...
#
#   tools     the library and the tools
#   build     the same, and their tests
#   headers   what builds and loads a module for the running kernel
#   kernel    kernel.sh: kernels and modules
#   vm        boot.sh: guests
#   docs      man pages
#   check     static checks
#   model     the models of the protocol
#   bench     the rings that the benchmark compares shmring with, and its report
#   install   clean Debian systems, to install in
#   coverage  which lines and branches the tests reach
#   gcc-N     that compiler, which a stock kernel's modules want
#   arm64     programs and guests of that machine; so riscv64, and s390x for programs
# shellcheck source-path=SCRIPTDIR disable=SC1091
set -eu
. "$(dirname "$0")/common.sh"

packages() {
	case $1 in
	tools) echo gcc make pkg-config libc6-dev liburing-dev ;;
	headers) echo gcc make kmod "linux-headers-$(uname -r)" ;;
	gcc-[0-9]*) echo "$1" ;;
	docs) echo groff-base python3 ;;
	build)
		echo gcc g++ clang libclang-rt-dev make pkg-config libc6-dev libcmocka-dev \
			liburing-dev python3
		;;
	kernel)
		echo gcc make flex bison bc cpio kmod xz-utils \
			pkg-config libelf-dev libssl-dev libc6-dev \
			ca-certificates debian-archive-keyring
		;;
	vm) echo qemu-system-x86 seabios busybox-static cpio kmod ;;
	model) echo spin gcc libc6-dev perl ;;
	bench) echo libck-dev libboost-dev libdpdk-dev libqb-dev python3 ;;
	check)
		echo git perl sparse shellcheck codespell gcc \
			coccinelle clang-tidy dwarves libc6-dev liburing-dev
		;;
	install)
		echo debootstrap debian-archive-keyring ca-certificates kmod make \
			gcc libc6-dev binutils gcc-aarch64-linux-gnu libc6-dev-arm64-cross
		;;
	coverage) echo gcc python3 ;;
	arm64)
		echo gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross \
			qemu-system-arm cpio
		;;
	riscv64)
		echo gcc-riscv64-linux-gnu g++-riscv64-linux-gnu libc6-dev-riscv64-cross \
			qemu-system-misc cpio
		;;
	s390x)
		echo gcc-s390x-linux-gnu g++-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static
		;;
	*)
		say "no group $1; there are"
		sed -n 's/^#   \([a-z0-9]* .*\|gcc-N .*\)/  \1/p' "$0" >&2
		return 2
		;;
	esac
}

# how: what makes a command root's; nothing does here
how() {
	if [ "$(id -u)" -eq 0 ]; then
		echo env
	elif command -v sudo >/dev/null; then
		echo sudo env
	else
		return 1
	fi
}

installed() {
	# shellcheck disable=SC2016 # for dpkg-query
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
		installed ]
}

# install PACKAGE...: one apt at a time; what apt starts does not inherit the lock
install() (
	lock packages
	$root apt-get update -q 9>&- &&
		$root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" 9>&-
)

[ $# -gt 0 ] || die "usage: deps.sh GROUP..."
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

command -v apt-get >/dev/null ||
	die "this is no Debian; what its packages hold has to be here:$missing"
root=$(how) || die "neither root nor sudo; run as root: apt-get install$missing"
say "installing$missing"
# shellcheck disable=SC2086 # several packages
install $missing || die "apt could not install$missing"

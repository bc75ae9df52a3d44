#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes sure that the cache holds what programs for another machine are built from, and
# prints how to build them, for eval:
#
#   cross.sh arm64 | riscv64 | s390x | i386
#
# CROSS_CC, CROSS_CXX: the compilers; CROSS_COMPILE: their prefix, for a kernel's module;
# CROSS_LIBS: where shared libraries lie; BUSYBOX: one for guests.
#
# The compilers and their libc are Debian's cross packages (see deps.sh); liburing, cmocka
# and busybox are that machine's own packages, unpacked and not installed. For i386 this
# machine's gcc has libc's and its own packages unpacked: gcc-multilib would have to push
# every cross compiler off the machine, and has no liburing.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/common.sh"

show() {
	printf "%s='%s'\n" CROSS_CC "$1" CROSS_CXX "$2" CROSS_COMPILE "${3:-}" \
		CROSS_LIBS "${4:-}" BUSYBOX "${5:-}"
}

i386() {
	command -v gcc >/dev/null || die "gcc is missing; run $here/deps.sh build"
	version=$(gcc -dumpversion)
	dir=$cache/i386-$suite
	unpacked "$dir" "$suite-i386" libc6-dev linux-libc-dev "libgcc-$version-dev" \
		"libstdc++-$version-dev" liburing-dev
	with="-m32 --sysroot=$dir -B$dir/usr/lib/gcc/i686-linux-gnu/$version"
	show "gcc $with" "g++ $with"
}

foreign() { # foreign TRIPLE
	command -v "$1-g++" >/dev/null || die "$1-g++ is missing; run $here/deps.sh $machine"
	# Debian 12 has no riscv64 yet.
	[ "$suite-$machine" != bookworm-riscv64 ] || suite=trixie
	dir=$cache/cross/$suite-$machine
	unpacked "$dir" "$suite-$machine" busybox-static liburing-dev libcmocka-dev libcmocka0
	libs=$dir/usr/lib/$1
	with="-idirafter $dir/usr/include -L$libs"
	show "$1-gcc $with" "$1-g++ $with" "$1-" "$libs" "$(find "$dir" -path '*bin/busybox' -type f)"
}

machine=${1:-}
suite=$(codename)
case $machine in
arm64) foreign aarch64-linux-gnu ;;
riscv64 | s390x) foreign "$machine-linux-gnu" ;;
i386) i386 ;;
*) usage ;;
esac

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes sure that the cache holds what programs for another machine are built from,
# and prints how to build them:
#
#   eval "$(tests/vm/cross.sh arm64 | riscv64 | s390x)"
#   make CC="$CROSS_CC" CXX="$CROSS_CXX"
#
# The compilers and their libc are Debian's cross packages (see deps.sh); liburing,
# cmocka and a busybox for guests are that machine's own packages, unpacked and not
# installed. Prints CROSS_COMPILE, CROSS_CC, CROSS_CXX, CROSS_LIBS (where shared
# libraries lie) and BUSYBOX for eval.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/apt.sh"

case ${1:-} in
arm64) triple=aarch64-linux-gnu ;;
riscv64) triple=riscv64-linux-gnu ;;
s390x) triple=s390x-linux-gnu ;;
*)
	say "usage: cross.sh arm64 | riscv64 | s390x"
	exit 2
	;;
esac
command -v $triple-g++ >/dev/null ||
	die "$triple-g++ is missing; run $here/deps.sh $1"

# Debian 12 has no riscv64 yet.
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
[ "$suite-$1" != bookworm-riscv64 ] || suite=trixie
dir=$cache/cross/$suite-$1
(
	lock "cross-$suite-$1"
	[ ! -e "$dir/ready" ] || exit 0
	rm -rf "$dir"
	apt_open "$suite-$1"
	apt_unpack "$suite-$1" "$dir" busybox-static liburing-dev libcmocka-dev libcmocka0
	touch "$dir/ready"
)
libs=$dir/usr/lib/$triple
with="-idirafter $dir/usr/include -L$libs"
printf "%s='%s'\n" CROSS_COMPILE $triple- CROSS_CC "$triple-gcc $with" \
	CROSS_CXX "$triple-g++ $with" CROSS_LIBS "$libs" \
	BUSYBOX "$(find "$dir" -path '*bin/busybox' -type f)"

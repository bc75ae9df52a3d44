#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes sure that what 32-bit programs are built from is in the cache, and prints
# the compiler that builds them:
#
#   make CC="$(tests/vm/i386.sh)"
#
# These are Debian's packages for i386, unpacked and not installed: gcc-multilib would
# have to push every cross compiler off the machine, and has no liburing.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/apt.sh"

command -v gcc >/dev/null || die "gcc is missing; run $here/deps.sh build"
version=$(gcc -dumpversion)
# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
dir=$cache/i386-$suite
(
	lock "i386-$suite"
	[ ! -e "$dir/ready" ] || exit 0
	rm -rf "$dir"
	apt_open "$suite-i386"
	apt_unpack "$suite-i386" "$dir" libc6-dev linux-libc-dev \
		"libgcc-$version-dev" "libstdc++-$version-dev" liburing-dev
	touch "$dir/ready"
)
echo "gcc -m32 --sysroot=$dir -B$dir/usr/lib/gcc/i686-linux-gnu/$version"

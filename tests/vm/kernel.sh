#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes sure that a test kernel is in the cache, and tells where it is.
#
#   eval "$(tests/vm/kernel.sh NAME)"
#   make -C "$KDIR" M=... ARCH="$ARCH" modules
#
# NAME      what                                                   boots
# uml        newest Debian source as User Mode Linux, two CPUs      yes
# uml-debug  the same with every checker, one CPU                   yes
# uml-gcov   the same, for modules that count lines, one CPU        yes
# kcsan      that source for x86-64, modules watched for races      yes
# debian-6.1 stock kernel of Debian 12                              yes
# debian-6.12 cloud kernel of Debian 13, on 12 as its backport      yes
# debian-rt  PREEMPT_RT kernel, likewise                            yes
# arm64-4k   stock kernel of this Debian for arm64                  yes
# arm64-16k  6.12 of Debian 13 for arm64, with pages of 16 KiB       yes
# arm64-64k  that source for arm64, with pages of 64 KiB            yes
# riscv64    stock kernel of Debian 13 for riscv64                  yes
# src-7.3    that source prepared for x86-64 modules                no
#
# Prints KDIR, IMAGE (empty: cannot be booted), ARCH and RELEASE for eval. Modules
# for another machine need cross.sh too.
# The second call for a NAME prints the same at once, without the network.
# A folder in the cache is complete if it holds the file `ready`.
# To look for newer packages: remove the folder `apt` from the cache.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/apt.sh"

# a make that calls this script must not steer the kernel's own make
unset MAKEFLAGS MFLAGS MAKELEVEL KBUILD_OUTPUT KBUILD_EXTMOD CROSS_COMPILE O M

usage() {
	say "usage: kernel.sh uml | uml-debug | uml-gcov | kcsan | debian-6.1 |" \
		"debian-6.12 | debian-rt | arm64-4k | arm64-16k | arm64-64k | riscv64 | src-X.Y"
	exit 2
}

need() {
	for tool; do
		command -v "$tool" >/dev/null ||
			die "$tool is missing; run $here/deps.sh build kernel"
	done
}

# choose WHAT SUITE REGEX: newest package of that kind; remembered
choose() {
	mkdir -p "$cache/apt"
	if [ ! -s "$cache/apt/$1" ]; then
		need apt-get apt-cache dpkg
		apt_open "$2"
		chosen=$(apt_newest "$2" "$3")
		[ -n "$chosen" ] ||
			die "suite $2 has no package like $3;" \
				"remove $cache/apt to fetch its list again"
		echo "$chosen" >"$cache/apt/$1.$$"
		mv "$cache/apt/$1.$$" "$cache/apt/$1"
	fi
	cat "$cache/apt/$1"
}

# begin DIR: true if DIR is still to be made; then it is empty and locked
begin() {
	[ ! -e "$1/ready" ] || return 1
	lock "$(basename "$1")"
	[ ! -e "$1/ready" ] || return 1
	rm -rf "$1"
	mkdir -p "$1"
}

# source_tree PACKAGE: unpacks it to $src and sets $src
source_tree() {
	src=$cache/src/$1
	(
		begin "$src" || exit 0
		apt_open trixie-backports
		apt_unpack trixie-backports "$src/deb" "$1"
		stage "unpack the source of $1" tar -x -f \
			"$src/deb/usr/src/$1.tar.xz" -C "$src" \
			--strip-components=1
		rm -r "$src/deb"
		touch "$src/ready"
	)
}

show() {
	printf 'KDIR=%s\nIMAGE=%s\nARCH=%s\nRELEASE=%s\n' \
		"'$1'" "'$2'" "'$3'" "'$4'"
}

# config_lost CONFIG FRAGMENT...: what the fragments ask for (the last one
# that names an option decides) and CONFIG does not have
config_lost() {
	awk -F= '
	/^CONFIG_/ && FILENAME == ARGV[1] { have[$1] = $2; next }
	/^CONFIG_/ { want[$1] = $2 }
	END {
		for (o in want)
			if ((o in have ? have[o] : "n") != want[o])
				print o "=" want[o]
	}' "$@"
}

# configure DIR ARCH BASE FRAGMENT...: .config in DIR, fragments over BASE
configure() {
	dir=$1 arch=$2 base=$3
	shift 3
	make -C "$src" ARCH="$arch" O="$dir" "$base" &&
		(cd "$src" && scripts/kconfig/merge_config.sh -m -O "$dir" \
			"$dir/.config" "$@") &&
		make -C "$src" ARCH="$arch" O="$dir" olddefconfig || return 1
	config_lost "$dir/.config" "$@" >"$dir/refused"
	[ -s "$dir/refused" ] || return 0
	echo "options that the kernel refused:"
	cat "$dir/refused"
	return 1
}

# The tools must match too: a module wants the compiler of its kernel.
fingerprint() {
	{
		echo "$1" "$("${CROSS_COMPILE:-}gcc" -dumpfullversion)"
		shift
		cat "$@"
	} | sha256sum | cut -c 1-12
}

need_build() {
	need gcc make flex bison bc xz ld pkg-config
	for header in libelf openssl; do
		pkg-config --exists $header ||
			die "the headers of $header are missing;" \
				"run $here/deps.sh build kernel"
	done
}

# newest NAME ARCH IMAGE FRAGMENT...: the newest source, built for ARCH; $options: more
# for its make
newest() {
	name=$1 arch=$2 image=$3
	shift 3
	need gcc
	package=$(choose linux-source trixie-backports \
		'linux-source-[0-9]+\.[0-9]+')
	dir=$cache/kernel/$name-$(fingerprint "$package$options" "$@")
	(
		begin "$dir" || exit 0
		need_build
		source_tree "$package"
		stage "configure $name" configure "$dir" "$arch" tinyconfig "$@"
		# shellcheck disable=SC2086 # none or one
		stage "build $name" make -C "$src" ARCH="$arch" O="$dir" \
			-j"$(nproc)" $options "${image##*/}" modules
		touch "$dir/ready"
	)
	show "$dir" "$dir/$image" "$arch" "$(cat "$dir/include/config/kernel.release")"
}

uml() {
	newest "$1" um linux "$here/uml.config" ${2:+"$2"}
}

# What the kernel itself does is not watched: it is not what is tested, and there is
# the more time for what is.
kcsan() {
	options=KCSAN_SANITIZE=n
	newest kcsan x86_64 arch/x86/boot/bzImage "$here/uml.config" "$here/kcsan.config"
}

# The newest source for another machine is built by the compiler for that machine.
arm64() {
	export CROSS_COMPILE=aarch64-linux-gnu-
	command -v ${CROSS_COMPILE}gcc >/dev/null ||
		die "${CROSS_COMPILE}gcc is missing; run $here/deps.sh arm64"
	newest "$1" arm64 arch/arm64/boot/Image "$here/uml.config" "$here/arm64.config"
}

# source_x86 VERSION: prepared for modules, not built; so modpost knows no
# symbols and wants KBUILD_MODPOST_WARN=1
source_x86() {
	need gcc
	dir=$cache/kernel/src-$1-$(fingerprint "$1" "$here/x86.config")
	(
		begin "$dir" || exit 0
		need_build
		package=$(choose "linux-source-$1" trixie-backports \
			"linux-source-$1")
		source_tree "$package"
		stage "configure src-$1" configure "$dir" x86_64 defconfig \
			"$here/x86.config"
		stage "prepare src-$1" make -C "$src" ARCH=x86_64 O="$dir" \
			-j"$(nproc)" modules_prepare
		touch "$dir/ready"
	)
	show "$dir" '' x86_64 "$(cat "$dir/include/config/kernel.release")"
}

codename() {
	# shellcheck disable=SC1091
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# The suite whose 6.12 fits the machine's compiler: that of Debian 13, or its backport.
suite_of_6_12() {
	case $(codename) in
	bookworm) echo bookworm-backports ;;
	*) echo trixie ;;
	esac
}

# need_compiler KDIR: the one that a stock kernel's headers ask for, gcc-N
need_compiler() {
	compiler=$(sed -n 's/^.*CC.*=.*\(gcc-[0-9][0-9]*\).*/\1/p' "$1/.kernelvariables")
	[ -z "$compiler" ] || command -v "x86_64-linux-gnu-$compiler" >/dev/null ||
		"$here/deps.sh" "$compiler" >&2
}

# debian NAME SUITE REGEX: a stock kernel and its headers, unpacked; REGEX is
# for the image's package without `linux-image-`
debian() {
	image=$(choose "linux-image-$1-$2" "$2" "linux-image-$3")
	release=${image#linux-image-}
	dir=$cache/kernel/$image
	kdir=$dir/usr/src/linux-headers-$release
	(
		begin "$dir" || exit 0
		need apt-get apt-cache dpkg
		apt_open "$2"
		helpers=$(apt_in "$2" apt-cache depends \
			"linux-headers-$release" | awk '
			/Depends: linux-(headers-.*-common|kbuild-)/ { print $2 }')
		# shellcheck disable=SC2086 # several packages
		apt_unpack "$2" "$dir" "$image" "linux-headers-$release" \
			$helpers
		# the only absolute path: `include /usr/src/...-common/Makefile`
		sed -i "s,/usr/src/,$dir/usr/src/," "$kdir/Makefile"
		# most of its size, and no guest loads any
		rm -rf "$dir/lib/modules/$release/kernel/drivers"
		touch "$dir/ready"
	)
	need_compiler "$kdir"
	show "$kdir" "$dir/boot/vmlinuz-$release" x86_64 "$release"
}

# foreign NAME SUITE ARCH REGEX: the same for another machine; what runs while a
# module is built (linux-kbuild) is for this one
foreign() {
	image=$(choose "linux-image-$1-$2" "$2-$3" "linux-image-$4")
	release=${image#linux-image-}
	dir=$cache/kernel/$image
	kdir=$dir/usr/src/linux-headers-$release
	(
		begin "$dir" || exit 0
		need apt-get apt-cache dpkg
		apt_open "$2-$3"
		common=$(apt_in "$2-$3" apt-cache depends "linux-headers-$release" |
			awk '/Depends: linux-headers-.*-common/ { print $2 }')
		apt_unpack "$2-$3" "$dir" "$image" "linux-headers-$release" "$common"
		build_programs "$2" "$(basename "$(readlink "$dir/usr/src/$common/scripts" |
			xargs dirname)")"
		sed -i "s,/usr/src/,$dir/usr/src/," "$kdir/Makefile"
		rm -rf "$dir/lib/modules/$release/kernel/drivers"
		touch "$dir/ready"
	)
	arch=$3
	[ "$arch" != riscv64 ] || arch=riscv
	show "$kdir" "$(echo "$dir"/boot/vmlinu[xz]-"$release")" "$arch" "$release"
}

# build_programs SUITE KBUILD: that package, where the headers in $dir look for it.
# Debian 12's own stands in for a later Debian's, whose programs want a newer libc.
build_programs() {
	apt_open "$1"
	case $1:$(codename) in
	trixie:bookworm)
		apt_open bookworm-backports
		kbuild=$(apt_newest bookworm-backports 'linux-kbuild-6\.12\.[0-9.]+.*')
		apt_unpack bookworm-backports "$dir" "$kbuild"
		ln -s "$kbuild" "$dir/usr/lib/$2"
		;;
	*) apt_unpack "$1" "$dir" "$2" ;;
	esac
}

[ $# -eq 1 ] || usage
options=
case $1 in
uml) uml uml ;;
uml-debug) uml uml-debug "$here/debug.config" ;;
uml-gcov) uml uml-gcov "$here/gcov.config" ;;
kcsan) kcsan ;;
debian-6.1) debian "$1" bookworm '6\.1\.[0-9.]+-[0-9]+-amd64' ;;
debian-6.12)
	debian "$1" "$(suite_of_6_12)" '6\.12\.[0-9.]+[^-]*-cloud-amd64'
	;;
debian-rt)
	debian "$1" "$(suite_of_6_12)" '6\.12\.[0-9.]+[^-]*-rt-amd64'
	;;
arm64-4k) foreign "$1" "$(codename)" arm64 '6\.[0-9.]+[^-]*(-[0-9]+)?-arm64' ;;
arm64-16k) foreign "$1" "$(suite_of_6_12)" arm64 '6\.12\.[0-9.]+[^-]*-arm64-16k' ;;
arm64-64k) arm64 "$1" ;;
riscv64) foreign "$1" trixie riscv64 '6\.12\.[0-9.]+[^-]*-riscv64' ;;
src-[0-9]*.*[0-9]) source_x86 "${1#src-}" ;;
*) usage ;;
esac

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes sure that a test kernel is in the cache, and tells where it is.
#
#   kernel.sh NAME    (kernels.txt has the names)
#
# Prints KDIR, IMAGE (empty: cannot be booted), ARCH and RELEASE for eval; then it is
# `make -C "$KDIR" M=... ARCH="$ARCH" modules`. Modules for another machine need cross.sh too.
# The second call for a NAME prints the same at once, without the network.
# To look for newer packages: remove the folder `apt` from the cache.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/common.sh"

# a make that calls this script must not steer the kernel's own make
unset MAKEFLAGS MFLAGS MAKELEVEL KBUILD_OUTPUT KBUILD_EXTMOD CROSS_COMPILE O M

need() {
	for tool; do
		command -v "$tool" >/dev/null || die "$tool is missing; run $here/deps.sh build kernel" \
			"(or arm64, riscv64)"
	done
}

# choose WHAT SUITE REGEX: newest package of that kind; remembered
choose() {
	mkdir -p "$cache/apt"
	if [ ! -s "$cache/apt/$1" ]; then
		need apt-get apt-cache dpkg
		apt_open "$2"
		chosen=$(apt_newest "$2" "$3")
		[ -n "$chosen" ] || die "suite $2 has no package like $3;" \
			"remove $cache/apt to fetch its list again"
		echo "$chosen" >"$cache/apt/$1.$$"
		mv "$cache/apt/$1.$$" "$cache/apt/$1"
	fi
	cat "$cache/apt/$1"
}

show() { # show KDIR IMAGE ARCH RELEASE
	printf "%s='%s'\n" KDIR "$1" IMAGE "$2" ARCH "$3" RELEASE "$4"
}

# --------------------------------------------------------------- built from source

# source_tree PACKAGE: unpacks it to $src and sets $src
source_tree() {
	src=$cache/src/$1
	(
		begin "$src" || exit 0
		apt_unpack trixie-backports "$src/deb" "$1"
		stage "unpack the source of $1" tar -x -f "$src/deb/usr/src/$1.tar.xz" -C "$src" \
			--strip-components=1
		rm -r "$src/deb"
		touch "$src/ready"
	)
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

# configure BASE FRAGMENT...: .config in $dir, fragments over BASE
configure() {
	make -C "$src" ARCH="$arch" O="$dir" "$1" || return
	shift
	(cd "$src" && scripts/kconfig/merge_config.sh -m -O "$dir" "$dir/.config" "$@") &&
		make -C "$src" ARCH="$arch" O="$dir" olddefconfig || return
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
	need make flex bison bc xz ld pkg-config gcc
	for header in libelf openssl; do
		pkg-config --exists $header ||
			die "the headers of $header are missing; run $here/deps.sh build kernel"
	done
}

# build NAME KEY IMAGE BASE FRAGMENT...: $package for $arch, with $options for make and
# $targets; the compiler, KEY and the fragments are the key in the cache
build() {
	name=$1 key=$2 image=$3 base=$4
	shift 4
	need "${CROSS_COMPILE:-}gcc"
	dir=$cache/kernel/$name-$(fingerprint "$key" "$@")
	(
		begin "$dir" || exit 0
		need_build
		source_tree "$package"
		stage "configure $name" configure "$base" "$@"
		# shellcheck disable=SC2086 # several words
		stage "build $name" make -C "$src" ARCH="$arch" O="$dir" -j"$(nproc)" $options $targets
		touch "$dir/ready"
	)
	show "$dir" "${image:+$dir/$image}" "$arch" "$(cat "$dir/include/config/kernel.release")"
}

# newest NAME ARCH IMAGE FRAGMENT... [OPTION=VALUE]: the newest source
newest() {
	package=$(choose linux-source trixie-backports 'linux-source-[0-9]+\.[0-9]+')
	name=$1 arch=$2 image=$3 options='' fragments=''
	shift 3
	for word; do
		case $word in
		*=*) options=$word ;;
		*) fragments="$fragments $here/$word" ;;
		esac
	done
	[ "$arch" != arm64 ] || export CROSS_COMPILE=aarch64-linux-gnu-
	targets="${image##*/} modules"
	# shellcheck disable=SC2086 # several words
	build "$name" "$package$options" "$image" tinyconfig $fragments
}

# source NAME VERSION: prepared for x86-64 modules, not built; so modpost knows no
# symbols and wants KBUILD_MODPOST_WARN=1
source() {
	package=$(choose "linux-source-$2" trixie-backports "linux-source-$2")
	arch=x86_64 targets=modules_prepare options=
	build "$1" "$2" '' defconfig "$here/x86.config"
}

# -------------------------------------------------------------------------- stock

# suite_of WORD: this, 6.12 (the suite whose 6.12 fits the machine's compiler: that of
# Debian 13, or its backport), or a suite's name
suite_of() {
	case $1:$(codename) in
	6.12:bookworm) echo bookworm-backports ;;
	6.12:*) echo trixie ;;
	this:*) codename ;;
	*) echo "$1" ;;
	esac
}

# need_compiler KDIR: the one that a stock kernel's headers ask for, gcc-N
need_compiler() {
	compiler=$(sed -n 's/^.*CC.*=.*\(gcc-[0-9][0-9]*\).*/\1/p' "$1/.kernelvariables")
	[ -z "$compiler" ] || command -v "x86_64-linux-gnu-$compiler" >/dev/null ||
		"$here/deps.sh" "$compiler" >&2
}

# build_programs SUITE KBUILD: that package, where the headers in $dir look for it; it holds
# what runs while a module is built, so it is for this machine. Debian 12's own stands in
# for a later Debian's, whose programs want a newer libc.
build_programs() {
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

# unpack_stock: $image of $from and its headers, to $dir
unpack_stock() {
	need apt-get apt-cache dpkg
	apt_open "$from"
	common=$(apt_in "$from" apt-cache depends "linux-headers-$release" |
		awk '/Depends: linux-headers-.*-common/ { print $2 }')
	apt_unpack "$from" "$dir" "$image" "linux-headers-$release" "$common"
	scripts=$(readlink "$dir/usr/src/$common/scripts")
	build_programs "$suite" "$(basename "$(dirname "$scripts")")"
	# the only absolute path: `include /usr/src/...-common/Makefile`
	sed -i "s,/usr/src/,$dir/usr/src/," "$kdir/Makefile"
	# most of its size, and no guest loads any
	rm -rf "$dir/lib/modules/$release/kernel/drivers"
}

# stock NAME SUITE MACHINE REGEX: Debian's own kernel
stock() {
	suite=$(suite_of "$2")
	case $3 in
	amd64) arch=x86_64 from=$suite ;;
	riscv64) arch=riscv from=$suite-$3 ;;
	*) arch=$3 from=$suite-$3 ;;
	esac
	image=$(choose "linux-image-$1-$suite" "$from" "linux-image-$4")
	release=${image#linux-image-}
	dir=$cache/kernel/$image
	kdir=$dir/usr/src/linux-headers-$release
	(
		begin "$dir" || exit 0
		unpack_stock
		touch "$dir/ready"
	)
	[ "$3" != amd64 ] || need_compiler "$kdir"
	show "$kdir" "$(echo "$dir"/boot/vmlinu[xz]-"$release")" "$arch" "$release"
}

[ $# -eq 1 ] || usage
how=$(awk -v name="$1" '!/^#/ && $2 == name' "$here/kernels.txt")
[ -n "$how" ] || die "no kernel $1; $here/kernels.txt has the names"
set -f	# no word of it is a file's name
# shellcheck disable=SC2086 # several words
set -- $how
set +f
"$@"

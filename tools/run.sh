#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds everything, sends a tree of files through a ring, and prints a small
# benchmark. The body of `make run`.
#
#   run.sh			in a virtual machine that it makes
#   KERNEL=NAME run.sh		with that kernel, see tests/vm/kernel.sh
#   HOST=1 run.sh		on this machine, as root, with its own kernel
#   BACKEND=memfd run.sh	on this machine, without the module
#
# Packages that are missing are installed first, see tests/vm/deps.sh.
# BENCH holds options for the benchmark, see `bench --help`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/build/run
kernel=${KERNEL:-debian-6.12}
start=$(date +%s)

say() {
	printf 'run.sh: %3d s: %s\n' "$(($(date +%s) - start))" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# quietly WHAT COMMAND...: shows the output only of what fails
quietly() {
	what=$1
	shift
	say "$what"
	"$@" >"$out/log" 2>&1 || {
		tail -n 40 "$out/log" >&2
		die "failed: $what"
	}
}

# need_tools: what builds the programs; where apt cannot install, a compiler will do
need_tools() {
	"$root/tests/vm/deps.sh" tools || command -v "${CC:-cc}" >/dev/null ||
		die "there is no C compiler"
}

# The tree to be sent: this repository, as it is committed if it is a checkout.
pack_tree() {
	git -C "$root" archive -o "$out/tree.tar" HEAD 2>/dev/null ||
		tar cf "$out/tree.tar" -C "$root" --exclude=./build --exclude=./.git .
}

# collect STATIC: what the job needs, in one folder
collect() {
	quietly "building the library and the tools" make -C "$root/tools" STATIC="$1"
	cp "$root/build/tools${1:+-static}/shmring" "$root/build/tools${1:+-static}/bench" \
		"$root/tools/run-job.sh" "$out"
	pack_tree
}

# build_module KDIR ARCH RELEASE; ARCH is kbuild's name, or empty: for this machine
build_module() {
	quietly "building the module for $3" make -C "$root" modules KDIR="$1" ${2:+ARCH="$2"}
	cp "$root/build/kmod-$3-${2:-$(uname -m)}/shmring.ko" "$out"
}

on_host() {
	collect ""
	say "on this machine: Linux $(uname -r)"
	# shellcheck disable=SC2086 # several options
	sh "$out/run-job.sh" "$out" ${BENCH:-}
}

host_module() {
	[ ! -c /dev/shmring ] || return 0
	[ "$(id -u)" -eq 0 ] || die "loading the module needs root: run this as root"
	headers=/lib/modules/$(uname -r)/build
	[ -d "$headers" ] || "$root/tests/vm/deps.sh" headers || :
	[ -d "$headers" ] ||
		die "no headers of this kernel in $headers: install linux-headers-$(uname -r);" \
			"or run without HOST=1, or with BACKEND=memfd"
	build_module "$headers" "" "$(uname -r)"
}

in_guest() {
	"$root/tests/vm/deps.sh" tools kernel vm
	say "kernel $kernel (the first time it is downloaded)"
	described=$("$root/tests/vm/kernel.sh" "$kernel")
	eval "$described"
	build_module "$KDIR" "$ARCH" "$RELEASE"
	collect 1
	say "booting $RELEASE"
	"$root/tests/vm/boot.sh" -t 900 -k "$kernel" -i "$out:/tmp/job" -- \
		"sh /tmp/job/run-job.sh /tmp/job ${BENCH:-}"
}

finish() {
	status=$?
	[ "$status" -eq 0 ] || say "FAILED ($status)"
	exit "$status"
}

trap finish EXIT
rm -rf "$out"
mkdir -p "$out"
export SHMRING_BACKEND="${BACKEND:-kmod}"
case $SHMRING_BACKEND in
memfd)
	need_tools
	on_host
	;;
kmod)
	if [ -n "${HOST:-}" ]; then
		need_tools
		host_module
		on_host
	else
		in_guest
	fi
	;;
*) die "BACKEND is kmod or memfd, not $BACKEND" ;;
esac
say "done"

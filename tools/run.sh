#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds everything, sends a tree of files through a ring, and prints a small
# benchmark. The body of `make run`.
#
#   run.sh                  in a virtual machine that it makes
#   KERNEL=NAME run.sh      with that kernel, see tests/vm/kernel.sh
#   HOST=1 run.sh           on this machine, as root, with its own kernel
#   BACKEND=memfd run.sh    on this machine, without the module
#   run.sh job DIR [BENCH-OPTION]...
#                           the job alone, with what DIR holds: the programs shmring
#                           and bench, tree.tar, and shmring.ko if it may have to be
#                           loaded; on busybox, too
#
# Packages that are missing are installed first, see tests/vm/deps.sh.
# BENCH holds options for the benchmark, see `bench --help`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/build/run
start=$(date +%s)
who=run.sh
work='' loaded=''

say() {
	printf '%s: %3d s: %s\n' "$who" "$(($(date +%s) - start))" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

finish() {
	status=$?
	[ -z "$work" ] || rm -rf "$work"
	[ -z "$loaded" ] || rmmod shmring || :
	[ "$status" -eq 0 ] || say "FAILED ($status)"
	exit "$status"
}

# ------------------------------------------------------------------- what is needed

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
	cp "$root/build/tools${1:+-static}/shmring" "$root/build/tools${1:+-static}/bench" "$0" "$out"
	pack_tree
}

# build_module KDIR ARCH RELEASE; ARCH is kbuild's name, or empty: for this machine
build_module() {
	quietly "building the module for $3" make -C "$root" modules KDIR="$1" ${2:+ARCH="$2"}
	cp "$root/build/kmod-$3-${2:-$(uname -m)}/shmring.ko" "$out"
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

# ------------------------------------------------------------------- where it is done

on_host() {
	collect ""
	say "on this machine: Linux $(uname -r)"
	# shellcheck disable=SC2086 # several options
	sh "$out/run.sh" job "$out" ${BENCH:-}
}

in_guest() {
	kernel=${KERNEL:-debian-6.12}
	"$root/tests/vm/deps.sh" tools kernel vm
	say "kernel $kernel (the first time it is downloaded)"
	described=$("$root/tests/vm/kernel.sh" "$kernel")
	eval "$described"
	build_module "$KDIR" "$ARCH" "$RELEASE"
	collect 1
	say "booting $RELEASE"
	"$root/tests/vm/boot.py" -t 900 -k "$kernel" -i "$out:/tmp/job" -- \
		"sh /tmp/job/run.sh job /tmp/job ${BENCH:-}"
}

run() {
	rm -rf "$out"
	mkdir -p "$out"
	export SHMRING_BACKEND="${BACKEND:-kmod}"
	case $SHMRING_BACKEND${HOST:+-host} in
	memfd*)
		need_tools
		on_host
		;;
	kmod) in_guest ;;
	kmod-host)
		need_tools
		host_module
		on_host
		;;
	*) die "BACKEND is kmod or memfd, not $BACKEND" ;;
	esac
	say "done"
}

# --------------------------------------------------------------------------- the job

load() {
	[ ! -c /dev/shmring ] || return 0
	[ -e "$dir/shmring.ko" ] || die "there is neither /dev/shmring nor a module to load"
	[ "$(id -u)" -eq 0 ] || die "loading the module needs root: run this as root"
	say "loading shmring.ko into $(uname -r)"
	insmod "$dir/shmring.ko" ||
		die "the kernel does not take the module; 'dmesg | tail' says why" \
			"(secure boot wants it signed)"
	loaded=1
	[ -c /dev/shmring ] || die "the module is loaded, but /dev/shmring is not there"
}

# step NAME COMMAND...: one part of a pipeline, whose status would get lost
step() {
	step_name=$1
	shift
	$timeout 300 "$@" || echo "$step_name ($?)" >>"$work/failed"
}

# The receiver comes first and finds the ring empty; files are slower to make
# than to read, so that the sender then finds it full.
transfer() {
	ring=/run.$$
	: >"$work/failed"
	mkdir "$work/out"
	{
		step "shmring recv" "$dir/shmring" recv --create --capacity 16K \
			--wait-policy block --verbose $ring 2>"$work/recv.log" |
			step "tar x" tar xf - -C "$work/out"
	} &
	step "tar c" tar cf - -C "$work/in" . |
		step "shmring send" "$dir/shmring" send --wait --wait-policy block \
			--verbose $ring 2>"$work/send.log"
	wait $!
	cat "$work/send.log" "$work/recv.log"
	[ ! -s "$work/failed" ] ||
		die "transfer: $(tr '\n' ' ' <"$work/failed")(124: no end after 300 s)"
}

compare() {
	files=$(find "$work/in" -type f | wc -l)
	[ "$files" -gt 0 ] || die "$dir/tree.tar holds no files"
	diff -r "$work/in" "$work/out" || die "what came out of the ring differs from what went in"
	say "$files files are the same, byte for byte"
}

job() { # job DIR [BENCH-OPTION]...
	dir=$1
	shift
	export SHMRING_BACKEND="${SHMRING_BACKEND:-kmod}"
	# GNU's would keep Ctrl-C from its command; busybox's does not, and has no such option
	timeout=timeout
	! timeout --foreground 1 true 2>/dev/null || timeout="timeout --foreground"
	[ "$SHMRING_BACKEND" = memfd ] || load
	work=$(mktemp -d)
	mkdir "$work/in"
	tar xf "$dir/tree.tar" -C "$work/in" || die "cannot unpack $dir/tree.tar"

	say "a tree through a ring of 16K ($SHMRING_BACKEND), from one process to another"
	transfer
	compare
	say "benchmark"
	"$dir/bench" --brief "$@" || die "benchmark: see above"
	if [ -n "$loaded" ]; then
		rmmod shmring || die "the module cannot be unloaded: something is left behind"
		loaded=
	fi
	say "all is well"
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "${1:-}" = job ]; then
	shift
	who=run
	exec 2>&1	# what it does is part of the report
	job "$@"
else
	run
fi

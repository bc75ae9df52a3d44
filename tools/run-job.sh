#!/bin/sh
# SPDX-License-Identifier: MIT
# The job of run.sh, on the machine where it is to be done: in a guest with
# busybox, or on the host.
#
#   run-job.sh DIR [BENCH-OPTION]...
#
# DIR holds the programs shmring and bench, tree.tar, and shmring.ko if the
# module may have to be loaded. $SHMRING_BACKEND says what is to be used: kmod
# (default) or memfd.
set -u
dir=${1:?usage: run-job.sh DIR [BENCH-OPTION]...}
shift
export SHMRING_BACKEND="${SHMRING_BACKEND:-kmod}"
capacity=16K
ring=/run-job.$$
limit=300
start=$(date +%s)
work=
loaded=

say() {
	printf 'run: %3d s: %s\n' "$(($(date +%s) - start))" "$*"
}

die() {
	say "FAILED: $*"
	exit 1
}

finish() {
	[ -z "$work" ] || rm -rf "$work"
	[ -z "$loaded" ] || rmmod shmring
}

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
	$timeout "$limit" "$@" || echo "$step_name ($?)" >>"$work/failed"
}

# The receiver comes first and finds the ring empty; files are slower to make
# than to read, so that the sender then finds it full.
transfer() {
	: >"$work/failed"
	mkdir "$work/out"
	{
		step "shmring recv" "$dir/shmring" recv --create --capacity $capacity \
			--wait-policy block --verbose $ring 2>"$work/recv.log" |
			step "tar x" tar xf - -C "$work/out"
	} &
	step "tar c" tar cf - -C "$work/in" . |
		step "shmring send" "$dir/shmring" send --wait --wait-policy block \
			--verbose $ring 2>"$work/send.log"
	wait $!
	cat "$work/send.log" "$work/recv.log"
	[ ! -s "$work/failed" ] ||
		die "transfer: $(tr '\n' ' ' <"$work/failed")(124: no end after $limit s)"
}

compare() {
	files=$(find "$work/in" -type f | wc -l)
	[ "$files" -gt 0 ] || die "$dir/tree.tar holds no files"
	diff -r "$work/in" "$work/out" || die "what came out of the ring differs from what went in"
	say "$files files are the same, byte for byte"
}

# GNU's would keep Ctrl-C from what it runs; busybox's neither does nor asks
timeout=timeout
! timeout --foreground 1 true 2>/dev/null || timeout="timeout --foreground"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
[ "$SHMRING_BACKEND" = memfd ] || load
work=$(mktemp -d) || die "no room for temporary files"
mkdir "$work/in"
tar xf "$dir/tree.tar" -C "$work/in" || die "cannot unpack $dir/tree.tar"

say "a tree through a ring of $capacity ($SHMRING_BACKEND), from one process to another"
transfer
compare

say "benchmark"
"$dir/bench" --brief "$@" || die "benchmark: see above"

if [ -n "$loaded" ]; then
	rmmod shmring || die "the module cannot be unloaded: something is left behind"
	loaded=
fi
say "all is well"

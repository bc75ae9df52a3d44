#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the parts of the test suite that are named, and adds up what they say.
#
#   all.sh PART...	"all": every part, in the order below
#
# A part is a function; it ends with a line "N passed, N failed[, N skipped]",
# and one that does not has failed. Logs are left in build/log.
set -u
cd "$(dirname "$0")/.." || exit 1
log=build/log
export WERROR=1	# the library and the tools build without a warning
export KUNIT=1	# with the module, its tests

parts=(unit memfd bench docs install model static harness kunit tool torture
	system-uml system-debug system-6.1 system-6.12 system-arm64)
more=(system-arm64-4k system-arm64-64k system-arm64-llsc system-arm64-nohz system-riscv64
	library-s390x system-m32 loads system-rt torture-rt kunit-kcsan system-kcsan torture-kcsan)	# not among "all"

say() { printf '\n=== %s\n' "$*"; }

deps() { tests/vm/deps.sh "$@"; }

# kernel NAME: KDIR, IMAGE, ARCH and RELEASE, and the module for it
kernel() {
	local vars

	deps build kernel vm || return
	vars=$(tests/vm/kernel.sh "$1") || return
	eval "$vars"
	make -s modules KDIR="$KDIR" ARCH="$ARCH" W=1 || return
	ko=build/kmod-$RELEASE-$ARCH
}

# cross MACHINE: CROSS_CC and what else tests/vm/cross.sh says, and $lib, the library
cross() {
	local vars

	deps build "$1" || return
	vars=$(tests/vm/cross.sh "$1") || return
	eval "$vars"
	lib=$PWD/build/libuser-$1/libshmring.a
	make -s -C libuser CC="$CROSS_CC" O="${lib%/*}" "$lib"
}

# foreign MACHINE KERNEL: the same as kernel() for a machine that is not this one
foreign() {
	local vars settings=()

	deps kernel vm && cross "$1" || return
	vars=$(tests/vm/kernel.sh "$2") || return
	eval "$vars"
	# pahole would look for that kernel's own type data
	[ "$1" != riscv64 ] || settings=(CONFIG_DEBUG_INFO_BTF=)
	make -s modules KDIR="$KDIR" ARCH="$ARCH" CROSS_COMPILE="$CROSS_COMPILE" \
		CC="${CROSS_COMPILE}gcc" W=1 "${settings[@]}" || return
	ko=build/kmod-$RELEASE-$ARCH
}

part_unit() { # the fast path and the memfd backend, under every sanitizer
	deps build && make -s -C tests/unit check
}

part_memfd() { # the system tests that need no module, here
	deps build && make -s lib && make -s -C tests/system &&
		SHMRING_BACKEND=memfd tests/runtests.sh build/tests/system/lib_*
}

part_bench() { # the benchmark sees what it is to see
	deps build bench && make -s -C tools && tests/bench/run.sh build/tools/bench
}

part_docs() { # man pages and README say what is so
	deps build docs && make -s lib && tests/docs/check.py
}

part_install() { # clean Debian systems, packages, another machine
	kernel uml && deps install && tests/install/run.sh
}

part_static() { # warnings, and what a dozen checkers say
	deps build kernel check && tests/static.sh
}

part_model() { # litmus tests and the wake-up model
	deps model kernel && tests/vm/kernel.sh src-7.3 >/dev/null && tests/model/run.sh
}

part_harness() { # what the guests' harness must catch, it catches
	kernel uml && tests/vm/selftest.sh uml
}

part_kunit() { # inside the module
	kernel uml &&
		tests/vm/boot.sh -t 300 -k uml -l "$log/kunit.kernel" -- \
			"tests/kunit/run.sh $ko/kmod/shmring.ko $ko/tests/kunit/shmring_kunit.ko"
}

part_kunit-kcsan() { # the same, in QEMU, watched for races
	local files=() file

	kernel kcsan || return
	for file in "$ko/kmod/shmring.ko" "$ko/tests/kunit/shmring_kunit.ko" tests/kunit/run.sh; do
		files+=(-i "$file:/tmp/$(basename "$file")")
	done
	tests/vm/boot.sh -t 900 -k kcsan -l "$log/kunit-kcsan.kernel" "${files[@]}" -- \
		"./run.sh shmring.ko shmring_kunit.ko"
}

part_tool() { # the command, on either backend
	kernel uml && make -s lib && make -s -C tools &&
		tests/vm/boot.sh -t 300 -k uml -l "$log/tool.kernel" -- \
			"insmod $ko/shmring.ko && tests/tool/run.sh build/tools/shmring kmod memfd"
}

part_torture() { # crash points, SIGKILLs, a hostile peer, unloading; the long form: make torture
	tests/torture/run.sh short
}

# system_uml NAME [MESSAGES]: user-mode Linux runs the host's programs on the
# host's files
system_uml() {
	kernel "$1" && make -s lib && make -s -C tests/system &&
		tests/vm/boot.sh -t 1200 -k "$1" -l "$log/system-$1.kernel" -- \
			"SHMRING_MESSAGES=${2:-10000000} tests/system/guest.sh $ko/shmring.ko build/tests/system"
}

# boot_system PART KERNEL PROGRAMS [MESSAGES [SECONDS [OPTION...]]]: others get static
# programs in their initramfs; an OPTION is one of boot.sh
boot_system() {
	local limit=${5:-1200}

	tests/vm/boot.sh -t "$limit" -k "$2" -l "$log/system-$1.kernel" "${@:6}" \
		-i "$ko/shmring.ko:/tmp/shmring.ko" \
		-i "build/tests/$3:/tmp/system" \
		-i tests/runtests.sh:/tmp/tests/runtests.sh \
		-i tests/check.sh:/tmp/tests/check.sh \
		-i tests/tool/run.sh:/tmp/tests/tool/run.sh \
		-i tests/system/guest.sh:/tmp/tests/system/guest.sh -- \
		"SHMRING_MESSAGES=${4:-1000000} SHMRING_LIMIT=$((limit / 4)) tests/system/guest.sh shmring.ko system"
}

# system_qemu NAME [MESSAGES [SECONDS]]
system_qemu() {
	kernel "$1" && make -s lib &&
		make -s -C tests/system STATIC=1 O=../../build/tests/system-static &&
		boot_system "$1" "$1" system-static "${@:2}"
}

# system_m32 NAME: 32-bit programs and a 64-bit kernel. Where an 8-byte access may not
# be atomic, gcc does not say so, but clang does.
system_m32() {
	local cc lib=$PWD/build/libuser-m32

	deps build kernel vm && cc=$(tests/vm/i386.sh) && kernel "$1" &&
		make -s -C libuser CC="${cc/#gcc/clang}" O="$lib-clang" "$lib-clang/libshmring.a" &&
		make -s -C libuser CC="$cc" O="$lib" "$lib/libshmring.a" &&
		make -s -C tests/system STATIC=1 O=../../build/tests/system-m32 \
			LIB="$lib/libshmring.a" CC="$cc" CXX="${cc/#gcc/g++}" &&
		make -s -C tools STATIC=1 O=../build/tests/system-m32/tools LIBO="$lib" \
			CC="$cc" CXX="${cc/#gcc/g++}" &&
		make -s lib && make -s -C tests/system STATIC=1 O=../../build/tests/system-static &&
		cp -rT build/tests/system-static/examples build/tests/system-m32/native &&
		cp tests/system/mixed.sh build/tests/system-m32/lib_mixed &&
		boot_system m32 "$1" system-m32
}

# system_foreign PART MACHINE KERNEL [OPTION...]: the system tests and the command, as
# programs of another machine, which QEMU emulates
system_foreign() {
	local programs=build/tests/system-$2

	foreign "$2" "$3" &&
		make -s -C tests/system STATIC=1 O="../../$programs" LIB="$lib" \
			CC="$CROSS_CC" CXX="$CROSS_CXX" &&
		make -s -C tools STATIC=1 O="../$programs/tools" LIBO="${lib%/*}" \
			CC="$CROSS_CC" "../$programs/tools/shmring" &&
		boot_system "$1" "$3" "system-$2" 50000 2400 "${@:4}"
}

part_system-uml() { system_uml uml; }		# Linux 7.3, two CPUs, native speed
part_system-debug() { system_uml uml-debug 200000; } # with KASAN, UBSAN, lockdep, kmemleak
part_system-6.1() { system_qemu debian-6.1; }	# Debian 12's kernel
part_system-6.12() { system_qemu debian-6.12; }	# Debian 13's kernel
part_system-arm64() { system_foreign arm64 arm64 arm64-16k; } # Debian 13's kernel, pages of 16 KiB
part_system-arm64-4k() { system_foreign arm64-4k arm64 arm64-4k; } # this Debian's kernel
part_system-arm64-64k() { system_foreign arm64-64k arm64 arm64-64k; } # Linux 7.3
part_system-arm64-llsc() { # a core whose atomic operations are loops of linked loads and stores
	system_foreign arm64-llsc arm64 arm64-4k -c cortex-a57
}
part_system-arm64-nohz() { # a CPU without a tick
	system_foreign arm64-nohz arm64 arm64-16k -a nohz_full=1
}
part_system-riscv64() { system_foreign riscv64 riscv64 riscv64; } # Debian 13's kernel
part_library-s390x() { # the other byte order
	local unit=build/tests/unit-s390x system=build/tests/system-s390x
	local probe=build/tests/emulated-s390x

	cross s390x && make -s -C tests/unit O="../../$unit" CC="$CROSS_CC" &&
		make -s -C tests/system STATIC=1 O="../../$system" LIB="$lib" \
			CC="$CROSS_CC" CXX="$CROSS_CXX" lib &&
		$CROSS_CC -D_GNU_SOURCE -Wall -Wextra -Werror -static -o $probe tests/emulated.c &&
		SHMRING_MESSAGES=20000 tests/emulated.sh $probe "$unit" "$system" qemu-s390x-static \
			-L /usr/s390x-linux-gnu -E LD_LIBRARY_PATH="$CROSS_LIBS"
}
part_system-m32() { system_m32 debian-6.12; }	# compat calls
part_loads() { # how often a call loads what both sides see: system/abi_loads, and its table
	kernel debian-6.12 &&
		make -s -C tests/system STATIC=1 O=../../build/tests/system-static abi &&
		tests/vm/boot.sh -t 300 -k debian-6.12 -l "$log/loads.kernel" \
			-i "$ko/shmring.ko:/tmp/shmring.ko" \
			-i build/tests/system-static/abi_loads:/tmp/abi_loads -- \
			"insmod shmring.ko && uname -r && ./abi_loads" &&
		echo "1 passed, 0 failed"
}

part_system-rt() { system_qemu debian-rt 1000000 3600; } # PREEMPT_RT: locks sleep, interrupts are threads

part_system-kcsan() { system_qemu kcsan 200000 3600; } # every racy access of the module is marked as one

# torture_qemu NAME: for TIME seconds
torture_qemu() {
	tests/torture/run.sh "$1"
}

part_torture-rt() { torture_qemu debian-rt; }
part_torture-kcsan() { torture_qemu kcsan; }

# Before all parts: what they install, at once, and their kernels, in the background:
# the first parts need none. A part waits for the kernel that it needs.
prepare() {
	local name

	deps build kernel vm bench docs model check install arm64
	for name in debian-6.12 debian-6.1 arm64-16k src-7.3 uml uml-debug; do
		nice tests/vm/kernel.sh "$name"
	done >"$log/kernels.log" 2>&1 &
}

# run PART: its output, a copy of it, and its row in the table
run() {
	local start=$SECONDS passed=0 failed=0 skipped=0 status line re

	say "$1"
	"part_$1" 2>&1 | tee "$log/$1.log"
	status=${PIPESTATUS[0]}
	re='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'
	line=$(grep -E "$re" "$log/$1.log" | tail -n 1)
	if [[ $line =~ $re ]]; then
		passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
		skipped=${BASH_REMATCH[4]:-0}
	fi
	# No totals, nothing run, or a bad end that no test owned up to.
	if ((passed + failed == 0 || (status && !failed))); then
		echo "not ok - $1 (status $status; see $log/$1.log)"
		((failed++))
	fi
	rows+=("$(printf '%-14s %7d %7d %8d %6d s' "$1" "$passed" "$failed" \
		"$skipped" $((SECONDS - start)))")
	((all_passed += passed, all_failed += failed, all_skipped += skipped))
}

mkdir -p "$log"
[ "${1:-all}" != all ] || {
	set -- "${parts[@]}"
	prepare
}
for part; do
	declare -F "part_$part" >/dev/null || {
		echo "all.sh: no part $part; there are: ${parts[*]} ${more[*]}" >&2
		exit 2
	}
done
rows=() all_passed=0 all_failed=0 all_skipped=0
for part; do
	run "$part"
done
say "totals"
printf '%-14s %7s %7s %8s %8s\n' part passed failed skipped time
printf '%s\n' "${rows[@]}"
echo
echo "$all_passed passed, $all_failed failed, $all_skipped skipped"
((all_failed == 0))

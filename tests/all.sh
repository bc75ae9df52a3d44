#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the parts of the test suite that are named, and adds up what they say.
#
#   all.sh PART...    ("all": every part, in the order below)
#
# A part is a function; it ends with a line "N passed, N failed[, N skipped]",
# and one that does not has failed. Logs are left in build/log.
# shellcheck disable=SC1091,SC2154 # the counters are lib.sh's, the rest comes from vm/*.sh
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh
# shellcheck source=tests/vm/common.sh
. tests/vm/common.sh
log=build/log
export WERROR=1	# the library and the tools build without a warning
export KUNIT=1	# with the module, its tests

parts=(unit memfd bench docs install model static harness kunit tool torture
	system-uml system-debug system-6.1 system-6.12 system-arm64)
more=(system-arm64-4k system-arm64-64k system-arm64-llsc system-arm64-nohz system-riscv64
	library-s390x system-m32 loads system-rt torture-rt kunit-kcsan system-kcsan torture-kcsan
	coverage fuzz)	# not among "all"

# ---------------------------------------------------------------------- what parts need

deps() { tests/vm/deps.sh "$@"; }

# kernel NAME [SETTING...]: KDIR, IMAGE, ARCH and RELEASE, and the module for it in $ko
kernel() {
	deps build kernel vm && module_for "$1" W=1 "${@:2}"
}

# cross MACHINE: CROSS_CC and what else vm/cross.sh says, and $lib, the library
cross() {
	local vars

	deps build "$1" && vars=$(tests/vm/cross.sh "$1") && eval "$vars" || return
	lib=$PWD/build/libuser-$1/libshmring.a
	make -s -C libuser CC="$CROSS_CC" O="${lib%/*}" "$lib"
}

# system_tests [SETTING...]: for this machine
system_tests() {
	make -s lib && make -s -C tests/system "$@"
}

static_system_tests() {
	system_tests STATIC=1 O=../../build/tests/system-static "$@"
}

# cross_tests NAME: the system tests, static, with $lib
cross_tests() {
	make -s -C tests/system STATIC=1 O="../../build/tests/$1" LIB="$lib" \
		CC="$CROSS_CC" CXX="$CROSS_CXX" "${@:2}"
}

# boot LOG KERNEL SECONDS [OPTION...] -- COMMAND
boot() {
	tests/vm/boot.py -l "$log/$1.kernel" -k "$2" -t "$3" "${@:4}"
}

# ---------------------------------------------------------------------- without a guest

part_unit() { # the fast path and the memfd backend, under every sanitizer
	deps build && make -s -C tests/unit check
}

part_memfd() { # the system tests that need no module, here
	deps build && system_tests && SHMRING_BACKEND=memfd tests/runtests.sh build/tests/system/lib_*
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
	deps build kernel check && tests/static/check.py
}

part_model() { # litmus tests and the wake-up model
	deps model kernel && tests/vm/kernel.sh src-7.3 >/dev/null && tests/model/run.py
}

part_library-s390x() { # the other byte order, in QEMU's user mode
	local unit=build/tests/unit-s390x system=build/tests/system-s390x
	local probe=build/tests/emulated-s390x emulator

	cross s390x && make -s -C tests/unit O="../../$unit" CC="$CROSS_CC" &&
		cross_tests system-s390x lib &&
		$CROSS_CC -D_GNU_SOURCE -Wall -Wextra -Werror -static -o $probe tests/emulated.c || return
	emulator="qemu-s390x-static -L /usr/s390x-linux-gnu -E LD_LIBRARY_PATH=$CROSS_LIBS"
	# What the emulator lacks, and so which tests cannot pass
	$emulator $probe | sed 's/.*/^&	/' | grep -f - tests/emulated.txt | cut -f 2- >"$log/cannot"
	SHMRING_BACKEND=memfd SHMRING_MESSAGES=20000 tests/runtests.sh -t 300 -e "$emulator" \
		-x "$log/cannot" "$unit"/*_test "$system"/lib_*
}

# ---------------------------------------------------------------------- in guests

part_harness() { # what the guests' harness must catch, it catches
	kernel uml && tests/vm/selftest.py uml
}

part_kunit() { # inside the module
	kernel uml && boot kunit uml 300 -- \
		"tests/guest.sh kunit $ko/kmod/shmring.ko $ko/tests/kunit/shmring_kunit.ko"
}

part_kunit-kcsan() { # the same, in QEMU, watched for races
	kernel kcsan && boot kunit-kcsan kcsan 900 -i "$ko/kmod/shmring.ko:/tmp/shmring.ko" \
		-i "$ko/tests/kunit/shmring_kunit.ko:/tmp/shmring_kunit.ko" -- \
		"tests/guest.sh kunit shmring.ko shmring_kunit.ko"
}

part_tool() { # the command, on either backend
	kernel uml && make -s lib && make -s -C tools && boot tool uml 300 -- \
		"insmod $ko/shmring.ko && tests/tool/run.sh build/tools/shmring kmod memfd"
}

part_torture() { tests/torture/run.sh short; } # crash points, SIGKILLs, a hostile peer, unloading
part_torture-rt() { tests/torture/run.sh debian-rt; } # for TIME seconds
part_torture-kcsan() { tests/torture/run.sh kcsan; }

# system_uml NAME [MESSAGES]: user-mode Linux runs the host's programs on the
# host's files
system_uml() {
	kernel "$1" && system_tests && boot "system-$1" "$1" 1200 -- \
		"SHMRING_MESSAGES=${2:-10000000} tests/guest.sh system $ko/shmring.ko build/tests/system"
}

# boot_system PART KERNEL PROGRAMS [MESSAGES [SECONDS [OPTION...]]]: others get static
# programs in their initramfs; an OPTION is one of boot.py
boot_system() {
	local limit=${5:-1200}

	boot "system-$1" "$2" "$limit" "${@:6}" -i "$ko/shmring.ko:/tmp/shmring.ko" \
		-i "build/tests/$3:/tmp/system" -- "SHMRING_MESSAGES=${4:-1000000}" \
		"SHMRING_LIMIT=$((limit / 4)) tests/guest.sh system shmring.ko system"
}

# system_qemu NAME [MESSAGES [SECONDS]]
system_qemu() {
	kernel "$1" && static_system_tests && boot_system "$1" "$1" system-static "${@:2}"
}

# system_foreign PART MACHINE KERNEL [OPTION...]: the system tests and the command, as
# programs of another machine, which QEMU emulates
system_foreign() {
	local settings=()

	# pahole would look for that kernel's own type data
	[ "$2" != riscv64 ] || settings=(CONFIG_DEBUG_INFO_BTF=)
	cross "$2" && kernel "$3" CROSS_COMPILE="$CROSS_COMPILE" CC="${CROSS_COMPILE}gcc" \
		"${settings[@]}" &&
		cross_tests "system-$2" &&
		make -s -C tools STATIC=1 O="../build/tests/system-$2/tools" LIBO="${lib%/*}" \
			CC="$CROSS_CC" "../build/tests/system-$2/tools/shmring" &&
		boot_system "$1" "$3" "system-$2" 50000 2400 "${@:4}"
}

part_system-uml() { system_uml uml; }		# Linux 7.3, two CPUs, native speed
part_system-debug() { system_uml uml-debug 200000; } # with KASAN, UBSAN, lockdep, kmemleak
part_system-6.1() { system_qemu debian-6.1; }	# Debian 12's kernel
part_system-6.12() { system_qemu debian-6.12; }	# Debian 13's kernel
part_system-rt() { # PREEMPT_RT: locks sleep, interrupts are threads
	system_qemu debian-rt 1000000 3600
}
part_system-kcsan() { # every racy access of the module is marked as one
	system_qemu kcsan 200000 3600
}
part_system-arm64() { system_foreign arm64 arm64 arm64-16k; } # Debian 13's kernel, pages of 16 KiB
part_system-arm64-4k() { system_foreign arm64-4k arm64 arm64-4k; } # this Debian's kernel
part_system-arm64-64k() { system_foreign arm64-64k arm64 arm64-64k; } # Linux 7.3
part_system-riscv64() { system_foreign riscv64 riscv64 riscv64; } # Debian 13's kernel
part_system-arm64-llsc() { # a core whose atomic operations are loops of linked loads and stores
	system_foreign arm64-llsc arm64 arm64-4k -c cortex-a57
}
part_system-arm64-nohz() { # a CPU without a tick
	system_foreign arm64-nohz arm64 arm64-16k -a nohz_full=1
}

# 32-bit programs and a 64-bit kernel: compat calls; and 64-bit examples beside them. Where
# an 8-byte access may not be atomic, gcc does not say so, but clang does.
part_system-m32() {
	local vars lib=$PWD/build/libuser-m32/libshmring.a dir=build/tests/system-m32

	kernel debian-6.12 && vars=$(tests/vm/cross.sh i386) && eval "$vars" &&
		make -s -C libuser CC="${CROSS_CC/#gcc/clang}" O="${lib%/*}-clang" \
			"${lib%/*}-clang/libshmring.a" &&
		make -s -C libuser CC="$CROSS_CC" O="${lib%/*}" "$lib" &&
		cross_tests system-m32 &&
		make -s -C tools STATIC=1 O="../$dir/tools" LIBO="${lib%/*}" CC="$CROSS_CC" CXX="$CROSS_CXX" &&
		static_system_tests && cp -rT build/tests/system-static/examples $dir/native &&
		boot_system m32 debian-6.12 system-m32
}

part_loads() { # how often a call loads what both sides see: system/abi_loads, and its table
	kernel debian-6.12 && static_system_tests abi &&
		boot loads debian-6.12 300 -i "$ko/shmring.ko:/tmp/shmring.ko" \
			-i build/tests/system-static/abi_loads:/tmp/abi_loads -- \
			"insmod shmring.ko && uname -r && ./abi_loads" &&
		echo "1 passed, 0 failed"
}

# ---------------------------------------------------------------------- coverage, fuzzing

# Which lines and branches of the module and the library the tests reach: the unit and the
# system tests here on the memfd backend, KUnit and the system tests in a guest. A line that
# is not reached must have its reason in reasons.txt. What a process that is killed had
# reached is not counted.
part_coverage() {
	local out=build/coverage

	deps build kernel vm coverage && rm -rf $out && mkdir -p $out && build_to_count $out || return
	export SHMRING_MESSAGES=${SHMRING_MESSAGES:-200000} SHMRING_BACKEND=memfd
	echo "--- $(uname -sr), memfd"
	include "the library" tests/runtests.sh -t 300 $out/unit/*_test $out/system/lib_*
	include "the module" boot coverage uml-gcov 1200 -- "SHMRING_MESSAGES=$SHMRING_MESSAGES" \
		"tests/guest.sh coverage $out/kmod-$RELEASE-$ARCH $out/system"
	echo "--- reached, with $(uname -sr) and Linux $RELEASE, $(date +%F)"
	check "what is not reached has its reason" \
		python3 tests/coverage/report.py tests/coverage/reasons.txt $out
	verdict
}

# build_to_count DIR: all that is counted, with gcc, as it counts for gcov
build_to_count() {
	local out=$PWD/$1
	local counting=(CC=gcc CXX=g++ CFLAGS='-O0 -g --coverage -fprofile-update=atomic')

	gcc -Wall -Wextra -Werror -c -o "$out/exit.o" tests/coverage/exit.c || return
	export LDFLAGS="--coverage -Wl,--wrap=_exit $out/exit.o"
	make -s -C libuser O="$out/libuser" "${counting[@]}" "$out/libuser/libshmring.a" &&
		make -s -C tests/unit O="$out/unit" "${counting[@]}" &&
		make -s -C tests/system O="$out/system" LIB="$out/libuser/libshmring.a" "${counting[@]}" || return
	rm -f libuser/a--.gcno tests/system/a--.gcno	# of config.mk's probes
	unset LDFLAGS
	kernel uml-gcov GCOV_PROFILE=y BUILD="$out"
}

# Random programs of system calls for TIME seconds, on the kernel with every checker. A
# program that took the kernel down is left in build/fuzz/last, and a copy of it beside that:
# give the line to `build/fuzz/fuzz -r` in a guest, or put it into tests/fuzz/corpus, where
# every run starts.
part_fuzz() {
	local out=build/fuzz seconds=${TIME:-60} seed=${SEED:-$(date +%s)} status crash

	kernel uml-debug KCOV_INSTRUMENT=y KUNIT= BUILD="$PWD/$out/kcov" && make -s -C tests/fuzz || return
	boot fuzz uml-debug $((seconds + 300)) -- \
		"tests/guest.sh fuzz $out/kcov/kmod-$RELEASE-$ARCH/shmring.ko $out $seconds $seed"
	status=$?
	if [ "$status" -ne 0 ] && [ -s $out/last ]; then
		crash=$out/crash-$seed-$(date +%s)
		cp $out/last "$crash"
		echo "the last program that was run: $crash"
	fi
	return "$status"
}

# ---------------------------------------------------------------------- the run

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
	local start=$SECONDS before=("$passed" "$failed" "$skipped")

	printf '\n=== %s\n' "$1"
	include "$1" logged "$1"
	rows+=("$(printf '%-14s %7d %7d %8d %6d s' "$1" $((passed - before[0])) \
		$((failed - before[1])) $((skipped - before[2])) $((SECONDS - start)))")
}

# shellcheck disable=SC2317 # run calls it
logged() {
	"part_$1" 2>&1 | tee "$log/$1.log"
	return "${PIPESTATUS[0]}"
}

mkdir -p "$log"
scratch
[ "${1:-all}" != all ] || {
	set -- "${parts[@]}"
	prepare
}
for part; do
	declare -F "part_$part" >/dev/null || {
		say "no part $part; there are: ${parts[*]} ${more[*]}"
		exit 2
	}
done
rows=()
for part; do
	run "$part"
done
printf '\n=== totals\n%-14s %7s %7s %8s %8s\n' part passed failed skipped time
printf '%s\n' "${rows[@]}" ''
verdict

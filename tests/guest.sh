#!/bin/sh
# SPDX-License-Identifier: MIT
# What is tested inside a guest, as root.
#
#   guest.sh system MODULE DIR           the system tests in DIR, and the command in DIR/tools
#   guest.sh kunit MODULE KUNIT-MODULE   inside the module
#   guest.sh torture MODULE DIR NAME...  programs in DIR, again and again for SHMRING_TIME
#   guest.sh fuzz MODULE DIR SECONDS SEED
#   guest.sh coverage BUILD DIR          kunit and system, and BUILD gets the kernel's counts
#   guest.sh mixed DIR                   32-bit and 64-bit programs in DIR
# shellcheck disable=SC2154 # the counters are lib.sh's
set -u
here=$(dirname "$0")
# shellcheck source=tests/lib.sh
. "$here/lib.sh"

loaded() { grep -q '^shmring ' /proc/modules; }
unloaded() { ! loaded; }

# ---------------------------------------------------------------------- system

# system MODULE DIR: on the module, which is then unloaded; and the library's on memfd
system() {
	check "insmod" insmod "$1"
	check "/dev/shmring is there, and root's alone" \
		test "$(stat -c '%F %a %u' /dev/shmring)" = "character special file 600 0"
	export SHMRING_KO="$1" SHMRING_REQUIRE=kmod
	suite kmod "$2" "$2"
	[ ! -e "$2/tools/shmring" ] ||
		include "the command" "$here/tool/run.sh" "$2/tools/shmring" kmod memfd
	check "rmmod" rmmod shmring
	check "the module is gone" unloaded
	unset SHMRING_REQUIRE
	suite memfd "$2" "$2"/lib_*
}

# suite BACKEND DIR WHAT...: WHAT are programs of DIR, or all of it
suite() {
	export SHMRING_BACKEND="$1"
	dir=$2
	shift 2
	echo "--- Linux $(uname -r), backend $SHMRING_BACKEND"
	include "the tests on $SHMRING_BACKEND" "$here/runtests.sh" -t "${SHMRING_LIMIT:-300}" "$@"
	[ ! -d "$dir/native" ] ||
		check "32-bit and 64-bit programs share a ring" timeout 300 "$0" mixed "$dir"
}

# mixed DIR: the producer and the consumer of the README, from the folders examples and
# native
mixed() {
	stream "$1/examples" "$1/native" && stream "$1/native" "$1/examples"
}

# stream FROM TO: folders. The consumer fails until the name is there, so it is tried again.
# The producer ends only after a consumer has taken its messages.
stream() {
	seq 200000 | "$1/producer" "/mixed.$$" &
	until "$2/consumer" "/mixed.$$" >"$tmp/out" || [ -s "$tmp/out" ]; do
		kill -0 $! || return 1
		sleep 0.05
	done 2>/dev/null
	wait $!
	seq 200000 | cmp - "$tmp/out"
}

# ----------------------------------------------------------------------- kunit

# kunit MODULE KUNIT-MODULE: each case, as the kernel log has it
kunit() {
	mark="shmring-kunit: run $$ of $(cat /proc/sys/kernel/random/uuid)"
	check "this kernel has KUnit" has_kunit
	check "insmod for KUnit" insmod "$1"
	echo "<6>$mark" >/dev/kmsg
	check "insmod of the tests" insmod "$2"
	include "the cases" kunit_cases
	check "rmmod of the tests" rmmod shmring_kunit
	check "rmmod after KUnit" rmmod shmring
}

kunit_cases() {
	dmesg | sed 's/^\(<[0-9]*>\)*\[[^]]*\] \{0,1\}//' |
		awk -v mark="$mark" -f "$here/kunit/cases.awk"
}

has_kunit() {
	[ -d /sys/module/kunit ] || grep -q ' kunit_run_tests$' /proc/kallsyms
}

# -------------------------------------------------------------- torture, fuzz

# torture MODULE DIR NAME...: each time with the next seed
torture() {
	export SHMRING_KO="$1" SHMRING_BACKEND=kmod SHMRING_REQUIRE=kmod
	dir=$2 SHMRING_SEED=${SHMRING_SEED:-1}
	export SHMRING_SEED
	shift 2
	echo "--- Linux $(uname -r), /dev/shmring"
	end=$(($(date +%s) + ${SHMRING_TIME:-0}))
	while
		for program; do
			[ "$program" = reload ] || loaded || insmod "$SHMRING_KO"
			check "$program on /dev/shmring" "$dir/$program"
		done
		[ "$failed" -eq 0 ] && [ "$(date +%s)" -lt "$end" ]
	do
		SHMRING_SEED=$((SHMRING_SEED + 1))
	done
	unloaded || check "rmmod" rmmod shmring
}

# fuzz MODULE DIR SECONDS SEED: the corpus, then new programs
fuzz() {
	echo "Linux $(uname -r), $3 s, seed $4"
	# If the kernel crashes, the last program in the file is the cause.
	echo 1 >/proc/sys/kernel/panic_on_warn
	check "insmod" insmod "$1" max_pages=2000
	check "the corpus" "$2/fuzz" -r -l "$2/last" "$here"/fuzz/corpus/*.txt
	check "new programs" "$2/fuzz" -t "$3" -s "$4" -l "$2/last" -k "$2/found" \
		"$here"/fuzz/corpus/*.txt
	check "all memory is given back" all_freed
	check "rmmod" rmmod shmring
}

# The module can be unloaded only if nothing is left of it.
all_freed() {
	[ -e /proc/allocinfo ] &&
		! awk '/\[shmring\]/ && $1 { print; found = 1 } END { exit !found }' /proc/allocinfo
}

# -------------------------------------------------------------------- coverage

coverage() { # coverage BUILD DIR
	kunit "$1/kmod/shmring.ko" "$1/tests/kunit/shmring_kunit.ko"
	system "$1/kmod/shmring.ko" "$2"
	for counts in "/sys/kernel/debug/gcov$PWD/$1"/kmod/*.gcda; do
		cat "$counts" >"$1/kmod/${counts##*/}" || not_ok "counts of $counts"
	done
}

[ $# -gt 1 ] || usage
scratch
case $1 in
system | kunit | torture | fuzz | coverage)
	"$@"
	verdict
	;;
mixed) "$@" ;;
*) usage ;;
esac

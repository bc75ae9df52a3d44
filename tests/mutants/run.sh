#!/bin/bash
# SPDX-License-Identifier: MIT
# Can the tests see? Plants one small fault after the other in a copy of the tree,
# runs the tests that are to notice it, and says which did.
#
#   run.sh [NAME...]	only those whose name contains one of these
#
# faults.txt has the faults. Before anything is planted, all of these tests must pass
# on the copy as it is. A fault that survives, no longer fits its file or keeps it from
# being built fails the run. MUTANTS_DIR: the copy, and all that is built of it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
top=$PWD
faults=${FAULTS:-$here/faults.txt}
work=${MUTANTS_DIR:-$top/build/mutants}
log=$work/log
limit=40	# seconds, for a single test program; ten times what it takes

# ----------------------------------------------------------------- the tests
#
# Each takes names and says "not ok" or ends badly; in the copy. Exit status 99: what it
# is about could not be built.

build() { # build COMMAND...: quietly
	"$@" >"$log/build" 2>&1 || {
		tail -n 20 "$log/build"
		exit 99
	}
}

programs() { # programs DIR NAME...: their paths
	local dir=$1
	shift
	printf "$dir/%s\n" "$@"
}

test_unit() { # unit:NAME,...: tests/unit, with gcc
	local name

	for name; do
		build make -s -C tests/unit O="$work/unit" "$work/unit/${name}_test"
		timeout -k 5 "$limit" "$work/unit/${name}_test" || return
	done
}

test_tsan() { # likewise, with gcc's thread sanitizer
	build make -s -C tests/unit O="$work/tsan" SAN=thread "$work/tsan/${1}_test"
	TSAN_OPTIONS=halt_on_error=1 timeout -k 5 "$limit" "$work/tsan/${1}_test"
}

test_asan() { # likewise, with its address sanitizer
	build make -s -C tests/unit O="$work/asan" SAN=address,undefined "$work/asan/${1}_test"
	timeout -k 5 "$limit" "$work/asan/${1}_test"
}

build_system() { # build_system NAME...: tests/system
	build make -s lib
	# shellcheck disable=SC2046 # several words
	build make -s -C tests/system $(programs ../../build/tests/system "$@")
}

test_memfd() { # memfd:NAME,...: tests/system on the memfd backend, here
	build_system "$@"
	# shellcheck disable=SC2046
	SHMRING_BACKEND=memfd tests/runtests.sh -t "$limit" $(programs build/tests/system "$@")
}

test_tool() { # the command, likewise
	build make -s lib
	build make -s -C tools O="$work/tree/build/tools" "$work/tree/build/tools/shmring"
	timeout -k 5 "$limit" tests/tool/run.sh build/tools/shmring memfd
}

test_sites() { # sites: the source has the barriers that the models speak of
	perl tests/model/sites.pl
}

# guest SECONDS KERNEL COMMAND...: in a guest with the module; sees $ko
guest() {
	local time=$1 kernel=$2 vars KDIR ARCH RELEASE ko
	shift 2

	vars=$(tests/vm/kernel.sh "$kernel" 2>/dev/null) || exit 99
	eval "$vars"
	build make -s modules KUNIT=1 KDIR="$KDIR" ARCH="$ARCH" BUILD="$PWD/build/$kernel"
	ko=$PWD/build/$kernel/kmod-$RELEASE-$ARCH
	tests/vm/boot.sh "${scan[@]}" -t "$time" -k "$kernel" -l "$log/kernel" -- \
		"ko=$ko; $*"
}

# The debug kernel has one CPU, KASAN, lockdep and kmemleak; uml has two CPUs.
test_kunit() { # all of tests/kunit
	guest 120 uml "tests/kunit/run.sh \$ko/kmod/shmring.ko \$ko/tests/kunit/shmring_kunit.ko"
}

on_kernel() { # on_kernel KERNEL NAME...: tests/system on the module
	local kernel=$1
	shift

	build_system "$@"
	# shellcheck disable=SC2046
	guest $((50 + 15 * $#)) "$kernel" "insmod \$ko/shmring.ko &&" \
		"SHMRING_REQUIRE=kmod SHMRING_MESSAGES=5000 SHMRING_KO=\$ko/shmring.ko" \
		tests/runtests.sh -t "$limit" $(programs build/tests/system "$@") "&&" \
		"{ rmmod shmring || { echo 'not ok - rmmod'; false; }; }"
}

test_system() { # system:NAME,...
	on_kernel uml-debug "$@"
}

test_leaks() { # the same with kmemleak's scan
	local scan=()

	on_kernel uml-debug "$@"
}

test_smp() {
	on_kernel uml "$@"
}

# In a guest of its own files, with KCSAN and two CPUs; its shell starts in /tmp.
# kcsan_guest SECONDS FILE... -- COMMAND; $ko: the module
kcsan_guest() {
	local time=$1 files=()
	shift

	while [ "$1" != -- ]; do
		files+=(-i "$1:/tmp/$(basename "$1")")
		shift
	done
	tests/vm/boot.sh "${scan[@]}" -t "$time" -k kcsan -l "$log/kernel" "${files[@]}" "$@"
}

build_kcsan() {
	local vars KDIR ARCH RELEASE

	vars=$(tests/vm/kernel.sh kcsan 2>/dev/null) || exit 99
	eval "$vars"
	build make -s modules KUNIT=1 KDIR="$KDIR" ARCH="$ARCH" BUILD="$PWD/build/kcsan"
	ko=build/kcsan/kmod-$RELEASE-$ARCH
}

test_kcsan() { # kcsan:NAME,...: tests/system
	local ko dir=build/system-static

	build_kcsan
	build make -s lib
	# shellcheck disable=SC2046 # several words
	build make -s -C tests/system STATIC=1 O="../../$dir" $(programs "../../$dir" "$@")
	# shellcheck disable=SC2046
	kcsan_guest $((60 + 200 * $#)) "$ko/shmring.ko" tests/runtests.sh \
		$(programs "$dir" "$@") -- "insmod shmring.ko &&" \
		"SHMRING_REQUIRE=kmod SHMRING_MESSAGES=2000000" \
		"SHMRING_KO=shmring.ko ./runtests.sh -t 200" $(programs . "$@") "&& rmmod shmring"
}

test_kcsan_kunit() { # all of tests/kunit
	local ko

	build_kcsan
	kcsan_guest 600 "$ko/kmod/shmring.ko" "$ko/tests/kunit/shmring_kunit.ko" \
		tests/kunit/run.sh -- "./run.sh shmring.ko shmring_kunit.ko"
}

# run_test KIND[:NAME,NAME]: its output is in $log/test
run_test() {
	local names=() kind=${1%%:*}

	[[ $1 != *:* ]] || IFS=, read -ra names <<<"${1#*:}"
	(cd "$work/tree" && "test_$kind" "${names[@]}") >"$log/test" 2>&1
}
scan=(-n)
export CMOCKA_MESSAGE_OUTPUT=TAP

# ----------------------------------------------------------------- the copy

# Only what differs, so that little is built anew.
copy_tree() {
	local file

	mkdir -p "$work/tree" "$log"
	git ls-files -co --exclude-standard | while read -r file; do
		[ ! -f "$file" ] || cmp -s "$file" "$work/tree/$file" ||
			cp --parents "$file" "$work/tree/"
	done
}

restore() {
	[ -z "$planted" ] || cp "$planted" "$work/tree/$planted"
	planted=
}
planted=
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ----------------------------------------------------------------- the run

chosen() {
	local word

	[ ${#words[@]} -gt 0 ] || return 0
	for word in "${words[@]}"; do
		[[ $1 != *"$word"* ]] || return 0
	done
	return 1
}

# What told: the tests that failed, or how the run ended
reason() {
	local what

	what=$(sed -n -e 's/^not ok [0-9 -]*//p' -e 's/^not ok - //p' "$log/test" | head -n 2 |
		paste -sd';' | sed 's/;/; /')
	[ -n "$what" ] ||
		what=$(grep -oE 'BUG: .*|WARNING: .*|unreferenced object.*|Kernel panic.*|time is up.*|.*Sanitizer.*' \
			"$log/test" | head -n 1)
	echo "${what:-exit status $1} "
}

# baseline: every test that will be used passes without a fault
baseline() {
	local test kind names=() status start

	for kind in $(printf '%s\n' "${tests[@]}" | tr ' ' '\n' | sed 's/:.*//' | sort -u); do
		mapfile -t names < <(printf '%s\n' "${tests[@]}" | tr ' ' '\n' |
			sed -n "s/^$kind://p" | tr , '\n' | sort -u)
		case $kind in
		tsan | asan) set -- "${names[@]}" ;;
		*) set -- "$(IFS=, && echo "${names[*]}")" ;;
		esac
		for test; do
			start=$SECONDS
			run_test "$kind${test:+:$test}"
			status=$?
			[ $status -eq 0 ] || {
				echo "not ok - nothing planted, and $kind${test:+:$test} fails"
				tail -n 40 "$log/test" | sed 's/^/    /'
				return 1
			}
			echo "ok - nothing planted: $kind${test:+:$test} ($((SECONDS - start)) s)"
		done
	done
}

# try NAME FILE TEST...: plants, tests, takes it out again
try() {
	local name=$1 file=$2 test status start=$SECONDS out
	shift 2

	if ! out=$(cd "$work/tree" && perl "$here/plant.pl" "$name" "$faults" 2>&1); then
		verdict "not ok" "$name: $out"
		return
	fi
	planted=$file
	for test; do
		run_test "$test"
		status=$?
		case $status in
		0) ;;
		99) verdict "not ok" "$name: cannot be built: $(grep -m 1 error "$log/test")" ;;
		*)
			((++caught))
			verdict ok "$name: ${test%%:*}: $(reason $status)($((SECONDS - start)) s)"
			;;
		esac
		[ $status -eq 0 ] || break
	done
	[ $status -ne 0 ] || verdict "not ok" "$name survives $* ($((SECONDS - start)) s)"
	restore
}

verdict() {
	echo "$1 - $2"
	case $1 in
	ok) ((++passed)) ;;
	*) ((++failed)) ;;
	esac
}

words=("$@") names=() files=() tests=() passed=0 failed=0 caught=0
while IFS=$'\t' read -r name file what; do
	chosen "$name" || continue
	names+=("$name") files+=("$file") tests+=("$what")
done < <(perl "$here/plant.pl" list "$faults")
[ ${#names[@]} -gt 0 ] || { echo "no such fault"; exit 2; }

copy_tree
if baseline; then
	for i in "${!names[@]}"; do
		# shellcheck disable=SC2086 # several words
		try "${names[i]}" "${files[i]}" ${tests[i]}
	done
	echo
	echo "mutation score: $caught of ${#names[@]}"
else
	failed=1
fi
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))

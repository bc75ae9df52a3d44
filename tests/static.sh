#!/bin/bash
# SPDX-License-Identifier: MIT
# What a compiler or a checker can say without running anything.
#
# shellcheck disable=SC1091,SC2154 # what lib.sh and common.sh set
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/lib.sh
. tests/vm/common.sh
scratch

# nothing COMMAND...: passes if it returns 0 and says nothing
nothing() {
	quietly "$@" || return
	[ ! -s "$tmp/log" ] || { tail -n 40 "$tmp/log" | indent && false; }
}

# sees WORD COMMAND... FILE: does it say so of what is planted for it?
sees() {
	local word=$1
	shift
	"$@" tests/static/planted.c 2>&1 | grep -q -- "$word" || { echo "    it is blind to: $word" && false; }
}

# ------------------------------------------------------------------------ the module

# module KERNEL SETTING...: builds the module anew, shows warnings alone
module() {
	rm -rf build/static/kmod-*
	module_for "$1" BUILD="$PWD/build/static" KBUILD_MODPOST_WARN=1 "${@:2}" 2>&1 |
		grep -E '(warning|error):|\*\*\*|undefined!' | grep -v 'pahole version differs' |
		if [ "$1" = src-7.3 ]; then grep -v modpost; else cat; fi # knows no symbols
	compgen -G "build/static/kmod-*/kmod/shmring.ko" >/dev/null
}

# The newest kernel's; compat.h is there to ask for the version.
checkpatch() {
	local vars KDIR script
	vars=$(tests/vm/kernel.sh src-7.3) || return
	eval "$vars"
	script=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$KDIR/Makefile")/scripts/checkpatch.pl
	perl "$script" --no-tree --strict --terse --no-summary --ignore LINUX_VERSION_CODE -f "$@"
}

# coccinelle RULE FILE...: the lines that it marks
coccinelle() {
	spatch --very-quiet --no-includes --sp-file "tests/static/$1.cocci" "${@:2}" 2>&1
}

# surface [FILE...]: how much there is of the module to attack, on standard output, and on
# standard error what is there that must not be
surface() {
	local abi=kmod/uapi/linux/shmring.h
	[ $# -gt 0 ] || set -- kmod/*.[ch] kmod/compat/*.h

	count "lines of the module" '^' "$@"
	count "... without comments and blank lines" '^[[:space:]]*[^[:space:]/*]' "$@"
	count "ioctls" '^#define SHMRING_IOC_[A-Z_]+[[:space:]]+_IO' $abi
	count "commands of io_uring" '^#define SHMRING_URING_[A-Z_]+[[:space:]]+_IO' $abi
	count "lock classes" '_(MUTEX|SPIN_LOCK)[A-Z_]*\(|mutex_init\(|spin_lock_init\(|init_waitqueue_head\(|init_rwsem\(' "$@"
	only 0 "asynchronous callbacks" \
		'(timer_(setup|init)|hrtimer_(init|setup)|INIT_(DELAYED_)?WORK|queue_work|schedule_work|call_rcu|kfree_rcu|irq_work|tasklet|task_work_add|kthread_|register_[a-z_]*(notifier|shrinker))' "$@"
	# fence.c wakes pollers after a grace period, once for a side of a ring; not on x86.
	only 2 "work after a grace period, initialized and queued" \
		'(INIT_RCU_WORK|queue_rcu_work)\(' "$@"
	only 0 "pointers of user space that are kept" \
		'^[[:space:]].*__user[^()]*;|(->|\.)[a-z_]+ = [^;]*\buarg\b' "$@"
}

count() { # count WHAT PATTERN FILE...: says how many lines have it
	echo "# $1: $(cat "${@:3}" | grep -cE "$2")"
}

only() { # only NUMBER WHAT PATTERN FILE...: there must be so many
	count "${@:2}"
	[ "$(cat "${@:4}" | grep -cE "$3")" -eq "$1" ] || {
		echo "$2: not $1:"
		grep -nE "$3" "${@:4}"
	} >&2
}

small_surface() { surface >/dev/null; }

# ----------------------------------------------------------------------- the library

# The public headers compile alone. Those of liburing want _GNU_SOURCE since 2.9.
abi() { # abi LANGUAGE FLAG...
	local header
	for header in linux/shmring.h shmring/barrier.h shmring.h shmring_uring.h; do
		echo "#include <$header>" | "${CC:-gcc}" -x "$1" -fsyntax-only -Wall -Wextra \
			-Werror -pedantic -D_GNU_SOURCE "${@:2}" -Ikmod/uapi -Ilibuser/include - || return
	done
}

# Of a 32-bit program and a 64-bit kernel both must see the same.
no_padding() {
	echo '#include <linux/shmring.h>' | gcc -x c -fsyntax-only -Wpadded -Werror -Ikmod/uapi -
}

# holes FILE: of the structures in it
holes() {
	gcc -g -fno-eliminate-unused-debug-types -Ikmod/uapi -x c -c -o "$tmp/holes.o" "$1" &&
		pahole "$tmp/holes.o" >"$tmp/holes" &&
		grep -q '^struct' "$tmp/holes" || echo "pahole found no structure in $1"
	! grep -E 'XXX|holes:|padding:' "$tmp/holes"
}

analyzer() {
	local file
	for file; do
		gcc -std=gnu11 -fanalyzer -Ikmod/uapi -Ilibuser/include -c -o /dev/null "$file"
	done
}

tidy() {
	clang-tidy --quiet "$@" -- -std=gnu11 -Ikmod/uapi -Ilibuser/include 2>&1 |
		sed -E '/^[0-9]+ warnings? (generated|treated)|^Suppressed|^\[[0-9]+\/[0-9]+\] Proc|^Use -header-filter/d'
}

# ---------------------------------------------------------------------------- the run

# What the models are about is what the code has.
sites() {
	perl tests/model/sites.pl | grep -vE '^ok - |^[0-9]+ passed, 0 failed$'
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

check_all() {
	local library=(libuser/*.c libuser/{kmod,memfd}/*.c) rule shell text
	mapfile -t shell < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
	mapfile -t text < <(git ls-files -co --exclude-standard '*.md' '*.[ch]' '*.sh' '*.py' 'libuser/man/*')

	check "module, Linux 6.1, W=1 and sparse" nothing module debian-6.1 W=1 C=2
	check "module, Linux 6.12, W=1 and sparse" nothing module debian-6.12 W=1 C=2
	check "module, Linux 7.3, W=1" nothing module src-7.3 W=1
	skip "module, Linux 7.3, sparse" "sparse 0.6.4, the newest that Debian 12 and 13 have, is too old for its headers"
	check "module, Linux 7.3, User Mode Linux, W=1" nothing module uml W=1
	check "checkpatch --strict" nothing checkpatch kmod/*.[ch] kmod/compat/*.h kmod/uapi/linux/*.h
	check "headers, C11" nothing abi c -std=c11
	check "headers, C++11" nothing abi c++ -std=c++11
	check "the ABI has no padding" nothing no_padding
	check "the ABI has no holes, pahole" nothing holes kmod/uapi/linux/shmring.h
	for rule in double_fetch nospec pointers; do
		check "coccinelle, $rule" nothing coccinelle "$rule" kmod/*.[ch]
	done
	check "gcc -fanalyzer" nothing analyzer "${library[@]}"
	check "clang-tidy" nothing tidy "${library[@]}"
	surface 2>/dev/null
	check "a small surface" nothing small_surface
	check "the code has the barriers that the models assume" nothing sites
	check "each planted fault fits its file" nothing python3 tests/mutants/run.py --check
	check "shellcheck" nothing shellcheck "${shell[@]}"
	check "codespell" nothing codespell -L te,bu "${text[@]}"
}

# Each of them can fail.
check_checkers() {
	check "pahole sees a hole" sees 'XXX 7 bytes hole' holes
	check "coccinelle sees two fetches of user space" sees '^-.*copy_from_user(to, from, sizeof' \
		coccinelle double_fetch
	check "coccinelle sees two loads of a position" sees '^-.*> 8' coccinelle double_fetch
	check "coccinelle sees a plain load of a position" sees '^-.*(long)\*side' coccinelle double_fetch
	check "coccinelle sees an index of the caller's" sees '^-.*table.side->index' coccinelle nospec
	check "coccinelle sees a copy of such an index" sees '^-.*table.i' coccinelle nospec
	check "coccinelle sees an address printed" sees '^-.*%px' coccinelle pointers
	check "gcc -fanalyzer sees a double free" sees Wanalyzer-double-free analyzer
	check "clang-tidy sees a vain comparison" sees misc-redundant-expression tidy
	check "a callback is counted" sees 'asynchronous callbacks: [1-9]' surface
	check "a pointer that is kept is counted" sees 'are kept: [1-9]' surface
}

check_all
check_checkers
verdict

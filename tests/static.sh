#!/bin/bash
# SPDX-License-Identifier: MIT
# What a compiler or a checker can say without running anything.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0

# check NAME COMMAND...: passes if it returns 0 and says nothing
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1) && [ -z "$out" ]; then
		echo "ok - $name"
		((++passed))
	else
		echo "not ok - $name"
		printf '%s\n' "$out" | tail -n 40 | sed 's/^/    /'
		((++failed))
	fi
}

skip() {
	echo "ok - $1 # SKIP $2"
	((++skipped))
}

# module KERNEL FLAG...: builds the module anew, shows warnings alone
module() {
	local vars KDIR ARCH RELEASE IMAGE
	vars=$(tests/vm/kernel.sh "$1" 2>/dev/null) || { echo "no kernel $1"; return 1; }
	eval "$vars"
	shift
	rm -rf "build/static/kmod-$RELEASE-$ARCH"
	make -s modules BUILD="$PWD/build/static" KDIR="$KDIR" ARCH="$ARCH" KBUILD_MODPOST_WARN=1 \
		"$@" 2>&1 |
		grep -E '(warning|error):|\*\*\*|undefined!' | grep -v 'pahole version differs' |
		if [ -z "$IMAGE" ]; then grep -v modpost; else cat; fi # knows no symbols
	[ -e "build/static/kmod-$RELEASE-$ARCH/kmod/shmring.ko" ]
}

# The newest kernel's; compat.h is there to ask for the version.
checkpatch() {
	local vars KDIR script
	vars=$(tests/vm/kernel.sh src-7.3 2>/dev/null) || { echo "no kernel src-7.3"; return 1; }
	eval "$vars"
	script=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$KDIR/Makefile")/scripts/checkpatch.pl
	perl "$script" --no-tree --strict --terse --no-summary --ignore LINUX_VERSION_CODE -f "$@"
}

# The public headers compile alone. Those of liburing want _GNU_SOURCE since 2.9.
abi() { # LANGUAGE FLAG...
	local lang=$1 header
	shift
	for header in linux/shmring.h shmring/barrier.h shmring.h shmring_uring.h; do
		echo "#include <$header>" | "${CC:-gcc}" -x "$lang" -fsyntax-only -Wall -Wextra \
			-Werror -pedantic -D_GNU_SOURCE "$@" -Ikmod/uapi -Ilibuser/include - || return
	done
}

# Of a 32-bit program and a 64-bit kernel both must see the same.
no_padding() {
	echo '#include <linux/shmring.h>' |
		gcc -x c -fsyntax-only -Wpadded -Werror -Ikmod/uapi -
}

# holes FILE: of the structures in it
holes() {
	mkdir -p build/static
	gcc -g -fno-eliminate-unused-debug-types -Ikmod/uapi -x c -c -o build/static/holes.o "$1" &&
		pahole build/static/holes.o >build/static/holes &&
		grep -q '^struct' build/static/holes || echo "pahole found no structure in $1"
	! grep -E 'XXX|holes:|padding:' build/static/holes
}

# coccinelle RULE FILE...: the lines that it marks
coccinelle() {
	local rule=$1
	shift
	spatch --very-quiet --no-includes --sp-file "tests/static/$rule.cocci" "$@" 2>&1
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

surface() { tests/static/surface.sh >/dev/null; }

# sees WORD COMMAND... FILE: does it say so of what is planted for it?
sees() {
	local word=$1
	shift
	"$@" tests/static/planted.c 2>&1 | grep -q -- "$word" || echo "it is blind to: $word"
}

# What the models are about is what the code has.
sites() {
	perl tests/model/sites.pl | grep -vE '^ok - |^[0-9]+ passed, 0 failed$'
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

mapfile -t shell < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
mapfile -t text < <(git ls-files -co --exclude-standard '*.md' '*.[ch]' '*.sh' 'libuser/man/*')

check "module, Linux 6.1, W=1 and sparse" module debian-6.1 W=1 C=2
check "module, Linux 6.12, W=1 and sparse" module debian-6.12 W=1 C=2
check "module, Linux 7.3, W=1" module src-7.3 W=1
skip "module, Linux 7.3, sparse" "sparse 0.6.4, the newest that Debian 12 and 13 have, is too old for its headers"
check "module, Linux 7.3, User Mode Linux, W=1" module uml W=1
check "checkpatch --strict" checkpatch kmod/*.[ch] kmod/compat/*.h kmod/uapi/linux/*.h
check "headers, C11" abi c -std=c11
check "headers, C++11" abi c++ -std=c++11
check "the ABI has no padding" no_padding
check "the ABI has no holes, pahole" holes kmod/uapi/linux/shmring.h
for rule in double_fetch nospec pointers; do
	check "coccinelle, $rule" coccinelle "$rule" kmod/*.[ch]
done
check "gcc -fanalyzer" analyzer libuser/*.c libuser/{kmod,memfd}/*.c
check "clang-tidy" tidy libuser/*.c libuser/{kmod,memfd}/*.c
tests/static/surface.sh 2>/dev/null
check "a small surface" surface
check "the code has the barriers that the models assume" sites
check "each planted fault fits its file" perl tests/mutants/plant.pl check tests/mutants/faults.txt
check "shellcheck" shellcheck "${shell[@]}"
check "codespell" codespell -L te,bu "${text[@]}"


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
check "a callback is counted" sees 'asynchronous callbacks: [1-9]' tests/static/surface.sh
check "a pointer that is kept is counted" sees 'are kept: [1-9]' tests/static/surface.sh

echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))

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

abi() { # LANGUAGE FLAG...: the public headers compile alone
	local lang=$1 header
	shift
	for header in linux/shmring.h shmring.h shmring_uring.h; do
		echo "#include <$header>" | "${CC:-gcc}" -x "$lang" -fsyntax-only -Wall -Wextra \
			-Werror -pedantic "$@" -Ikmod/uapi -Ilibuser/include - || return
	done
}

# Of a 32-bit program and a 64-bit kernel both must see the same.
no_padding() {
	echo '#include <linux/shmring.h>' |
		gcc -x c -fsyntax-only -Wpadded -Werror -Ikmod/uapi -
}

mapfile -t shell < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
mapfile -t text < <(git ls-files -co --exclude-standard '*.md' '*.[ch]' '*.sh' 'libuser/man/*')

check "module, Linux 6.1, W=1 and sparse" module debian-6.1 W=1 C=2
check "module, Linux 6.12, W=1 and sparse" module debian-6.12 W=1 C=2
check "module, Linux 7.3, W=1" module src-7.3 W=1
skip "module, Linux 7.3, sparse" "Debian 12's sparse is too old for its headers"
check "module, Linux 7.3, User Mode Linux, W=1" module uml W=1
check "checkpatch --strict" checkpatch kmod/*.[ch] kmod/compat/*.h kmod/uapi/linux/*.h
check "headers, C11" abi c -std=c11
check "headers, C++11" abi c++ -std=c++11
check "the ABI has no padding" no_padding
check "shellcheck" shellcheck "${shell[@]}"
check "codespell" codespell -L te,bu "${text[@]}"

echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))

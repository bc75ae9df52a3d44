#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the tests in every variant and runs them; see Makefile.
#
#   CC="gcc clang" SAN="plain thread" O=DIR run.sh
#
# A variant that the toolchain cannot build is skipped, with a message.
set -u
# shellcheck source=tests/lib.sh
. ../lib.sh
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}

# Can this compiler make, and this machine run, a program of that kind?
probe() {
	local flags=()

	[ "$2" = plain ] || flags=(-fsanitize="$2")
	mkdir -p "$O/$1/$2" && cd "$O/$1/$2" &&
		echo 'int main(void) { return 0; }' | "$1" "${flags[@]}" -x c -o probe - && ./probe
}

build() {
	quietly "${MAKE:-make}" -s --no-print-directory CC="$1" SAN="$2" O="$O/$1/$2" all
}

scratch
O=$(realpath -m "$O")
for cc in $CC; do
	for san in $SAN; do
		variant=$cc/$san
		if ! why=$(probe "$cc" "$san" 2>&1); then
			skip "$variant" "$(tail -n 1 <<<"$why")"
		elif ! build "$cc" "$san"; then
			not_ok "$variant: build"
		else
			include "$variant" ../runtests.sh -t 120 -p "$variant: " "$O/$variant"/*_test
		fi
	done
done
verdict

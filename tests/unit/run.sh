#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the tests in every variant, runs them, and adds up; see Makefile.
#
#   CC="gcc clang" SAN="plain thread" O=DIR run.sh
#
# A variant that the toolchain cannot do is skipped, and said so.
set -u
passed=0 failed=0 skipped=0
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}

fail() { # fail WHAT OUTPUT
	echo "not ok - $1"
	printf '%s\n' "$2" | sed 's/^/    /'
	((++failed))
}

# Can this compiler make, and this machine run, a program of that kind?
probe() {
	local flags=()

	[ "$2" = plain ] || flags=(-fsanitize="$2")
	mkdir -p "$O/$1/$2" && cd "$O/$1/$2" &&
		echo 'int main(void) { return 0; }' | "$1" "${flags[@]}" -x c -o probe - && ./probe
}

build() {
	"${MAKE:-make}" -s --no-print-directory CC="$1" SAN="$2" O="$O/$1/$2" all
}

# run VARIANT PROGRAM: its tests, as it says itself; and it must end well
run() {
	local out status plan bad count=0 re='^(not )?ok [0-9]+ - (.*)'
	local skip='^(not )?ok [0-9]+ # SKIP (.*)' left=0	# cmocka says "not ok" there

	out=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 120 "$2" 2>&1)
	status=$?
	while read -r line; do
		if [[ $line =~ $skip ]]; then
			echo "ok - $1: ${BASH_REMATCH[2]} # SKIP as the program says"
			((++left))
			continue
		fi
		[[ $line =~ $re ]] || continue
		echo "${BASH_REMATCH[1]}ok - $1: ${BASH_REMATCH[2]}"
		((++count))
	done <<<"$out"
	bad=$(grep '^not ok' <<<"$out" | grep -vcE "$skip")
	plan=$(sed -n 's/^1\.\.//p' <<<"$out")
	((passed += count - bad, failed += bad, skipped += left))
	if ((count + left != ${plan:-0} || count == 0 || (status && !bad))); then
		fail "$1: ${2##*/}: $count of ${plan:-no} tests, exit status $status" "$out"
	elif ((bad)); then
		printf '%s\n' "$out" | sed 's/^/    /'
	fi
}

O=$(realpath -m "$O")
for cc in $CC; do
	for san in $SAN; do
		variant=$cc/$san
		if ! out=$(probe "$cc" "$san" 2>&1); then
			echo "ok - $variant # SKIP $(tail -n 1 <<<"$out")"
			((++skipped))
		elif ! out=$(build "$cc" "$san" 2>&1); then
			fail "$variant: build" "$out"
		else
			for program in "$O/$variant"/*_test; do
				run "$variant" "$program"
			done
		fi
	done
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))

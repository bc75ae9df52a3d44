# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Shared by the scripts of the suite, those in guests too: messages, a folder that is
# removed in the end, and the only place that counts tests. Sourced.
#
# A script runs its tests with check, skip and include, and ends with verdict.
# shellcheck disable=SC2030,SC2031 # what include runs counts for itself

prog=$(basename "$0")
passed=0 failed=0 skipped=0
tmp=

say() {
	echo "$prog: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# usage: the lines of the script's first comment that show how to call it
usage() {
	sed -n '/^# *'"$prog"' /s/^# */usage: /p' "$0" >&2
	exit 2
}

# at_exit: runs at the end of a script in any case, before $tmp goes; a script may define its own
at_exit() { :; }

# scratch: $tmp is a folder that is gone when the script ends
scratch() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/$prog.XXXXXX") || exit 2
	trap 'at_exit; rm -rf "$tmp"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

indent() { sed 's/^/    /'; }

# quietly COMMAND...: shows its output only if it fails; leaves the output in $tmp/log
quietly() {
	"$@" >"$tmp/log" 2>&1 || {
		tail -n 40 "$tmp/log" | indent
		return 1
	}
}

# ---------------------------------------------------------------------- results

ok() {
	echo "ok - $1"
	passed=$((passed + 1))
}

not_ok() {
	echo "not ok - $1"
	failed=$((failed + 1))
}

skip() { # skip NAME REASON
	echo "ok - $1 # SKIP $2"
	skipped=$((skipped + 1))
}

check() { # check NAME COMMAND...
	checked=$1
	shift
	if "$@"; then
		ok "$checked"
	else
		not_ok "$checked"
	fi
}

# totals_of FILE: passed, failed and skipped in the last verdict that the file holds
totals_of() {
	sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?\r?$/\1 \2 \4/p' "$1" | tail -n 1
}

# include NAME COMMAND...: adds the counts of a command that ends with a verdict of its own.
# NAME fails without a verdict, without a test, or on a bad end that no failed test explains.
include() {
	included=$1
	shift
	said=$(mktemp "$tmp/said.XXXXXX")
	{
		(passed=0 failed=0 skipped=0 && "$@")
		echo $? >"$said.status"
	} | tee "$said"
	status=$(cat "$said.status")
	# shellcheck disable=SC2046 # three numbers
	set -- $(totals_of "$said")
	passed=$((passed + ${1:-0})) failed=$((failed + ${2:-0})) skipped=$((skipped + ${3:-0}))
	if [ $((${1:-0} + ${2:-0})) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$2" -eq 0 ]; }; then
		not_ok "$included (status $status)"
	fi
}

# verdict: prints the totals; its status is the script's
verdict() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs test programs, each in a session of its own, and says how they ended.
#
#   runtests.sh [-t SECONDS] [-T RESULTS] DIR|PROGRAM...
#
#   -t  time for each program (default 60); then its process group is killed
#   -T  a file for the results, one line each: verdict, name, seconds, reason
#
# Of a DIR, every executable file is run, in the order of the names. A program
# passes with exit status 0 and is skipped with 77, when its last line of output
# says why. Everything else fails, a hang too.
#
# Exit status: 1 if a program failed, or if none was there that passed.
set -u

usage() {
	sed -n 's/^#   \(runtests\)/\1/p' "$0" >&2
	exit 2
}

limit=60 results=/dev/null
while getopts t:T: option; do
	case $option in
	t) limit=$OPTARG ;;
	T) results=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage

dir=$(mktemp -d "${TMPDIR:-/tmp}/runtests.XXXXXX") || exit 2
group=
stop() {
	[ -z "$group" ] || kill -9 "-$group" 2>/dev/null
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# In hundredths of a second: /proc/uptime is there in every guest.
now() {
	read -r up _ </proc/uptime
	echo $((${up%.*} * 100 + 1${up#*.} - 100))
}

# Kill the session, or the process that has not made one yet.
kill_session() {
	kill -9 "-$1" 2>/dev/null || kill -9 "$1" 2>/dev/null
}

# Sets status; "late" is there afterwards if the time was up.
run() {
	rm -f "$dir/late"
	setsid "$1" >"$dir/out" 2>&1 </dev/null &
	group=$!
	# shellcheck disable=SC2016 # for the other shell
	setsid sh -c 'sleep "$1"; : >"$2"; kill -9 "-$3"' dog "$limit" "$dir/late" "$group" &
	dog=$!
	{ wait "$group"; } 2>/dev/null
	status=$?
	kill_session "$dog"
	{ wait "$dog"; } 2>/dev/null
	kill -9 "-$group" 2>/dev/null
	group=
}

passed=0 failed=0 skipped=0 nr=0

# report VERDICT REASON LINE
report() {
	echo "$3"
	printf '%s\t%s\t%s\t%s\n' "$1" "$name" "$seconds" "$2" >>"$results"
}

judge() {
	took=$(($(now) - begin))
	seconds=$((took / 100)).$((took / 10 % 10))
	if [ -e "$dir/late" ]; then
		reason="timed out"
	elif [ "$status" -eq 0 ]; then
		passed=$((passed + 1))
		report pass "" "ok $nr - $name ($seconds s)"
		return
	elif [ "$status" -eq 77 ]; then
		skipped=$((skipped + 1))
		reason=$(tail -n 1 "$dir/out")
		report skip "$reason" "ok $nr - $name # SKIP $reason"
		return
	elif [ "$status" -gt 128 ]; then
		reason="signal $((status - 128))"
	else
		reason="exit status $status"
	fi
	failed=$((failed + 1))
	report fail "$reason" "not ok $nr - $name ($seconds s): $reason"
	sed 's/^/    /' "$dir/out"
}

run_one() {
	name=${1##*/}
	nr=$((nr + 1))
	begin=$(now)
	run "$1"
	judge
}

[ "$results" = /dev/null ] || : >"$results" || exit 2
for what; do
	if [ -d "$what" ]; then
		for program in "$what"/*; do
			[ ! -f "$program" ] || [ ! -x "$program" ] || run_one "$program"
		done
	else
		case $what in
		*/*) run_one "$what" ;;
		*) run_one "./$what" ;;
		esac
	fi
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

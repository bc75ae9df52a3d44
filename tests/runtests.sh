#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs test programs, each in a session of its own, and prints how they ended.
#
#   runtests.sh [-t SECONDS] [-p PREFIX] [-e EMULATOR] [-x FILE] DIR|PROGRAM...
#
#   -t  time for each program (default 60); then its process group is killed
#   -p  what stands before the names of the tests
#   -e  the command that runs the programs
#   -x  a file with a line for each test that cannot pass here: its name, a tab, and why
#
# Of a DIR, every executable file is run, in the order of the names. A program passes with
# exit status 0. It is skipped with 77; its last line of output then says why. Any other end
# fails, a hang too. If a program prints how each of its cases ended (TAP, with the plan
# "1..N"), each case is a test.
# shellcheck disable=SC2154 # the counters are lib.sh's
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

limit=60 prefix='' emulator='' cannot=/dev/null
while getopts t:p:e:x: option; do
	case $option in
	t) limit=$OPTARG ;;
	p) prefix=$OPTARG ;;
	e) emulator=$OPTARG ;;
	x) cannot=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
export CMOCKA_MESSAGE_OUTPUT=TAP

group=
at_exit() {
	[ -z "$group" ] || kill -9 "-$group" 2>/dev/null
}

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
	rm -f "$tmp/late"
	# shellcheck disable=SC2086 # the emulator has arguments
	setsid $emulator "$1" >"$tmp/out" 2>&1 </dev/null &
	group=$!
	# shellcheck disable=SC2016 # for the other shell
	setsid sh -c 'sleep "$1"; : >"$2"; kill -9 "-$3"' dog "$limit" "$tmp/late" "$group" &
	dog=$!
	{ wait "$group"; } 2>/dev/null
	status=$?
	kill_session "$dog"
	{ wait "$dog"; } 2>/dev/null
	kill -9 "-$group" 2>/dev/null
	group=
}

# reason TEST: why it cannot pass here, if it cannot
reason() {
	sed -n "s/^$1	//p" "$cannot" | grep .
}

# how_it_ended: in words, if not well
how_it_ended() {
	if [ -e "$tmp/late" ]; then
		echo "timed out"
	elif [ "$status" -gt 128 ]; then
		echo "signal $((status - 128))"
	else
		echo "exit status $status"
	fi
}

# The cases, and that there are as many as planned. cmocka says "not ok" of what is skipped.
judge_cases() { # judge_cases PLAN
	cases=0 bad=0 shown=$failed
	while IFS= read -r line; do
		case $line in
		"ok "*" # SKIP "* | "not ok "*" # SKIP "*) skip "$prefix${line#*# SKIP }" "as the program says" ;;
		"ok "*" - "*) ok "$prefix${line#* - }" ;;
		"not ok "*" - "*) bad=$((bad + 1)) && judge_bad_case "${line#* - }" ;;
		*) continue ;;
		esac
		cases=$((cases + 1))
	done <"$tmp/out"
	if [ "$cases" -ne "$1" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
		not_ok "$prefix$name: $cases of $1 tests, $(how_it_ended)"
	fi
	[ "$failed" -eq "$shown" ] || indent <"$tmp/out"
}

judge_bad_case() {
	if why=$(reason "${1%%,*}"); then
		skip "$prefix$1" "$why"
	else
		not_ok "$prefix$1"
	fi
}

judge() { # judge SECONDS
	if [ "$status" -eq 0 ] && [ ! -e "$tmp/late" ]; then
		ok "$prefix$name ($1 s)"
		grep 'left out' "$tmp/out" | indent
	elif [ "$status" -eq 77 ]; then
		skip "$prefix$name" "$(tail -n 1 "$tmp/out")"
	else
		not_ok "$prefix$name ($1 s): $(how_it_ended)"
		indent <"$tmp/out"
	fi
}

run_one() {
	name=${1##*/}
	if why=$(reason "$name"); then
		skip "$prefix$name" "$why"
		return
	fi
	begin=$(now)
	case $1 in
	*/*) run "$1" ;;
	*) run "./$1" ;;
	esac
	took=$(($(now) - begin))
	plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' "$tmp/out" | tail -n 1)
	if [ -n "$plan" ]; then
		judge_cases "$plan"
	else
		judge $((took / 100)).$((took / 10 % 10))
	fi
}

scratch
for what; do
	if [ -d "$what" ]; then
		for program in "$what"/*; do
			[ ! -f "$program" ] || [ ! -x "$program" ] || run_one "$program"
		done
	else
		run_one "$what"
	fi
done
verdict

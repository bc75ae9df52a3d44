#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Shows that boot.py notices what it is there to notice: runs it on guests
# that fail in each way, and on one that does not.
#
#   selftest.sh [KERNEL]      (default: uml)
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
kernel=${1:-uml}
scratch
out=$tmp/out

# expect TEXT STATUS COMMAND [OPTION...]: a guest that runs COMMAND makes boot.py exit so
expect() {
	"$here/boot.py" -n -k "$kernel" -t 60 "${@:4}" -- "$3" >"$out" 2>&1
	ended "$1" "$2" $?
}

ended() { # ended TEXT STATUS GOT
	check "$1 ($3)" [ "$2" -eq "$3" ]
	[ "$2" -eq "$3" ] || indent <"$out"
}

good_runs() {
	expect "a good run passes" 0 "true"
	expect "so does one with output" 0 'echo out; echo error >&2'
	check "which arrives, and nothing else" [ "$(tr '\n' ' ' <"$out")" = "out error " ]
	expect "the command's status is the result" 3 "exit 3"
	expect "harmless log lines pass" 0 \
		'echo "shmring: debugging: no warning, no bug" >/dev/kmsg'
}

# All of what a kernel may print, in one guest: each line must be among those that boot.py
# shows, and one is enough.
reports() {
	local report

	expect "a report in the kernel log fails" 121 \
		"while read -r line; do echo \"\$line\" >/dev/kmsg; done <$here/reports.txt"
	while read -r report; do
		check "found: $report" grep -qF "$report" "$out"
	done <"$here/reports.txt"
	report=$(head -n 1 "$here/reports.txt")
	expect "one report is enough" 121 "echo '$report' >/dev/kmsg"
	expect "a report outranks the command's status" 121 "echo '$report' >/dev/kmsg; exit 3"
}

bad_ends() {
	local began=$SECONDS

	expect "a hang is ended" 124 "sleep 1000" -t 12
	check "in time" [ $((SECONDS - began)) -le 20 ]
	check "and explained" grep -q "hang: .*sleep 1000" "$out"
	expect "a panic fails" 125 "echo c >/proc/sysrq-trigger; sleep 60"
	expect "an early power-off fails" 125 "busybox poweroff -f"
	expect "a kernel that does not exist is refused" 122 true -k none
}

good_runs
reports
bad_ends
verdict

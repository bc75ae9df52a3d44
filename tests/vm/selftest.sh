#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Shows that boot.sh notices what it is there to notice: runs it on guests
# that fail in each way, and on one that does not.
#
#   selftest.sh [KERNEL]      (default: uml)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernel=${1:-uml}
passed=0
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

check() { # TEXT CONDITION...
	if "${@:2}"; then
		echo "ok - $1"
		passed=$((passed + 1))
	else
		echo "not ok - $1"
		sed 's/^/# /' "$out"
		failed=$((failed + 1))
	fi
}

# A guest that runs COMMAND must make boot.sh exit with STATUS
expect() { # TEXT STATUS COMMAND [OPTION...]
	local status=0
	"$here/boot.sh" -n -k "$kernel" -t 60 "${@:4}" -- "$3" >"$out" 2>&1 ||
		status=$?
	check "$1 ($status)" [ "$status" -eq "$2" ]
}

# What the kernel would print; each must be found wherever the rest is fine
reports=(
	'WARNING: CPU: 0 PID: 1 at drivers/misc/shmring.c:1 f+0x1/0x2 [shmring]'
	'BUG: unable to handle page fault for address: 0000000000000008'
	'BUG: KASAN: slab-use-after-free in f+0x1/0x2 [shmring]'
	'BUG: KCSAN: data-race in f [shmring] / g [shmring]'
	'BUG: scheduling while atomic: producer/42/0x00000002'
	'NOHZ tick-stop error: local softirq work is pending, handler #80!!!'
	'BUG: sleeping function called from invalid context at mm/slab.h:1'
	'UBSAN: array-index-out-of-bounds in shmring.c:1:1'
	'WARNING: possible circular locking dependency detected'
	'WARNING: possible recursive locking detected'
	'WARNING: suspicious RCU usage'
	'unreferenced object 0xffff888000000000 (size 64):'
	'INFO: task producer:42 blocked for more than 120 seconds.'
	'rcu: INFO: rcu_sched self-detected stall on CPU'
	'watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [producer:42]'
	'general protection fault, maybe for address 0x0: 0000 [#1] SMP'
	'Oops: 0000 [#1] SMP'
	'refcount_t: underflow; use-after-free.'
	'Call Trace:'
)

expect "a good run passes" 0 "true"
expect "so does one with output" 0 'echo out; echo error >&2'
check "which arrives, and nothing else" \
	[ "$(tr '\n' ' ' <"$out")" = "out error " ]
expect "the command's status is the result" 3 "exit 3"
expect "harmless log lines pass" 0 \
	'echo "shmring: debugging: no warning, no bug" >/dev/kmsg'

# All of them in one guest: each line must be among those printed
all=$(printf "echo '%s' >/dev/kmsg\n" "${reports[@]}")
expect "a report in the kernel log fails" 121 "$all"
for report in "${reports[@]}"; do
	check "found: $report" grep -qF "$report" "$out"
done
expect "one report is enough" 121 "echo '${reports[0]}' >/dev/kmsg"
expect "a report outranks the command's status" 121 \
	"echo '${reports[2]}' >/dev/kmsg; exit 3"

expect "a panic fails" 125 "echo c >/proc/sysrq-trigger; sleep 60"
expect "an early power-off fails" 125 "busybox poweroff -f"
began=$SECONDS
expect "a hang is ended" 124 "sleep 1000" -t 12
check "in time" [ $((SECONDS - began)) -le 20 ]
check "and explained" grep -q "hang: .*sleep 1000" "$out"
expect "a kernel that does not exist is refused" 122 true -k none

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

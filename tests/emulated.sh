#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the library's tests as programs of another machine, big-endian for one, on this
# kernel: QEMU's user mode translates the instructions and the system calls.
#
#   emulated.sh UNIT_DIR SYSTEM_DIR EMULATOR [ARGUMENT...]
set -u
unit=$1 system=$2
shift 2
passed=0 failed=0 skipped=0
re='^(not )?ok [0-9]+ - (.*)'

# What cannot pass there, whatever the library does.
no_fork="QEMU's user mode ignores madvise(MADV_DONTFORK)"
start="QEMU's user mode gives each thread another start time in /proc/self/stat"
declare -A cannot=(
	[adaptive_threads_pass_every_message]=$start
	[looking_threads_pass_every_message]=$start
	[spinning_threads_pass_every_message]=$start
	[polling_thread_gets_every_message]=$start
	[device_of_another_kind_is_no_module]="QEMU's user mode fails foreign ioctls with ENOSYS"
	[child_leaves_the_parent_its_role]=$no_fork
	[lib_fork]=$no_fork
	[lib_errors]="QEMU's user mode does not enforce RLIMIT_AS"
	[lib_servers]="a program of another machine cannot be executed by name"
	[lib_waits]="QEMU's user mode has no epoll_pwait2()"
)

ok() { echo "ok - $1" && ((++passed)); }
skip() { echo "ok - $1 # SKIP $2" && ((++skipped)); }
fail() { # fail NAME OUTPUT
	echo "not ok - $1"
	printf '%s\n' "$2" | sed 's/^/    /'
	((++failed))
}

# Each test of a unit test program; and it runs as many as it has.
unit_tests() {
	local out count=0 line name

	out=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 300 "$@" 2>&1)
	while read -r line; do
		[[ $line =~ $re ]] || continue
		((++count))
		name=${BASH_REMATCH[2]}
		if [ -z "${BASH_REMATCH[1]}" ]; then
			ok "$name"
		elif [ -n "${cannot[${name%%,*}]:-}" ]; then
			skip "$name" "${cannot[${name%%,*}]}"
		else
			fail "$name" "$out"
		fi
	done <<<"$out"
	[[ $out =~ 1\.\.([0-9]+) && $count -eq ${BASH_REMATCH[1]} ]] ||
		fail "${*: -1}: ends early" "$out"
}

system_test() {
	local name=${*: -1} out status

	name=${name##*/}
	[ -z "${cannot[$name]:-}" ] || { skip "$name" "${cannot[$name]}" && return; }
	out=$(SHMRING_BACKEND=memfd timeout -k 5 300 "$@" 2>&1)
	status=$?
	case $status in
	0) ok "$name" ;;
	77) skip "$name" "$(tail -n 1 <<<"$out")" ;;
	*) fail "$name: exit status $status" "$out" ;;
	esac
}

for program in "$unit"/*_test; do
	unit_tests "$@" "$program"
done
for program in "$system"/lib_*; do
	system_test "$@" "$program"
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))

#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the library's tests as programs of another machine, big-endian for one, on this
# kernel: QEMU's user mode translates the instructions and the system calls.
#
#   emulated.sh PROBE UNIT_DIR SYSTEM_DIR EMULATOR [ARGUMENT...]
#
# PROBE is emulated.c, built for that machine.
set -u
probe=$1 unit=$2 system=$3
shift 3
passed=0 failed=0 skipped=0
re='^(not )?ok [0-9]+ - (.*)'

# What the emulator may lack, by the names that emulated.c prints, and what then cannot
# pass, whatever the library does.
declare -A reason=(
	[MADV_DONTFORK]="QEMU's user mode ignores madvise(MADV_DONTFORK)"
	[RLIMIT_AS]="QEMU's user mode does not enforce RLIMIT_AS"
	[epoll_pwait2]="QEMU's user mode has no epoll_pwait2()"
	[ioctl]="QEMU's user mode fails foreign ioctls with ENOSYS"
	[exec]="a program of another machine cannot be executed by name"
)
declare -A needs=(
	[device_of_another_kind_is_no_module]=ioctl
	[child_leaves_the_parent_its_role]=MADV_DONTFORK
	[lib_fork]=MADV_DONTFORK
	[lib_errors]=RLIMIT_AS
	[lib_servers]=exec
	[lib_waits]=epoll_pwait2
)
lacks=" $("$@" "$probe" | tr '\n' ' ')"

# cannot TEST: prints why, if so
cannot() {
	local need=${needs[$1]:-}

	[ -n "$need" ] && [[ $lacks == *" $need "* ]] && echo "${reason[$need]}"
}

ok() { echo "ok - $1" && ((++passed)); }
skip() { echo "ok - $1 # SKIP $2" && ((++skipped)); }
fail() { # fail NAME OUTPUT
	echo "not ok - $1"
	printf '%s\n' "$2" | sed 's/^/    /'
	((++failed))
}

# Each test of a unit test program; and it runs as many as it has.
unit_tests() {
	local out count=0 line name why

	out=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 300 "$@" 2>&1)
	while read -r line; do
		[[ $line =~ $re ]] || continue
		((++count))
		name=${BASH_REMATCH[2]}
		if [ -z "${BASH_REMATCH[1]}" ]; then
			ok "$name"
		elif why=$(cannot "${name%%,*}"); then
			skip "$name" "$why"
		else
			fail "$name" "$out"
		fi
	done <<<"$out"
	[[ $out =~ 1\.\.([0-9]+) && $count -eq ${BASH_REMATCH[1]} ]] ||
		fail "${*: -1}: ends early" "$out"
}

system_test() {
	local name=${*: -1} out status why

	name=${name##*/}
	if why=$(cannot "$name"); then
		skip "$name" "$why"
		return
	fi
	out=$(SHMRING_BACKEND=memfd timeout -k 5 300 "$@" 2>&1)
	status=$?
	case $status in
	0) ok "$name" && grep 'left out' <<<"$out" | sed 's/^/    /' ;;
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

#!/bin/bash
# SPDX-License-Identifier: MIT
# Crash points, deaths, a hostile peer, loading and unloading: here on the memfd
# backend, on /dev/shmring in guests.
#
#   run.sh short|long|KERNEL
#
# POINTS (crash points), KILLS (SIGKILLs on either backend, and as many in rings with lanes),
# SECONDS_EACH (of each hostile role), LOADS (and unloads) and SEED, in the environment, say
# how much.
# With a KERNEL (see tests/vm/kernel.sh): SIGKILLs, a hostile peer and loads there
# alone, as much each time, again and again for TIME seconds.
# shellcheck disable=SC1091,SC2154 # what lib.sh and common.sh set
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
. tests/vm/common.sh
programs=build/tests/torture

# build SUFFIX [SETTING...]
build() {
	make -s -C tests/torture O="../../$programs$1" "${@:2}" || exit 1
}

on_memfd() { # on_memfd FOLDER PROGRAM
	SHMRING_BACKEND=memfd timeout -k 5 "$limit" "$1/$2" | tee "$tmp/out"
	case ${PIPESTATUS[0]} in
	0) ok "$2 on memfd" ;;
	77) skip "$2 on memfd" "$(tail -n 1 "$tmp/out")" ;;
	*) not_ok "$2 on memfd" ;;
	esac
}

# in_guest KERNEL PROGRAM...: user-mode Linux has the host's files, others get theirs
in_guest() {
	local name=$1 from=$programs files=() file settings
	shift

	module_for "$name" W=1 || { not_ok "$name: the kernel and the module are built" && return; }
	if [ "$ARCH" != um ]; then
		build -static STATIC=1
		from+=-static
		for file in "$ko/shmring.ko" "${@/#/$from/}"; do
			files+=(-i "$file:/tmp/$file")
		done
	fi
	settings=$(env | grep -E '^SHMRING_(KILLS|SECONDS|LOADS|SEED|TIME)=' | tr '\n' ' ')
	include "$name" tests/vm/boot.py -t "$limit" -k "$name" -l "build/log/torture-$name.kernel" \
		"${files[@]}" -- "$settings tests/guest.sh torture $ko/shmring.ko $from $*"
}

kernel=
case ${1:-} in
short) how_much=(200000 400 3 300) hub_kills=1200 limit=300 ;;
long) how_much=(3000000 10000 60 10000) hub_kills=10000 limit=3600 ;;
uml* | debian-* | kcsan)
	kernel=$1 how_much=(0 50 2 300) limit=$((${TIME:=60} * 2 + 900))
	export SHMRING_TIME=$TIME
	;;
*) usage ;;
esac
export SHMRING_POINTS=${POINTS:-${how_much[0]}} SHMRING_KILLS=${KILLS:-${how_much[1]}}
export SHMRING_SECONDS=${SECONDS_EACH:-${how_much[2]}} SHMRING_LOADS=${LOADS:-${how_much[3]}}
export SHMRING_SEED=${SEED:-$RANDOM}

tests/vm/deps.sh build kernel vm || exit
mkdir -p build/log
scratch
build ''
if [ -n "$kernel" ]; then
	echo "--- $kernel, for $TIME s; first seed $SHMRING_SEED"
	in_guest "$kernel" kill kill_hub hostile reload
else
	# ASan and UBSan where they do not get in the way
	build -asan SAN=address,undefined
	echo "--- $(uname -sr), memfd; seed $SHMRING_SEED"
	on_memfd $programs step
	on_memfd $programs kill
	SHMRING_KILLS=${KILLS:-$hub_kills} on_memfd $programs kill_hub
	on_memfd $programs-asan hostile
	in_guest uml kill kill_hub
	in_guest uml-debug hostile reload
fi
verdict

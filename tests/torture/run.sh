#!/bin/bash
# SPDX-License-Identifier: MIT
# Crash points, deaths, a hostile peer, loading and unloading: here on the memfd
# backend, on /dev/shmring in guests.
#
#   run.sh short|long|KERNEL
#
# POINTS (crash points), KILLS (SIGKILLs on either backend), SECONDS_EACH (of each
# hostile role), LOADS (and unloads) and SEED, in the environment, say how much.
# With a KERNEL (see tests/vm/kernel.sh): SIGKILLs, a hostile peer and loads there
# alone, as much each time, again and again for TIME seconds.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0 skipped=0

kernel=
case ${1:-} in
short) how_much=(200000 400 3 300) limit=300 ;;
long) how_much=(3000000 10000 60 10000) limit=3600 ;;
uml* | debian-* | kcsan)
	kernel=$1 how_much=(0 50 2 300) limit=$((${TIME:=60} * 2 + 900))
	export SHMRING_TIME=$TIME
	;;
*)
	sed -n 's/^#   \(run.sh\)/\1/p' "$0" >&2
	exit 2
	;;
esac
export SHMRING_POINTS=${POINTS:-${how_much[0]}} SHMRING_KILLS=${KILLS:-${how_much[1]}}
export SHMRING_SECONDS=${SECONDS_EACH:-${how_much[2]}} SHMRING_LOADS=${LOADS:-${how_much[3]}}
export SHMRING_SEED=${SEED:-$RANDOM}

# build SUFFIX [SETTING...]
build() {
	make -s -C tests/torture O="../../build/tests/torture$1" "${@:2}" || exit 1
}

here() { # here PROGRAM: on memfd, with ASan and UBSan where that does not get in the way
	local dir=build/tests/torture out=build/log/torture-$1.log
	[ "$1" != hostile ] || dir+=-asan
	SHMRING_BACKEND=memfd timeout -k 5 "$limit" "$dir/$1" | tee "$out"
	case ${PIPESTATUS[0]} in
	0)
		echo "ok - $1 on memfd"
		((++passed))
		;;
	77)
		echo "ok - $1 on memfd # SKIP $(tail -n 1 "$out")"
		((++skipped))
		;;
	*)
		echo "not ok - $1 on memfd"
		((++failed))
		;;
	esac
}

# guest KERNEL PROGRAM...: user-mode Linux has the host's files, others get theirs
guest() {
	local vars name=$1 out KDIR ARCH RELEASE settings re='^([0-9]+) passed, ([0-9]+) failed$'
	local ko dir=build/tests/torture file files=()
	shift
	vars=$(tests/vm/kernel.sh "$name") || vars=false
	if ! eval "$vars" || ! make -s modules KDIR="$KDIR" ARCH="$ARCH" W=1; then
		echo "not ok - $name: the kernel and the module are built"
		((++failed))
		return
	fi
	ko=build/kmod-$RELEASE-$ARCH/shmring.ko
	if [ "$ARCH" != um ]; then
		build -static STATIC=1
		dir+=-static
		for file in "$ko" "${@/#/$dir/}" tests/check.sh tests/torture/guest.sh; do
			files+=(-i "$file:/tmp/$file")
		done
	fi
	settings=$(env | grep -E '^SHMRING_(KILLS|SECONDS|LOADS|SEED|TIME)=' | tr '\n' ' ')
	out=build/log/torture-$name
	tests/vm/boot.sh -t "$limit" -k "$name" -l "$out.kernel" "${files[@]}" -- \
		"$settings tests/torture/guest.sh $ko $dir $*" | tee "$out.log"
	if ((PIPESTATUS[0])); then
		echo "not ok - $name: ends as it should, without a report"
		((++failed))
	fi
	if [[ $(grep -E "$re" "$out.log" | tail -n 1) =~ $re ]]; then
		((passed += BASH_REMATCH[1], failed += BASH_REMATCH[2]))
	fi
}

tests/vm/deps.sh build kernel vm || exit
mkdir -p build/log
build ''
if [ -n "$kernel" ]; then
	echo "--- $kernel, for $TIME s; first seed $SHMRING_SEED"
	guest "$kernel" kill hostile reload
else
	build -asan SAN=address,undefined
	echo "--- $(uname -sr), memfd; seed $SHMRING_SEED"
	here step
	here kill
	here hostile
	guest uml kill
	guest uml-debug hostile reload
fi

echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))

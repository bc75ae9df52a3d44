#!/bin/bash
# SPDX-License-Identifier: MIT
# Which lines and branches of the module and the library the tests reach: the unit
# and the system tests here on the memfd backend, KUnit and the system tests in a
# guest. A line that is not reached must have its reason in reasons.txt. What a
# process that is killed had reached is not counted.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=build/coverage log=build/log
failed=0
export SHMRING_MESSAGES=${SHMRING_MESSAGES:-200000}

tests/vm/deps.sh build kernel vm coverage || exit
vars=$(tests/vm/kernel.sh uml-gcov) || exit
eval "$vars"
: "${KDIR=}" "${ARCH=}" "${RELEASE=}"

build() { # build DIR [VARIABLE=VALUE...]: with gcc, as it counts for gcov
	LDFLAGS="--coverage -Wl,--wrap=_exit $PWD/$out/exit.o" make -s -C "$1" CC=gcc CXX=g++ \
		CFLAGS='-O0 -g --coverage -fprofile-update=atomic' "${@:2}"
}

rm -rf $out
mkdir -p $out $log
{
	gcc -Wall -Wextra -Werror -c -o $out/exit.o tests/coverage/exit.c &&
		build libuser O="$PWD/$out/libuser" &&
		build tests/unit O="$PWD/$out/unit" &&
		build tests/system O="$PWD/$out/system" LIB="$PWD/$out/libuser/libshmring.a" &&
		make -s modules KUNIT=1 GCOV_PROFILE=y BUILD="$PWD/$out" KDIR="$KDIR" ARCH="$ARCH"
} || exit

echo "--- $(uname -sr), memfd"
SHMRING_BACKEND=memfd tests/runtests.sh -t 300 $out/unit/*_test $out/system/lib_* || failed=1
tests/vm/boot.sh -t 1200 -k uml-gcov -l $log/coverage.kernel -- \
	"SHMRING_MESSAGES=$SHMRING_MESSAGES tests/coverage/guest.sh $out/kmod-$RELEASE-$ARCH $out/system" ||
	failed=1

echo "--- reached, with $(uname -sr) and Linux $RELEASE, $(date +%F)"
python3 tests/coverage/report.py tests/coverage/reasons.txt $out || failed=1
exit $failed

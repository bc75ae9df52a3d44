#!/bin/sh
# SPDX-License-Identifier: MIT
# In a guest whose kernel can count: the KUnit and the system tests on a module that
# does; then its counts are put beside its objects.
#
#   guest.sh MODULE-BUILD DIR
set -u
build=$1 dir=$2 status=0

tests/kunit/run.sh "$build/kmod/shmring.ko" "$build/tests/kunit/shmring_kunit.ko" || status=1
tests/system/guest.sh "$build/kmod/shmring.ko" "$dir" || status=1
for counts in "/sys/kernel/debug/gcov$PWD/$build"/kmod/*.gcda; do
	cat "$counts" >"$build/kmod/${counts##*/}" || status=1
done
exit $status

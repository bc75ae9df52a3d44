#!/bin/sh
# SPDX-License-Identifier: MIT
# In a guest: tortures the module with the programs named, and unloads it.
#
#   guest.sh MODULE DIR PROGRAM...
#
# SHMRING_TIME: for so many seconds, again and again, each time with the next seed.
set -u
SHMRING_KO=$1 dir=$2
shift 2
SHMRING_SEED=${SHMRING_SEED:-1}
export SHMRING_KO SHMRING_SEED SHMRING_BACKEND=kmod SHMRING_REQUIRE=kmod
here=$(dirname "$0")
# shellcheck source=tests/check.sh
. "$here/../check.sh"

echo "--- Linux $(uname -r), /dev/shmring"
end=$(($(date +%s) + ${SHMRING_TIME:-0}))
while
	for program; do
		[ "$program" = reload ] || grep -q '^shmring ' /proc/modules || insmod "$SHMRING_KO"
		check "$program on /dev/shmring" "$dir/$program"
	done
	[ "$failed" -eq 0 ] && [ "$(date +%s)" -lt "$end" ]
do
	SHMRING_SEED=$((SHMRING_SEED + 1))
done
! grep -q '^shmring ' /proc/modules || check "rmmod" rmmod shmring

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

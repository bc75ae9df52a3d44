#!/bin/sh
# SPDX-License-Identifier: MIT
# In a guest: runs the corpus, then new programs.
#
#   guest.sh MODULE DIR SECONDS SEED
set -u
ko=$1 dir=$2 seconds=$3 seed=$4
here=$(dirname "$0")
# shellcheck source=tests/check.sh
. "$here/../check.sh"

# The module gives back everything, or is not to be unloaded.
all_freed() {
	[ -e /proc/allocinfo ] && ! awk '/\[shmring\]/ && $1 { print; found = 1 } END { exit !found }' /proc/allocinfo
}

echo "Linux $(uname -r), $seconds s, seed $seed"
# So that the program that is under way is the culprit.
echo 1 >/proc/sys/kernel/panic_on_warn
check "insmod" insmod "$ko" max_pages=2000
check "the corpus" "$dir/fuzz" -r -l "$dir/last" "$here"/corpus/*.txt
check "new programs" "$dir/fuzz" -t "$seconds" -s "$seed" -l "$dir/last" -k "$dir/found" \
	"$here"/corpus/*.txt
check "all memory is given back" all_freed
check "rmmod" rmmod shmring

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

#!/bin/sh
# SPDX-License-Identifier: MIT
# In a guest: loads the module, runs the system tests on it, then those of the
# library on the memfd backend too, and unloads. Where DIR/tools/shmring is, the
# command is tested too.
#
#   guest.sh MODULE DIR
set -u
ko=$1 dir=$2
here=$(dirname "$0")
results=$(mktemp) || exit 1
skipped=0
# shellcheck source=tests/check.sh
. "$here/../check.sh"

count() { grep -c "^$1" "$results"; }

# suite BACKEND PROGRAM...
suite() {
	backend=$1
	shift
	echo "--- Linux $(uname -r), backend $backend"
	SHMRING_BACKEND=$backend SHMRING_KO=$ko \
		"$here/../runtests.sh" -t "${SHMRING_LIMIT:-300}" -T "$results" "$@"
	passed=$((passed + $(count pass)))
	failed=$((failed + $(count fail)))
	skipped=$((skipped + $(count skip)))
}

tool() {
	"$here/../tool/run.sh" "$dir/tools/shmring" kmod memfd >"$results"
	cat "$results"
	left=$(count "ok .* # SKIP")
	passed=$((passed + $(count "ok ") - left))
	failed=$((failed + $(count "not ok ")))
	skipped=$((skipped + left))
}

unloaded() { ! grep -q '^shmring ' /proc/modules; }

check "insmod" insmod "$ko"
check "/dev/shmring is there, and root's alone" \
	test "$(stat -c '%F %a %u' /dev/shmring)" = "character special file 600 0"
SHMRING_REQUIRE=kmod
export SHMRING_REQUIRE
suite kmod "$dir"
[ ! -e "$dir/tools/shmring" ] || tool
check "rmmod" rmmod shmring
check "the module is gone" unloaded
unset SHMRING_REQUIRE
suite memfd "$dir"/lib_*
rm -f "$results"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

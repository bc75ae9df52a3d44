# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What the scripts in guests count with. Sourced; whoever sources it says the totals.
passed=0 failed=0

check() { # check NAME COMMAND...
	name=$1
	shift
	if "$@"; then
		echo "ok - $name"
		passed=$((passed + 1))
	else
		echo "not ok - $name"
		failed=$((failed + 1))
	fi
}

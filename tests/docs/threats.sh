#!/bin/bash
# SPDX-License-Identifier: MIT
# Says what of docs/threats.md is not so: a test that is not there or that nothing
# calls, a file that is not there, a row that names neither.
#
#   threats.sh [DOCUMENT]
set -u
cd "$(dirname "$0")/../.." || exit 1
document=${1:-docs/threats.md}

# A function is named where it is defined, and where it is called or listed.
test_is_there() { # DIRECTORY/FILE FUNCTION
	local file=tests/$1.c

	if [ ! -f "$file" ]; then
		echo "$document: $file is not there"
	elif (($(grep -cw -- "$2" "$file") < 2)); then
		echo "$document: $file has no $2, or does not call it"
	fi
}

# shellcheck disable=SC2016 # no command
named='`(system|kunit|unit)/[a-z_0-9]+:[a-z_0-9]+`'
# shellcheck disable=SC2016 # nor this
path='`tests/[a-z_0-9./]+`'
grep -oE "$named" "$document" | tr -d '`' | sort -u | while IFS=: read -r file function; do
	test_is_there "$file" "$function"
done
grep -oE "$path" "$document" | tr -d '`' | sort -u | while read -r file; do
	[ -e "$file" ] || echo "$document: $file is not there"
done
grep -E '^\| [MCIWDR][0-9]+ ' "$document" | grep -vE "$named|$path" | sed "s,^,$document: no test: ,"
rows=$(grep -cE '^\| [MCIWDR][0-9]+ ' "$document")
((rows == 51)) || echo "$document: $rows rows, not 51"

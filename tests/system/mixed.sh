#!/bin/sh
# SPDX-License-Identifier: MIT
# A 32-bit and a 64-bit program share a ring, either way round: the producer and the
# consumer of the README, from the folders examples and native beside this.
set -u
dir=$(dirname "$0")
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
lines=200000

# stream FROM TO: folders. Until the name is there, the consumer has nothing to say; and
# the producer does not end before somebody has taken what it sends.
stream() {
	seq $lines | "$dir/$1/producer" "/mixed.$$" &
	until "$dir/$2/consumer" "/mixed.$$" >"$out" || [ -s "$out" ]; do
		kill -0 $! || exit 1
		sleep 0.05
	done 2>/dev/null
	wait $!
	seq $lines | cmp - "$out" || exit 1
	echo "$lines lines from $1 to $2"
}

stream examples native
stream native examples

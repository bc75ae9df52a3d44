#!/bin/sh
# SPDX-License-Identifier: MIT
# Does the benchmark measure what it says? It must find its broken contenders broken, all
# others must deliver every byte, and the report must be made of its CSV. No figure is judged.
#
#   run.sh BENCH
# shellcheck disable=SC1091,SC2154 # what lib.sh sets
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
[ $# -eq 1 ] || usage
bench=$1
scratch

nothing_broken() { # nothing_broken SIZE
	"$bench" --backend memfd --check --keep --rounds 1 --seconds 0.02 \
		--tests stream,batch,pingpong,sleep_pingpong --sizes "$1" --csv "$tmp/$1.csv" &&
		grep -q ',shmring-records,.*,ok$' "$tmp/$1.csv" && ! grep -q ',broken$' "$tmp/$1.csv"
}

report() {
	python3 tools/bench/report "$tmp/64.csv" "$tmp/report.html" &&
		grep -q '<svg' "$tmp/report.html" && grep -q 'shmring records' "$tmp/report.html"
}

check "broken contenders are found broken" quietly "$bench" --self-test
for size in 8 64 4096; do
	check "every byte of every message of $size bytes arrives, in all ways" \
		quietly nothing_broken $size
done
check "the report has plots and tables" quietly report
check "every message of many producers arrives once and in order" \
	quietly "$bench-many" --backend memfd --rounds 1 --seconds 0.02
verdict

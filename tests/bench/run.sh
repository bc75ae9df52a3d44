#!/bin/sh
# SPDX-License-Identifier: MIT
# Does the benchmark measure what it says? Its broken contenders are found broken, all
# others deliver every byte, and the report is made of what it wrote. No figure counts.
#
#   run.sh BENCH
set -u
bench=$1
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

check() { # check NAME COMMAND...
	name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then
		echo "ok - $name"
		passed=$((passed + 1))
	else
		echo "not ok - $name"
		tail -n 20 "$dir/out" | sed 's/^/    /'
		failed=$((failed + 1))
	fi
}

nothing_broken() {
	"$bench" --backend memfd --check --keep --rounds 1 --seconds 0.02 \
		--tests stream,batch,pingpong,sleep_pingpong --sizes "$1" --csv "$dir/$1.csv" &&
		grep -q ',shmring-records,.*,ok$' "$dir/$1.csv" && ! grep -q ',broken$' "$dir/$1.csv"
}

report() {
	python3 "$here/../../tools/bench/report" "$dir/64.csv" "$dir/report.html" &&
		grep -q '<svg' "$dir/report.html" && grep -q 'shmring records' "$dir/report.html"
}

check "broken contenders are found broken" "$bench" --self-test
for size in 8 64 4096; do
	check "every byte of every message of $size bytes arrives, in all ways" nothing_broken $size
done
check "the report has plots and tables" report
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

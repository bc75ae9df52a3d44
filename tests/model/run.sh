#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks the models of the wake-up protocol: wait.pml with Spin, the litmus tests
# with herd7; and the library against a hostile peer, with CBMC. README.md says what
# each is about. What is right must hold in every case there is, and what is broken on
# purpose must be found broken.
#
#   run.sh [NAME...]	only those whose name contains one of these
#
# LONG=1: the largest searches, too, which take a third of the time.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -u
cd "$(dirname "$0")" || exit 1
here=$PWD
. ../vm/common.sh
. ../vm/apt.sh
. ./cbmc.sh
build=$here/../../build/model
limit=900	# seconds, for a single search

# ---------------------------------------------------------------------- Spin

# Right: NAME FLAG...; the longest first.
right() {
	local p c
	local small='-DTOTAL=4 -DBUDGET=0'
	local several='-DGRACE -DWATCHERS -DTOTAL=2 -DBUDGET=0'

	cat <<-END
		producers-come-and-go -DWATCHERS -DREATTACH -DTOTAL=2 -DBUDGET=0
		several-sleepers -DWATCHERS -DTOTAL=2 -DBUDGET=0
		several-sleepers-EDGE -DWATCHERS -DTOTAL=2 -DBUDGET=0 -DSECOND=EDGE
		grace-death -DGRACE -DTOTAL=3 -DALWAYS_P
		always-EDGE-long -DALWAYS -DPRODUCER=EDGE -DTOTAL=7 -DBUDGET=0
		credit-1 $small
		credit-2 $small -DCREDIT=2
		credit-1-death-space -DTOTAL=4 -DALWAYS_C
		credit-1-death -DTOTAL=3
		queue -DTOTAL=3 -DQUEUE
		queue-always -DTOTAL=4 -DALWAYS -DQUEUE
		patience -DTOTAL=5 -DBUDGET=0 -DELSEWHERE
		patience-always -DTOTAL=6 -DALWAYS -DELSEWHERE -DBUDGET=0
		patience-grace $small -DGRACE -DELSEWHERE
		watermark $small -DNO_PATIENCE
		grace-several $several
		grace-several-first $several -DFIRST=1
		grace-comes-and-goes -DGRACE -DWATCHERS -DREATTACH -DTOTAL=1 -DBUDGET=0
		grace-consumer-BLOCK $small -DGRACE -DALWAYS_P -DCONSUMER=BLOCK
		grace-producer-BLOCK $small -DGRACE -DALWAYS_C -DPRODUCER=BLOCK
		grace-producer-LEVEL $small -DGRACE -DALWAYS_C -DPRODUCER=LEVEL
	END
	for c in BLOCK LEVEL EDGE; do
		echo "credit-1-consumer-$c $small -DALWAYS_P -DCONSUMER=$c"
		echo "credit-1-producer-$c $small -DALWAYS_C -DPRODUCER=$c"
		echo "always-BLOCK-$c -DTOTAL=4 -DALWAYS -DCONSUMER=$c"
	done
	for p in LEVEL EDGE; do
		echo "always-$p-BLOCK -DTOTAL=4 -DALWAYS -DPRODUCER=$p"
		for c in LEVEL EDGE; do
			echo "always-$p-$c $small -DALWAYS -DPRODUCER=$p -DCONSUMER=$c"
		done
	done
}

# Right, too: NAME FLAG...
right_long() {
	local c small='-DGRACE -DTOTAL=4 -DBUDGET=0'

	for c in LEVEL EDGE; do
		echo "grace-consumer-$c $small -DALWAYS_P -DCONSUMER=$c"
	done
	echo "grace-several-EDGE -DGRACE -DWATCHERS -DTOTAL=2 -DBUDGET=0 -DCONSUMER=EDGE"
	echo "grace-producer-EDGE $small -DALWAYS_C -DPRODUCER=EDGE"
}

# Broken, one way each.
broken() {
	local m
	local small='-DTOTAL=4 -DBUDGET=0' several='-DWATCHERS -DTOTAL=2 -DBUDGET=0'

	for m in NO_D NO_I NO_J EARLY_H EARLY_LOAD NO_RELOAD NEW_FENCE_UNTIL NO_FENCE_UNTIL \
		LATE_FENCE_UNTIL SHARED_FENCED NO_FENCE_LOCK NO_RECHECK NO_RESET LATE_RESET; do
		echo "$m $several -D$m"
	done
	for m in EARLY_GRACE EARLY_RELY NO_RELY NEW_GRACE NO_NAP; do
		echo "$m $several -DGRACE -D$m"
	done
	for m in NO_LATER NO_WORK_WAKE EARLY_WORK; do
		echo "$m $several -DGRACE -DCONSUMER=EDGE -D$m"
	done
	echo "NO_PATIENCE -DTOTAL=6 -DALWAYS -DELSEWHERE -DBUDGET=0 -DNO_PATIENCE"
	for m in NO_I EARLY_H NO_RELOAD SHARED_FENCED NO_FENCE_LOCK; do
		echo "$m-grace $several -DGRACE -D$m"
	done
	echo "RESET_AT_ATTACH $several -DREATTACH -DRESET_AT_ATTACH"
	for m in EARLY_J NO_KICK NO_YIELD; do
		echo "$m $small -D$m"
	done
	for m in NO_D NO_I; do
		echo "$m-always $small -DALWAYS -D$m"
	done
	echo "NO_DEATH -DTOTAL=4 -DALWAYS -DNO_DEATH"
	echo "NO_LEAVE -DTOTAL=4 -DALWAYS -DQUEUE -DNO_LEAVE"
	for m in NO_EDGE_KICK NO_LOWER; do
		echo "$m -DTOTAL=7 -DBUDGET=0 -DALWAYS -DPRODUCER=EDGE -D$m"
	done
}

# spin_one right|broken NAME FLAG...
spin_one() {
	local want=$1 name=$2 dir=$build/$1-$2 start=$SECONDS got states
	shift 2

	rm -rf "$dir"
	mkdir -p "$dir"
	if ! (cd "$dir" && spin "$@" -a "$here/wait.pml" &&
		gcc -O2 -w -DSAFETY -DCOLLAPSE -DNOFAIR -DMEMLIM=8000 -o pan pan.c) \
		>"$dir/build.log" 2>&1; then
		echo "not ok - spin: $name cannot be built"
		sed 's/^/    /' "$dir/build.log"
		return
	fi
	(cd "$dir" && timeout $limit ./pan -m100000) >"$dir/pan.log" 2>&1
	states=$(awk '/states, stored/ { print $1; exit }' "$dir/pan.log")
	if grep -qE '^pan:1: (invalid end state|assertion violated)' "$dir/pan.log"; then
		got=broken
	elif grep -q 'errors: 0$' "$dir/pan.log" && ! grep -qE \
		'Search not completed|search depth too small|out of memory' "$dir/pan.log"; then
		got=right
	else
		got=unfinished
	fi
	if [ $got = "$want" ]; then
		echo "ok - spin: $name is $want ($states states, $((SECONDS - start)) s)"
		rm -rf "$dir"
	else
		echo "not ok - spin: $name is $got (${states:-no} states, see ${dir#"$here/../../"})"
		echo "    flags: $* (README.md says how to see the trail)"
		grep '^pan:' "$dir/pan.log" | sed 's/^/    /'
	fi
}

# --------------------------------------------------- tools of newer Debian suites

# unpack TOOL SUITE PACKAGE...: to the cache, with the libraries of its own suite
unpack() (
	tool=$1 suite=$2
	shift 2
	lock "$tool"
	[ ! -e "$cache/$tool/ready" ] || exit 0
	command -v apt-get >/dev/null || die "no apt-get"
	rm -rf "${cache:?}/$tool"
	apt_open "$suite"
	apt_unpack "$suite" "$cache/$tool" "$@"
	touch "$cache/$tool/ready"
)

# unpacked TOOL PROGRAM ARGUMENT...
unpacked() {
	local dir=$cache/$1 program=$2 libs

	shift 2
	libs=$(find "$dir" -name 'libc.so.6' -printf '%h')
	"$(find "$dir" -name 'ld-linux-*.so.?' | head -n 1)" --library-path "$libs:$dir/usr/lib" \
		"$dir/usr/bin/$program" "$@"
}

# ---------------------------------------------------------------------- herd7

# Debian has it in sid alone.
fetch_herd() { unpack herd sid herdtools7 libc6 libstdc++6 libgcc-s1 libgmp10; }

herd() { unpacked herd herd7 -set-libdir "$cache/herd/usr/share/herdtools7/herd" "$@"; }
export -f unpacked herd

# The kernel's own model, from its newest source.
memory_model() {
	local vars KDIR

	vars=$(../vm/kernel.sh src-7.3) || return
	eval "$(echo "$vars" | grep '^KDIR=')"
	sed -n 's,^include \(.*\)/Makefile$,\1/tools/memory-model,p' "$KDIR/Makefile"
}

# herd_one DIR/FILE
herd_one() {
	local want out got model=()

	case $1 in
	lkmm/*) cd "$lkmm" && model=(-conf linux-kernel.cfg) ;;
	c11/*) model=(-model rc11.cat) ;;
	esac
	want=$(sed -n 's/^ \* Result: //p' "$here/$1")
	out=$(timeout $limit bash -c 'herd "$@"' herd "${model[@]}" "$here/$1" 2>&1)
	got=$(echo "$out" | sed -n 's/^Observation [^ ]* \([^ ]*\) .*/\1/p')
	# A data race: anything may happen.
	! echo "$out" | grep -q '^Flag.*\(race\|undef\)' || got=Race
	if [ -n "$got" ] && [ "$got" = "$want" ] && ! echo "$out" | grep -q '^Warning'; then
		echo "ok - herd: ${1%.litmus}: $got"
	else
		echo "not ok - herd: ${1%.litmus}: ${got:-no result} instead of $want"
		echo "$out" | tail -n 20 | sed 's/^/    /'
	fi
}

# ---------------------------------------------------------------------- all

if [ "${1:-}" = --one ]; then
	shift
	"$@"
	exit
fi

# chosen NAME: is it among those asked for?
chosen() {
	local name

	[ ${#names[@]} -gt 0 ] || return 0
	for name in "${names[@]}"; do
		[[ $1 != *"$name"* ]] || return 0
	done
	return 1
}

# One job a line: the function and its arguments.
jobs_of() {
	local name flags file

	{
		[ -z "${LONG:-}" ] || right_long
		right
	} | while read -r name flags; do
		! chosen "$name" || echo "spin_one right $name $flags"
	done
	broken | while read -r name flags; do
		! chosen "$name" || echo "spin_one broken $name $flags"
	done
	cbmc_right | while read -r file name; do
		[ -z "$no_cbmc" ] || break
		! chosen "cbmc-$name" || echo "cbmc_one right $name $file $name"
	done
	cbmc_broken | while read -r name file flags; do
		[ -z "$no_cbmc" ] || break
		! chosen "cbmc-$name-$flags" || echo "cbmc_one broken $name $file $flags"
	done
	for file in */*.litmus; do
		[ -z "$no_herd" ] || break
		[[ -n $lkmm || $file != lkmm/* ]] || continue
		! chosen "$file" || echo "herd_one $file"
	done
}

names=("$@")
mkdir -p "$build"
: >"$build/skipped"
no_herd='' no_cbmc='' lkmm=''
if ! fetch_herd 2> >(tee "$build/herd.log" >&2) || ! herd -version >/dev/null 2>&1; then
	no_herd="no herd7: $(grep ': .*failed\|: no \|missing' "$build/herd.log" | tail -n 1)"
	echo "ok - herd: all # SKIP $no_herd" | tee -a "$build/skipped"
elif ! lkmm=$(memory_model) || [ ! -e "$lkmm/linux-kernel.cfg" ]; then
	lkmm=''
	echo "ok - herd: lkmm # SKIP no kernel source" | tee -a "$build/skipped"
fi
if ! fetch_cbmc 2> >(tee "$build/cbmc.log" >&2) || ! unpacked cbmc cbmc --version >/dev/null 2>&1; then
	no_cbmc="no cbmc: $(grep ': .*failed\|: no \|missing' "$build/cbmc.log" | tail -n 1)"
	echo "ok - cbmc: all # SKIP $no_cbmc" | tee -a "$build/skipped"
fi
export cache lkmm
jobs_of | xargs -r -P "$(nproc)" -L 1 "$here/run.sh" --one | tee "$build/results"

passed=$(grep -c '^ok - ' "$build/results")
failed=$(grep -c '^not ok - ' "$build/results")
skipped=$(grep -c . "$build/skipped")
[ $((passed + failed)) -eq "$(jobs_of | wc -l)" ] || {
	echo "not ok - some did not report"
	((++failed))
}
echo "$passed passed, $failed failed$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
((failed == 0 && passed > 0))

#!/bin/bash
# SPDX-License-Identifier: MIT
# Fuzzes the module on the kernel with every checker, with a corpus first.
#
#   run.sh [SECONDS [SEED]]
#
# A program that took the kernel down is left in build/fuzz/last, and a copy of it
# beside that: give the line to `build/fuzz/fuzz -r` in a guest, or put it into
# tests/fuzz/corpus, where every run starts.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60} seed=${2:-$(date +%s)}
out=build/fuzz

tests/vm/deps.sh build kernel vm || exit
vars=$(tests/vm/kernel.sh uml-debug) || exit
eval "$vars"
: "${KDIR=}" "${ARCH=}" "${RELEASE=}"
make -s -C tests/fuzz || exit
make -s modules KCOV_INSTRUMENT=y BUILD="$PWD/$out/kcov" KDIR="$KDIR" ARCH="$ARCH" || exit

tests/vm/boot.sh -t $((seconds + 300)) -k uml-debug -l build/log/fuzz.kernel -- \
	"tests/fuzz/guest.sh $out/kcov/kmod-$RELEASE-$ARCH/shmring.ko $out $seconds $seed"
status=$?
if [ "$status" -ne 0 ] && [ -s $out/last ]; then
	crash=$out/crash-$seed-$(date +%s)
	cp $out/last "$crash"
	echo "the last program that was run: $crash"
fi
exit "$status"

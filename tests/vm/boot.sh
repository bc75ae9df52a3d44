#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots a test kernel, runs a shell command in it as root, and fails unless
# the guest says in so many words that all went well.
#
#   boot.sh [OPTION...] -k NAME -- COMMAND...
#
#   -k  kernel, see kernel.sh
#   -t  seconds for the whole run (default 60)
#   -l  where to leave the kernel log (default: log/boot-NAME.log in the cache)
#   -n  no scan for leaks at the end (a kernel with kmemleak: 6 s and more)
#   -c  the model of CPU that QEMU emulates for another machine than this
#   -a  an argument for the kernel, as often as needed
#   -i  HOSTFILE:GUESTPATH: a file or folder to put in the guest, with the libraries it
#       needs; as often as needed
#
# A user-mode kernel runs COMMAND in the caller's working directory on the
# host's own files, which it cannot change but for that directory and the
# repository; GUESTPATH must be below /tmp. In QEMU there are busybox, the
# scripts of the tests in /tmp/tests, and the files of -i; COMMAND starts in /tmp.
#
# Exit status: COMMAND's, or
#   121  the kernel log holds a report (they are printed)
#   122  wrong usage, or no such kernel
#   124  time is up: the guest was killed
#   125  the guest ended without a verdict: panic, failed boot, power off
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tests=$(dirname "$here")
. "$tests/lib.sh"
. "$here/common.sh"

refuse() { # refuse [MESSAGE]: without one, says how it is called
	if [ $# -gt 0 ]; then say "$*"; else (usage) || :; fi
	exit 122
}

# ------------------------------------------------------- the guest, from start to end

guest='' cleaners=()

kill_guest() {
	[ -n "$guest" ] || return 0
	# its session holds all that it started
	kill -KILL -- "-$guest" 2>/dev/null || :
	kill -KILL "$guest" 2>/dev/null || :
	wait "$guest" 2>/dev/null || :
	guest=
}

# shellcheck disable=SC2317 # the trap calls it
at_exit() {
	kill_guest
	kill "${cleaners[@]}" 2>/dev/null || :
}

# What the guest is to do, and pipes for what it says
prepare() {
	mkdir -p "$cache/run" "$(dirname "$log")"
	TMPDIR=$cache/run
	scratch
	unset TMPDIR
	run=$tmp
	mkfifo "$run/out" "$run/console.pipe"
	cp "$here/init.sh" "$run/init"
	echo "$(($(date +%s) + limit)) $scan" >"$run/settings"
	echo "$*" >"$run/command"
	cat "$run/console.pipe" >"$run/console" &
	cleaners+=($!)
	cat "$run/out" &
	cleaners+=($!)
}

# Sets late if the guest had to be killed.
await_end() {
	local deadline=$((SECONDS + limit))

	late=
	while kill -0 "$guest" 2>/dev/null && [ -z "$late" ]; do
		[ "$SECONDS" -lt "$deadline" ] || late=1
		sleep 0.05
	done
	kill_guest
	# all writers are gone, so these end by themselves
	wait "${cleaners[@]}" || :
	cleaners=()
}

# ---------------------------------------------------------------------- User Mode Linux

start_uml() {
	pwd >"$run/directory"
	{
		echo "rw $run"
		echo "rw $(pwd)"
		echo "rw $(dirname "$tests")"
		echo "ro $cache/kernel"
	} | sort -u -k 2 >"$run/keep"
	for file in "${files[@]}"; do
		[[ $file == *:/tmp/* ]] || refuse "-i $file: a user-mode kernel takes FILE:/tmp/..."
		[ -e "${file%%:*}" ] || refuse "-i $file: no such file"
		echo "$(realpath "${file%%:*}"):${file#*:}"
	done >"$run/files"
	# the guest's memory is a file, unlinked at once
	free=$(df -m --output=avail /dev/shm 2>/dev/null | tail -n 1)
	[ "${free:-0}" -le "$memory" ] || export TMPDIR=/dev/shm
	# shellcheck disable=SC2086 # several arguments
	setsid "$IMAGE" mem="${memory}M" ncpus=2 seccomp=on \
		rootfstype=hostfs rootflags=/ rw init="$run/init" \
		uml_dir="$run/uml/" vm_run="$run" \
		con=null ssl=null con0=null,fd:1 con1=null,fd:3 $arguments \
		</dev/null >"$run/console.pipe" 2>&1 3>"$run/out" &
	guest=$!
}

# ------------------------------------------------------------------------------- QEMU

# add_file HOSTFILE GUESTPATH: to the initramfs, with the libraries that it needs
add_file() {
	[ -e "$1" ] || refuse "-i $1: no such file"
	mkdir -p "$run/root/$(dirname "$2")"
	cp -aH "$1" "$run/root/$2"
	find "$run/root/$2" -type f -perm /111 -exec ldd {} + 2>/dev/null |
		grep -oE '/[^ :]+' | sort -u | while read -r library; do
		[[ $library != "$run"* && ! -e $run/root$library ]] || continue
		mkdir -p "$run/root$(dirname "$library")"
		cp -L "$library" "$run/root$library"
	done
}

make_initramfs() {
	mkdir -p "$run/root/bin" "$run/root/vm" "$run/root/tmp"
	cp "$BUSYBOX" "$run/root/bin/busybox"
	ln -s busybox "$run/root/bin/sh"
	echo /tmp >"$run/directory"
	echo "/dev/ttyS$first_serial /dev/ttyS$((first_serial + 1))" >"$run/root/vm/serial"
	mv "$run/init" "$run/root/init"
	mv "$run/settings" "$run/command" "$run/directory" "$run/root/vm"
	for file in lib.sh guest.sh runtests.sh tool/run.sh kunit/cases.awk; do
		add_file "$tests/$file" "/tmp/tests/$file"
	done
	for file in "${files[@]}"; do
		add_file "${file%%:*}" "${file#*:}"
	done
	(cd "$run/root" && find . | cpio -o -H newc --quiet -R 0:0) >"$run/initrd"
}

# KVM may be there and yet not run an ordinary kernel: try, and remember
accelerator() {
	[ -z "${SHMRING_ACCEL:-}" ] || { echo "$SHMRING_ACCEL" && return; }
	[ -w /dev/kvm ] || { echo tcg && return; }
	probed=$cache/kvm/$name-$(uname -r)
	if [ ! -s "$probed" ]; then
		say "probing KVM (once)"
		mkdir -p "$cache/kvm"
		SHMRING_ACCEL=kvm "$0" -t 8 -k "$name" -l /dev/null -- true >/dev/null 2>&1 &&
			echo kvm >"$probed" || echo tcg >"$probed"
	fi
	cat "$probed"
}

# The boards for other machines have one serial port; two more are on PCI.
choose_machine() {
	local console=ttyS0 tcg='-accel tcg,thread=multi'

	first_serial=1
	serial=(-chardev "file,id=out,path=$run/out" -device "pci-serial,chardev=out"
		-chardev "file,id=channel,path=$run/channel" -device "pci-serial,chardev=channel")
	case $foreign in
	arm64)
		emulator=qemu-system-aarch64 first_serial=0 console=ttyAMA0
		# the architecture's own pointer authentication is slow to emulate
		machine="-M virt,gic-version=3 -cpu ${cpu:-max,pauth-impdef=on} $tcg"
		;;
	riscv64)
		emulator=qemu-system-riscv64
		machine="-M virt -cpu ${cpu:-rv64} $tcg"
		;;
	*)
		emulator=qemu-system-x86_64
		serial=(-serial file:"$run/out" -serial file:"$run/channel")
		# QEMU 7.2 now and then garbles the flags after cmpxchg16b: the guest
		# dies of double faults early in its boot, one time in three
		machine="-cpu max,cx16=off $tcg"
		[ "$(accelerator)" != kvm ] || machine='-accel kvm -cpu host'
		;;
	esac
	arguments="console=$console loglevel=6 $arguments"
}

start_qemu() {
	choose_machine
	command -v "$emulator" >/dev/null ||
		refuse "$emulator is missing; run $here/deps.sh vm $foreign"
	make_initramfs
	# shellcheck disable=SC2086 # several arguments
	setsid $emulator $machine -smp 2 -m "$memory" -nodefaults \
		-display none -no-reboot -kernel "$IMAGE" \
		-initrd "$run/initrd" -serial file:"$run/console.pipe" \
		"${serial[@]}" -append "$arguments" \
		</dev/null >"$run/qemu" 2>&1 &
	guest=$!
}

# -------------------------------------------------------------------------- the verdict

# The bad lines of the log on standard input. What the kernel said before the command
# started (on its host, on its own boot) does not count: one UML in SMP with PROVE_RCU
# says "Callback enqueued on offline CPU" then.
log_trouble() {
	tr -d '\r' | awk '
	/shmring-vm: command starts/ { started = 1; n = 0; next }
	{ line[n++] = $0 }
	END { for (i = 0; i < n; i++) print line[i] }' |
		grep -E -f "$here/trouble.txt" | grep -vF 'Callback enqueued on offline CPU'
}

# What the guest wrote to its channel, see init.sh, and to its console
keep_log() {
	[ -e "$run/channel" ] || : >"$run/channel"
	{
		sed -e 1d -e '$d' "$run/channel"
		echo "--- console"
		cat "$run/console"
		[ ! -s "$run/qemu" ] || cat "$run/qemu"
	} | tr -d '\r' >"$log"
}

# Ends with the exit status that the first lines of this file list.
judge() {
	local verdict trouble

	if [ -n "$late" ]; then
		tail -n 20 "$run/console" >&2
		say "time is up after $limit s on $name: killed; kernel log: $log"
		exit 124
	fi
	verdict=$(sed -n '1s/^status \([0-9]*\)\r*$/\1/p' "$run/channel")
	if [ -z "$verdict" ] || [ "$(tail -n 1 "$run/channel" | tr -d '\r')" != end ]; then
		tail -n 20 "$log" >&2
		say "$name ended without a verdict; kernel log: $log"
		exit 125
	fi
	trouble=$({
		log_trouble <"$run/channel"
		log_trouble <"$run/console"
	} | awk '!seen[$0]++')
	if [ -n "$trouble" ]; then
		echo "$trouble" | head -n 40 >&2
		say "the kernel log of $name holds the above (the command returned $verdict);" \
			"all of it: $log"
		exit 121
	fi
	exit "$verdict"
}

# ------------------------------------------------------------------------------- begin

name='' limit=60 log='' scan=y cpu='' files=()
memory=1024	# MB
arguments="panic=-1 oops=panic printk.devkmsg=on"
while getopts t:k:l:i:nc:a: option; do
	case $option in
	t) limit=$OPTARG ;;
	k) name=$OPTARG ;;
	l) log=$OPTARG ;;
	i) files+=("$OPTARG") ;;
	n) scan=n ;;
	c) cpu=$OPTARG ;;
	a) arguments+=" $OPTARG" ;;
	*) refuse ;;
	esac
done
shift $((OPTIND - 1))
[[ -n $name && $# -gt 0 && $limit =~ ^[1-9][0-9]*$ ]] || refuse
log=${log:-$cache/log/boot-$name.log}

described=$("$here/kernel.sh" "$name") || refuse "no kernel $name"
eval "$described"
[ -n "$IMAGE" ] || refuse "kernel $name cannot be booted"
# a foreign guest needs its own busybox
case $ARCH in
arm64) foreign=arm64 ;;
riscv) foreign=riscv64 ;;
*) foreign='' BUSYBOX=$(command -v busybox || :) ;;
esac
[ -z "$foreign" ] || eval "$("$here/cross.sh" "$foreign")"
[ -n "$BUSYBOX" ] || refuse "busybox is missing; run $here/deps.sh vm"

prepare "$@"
case $ARCH in
um) start_uml ;;
*) start_qemu ;;
esac
await_end
keep_log
judge

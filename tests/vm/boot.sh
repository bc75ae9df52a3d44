#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots a test kernel, runs a shell command in it as root, and fails unless
# the guest says in so many words that all went well.
#
#   boot.sh [-t SECONDS] [-m MEGABYTES] [-l LOGFILE] [-n] [-c CPU]
#           [-a ARGUMENT]... [-i HOSTFILE:GUESTPATH]... -k NAME -- COMMAND...
#
#   -k  kernel, see kernel.sh
#   -t  time for the whole run (default 60)
#   -m  memory (default 1024)
#   -l  where to leave the kernel log (default: log/boot-NAME.log in the cache)
#   -n  no scan for leaks at the end (a kernel with kmemleak: 6 s and more)
#   -c  the model of CPU that QEMU emulates for another machine than this
#   -a  an argument for the kernel
#   -i  a file or folder to put in the guest, with the libraries it needs
#
# A user-mode kernel runs COMMAND in the caller's working directory on the
# host's own files, which it cannot change but for that directory and the
# repository; GUESTPATH must be below /tmp. In QEMU there are busybox and the
# files of -i; COMMAND starts in /tmp.
#
# Exit status: COMMAND's, or
#   121  the kernel log holds a report (they are printed)
#   122  wrong usage, or no such kernel
#   124  time is up: the guest was killed
#   125  the guest ended without a verdict: panic, failed boot, power off
# shellcheck source-path=SCRIPTDIR disable=SC1091
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/log.sh"

usage() {
	say "$*"
	sed -n 's/^#   \(boot.sh\|   *\[-i\)/\1/p' "$0" >&2
	exit 122
}

guest=
cleaners=
run=

kill_guest() {
	[ -n "$guest" ] || return 0
	# its session holds all that it started
	kill -KILL -- "-$guest" 2>/dev/null || :
	kill -KILL "$guest" 2>/dev/null || :
	wait "$guest" 2>/dev/null || :
	guest=
}

# shellcheck disable=SC2317 # called by the trap
finish() {
	kill_guest
	# shellcheck disable=SC2086 # several numbers
	[ -z "$cleaners" ] || kill $cleaners 2>/dev/null || :
	[ -z "$run" ] || rm -rf "$run"
}

name='' limit=60 memory=1024 log='' scan=y cpu='' files=()
arguments="panic=-1 oops=panic printk.devkmsg=on"
while getopts t:m:k:l:i:nc:a: option; do
	case $option in
	t) limit=$OPTARG ;;
	m) memory=${OPTARG%M} ;;
	k) name=$OPTARG ;;
	l) log=$OPTARG ;;
	i) files+=("$OPTARG") ;;
	n) scan=n ;;
	c) cpu=$OPTARG ;;
	a) arguments+=" $OPTARG" ;;
	*) usage "unknown option" ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$name" ] || usage "which kernel?"
[ $# -gt 0 ] || usage "which command?"
for number in "$limit" "$memory"; do
	[[ $number =~ ^[1-9][0-9]*$ ]] || usage "not a number: $number"
done
log=${log:-$cache/log/boot-$name.log}

described=$("$here/kernel.sh" "$name") || exit 122
eval "$described"
: "${IMAGE=}" "${ARCH=}"
[ -n "$IMAGE" ] || usage "kernel $name cannot be booted"
# a foreign guest needs its own
case $ARCH in
arm64) foreign=arm64 ;;
riscv) foreign=riscv64 ;;
*) foreign='' BUSYBOX=$(command -v busybox || :) ;;
esac
[ -z "$foreign" ] || eval "$("$here/cross.sh" "$foreign")"
[ -n "$BUSYBOX" ] ||
	usage "busybox is missing; run $here/deps.sh vm"

mkdir -p "$cache/run" "$(dirname "$log")"
run=$(mktemp -d "$cache/run/$name.XXXXXX")
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mkfifo "$run/out" "$run/console.pipe"
cp "$here/guest.sh" "$run/init"
echo "$(($(date +%s) + limit)) $scan" >"$run/settings"
echo "$*" >"$run/command"

start_uml() {
	pwd >"$run/directory"
	{
		echo "rw $run"
		echo "rw $(pwd)"
		echo "rw $(cd "$here/../.." && pwd)"
		echo "ro $cache/kernel"
	} | sort -u -k 2 >"$run/keep"
	for file in "${files[@]}"; do
		[[ $file == *:/tmp/* ]] ||
			usage "-i $file: a user-mode kernel takes FILE:/tmp/..."
		[ -e "${file%%:*}" ] || usage "-i $file: no such file"
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

# Files for the initramfs, and the libraries of those that need some
add_file() {
	[ -e "$1" ] || usage "-i $1: no such file"
	mkdir -p "$run/root/$(dirname "$2")"
	cp -aH "$1" "$run/root/$2"
	find "$run/root/$2" -type f -perm /111 -exec ldd {} + 2>/dev/null |
		grep -oE '/[^ :]+' | sort -u | while read -r library; do
		[[ $library != "$run"* ]] || continue
		[ ! -e "$run/root$library" ] || continue
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
	for file in "${files[@]}"; do
		add_file "${file%%:*}" "${file#*:}"
	done
	(cd "$run/root" && find . | cpio -o -H newc --quiet -R 0:0) \
		>"$run/initrd"
}

# KVM may be there and yet not run an ordinary kernel: try, and remember
accelerator() {
	if [ -n "${SHMRING_ACCEL:-}" ]; then
		echo "$SHMRING_ACCEL"
		return
	fi
	[ -w /dev/kvm ] || { echo tcg && return; }
	probed=$cache/kvm/$name-$(uname -r)
	if [ ! -s "$probed" ]; then
		say "probing KVM (once)"
		mkdir -p "$cache/kvm"
		if SHMRING_ACCEL=kvm "$0" -t 8 -k "$name" -l /dev/null -- true \
			>/dev/null 2>&1; then
			echo kvm >"$probed"
		else
			echo tcg >"$probed"
		fi
	fi
	cat "$probed"
}

machine_x86() {
	emulator=qemu-system-x86_64 first_serial=1
	arguments="console=ttyS0 loglevel=6 $arguments"
	serial=(-serial file:"$run/out" -serial file:"$run/channel")
	case $(accelerator) in
	kvm) machine='-accel kvm -cpu host' ;;
	# QEMU 7.2 now and then garbles the flags after cmpxchg16b: the guest
	# dies of double faults early in its boot, one time in three
	*) machine='-accel tcg,thread=multi -cpu max,cx16=off' ;;
	esac
}

# The boards for virtual machines have one serial port; two more are on PCI.
machine_foreign() {
	first_serial=0
	case $foreign in
	arm64)
		emulator=qemu-system-aarch64
		# the architecture's own pointer authentication is slow to emulate
		machine="-M virt,gic-version=3 -cpu ${cpu:-max,pauth-impdef=on}"
		arguments="console=ttyAMA0 loglevel=6 $arguments"
		;;
	riscv64)
		emulator=qemu-system-riscv64 first_serial=1
		machine="-M virt -cpu ${cpu:-rv64}"
		arguments="console=ttyS0 loglevel=6 $arguments"
		;;
	esac
	machine+=" -accel tcg,thread=multi"
	serial=(-chardev "file,id=out,path=$run/out" -device "pci-serial,chardev=out"
		-chardev "file,id=channel,path=$run/channel"
		-device "pci-serial,chardev=channel")
}

start_qemu() {
	if [ -n "$foreign" ]; then
		machine_foreign
	else
		machine_x86
	fi
	command -v "$emulator" >/dev/null ||
		usage "$emulator is missing; run $here/deps.sh vm $foreign"
	make_initramfs
	# shellcheck disable=SC2086 # several arguments
	setsid $emulator $machine -smp 2 -m "$memory" -nodefaults \
		-display none -no-reboot -kernel "$IMAGE" \
		-initrd "$run/initrd" -serial file:"$run/console.pipe" \
		"${serial[@]}" -append "$arguments" \
		</dev/null >"$run/qemu" 2>&1 &
	guest=$!
}

cat "$run/console.pipe" >"$run/console" &
cleaners=$!
cat "$run/out" &
out=$!
cleaners="$cleaners $out"
case $ARCH in
um) start_uml ;;
*) start_qemu ;;
esac

deadline=$((SECONDS + limit))
late=
while kill -0 "$guest" 2>/dev/null; do
	if [ "$SECONDS" -ge "$deadline" ]; then
		late=1
		break
	fi
	sleep 0.05
done
kill_guest
# all writers are gone, so these end by themselves
# shellcheck disable=SC2086 # several numbers
wait $cleaners || :
cleaners=

channel=$run/channel
[ -e "$channel" ] || : >"$channel"
verdict=$(sed -n '1s/^status \([0-9]*\)\r*$/\1/p' "$channel")
[ "$(tail -n 1 "$channel" | tr -d '\r')" = end ] || verdict=
{
	sed -e 1d -e '$d' "$channel"
	echo "--- console"
	cat "$run/console"
	[ ! -s "$run/qemu" ] || cat "$run/qemu"
} | tr -d '\r' >"$log"

if [ -n "$late" ]; then
	tail -n 20 "$run/console" >&2
	say "time is up after $limit s on $name: killed; kernel log: $log"
	exit 124
fi
if [ -z "$verdict" ]; then
	tail -n 20 "$log" >&2
	say "$name ended without a verdict; kernel log: $log"
	exit 125
fi
trouble=$({
	log_trouble <"$channel"
	log_trouble <"$run/console"
} | awk '!seen[$0]++')
if [ -n "$trouble" ]; then
	echo "$trouble" | head -n 40 >&2
	say "the kernel log of $name holds the above (the command returned" \
		"$verdict); all of it: $log"
	exit 121
fi
exit "$verdict"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The first process of a guest that boot.py starts: sets the machine up, runs
# the command, and sends the verdict through a channel of its own:
#
#   status N     what the command returned
#   ...          the kernel log, and what kmemleak found
#   end          without it, nothing above counts
#
# User Mode Linux has the host's files as its root: vm_run is the run's folder
# there. QEMU runs from an initramfs with busybox; its folder is /vm.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/tmp
run=${vm_run:-/vm}
unset vm_run ncpus

# On the host's files: all read-only but the run's folder, the caller's
# working directory and the repository; /tmp, /run and /dev are private,
# with those folders kept where they live below.
private_root() {
	# /sys shows the host's files until sysfs covers it
	mount --bind / /sys
	for dir in /tmp /run; do
		mount -t tmpfs -o mode=1777 private $dir
	done
	while read -r mode dir; do
		mkdir -p "$dir" 2>/dev/null
		mount --bind "/sys$dir" "$dir"
		[ "$mode" = rw ] || mount -o remount,bind,ro "$dir"
	done <"/sys$run/keep"
	mount -o remount,bind,ro /
	while IFS=: read -r from to; do
		mkdir -p "$(dirname "$to")"
		cp -aH "/sys$from" "$to"
	done <"/sys$run/files"
	umount /sys
}

mount_all() {
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev
	mkdir -p /dev/shm
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t debugfs debug /sys/kernel/debug
	mount -t tracefs trace /sys/kernel/tracing
	mount -t cgroup2 cgroup /sys/fs/cgroup
	for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
		ln -sf "/proc/self/${link#*:}" "/dev/${link%:*}"
	done
	busybox ip link set lo up
	busybox hostname shmring-vm
}

# The log should not wait until the end: a guest that dies takes it along.
start_log() {
	echo 8 >/proc/sys/kernel/printk
	[ ! -e $leaks ] || echo clear >$leaks
	echo "<5>shmring-vm: command starts" >/dev/kmsg
}

# User Mode Linux on a busy host now and then loses an interrupt from one CPU to
# the other (seen on 7.3.4), and whoever it was to wake sleeps until that CPU leaves
# its idle loop for something else: more than a minute. So give it something.
keep_awake() {
	for cpu in 0 1; do
		taskset -c $cpu sh -c 'while sleep 0.2; do :; done' &
	done
}

# Shortly before boot.py gives up: what is everybody waiting for?
explain_hang() {
	left=$(($1 - $(date +%s) - 3))
	sleep $((left > 0 ? left : 0))
	busybox ps -o pid,stat,args | grep -v '\[' | head -n 50 |
		while read -r process; do
			echo "<5>shmring-vm: hang: $process" >/dev/kmsg
		done
	echo w >/proc/sysrq-trigger
}

# kmemleak reports what it has seen unreachable and older than five seconds.
# What the kernel itself lost before it had processes is not ours.
scan_leaks() {
	sleep 5
	echo scan >$leaks
	sleep 1
	echo scan >$leaks
	awk '
	/^unreferenced object/ { object = $0; next }
	object != "" { ours = !/comm "swapper/; if (ours) print object }
	{ object = "" }
	ours' $leaks
}

leaks=/sys/kernel/debug/kmemleak
if [ -e "$run/keep" ]; then
	channel=$run/channel
	private_root
	mount_all
	out=/dev/tty1
	off=poweroff
	keep_awake 2>/dev/null
else
	/bin/busybox --install -s /bin
	mkdir -p /proc /sys /dev /tmp /run
	mount_all
	read -r out channel <"$run/serial"
	off=reboot	# which QEMU takes for the end, and needs no ACPI
	stty -opost <"$channel"
fi
exec </dev/null >"$out" 2>&1
stty -opost <"$out"
start_log
read -r end scan <"$run/settings"
explain_hang "$end" >/dev/null &
cd "$(cat "$run/directory")" || exit 1
sh "$run/command"
status=$?
cd /
{
	echo "status $status"
	[ "$scan" = n ] || [ ! -e $leaks ] || found=$(scan_leaks)
	dmesg
	echo "${found:-}"
	echo end
} >"$channel"
sync
busybox $off -f

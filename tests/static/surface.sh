#!/bin/bash
# SPDX-License-Identifier: MIT
# How much there is of the module to attack. Says what is there that must not be.
#
#   surface.sh [FILE...]
set -u
cd "$(dirname "$0")/../.." || exit 1
[ $# -gt 0 ] || set -- kmod/*.[ch] kmod/compat/*.h

count() { cat "$@" | grep -cE "$pattern"; }

# none WHAT PATTERN FILE...: must be none
none() {
	local what=$1 pattern=$2 found
	shift 2
	found=$(grep -nE "$pattern" "$@")
	echo "# $what: $(count "$@")"
	[ -z "$found" ] || { printf '%s, which there should be none of:\n%s\n' "$what" "$found" >&2; }
}

# only N WHAT PATTERN FILE...: must be so many
only() {
	local nr=$1 what=$2 pattern=$3
	shift 3
	echo "# $what: $(count "$@")"
	[ "$(count "$@")" = "$nr" ] || { printf '%s: not %s:\n' "$what" "$nr" >&2; grep -nE "$pattern" "$@" >&2; }
}

pattern='^'
echo "# lines of the module: $(count "$@")"
pattern='^[[:space:]]*[^[:space:]/*]'
echo "# ... without comments and blank lines: $(count "$@")"
pattern='^#define SHMRING_IOC_[A-Z_]+[[:space:]]+_IO'
echo "# ioctls: $(count kmod/uapi/linux/shmring.h)"
pattern='^#define SHMRING_URING_[A-Z_]+[[:space:]]+_IO'
echo "# commands of io_uring: $(count kmod/uapi/linux/shmring.h)"
pattern='_(MUTEX|SPIN_LOCK)[A-Z_]*\(|mutex_init\(|spin_lock_init\(|init_waitqueue_head\(|init_rwsem\('
echo "# lock classes: $(count "$@")"

none "asynchronous callbacks" \
	'(timer_(setup|init)|hrtimer_(init|setup)|INIT_(DELAYED_)?WORK|queue_work|schedule_work|call_rcu|kfree_rcu|irq_work|tasklet|task_work_add|kthread_|register_[a-z_]*(notifier|shrinker))' "$@"
# fence.c wakes pollers after a grace period, once for a side of a ring; not on x86.
only 2 "work after a grace period, initialized and queued" \
	'(INIT_RCU_WORK|queue_rcu_work)\(' "$@"
none "pointers of user space that are kept" \
	'^[[:space:]].*__user[^()]*;|(->|\.)[a-z_]+ = [^;]*\buarg\b' "$@"

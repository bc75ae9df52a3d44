# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What in a kernel log makes a run fail. Sourced.

# log_trouble: the bad lines of the log on standard input. What the kernel said
# before the command started (on its host, on its own boot) does not count:
# one UML in SMP with PROVE_RCU says "Callback enqueued on offline CPU" then.
log_trouble() {
	tr -d '\r' | awk '
	/shmring-vm: command starts/ { started = 1; n = 0; next }
	{ line[n++] = $0 }
	END { for (i = 0; i < n; i++) print line[i] }' | grep -E \
		-e 'BUG[: ]' \
		-e 'WARNING: ' \
		-e 'KASAN|KFENCE|KCSAN|KMSAN' \
		-e 'UBSAN' \
		-e 'INFO: (possible|task|rcu|trying|lockdep)' \
		-e 'possible (circular|recursive|irq) lock' \
		-e 'suspicious RCU' \
		-e 'self-detected stall|detected stalls' \
		-e 'blocked for more than|hung task' \
		-e 'soft lockup|hard LOCKUP' \
		-e 'unreferenced object' \
		-e 'Kernel panic|Kernel mode fault|Oops' \
		-e 'general protection|double fault|invalid opcode:' \
		-e 'unable to handle|NULL pointer dereference' \
		-e 'Call Trace' \
		-e 'refcount_t: |list_(add|del) corruption' \
		-e 'usercopy: Kernel memory' \
		-e 'Bad page|bad pte|Poison overwritten|Redzone overwritten' \
		-e 'ODEBUG: |DEBUG_LOCKS_WARN_ON' \
		-e 'softirq work is pending|scheduling from the idle thread' |
		grep -vF 'Callback enqueued on offline CPU'
}

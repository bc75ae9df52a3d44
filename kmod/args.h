/* SPDX-License-Identifier: GPL-2.0 */
/* Arguments of ioctls: copied in before any lock is taken. */
#ifndef SHMRING_ARGS_H
#define SHMRING_ARGS_H

#include <linux/ioctl.h>
#include <linux/ktime.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>

/* An ioctl number without the size of its structure, which may grow. */
#define NR(cmd)		((cmd) & ~IOCSIZE_MASK)

/*
 * Copy in a structure of @size bytes; its first version had @first bytes. The caller's is
 * shorter than @first: -EINVAL; longer than @size, and not zero there: -E2BIG.
 */
static inline int copy_grown(void *arg, size_t size, size_t first, unsigned int cmd,
			     const void __user *uarg)
{
	if (_IOC_SIZE(cmd) < first)
		return -EINVAL;
	return copy_struct_from_user(arg, size, uarg, _IOC_SIZE(cmd));
}

/* The same for a structure that has not grown. */
static inline int copy_in(void *arg, size_t size, unsigned int cmd, const void __user *uarg)
{
	return copy_grown(arg, size, size, cmd, uarg);
}

/*
 * Convert a deadline (0: none) from the clock of the caller's time namespace, as
 * do_timens_ktime_to_host() does, which older kernels do not export. A time that no clock
 * can show is KTIME_MAX, which means never.
 */
static inline ktime_t to_deadline(u64 ns)
{
	ktime_t offset = 0;

	if (!ns || ns >= KTIME_MAX)
		return KTIME_MAX;
#ifdef CONFIG_TIME_NS
	offset = timespec64_to_ktime(current->nsproxy->time_ns->offsets.monotonic);
#endif
	return (s64)ns < offset ? 0 : min_t(u64, ns - offset, KTIME_MAX);
}

#endif /* SHMRING_ARGS_H */

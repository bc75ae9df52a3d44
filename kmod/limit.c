// SPDX-License-Identifier: GPL-2.0
/* What rings may take: of a user's RLIMIT_MEMLOCK, and of the module's max_pages. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "ring.h"

unsigned long shmring_max_pages;
EXPORT_SYMBOL_IF_KUNIT(shmring_max_pages);

/* As for any number, but rings are made meanwhile. */
static int set_max_pages(const char *val, const struct kernel_param *kp)
{
	unsigned long pages;
	int ret = kstrtoul(val, 0, &pages);

	if (!ret)
		WRITE_ONCE(shmring_max_pages, pages);
	return ret;
}

static const struct kernel_param_ops max_pages_ops = {
	.set = set_max_pages,
	.get = param_get_ulong,
};

module_param_cb(max_pages, &max_pages_ops, &shmring_max_pages, 0644);
__MODULE_PARM_TYPE(max_pages, "ulong");
MODULE_PARM_DESC(max_pages, "Most pages that all rings may have (default: a quarter of memory)");

static atomic_long_t shmring_total_pages = ATOMIC_LONG_INIT(0);

/* Add to a counter that must not go above its limit. */
static bool charge_counter(atomic_long_t *counter, unsigned long nr, unsigned long limit)
{
	long old = atomic_long_read(counter);

	do {
		if ((unsigned long)old > limit || nr > limit - old)
			return false;
	} while (!atomic_long_try_cmpxchg(counter, &old, old + nr));
	return true;
}

/*
 * RLIMIT_MEMLOCK counts per user, as for io_uring and perf. The credentials hold
 * the user: 6.1 does not export free_uid().
 */
static bool charge_user(struct shmring *ring)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	const struct cred *cred = current_cred();

	if (!charge_counter(&cred->user->locked_vm, ring->nr_pages, limit)) {
		if (!capable(CAP_IPC_LOCK))
			return false;
		atomic_long_add(ring->nr_pages, &cred->user->locked_vm);
	}
	/* It stores a zero that whoever shares the credentials stores: the kernel's race. */
	ring->cred = data_race(get_cred(cred));
	return true;
}

static void uncharge_user(struct shmring *ring)
{
	atomic_long_sub(ring->nr_pages, &ring->cred->user->locked_vm);
	put_cred(ring->cred);
	ring->cred = NULL;
}

/*
 * Charge the pages of @ring: -EDQUOT, -ENOSPC. The user first: a caller over
 * RLIMIT_MEMLOCK must not, even briefly, use up the module-wide budget.
 */
int shmring_charge(struct shmring *ring)
{
	if (!charge_user(ring))
		return -EDQUOT;
	if (charge_counter(&shmring_total_pages, ring->nr_pages, READ_ONCE(shmring_max_pages)))
		return 0;
	uncharge_user(ring);
	return -ENOSPC;
}

void shmring_uncharge(struct shmring *ring)
{
	if (!ring->cred)
		return;
	uncharge_user(ring);
	atomic_long_sub(ring->nr_pages, &shmring_total_pages);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The limits on the memory of rings: a user's RLIMIT_MEMLOCK, and the module's max_pages.
 *
 * A ring is charged to the user that made it, as long as the ring has its name or that
 * user has a file of it open. After that only others keep the ring, and it is charged to
 * the user of the oldest open file. Otherwise a user could keep another one's limit spent
 * by holding on to a ring. A file belongs to the user that opened it with CREATE, OPEN or
 * ATTACH: a descriptor that is passed on is still a file of its sender.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/sysfs.h>

#include "ring.h"

unsigned long shmring_max_pages;
EXPORT_SYMBOL_IF_KUNIT(shmring_max_pages);

/* With a marked store, as rings are made meanwhile. */
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

/* Shown to root. It cannot be set, not even when the module is loaded. */
static int set_pages(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static int get_pages(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%ld\n", atomic_long_read(&shmring_total_pages));
}

static const struct kernel_param_ops pages_ops = {
	.set = set_pages,
	.get = get_pages,
};

module_param_cb(pages, &pages_ops, NULL, 0400);
__MODULE_PARM_TYPE(pages, "ulong");
MODULE_PARM_DESC(pages, "Pages that all rings have now (read-only)");

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

	if (!charge_counter(&cred->user->locked_vm, ring->nr_charged, limit)) {
		if (!capable(CAP_IPC_LOCK))
			return false;
		atomic_long_add(ring->nr_charged, &cred->user->locked_vm);
	}
	/* get_cred() stores a zero, as all users of the credentials do: the kernel's own race. */
	ring->cred = data_race(get_cred(cred));
	ring->creator = cred->user;
	return true;
}

static void uncharge_user(struct shmring *ring)
{
	atomic_long_sub(ring->nr_charged, &ring->cred->user->locked_vm);
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
	if (charge_counter(&shmring_total_pages, ring->nr_charged, READ_ONCE(shmring_max_pages)))
		return 0;
	uncharge_user(ring);
	return -ENOSPC;
}

void shmring_uncharge(struct shmring *ring)
{
	if (!ring->cred)
		return;
	uncharge_user(ring);
	atomic_long_sub(ring->nr_charged, &shmring_total_pages);
}

/* If the creator has gone, charge the user of the oldest open file. Under ring->lock. */
static void hand_over(struct shmring *ring)
{
	const struct shmring_file *oldest;
	const struct cred *from = ring->cred;

	if (ring->named || ring->nr_own_files || list_empty(&ring->files))
		return;
	ring->creator = NULL;
	oldest = list_first_entry(&ring->files, struct shmring_file, list);
	if (oldest->cred->user == from->user)
		return;
	/* Even above the limit: no call can be refused here, and the user can close the file. */
	atomic_long_add(ring->nr_charged, &oldest->cred->user->locked_vm);
	atomic_long_sub(ring->nr_charged, &from->user->locked_vm);
	ring->cred = get_cred(oldest->cred);
	put_cred(from);
}

/* Count @sf, which was opened with @cred and holds it, among the files of its ring. */
void shmring_add_file(struct shmring_file *sf, const struct cred *cred)
{
	struct shmring *ring = sf->ring->first;

	spin_lock(&ring->lock);
	sf->cred = cred;
	list_add_tail(&sf->list, &ring->files);
	if (cred->user == ring->creator)
		ring->nr_own_files++;
	/* OPEN may have found the ring before the creator's last file, or the name, went. */
	hand_over(ring);
	spin_unlock(&ring->lock);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_add_file);

/* @sf is closed, or was never counted. Under the lock of the first lane. */
void shmring_remove_file(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring->first;

	lockdep_assert_held(&ring->lock);
	if (!sf->cred)
		return;
	list_del(&sf->list);
	if (sf->cred->user == ring->creator)
		ring->nr_own_files--;
	hand_over(ring);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_remove_file);

void shmring_lost_name(struct shmring *ring)
{
	spin_lock(&ring->lock);
	ring->named = false;
	hand_over(ring);
	spin_unlock(&ring->lock);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_lost_name);

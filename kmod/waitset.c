// SPDX-License-Identifier: GPL-2.0
/*
 * Wait sets: which of many endpoints is ready, without a look at each.
 *
 * Each endpoint has a bit. While the bit is set, the endpoint is hot: the set's users look at it
 * themselves. A cold endpoint was armed and then found not to be ready, so that the other side's
 * next publication that matters calls WAKE:
 *
 *   shmring_wake(), shmring_wake_all()		look_at_member(), for each hot endpoint
 *
 *   under side->wait.lock:			clear the bit
 *     wake_at = never				store wake_at, under side->wait.lock
 *     set the bit		(N)		full barrier, (J) if due	(D)
 *     wake the set's sleepers			look; if ready: set the bit	(O)
 *						no endpoint is ready: sleep
 *
 * The bit is cleared before side->wait.lock is taken. So a WAKE that finds wake_at armed sets the
 * bit after that. A WAKE that came before has published what the look then sees.
 *
 * (N) comes before the wake-up. A sleeper notes each wake-up from before it scans, and scans
 * again if one has come, so it sees the bit. (O) is done for every endpoint that is ready: with
 * its bit clear it would count as cold, and no scan would look at it again.
 *
 * Two sleepers of one set scan one after the other, under the set's mutex: neither takes an
 * endpoint for cold whose bit the other one has cleared for a moment.
 *
 * A side points to its member of a set while the endpoint is in the set and has the role. WAKE
 * follows that pointer under side->wait.lock, and never takes the mutex.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "waitset.h"

/* User space sees the words of set_bit(). */
static_assert(BITS_PER_LONG == 64);
static_assert(offsetof(struct shmring_waitset, hot) == 128);
static_assert(sizeof(struct shmring_waitset) <= PAGE_SIZE);

static struct shmring_side *side_of(const struct shmring_file *sf)
{
	return shmring_side(sf->ring, sf->role);
}

/* (N) and the wake-up. Under side->wait.lock. */
void shmring_heat(struct shmring_side *side)
{
	struct shmring_member *m = side->member;

	if (!m)
		return;
	set_bit(m->index, m->set->hot); /* N */
	wake_up_all(&m->set->wait);
}

/* Under side->wait.lock: does a wait set rely on wake_at? */
bool shmring_is_cold(const struct shmring_side *side)
{
	const struct shmring_member *m = side->member;

	return m && !test_bit(m->index, m->set->hot);
}

/* A role of @side's ring begins or ends; shmring_wake_all() comes next. */
void shmring_note_change(struct shmring_side *side)
{
	spin_lock_irq(&side->wait.lock);
	if (side->member)
		side->member->changed = true;
	spin_unlock_irq(&side->wait.lock);
}

/* The role of @side's owner is over. The member stays in its set, and WAKE does not find it. */
void shmring_leave_set(struct shmring_side *side)
{
	spin_lock_irq(&side->wait.lock);
	side->member = NULL;
	spin_unlock_irq(&side->wait.lock);
}

struct shmring_set *shmring_alloc_set(u32 max)
{
	struct shmring_set *set = kzalloc_obj(*set, GFP_KERNEL_ACCOUNT);
	struct shmring_waitset *shared;
	u32 i;

	if (!set)
		return NULL;
	mutex_init(&set->lock);
	init_waitqueue_head(&set->wait);
	set->max = max;
	set->members = kvcalloc(max, sizeof(*set->members), GFP_KERNEL_ACCOUNT);
	set->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!set->members || !set->page) {
		shmring_free_set(set);
		return NULL;
	}
	for (i = 0; i < max; i++) {
		set->members[i].set = set;
		set->members[i].index = i;
	}
	shared = page_address(set->page);
	shared->magic = SHMRING_MAGIC;
	shared->max = max;
	set->hot = (unsigned long *)shared->hot;
	return set;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_alloc_set);

/* Point the side to @m, unless the role is over. */
static int enter_set(struct shmring_member *m, struct shmring_file *sf)
{
	struct shmring_side *side = side_of(sf);
	int ret = 0;

	spin_lock(&sf->ring->lock);
	spin_lock_irq(&side->wait.lock);
	if (sf->member) {
		ret = -EBUSY;
	} else {
		sf->member = m;
		m->changed = false;
		m->refused = false;
		if (!shmring_is_over(sf))
			side->member = m;
	}
	spin_unlock_irq(&side->wait.lock);
	spin_unlock(&sf->ring->lock);
	return ret;
}

/**
 * shmring_add_member - WAITSET_CHANGE with an endpoint
 * @set: the set
 * @index: its number, below set->max
 * @sf: the endpoint
 * @file: its file; the set takes over the caller's reference if this succeeds
 *
 * Return: 0, -EBUSY, or -EINTR after a fatal signal.
 */
int shmring_add_member(struct shmring_set *set, u32 index, struct shmring_file *sf,
		       struct file *file)
{
	struct shmring_member *m = &set->members[index];
	int ret;

	if (mutex_lock_killable(&set->lock))
		return -EINTR;
	ret = m->sf ? -EBUSY : enter_set(m, sf);
	if (!ret) {
		m->sf = sf;
		m->file = file;
		set_bit(index, set->hot);
	}
	mutex_unlock(&set->lock);
	if (!ret)
		wake_up_all(&set->wait);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_add_member);

/* The caller puts the file that this returns. */
static struct file *take_out(struct shmring_member *m)
{
	struct shmring_side *side = side_of(m->sf);
	struct file *file = m->file;

	spin_lock_irq(&side->wait.lock);
	if (side->member == m)
		side->member = NULL;
	m->sf->member = NULL;
	spin_unlock_irq(&side->wait.lock);
	/* No WAKE finds the member any more, and no set relies on wake_at. */
	clear_bit(m->index, m->set->hot);
	shmring_disarm(side);
	m->sf = NULL;
	m->file = NULL;
	return file;
}

int shmring_remove_member(struct shmring_set *set, u32 index)
{
	struct shmring_member *m = &set->members[index];
	struct file *file = NULL;
	int ret = 0;

	if (mutex_lock_killable(&set->lock))
		return -EINTR;
	if (m->sf)
		file = take_out(m);
	else
		ret = -ENOENT;
	mutex_unlock(&set->lock);
	if (file)
		fput(file);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_remove_member);

/* No process has the set any more, so the mutex is not needed. */
void shmring_free_set(struct shmring_set *set)
{
	struct file *file;
	u32 i;

	for (i = 0; set->members && i < set->max; i++) {
		if (!set->members[i].sf)
			continue;
		file = take_out(&set->members[i]);
		if (file)
			fput(file);
		cond_resched();
	}
	kvfree(set->members);
	if (set->page)
		put_page(set->page);
	kfree(set);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_free_set);

/* Has a role changed since the last WAITSET_WAIT? @take: this is one. */
static bool has_changed(struct shmring_member *m, bool take)
{
	struct shmring_side *side = side_of(m->sf);
	bool ret;

	spin_lock_irq(&side->wait.lock);
	ret = m->changed;
	m->changed = ret && !take;
	spin_unlock_irq(&side->wait.lock);
	return ret;
}

/*
 * As poll() says, with these exceptions: if the other side is gone, only lowat bytes that it has
 * left are a reason to look (a hub may hold less, and nothing is to come); while a lane of WORK
 * has no worker, there is none; and a position that has gone back is one until WAITSET_WAIT has
 * reported it, as the user may find nothing wrong there.
 */
static bool is_ready(struct shmring_member *m, const struct shmring_look *look,
		     enum shmring_scan why)
{
	struct shmring_file *sf = m->sf;
	const struct shmring *ring = sf->ring;
	const struct shmring_side *peer = shmring_peer(sf->ring, sf->role);
	u64 lowat = READ_ONCE(sf->lowat), left = look->theirs - look->own;
	int ret = shmring_judge_armed(sf, look, lowat);

	if (ret == -ESHUTDOWN)
		return false;
	if (ret == -EBADMSG)
		m->refused = why == SHMRING_SCAN_WAIT;
	if (look->gone)
		return ret > 0 && left >= lowat && left <= ring->span;
	if (ring->topology == SHMRING_TOPOLOGY_WORK && sf->role == SHMRING_ROLE_PRODUCER &&
	    READ_ONCE(peer->half->state) != SHMRING_PEER_LIVE)
		return false;
	return ret;
}

/*
 * Cool the member, and look whether it is ready. An edge-triggered poller does not scan again
 * before it sleeps, so for it a ready endpoint is armed for what comes next.
 */
static bool look_at_member(struct shmring_member *m, enum shmring_scan why)
{
	const bool edge = why == SHMRING_SCAN_EDGE;
	struct shmring_file *sf = m->sf;
	struct shmring_look look;
	bool changed;

	clear_bit(m->index, m->set->hot);
	changed = has_changed(m, why == SHMRING_SCAN_WAIT);
	m->refused = m->refused && !changed;
	/* The other side's WAKE has no effect where nothing is armed. */
	if (!m->refused && !shmring_is_over(sf)) {
		shmring_arm_surely(sf, READ_ONCE(sf->lowat)); /* D, J */
		shmring_look(sf, &look);
		if (!is_ready(m, &look, why) && !changed)
			return false;
		if (edge)
			shmring_arm_next_surely(sf, &look);
	} else if (!changed) {
		return false;
	}
	set_bit(m->index, m->set->hot); /* O */
	if (why == SHMRING_SCAN_WAIT && (changed || m->refused))
		WRITE_ONCE(m->set->nr_told, m->set->nr_told + 1);
	if (!edge)
		shmring_disarm(side_of(sf));
	return true;
}

/**
 * shmring_scan_set - look at each hot endpoint, and leave those hot that are ready
 * @set: the set, with its lock held
 * @why: what the scan is for
 *
 * Return: whether any is ready.
 */
bool shmring_scan_set(struct shmring_set *set, enum shmring_scan why)
{
	unsigned int word, words = DIV_ROUND_UP(set->max, BITS_PER_LONG);
	unsigned long hot;
	bool any = false;

	lockdep_assert_held(&set->lock);
	for (word = 0; word < words; word++) {
		/* One reading: an endpoint that is made hot meanwhile comes with a wake-up. */
		for (hot = READ_ONCE(set->hot[word]); hot; hot &= hot - 1) {
			any |= look_at_member(&set->members[word * BITS_PER_LONG + __ffs(hot)],
					      why);
			cond_resched();
		}
	}
	return any;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_scan_set);

/*
 * If another thread was told something since @nr_told was read, do not scan: that would cool the
 * endpoint before this thread, or the other one, has looked at it.
 */
static int cool_unless_told(struct shmring_set *set, u32 nr_told)
{
	bool any;

	if (mutex_lock_killable(&set->lock))
		return -EINTR;
	any = set->nr_told != nr_told || shmring_scan_set(set, SHMRING_SCAN_WAIT);
	mutex_unlock(&set->lock);
	return any ? 0 : -EAGAIN;
}

/* WAITSET_WAIT with F_COOL: 0, -EAGAIN, or -EINTR after a fatal signal. */
int shmring_cool_set(struct shmring_set *set)
{
	return cool_unless_told(set, READ_ONCE(set->nr_told));
}
EXPORT_SYMBOL_IF_KUNIT(shmring_cool_set);

/* Sleep, unless a wake-up has come since WQ_FLAG_WOKEN was cleared. False: it is @deadline. */
static bool sleep_until_woken(struct wait_queue_entry *wait, ktime_t deadline)
{
	bool in_time = true;

	/* Full barrier; pairs with the one in woken_wake_function(). */
	set_current_state(TASK_INTERRUPTIBLE);
	if (!(READ_ONCE(wait->flags) & WQ_FLAG_WOKEN))
		in_time = schedule_hrtimeout_range(deadline == KTIME_MAX ? NULL : &deadline, 0,
						   HRTIMER_MODE_ABS);
	__set_current_state(TASK_RUNNING);
	return in_time;
}

/**
 * shmring_wait_set - WAITSET_WAIT
 * @set: the set
 * @deadline: CLOCK_MONOTONIC; KTIME_MAX: none
 *
 * Return: 0, or as in <linux/shmring.h>.
 */
int shmring_wait_set(struct shmring_set *set, ktime_t deadline)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	u32 nr_told = READ_ONCE(set->nr_told);
	bool in_time = true;
	int ret;

	add_wait_queue(&set->wait, &wait);
	for (;;) {
		/* Full barrier: a wake-up whose note this removes set its bit before the scan. */
		smp_store_mb(wait.flags, wait.flags & ~WQ_FLAG_WOKEN);
		ret = cool_unless_told(set, nr_told);
		if (ret != -EAGAIN)
			break;
		if (!in_time || signal_pending(current)) {
			ret = in_time ? -ERESTARTNOHAND : -ETIMEDOUT;
			break;
		}
		in_time = sleep_until_woken(&wait, deadline);
	}
	remove_wait_queue(&set->wait, &wait);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_wait_set);

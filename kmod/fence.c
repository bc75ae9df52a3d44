// SPDX-License-Identifier: GPL-2.0
/*
 * The fence between a publisher's store of its position and its load of the other side's
 * wake_at, and which side pays for it.
 *
 * Sleeping is rare and slow, publishing is neither. So the sleeper pays: it makes the
 * publisher's CPUs execute a full barrier (J). But where one side sleeps for every
 * message, a (J) for each message costs more than the fence it saves. So after a (J)
 * the publisher fences (I) up to the position fence_until, below which sleepers need
 * no (J).
 *
 *   publisher				sleeper, after it has armed (D)
 *
 *   store position	(A) or (E)	load position
 *   load fence_until	(H)		if it is not below fence_confirmed:
 *   if it came from below that,	    store fence_until
 *	full fence	(I)		    barrier on the publisher's CPUs	(J)
 *   load wake_at	(C) or (G)	    raise fence_confirmed
 *					load position (shmring_ready() does)
 *
 * (J) comes before or after the publisher's store. If before, the publisher's loads,
 *     which follow its store, see both fence_until and wake_at. If after, the sleeper's
 *     second load sees the position.
 *
 * A sleeper that skips (J) has loaded a position h below fence_confirmed. Say it misses
 * the publication that starts from h. The (H) of that publication came after the (J)
 * that confirmed the fences: otherwise its store, too, would have come before that (J),
 * and the sleeper would have seen it. So that (H) sees a fence_until above h, and the
 * publisher fences. All later publications come after that fence.
 *
 * fence_until is the request to the publisher. fence_confirmed is raised only after the
 * (J), so that no second sleeper relies on a (J) that is still under way.
 *
 * There are two kinds of (J), the ideas of membarrier(2), which a module cannot call:
 *
 *   an interrupt	to the CPUs that run the publisher. At once.
 *   a grace period	of RCU: when it ends, every CPU has left what it ran when it
 *			began. That takes some ticks, in which a sleeper naps and
 *			looks, again and again; so the publisher fences for longer.
 *			A caller that does not look again by itself, such as poll, is
 *			woken when the grace period is over. Such a caller asks for
 *			fences for good: otherwise each credit takes a grace period.
 *
 * A side cannot use (J) against the other one at will: between two (J)s the other side
 * itself has published a credit of bytes. The interrupts go to the CPUs in the mm_cpumask()
 * of the publisher's process. Newer kernels (since about 6.14) leave a CPU in that mask for
 * a while after the process has left the CPU. So CPUs that run something else, isolated
 * ones among them, are interrupted, too. Hence a side has MAX_INTERRUPTS in a second; when
 * it needs more, it asks for fences for good.
 */
#include <linux/jiffies.h>
#include <linux/mm_types.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/tick.h>
#include <linux/workqueue.h>

#include "ring.h"

/* Interrupts in a second to one side's CPUs. */
#define MAX_INTERRUPTS	256

static struct workqueue_struct *workqueue;

/*
 * Does mm_cpumask() hold every CPU that runs the mm? x86 needs that for its own TLB
 * shootdowns, and sets a CPU's bit before it switches to the mm. Other architectures
 * do not keep it (arm64), or have not been tried. User Mode Linux runs user code where its
 * interrupts do not reach. With one CPU the switch from one process to the other is
 * the barrier.
 */
static bool can_interrupt(void)
{
	return !IS_ENABLED(CONFIG_SMP) || (IS_ENABLED(CONFIG_X86) && !IS_ENABLED(CONFIG_UML));
}

/* Where user code runs without ticks, or is tracked, RCU takes it for a quiescent state. */
static bool has_grace_periods(void)
{
	return !tick_nohz_full_enabled() && !IS_ENABLED(CONFIG_CONTEXT_TRACKING_USER_FORCE);
}

/* For how many bytes a publisher fences after a (J); a capacity, if that is more. */
u64 shmring_fence_credit(void)
{
	return can_interrupt() ? SZ_64K : SZ_1M;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_fence_credit);

static u64 end_of_credit(const struct shmring *ring, u64 position)
{
	return position + max(shmring_fence_credit(), ring->capacity);
}

/*
 * Note the mm that maps the side's own regions: only it can publish. The pointer is valid
 * while it is set: it is cleared with the last of these mappings.
 */
void shmring_set_mm(struct shmring_side *side, struct mm_struct *mm)
{
	spin_lock_irq(&side->wait.lock);
	side->mm = mm;
	spin_unlock_irq(&side->wait.lock);
}

static struct mm_struct *grab_mm_of(struct shmring_side *side)
{
	struct mm_struct *mm;

	spin_lock_irq(&side->wait.lock);
	mm = side->mm;
	if (mm)
		mmgrab(mm);
	spin_unlock_irq(&side->wait.lock);
	return mm;
}

static void full_barrier(void *unused)
{
	smp_mb(); /* J: what this CPU did before, and what it does next */
}

/*
 * J: a full barrier on all CPUs that run @peer. A CPU that switches to @peer after the mask
 * was read executes a barrier of its own, and so does a process that then maps the ring.
 */
static void interrupt_peer(struct shmring_side *peer)
{
	struct mm_struct *mm = grab_mm_of(peer);

	if (!mm)
		return;
	smp_mb(); /* our stores, then the mask */
	preempt_disable();
	smp_call_function_many(mm_cpumask(mm), full_barrier, NULL, true);
	preempt_enable();
	smp_mb(); /* their barriers, then our loads */
	mmdrop(mm);
}

static bool known_to_fence(struct shmring_side *side, u64 position)
{
	/* Acquire: the position that decides whether to sleep is loaded after this. */
	u64 until = smp_load_acquire(&side->fence_confirmed);

	return position < until || until == SHMRING_FENCE_ALWAYS;
}

/* May @side send one more interrupt in this second? Under fence_lock. */
static bool may_interrupt(struct shmring_side *side)
{
	if (time_after(jiffies, side->window + HZ)) {
		side->window = jiffies;
		side->nr_interrupts = 0;
	}
	return side->nr_interrupts++ < MAX_INTERRUPTS;
}

/* Ask the publisher to fence, and begin a (J). Under fence_lock. */
static void request_fences(struct shmring_side *side, struct shmring_side *peer, u64 until)
{
	WRITE_ONCE(side->half->fence_until, until);
	if (can_interrupt())
		interrupt_peer(peer); /* J, matches A-C and E-G */
	else
		side->grace = start_poll_synchronize_rcu(); /* J begins: a grace period */
}

/* If the last (J) is over, rely on the fences asked for before it. Under fence_lock. */
static void trust_fences(struct shmring_side *side)
{
	if (can_interrupt() || poll_state_synchronize_rcu(side->grace))
		/* Pairs with the acquire in known_to_fence(). */
		smp_store_release(&side->fence_confirmed, side->half->fence_until);
}

/**
 * shmring_fence_peer - see to the barrier between the publications of the other
 *	side and a sleeper that has just armed
 * @ring: the ring
 * @side: the sleeper's side
 * @peer: the publisher's
 *
 * Called after the store of @side's wake_at and a full barrier (D), with interrupts
 * enabled and no lock held.
 *
 * Return: true: a caller that now loads @peer's position sees everything that was
 * published without seeing wake_at. False: not yet; look again some ticks later, or call
 * shmring_fence_later().
 */
bool shmring_fence_peer(struct shmring *ring, struct shmring_side *side,
			struct shmring_side *peer)
{
	u64 position = READ_ONCE(*peer->position);

	/* A false position: the caller's own look finds it, too, and the caller does not sleep. */
	if (position >= SHMRING_POSITION_LIMIT || known_to_fence(side, position))
		return true;
	/* One (J) at a time; a waiter for this lock takes interrupts. */
	spin_lock(&side->fence_lock);
	if (!known_to_fence(side, position)) {
		/* This raises fence_until: @position was not below the old value. */
		if (can_interrupt())
			request_fences(side, peer,
				       may_interrupt(side) ? end_of_credit(ring, position) :
							     SHMRING_FENCE_ALWAYS);
		else if (position >= side->half->fence_until)
			request_fences(side, peer, end_of_credit(ring, position));
		trust_fences(side);
	}
	spin_unlock(&side->fence_lock);
	return known_to_fence(side, position);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_fence_peer);

/* A grace period after fences were asked for, for good: have all waiters look again. */
static void trust_fences_and_wake(struct work_struct *work)
{
	struct shmring_side *side = container_of(to_rcu_work(work), struct shmring_side,
						 trust_work);
	struct shmring *ring = side->ring;

	/* A ring without files has no sleepers, and its pages are gone. */
	if (refcount_inc_not_zero(&ring->first->ref)) {
		spin_lock(&side->fence_lock);
		/* Pairs with the acquire in known_to_fence(). */
		smp_store_release(&side->fence_confirmed, SHMRING_FENCE_ALWAYS);
		spin_unlock(&side->fence_lock);
		shmring_wake_all(side);
		shmring_put(ring->first);
	}
	shmring_put_memory(ring);
}

/* The first sleepers need no grace period: nothing has been published yet. */
void shmring_fence_init(struct shmring *ring, struct shmring_side *side)
{
	spin_lock_init(&side->fence_lock);
	side->ring = ring;
	side->window = jiffies;
	INIT_RCU_WORK(&side->trust_work, trust_fences_and_wake);
	if (can_interrupt())
		side->half->fence_until = 0;
	else
		side->half->fence_until = has_grace_periods() ? end_of_credit(ring, 0) :
								SHMRING_FENCE_ALWAYS;
	side->fence_confirmed = side->half->fence_until;
}

/**
 * shmring_fence_later - the same for callers that do not look again by themselves
 * @ring: the ring
 * @side: the sleeper's side, after shmring_fence_peer() has said no
 * @peer: the publisher's
 *
 * Asks for fences for good. When the publisher is known to fence, all waiters on @side are
 * woken once, to arm and look again; the caller has queued there. Does not sleep: the
 * callers are poll, epoll_ctl and commands of io_uring, which promise not to.
 */
void shmring_fence_later(struct shmring *ring, struct shmring_side *side,
			 struct shmring_side *peer)
{
	spin_lock(&side->fence_lock);
	/*
	 * Once for each side, as the request stays. The work holds only the structure: the ring,
	 * its name and its charge go with the last file, and not some ticks later.
	 */
	if (side->half->fence_until != SHMRING_FENCE_ALWAYS) {
		request_fences(side, peer, SHMRING_FENCE_ALWAYS);
		refcount_inc(&ring->memory);
		queue_rcu_work(workqueue, &side->trust_work);
	}
	spin_unlock(&side->fence_lock);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_fence_later);

/* The workqueue for trust_fences_and_wake(), where (J) is a grace period. */
int shmring_fence_start(void)
{
	if (can_interrupt())
		return 0;
	workqueue = alloc_workqueue("shmring", WQ_UNBOUND, 0);
	return workqueue ? 0 : -ENOMEM;
}

/* No process can poll any more. Work that was queued before is done when this returns. */
void shmring_fence_stop(void)
{
	if (!workqueue)
		return;
	rcu_barrier();
	destroy_workqueue(workqueue);
}

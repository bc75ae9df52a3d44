// SPDX-License-Identifier: GPL-2.0
/*
 * Sleeping and waking.
 *
 * A sleeper stores, in the wake_at of its own side, the position of the other side at
 * which it wants to be woken. The other side reads that:
 *
 *   publisher (user space)		sleeper (here)
 *
 *   store own position	(A) or (E)	queue on side->wait
 *   load fence_until	(H)		store wake_at
 *   fence, if due	(I)		full barrier		(D)
 *   load peer's wake_at	(C) or (G)	load position
 *   if position >= wake_at		(J), unless (I) is known to be due
 *	WAKE				load position, sleep if it is below
 *
 * (A)-(C), and (E)-(G), pair with (D): of a publisher and a sleeper, at least
 *     one sees what the other has stored. If neither did, the sleeper would sleep
 *     although its position is reached, and no WAKE would come. The publisher's
 *     barrier is (I), or (J) in its place: see fence.c.
 *
 * The letters are those of the contract in <linux/shmring.h>; the user side is
 * shmring_publish() and shmring_release() in the library's shmring/fast.h.
 *
 * WAKE resets wake_at under the queue's lock and wakes all waiters on the queue: each
 * looks for itself, and arms again. Every sleeper queues before it stores wake_at, so
 * a reset that clears its wake_at also wakes it.
 */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>

#include "ring.h"

/* How long a publication may be missed while a grace period is under way. */
#define NAP_NS		NSEC_PER_MSEC

/*
 * Have the other side call WAKE once its position reaches @at. If this returns true, a
 * caller that then looks at the position sees @at reached, or will be woken. If false, the
 * barrier (J) is still under way, and a wake-up may be missed.
 */
static bool set_wake_at(struct shmring_file *sf, u64 at)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);

	spin_lock_irq(&side->wait.lock);
	if (at < side->half->wake_at)
		/* Release: a peer that sees it sees what this side published (library's look.c). */
		smp_store_release(&side->half->wake_at, at);
	spin_unlock_irq(&side->wait.lock);
	smp_mb(); /* D, matches I */
	return shmring_fence_peer(sf->ring, side, shmring_peer(sf->ring, sf->role));
}

/*
 * The caller is at @own. Arm for the position @at. The two sides must not wait for each
 * other for ever: while the producer waits for space, a consumer that waits for more data
 * than there is must be woken for any data; is_data_ready() then calls it ready. Both arm
 * first and look at the other's wake_at after (D), so one of them sees it.
 */
static bool arm_for_position(struct shmring_file *sf, u64 own, u64 at)
{
	struct shmring_side *peer = shmring_peer(sf->ring, sf->role);
	bool sure = set_wake_at(sf, at);

	if (sf->role == SHMRING_ROLE_CONSUMER) {
		if (at != own + 1 && shmring_producer_wants_space(sf->ring, own))
			sure = set_wake_at(sf, own + 1);
	} else if (shmring_waits(peer)) {
		/* Not if there is no data and the consumer is armed for the next byte anyway. */
		if (shmring_used(sf->ring) || READ_ONCE(peer->half->wake_at) > own + 1)
			shmring_wake(peer);
	}
	return sure;
}

/*
 * Have the other side call WAKE once @bytes are there. Space that is there from the
 * start needs no WAKE; the position 0 stands for it. Return: as set_wake_at().
 */
static bool arm_for_bytes(struct shmring_file *sf, u64 bytes)
{
	u64 own = shmring_own_position(sf), span = sf->ring->span;

	if (sf->role == SHMRING_ROLE_CONSUMER)
		return arm_for_position(sf, own, own + bytes);
	return arm_for_position(sf, own, own + bytes > span ? own + bytes - span : 0);
}

/*
 * For functions that look once more and return, and whose own caller sleeps. If the WAKE is
 * not certain yet, that caller is woken once more when it is.
 */
static void wake_when_fenced(struct shmring_file *sf)
{
	shmring_fence_later(sf->ring, shmring_side(sf->ring, sf->role),
			    shmring_peer(sf->ring, sf->role));
}

void shmring_arm_surely(struct shmring_file *sf, u64 bytes)
{
	if (!arm_for_bytes(sf, bytes))
		wake_when_fenced(sf);
}

/* ... once the other side is at @at; 0: at any position. */
void shmring_arm_at_surely(struct shmring_file *sf, u64 at)
{
	if (!arm_for_position(sf, shmring_own_position(sf), at))
		wake_when_fenced(sf);
}

/* ... once the other side has gone on from where @look found it. */
void shmring_arm_next_surely(struct shmring_file *sf, const struct shmring_look *look)
{
	if (!arm_for_position(sf, look->own, min(look->theirs, SHMRING_POSITION_LIMIT) + 1))
		wake_when_fenced(sf);
}

/* If the queue is empty, and no wait set relies on it, spare the other side a WAKE. */
void shmring_disarm(struct shmring_side *side)
{
	spin_lock_irq(&side->wait.lock);
	/* No barrier: a later sleeper queues under this lock. */
	if (!waitqueue_active(&side->wait) && !shmring_is_cold(side))
		WRITE_ONCE(side->half->wake_at, SHMRING_NO_WAKE);
	spin_unlock_irq(&side->wait.lock);
}

/* True: woken, or a signal; false: it is @until, CLOCK_MONOTONIC. KTIME_MAX: never. */
static bool sleep_until(ktime_t until)
{
	return schedule_hrtimeout_range(until == KTIME_MAX ? NULL : &until, 0, HRTIMER_MODE_ABS);
}

/*
 * Sleep until @bytes are there, or a signal or the deadline comes; in the first millisecond,
 * until @mark are there. A sleeper that has been woken looks before it arms again, as it may
 * be done. A sleeper whose WAKE is not certain yet naps, and looks again.
 */
static int sleep_for_bytes(struct shmring_file *sf, u64 bytes, u64 mark, ktime_t deadline)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);
	ktime_t patience = mark > bytes ? ktime_add_ns(ktime_get(), SHMRING_PATIENCE_NS) :
					  KTIME_MAX;
	bool woken = true, sure;
	ktime_t until;
	DEFINE_WAIT(wait);
	int ret;

	do {
		prepare_to_wait(&side->wait, &wait, TASK_INTERRUPTIBLE);
		sure = arm_for_bytes(sf, mark);
		ret = shmring_ready_armed(sf, mark);
		if (ret)
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTNOHAND;
			break;
		}
		if (woken)
			atomic64_inc(&side->nr_sleeps);
		until = sure ? patience : min(patience, ktime_add_ns(ktime_get(), NAP_NS));
		woken = sleep_until(min(until, deadline));
		if (!woken && deadline <= until) {
			ret = -ETIMEDOUT;
			break;
		}
		if (!woken && until == patience) {
			mark = bytes;
			patience = KTIME_MAX;
		}
		ret = shmring_ready_armed(sf, mark);
	} while (!ret);
	finish_wait(&side->wait, &wait);
	shmring_disarm(side);
	return ret;
}

/* Check what user space asks for. A @mark below @bytes is @bytes. */
int shmring_check_wait(const struct shmring_file *sf, u64 bytes, u64 *mark)
{
	u64 span = sf->ring->span;

	if (!bytes || bytes > span || *mark > span)
		return -EINVAL;
	*mark = max(*mark, bytes);
	return 0;
}

/**
 * shmring_wait - WAIT_DATA and WAIT_SPACE
 * @sf: an endpoint
 * @bytes: return at once if these are there, 1 to the span
 * @mark: otherwise sleep until these are there, @bytes to the span; after
 *	SHMRING_PATIENCE_NS, until @bytes are
 * @deadline: CLOCK_MONOTONIC; KTIME_MAX: none
 *
 * Return: 0, or as in <linux/shmring.h>.
 */
int shmring_wait(struct shmring_file *sf, u64 bytes, u64 mark, ktime_t deadline)
{
	int ret = shmring_ready(sf, bytes);
	int now;

	if (!ret)
		ret = sleep_for_bytes(sf, bytes, mark, deadline);
	if (ret == -ETIMEDOUT || ret == -ERESTARTNOHAND) {
		now = shmring_ready(sf, bytes);
		if (now)
			ret = now;
	}
	return min(ret, 0);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_wait);

/* 1: the other role is taken, or has been since @epoch; 0: not yet; -ESHUTDOWN. */
static int has_peer_come(struct shmring_file *sf, u32 epoch)
{
	const struct shmring_half *half = shmring_peer(sf->ring, sf->role)->half;

	if (READ_ONCE(shmring_side(sf->ring, sf->role)->owner) != sf)
		return -ESHUTDOWN;
	/* Pairs with the release in shmring_role_begin(). */
	return smp_load_acquire(&half->state) == SHMRING_PEER_LIVE ||
	       READ_ONCE(half->epoch) != epoch;
}

/**
 * shmring_wait_peer - WAIT_PEER
 * @sf: an endpoint
 * @deadline: CLOCK_MONOTONIC; KTIME_MAX: none
 *
 * Sleeps on the queue of its own side. shmring_role_begin() of the other role and the end
 * of its own role wake that queue. Nothing is armed, as no position is waited for. If the
 * other role has begun and ended before the sleeper runs, its epoch has changed.
 *
 * Return: 0, or as in <linux/shmring.h>.
 */
int shmring_wait_peer(struct shmring_file *sf, ktime_t deadline)
{
	u32 epoch = READ_ONCE(shmring_peer(sf->ring, sf->role)->half->epoch);
	struct shmring_side *side = shmring_side(sf->ring, sf->role);
	bool in_time = true;
	DEFINE_WAIT(wait);
	int ret;

	for (;;) {
		prepare_to_wait(&side->wait, &wait, TASK_INTERRUPTIBLE);
		ret = has_peer_come(sf, epoch);
		if (!ret && !in_time)
			ret = -ETIMEDOUT;
		if (!ret && signal_pending(current))
			ret = -ERESTARTNOHAND;
		if (ret)
			break;
		in_time = sleep_until(deadline);
	}
	finish_wait(&side->wait, &wait);
	/* Another sleeper may have left earlier, while this one was queued, and not disarmed. */
	shmring_disarm(side);
	return min(ret, 0);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_wait_peer);

/* Under wait.lock. A side with nothing but a wait set looks only if there may be a reason. */
static bool wakes_anyone(struct shmring_side *side)
{
	if (!shmring_waits(side))
		return false;
	/* No barrier: sleepers queue under this lock. */
	return !side->member || waitqueue_active(&side->wait) || shmring_is_worth_a_look(side);
}

/*
 * Wake all waiters on @side; if there are none, this is one load. All exclusive waiters are
 * woken, too: the reset disarms all of them, and a single one may leave without looking. The
 * wake-up has no key: io_uring would take a key for the result and not call poll, which then
 * would not arm again.
 */
void shmring_wake(struct shmring_side *side)
{
	if (!shmring_waits(side))
		return;
	spin_lock_irq(&side->wait.lock);
	if (wakes_anyone(side)) {
		shmring_heat(side);
		WRITE_ONCE(side->half->wake_at, SHMRING_NO_WAKE);
		atomic64_inc(&side->nr_wakes);
		wake_up_all_locked(&side->wait);
	}
	spin_unlock_irq(&side->wait.lock);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_wake);

/* Something other than a position has changed: wake all waiters on @side. */
void shmring_wake_all(struct shmring_side *side)
{
	spin_lock_irq(&side->wait.lock);
	WRITE_ONCE(side->half->wake_at, SHMRING_NO_WAKE);
	shmring_heat(side);
	spin_unlock_irq(&side->wait.lock);
	wake_up_all(&side->wait);
}

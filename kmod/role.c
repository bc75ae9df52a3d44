// SPDX-License-Identifier: GPL-2.0
/* The holders of the roles, and the positions that a role leaves. */
#include <linux/container_of.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "ring.h"

/*
 * Bytes committed and not released. Each position is read once, and may be anything that
 * user space wrote. A result above the span is false, or of two moments.
 */
u64 shmring_used(struct shmring *ring)
{
	u64 tail = READ_ONCE(*shmring_side(ring, SHMRING_ROLE_CONSUMER)->position);
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);

	/* Pairs with the release in shmring_role_end(): the end is there. */
	if (smp_load_acquire(&producer->half->state) == SHMRING_PEER_GONE)
		return READ_ONCE(ring->lane->producer.end) - tail;
	return READ_ONCE(*producer->position) - tail;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_used);

/**
 * shmring_positions - where both sides are, as of one moment
 * @ring: the ring
 * @head: filled in
 * @tail: filled in
 *
 * Between the loads of tail and head both sides may have gone on, by more than a
 * span. When the producer was at @head, an honest consumer was at most a span
 * behind; so if the tail has moved since, @tail is no lower than that. A false
 * position that does not move is returned as it is.
 */
void shmring_positions(struct shmring *ring, u64 *head, u64 *tail)
{
	__u64 *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER)->position;
	__u64 *consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER)->position;
	/* Pairs with (E): the head that the consumer has seen, or a later one. */
	u64 before = smp_load_acquire(consumer);
	/* Acquire: the second load of the tail comes after this one. */
	u64 at = smp_load_acquire(producer);
	u64 after = READ_ONCE(*consumer);

	*head = at;
	*tail = after != before && at - before > ring->span ? at - ring->span : before;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_positions);

/*
 * Can an honest process have got here? Positions begin at zero, and 2^62 bytes are out
 * of reach. Below that, positions can be compared as signed numbers, and none is at or
 * above SHMRING_NO_WAKE.
 */
static bool may_stand_at(const struct shmring *ring, u64 position)
{
	return position < SHMRING_POSITION_LIMIT && position % ring->step == 0;
}

/*
 * Where @side stands; if its role is not taken, where it ended. A process that was kicked can
 * still write into its page. Under ring->lock.
 */
static u64 position_of(const struct shmring_side *side)
{
	return side->owner ? READ_ONCE(*side->position) : side->left_at;
}

/*
 * Bring the position of a role that ends into the window [tail, head], at most a span
 * wide, for the next owner. The position of an honest process stays. If no honest process
 * can have written either position, the second role to end gets zero. @own: the role's.
 */
static u64 settle_position(struct shmring *ring, u32 role, u64 own)
{
	u64 other = position_of(shmring_peer(ring, role));
	u64 used = role == SHMRING_ROLE_PRODUCER ? own - other : other - own;

	if (used <= ring->span && may_stand_at(ring, own))
		return own;
	return may_stand_at(ring, other) ? other : 0;
}

/*
 * No role is held, so no process depends on a position. Bring positions that are far up back to
 * the beginning, by whole turns of the ring, so that the data stay where they are. Otherwise two
 * hostile processes could leave a pair just below SHMRING_POSITION_LIMIT, and their honest
 * successors would pass it.
 */
static void rewind_positions(struct shmring *ring)
{
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	struct shmring_side *consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER);
	u64 turns = consumer->left_at;

	turns -= turns % (ring->capacity * ring->step);
	consumer->left_at -= turns;
	producer->left_at -= turns;
	WRITE_ONCE(*consumer->position, consumer->left_at);
	WRITE_ONCE(*producer->position, producer->left_at);
	WRITE_ONCE(ring->lane->producer.end, producer->left_at);
}

/* Note the process that has the role; NULL: none has. Under ring->lock. */
void shmring_set_pid(struct shmring_side *side, struct pid *pid)
{
	put_pid(side->pid);
	side->pid = get_pid(pid);
}

/* The process that has the role, seen from @ns; 0: none, or one that is not in it. */
pid_t shmring_pid_of(struct shmring *ring, u32 role, struct pid_namespace *ns)
{
	struct pid *pid;
	pid_t nr = 0;

	spin_lock(&ring->lock);
	pid = shmring_side(ring, role)->pid;
	/* If it ended and left its descriptor to another process, its number is free again. */
	if (pid && pid_has_task(pid, PIDTYPE_TGID))
		nr = pid_nr_ns(pid, ns);
	spin_unlock(&ring->lock);
	return nr;
}

/* Take the role of @sf. -EBUSY: it is taken. */
int shmring_role_begin(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *side = shmring_side(ring, sf->role);
	int ret = 0;

	spin_lock(&ring->lock);
	if (side->owner) {
		ret = -EBUSY;
	} else {
		WRITE_ONCE(side->owner, sf);
		shmring_set_pid(side, task_tgid(current));
		/* A hub that sees the epoch sees the positions that were settled before. */
		smp_store_release(&side->half->epoch, side->half->epoch + 1);
		/* Pairs with the acquires named in shmring_role_end(). */
		smp_store_release(&side->half->state, SHMRING_PEER_LIVE);
		/* For WAIT_PEER; and an edge for a poller that saw the end of the last role. */
		shmring_note_change(shmring_peer(ring, sf->role));
		shmring_wake_all(shmring_peer(ring, sf->role));
	}
	spin_unlock(&ring->lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_role_begin);

/* Clear the words, beside its position, that a role wrote about itself. */
static void clear_hints(struct shmring_side *side, u32 role)
{
	struct shmring_producer *producer;
	struct shmring_consumer *consumer;

	if (role == SHMRING_ROLE_PRODUCER) {
		producer = container_of(side->position, struct shmring_producer, head);
		WRITE_ONCE(producer->space_wanted, 0);
		WRITE_ONCE(producer->cpu, 0);
	} else {
		consumer = container_of(side->position, struct shmring_consumer, tail);
		WRITE_ONCE(consumer->cpu, 0);
	}
}

/* A consumer that leaves a ring with QUEUE leaves it as it was before the first one came. */
static u32 state_after(const struct shmring *ring, u32 role)
{
	return role == SHMRING_ROLE_CONSUMER && (ring->status->flags & SHMRING_CREATE_F_QUEUE) ?
	       SHMRING_PEER_NONE : SHMRING_PEER_GONE;
}

/*
 * End the role of @sf, if @sf still has it: store where the stream ends, then the
 * state, then wake both sides. Under ring->lock. No process can write the position
 * any more, as its mapping is gone; but after shmring_kick() one can, until it has unmapped.
 */
void shmring_role_end(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *side = shmring_side(ring, sf->role);
	struct shmring_side *peer = shmring_peer(ring, sf->role);
	u64 own, position;

	lockdep_assert_held(&ring->lock);
	if (side->owner != sf)
		return;
	own = READ_ONCE(*side->position);
	position = settle_position(ring, sf->role, own);
	side->left_at = position;
	WRITE_ONCE(*side->position, position);
	clear_hints(side, sf->role);
	if (sf->role == SHMRING_ROLE_PRODUCER)
		WRITE_ONCE(ring->lane->producer.end, position);
	if (!peer->owner && position >= SHMRING_POSITION_LIMIT / 2)
		rewind_positions(ring);
	/* Pairs with the acquires in shmring_used(), shmring_ready(), and the library. */
	smp_store_release(&side->half->state, state_after(ring, sf->role));
	WRITE_ONCE(side->owner, NULL);
	shmring_set_mm(side, NULL);
	shmring_set_pid(side, NULL);
	shmring_note_change(side);
	shmring_note_change(peer);
	shmring_wake_all(side);
	shmring_wake_all(peer);
	/* The next owner of this side may be in another wait set. */
	shmring_leave_set(side);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_role_end);

/*
 * For a role that is about to be taken again, and that a process has had: what that process
 * wrote into its pages after shmring_kick() does not count.
 */
void shmring_settle_again(struct shmring *ring, u32 role)
{
	struct shmring_side *side = shmring_side(ring, role);

	spin_lock(&ring->lock);
	side->left_at = settle_position(ring, role, side->left_at);
	WRITE_ONCE(*side->position, side->left_at);
	clear_hints(side, role);
	spin_unlock(&ring->lock);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_settle_again);

/**
 * shmring_kick - KICK: end the other side's role
 * @sf: the endpoint of a hub
 * @epoch: that of the process which is to lose it
 *
 * The process that had the role may still have its mappings, and write there. Until it has
 * unmapped them, no other process gets the lane: see shmring_leave_lane().
 *
 * Return: 0, or as in <linux/shmring.h>.
 */
int shmring_kick(struct shmring_file *sf, u32 epoch)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *peer = shmring_peer(ring, sf->role);
	struct shmring_file *other;
	int ret = 0;

	if (!ring->hub_role || shmring_is_lane_end(sf))
		return -EPERM;
	spin_lock(&ring->lock);
	other = peer->owner;
	if (shmring_is_over(sf))
		ret = -ESHUTDOWN;
	else if (!other)
		ret = -ENOENT;
	else if (peer->half->epoch != epoch)
		ret = -ESTALE;
	else
		shmring_role_end(other);
	if (!ret)
		shmring_leave_lane(other);
	spin_unlock(&ring->lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_kick);

// SPDX-License-Identifier: GPL-2.0
/* Who holds which role, and the positions that a role leaves. */
#include <linux/align.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "ring.h"

/*
 * Bytes committed and not released. Each word is read once, and is whatever user
 * space wrote: above the capacity, it is a lie, or two moments.
 */
u64 shmring_used(struct shmring *ring)
{
	u64 tail = READ_ONCE(*shmring_side(ring, SHMRING_ROLE_CONSUMER)->position);
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);

	/* Pairs with the release in shmring_role_end(): the end is there. */
	if (smp_load_acquire(&producer->half->state) == SHMRING_PEER_GONE)
		return READ_ONCE(ring->lane->end) - tail;
	return READ_ONCE(*producer->position) - tail;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_used);

/*
 * Can an honest process have got here? Not to the last quarter of all positions, at
 * whose end they would begin again and a wake-up be lost.
 */
static bool may_stand_at(const struct shmring *ring, u64 position)
{
	u32 step = ring->slot_size ? ALIGN(ring->slot_size, SHMRING_ALIGN) : SHMRING_ALIGN;

	return position < SHMRING_NO_WAKE / 4 * 3 && position % step == 0;
}

/*
 * Leave the position of a role that ends inside the window [tail, head], at most
 * a capacity wide, for whoever comes next. What an honest process left stays; where
 * neither side's word is good for anything, the second to go finds zero.
 */
static u64 settle_position(struct shmring *ring, u32 role)
{
	u64 own = READ_ONCE(*shmring_side(ring, role)->position);
	u64 other = READ_ONCE(*shmring_peer(ring, role)->position);
	u64 used = role == SHMRING_ROLE_PRODUCER ? own - other : other - own;

	if (used <= ring->capacity && may_stand_at(ring, own))
		return own;
	return may_stand_at(ring, other) ? other : 0;
}

/* Take the role of @sf. -EBUSY if somebody has it. */
int shmring_role_begin(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *side = shmring_side(ring, sf->role);
	int ret = 0;

	mutex_lock(&ring->lock);
	if (side->owner) {
		ret = -EBUSY;
	} else {
		WRITE_ONCE(side->owner, sf);
		WRITE_ONCE(side->half->epoch, side->half->epoch + 1);
		/* Pairs with the acquires named in shmring_role_end(). */
		smp_store_release(&side->half->state, SHMRING_PEER_LIVE);
		/* WAIT_PEER sleeps for this; and a poller that saw an end gets an edge. */
		shmring_wake_all(shmring_peer(ring, sf->role));
	}
	mutex_unlock(&ring->lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_role_begin);

/*
 * End the role of @sf, if it still has it: say where the stream ends, then that
 * it does, then wake both sides. Called with ring->lock held; nobody can write
 * the position any more, as its mapping is gone.
 */
void shmring_role_end(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *side = shmring_side(ring, sf->role);
	u64 position;

	lockdep_assert_held(&ring->lock);
	if (side->owner != sf)
		return;
	position = settle_position(ring, sf->role);
	WRITE_ONCE(*side->position, position);
	if (sf->role == SHMRING_ROLE_PRODUCER)
		WRITE_ONCE(ring->lane->end, position);
	/* Pairs with the acquires in shmring_used(), shmring_ready(), and the library. */
	smp_store_release(&side->half->state, SHMRING_PEER_GONE);
	WRITE_ONCE(side->owner, NULL);
	shmring_set_mm(side, NULL);
	shmring_wake_all(side);
	shmring_wake_all(shmring_peer(ring, sf->role));
}
EXPORT_SYMBOL_IF_KUNIT(shmring_role_end);

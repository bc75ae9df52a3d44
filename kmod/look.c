// SPDX-License-Identifier: GPL-2.0
/*
 * What an endpoint finds when it looks at the other side. User space may write the positions
 * at any time: each is read once in a look, and all decisions use that value.
 */
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#include "ring.h"

bool shmring_waits(const struct shmring_side *side)
{
	return READ_ONCE(side->half->wake_at) != SHMRING_NO_WAKE;
}

/*
 * Does the producer need space that the consumer, at @tail, has not given back? Then the
 * producer sleeps for that space (wake_at), or waits without sleeping (space_wanted).
 */
bool shmring_producer_wants_space(struct shmring *ring, u64 tail)
{
	const struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	u64 wanted;

	if (shmring_waits(producer))
		return true;
	/* Once the consumer has armed, this comes after (D), which matches K. */
	wanted = READ_ONCE(container_of(producer->position, struct shmring_producer,
					head)->space_wanted);
	return wanted > tail && wanted < SHMRING_POSITION_LIMIT;
}

u64 shmring_own_position(struct shmring_file *sf)
{
	return READ_ONCE(*shmring_side(sf->ring, sf->role)->position);
}

/**
 * shmring_look - look at the other side, once
 * @sf: an endpoint
 * @look: filled in; all decisions use this reading
 */
void shmring_look(struct shmring_file *sf, struct shmring_look *look)
{
	struct shmring_side *peer = shmring_peer(sf->ring, sf->role);

	/* Pairs with the releases in shmring_role_begin() and shmring_role_end(). */
	look->gone = smp_load_acquire(&peer->half->state) == SHMRING_PEER_GONE;
	/* Acquire: a position that is read after this is not one of an owner before. */
	look->epoch = smp_load_acquire(&peer->half->epoch);
	look->own = shmring_own_position(sf);
	if (look->gone && sf->role == SHMRING_ROLE_CONSUMER)
		look->theirs = READ_ONCE(sf->ring->lane->producer.end);
	else
		look->theirs = READ_ONCE(*peer->position);
}

/* Under wait.lock: does ready_at stand for the present holder of the other role? */
static bool ready_at_is_of(const struct shmring_side *side, const struct shmring_side *peer,
			   u32 epoch)
{
	return side->ready_epoch == epoch && READ_ONCE(peer->half->epoch) == epoch &&
	       READ_ONCE(peer->half->state) == SHMRING_PEER_LIVE;
}

/*
 * Has the other side's position gone back, behind one for which this side was called
 * ready? An honest side's never does. With a false one, the kernel would call the caller
 * ready again and again, and the caller would find nothing each time.
 */
static bool has_peer_gone_back(struct shmring_file *sf, const struct shmring_look *look)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);
	struct shmring_side *peer = shmring_peer(sf->ring, sf->role);
	bool ret;

	if (look->gone || look->theirs >= READ_ONCE(side->ready_at))
		return false;
	/* ready_at may have been set after the look, so compare with a position read now. */
	spin_lock_irq(&side->wait.lock);
	ret = ready_at_is_of(side, peer, look->epoch) &&
	      READ_ONCE(*peer->position) < side->ready_at;
	spin_unlock_irq(&side->wait.lock);
	return ret;
}

/* Under wait.lock: the other side's holder of @epoch must not go back behind @position. */
static void note_ready_at(struct shmring_side *side, struct shmring_side *peer, u32 epoch,
			  u64 position)
{
	if (position >= SHMRING_POSITION_LIMIT)
		return;
	if (!ready_at_is_of(side, peer, epoch)) {
		side->ready_epoch = epoch;
		WRITE_ONCE(side->ready_at, 0);
	}
	if (ready_at_is_of(side, peer, epoch) && position > side->ready_at)
		WRITE_ONCE(side->ready_at, position);
}

/* The caller had armed and is ready: remember for which position of the other side. */
static void remember_ready(struct shmring_file *sf, const struct shmring_look *look)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);

	if (look->gone)
		return;
	spin_lock_irq(&side->wait.lock);
	note_ready_at(side, shmring_peer(sf->ring, sf->role), look->epoch, look->theirs);
	spin_unlock_irq(&side->wait.lock);
}

/*
 * Under side->wait.lock: can a WAKE have a reason? Its caller has published up to wake_at, or
 * wants space from a consumer that has data. A wait set does not look at an endpoint otherwise,
 * so that the other side cannot keep it awake for nothing. Nor can it by going there and back.
 */
bool shmring_is_worth_a_look(struct shmring_side *side)
{
	struct shmring *ring = side->ring;
	bool consumer = side == shmring_side(ring, SHMRING_ROLE_CONSUMER);
	struct shmring_side *peer = &ring->side[!consumer];
	/* Acquire: the position is not one of an owner before. */
	u32 epoch = smp_load_acquire(&peer->half->epoch);
	u64 position = READ_ONCE(*peer->position);

	if (position >= READ_ONCE(side->half->wake_at)) {
		note_ready_at(side, peer, epoch, position);
		return true;
	}
	return consumer && shmring_used(ring) &&
	       shmring_producer_wants_space(ring, READ_ONCE(*side->position));
}

static int is_data_ready(struct shmring_file *sf, const struct shmring_look *look, u64 bytes)
{
	u64 used = look->theirs - look->own;

	if (used >= bytes)
		return 1;
	if (look->gone)
		return used ? 1 : -ENODATA;
	/* Otherwise the two sides would wait for each other for ever. */
	return used && shmring_producer_wants_space(sf->ring, look->own);
}

static int is_space_ready(struct shmring_file *sf, const struct shmring_look *look, u64 bytes)
{
	u64 used = look->own - look->theirs, span = sf->ring->span;

	if (look->gone)
		return -EPIPE;
	return used > span || span - used >= bytes;
}

/**
 * shmring_judge - is there something to do?
 * @sf: an endpoint
 * @look: what shmring_look() has found
 * @bytes: how much data, or space, would do
 *
 * A false position counts as ready: the library then looks for itself and says -EBADMSG.
 *
 * Return: 1: yes; 0: not yet; -EPIPE, -ENODATA: the other side is gone;
 * -ESHUTDOWN: this endpoint's role is over; -EBADMSG: the other side's position has gone back.
 */
int shmring_judge(struct shmring_file *sf, const struct shmring_look *look, u64 bytes)
{
	if (shmring_is_over(sf))
		return -ESHUTDOWN;
	if (look->theirs >= SHMRING_POSITION_LIMIT && !look->gone)
		return 1;
	if (has_peer_gone_back(sf, look))
		return -EBADMSG;
	return sf->role == SHMRING_ROLE_CONSUMER ? is_data_ready(sf, look, bytes) :
						   is_space_ready(sf, look, bytes);
}

int shmring_ready(struct shmring_file *sf, u64 bytes)
{
	struct shmring_look look;

	shmring_look(sf, &look);
	return shmring_judge(sf, &look, bytes);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_ready);

/* The same for a caller that has armed: a position that it relies on must not go back later. */
int shmring_judge_armed(struct shmring_file *sf, const struct shmring_look *look, u64 bytes)
{
	int ret = shmring_judge(sf, look, bytes);

	if (ret > 0)
		remember_ready(sf, look);
	return ret;
}

int shmring_ready_armed(struct shmring_file *sf, u64 bytes)
{
	struct shmring_look look;

	shmring_look(sf, &look);
	return shmring_judge_armed(sf, &look, bytes);
}

// SPDX-License-Identifier: MIT
/*
 * What there is to wait for, decided from the positions; and what a waiting side says
 * of itself: the position that it wants, and its CPU.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "wait.h"

static bool gone(const uint32_t *state)
{
	/* Acquire: what the peer did before it went is to be seen. */
	return __atomic_load_n(state, __ATOMIC_ACQUIRE) == SHMRING_PEER_GONE;
}

/* Is @position one that a consumer which has given back up to @told must still reach? */
static bool is_ahead(uint64_t position, uint64_t told)
{
	/* Signed: NO_WAKE is -1, and a wake_at computed below position 0 is negative. */
	return (int64_t)(position - told) > 0;
}

/* The producer cannot add another message: not even the smallest one fits. */
static bool is_full(const struct shmring *r, uint64_t told)
{
	return r->capacity - (r->c.limit - told) < shmring_slot_stride(r);
}

/*
 * The producer waits for space, or there is none, while @held bytes were advanced past
 * and nothing else is there: does it wait for what is held? @wanted is the least that it
 * needs, as its library announces it; 0: it did not, so believe @wake_at.
 */
static bool is_deadlock(struct shmring *r, uint64_t told, uint64_t wake_at, uint64_t wanted)
{
	if (is_full(r, told) || is_ahead(wanted ? wanted : wake_at, told))
		return true;
	/* Its message fits; it sleeps until more is free, as more will not be. */
	__shmring_wake(r);
	return false;
}

/* The producer waits for space: be content with what is there. */
static int settle_for_less(struct shmring *r, uint64_t wake_at, uint64_t wanted)
{
	uint64_t told = r->c.tail - r->c.held;

	if (r->c.limit != r->c.tail)
		return 1;
	if (!r->c.held)
		return 0;
	/* Unless it came since: what the producer waits behind, it published before. */
	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	if (r->c.limit != r->c.tail)
		return 1;
	return is_deadlock(r, told, wake_at, wanted) ? -EDEADLK : 0;
}

/* 1: there is data; 0: not yet; or why there will be none. */
static int look_for_data(struct shmring *r, const struct shmring_want *want)
{
	bool ended = gone(&r->lane->producer_state);
	uint64_t avail, wake_at, wanted, told;

	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	avail = r->c.limit - r->c.tail;
	if (avail >= want->bytes)
		return 1;
	if (ended)
		return avail ? 1 : -ENODATA;
	wake_at = __atomic_load_n(&r->lane->space_wake_at, __ATOMIC_ACQUIRE);
	wanted = __atomic_load_n(&r->producer->space_wanted, __ATOMIC_ACQUIRE);
	told = r->c.tail - r->c.held;
	/*
	 * A producer that armed for what it was given meanwhile has seen that. Edge-
	 * triggered, it may have used that up, and arms again only if woken.
	 */
	if (told >= wake_at)
		__shmring_wake(r);
	if (is_full(r, told) || is_ahead(wake_at, told) || (wanted && is_ahead(wanted, told)))
		return settle_for_less(r, wake_at, wanted);
	return 0;
}

/* 1: there is space; 0: not yet; or why there will be none. */
static int look_for_space(struct shmring *r, const struct shmring_want *want)
{
	bool ended = gone(&r->lane->consumer_state);

	if (ended && !want->drain)
		return -EPIPE;
	__shmring_refresh_space(r);
	if (r->error)
		return r->error;
	if (want->bytes <= r->p.limit - r->p.head)
		return 1;
	return ended ? -EPIPE : 0;
}

int shmring_look(struct shmring *r, const struct shmring_want *want)
{
	return r->role == SHMRING_CONSUMER ? look_for_data(r, want) : look_for_space(r, want);
}

/* Bytes of data or space, as the last look found them. */
uint64_t shmring_available(const struct shmring *r)
{
	return r->role == SHMRING_CONSUMER ? r->c.limit - r->c.tail : r->p.limit - r->p.head;
}

/*
 * The backends and poll count from the position that the other side has been told. No
 * more than can be there: where slots leave a rest, less than the capacity.
 */
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes)
{
	uint64_t most = r->capacity;

	if (r->role == SHMRING_CONSUMER)
		most -= r->capacity % shmring_slot_stride(r);
	bytes += r->c.held;	/* of a producer: 0 */
	return bytes < most ? bytes : most;
}

/*
 * Producer, about to wait: say which tail would do, and wake a consumer that sleeps for
 * more data than there is: it is content with less then. The backend sees a producer that
 * sleeps; one that spins, or does not wait at all, is seen by this alone. Not in a wait
 * that is over quickly.
 */
void shmring_announce(struct shmring *r, struct shmring_want *want)
{
	if (r->role != SHMRING_PRODUCER || want->announced)
		return;
	want->announced = true;
	/* Release: a consumer that sees it sees what was published before. */
	__atomic_store_n(&r->producer->space_wanted, r->p.head + want->bytes - r->capacity,
			 __ATOMIC_RELEASE);
	__shmring_fence();	/* K, matches D */
	if (__atomic_load_n(&r->lane->data_wake_at, __ATOMIC_RELAXED) != SHMRING_NO_WAKE)
		__shmring_wake(r);
}

/* Where a side last waited, plus one; 0: unknown. The other side may write anything. */
static __u32 *cpu_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->consumer->cpu : &r->producer->cpu;
}

/*
 * Leave this side's CPU where the other side sees it, and see whether that last waited on
 * the same one: then to spin keeps it from going on.
 */
void shmring_note_cpu(struct shmring *r)
{
	bool consumer = r->role == SHMRING_CONSUMER;
	__u32 *word = cpu_of(r, r->role), cpu = (__u32)(sched_getcpu() + 1);
	__u32 peer = __atomic_load_n(cpu_of(r, consumer ? SHMRING_PRODUCER : SHMRING_CONSUMER),
				     __ATOMIC_RELAXED);

	if (__atomic_load_n(word, __ATOMIC_RELAXED) != cpu)
		__atomic_store_n(word, cpu, __ATOMIC_RELAXED);
	r->priv->crowded = cpu && cpu == peer;
}

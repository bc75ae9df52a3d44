// SPDX-License-Identifier: MIT
/*
 * What there is to wait for, decided from the positions; and what a waiting side says
 * of itself: the position that it wants, and its CPU.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "wait.h"

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

/*
 * There is less data than is wanted, or the producer may sleep for what it has been given:
 * the rest of shmring_look(). 1: be content with what is there; 0: not yet; or why more will
 * not come.
 */
int shmring_look_at_producer(struct shmring *r, uint64_t wake_at)
{
	uint64_t told = r->c.tail - r->c.held;
	uint64_t wanted = __atomic_load_n(&r->producer->space_wanted, __ATOMIC_ACQUIRE);

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

/*
 * The backends and poll count from the position that the other side has been told. No
 * more than can be there: where slots leave a rest, less than the capacity.
 */
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes)
{
	uint64_t most = r->role == SHMRING_CONSUMER ? r->c.most : r->capacity;

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

// SPDX-License-Identifier: MIT
/*
 * Decides from the positions whether a wait is over; and stores, for the other side to read,
 * which position a waiting producer wants, and on which CPU a side waits.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "wait.h"

/* Is @position beyond @told, the tail that the consumer has published? */
static bool is_ahead(uint64_t position, uint64_t told)
{
	/* Signed: NO_WAKE is -1, and a wake_at computed below position 0 is negative. */
	return (int64_t)(position - told) > 0;
}

/* Does not even the smallest message fit, as the producer sees the ring? */
static bool is_full(const struct shmring *r, uint64_t told)
{
	return r->span - (r->c.limit - told) < (r->stride ? r->stride : r->align);
}

/*
 * The consumer has advanced past all data in the ring, and has not released it; and the producer
 * waits for space, or the ring is full. Does the producer need the space that the consumer holds?
 * @wanted is the tail that the producer has announced to need; if 0, @wake_at says it.
 */
static bool is_deadlock(struct shmring *r, uint64_t told, uint64_t wake_at, uint64_t wanted)
{
	if (is_full(r, told) || is_ahead(wanted ? wanted : wake_at, told))
		return true;
	/* The producer's message fits, but it sleeps for more space, which will not come. */
	__shmring_wake(r);
	return false;
}

/* The producer waits for space, or the ring is full: be content with any data. */
static int settle_for_less(struct shmring *r, uint64_t wake_at, uint64_t wanted)
{
	uint64_t told = r->c.tail - r->c.held;

	if (r->c.limit != r->c.tail)
		return 1;
	if (!r->c.held)
		return 0;
	/* Look again: what the producer published before it began to wait is to be seen now. */
	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	if (r->c.limit != r->c.tail)
		return 1;
	return is_deadlock(r, told, wake_at, wanted) ? -EDEADLK : 0;
}

/*
 * The rest of shmring_look_for_data(): there is less data than is wanted, and the producer may
 * wait for space. 1: be content with what is there; 0: not yet; or the error that says why no
 * more will come.
 */
int shmring_look_at_producer(struct shmring *r, uint64_t wake_at)
{
	uint64_t told = r->c.tail - r->c.held;
	uint64_t wanted = __atomic_load_n(&r->producer->space_wanted, __ATOMIC_ACQUIRE);

	/*
	 * A producer that armed while this side gave space back has seen the space itself. But an
	 * edge-triggered producer may have used that space up, and arms again only if woken.
	 */
	if (told >= wake_at)
		__shmring_wake(r);
	if (is_full(r, told) || is_ahead(wake_at, told) || (wanted && is_ahead(wanted, told)))
		return settle_for_less(r, wake_at, wanted);
	return 0;
}

/*
 * Convert @bytes, counted from this side's own position, to bytes from the position that this
 * side has published, as the backends and poll count: at most what messages may take. A producer
 * that waits has published everything.
 */
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes)
{
	bytes += r->role == SHMRING_CONSUMER ? r->c.held : 0;
	return bytes < r->span ? bytes : r->span;
}

/*
 * Producer, about to wait: store which tail would do, and wake a consumer that sleeps for
 * more data than there is, so that it takes less. The consumer sees a sleeping producer by
 * its wake_at, too; a producer that spins, or does not wait at all, by this alone. A wait that
 * is over quickly does not come here.
 */
void shmring_announce(struct shmring *r, struct shmring_want *want)
{
	if (r->role != SHMRING_PRODUCER || want->announced)
		return;
	want->announced = true;
	/* Release: a consumer that sees it sees what was published before. */
	__atomic_store_n(&r->producer->space_wanted, r->p.head + want->bytes - r->span,
			 __ATOMIC_RELEASE);
	__shmring_fence();	/* K, matches D */
	if (__atomic_load_n(&r->lane->consumer.wake_at, __ATOMIC_RELAXED) != SHMRING_NO_WAKE)
		__shmring_wake(r);
}

/*
 * The wait has failed: take back the announcement. Otherwise a consumer that holds what it has
 * read would get -EDEADLK, as if the producer still waited. Not called for NOWAIT: that caller
 * still wants the space, and will come back for it.
 */
void shmring_withdraw(struct shmring *r, const struct shmring_want *want)
{
	if (want->announced)
		__atomic_store_n(&r->producer->space_wanted, 0, __ATOMIC_RELAXED);
}

/* Where a side last waited, plus one; 0: unknown. The other side may write anything. */
static __u32 *cpu_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->consumer->cpu : &r->producer->cpu;
}

/* Store this side's CPU where the other side reads it. Returns it. */
__u32 shmring_store_cpu(struct shmring *r)
{
	__u32 *word = cpu_of(r, r->role), cpu = (__u32)(sched_getcpu() + 1);

	if (__atomic_load_n(word, __ATOMIC_RELAXED) != cpu)
		__atomic_store_n(word, cpu, __ATOMIC_RELAXED);
	return cpu;
}

/*
 * Note whether the other side last waited on this CPU, too: then a spin here would keep
 * the other side from going on.
 */
void shmring_note_cpu(struct shmring *r)
{
	__u32 cpu = shmring_store_cpu(r);

	r->priv->crowded = cpu && cpu == __atomic_load_n(cpu_of(r, peer_role(r)), __ATOMIC_RELAXED);
}

// SPDX-License-Identifier: MIT
/*
 * Decides from the positions whether a wait is over. Stores, for the other side to read, the
 * tail that a waiting producer wants, and the CPU on which a side waits.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "wait.h"

/* Is @position beyond @tail, the tail that the consumer has published? */
static bool is_ahead(uint64_t position, uint64_t tail)
{
	/* Signed: NO_WAKE is -1, and a wake_at computed below position 0 is negative. */
	return (int64_t)(position - tail) > 0;
}

/* Does not even the smallest message fit, as the producer sees the ring? */
static bool is_full(const struct shmring *r, uint64_t tail)
{
	return r->span - (r->c.limit - tail) < (r->stride ? r->stride : r->align);
}

/*
 * The consumer has advanced past all data in the ring and has not released it, and the producer
 * waits for space or the ring is full. Does the producer need the space that the consumer holds?
 * @wanted is the tail that the producer has announced; if 0, @wake_at is the tail it waits for.
 */
static bool is_deadlock(struct shmring *r, uint64_t tail, uint64_t wake_at, uint64_t wanted)
{
	if (is_full(r, tail) || is_ahead(wanted ? wanted : wake_at, tail))
		return true;
	/* The producer's message fits, but the producer sleeps for more space than will come. */
	__shmring_wake(r);
	return false;
}

/* The producer waits for space, or the ring is full: any data ends the wait. */
static int settle_for_less(struct shmring *r, uint64_t wake_at, uint64_t wanted)
{
	uint64_t tail = r->c.tail - r->c.held;

	if (r->c.limit != r->c.tail)
		return 1;
	if (!r->c.held)
		return 0;
	/* Look again, to see what the producer published before it began to wait. */
	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	if (r->c.limit != r->c.tail)
		return 1;
	return is_deadlock(r, tail, wake_at, wanted) ? -EDEADLK : 0;
}

/*
 * The rest of shmring_look_for_data(): there is less data than is wanted, and the producer may
 * wait for space. 1: return with what is there; 0: not yet; or the error that says why no more
 * will come.
 */
int shmring_look_at_producer(struct shmring *r, uint64_t wake_at)
{
	uint64_t tail = r->c.tail - r->c.held;
	uint64_t wanted = __atomic_load_n(&r->producer->space_wanted, __ATOMIC_ACQUIRE);

	/*
	 * A producer that armed while this side released space has seen that space itself. But an
	 * edge-triggered producer may have used that space up, and arms again only if woken.
	 */
	if (tail >= wake_at)
		__shmring_wake(r);
	if (is_full(r, tail) || is_ahead(wake_at, tail) || (wanted && is_ahead(wanted, tail)))
		return settle_for_less(r, wake_at, wanted);
	return 0;
}

/*
 * Convert @bytes, counted from this side's own position, to bytes from the position that this
 * side has published, from which the backends and poll count. The result is at most the span. A
 * producer that waits has published everything.
 */
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes)
{
	bytes += r->role == SHMRING_CONSUMER ? r->c.held : 0;
	return bytes < r->span ? bytes : r->span;
}

/*
 * Producer, about to wait: store the tail that would do, and wake a consumer that sleeps for
 * more data than there is, so that it takes less. A sleeping producer can be seen by its
 * wake_at, too; a producer that spins, or does not wait at all, only by this word. A wait that
 * is over quickly does not come here.
 */
void shmring_announce(struct shmring *r, struct shmring_want *want)
{
	if (r->role != SHMRING_PRODUCER || want->announced)
		return;
	want->announced = true;
	/* Release: a consumer that sees this word sees what was published before. */
	__atomic_store_n(&r->producer->space_wanted, r->p.head + want->bytes - r->span,
			 __ATOMIC_RELEASE);
	__shmring_fence();	/* K, matches D */
	if (__atomic_load_n(&r->lane->consumer.wake_at, __ATOMIC_RELAXED) != SHMRING_NO_WAKE)
		__shmring_wake(r);
}

/*
 * The wait has failed: clear the announcement. Otherwise a consumer that holds what it has
 * read would get -EDEADLK, as if the producer still waited. Not called for NOWAIT: that caller
 * still wants the space, and will ask again.
 */
void shmring_withdraw(struct shmring *r, const struct shmring_want *want)
{
	if (want->announced)
		__atomic_store_n(&r->producer->space_wanted, 0, __ATOMIC_RELAXED);
}

/* The CPU of a side's last wait, plus one; 0: unknown. The other side may write anything. */
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
 * Note whether the other side last waited on this CPU, too: a spin here would then keep
 * the other side from running.
 */
void shmring_note_cpu(struct shmring *r)
{
	__u32 cpu = shmring_store_cpu(r);

	r->priv->crowded = cpu && cpu == __atomic_load_n(cpu_of(r, peer_role(r)), __ATOMIC_RELAXED);
}

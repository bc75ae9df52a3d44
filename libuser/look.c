// SPDX-License-Identifier: MIT
/*
 * Decides from the positions what there is to wait for; and writes what the other side
 * reads about a waiting side: the position that it wants, and its CPU.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "wait.h"

/* Is @position beyond @told, up to where the consumer has given back? */
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
 * All data in the ring has been advanced past and not released, and the producer waits for
 * space, or there is none. Does the producer wait for the space that is held? @wanted is the
 * tail that it needs, as it has announced; 0: it has not, so go by @wake_at.
 */
static bool is_deadlock(struct shmring *r, uint64_t told, uint64_t wake_at, uint64_t wanted)
{
	if (is_full(r, told) || is_ahead(wanted ? wanted : wake_at, told))
		return true;
	/* Its message fits, but it sleeps for more space, which will not come: wake it. */
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
	/* Look again: the producer published data before it began to wait. */
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
	 * A producer that armed while its space was given back has seen that itself. If it
	 * is edge-triggered, it may have used the space up, and arms again only if woken.
	 */
	if (told >= wake_at)
		__shmring_wake(r);
	if (is_full(r, told) || is_ahead(wake_at, told) || (wanted && is_ahead(wanted, told)))
		return settle_for_less(r, wake_at, wanted);
	return 0;
}

/*
 * @bytes, counted from the position that the other side sees, as the backends and poll
 * count. At most what can be there: where slots leave a rest, less than the capacity.
 */
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes)
{
	uint64_t most = r->role == SHMRING_CONSUMER ? r->c.most : r->capacity;

	bytes += r->c.held;	/* of a producer: 0 */
	return bytes < most ? bytes : most;
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
	__atomic_store_n(&r->producer->space_wanted, r->p.head + want->bytes - r->capacity,
			 __ATOMIC_RELEASE);
	__shmring_fence();	/* K, matches D */
	if (__atomic_load_n(&r->lane->consumer.wake_at, __ATOMIC_RELAXED) != SHMRING_NO_WAKE)
		__shmring_wake(r);
}

/*
 * The wait is over, in vain: take back what was announced, or a consumer that holds what it
 * has read would be told that the two wait for each other. Not after a refusal (NOWAIT): the
 * caller of that still wants the space, as it comes back for it.
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
 * that side from going on.
 */
void shmring_note_cpu(struct shmring *r)
{
	enum shmring_role peer = r->role == SHMRING_CONSUMER ? SHMRING_PRODUCER : SHMRING_CONSUMER;
	__u32 cpu = shmring_store_cpu(r);

	r->priv->crowded = cpu && cpu == __atomic_load_n(cpu_of(r, peer), __ATOMIC_RELAXED);
}

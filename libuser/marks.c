// SPDX-License-Identifier: MIT
/* The marks that a new producer finds in a ring of slots with SHMRING_MARKS. */
#include "backend.h"

static bool is_marked(const struct shmring *r, uint64_t position)
{
	return __atomic_load_n(__shmring_mark(r, position), __ATOMIC_ACQUIRE) ==
	       position + 1;	/* M, matches L: its message is published again, by A */
}

/*
 * Where the marks from @head on end: at the first slot without one, or where the ring is full.
 * Bounded, as without the module any process may write meanwhile.
 */
static uint64_t end_of_marks(const struct shmring *r, uint64_t head)
{
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_ACQUIRE);	/* F, matches E */
	uint64_t left = r->capacity;

	/* A consumer that has believed false marks is ahead of the head, by a ring at most. */
	while (left && tail + r->span - (head + r->stride) <= r->span + r->capacity &&
	       is_marked(r, head)) {
		head += r->stride;
		left -= r->stride;
	}
	return head;
}

/* Remove the marks of all slots at or beyond @head. */
static void remove_marks(struct shmring *r, uint64_t head)
{
	__shmring_word *mark;
	uint64_t at;

	for (at = 0; at < r->capacity; at += r->stride) {
		mark = __shmring_mark(r, at);
		if (__atomic_load_n(mark, __ATOMIC_RELAXED) > head)
			__atomic_store_n(mark, 0, __ATOMIC_RELAXED);
	}
}

/*
 * A producer begins at p.head. An honest producer before it has left no mark beyond the head, but
 * a hostile one may have, and where a position was false, the head may have been moved back. The
 * consumer may have taken some of those slots, so slots that are marked without a gap count as
 * published. All other marks beyond the head go, before this producer publishes anything: a
 * consumer would take a slot for full that is being written.
 */
void shmring_settle_marks(struct shmring *r)
{
	uint64_t head;

	if (__atomic_load_n(&r->lane->producer.epoch, __ATOMIC_RELAXED) <= 1)
		return;		/* the first producer of this ring */
	head = end_of_marks(r, r->p.head);
	remove_marks(r, head);
	if (head == r->p.head)
		return;
	r->p.head = head;
	__atomic_store_n(&r->producer->head, head, __ATOMIC_RELEASE);	/* A, matches B */
	__shmring_wake(r);
}

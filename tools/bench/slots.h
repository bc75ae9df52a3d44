/* SPDX-License-Identifier: MIT */
/*
 * A well-made ring of fixed-size messages in shared memory: one producer, one
 * consumer; counters that never wrap, each in a cache line of its own; a private
 * copy of the other side's counter; messages written and read where they lie.
 * Several contenders consist of this ring and a way to wait.
 */
#ifndef SHMRING_BENCH_SLOTS_H
#define SHMRING_BENCH_SLOTS_H

#include <stdatomic.h>
#include <stdlib.h>

#include "loops.h"

#define APART	_Alignas(128)	/* prefetchers take lines in pairs */

struct slots {
	APART atomic_ullong head;	/* messages put */
	APART atomic_ullong tail;	/* messages taken */
	/* For sides that sleep: set by the sleeper, cleared by the side that wakes it. */
	APART atomic_uint data_wanted;
	APART atomic_uint space_wanted;
	int data_bell, space_bell;	/* file descriptors, if they are rung */
	int bells[4];			/* the first ring has those of both, plus one */
	APART unsigned char data[];
};

/* One side's view of one ring. */
struct slots_end {
	struct slots *s;
	uint64_t pos;			/* its own counter */
	uint64_t limit;			/* as far as it may go, when it last looked */
	size_t offset, bytes, size;	/* of the next message, of all, of one */
	uint64_t nr;
	unsigned int held;		/* messages not yet published or given back */
};

static inline size_t slots_bytes(const struct bench *b)
{
	return sizeof(struct slots) + b->capacity / b->size * b->size;
}

/* Two of them, the second from a page boundary. */
static inline size_t slots_second(const struct bench *b)
{
	return (slots_bytes(b) + 4095) & ~(size_t)4095;
}

static inline __attribute__((unused))
int slots_open(const struct contender *c, const struct bench *b, void **channels)
{
	(void)c;
	*channels = shared_alloc(slots_second(b) * 2);
	return *channels ? 0 : -ENOMEM;
}

static inline struct slots *slots_channel(void *channels, const struct bench *b, int i)
{
	return (struct slots *)(void *)((unsigned char *)channels + slots_second(b) * (size_t)i);
}

static inline __attribute__((unused))
int slots_attach(const struct contender *c, void *channels, struct bench *b)
{
	struct slots_end *end = aligned_alloc(128, 2 * 128);

	(void)c;
	_Static_assert(sizeof(struct slots_end) <= 128, "two of them are allocated");
	if (!end)
		return -ENOMEM;
	memset(end, 0, 2 * 128);
	shared_populate(channels);
	for (int i = 0; i < 2; i++) {
		end[i].s = slots_channel(channels, b, i ? !b->side : b->side);
		end[i].nr = b->capacity / b->size;
		end[i].size = b->size;
		end[i].bytes = (size_t)end[i].nr * b->size;
	}
	end[0].limit = end[0].nr;
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

BENCH_INLINE void slots_step(struct slots_end *e)
{
	e->pos++;
	e->offset += e->size;
	if (e->offset == e->bytes)
		e->offset = 0;
}

/* Producer: where the next message goes; NULL: the ring is full. */
BENCH_INLINE void *slots_reserve(struct slots_end *e)
{
	if (e->pos == e->limit) {
		e->limit = e->nr + atomic_load_explicit(&e->s->tail, memory_order_acquire);
		if (e->pos == e->limit)
			return NULL;
	}
	return e->s->data + e->offset;
}

BENCH_INLINE void slots_commit(struct slots_end *e)
{
	slots_step(e);
	atomic_store_explicit(&e->s->head, e->pos, memory_order_release);
}

/* Consumer: the next message; NULL: the ring is empty. */
BENCH_INLINE const void *slots_peek(struct slots_end *e)
{
	if (e->pos == e->limit) {
		e->limit = atomic_load_explicit(&e->s->head, memory_order_acquire);
		if (e->pos == e->limit)
			return NULL;
	}
	return e->s->data + e->offset;
}

BENCH_INLINE void slots_release(struct slots_end *e)
{
	slots_step(e);
	atomic_store_explicit(&e->s->tail, e->pos, memory_order_release);
}

#endif /* SHMRING_BENCH_SLOTS_H */

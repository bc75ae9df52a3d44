// SPDX-License-Identifier: MIT
/*
 * Contender: the ring of Erik Rigtorp's SPSCQueue (github.com/rigtorp/SPSCQueue, version 1.1),
 * written anew from its design: indices that wrap by a comparison, so that any number of slots
 * will do, one of them always free; each index, and each side's copy of the other one, in a
 * cache line of its own in the queue; the slots have a line's distance from all of that. A
 * message is written in its slot (emplace) and read there (front, pop).
 *
 * Copied in and out it is also the design of Andrew Drogalis' SPSC-Queue, which has the same
 * indices and lines, and assigns messages to slots.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "places.h"

#define LINE	_Alignas(64)

struct queue {
	LINE atomic_size_t write;
	LINE size_t read_seen;		/* the writer's copy of read */
	LINE atomic_size_t read;
	LINE size_t write_seen;		/* the reader's copy of write */
	LINE unsigned char padding[64];
	LINE unsigned char slots[];
};

struct end {
	struct queue *q;
	size_t slots;
};

static size_t second(const struct bench *b)
{
	return (sizeof(struct queue) + (b->capacity / b->size + 1) * b->size + 64 + 4095) &
	       ~(size_t)4095;
}

static int open_queues(const struct contender *c, const struct bench *b, void **channels)
{
	(void)c;
	*channels = shared_alloc(2 * second(b));
	return *channels ? 0 : -ENOMEM;
}

static int attach_queues(const struct contender *c, void *channels, struct bench *b)
{
	struct end *end = calloc(2, sizeof(*end));

	(void)c;
	if (!end)
		return -ENOMEM;
	shared_populate(channels);
	for (int i = 0; i < 2; i++) {
		size_t nr = (size_t)(i ? !b->side : (int)b->side);

		end[i].q = (void *)((unsigned char *)channels + nr * second(b));
		end[i].slots = b->capacity / b->size + 1;
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

BENCH_INLINE size_t next_of(const struct end *e, size_t i)
{
	return i + 1 == e->slots ? 0 : i + 1;
}

BENCH_INLINE int wait_space(struct bench *b, void **p)
{
	struct end *e = b->tx;
	size_t i = atomic_load_explicit(&e->q->write, memory_order_relaxed);
	size_t next = next_of(e, i);

	while (next == e->q->read_seen)
		e->q->read_seen = atomic_load_explicit(&e->q->read, memory_order_acquire);
	*p = e->q->slots + i * b->size;
	return 0;
}

BENCH_INLINE int commit(struct bench *b)
{
	struct end *e = b->tx;
	size_t i = atomic_load_explicit(&e->q->write, memory_order_relaxed);

	atomic_store_explicit(&e->q->write, next_of(e, i), memory_order_release);
	return 0;
}

BENCH_INLINE int wait_data(struct bench *b, const void **p)
{
	struct end *e = b->rx;
	size_t i = atomic_load_explicit(&e->q->read, memory_order_relaxed);

	while (i == e->q->write_seen)
		e->q->write_seen = atomic_load_explicit(&e->q->write, memory_order_acquire);
	*p = e->q->slots + i * b->size;
	return 0;
}

BENCH_INLINE int release(struct bench *b)
{
	struct end *e = b->rx;
	size_t i = atomic_load_explicit(&e->q->read, memory_order_relaxed);

	atomic_store_explicit(&e->q->read, next_of(e, i), memory_order_release);
	return 0;
}

PLACES(struct end, wait_space, commit, wait_data, release)

const struct contender rigtorp_contenders[] = {
	{ "rigtorp", FAMILY_RING, WAIT_BUSY, API_COPY,
	  "the design of rigtorp's SPSCQueue, and of drogalis': push, copy out",
	  open_queues, attach_queues, run_copy, shared_free, 0 },
	{ "rigtorp", FAMILY_RING, WAIT_BUSY, API_INPLACE,
	  "the design of rigtorp's SPSCQueue: emplace; front and pop",
	  open_queues, attach_queues, run_inplace, shared_free, 0 },
	{ 0 }
};

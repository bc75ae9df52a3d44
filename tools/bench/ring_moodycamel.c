// SPDX-License-Identifier: MIT
/*
 * Contender: the queue of Cameron Desrochers' ReaderWriterQueue
 * (github.com/cameron314/readerwriterqueue), written anew from its design, with all memory
 * from the start (try_enqueue; peek and pop). A queue of blocks, each a ring of up to 512 messages
 * with front and tail of its own. A producer whose block is full goes on in the next one, unless
 * the consumer is there. So the two mostly write in different blocks, and neither looks at a word
 * that the other one is writing. In a block each side has a copy of the other's word.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "places.h"

#define BLOCK_MAX	512u	/* messages, if there is more than one block */
#define LINE		_Alignas(64)

struct block {
	LINE atomic_size_t front;	/* the consumer's: */
	size_t tail_seen;
	LINE atomic_size_t tail;	/* the producer's: */
	size_t front_seen;
	LINE struct block *next;
	size_t mask;
	LINE unsigned char data[];
};

struct queue {
	LINE _Atomic(struct block *) front;
	LINE _Atomic(struct block *) tail;
	LINE unsigned char blocks[];
};

static size_t power_of_two(size_t n)
{
	size_t p = 2;

	while (p < n)
		p *= 2;
	return p;
}

/* One message of each block stays unused, and one block, if there are several. */
static size_t blocks_of(const struct bench *b, size_t *messages)
{
	size_t nr = b->capacity / b->size;

	*messages = power_of_two(nr);
	if (*messages <= 2 * BLOCK_MAX)
		return 1;
	*messages = BLOCK_MAX;
	return (nr + 2 * BLOCK_MAX - 4) / (BLOCK_MAX - 1);
}

static size_t block_bytes(const struct bench *b, size_t messages)
{
	return (sizeof(struct block) + messages * b->size + 63) & ~(size_t)63;
}

static size_t second(const struct bench *b)
{
	size_t messages, nr = blocks_of(b, &messages);

	return (sizeof(struct queue) + nr * block_bytes(b, messages) + 4095) & ~(size_t)4095;
}

static struct queue *channel(void *channels, const struct bench *b, int i)
{
	return (struct queue *)(void *)((unsigned char *)channels + second(b) * (size_t)i);
}

/* Forked sides have the memory at one address: pointers are the same in both. */
static void make_queue(const struct bench *b, struct queue *q)
{
	size_t messages, nr = blocks_of(b, &messages), bytes = block_bytes(b, messages);
	struct block *first = (void *)q->blocks;

	for (size_t i = 0; i < nr; i++) {
		struct block *k = (void *)(q->blocks + i * bytes);

		k->mask = messages - 1;
		k->next = i + 1 < nr ? (void *)(q->blocks + (i + 1) * bytes) : first;
	}
	atomic_init(&q->front, first);
	atomic_init(&q->tail, first);
}

static int open_queues(const struct contender *c, const struct bench *b, void **channels)
{
	(void)c;
	*channels = shared_alloc(2 * second(b));
	if (!*channels)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		make_queue(b, channel(*channels, b, i));
	return 0;
}

/* A side's end, and what it has found by its last wait. */
struct end {
	struct queue *q;
	struct block *block;
	size_t at;
};

static int attach_queues(const struct contender *c, void *channels, struct bench *b)
{
	struct end *end = calloc(2, sizeof(*end));

	(void)c;
	if (!end)
		return -ENOMEM;
	shared_populate(channels);
	end[0].q = channel(channels, b, b->side);
	end[1].q = channel(channels, b, !b->side);
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

BENCH_INLINE size_t load(const atomic_size_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

/* The block is full. The next one is empty, unless the consumer is in it. */
static __attribute__((noinline)) struct block *next_to_fill(struct queue *q, struct block *k)
{
	struct block *next = k->next;

	if (next == atomic_load_explicit(&q->front, memory_order_acquire))
		return NULL;
	next->front_seen = load(&next->front);
	return next;
}

BENCH_INLINE int wait_space(struct bench *b, void **p)
{
	struct end *e = b->tx;
	struct block *k, *next;
	size_t after;

	do {
		k = atomic_load_explicit(&e->q->tail, memory_order_relaxed);
		e->at = atomic_load_explicit(&k->tail, memory_order_relaxed);
		after = (e->at + 1) & k->mask;
		if (after != k->front_seen || after != (k->front_seen = load(&k->front)))
			break;
		next = next_to_fill(e->q, k);
		if (next)
			e->at = atomic_load_explicit(&next->tail, memory_order_relaxed);
		k = next;
	} while (!k);
	e->block = k;
	*p = k->data + e->at * b->size;
	return 0;
}

/* The consumer enters a block only if there is a message in it: so the message comes first. */
BENCH_INLINE int commit(struct bench *b)
{
	struct end *e = b->tx;

	atomic_store_explicit(&e->block->tail, (e->at + 1) & e->block->mask,
			      memory_order_release);
	if (__builtin_expect(e->block != atomic_load_explicit(&e->q->tail,
							      memory_order_relaxed), 0))
		atomic_store_explicit(&e->q->tail, e->block, memory_order_release);
	return 0;
}

/*
 * The block is empty. It is done with only if the producer had left it before that was looked at.
 * NULL: there is nothing.
 */
static __attribute__((noinline)) struct block *next_to_empty(struct queue *q, struct block *k)
{
	struct block *next;

	if (k == atomic_load_explicit(&q->tail, memory_order_acquire))
		return NULL;
	k->tail_seen = load(&k->tail);
	if (k->tail_seen != atomic_load_explicit(&k->front, memory_order_relaxed))
		return k;
	next = k->next;
	next->tail_seen = load(&next->tail);
	atomic_store_explicit(&q->front, next, memory_order_release);
	return next;
}

BENCH_INLINE int wait_data(struct bench *b, const void **p)
{
	struct end *e = b->rx;
	struct block *k;

	do {
		k = atomic_load_explicit(&e->q->front, memory_order_relaxed);
		e->at = atomic_load_explicit(&k->front, memory_order_relaxed);
		if (e->at != k->tail_seen || e->at != (k->tail_seen = load(&k->tail)))
			break;
		k = next_to_empty(e->q, k);
		if (k)
			e->at = atomic_load_explicit(&k->front, memory_order_relaxed);
	} while (!k);
	e->block = k;
	*p = k->data + e->at * b->size;
	return 0;
}

BENCH_INLINE int release(struct bench *b)
{
	struct end *e = b->rx;

	(void)b;
	atomic_store_explicit(&e->block->front, (e->at + 1) & e->block->mask,
			      memory_order_release);
	return 0;
}

PLACES(struct end, wait_space, commit, wait_data, release)

const struct contender moodycamel_contenders[] = {
	{ "moodycamel", FAMILY_RING, WAIT_BUSY, API_COPY,
	  "the design of moodycamel's ReaderWriterQueue: a ring of rings; copied",
	  open_queues, attach_queues, run_copy, shared_free, 0 },
	{ "moodycamel", FAMILY_RING, WAIT_BUSY, API_INPLACE,
	  "the same, in place",
	  open_queues, attach_queues, run_inplace, shared_free, 0 },
	{ 0 }
};

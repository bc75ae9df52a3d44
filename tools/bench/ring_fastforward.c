// SPDX-License-Identifier: MIT
/*
 * Contender: FastForward (Giacomoni, Moseley and Vachharajani, "FastForward for efficient
 * pipeline parallelism: a cache-optimized concurrent lock-free queue", 2008), written anew from
 * the paper. There are no shared indices: the word of a slot is zero if the slot is empty, and
 * the consumer puts the zero back. In the paper a message is one word. Here one of 8 bytes
 * is that word, with its highest bit inverted, as the word must not be zero and no message of the
 * benchmark has only that bit; a larger message lies behind the word.
 *
 * Temporal slipping: a consumer of a stream that has come too close to the producer, so that both
 * write to one line, waits until the distance is some lines, or does not grow any more. The paper
 * takes the distance from the producer's index. Here it is seen from the slots ahead.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "places.h"

#define NOT_ZERO	(1ull << 63)
#define SLIP_EVERY	64u	/* messages */
#define NEAR_BYTES	128u	/* between the two: too close */
#define APART_BYTES	512u	/* far enough */
#define SLIP_PAUSES	32u
#define SLIP_LOOKS	8u

struct end {
	unsigned char *slots;
	size_t offset, bytes, stride;	/* of the next slot; of all; from one to the next */
	unsigned int got;
	bool slips;
};

static size_t stride_of(const struct bench *b)
{
	return b->size == sizeof(uint64_t) ? b->size : sizeof(uint64_t) + b->size;
}

static size_t bytes_of(const struct bench *b)
{
	return b->capacity / stride_of(b) * stride_of(b);
}

static size_t second(const struct bench *b)
{
	return (b->capacity + 4095) & ~(size_t)4095;
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

		end[i].slots = (unsigned char *)channels + nr * second(b);
		end[i].stride = stride_of(b);
		end[i].bytes = bytes_of(b);
		end[i].slips = b->test == STREAM && bytes_of(b) > 4 * APART_BYTES;
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

BENCH_INLINE atomic_ullong *word_at(const struct end *e, size_t offset)
{
	return (atomic_ullong *)(void *)(e->slots + offset);
}

BENCH_INLINE void step(struct end *e)
{
	e->offset += e->stride;
	if (e->offset == e->bytes)
		e->offset = 0;
}

BENCH_INLINE int wait_space(struct bench *b, void **p)
{
	struct end *e = b->tx;

	while (atomic_load_explicit(word_at(e, e->offset), memory_order_acquire))
		; /* busy */
	*p = b->size == sizeof(uint64_t) ? b->buf : e->slots + e->offset + sizeof(uint64_t);
	return 0;
}

BENCH_INLINE int commit(struct bench *b)
{
	struct end *e = b->tx;
	uint64_t word = NOT_ZERO;

	if (b->size == sizeof(uint64_t))
		word ^= *(bench_word *)(void *)b->buf;
	atomic_store_explicit(word_at(e, e->offset), word, memory_order_release);
	step(e);
	return 0;
}

/* Is the slot that is about so many bytes ahead full? */
BENCH_INLINE bool is_full(const struct end *e, size_t ahead)
{
	size_t offset = e->offset + (ahead + e->stride - 1) / e->stride * e->stride;

	if (offset >= e->bytes)
		offset -= e->bytes;
	return atomic_load_explicit(word_at(e, offset), memory_order_relaxed);
}

BENCH_INLINE void slip(const struct end *e)
{
	if (is_full(e, NEAR_BYTES))
		return;
	for (unsigned int i = 0; i < SLIP_LOOKS && !is_full(e, APART_BYTES); i++)
		pause_times(SLIP_PAUSES);
}

BENCH_INLINE int wait_data(struct bench *b, const void **p)
{
	struct end *e = b->rx;
	uint64_t word;

	if (e->slips && !(e->got++ % SLIP_EVERY))
		slip(e);
	while (!(word = atomic_load_explicit(word_at(e, e->offset), memory_order_acquire)))
		; /* busy */
	*p = e->slots + e->offset + sizeof(uint64_t);
	if (b->size == sizeof(uint64_t)) {
		*(bench_word *)(void *)b->buf = word ^ NOT_ZERO;
		*p = b->buf;
	}
	return 0;
}

BENCH_INLINE int release(struct bench *b)
{
	struct end *e = b->rx;

	atomic_store_explicit(word_at(e, e->offset), 0, memory_order_release);
	step(e);
	return 0;
}

PLACES(struct end, wait_space, commit, wait_data, release)

const struct contender fastforward_contenders[] = {
	{ "fastforward", FAMILY_RING, WAIT_BUSY, API_COPY,
	  "FastForward: a slot says itself whether it is full; copied in and out",
	  open_queues, attach_queues, run_copy, shared_free, 0 },
	{ "fastforward", FAMILY_RING, WAIT_BUSY, API_INPLACE,
	  "the same, in place",
	  open_queues, attach_queues, run_inplace, shared_free, 0 },
	{ 0 }
};

// SPDX-License-Identifier: MIT
/*
 * Contender: the bounded buffer of the operating-systems textbook, in shared
 * memory, line by line:
 *
 *	item next_produced;
 *
 *	while (true) {
 *		// produce an item in next_produced
 *		while (((in + 1) % BUFFER_SIZE) == out)
 *			; // do nothing
 *		buffer[in] = next_produced;
 *		in = (in + 1) % BUFFER_SIZE;
 *	}
 *
 *	item next_consumed;
 *
 *	while (true) {
 *		while (in == out)
 *			; // do nothing
 *		next_consumed = buffer[out];
 *		out = (out + 1) % BUFFER_SIZE;
 *		// consume the item in next_consumed
 *	}
 *
 * In the book, in and out are plain integers. A compiler may then read `out`
 * once, before the loop, and wait for ever; and a CPU may make the new `in`
 * visible before the item. So here they are atomic, in two versions: as C gives
 * it to plain expressions (sequentially consistent), and with no more order than
 * the algorithm needs (acquire and release).
 *
 * BUFFER_SIZE is a constant in the book, so the compiler makes "% BUFFER_SIZE"
 * cheap. Here it is a constant for the numbers of items that the default sizes
 * lead to; for other numbers it is a variable, and "%" a division.
 */
#include <stdatomic.h>

#include "loops.h"

struct bounded_buffer {
	atomic_int in, out;	/* side by side, as they are declared in the book */
	int buffer_size;	/* items */
	_Alignas(64) unsigned char buffer[];
};

/* Two of them, the second from a page boundary. */
static size_t second(const struct bench *b)
{
	return (sizeof(struct bounded_buffer) + b->capacity + 4095) & ~(size_t)4095;
}

static struct bounded_buffer *channel(void *channels, const struct bench *b, int i)
{
	return (struct bounded_buffer *)(void *)((unsigned char *)channels + second(b) * (size_t)i);
}

static int open_buffers(const struct contender *c, const struct bench *b, void **channels)
{
	(void)c;
	*channels = shared_alloc(second(b) * 2);
	if (!*channels)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		channel(*channels, b, i)->buffer_size = (int)(b->capacity / b->size);
	return 0;
}

static int attach_buffers(const struct contender *c, void *channels, struct bench *b)
{
	(void)c;
	shared_populate(channels);
	b->tx = channel(channels, b, b->side);
	b->rx = channel(channels, b, !b->side);
	return 0;
}

#define in		(bb->in)
#define out		(bb->out)
#define buffer(i)	(bb->buffer + (size_t)(i) * b->size)	/* buffer[i]: of any size */
#define next_produced	(b->buf)
#define next_consumed	(b->buf)

/* in and out are _Atomic: every plain use is sequentially consistent. */
BENCH_INLINE int produce_seqcst(struct bench *b, uint64_t seq, int BUFFER_SIZE)
{
	struct bounded_buffer *bb = b->tx;

	fill_message(b, next_produced, seq);

	while (((in + 1) % BUFFER_SIZE) == out)
		; /* do nothing */
	memcpy(buffer(in), next_produced, b->size);
	in = (in + 1) % BUFFER_SIZE;
	return 0;
}

BENCH_INLINE int consume_seqcst(struct bench *b, uint64_t *seq, int BUFFER_SIZE)
{
	struct bounded_buffer *bb = b->rx;

	while (in == out)
		; /* do nothing */
	memcpy(next_consumed, buffer(out), b->size);
	out = (out + 1) % BUFFER_SIZE;

	return check_message(b, next_consumed, seq);
}

#define mine(x)		atomic_load_explicit(&(x), memory_order_relaxed)
#define theirs(x)	atomic_load_explicit(&(x), memory_order_acquire)
#define set(x, v)	atomic_store_explicit(&(x), v, memory_order_release)

BENCH_INLINE int produce_acqrel(struct bench *b, uint64_t seq, int BUFFER_SIZE)
{
	struct bounded_buffer *bb = b->tx;

	fill_message(b, next_produced, seq);

	while (((mine(in) + 1) % BUFFER_SIZE) == theirs(out))
		; /* do nothing */
	memcpy(buffer(mine(in)), next_produced, b->size);
	set(in, (mine(in) + 1) % BUFFER_SIZE);
	return 0;
}

BENCH_INLINE int consume_acqrel(struct bench *b, uint64_t *seq, int BUFFER_SIZE)
{
	struct bounded_buffer *bb = b->rx;

	while (theirs(in) == mine(out))
		; /* do nothing */
	memcpy(next_consumed, buffer(mine(out)), b->size);
	set(out, (mine(out) + 1) % BUFFER_SIZE);

	return check_message(b, next_consumed, seq);
}

#undef in
#undef out
#undef buffer

/* ---------------------------------------------------- BUFFER_SIZE, a constant */

static int variable(const struct bench *b)
{
	return ((const struct bounded_buffer *)b->tx)->buffer_size;
}

#define WITH_ORDER(ORDER, N, SIZE) \
	BENCH_INLINE int put_##ORDER##_##N(struct bench *b, uint64_t seq) \
	{ \
		return produce_##ORDER(b, seq, SIZE); \
	} \
	BENCH_INLINE int get_##ORDER##_##N(struct bench *b, uint64_t *seq) \
	{ \
		return consume_##ORDER(b, seq, SIZE); \
	} \
	static int run_##ORDER##_##N(struct bench *b, struct result *res) \
	{ \
		return run_loops(b, res, put_##ORDER##_##N, get_##ORDER##_##N, no_flush); \
	}

#define WITH_SIZE(N, SIZE) \
	WITH_ORDER(seqcst, N, SIZE) \
	WITH_ORDER(acqrel, N, SIZE)

WITH_SIZE(4, 4)
WITH_SIZE(16, 16)
WITH_SIZE(64, 64)
WITH_SIZE(256, 256)
WITH_SIZE(1024, 1024)
WITH_SIZE(4096, 4096)
WITH_SIZE(32768, 32768)
WITH_SIZE(any, variable(b))

#define RUN(ORDER) \
	static int run_##ORDER(struct bench *b, struct result *res) \
	{ \
		switch (variable(b)) { \
		case 4: \
			return run_##ORDER##_4(b, res); \
		case 16: \
			return run_##ORDER##_16(b, res); \
		case 64: \
			return run_##ORDER##_64(b, res); \
		case 256: \
			return run_##ORDER##_256(b, res); \
		case 1024: \
			return run_##ORDER##_1024(b, res); \
		case 4096: \
			return run_##ORDER##_4096(b, res); \
		case 32768: \
			return run_##ORDER##_32768(b, res); \
		default: \
			return run_##ORDER##_any(b, res); \
		} \
	}

RUN(seqcst)
RUN(acqrel)

const struct contender textbook_contenders[] = {
	{ "textbook-seqcst", FAMILY_TEXTBOOK, WAIT_BUSY, API_COPY,
	  "in, out, % BUFFER_SIZE, two busy loops; plain C11 atomics",
	  open_buffers, attach_buffers, run_seqcst, shared_free, 0 },
	{ "textbook-acqrel", FAMILY_TEXTBOOK, WAIT_BUSY, API_COPY,
	  "the same, with acquire and release",
	  open_buffers, attach_buffers, run_acqrel, shared_free, 0 },
	{ 0 }
};

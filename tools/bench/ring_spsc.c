// SPDX-License-Identifier: MIT
/*
 * Contender: the ring of slots.h. Every message is published at once. A side looks
 * at the other's counter only when its private copy says full or empty.
 */
#include "slots.h"

BENCH_INLINE void *wait_space(struct slots_end *e)
{
	void *p;

	while (!(p = slots_reserve(e)))
		; /* busy */
	return p;
}

BENCH_INLINE const void *wait_data(struct slots_end *e)
{
	const void *p;

	while (!(p = slots_peek(e)))
		; /* busy */
	return p;
}

BENCH_INLINE int put_inplace(struct bench *b, uint64_t seq)
{
	struct slots_end *e = b->tx;

	fill_in_place(b, wait_space(e), seq);
	slots_commit(e);
	return 0;
}

BENCH_INLINE int get_inplace(struct bench *b, uint64_t *seq)
{
	struct slots_end *e = b->rx;
	int ret = check_message(b, wait_data(e), seq);

	slots_release(e);
	return ret;
}

BENCH_INLINE int put_copy(struct bench *b, uint64_t seq)
{
	struct slots_end *e = b->tx;

	fill_message(b, b->buf, seq);
	memcpy(wait_space(e), b->buf, b->size);
	slots_commit(e);
	return 0;
}

BENCH_INLINE int get_copy(struct bench *b, uint64_t *seq)
{
	struct slots_end *e = b->rx;

	memcpy(b->buf, wait_data(e), b->size);
	slots_release(e);
	return check_message(b, b->buf, seq);
}

static int run_inplace(struct bench *b, struct result *res)
{
	return run_loops(b, res, put_inplace, get_inplace, no_flush);
}

static int run_copy(struct bench *b, struct result *res)
{
	return run_loops(b, res, put_copy, get_copy, no_flush);
}

const struct contender spsc_contenders[] = {
	{ "spsc", FAMILY_RING, WAIT_BUSY, API_COPY,
	  "a good unbatched ring: cached counters, apart; copied in and out",
	  slots_open, slots_attach, run_copy, shared_free, 0 },
	{ "spsc", FAMILY_RING, WAIT_BUSY, API_INPLACE,
	  "the same, messages written and read where they lie",
	  slots_open, slots_attach, run_inplace, shared_free, 0 },
	{ 0 }
};

// SPDX-License-Identifier: MIT
/*
 * Contender: MCRingBuffer (Lee, Bu and Chandranmenon, "A lock-free, cache-
 * efficient multi-core synchronization mechanism for line-rate network traffic
 * monitoring", 2010): as slots.h, and in batches: a counter is published once
 * for many messages, or when its side would have to wait.
 */
#include "slots.h"

BENCH_INLINE int publish(struct slots_end *e)
{
	if (e->held)
		atomic_store_explicit(&e->s->head, e->pos, memory_order_release);
	e->held = 0;
	return 0;
}

BENCH_INLINE void give_back(struct slots_end *e)
{
	if (e->held)
		atomic_store_explicit(&e->s->tail, e->pos, memory_order_release);
	e->held = 0;
}

BENCH_INLINE void *wait_space(struct slots_end *e)
{
	void *p;

	while (!(p = slots_reserve(e)))
		publish(e);
	return p;
}

BENCH_INLINE const void *wait_data(struct slots_end *e)
{
	const void *p;

	while (!(p = slots_peek(e)))
		give_back(e);
	return p;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	struct slots_end *e = b->tx;

	fill_in_place(b, wait_space(e), seq);
	slots_step(e);
	if (++e->held >= b->batch)
		publish(e);
	return 0;
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct slots_end *e = b->rx;
	int ret = check_message(b, wait_data(e), seq);

	slots_step(e);
	if (++e->held >= b->batch)
		give_back(e);
	return ret;
}

BENCH_INLINE int flush(struct bench *b)
{
	return publish(b->tx);
}

static int run(struct bench *b, struct result *res)
{
	return run_loops(b, res, put, get, flush);
}

const struct contender mcring_contenders[] = {
	{ "mcring", FAMILY_RING, WAIT_BUSY, API_BATCH,
	  "MCRingBuffer, in place: counters published once a batch",
	  slots_open, slots_attach, run, shared_free, 0 },
	{ 0 }
};

// SPDX-License-Identifier: MIT
/*
 * DPDK's rte_ring for many producers. In the plain mode, producers finish in the order in which they
 * began; in the mode HTS (head and tail synchronized), one producer at a time is at work.
 */
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "many.h"

static int open_ring(const struct many *m, void **queue, unsigned int flags)
{
	unsigned int nr = 2;
	ssize_t size;
	int ret;

	while (2 * nr * m->size <= m->capacity * m->producers)
		nr *= 2;
	size = rte_ring_get_memsize_elem((unsigned int)m->size, nr);
	*queue = size < 0 ? NULL : shared_alloc((size_t)size);
	if (!*queue)
		return size < 0 ? (int)size : -ENOMEM;
	ret = rte_ring_init(*queue, "bench", nr, flags | RING_F_SC_DEQ);
	if (ret)
		shared_free(*queue);
	return ret;
}

static int open_mp(const struct many *m, void **queue)
{
	return open_ring(m, queue, 0);
}

static int open_hts(const struct many *m, void **queue)
{
	return open_ring(m, queue, RING_F_MP_HTS_ENQ);
}

BENCH_INLINE int put_mp(void *end, const void *message, size_t size)
{
	return rte_ring_mp_enqueue_elem(end, (void *)(uintptr_t)message, (unsigned int)size) ? -EAGAIN : 0;
}

BENCH_INLINE int put_hts(void *end, const void *message, size_t size)
{
	return rte_ring_mp_hts_enqueue_bulk_elem(end, message, (unsigned int)size, 1, NULL) ?
	       0 : -EAGAIN;
}

BENCH_INLINE int get(void *end, void *message, size_t size)
{
	return rte_ring_sc_dequeue_elem(end, message, (unsigned int)size) ? -EAGAIN : 0;
}

static int produce_mp(const struct many *m, void *queue)
{
	return many_start(m) ? many_produce(m, queue, put_mp) : 0;
}

static int produce_hts(const struct many *m, void *queue)
{
	return many_start(m) ? many_produce(m, queue, put_hts) : 0;
}

static int consume(const struct many *m, void *queue, struct count *count)
{
	return many_consume(m, queue, count, get);
}

const struct many_contender many_rte[] = {
	{ "rte_ring", "DPDK, many producers", open_mp, produce_mp, consume, shared_free },
	{ "rte_ring-hts", "DPDK, one producer at a time", open_hts, produce_hts, consume,
	  shared_free },
	{ 0 },
};

// SPDX-License-Identifier: MIT
/*
 * The bounded queue of D. Vyukov, for many producers, written anew: a producer takes a cell by
 * compare-and-swap of the position, fills it, and marks it with its lap.
 */
#include <string.h>

#include "many.h"

struct cell {
	uint64_t seq;
	unsigned char message[];
};

struct queue {
	uint64_t mask, stride;
	uint64_t head __attribute__((aligned(128)));	/* the next cell to fill */
	uint64_t tail __attribute__((aligned(128)));	/* the next cell to empty */
	unsigned char cells[] __attribute__((aligned(128)));
};

static struct cell *cell_at(struct queue *q, uint64_t position)
{
	return (struct cell *)(void *)(q->cells + (position & q->mask) * q->stride);
}

static int open_queue(const struct many *m, void **queue)
{
	uint64_t nr = 2, stride = sizeof(struct cell) + m->size;
	struct queue *q;

	while (2 * nr * m->size <= m->capacity * m->producers)
		nr *= 2;
	q = shared_alloc(sizeof(*q) + nr * stride);
	if (!q)
		return -ENOMEM;
	q->mask = nr - 1;
	q->stride = stride;
	for (uint64_t i = 0; i < nr; i++)
		cell_at(q, i)->seq = i;
	*queue = q;
	return 0;
}

BENCH_INLINE int put(void *end, const void *message, size_t size)
{
	struct queue *q = end;
	uint64_t head = __atomic_load_n(&q->head, __ATOMIC_RELAXED);
	struct cell *cell;
	int64_t laps;

	for (;;) {
		cell = cell_at(q, head);
		laps = (int64_t)(__atomic_load_n(&cell->seq, __ATOMIC_ACQUIRE) - head);
		if (laps < 0)
			return -EAGAIN;
		if (laps)
			head = __atomic_load_n(&q->head, __ATOMIC_RELAXED);
		else if (__atomic_compare_exchange_n(&q->head, &head, head + 1, true,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	memcpy(cell->message, message, size);
	__atomic_store_n(&cell->seq, head + 1, __ATOMIC_RELEASE);
	return 0;
}

/* The one consumer takes a cell without compare-and-swap. */
BENCH_INLINE int get(void *end, void *message, size_t size)
{
	struct queue *q = end;
	struct cell *cell = cell_at(q, q->tail);

	if (__atomic_load_n(&cell->seq, __ATOMIC_ACQUIRE) != q->tail + 1)
		return -EAGAIN;
	memcpy(message, cell->message, size);
	__atomic_store_n(&cell->seq, q->tail + q->mask + 1, __ATOMIC_RELEASE);
	q->tail++;
	return 0;
}

static int produce(const struct many *m, void *queue)
{
	return many_start(m) ? many_produce(m, queue, put) : 0;
}

static int consume(const struct many *m, void *queue, struct count *count)
{
	return many_consume(m, queue, count, get);
}

const struct many_contender many_vyukov[] = {
	{ "vyukov", "D. Vyukov's bounded queue", open_queue, produce, consume, shared_free },
	{ 0 },
};

// SPDX-License-Identifier: MIT
/*
 * Contender: the bare ring of slots (see bare.h), with a mark in each. The first eight bytes of a
 * slot hold the lap in which it was written, the first one being 1. The consumer looks at the
 * mark of the next slot, not at the head: so a message comes with one transfer of a cache line
 * instead of two. The head is stored first, as in shmring's slots with marks: nobody polls its
 * line, so the store does not wait for a transfer.
 *
 * Only the producer writes marks, and each has its place: no payload can be taken for one. A
 * mark is of this lap or of the lap before; anything else ends it.
 */
#include "bare.h"

#define MARK	sizeof(uint64_t)

static int attach(const struct contender *c, void *channels, struct bench *b)
{
	int ret = bare_attach(c, channels, b);

	for (int i = 0; i < 2; i++) {
		struct bare_end *e = i ? b->rx : b->tx;

		e->stride = MARK + b->size;
		e->capacity = b->capacity / e->stride * e->stride;	/* whole slots */
		e->limit = i ? 0 : e->capacity;
		e->lap = 1;
	}
	return ret;
}

BENCH_INLINE uint64_t *mark_at(const struct bare_end *e)
{
	return (uint64_t *)(void *)(e->data + e->offset);
}

BENCH_INLINE void step(struct bare_end *e)
{
	e->offset += e->stride;
	if (e->offset == e->capacity) {
		e->offset = 0;
		e->lap++;
	}
}

BENCH_INLINE int wait_space(struct bench *b, void **p)
{
	struct bare_end *e = b->tx;
	int ret = bare_wait_space(e, MARK + b->size);

	*p = mark_at(e) + 1;
	return ret;
}

BENCH_INLINE int commit(struct bench *b)
{
	struct bare_end *e = b->tx;
	uint64_t from = e->offset, lap = e->lap, *mark = mark_at(e);

	step(e);
	e->pos += MARK + b->size;
	atomic_store_explicit(&e->w->head, e->pos, memory_order_release);
	__atomic_store_n(mark, lap, __ATOMIC_RELEASE);
	bare_look_at_sleeper(&e->w->consumer, e->pos - MARK - b->size, e->pos);
	bare_fetch_ahead(e, MARK + b->size, from, e->offset);
	return 0;
}

BENCH_INLINE int wait_data(struct bench *b, const void **p)
{
	struct bare_end *e = b->rx;
	uint64_t mark;

	while ((mark = __atomic_load_n(mark_at(e), __ATOMIC_ACQUIRE)) != e->lap) {
		if (mark != e->lap - 1)
			return -EBADMSG;
		pause_times(e->pauses);
	}
	*p = mark_at(e) + 1;
	return 0;
}

BENCH_INLINE int release(struct bench *b)
{
	struct bare_end *e = b->rx;

	step(e);
	bare_give_back(e, MARK + b->size);
	return 0;
}

PLACES(struct bare_end, wait_space, commit, wait_data, release)

const struct contender marked_contenders[] = {
	BARE_CONTENDERS("marked-slots", attach, 128,
			"bare slots that say themselves whether they are full; 128 pauses"),
	BARE_CONTENDERS("marked-slots-512", attach, 512, "the same with 512 pauses"),
	{ 0 }
};

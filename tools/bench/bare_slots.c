// SPDX-License-Identifier: MIT
/*
 * Contender: the bare ring of slots; see bare.h. Slots have no header and all one size, which
 * both sides know.
 */
#include "bare.h"

BENCH_INLINE int wait_space(struct bench *b, void **p)
{
	struct bare_end *e = b->tx;
	int ret = bare_wait_space(e, b->size);

	*p = e->data + (e->pos & (e->capacity - 1));
	return ret;
}

BENCH_INLINE int commit(struct bench *b)
{
	struct bare_end *e = b->tx;
	uint64_t from = e->pos & (e->capacity - 1);

	bare_publish(e, b->size);
	bare_fetch_ahead(e, b->size, from, e->pos & (e->capacity - 1));
	return 0;
}

BENCH_INLINE int wait_data(struct bench *b, const void **p)
{
	struct bare_end *e = b->rx;
	int ret = bare_wait_data(e);

	*p = e->data + (e->pos & (e->capacity - 1));
	return b->size > e->limit - e->pos ? -EBADMSG : ret;	/* not a whole slot */
}

BENCH_INLINE int release(struct bench *b)
{
	bare_give_back(b->rx, b->size);
	return 0;
}

PLACES(struct bare_end, wait_space, commit, wait_data, release)

const struct contender bare_slots_contenders[] = {
	BARE_CONTENDERS("bare-slots", bare_attach, 128,
			"what slots cost at least; 128 pauses at a time"),
	BARE_CONTENDERS("bare-slots-512", bare_attach, 512, "the same with 512 pauses"),
	{ 0 }
};

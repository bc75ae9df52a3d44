// SPDX-License-Identifier: MIT
/*
 * Contender: the bare ring of records; see bare.h. Each has a header of eight bytes, whose
 * length is checked, and may be of any length.
 */
#include "bare.h"

#define HEADER	sizeof(struct header)

struct header {
	uint32_t len, flags;
};

BENCH_INLINE uint64_t footprint(uint64_t len)
{
	return (HEADER + len + 7) & ~7ull;
}

BENCH_INLINE struct header *header_at(const struct bare_end *e)
{
	return (struct header *)(void *)(e->data + (e->pos & (e->capacity - 1)));
}

BENCH_INLINE int wait_space(struct bench *b, void **p)
{
	struct bare_end *e = b->tx;
	int ret = bare_wait_space(e, footprint(b->size));

	*p = header_at(e) + 1;
	return ret;
}

BENCH_INLINE int commit(struct bench *b)
{
	struct bare_end *e = b->tx;
	uint64_t from = e->pos & (e->capacity - 1);

	*header_at(e) = (struct header){ .len = (uint32_t)b->size };
	bare_publish(e, footprint(b->size));
	bare_fetch_ahead(e, footprint(b->size), from, e->pos & (e->capacity - 1));
	return 0;
}

/* What the header says is read once, and checked: a producer may change it at any time. */
BENCH_INLINE int wait_data(struct bench *b, const void **p)
{
	struct bare_end *e = b->rx;
	const struct header *h = header_at(e);
	int ret = bare_wait_data(e);
	uint32_t len, flags;

	if (ret)
		return ret;
	len = __atomic_load_n(&h->len, __ATOMIC_RELAXED);
	flags = __atomic_load_n(&h->flags, __ATOMIC_RELAXED);
	if (footprint(len) > e->limit - e->pos || flags)
		return -EBADMSG;
	e->stride = footprint(len);
	*p = h + 1;
	return len == b->size ? 0 : -EBADMSG;
}

BENCH_INLINE int release(struct bench *b)
{
	struct bare_end *e = b->rx;

	bare_give_back(e, e->stride);
	return 0;
}

PLACES(struct bare_end, wait_space, commit, wait_data, release)

const struct contender bare_records_contenders[] = {
	BARE_CONTENDERS("bare-records", bare_attach, 128,
			"what records cost at least; 128 pauses at a time"),
	BARE_CONTENDERS("bare-records-512", bare_attach, 512, "the same with 512 pauses"),
	{ 0 }
};

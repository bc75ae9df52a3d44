// SPDX-License-Identifier: MIT
/* Endpoints in any state, and what must hold for them. */
#include "hostile.h"

static struct shmring_lane lane;
struct shmring_producer producer;
struct shmring_consumer consumer;
unsigned char data[2 * CAPACITY];

/* A role begins below half of this, and no role moves by the other half. */
#define OUT_OF_REACH	(2 * SHMRING_POSITION_LIMIT)

static _Bool aligned(const struct shmring *r, uint64_t n)
{
	return !(n & (r->align - 1));
}

/* Positions that this side sets itself; with marks, a slot's place depends on it. */
static _Bool whole(const struct shmring *r, uint64_t n)
{
	return r->features ? !(n & (r->stride - 1)) : aligned(r, n);
}

/* The sizes that shmring_is_geometry() lets pass, and what ring.c makes of them. */
static void assume_sizes(struct shmring *r)
{
	unsigned char slot_size, slots, shift;	/* few bits: fewer cases to search */

#ifdef SLOW_PATH
	assume(shift == 1);	/* as hostile.h says: the fast path is checked with all */
#endif
	assume(slot_size <= CAPACITY && shift <= 2);
	r->slot_size = slot_size;
	r->align = 4u << shift;
	assume(slot_size || r->align >= SHMRING_ALIGN);
	r->stride = (r->slot_size + r->align - 1) & ~(r->align - 1);
#ifdef MARKS
	r->features = SHMRING_FEATURE_MARKS;
	assume(slot_size && r->align >= SHMRING_ALIGN && r->align + slot_size <= CAPACITY);
	r->stride = r->align + slot_size <= 16 ? 16 : r->align + slot_size <= 32 ? 32 : 64;
#else
	r->features = 0;
#endif
	r->pad = (uint32_t)sizeof(struct shmring_record) + r->align - 1;
	r->round = ~(uint64_t)(r->align - 1);
	r->payload = data + (r->stride && !r->features ? 0 : r->align);
	r->span = r->stride ? (unsigned int)slots * r->stride : CAPACITY;
	assume(r->span && r->span <= CAPACITY);
}

static struct shmring any_ring(void)
{
	struct shmring r;

	__CPROVER_havoc_object(&lane);
	__CPROVER_havoc_object(&producer);
	__CPROVER_havoc_object(&consumer);
	__CPROVER_havoc_object(data);
	r.lane = &lane;
	r.producer = &producer;
	r.consumer = &consumer;
	r.data = data;
	r.capacity = CAPACITY;
	r.mask = CAPACITY - 1;
	assume_sizes(&r);
	assume(r.error == 0 || r.error == -EBADMSG);
	return r;
}

/*
 * limit - span <= head - staged <= head <= limit, and end <= limit. The limit comes from the
 * other side's tail, and may be misaligned.
 */
static _Bool producer_is_sane(const struct shmring *r)
{
	uint64_t space = r->p.limit - r->p.head;

	return space <= r->span && r->p.staged <= r->span - space && r->p.end <= r->p.limit &&
	       whole(r, r->p.staged) && aligned(r, r->p.end) && whole(r, r->p.head) &&
	       (!r->features || r->p.fetch_at == 0) &&
	       r->c.tail == 0 && r->c.end == 0 && r->c.limit == 0 && r->c.held == 0;
}

/* tail - held <= tail <= limit <= tail - held + span, and end <= limit */
static _Bool consumer_is_sane(const struct shmring *r)
{
	uint64_t avail = r->c.limit - r->c.tail;

	return avail <= r->span && r->c.held <= r->span - avail && r->c.end <= r->c.limit &&
	       whole(r, r->c.held) && aligned(r, avail) && whole(r, r->c.end) &&
	       whole(r, r->c.tail) &&
	       r->p.head == 0 && r->p.end == 0 && r->p.limit == 0 && r->p.staged == 0;
}

struct shmring any_producer(void)
{
	struct shmring r = any_ring();

	r.role = SHMRING_PRODUCER;
	assume(r.p.head < OUT_OF_REACH);
	assume(producer_is_sane(&r));
	return r;
}

struct shmring any_consumer(void)
{
	struct shmring r = any_ring();

	r.role = SHMRING_CONSUMER;
	assume(r.c.tail < OUT_OF_REACH);
	assume(consumer_is_sane(&r));
	return r;
}

void check_producer(const struct shmring *r)
{
	check(r->data == data && r->capacity == CAPACITY && r->mask == CAPACITY - 1);
	check(producer_is_sane(r));
}

void check_consumer(const struct shmring *r)
{
	check(r->data == data && r->capacity == CAPACITY && r->mask == CAPACITY - 1);
	check(consumer_is_sane(r));
}

void check_marked(const struct shmring *r)
{
	check(!r->features || *__shmring_mark(r, r->p.head - r->stride) ==
			      r->p.head - r->stride + 1);
}

void check_message(const struct shmring *r, const void *message, size_t len)
{
	const unsigned char *start = (const unsigned char *)message - (r->payload - r->data);

	check(__CPROVER_same_object(start, data));
	check(start >= data && aligned(r, (uint64_t)(start - data)));
	check(start + __shmring_footprint(r, len) <= data + 2 * CAPACITY);
	check(__CPROVER_r_ok(message, len));
}

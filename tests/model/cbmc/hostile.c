// SPDX-License-Identifier: MIT
/* Endpoints in any state, and what must hold for them. */
#include "hostile.h"

static struct shmring_lane lane;
struct shmring_producer producer;
struct shmring_consumer consumer;
unsigned char data[2 * CAPACITY];

static _Bool aligned(uint64_t n)
{
	return n % SHMRING_ALIGN == 0;
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
	assume(r.slot_size <= CAPACITY);
	r.header_size = r.slot_size ? 0 : sizeof(struct shmring_record);
	assume(r.error == 0 || r.error == -EBADMSG);
	return r;
}

/*
 * limit - capacity <= head - staged <= head <= end <= limit. Inequalities of differences hold
 * at any positions. The other side's position may be misaligned. So may be the one that a
 * previous owner has left, but then no call does anything.
 */
static _Bool producer_is_sane(const struct shmring *r)
{
	uint64_t space = r->p.limit - r->p.head;
	uint64_t open = r->p.end - r->p.head;

	return space <= CAPACITY && r->p.staged <= CAPACITY - space && open <= space &&
	       aligned(r->p.staged) && aligned(open) &&
	       (aligned(r->p.head) || (r->error && !space)) &&
	       r->p.len_end == (uint64_t)shmring_max_len(r) + 1 &&
	       r->c.tail == 0 && r->c.end == 0 && r->c.limit == 0 && r->c.held == 0 && r->c.most == 0;
}

/* tail - held <= tail <= end <= limit <= tail - held + capacity */
static _Bool consumer_is_sane(const struct shmring *r)
{
	uint64_t avail = r->c.limit - r->c.tail;
	uint64_t open = r->c.end - r->c.tail;

	return avail <= CAPACITY && r->c.held <= CAPACITY - avail && open <= avail &&
	       aligned(r->c.held) && aligned(open) &&
	       (aligned(r->c.tail) || (r->error && !avail)) &&
	       r->p.head == 0 && r->p.end == 0 && r->p.limit == 0 &&
	       r->p.len_end == 0 && r->p.staged == 0 && r->c.most && r->c.most <= CAPACITY;
}

struct shmring any_producer(void)
{
	struct shmring r = any_ring();

	r.role = SHMRING_PRODUCER;
	assume(producer_is_sane(&r));
	return r;
}

struct shmring any_consumer(void)
{
	struct shmring r = any_ring();

	r.role = SHMRING_CONSUMER;
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

void check_message(const struct shmring *r, const void *message, size_t len)
{
	const unsigned char *start = (const unsigned char *)message - r->header_size;

	check(__CPROVER_same_object(start, data));
	check(start >= data && aligned((uint64_t)(start - data)));
	check(start + __shmring_footprint(r, len) <= data + 2 * CAPACITY);
	check(__CPROVER_r_ok(message, len));
}

// SPDX-License-Identifier: MIT
/*
 * Contenders: the two queues of Meng Rao's SPSC_Queue (github.com/MengRao/SPSC_Queue) that keep
 * readiness beside the data, SPSCQueueOPT and SPSCVarQueueOPT, written anew from their design. A
 * message comes to the consumer with one transfer of a cache line.
 *
 *   slots	each is aligned to a cache line and begins with a flag, which the producer sets and
 *		the consumer clears; there are no shared indices.
 *   records	one behind the other, each with a header that holds its length, zero until it is
 *		there: so the producer clears the next header before it writes this one. Length
 *		1 says that the records go on at the start. The consumer tells by an index what is
 *		free, which the producer looks at when it has used up what it knew of.
 *
 * The original's lengths have 16 bits; here they have 32.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "places.h"

#define LINE		64u
#define HEADER		sizeof(struct header)
#define AT_THE_START	1u	/* a length that no record has */

struct header {
	atomic_uint size;	/* of the record, with this header; 0: it is not there yet */
	uint32_t unused;
};

/* A side's end of either. Of slots only the first three are used. */
struct end {
	unsigned char *data;
	size_t offset;			/* of the next message */
	size_t bytes;
	size_t room;			/* known to be free, from there on */
	size_t taken;			/* by the message that is being read */
	atomic_size_t *read;		/* where the consumer is */
};

static size_t stride_of(const struct bench *b)
{
	return (sizeof(uint64_t) + b->size + LINE - 1) / LINE * LINE;
}

/* Whole slots, or any bytes. */
static size_t data_bytes(const struct contender *c, const struct bench *b)
{
	return c->option ? b->capacity : b->capacity / stride_of(b) * stride_of(b);
}

/* The consumer's index lies behind the data, apart from it. */
static size_t second(const struct contender *c, const struct bench *b)
{
	return (data_bytes(c, b) + 512 + 4095) & ~(size_t)4095;
}

static int open_queues(const struct contender *c, const struct bench *b, void **channels)
{
	*channels = shared_alloc(2 * second(c, b));
	return *channels ? 0 : -ENOMEM;
}

static int attach_queues(const struct contender *c, void *channels, struct bench *b)
{
	struct end *end = calloc(2, sizeof(*end));

	if (!end)
		return -ENOMEM;
	shared_populate(channels);
	for (int i = 0; i < 2; i++) {
		size_t nr = (size_t)(i ? !b->side : (int)b->side);

		end[i].data = (unsigned char *)channels + nr * second(c, b);
		end[i].bytes = data_bytes(c, b);
		end[i].room = end[i].bytes;
		end[i].read = (void *)(end[i].data + end[i].bytes + 256);
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

/* ------------------------------------------------------------------- slots */

BENCH_INLINE atomic_uchar *flag_at(const struct end *e)
{
	return (atomic_uchar *)(e->data + e->offset);
}

BENCH_INLINE void step(const struct bench *b, struct end *e)
{
	e->offset += stride_of(b);
	if (e->offset == e->bytes)
		e->offset = 0;
}

BENCH_INLINE int wait_empty(struct bench *b, void **p)
{
	struct end *e = b->tx;

	while (atomic_load_explicit(flag_at(e), memory_order_acquire))
		; /* busy */
	*p = e->data + e->offset + sizeof(uint64_t);
	return 0;
}

BENCH_INLINE int set_flag(struct bench *b)
{
	struct end *e = b->tx;

	atomic_store_explicit(flag_at(e), 1, memory_order_release);
	step(b, e);
	return 0;
}

BENCH_INLINE int wait_full(struct bench *b, const void **p)
{
	struct end *e = b->rx;

	while (!atomic_load_explicit(flag_at(e), memory_order_acquire))
		; /* busy */
	*p = e->data + e->offset + sizeof(uint64_t);
	return 0;
}

BENCH_INLINE int clear_flag(struct bench *b)
{
	struct end *e = b->rx;

	atomic_store_explicit(flag_at(e), 0, memory_order_release);
	step(b, e);
	return 0;
}

PLACES_RUN(slots_copy, API_COPY, struct end, wait_empty, set_flag, wait_full, clear_flag)
PLACES_RUN(slots_inplace, API_INPLACE, struct end, wait_empty, set_flag, wait_full, clear_flag)

/* ----------------------------------------------------------------- records */

BENCH_INLINE struct header *header_at(const struct end *e)
{
	return (struct header *)(void *)(e->data + e->offset);
}

BENCH_INLINE size_t record_bytes(size_t size)
{
	return (HEADER + size + HEADER - 1) / HEADER * HEADER;
}

static __attribute__((noinline)) void go_to_start(struct end *e, size_t read)
{
	struct header *last = header_at(e);

	e->offset = 0;
	atomic_store_explicit(&header_at(e)->size, 0, memory_order_relaxed);
	atomic_store_explicit(&last->size, AT_THE_START, memory_order_release);
	e->room = read;
}

/* One header more than the record must be free: the next one, which is cleared. */
BENCH_INLINE bool look_for_room(struct end *e, size_t need)
{
	size_t read = atomic_load_explicit(e->read, memory_order_acquire);

	if (read > e->offset) {
		e->room = read - e->offset;
	} else {
		e->room = e->bytes - e->offset;
		if (need >= e->room && read)
			go_to_start(e, read);
	}
	return need < e->room;
}

BENCH_INLINE int wait_room(struct bench *b, void **p)
{
	struct end *e = b->tx;
	size_t need = record_bytes(b->size);

	while (need >= e->room && !look_for_room(e, need))
		; /* busy */
	*p = header_at(e) + 1;
	return 0;
}

BENCH_INLINE int write_size(struct bench *b)
{
	struct end *e = b->tx;
	struct header *this = header_at(e);
	size_t need = record_bytes(b->size);

	e->offset += need;
	e->room -= need;
	atomic_store_explicit(&header_at(e)->size, 0, memory_order_relaxed);
	atomic_store_explicit(&this->size, (unsigned int)(HEADER + b->size),
			      memory_order_release);
	return 0;
}

BENCH_INLINE int wait_record(struct bench *b, const void **p)
{
	struct end *e = b->rx;
	unsigned int size;

	while ((size = atomic_load_explicit(&header_at(e)->size, memory_order_acquire)) <= 1)
		if (size == AT_THE_START)
			e->offset = 0;
	e->taken = record_bytes(size - HEADER);
	*p = header_at(e) + 1;
	return size == HEADER + b->size ? 0 : -EBADMSG;
}

BENCH_INLINE int move_on(struct bench *b)
{
	struct end *e = b->rx;

	e->offset += e->taken;
	atomic_store_explicit(e->read, e->offset, memory_order_release);
	return 0;
}

PLACES_RUN(records_copy, API_COPY, struct end, wait_room, write_size, wait_record, move_on)
PLACES_RUN(records_inplace, API_INPLACE, struct end, wait_room, write_size, wait_record, move_on)

#define CONTENDER(NAME, API, RUN, RECORDS, ABOUT) \
	{ NAME, FAMILY_RING, WAIT_BUSY, API, ABOUT, open_queues, attach_queues, RUN, shared_free, \
	  RECORDS }

const struct contender mengrao_contenders[] = {
	CONTENDER("mengrao-slots", API_COPY, run_slots_copy, 0,
		  "the design of MengRao's SPSCQueueOPT: a flag beside the data; copied"),
	CONTENDER("mengrao-slots", API_INPLACE, run_slots_inplace, 0, "the same, in place"),
	CONTENDER("mengrao-records", API_COPY, run_records_copy, 1,
		  "the design of MengRao's SPSCVarQueueOPT: the length says it is there; copied"),
	CONTENDER("mengrao-records", API_INPLACE, run_records_inplace, 1, "the same, in place"),
	{ 0 }
};

// SPDX-License-Identifier: MIT
/*
 * Contenders: DPDK's rte_ring, single producer and single consumer, with
 * elements of the message's size: one at a time; in bursts, from and to an
 * array; and with the zero-copy calls, which hand out a place in the ring.
 */
#include <stdlib.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "loops.h"

/* A side's end of one ring. */
struct end {
	struct rte_ring *r;
	unsigned char *array;		/* a burst of messages, for the copying calls */
	struct rte_ring_zc_data zc;
	unsigned int nr, next;		/* messages in the burst; of these, done */
};

static size_t elements(const struct bench *b)
{
	size_t nr = 4;

	while (nr * 2 <= b->capacity / b->size)
		nr *= 2;
	return nr;
}

static size_t second(const struct bench *b)
{
	ssize_t n = rte_ring_get_memsize_elem((unsigned int)b->size, (unsigned int)elements(b));

	return ((size_t)n + 4095) & ~(size_t)4095;
}

static struct rte_ring *channel(void *channels, const struct bench *b, int i)
{
	return (struct rte_ring *)(void *)((unsigned char *)channels + second(b) * (size_t)i);
}

/* Without DPDK's environment: a ring is a piece of memory like any other. */
static int open_rings(const struct contender *c, const struct bench *b, void **channels)
{
	int ret = 0;

	(void)c;
	*channels = shared_alloc(2 * second(b));
	if (!*channels)
		return -ENOMEM;
	for (int i = 0; i < 2 && !ret; i++)
		ret = rte_ring_init(channel(*channels, b, i), "bench", (unsigned int)elements(b),
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (ret)
		shared_free(*channels);
	return ret;
}

static int attach_rings(const struct contender *c, void *channels, struct bench *b)
{
	struct end *end = calloc(2, sizeof(*end));
	int error = 0;

	(void)c;
	if (!end)
		return -ENOMEM;
	shared_populate(channels);
	for (int i = 0; i < 2; i++) {
		end[i].r = channel(channels, b, i ? !b->side : (int)b->side);
		error |= posix_memalign((void **)&end[i].array, 128, b->batch * b->size);
		if (!error)
			memset(end[i].array, 0, b->batch * b->size);
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return error ? -ENOMEM : 0;
}

/* -------------------------------------------------------- one, and a burst */

BENCH_INLINE int put_one(struct bench *b, uint64_t seq)
{
	struct end *e = b->tx;

	fill_message(b, b->buf, seq);
	while (rte_ring_sp_enqueue_elem(e->r, b->buf, (unsigned int)b->size))
		; /* busy */
	return 0;
}

BENCH_INLINE int get_one(struct bench *b, uint64_t *seq)
{
	struct end *e = b->rx;

	while (rte_ring_sc_dequeue_elem(e->r, b->buf, (unsigned int)b->size))
		; /* busy */
	return check_message(b, b->buf, seq);
}

BENCH_INLINE int flush_burst(struct bench *b)
{
	struct end *e = b->tx;
	unsigned int done = 0;

	while (done < e->next)
		done += rte_ring_sp_enqueue_burst_elem(e->r, e->array + done * b->size,
						       (unsigned int)b->size, e->next - done, NULL);
	e->next = 0;
	return 0;
}

BENCH_INLINE int put_burst(struct bench *b, uint64_t seq)
{
	struct end *e = b->tx;

	fill_message(b, e->array + e->next * b->size, seq);
	return ++e->next < b->batch ? 0 : flush_burst(b);
}

BENCH_INLINE int get_burst(struct bench *b, uint64_t *seq)
{
	struct end *e = b->rx;

	if (e->next == e->nr) {
		do {
			e->nr = rte_ring_sc_dequeue_burst_elem(e->r, e->array,
							       (unsigned int)b->size, b->batch,
							       NULL);
		} while (!e->nr);
		e->next = 0;
	}
	return check_message(b, e->array + e->next++ * b->size, seq);
}

/* --------------------------------------------------------------- zero copy */

/* One call may hand out two pieces, the second from the start of the ring. */
BENCH_INLINE unsigned char *zc_message(const struct bench *b, const struct end *e)
{
	unsigned int i = e->next;

	if (i < e->zc.n1)
		return (unsigned char *)e->zc.ptr1 + i * b->size;
	return (unsigned char *)e->zc.ptr2 + (i - e->zc.n1) * b->size;
}

BENCH_INLINE int zc_put(struct bench *b, uint64_t seq, unsigned int batch)
{
	struct end *e = b->tx;

	if (e->next == e->nr) {
		do {
			e->nr = rte_ring_enqueue_zc_burst_elem_start(e->r, (unsigned int)b->size,
								     batch, &e->zc, NULL);
		} while (!e->nr);
		e->next = 0;
	}
	fill_in_place(b, zc_message(b, e), seq);
	if (++e->next == e->nr)
		rte_ring_enqueue_zc_elem_finish(e->r, e->nr);
	return 0;
}

BENCH_INLINE int zc_get(struct bench *b, uint64_t *seq, unsigned int batch)
{
	struct end *e = b->rx;
	int ret;

	if (e->next == e->nr) {
		do {
			e->nr = rte_ring_dequeue_zc_burst_elem_start(e->r, (unsigned int)b->size,
								     batch, &e->zc, NULL);
		} while (!e->nr);
		e->next = 0;
	}
	ret = check_message(b, zc_message(b, e), seq);
	if (++e->next == e->nr)
		rte_ring_dequeue_zc_elem_finish(e->r, e->nr);
	return ret;
}

BENCH_INLINE int put_zc(struct bench *b, uint64_t seq)
{
	return zc_put(b, seq, 1);
}

BENCH_INLINE int get_zc(struct bench *b, uint64_t *seq)
{
	return zc_get(b, seq, 1);
}

BENCH_INLINE int put_zc_burst(struct bench *b, uint64_t seq)
{
	return zc_put(b, seq, b->batch);
}

BENCH_INLINE int get_zc_burst(struct bench *b, uint64_t *seq)
{
	return zc_get(b, seq, b->batch);
}

/* Enqueue the messages that were written, and give back the rest of the reservation. */
BENCH_INLINE int flush_zc(struct bench *b)
{
	struct end *e = b->tx;

	if (e->next < e->nr)
		rte_ring_enqueue_zc_elem_finish(e->r, e->next);
	return 0;
}

/* ----------------------------------------------------------------- running */

static int run_one(struct bench *b, struct result *res)
{
	return run_loops(b, res, put_one, get_one, no_flush);
}

static int run_burst(struct bench *b, struct result *res)
{
	return run_loops(b, res, put_burst, get_burst, flush_burst);
}

static int run_zc(struct bench *b, struct result *res)
{
	return run_loops(b, res, put_zc, get_zc, no_flush);
}

static int run_zc_burst(struct bench *b, struct result *res)
{
	return run_loops(b, res, put_zc_burst, get_zc_burst, flush_zc);
}

const struct contender rte_contenders[] = {
	{ "rte_ring", FAMILY_RING, WAIT_BUSY, API_COPY, "DPDK, SP/SC, one element a call",
	  open_rings, attach_rings, run_one, shared_free, 0 },
	{ "rte_ring", FAMILY_RING, WAIT_BUSY, API_INPLACE, "the same, zero-copy calls",
	  open_rings, attach_rings, run_zc, shared_free, 0 },
	{ "rte_ring", FAMILY_RING, WAIT_BUSY, API_BATCH, "bursts",
	  open_rings, attach_rings, run_burst, shared_free, 0 },
	{ "rte_ring_zc", FAMILY_RING, WAIT_BUSY, API_BATCH, "bursts, zero-copy calls",
	  open_rings, attach_rings, run_zc_burst, shared_free, 0 },
	{ 0 }
};

// SPDX-License-Identifier: MIT
/*
 * The floor: what the machine can do at best. A cache line that two cores write
 * in turn, and memcpy on one of them.
 *
 * In a virtual machine the host may move the two cores. The line's time then
 * changes by a factor of up to ten, and the samples before and after the move
 * must not be compared. So the line is timed before and after every sample.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "loops.h"

#define TRIES		15
#define ROUND_TRIPS	200u

struct line {
	_Alignas(256) atomic_ullong turn;
	_Alignas(256) char end;
};

const char *const label_names[NR_LABELS] = {
	[LABEL_LT100] = "lt100ns", [LABEL_LT250] = "lt250ns", [LABEL_GE250] = "ge250ns",
	[LABEL_NONE] = "none",
};

struct line *line_open(void)
{
	return shared_alloc(sizeof(struct line));
}

/* A makes the number odd, B makes it even. */
static void round_trips(struct line *line, enum side side, uint64_t turn)
{
	for (unsigned int i = 0; i < ROUND_TRIPS; i++, turn += 2) {
		if (side == SIDE_A)
			atomic_store_explicit(&line->turn, turn + 1, memory_order_release);
		while (atomic_load_explicit(&line->turn, memory_order_acquire) !=
		       turn + 1 + (side == SIDE_A))
			; /* the other side's turn */
		if (side == SIDE_B)
			atomic_store_explicit(&line->turn, turn + 2, memory_order_release);
	}
}

double line_rtt(struct line *line, enum side side)
{
	double took[TRIES];
	/* A may have made the number odd before B reads it. */
	uint64_t turn = atomic_load(&line->turn) & ~1ull;

	for (int i = 0; i < TRIES; i++, turn += 2 * ROUND_TRIPS) {
		uint64_t start = bench_now();

		round_trips(line, side, turn);
		took[i] = (double)(bench_now() - start) / ROUND_TRIPS;
	}
	return median_of(took, TRIES);
}

enum label line_label(double rtt)
{
	if (isnan(rtt))
		return LABEL_NONE;
	return rtt < 100 ? LABEL_LT100 : rtt < 250 ? LABEL_LT250 : LABEL_GE250;
}

/* ----------------------------------------------------------------- memcpy */

static int copy_open(const struct contender *c, const struct bench *b, void **channels)
{
	(void)c;
	*channels = shared_alloc(2 * b->capacity);
	return *channels ? 0 : -ENOMEM;
}

static int copy_attach(const struct contender *c, void *channels, struct bench *b)
{
	(void)c;
	shared_populate(channels);
	b->tx = channels;
	b->rx = (unsigned char *)channels + b->capacity;
	return 0;
}

/* Messages from one buffer of the capacity to another, on one core. */
static int copy_run(struct bench *b, struct result *res)
{
	uint64_t n, end = bench_now() + b->duration;
	size_t offset = 0;

	if (b->side == SIDE_B)
		return 0;
	for (n = 0; n % CLOCK_EVERY || bench_now() < end; n++) {
		memcpy((unsigned char *)b->rx + offset, (unsigned char *)b->tx + offset, b->size);
		__asm__ __volatile__("" ::: "memory");
		offset += b->size;
		if (offset + b->size > b->capacity)
			offset = 0;
	}
	res->messages = n;
	return 0;
}

const struct contender floor_contenders[] = {
	{ "memcpy", FAMILY_FLOOR, WAIT_BUSY, API_COPY, "copies on one core",
	  copy_open, copy_attach, copy_run, shared_free, 0 },
	{ 0 }
};

/* SPDX-License-Identifier: MIT */
/* Which contenders a target compares. */
#ifndef SHMRING_BENCH_FILTERS_H
#define SHMRING_BENCH_FILTERS_H

#include <string.h>

#include "bench.h"

typedef bool filter_fn(const struct contender *c);

static inline bool shmring(const struct contender *c)
{
	return c->family == FAMILY_SHMRING;
}

static inline bool shmring_copying(const struct contender *c)
{
	return shmring(c) && c->api == API_COPY;
}

static inline bool shmring_in_place(const struct contender *c)
{
	return shmring(c) && c->api == API_INPLACE;
}

static inline bool shmring_spinning(const struct contender *c)
{
	return shmring(c) && c->waiting == WAIT_SPIN;
}

static inline bool shmring_blocking(const struct contender *c)
{
	return shmring(c) && c->waiting == WAIT_BLOCK;
}

static inline bool shmring_adaptive(const struct contender *c)
{
	return shmring(c) && c->waiting == WAIT_ADAPTIVE;
}

static inline bool shmring_slots(const struct contender *c)
{
	return !strcmp(c->name, "shmring-slots");
}

static inline bool shmring_records(const struct contender *c)
{
	return !strcmp(c->name, "shmring-records");
}

/* With any number of pauses, which is in the name. */
static inline bool bare_slots(const struct contender *c)
{
	return !strncmp(c->name, "bare-slots", strlen("bare-slots"));
}

static inline bool bare_records(const struct contender *c)
{
	return !strncmp(c->name, "bare-records", strlen("bare-records"));
}

static inline bool others(const struct contender *c)
{
	return !shmring(c) && c->family != FAMILY_BARE && c->family != FAMILY_FLOOR;
}

/* In a round trip, a ring with marks counts: whether a mark is worth it is the question. */
static inline bool others_or_marked(const struct contender *c)
{
	return others(c) || !strncmp(c->name, "marked-slots", strlen("marked-slots"));
}

static inline bool others_copying(const struct contender *c)
{
	return others(c) && c->api == API_COPY;
}

static inline bool others_sleeping(const struct contender *c)
{
	return others(c) && (c->waiting == WAIT_BLOCK || c->waiting == WAIT_KERNEL);
}

static inline bool textbook(const struct contender *c)
{
	return c->family == FAMILY_TEXTBOOK;
}

static inline bool pipes(const struct contender *c)
{
	return !strcmp(c->name, "pipe");
}

static inline bool sleeping_rivals(const struct contender *c)
{
	return pipes(c) || !strcmp(c->name, "futex") || !strcmp(c->name, "futex-membarrier") ||
	       !strcmp(c->name, "fifo") || !strcmp(c->name, "eventfd");
}

#endif /* SHMRING_BENCH_FILTERS_H */

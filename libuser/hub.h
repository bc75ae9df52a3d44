/* SPDX-License-Identifier: MIT */
/* The hub of a ring with lanes, between hub.c, hub_wait.c and the backends. */
#ifndef SHMRING_HUB_PRIVATE_H
#define SHMRING_HUB_PRIVATE_H

#include <shmring/hub.h>

#include "backend.h"

#define SHMRING_HUB_WORDS	(SHMRING_LANES_MAX / 64)

/*
 * The hub looks at each lane that is hot. Other processes, or the kernel, set the bits in @hot.
 * Without the module any process can clear them, too: so the hub has the bits in @mine for the
 * lanes that it has not armed itself.
 */
struct shmring_hub {
	struct __shmring_hub_turn turn;	/* of lane @at */
	const struct shmring_backend *backend;
	struct shmring *ring;		/* a handle: the files and the name */
	struct shmring **lanes;		/* the hub's endpoints */
	uint32_t nr;
	uint32_t at;			/* the lane that shmring_hub_next() returned last */
	uint32_t rounds;		/* times that it went to another lane */
	uint32_t empty;			/* looks in vain at hot lanes: see cool_empty_lanes() */
	const __shmring_word *hot;
	uint64_t mine[SHMRING_HUB_WORDS];
	uint64_t all[SHMRING_HUB_WORDS];	/* a bit for each lane that there is */
	uint64_t out[SHMRING_HUB_WORDS];	/* left out: its producer has written a false value */
	bool eof;			/* SHMRING_HUB_EOF */
	bool grouped;			/* a member of a group */
	enum shmring_policy policy;
	struct shmring_spin spin;
	uint64_t checked;		/* when the producers were last seen alive, ns */

	/* The backends'. */
	void *page;			/* where @hot is mapped */
	int set_fd;			/* kmod: the wait set; -1: none */
};

static inline uint64_t shmring_lane_bit(uint32_t lane)
{
	return 1ull << (lane % 64);
}

/* The lanes of one word that the hub has to look at. */
static inline uint64_t shmring_hot_lanes(const struct shmring_hub *h, uint32_t word)
{
	return (__atomic_load_n(&h->hot[word], __ATOMIC_RELAXED) | h->mine[word]) &
	       h->all[word] & ~h->out[word];
}

/* hub.c */
void shmring_hub_leave_out(struct shmring_hub *h, uint32_t lane);
void shmring_hub_take_back(struct shmring_hub *h);
bool shmring_hub_has_liars(const struct shmring_hub *h);

/* hub_wait.c */
bool shmring_hub_has_news(struct shmring_hub *h);
int shmring_hub_check(struct shmring_hub *h, uint64_t now);

#endif /* SHMRING_HUB_PRIVATE_H */

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
	uint64_t checked;		/* when the other sides were last seen alive, ns */
	enum shmring_role role;		/* in each lane */
	struct shmring_work *work;	/* of a work queue: see work.h; else NULL */

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

int shmring_hub_open_lane(struct shmring_hub *h, uint32_t lane, enum shmring_role role,
			  struct shmring **r);

/* work.c, of work queues. ready: a lane that can be given a message, or -1 */
int shmring_work_open(struct shmring_hub *h, uint32_t depth, uint32_t max_deliveries);
void shmring_work_close(struct shmring_hub *h);
struct shmring *shmring_work_next(struct shmring_hub *h);
int shmring_work_ready(struct shmring_hub *h);
uint64_t shmring_work_bytes(const struct shmring_hub *h, uint32_t lane);
bool shmring_work_is_still_false(struct shmring *r);
void shmring_work_take_back(struct shmring_hub *h, uint32_t lane);

/* hub_wait.c */
void shmring_hub_look_around(struct shmring_hub *h);
uint64_t shmring_hub_bytes(const struct shmring_hub *h, uint32_t lane);
bool shmring_hub_has_news(struct shmring_hub *h);
int shmring_hub_check(struct shmring_hub *h, uint64_t now);

#endif /* SHMRING_HUB_PRIVATE_H */

/* SPDX-License-Identifier: MIT */
/* Work queues, between work.c, redeal.c and the hub. */
#ifndef SHMRING_WORK_PRIVATE_H
#define SHMRING_WORK_PRIVATE_H

#include "hub.h"

/* What the hub knows of a lane. */
struct shmring_worker {
	uint64_t starts[SHMRING_DEALS_MAX];	/* of the unfinished messages, the oldest first */
	uint32_t nr;			/* how many there are */
	uint32_t next;			/* counts deals: where the next one goes in the lane's table */
	struct shmring *taken;		/* the worker's role, while the hub has it: see redeal.c */
	bool failed;			/* its oldest message has failed; the hub keeps the role */
};

struct shmring_work {
	uint32_t depth, max_deliveries;
	int offered;			/* the lane that shmring_hub_next() has returned; -1: none */
	int shown;			/* the lane whose failed message the program has; -1: none */
	bool news;			/* a message has failed, and the program has not been told */
	bool new_orphan;		/* the last look has found one */
	uint64_t orphans[SHMRING_HUB_WORDS];	/* lanes with messages and without a worker */
	struct shmring_worker workers[];
};

static inline bool shmring_has_worker(const struct shmring *r)
{
	return __atomic_load_n(&r->lane->consumer.state, __ATOMIC_ACQUIRE) == SHMRING_PEER_LIVE;
}

/* work.c */
struct shmring_deal *shmring_deals_of(const struct shmring *r);
int shmring_work_find(struct shmring_hub *h);
void shmring_work_offer(struct shmring_hub *h, uint32_t lane, uint32_t before);
void shmring_work_sent(struct shmring_hub *h, uint32_t lane);
void shmring_forget_finished(struct shmring_hub *h, uint32_t lane);

/* redeal.c */
void shmring_redeal(struct shmring_hub *h);
void shmring_end_shown(struct shmring_hub *h);
bool shmring_has_failed(const struct shmring_hub *h);
void shmring_give_back_lanes(struct shmring_hub *h);

#endif /* SHMRING_WORK_PRIVATE_H */

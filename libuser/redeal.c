// SPDX-License-Identifier: MIT
/*
 * What a worker that has died, was kicked or has lied leaves unfinished is dealt to others. The hub
 * takes the worker's role in that lane, so that no other process gets the lane meanwhile, and
 * moves the messages one by one: a message is published in its new lane before the hub releases it
 * in the old one. So a hub that dies in between leaves a message twice and loses none.
 *
 * If no other worker can be given a message, the lane is left alone: the next worker that attaches
 * gets the lane with its messages.
 */
#define _GNU_SOURCE 1
#include <string.h>

#include "cancel.h"
#include "wait.h"
#include "work.h"

static const struct shmring_wait nowait = { .flags = SHMRING_NOWAIT };

static struct shmring_deal *deal_at(const struct shmring *r, uint64_t start)
{
	struct shmring_deal *deals = shmring_deals_of(r);
	uint32_t i;

	for (i = 0; i < SHMRING_DEALS_MAX; i++)
		if (deals[i].epoch && __atomic_load_n(&deals[i].start, __ATOMIC_RELAXED) == start)
			return &deals[i];
	return NULL;
}

/*
 * To how many workers was this message given? Each process that takes the role counts, whether it
 * has read the message or not; @epoch is that of the last one.
 */
static uint32_t given(const struct shmring *r, uint64_t start, uint32_t epoch)
{
	const struct shmring_deal *deal = deal_at(r, start);

	return deal ? deal->before + epoch - deal->epoch + 1 : 1;
}

/* ---------------------------------------------------------------- taking over */

/* The hub itself does not count: write the deals down as if the next epoch began after it. */
static void count_without_hub(struct shmring_hub *h, uint32_t lane)
{
	const struct shmring_worker *w = &h->work->workers[lane];
	const struct shmring *r = h->lanes[lane];
	uint32_t epoch = __atomic_load_n(&r->lane->consumer.epoch, __ATOMIC_RELAXED), i, before;
	struct shmring_deal *deal;

	for (i = 0; i < w->nr; i++) {
		deal = deal_at(r, w->starts[i]);
		if (!deal)
			continue;
		before = given(r, w->starts[i], epoch - 1);
		__atomic_store_n(&deal->before, before, __ATOMIC_RELAXED);
		__atomic_store_n(&deal->epoch, epoch + 1, __ATOMIC_RELAXED);
	}
}

/* False: another process has the role now, or it cannot be had. */
static bool take_over(struct shmring_hub *h, uint32_t lane)
{
	struct shmring *r = h->lanes[lane], *taken;

	if (shmring_hub_open_lane(h, lane, SHMRING_CONSUMER, &taken)) {
		shmring_close(taken);
		return false;
	}
	r->priv->both = taken->priv->both = true;
	h->work->workers[lane].taken = taken;
	shmring_forget_finished(h, lane);
	count_without_hub(h, lane);
	return true;
}

static void give_back(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_worker *w = &h->work->workers[lane];

	shmring_close(w->taken);
	w->taken = NULL;
	w->failed = false;
	h->lanes[lane]->priv->both = false;
	h->mine[lane / 64] |= shmring_lane_bit(lane);
}

void shmring_give_back_lanes(struct shmring_hub *h)
{
	uint32_t i;

	for (i = 0; i < h->nr; i++)
		if (h->work->workers[i].taken)
			give_back(h, i);
}

/* -------------------------------------------------------------- dealing again */

/* The number of workers that the lane's oldest message was given to, while the hub has the role. */
static uint32_t given_before(const struct shmring_hub *h, uint32_t lane)
{
	const struct shmring_worker *w = &h->work->workers[lane];
	const struct shmring_deal *deal = deal_at(h->lanes[lane], w->starts[0]);

	return deal ? __atomic_load_n(&deal->before, __ATOMIC_RELAXED) : 1;
}

/* Move the oldest message of lane @from to lane @to. False: it does not fit there, or is damaged. */
static bool move_message(struct shmring_hub *h, uint32_t from, uint32_t to)
{
	struct shmring *taken = h->work->workers[from].taken, *r = h->lanes[to];
	size_t len = 0;
	const void *message = shmring_peek(taken, &len);

	if (!message)
		return false;
	shmring_work_offer(h, to, given_before(h, from));
	if (shmring_send(r, message, len, &nowait) < 0)
		return false;
	shmring_work_sent(h, to);
	shmring_release(taken);
	shmring_forget_finished(h, from);
	return true;
}

static bool is_exhausted(const struct shmring_hub *h, uint32_t lane)
{
	const struct shmring *r = h->lanes[lane];
	const struct shmring_worker *w = &h->work->workers[lane];

	if (w->taken)
		return given_before(h, lane) >= h->work->max_deliveries;
	return given(r, w->starts[0], __atomic_load_n(&r->lane->consumer.epoch,
						      __ATOMIC_RELAXED)) >=
	       h->work->max_deliveries;
}

/* True: the lane is done with, one way or another. */
static bool redeal_lane(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_worker *w = &h->work->workers[lane];
	int to = -1;

	if (w->failed)
		return false;
	while (w->nr) {
		if (!is_exhausted(h, lane)) {
			to = shmring_work_find(h);
			if (to < 0)
				break;
		}
		if (!w->taken && !take_over(h, lane))
			return false;
		if (w->nr && is_exhausted(h, lane)) {
			w->failed = h->work->news = true;
			return false;
		}
		if (w->nr && !move_message(h, lane, (uint32_t)to))
			break;
	}
	if (w->taken)
		give_back(h, lane);
	return !w->nr;
}

/* Has another worker come, which gets the messages with the lane? */
static bool is_adopted(const struct shmring_hub *h, uint32_t lane)
{
	return !h->work->workers[lane].taken && shmring_has_worker(h->lanes[lane]);
}

void shmring_redeal(struct shmring_hub *h)
{
	struct shmring_work *work = h->work;
	uint32_t word, lane;
	uint64_t bits;

	for (word = 0; word < SHMRING_HUB_WORDS; word++) {
		for (bits = work->orphans[word]; bits; bits &= bits - 1) {
			lane = 64 * word + (uint32_t)__builtin_ctzll(bits);
			shmring_forget_finished(h, lane);
			if (is_adopted(h, lane) || redeal_lane(h, lane))
				work->orphans[word] &= ~shmring_lane_bit(lane);
		}
	}
}

/* --------------------------------------------------------------------- failed */

bool shmring_has_failed(const struct shmring_hub *h)
{
	uint32_t i;

	for (i = 0; i < h->nr; i++)
		if (h->work->workers[i].failed)
			return true;
	return false;
}

/* The program has seen the failed message that it was shown last. */
void shmring_end_shown(struct shmring_hub *h)
{
	struct shmring_work *work = h->work;
	uint32_t lane = (uint32_t)work->shown;

	if (work->shown < 0)
		return;
	work->shown = -1;
	shmring_release(work->workers[lane].taken);
	shmring_forget_finished(h, lane);
	work->workers[lane].failed = false;
	if (!work->workers[lane].nr)
		give_back(h, lane);
}

const void *shmring_work_failed(struct shmring_hub *h, size_t *len)
{
	SHMRING_NO_CANCEL;
	struct shmring_work *work = h->work;
	const void *message;
	uint32_t i;

	if (!work)
		return NULL;
	shmring_work_ready(h);
	work->news = false;
	for (i = 0; i < h->nr; i++) {
		if (!work->workers[i].failed)
			continue;
		message = shmring_peek(work->workers[i].taken, len);
		if (message) {
			work->shown = (int)i;
			return message;
		}
	}
	return NULL;
}

// SPDX-License-Identifier: MIT
/*
 * Work queues: the hub deals each message to the worker that has the fewest unfinished ones, and
 * never more than the depth (join the bounded shortest queue). Each lane has a table of the deals
 * of its last messages, in the producer's page, for the workers and for the next hub.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cancel.h"
#include "fd.h"
#include "wait.h"
#include "work.h"

#define DRAIN_NS	1000000		/* shmring_hub_drain(): between two looks */
#define NOT_NOW		UINT32_MAX	/* no message can be dealt to this lane */

struct shmring_deal *shmring_deals_of(const struct shmring *r)
{
	return (struct shmring_deal *)(void *)(r->producer + 1);
}

/*
 * Where the first message at or above @tail begins, by the deals, which the hub alone writes. A
 * worker can store any tail. If no message is left there, the answer is the head; if the lane has
 * no deals, or the positions make no sense, @tail.
 */
uint64_t shmring_work_first(const struct shmring *r, uint64_t tail)
{
	uint64_t head = __atomic_load_n(&r->producer->head, __ATOMIC_ACQUIRE); /* B, matches A */
	uint64_t start, first = head;
	uint64_t step = __shmring_has_marks(r) ? r->stride : r->align;
	const struct shmring_deal *deals = shmring_deals_of(r);
	bool any = false;
	uint32_t i;

	for (i = 0; i < SHMRING_DEALS_MAX; i++) {
		start = __atomic_load_n(&deals[i].start, __ATOMIC_RELAXED);
		any |= __atomic_load_n(&deals[i].epoch, __ATOMIC_RELAXED) != 0;
		if (start - tail < first - tail)
			first = start;
	}
	return any && head - tail <= r->span && !((first - tail) & (step - 1)) ? first : tail;
}

/* -------------------------------------------------------- unfinished messages */

static void push(struct shmring_worker *w, uint64_t start)
{
	uint32_t i;

	if (w->nr == SHMRING_DEALS_MAX)
		return;
	for (i = w->nr++; i && w->starts[i - 1] > start; i--)
		w->starts[i] = w->starts[i - 1];
	w->starts[i] = start;
}

/* The worker has released what lies before its tail. A false tail leaves r->error. */
void shmring_forget_finished(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_worker *w = &h->work->workers[lane];
	struct shmring *r = h->lanes[lane];
	uint32_t done = 0;

	if (!r->error)
		__shmring_refresh_space(r);
	if (r->error)
		return;
	while (done < w->nr && w->starts[done] < r->p.limit - r->span)
		done++;
	w->nr -= done;
	memmove(w->starts, w->starts + done, w->nr * sizeof(*w->starts));
}

/* What the hub before has left. A message of which no deal is known counts as one. */
static void find_unfinished(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_worker *w = &h->work->workers[lane];
	const struct shmring *r = h->lanes[lane];
	const struct shmring_deal *deals = shmring_deals_of(r);
	uint64_t tail = r->p.limit - r->span, start, last = 0;
	uint32_t i;

	for (i = 0; i < SHMRING_DEALS_MAX; i++) {
		start = __atomic_load_n(&deals[i].start, __ATOMIC_RELAXED);
		if (!deals[i].epoch || start - tail >= r->p.head - tail)
			continue;
		push(w, start);
		if (start >= last) {
			last = start;
			w->next = i + 1;
		}
	}
	if (!w->nr && r->p.head != tail)
		push(w, tail);
}

/* -------------------------------------------------------------------- dealing */

/*
 * Write down that the next message of this lane was given to @before workers before. The store of
 * the head, (A), comes after this: a worker that sees the message, by (B), sees the deal.
 */
void shmring_work_offer(struct shmring_hub *h, uint32_t lane, uint32_t before)
{
	const struct shmring *r = h->lanes[lane];
	struct shmring_deal *deal = shmring_deals_of(r) +
				    h->work->workers[lane].next % SHMRING_DEALS_MAX;

	__atomic_store_n(&deal->start, r->p.head, __ATOMIC_RELAXED);
	__atomic_store_n(&deal->epoch, __atomic_load_n(&r->lane->consumer.epoch, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&deal->before, before, __ATOMIC_RELAXED);
}

/* Has a message been sent after the offer? */
void shmring_work_sent(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_worker *w = &h->work->workers[lane];
	struct shmring *r = h->lanes[lane];
	uint64_t start = shmring_deals_of(r)[w->next % SHMRING_DEALS_MAX].start;

	if (r->p.head == start)
		return;
	shmring_publish(r);
	push(w, start);
	w->next++;
}

/* Is there no worker? If the last one has left messages, note that. */
static bool is_deserted(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_work *work = h->work;
	uint64_t bit = shmring_lane_bit(lane);

	if (shmring_has_worker(h->lanes[lane]))
		return false;
	if (work->workers[lane].nr && !(work->orphans[lane / 64] & bit)) {
		work->orphans[lane / 64] |= bit;
		work->new_orphan = true;
	}
	return true;
}

/* How many unfinished messages has the worker in this lane, if it can be given one more? */
static uint32_t unfinished(struct shmring_hub *h, uint32_t lane)
{
	struct shmring_worker *w = &h->work->workers[lane];
	struct shmring *r = h->lanes[lane];

	if (w->nr)
		shmring_forget_finished(h, lane);
	if (r->error) {
		shmring_hub_leave_out(h, lane);
		return NOT_NOW;
	}
	if (w->nr && r->p.limit - r->p.head < r->span / h->work->depth)
		return NOT_NOW;
	return w->nr;
}

/*
 * The lane to which the next message goes; -1: none now. Looks at hot lanes only. Once an idle
 * worker is found, reads no more tails, but still looks for lanes that workers have left.
 */
int shmring_work_find(struct shmring_hub *h)
{
	uint32_t i, lane, nr, least = h->work->depth;
	int best = -1;

	for (i = 1; i <= h->nr; i++) {
		lane = (h->at + i) % h->nr;
		if (h->work->workers[lane].taken || is_deserted(h, lane) || !least ||
		    !(shmring_hot_lanes(h, lane / 64) & shmring_lane_bit(lane)))
			continue;
		nr = unfinished(h, lane);
		if (nr >= least)
			continue;
		least = nr;
		best = (int)lane;
	}
	return best;
}

/* Before anything else: what has the program done with what it was given last? */
static void catch_up(struct shmring_hub *h)
{
	if (h->work->offered >= 0)
		shmring_work_sent(h, (uint32_t)h->work->offered);
	h->work->offered = -1;
	shmring_end_shown(h);
}

/* Messages that are dealt again come before a new one, those too that this look finds. */
static int find_for_new(struct shmring_hub *h)
{
	int lane;

	h->work->new_orphan = false;
	shmring_redeal(h);
	lane = shmring_work_find(h);
	if (!h->work->new_orphan)
		return lane;
	shmring_redeal(h);
	return shmring_work_find(h);
}

int shmring_work_ready(struct shmring_hub *h)
{
	int lane;

	catch_up(h);
	lane = find_for_new(h);
	if (!h->work->news)
		return lane;
	h->work->news = false;	/* told once */
	return (int)h->at;
}

struct shmring *shmring_work_next(struct shmring_hub *h)
{
	int lane;

	catch_up(h);
	lane = find_for_new(h);
	h->work->news = false;
	if (lane < 0)
		return NULL;
	h->at = (uint32_t)lane;
	h->work->offered = lane;
	shmring_work_offer(h, h->at, 0);
	return h->lanes[lane];
}

/* The space at which the lane can be given a message: so many unfinished ones have to be done. */
uint64_t shmring_work_bytes(const struct shmring_hub *h, uint32_t lane)
{
	const struct shmring_worker *w = &h->work->workers[lane];
	const struct shmring *r = h->lanes[lane];
	uint64_t least = r->span / h->work->depth, head = r->p.head, bytes;
	uint32_t before = w->nr < h->work->depth ? 0 : w->nr - h->work->depth + 1;

	bytes = r->span - (head - (before < w->nr ? w->starts[before] : head));
	return before && bytes > least ? bytes : least;
}

/* ----------------------------------------------------- lanes that are left out */

/* As for a fan-in, see hub.c: another worker begins with a true tail. */
bool shmring_work_is_still_false(struct shmring *r)
{
	r->error = 0;
	__shmring_refresh_space(r);
	return r->error;
}

/* The worker has gone, or another one has come: its tail is true, wherever it is in the ring. */
void shmring_work_take_back(struct shmring_hub *h, uint32_t lane)
{
	struct shmring *r = h->lanes[lane];

	if (shmring_has_worker(r) &&
	    __atomic_load_n(&r->lane->consumer.epoch, __ATOMIC_RELAXED) == r->priv->liar)
		return;
	r->priv->refused = false;
	r->error = 0;
	r->p.limit = r->p.head;
	h->out[lane / 64] &= ~shmring_lane_bit(lane);
	h->mine[lane / 64] |= shmring_lane_bit(lane);
}

/* -------------------------------------------------------------- set-up, the end */

int shmring_work_open(struct shmring_hub *h, uint32_t depth, uint32_t max_deliveries)
{
	struct shmring_work *work = calloc(1, sizeof(*work) + h->nr * sizeof(*work->workers));
	uint32_t i;

	if (!work)
		return -ENOMEM;
	work->depth = depth;
	work->max_deliveries = max_deliveries;
	work->offered = work->shown = -1;
	h->work = work;
	for (i = 0; i < h->nr; i++) {
		__shmring_refresh_space(h->lanes[i]);
		if (!h->lanes[i]->error)
			find_unfinished(h, i);
	}
	return 0;
}

void shmring_work_close(struct shmring_hub *h)
{
	if (h->work && shmring_is_ours(h->ring->priv)) {
		catch_up(h);
		shmring_give_back_lanes(h);
	}
	free(h->work);
}

/* Is a message unfinished, in whatever lane? */
static bool has_unfinished(struct shmring_hub *h)
{
	uint32_t i;

	for (i = 0; i < h->nr; i++) {
		shmring_forget_finished(h, i);
		if (h->work->workers[i].nr)
			return true;
	}
	return false;
}

int shmring_hub_drain(struct shmring_hub *h, const struct shmring_wait *w)
{
	SHMRING_NO_CANCEL;
	int ret = shmring_check_wait(w);

	if (!ret && (!h->work || (w && w->min_bytes)))
		ret = h->work ? -EINVAL : -EBADF;
	while (!ret) {
		shmring_hub_look_around(h);
		shmring_work_ready(h);
		if (!has_unfinished(h))
			return 0;
		if (shmring_has_failed(h))
			return 1;
		if (w && (w->flags & SHMRING_NOWAIT))
			ret = -EAGAIN;
		else if (w && w->deadline && shmring_now() >= w->deadline)
			ret = -ETIMEDOUT;
		else
			ret = shmring_sleep_fd(-1, shmring_now() + DRAIN_NS);
	}
	return ret;
}

/* ------------------------------------------------------------------- for workers */

unsigned int shmring_deliveries(const struct shmring *r)
{
	uint32_t epoch = __atomic_load_n(&r->lane->consumer.epoch, __ATOMIC_RELAXED), i;
	const struct shmring_deal *deals = shmring_deals_of(r);

	if (r->role != SHMRING_CONSUMER || r->priv->topology != SHMRING_TOPOLOGY_WORK)
		return 0;
	for (i = 0; i < SHMRING_DEALS_MAX; i++)
		if (__atomic_load_n(&deals[i].start, __ATOMIC_RELAXED) == r->c.tail)
			return __atomic_load_n(&deals[i].before, __ATOMIC_RELAXED) + epoch -
			       __atomic_load_n(&deals[i].epoch, __ATOMIC_RELAXED);
	return 0;
}

// SPDX-License-Identifier: MIT
/* Finding the lanes of a hub that are ready, and waiting until there is one. */
#define _GNU_SOURCE 1
#include <sched.h>

#include "cancel.h"
#include "fd.h"
#include "hub.h"
#include "wait.h"

#define TURN		4		/* a lane's turn: this part of its ring */
#define ROUNDS		4096		/* turns until the hub looks at all lanes, hot or not */
#define EMPTY_MAX	(16 * ROUNDS)	/* looks at hot lanes in vain until those become cold */
#define IN_VAIN_MAX	16		/* after so many wake-ups for nothing, ... */
#define PAUSE_NS	1000000		/* ... pause before each further sleep */
#define YIELD_NS	50000		/* SPIN: the time between two yields */
#define LANES_PER_LOOK	16		/* with more lanes, read the clock after fewer looks */

/* ------------------------------------------------------------------ looking */

static bool is_out(const struct shmring_hub *h, uint32_t lane)
{
	return h->out[lane / 64] & shmring_lane_bit(lane);
}

/* Looks at the head even of a ring with marks: a producer may be killed before it writes one. */
static bool has_data(struct shmring_hub *h, uint32_t lane)
{
	struct shmring *r = h->lanes[lane];

	if (r->c.tail != r->c.limit)
		return true;
	if (!r->error)
		__shmring_refresh_data(r);
	if (r->error)
		shmring_hub_leave_out(h, lane);
	if (!r->error && r->c.tail != r->c.limit)
		return true;
	h->empty++;
	return false;
}

/* The first lane with data in this word, among the @bits; -1: none. */
static int find_in_word(struct shmring_hub *h, uint32_t word, uint64_t bits)
{
	uint32_t lane;

	for (bits &= shmring_hot_lanes(h, word); bits; bits &= bits - 1) {
		lane = 64 * word + (uint32_t)__builtin_ctzll(bits);
		if (has_data(h, lane))
			return (int)lane;
	}
	return -1;
}

/* The first lane with data from @first on, all round; -1: none. Of a work queue: one with room. */
static int find_lane(struct shmring_hub *h, uint32_t first)
{
	uint32_t words = (h->nr + 63) / 64, word = first / 64, n;
	uint64_t from = ~0ull << (first % 64);
	int lane;

	if (h->work)
		return shmring_work_ready(h);
	lane = find_in_word(h, word, from);
	for (n = 1; lane < 0 && n < words; n++)
		lane = find_in_word(h, (word + n) % words, ~0ull);
	return lane < 0 ? find_in_word(h, word, ~from) : lane;
}

static void check_peers(struct shmring_hub *h, uint64_t now)
{
	uint32_t i;

	/* Signed: @now may be earlier than the last check. */
	if (!h->backend->check_peer || (int64_t)(now - h->checked) < SHMRING_CHECK_NS)
		return;
	h->checked = now;
	for (i = 0; i < h->nr; i++)
		h->backend->check_peer(h->lanes[i]);
}

/* Make each lane hot that has news, whatever its bit says. */
static void look_at_heads(struct shmring_hub *h)
{
	uint32_t i;

	for (i = 0; i < h->nr; i++)
		if (h->work || __atomic_load_n(&h->lanes[i]->producer->head, __ATOMIC_RELAXED) !=
		    h->lanes[i]->c.limit)
			h->mine[i / 64] |= shmring_lane_bit(i);
}

/*
 * What no event reports: a producer was killed, a false one has gone, or another process has
 * cleared a bit without right.
 */
static void look_around(struct shmring_hub *h, uint64_t now)
{
	check_peers(h, now);
	shmring_hub_take_back(h);
	if (h->backend->check_peer)
		look_at_heads(h);
}

/*
 * Each hot lane that is empty costs every round a look. A sleep makes such lanes cold; a hub that
 * does not sleep does it here. A lane that is only empty now costs its producer one WAKE.
 */
static void cool_empty_lanes(struct shmring_hub *h)
{
	if (h->empty < EMPTY_MAX)
		return;
	h->empty = 0;
	h->backend->hub_cool(h);
}

void shmring_hub_look_around(struct shmring_hub *h)
{
	look_around(h, shmring_now());
}

/* Bytes of data or space, counted from what has been published, at which a lane is ready. */
uint64_t shmring_hub_bytes(const struct shmring_hub *h, uint32_t lane)
{
	return h->work ? shmring_work_bytes(h, lane) : shmring_beyond_told(h->lanes[lane], 1);
}

static struct shmring *next_worker(struct shmring_hub *h)
{
	if (!(++h->rounds % ROUNDS))
		look_around(h, shmring_now());
	return shmring_work_next(h);
}

struct shmring *__shmring_hub_next(struct shmring_hub *h)
{
	struct shmring *r = h->turn.lane;
	int lane;

	if (h->work)
		return next_worker(h);
	if (r->c.tail < h->turn.until && !is_out(h, h->at) && has_data(h, h->at))
		return r;
	if (!(++h->rounds % ROUNDS)) {
		look_around(h, shmring_now());
		cool_empty_lanes(h);
		h->empty = 0;
	}
	lane = find_lane(h, (h->at + 1) % h->nr);
	if (lane < 0)
		return NULL;
	r = h->lanes[lane];
	h->at = (uint32_t)lane;
	h->turn = (struct __shmring_hub_turn){ r, r->c.tail + r->span / TURN + 1 };
	return r;
}

/*
 * How many lanes have no producer any more? -1: there is one. A lane whose first producer is just
 * attaching has an epoch, and counts as one that has had none. Adds up the epochs as they were
 * before and after the look. Acquire: a look at a lane comes after this, and sees what its last
 * producer has published.
 */
static int count_gone(const struct shmring_hub *h, uint64_t *before, uint64_t *after)
{
	const struct shmring_half *p;
	uint32_t i, state;
	int nr = 0;

	*before = *after = 0;
	for (i = 0; i < h->nr; i++) {
		p = &h->lanes[i]->lane->producer;
		*before += __atomic_load_n(&p->epoch, __ATOMIC_ACQUIRE);
		state = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
		if (state == SHMRING_PEER_LIVE)
			return -1;
		nr += state == SHMRING_PEER_GONE;
		*after += __atomic_load_n(&p->epoch, __ATOMIC_RELAXED);
	}
	return nr;
}

/*
 * Has there been a producer, is there none now, and is all taken? Looks at all lanes, twice: while
 * the first look goes on, a producer may come to a lane that it has passed, and the last of the
 * others may go. If no producer has come from the first look to the second, there was a moment
 * between the two without any.
 */
static bool has_ended(struct shmring_hub *h)
{
	uint64_t begun, ended, unused;
	uint32_t i;

	if (count_gone(h, &begun, &unused) <= 0 || count_gone(h, &unused, &ended) < 0 ||
	    ended != begun)
		return false;
	shmring_hub_take_back(h);	/* there may have been another producer since */
	for (i = 0; i < h->nr; i++)
		if (!is_out(h, i) && has_data(h, i))
			return false;
	return true;
}

/*
 * 1: a lane has data; 0: none has; -EDEADLK: a producer waits for what the caller has taken and
 * not released; -ENODATA: the end. Also wakes producers that the look finds in need of it.
 */
static int look_closely(struct shmring_hub *h)
{
	const struct shmring_want want = { .bytes = 1 };
	uint32_t word, lane;
	uint64_t bits;
	int ret;

	if (h->work)
		return shmring_work_ready(h) >= 0;
	for (word = 0; word < SHMRING_HUB_WORDS; word++) {
		for (bits = shmring_hot_lanes(h, word); bits; bits &= bits - 1) {
			lane = 64 * word + (uint32_t)__builtin_ctzll(bits);
			ret = shmring_look_for_data(h->lanes[lane], &want);
			if (ret == -EBADMSG)
				shmring_hub_leave_out(h, lane);
			else if (ret && ret != -ENODATA)
				return ret;
		}
	}
	return h->eof && has_ended(h) ? -ENODATA : 0;
}

/* ------------------------------------------------------------------ waiting */

static bool has_passed(uint64_t deadline)
{
	return deadline && shmring_now() >= deadline;
}

/* A look has found data in @lane: learn how long to pause before the first look, see spin.c. */
static void learn_pauses(struct shmring_hub *h, int lane, unsigned int looks)
{
	const struct shmring *r = h->lanes[lane];

	shmring_pauses_learn(&h->spin, looks, r->c.limit - r->c.tail, r->span);
}

/* As the spin of an endpoint. Returns as look_closely(). */
static int spin_for(struct shmring_hub *h, uint64_t budget, uint64_t deadline, uint64_t *spun)
{
	unsigned int most = h->spin.looks / (1 + h->nr / LANES_PER_LOOK) + 1, left = most, looks = 1;
	uint64_t now, start = 0, yield_at = 0;
	int ret, lane;

	*spun = 0;
	shmring_relax(h->spin.pauses * h->spin.relaxes_of_64 / 64);
	for (; (lane = find_lane(h, h->at)) < 0; looks++) {
		shmring_relax(h->spin.relaxes);
		if (--left)
			continue;
		left = most;
		now = shmring_now();
		if (!start)
			start = yield_at = now;
		*spun = now - start;
		if (*spun >= budget || (deadline && now >= deadline))
			return 0;
		if (budget == UINT64_MAX && now >= yield_at) {
			look_around(h, now);
			ret = look_closely(h);
			if (ret)
				return ret;
			cool_empty_lanes(h);
			sched_yield();
			yield_at = now + YIELD_NS;
		}
	}
	if (!h->work)
		learn_pauses(h, lane, looks);
	return 1;
}

/* For groups: as shmring_hub_next(), without beginning a turn; and as SPIN does now and then. */
bool shmring_hub_has_news(struct shmring_hub *h)
{
	return find_lane(h, h->at) >= 0;
}

int shmring_hub_check(struct shmring_hub *h, uint64_t now)
{
	look_around(h, now);
	return look_closely(h);
}

static int look_briefly(struct shmring_hub *h, uint64_t deadline)
{
	uint64_t spun, budget = h->spin.alone ? 0 : shmring_brief_budget(&h->spin);
	int ret;

	if (!budget)
		return 0;
	ret = spin_for(h, budget, deadline, &spun);
	shmring_brief_learn(&h->spin, spun, ret);
	return ret;
}

/* Spin by the policy, but SPIN. Returns as look_closely(). */
static int spin_within_budget(struct shmring_hub *h, enum shmring_policy policy,
			      uint64_t deadline)
{
	uint64_t worth = policy == SHMRING_EAGER ? h->spin.cost : SHMRING_BRIEF_NS, spun;
	int ret;

	if (policy == SHMRING_BLOCK || h->spin.alone || !h->spin.budget)
		return look_briefly(h, deadline);
	ret = spin_for(h, h->spin.budget, deadline, &spun);
	shmring_spin_learn(&h->spin, spun, worth, ret);
	return ret;
}

/*
 * Without the module no event reports a death. And a producer that was left out may go without
 * one. Then sleep in slices, of which each is longer than the one before.
 */
static uint64_t slice_after(const struct shmring_hub *h, uint64_t slice)
{
	if (!h->backend->check_peer && !shmring_hub_has_liars(h))
		return 0;
	if (slice < SHMRING_CHECK_NS)
		return SHMRING_CHECK_NS;
	return slice < SHMRING_CHECK_MAX_NS ? 2 * slice : slice;
}

/* 0: look again; or the error of the sleep. Sets @woken if it was not time that ended the sleep. */
static int sleep_once(struct shmring_hub *h, uint64_t slice, uint64_t deadline, bool *woken)
{
	uint64_t start = shmring_now(), end = slice ? start + slice : 0, now;
	int ret = h->backend->hub_wait(h, end && (!deadline || end < deadline) ? end : deadline);

	now = shmring_now();
	*woken = ret != -ETIMEDOUT;
	if (*woken)
		shmring_sleep_learn(&h->spin, now - start);
	/* Wake-ups may come for ever before the slices end. */
	if (!*woken || (int64_t)(now - h->checked) >= SHMRING_CHECK_MAX_NS)
		look_around(h, now);
	return *woken ? ret : 0;
}

static int sleep_until_ready(struct shmring_hub *h, uint64_t deadline)
{
	unsigned int in_vain = 0;
	uint64_t slice = 0;
	bool woken;
	int ret, slept;

	do {
		shmring_hub_take_back(h);
		slice = slice_after(h, slice);
		slept = sleep_once(h, slice, deadline, &woken);
		ret = look_closely(h);
		if (!ret)
			ret = slept;
		if (!ret && has_passed(deadline))
			ret = -ETIMEDOUT;
		if (!ret && woken && ++in_vain >= IN_VAIN_MAX)
			ret = shmring_sleep_fd(-1, shmring_now() + PAUSE_NS);
	} while (!ret);
	return ret;
}

/* NOWAIT: arm the poll descriptor, then look again. */
static int refuse_to_wait(struct shmring_hub *h)
{
	int ret;

	check_peers(h, shmring_now());
	shmring_hub_take_back(h);
	h->backend->hub_arm(h);
	ret = look_closely(h);
	return ret ? ret : -EAGAIN;
}

static int wait_by(struct shmring_hub *h, enum shmring_policy policy, uint64_t deadline)
{
	uint64_t spun;
	int ret;

	if (policy == SHMRING_SPIN) {
		ret = spin_for(h, UINT64_MAX, deadline, &spun);
		return ret ? ret : -ETIMEDOUT;
	}
	ret = spin_within_budget(h, policy, deadline);
	return ret ? ret : sleep_until_ready(h, deadline);
}

int shmring_hub_wait(struct shmring_hub *h, const struct shmring_wait *w)
{
	SHMRING_NO_CANCEL;
	int ret = shmring_check_wait(w);

	if (ret)
		return ret;
	if (w && w->min_bytes)
		return -EINVAL;
	ret = look_closely(h);
	if (!ret && w && (w->flags & SHMRING_NOWAIT))
		ret = refuse_to_wait(h);
	else if (!ret)
		ret = wait_by(h, w && w->policy ? w->policy : h->policy, w ? w->deadline : 0);
	return ret < 0 ? ret : 0;
}

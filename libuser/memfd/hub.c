// SPDX-License-Identifier: MIT
/*
 * The hub of a file with lanes: its page, and sleeping until a lane is hot. Any process that has
 * the file may write the page. So a bit that is set only makes the hub look, a bit that is not set
 * counts for lanes that the hub has armed alone, and no sleep is longer than a slice.
 */
#define _GNU_SOURCE 1
#include <linux/futex.h>

#include "../hub.h"
#include "../wait.h"
#include "memfd.h"

static struct shmring_memfd_hub *page_of(const struct shmring_hub *h)
{
	return h->lanes[0]->priv->memfd.hub;
}

int shmring_memfd_lanes(const struct shmring_private *p, struct shmring_lanes *lanes)
{
	struct shmring_geometry g;
	int ret = shmring_memfd_geometry(p, &g);

	if (ret)
		return ret;
	lanes->topology = g.topology;
	lanes->nr = g.nr_lanes;
	return 0;
}

/* No process can be kept from writing what it has mapped. */
int shmring_memfd_kick(struct shmring *r, uint32_t epoch)
{
	(void)epoch;
	return shmring_memfd_is_live(r, peer_role(r)) ? -EOPNOTSUPP : -ENOENT;
}

int shmring_memfd_hub_open(struct shmring_hub *h)
{
	uint32_t word;

	h->hot = page_of(h)->hot;
	for (word = 0; word < SHMRING_HUB_WORDS; word++)
		h->mine[word] = h->all[word];
	return 0;
}

/* The lanes' mappings, which go next, hold the page. */
void shmring_memfd_hub_close(struct shmring_hub *h)
{
	(void)h;
}

/*
 * The producer has gone, and the caller has advanced past all that it has left, and holds it: no
 * more will come, and the lane has no other producer before the caller releases it.
 */
static bool is_held_to_the_end(const struct shmring *r)
{
	return !shmring_memfd_is_live(r, SHMRING_PRODUCER) &&
	       __atomic_load_n(&r->producer->head, __ATOMIC_RELAXED) == r->c.tail;
}

/* Is there nothing in this lane that the hub waits for, whatever its positions say? */
static bool is_idle(const struct shmring_hub *h, const struct shmring *r)
{
	return h->work ? !shmring_memfd_is_live(r, SHMRING_CONSUMER) : is_held_to_the_end(r);
}

/* Arm the lane. False: it is ready all the same, and is not armed. */
static bool cool_lane(const struct shmring_hub *h, uint32_t lane)
{
	struct shmring *r = h->lanes[lane];

	if (!shmring_memfd_arm(r, shmring_hub_bytes(h, lane)) || is_idle(h, r))
		return true;
	__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	return false;
}

/*
 * Make the hot lanes cold that have no data. The bit goes before the lane is armed: a producer
 * that sees the lane armed sets the bit again. True: all are cold.
 */
static bool cool_lanes(struct shmring_hub *h)
{
	struct shmring_memfd_hub *page = page_of(h);
	uint64_t bits, hot, any = 0;
	uint32_t word, lane;

	for (word = 0; word < SHMRING_HUB_WORDS; word++) {
		hot = __atomic_exchange_n(&page->hot[word], 0, __ATOMIC_SEQ_CST) | h->mine[word];
		h->mine[word] = 0;
		for (bits = hot & h->all[word] & ~h->out[word]; bits; bits &= bits - 1) {
			lane = 64 * word + (uint32_t)__builtin_ctzll(bits);
			if (!cool_lane(h, lane))
				h->mine[word] |= shmring_lane_bit(lane);	/* O */
		}
		any |= h->mine[word];
	}
	return !any;
}

void shmring_memfd_hub_cool(struct shmring_hub *h)
{
	cool_lanes(h);
}

int shmring_memfd_hub_wait(struct shmring_hub *h, uint64_t until)
{
	struct shmring_memfd_hub *page = page_of(h);
	uint32_t seen = __atomic_load_n(&page->futex, __ATOMIC_SEQ_CST);
	struct timespec ts = shmring_timespec(until);

	if (!cool_lanes(h) ||
	    !shmring_memfd_futex(&page->futex, FUTEX_WAIT_BITSET, seen, &ts) || errno == EAGAIN)
		return 0;
	return -errno;
}

/* ------------------------------------------------------------------ polling */

/* Is there another side that lives? If a process has gone, end the roles of those that do not. */
static void look_for_peers(struct shmring_hub *h, struct shmring_look *look)
{
	bool gone = look->closed || look->due || h->ring->priv->memfd.look_ns;
	uint32_t i;

	look->live = false;
	look->done = true;
	for (i = 0; i < h->nr; i++) {
		if (!shmring_memfd_is_live(h->lanes[i], peer_role(h->lanes[i])))
			continue;
		if (gone)
			look->done &= shmring_memfd_end_dead_peer(h->lanes[i]);
		look->live |= shmring_memfd_is_live(h->lanes[i], peer_role(h->lanes[i]));
	}
}

/* Changes when the other side of a lane has moved, or when a lane wakes the hub. */
static uint64_t sum_of_positions(const struct shmring_hub *h)
{
	uint64_t sum = __atomic_load_n(&page_of(h)->futex, __ATOMIC_RELAXED);
	uint32_t i;

	for (i = 0; i < h->nr; i++)
		sum += __atomic_load_n(position_of(h->lanes[i], peer_role(h->lanes[i])),
				       __ATOMIC_RELAXED);
	return sum;
}

/* As shmring_memfd_arm_poll(). @closed: look as if a process had closed the file. */
static void arm_poll(struct shmring_hub *h, bool closed)
{
	struct shmring_private *p = h->ring->priv;
	struct shmring_memfd_hub *page = page_of(h);
	struct shmring_look look;

	if (p->poll_fd < 0)
		return;
	if (!p->memfd.watch.fd) {
		shmring_memfd_arm_timer(p, sum_of_positions(h));
		return;
	}
	look.closed = shmring_memfd_take_events(&p->memfd.watch) || closed;
	look.due = shmring_memfd_look_is_due(p);
	__atomic_store_n(&page->poll, 1, __ATOMIC_SEQ_CST);
	if (!cool_lanes(h))
		shmring_memfd_poke(p);
	look_for_peers(h, &look);
	shmring_memfd_plan_look(p, &look);
}

void shmring_memfd_hub_arm(struct shmring_hub *h)
{
	arm_poll(h, false);
}

int shmring_memfd_hub_poll_fd(struct shmring_hub *h)
{
	struct shmring_private *p = h->ring->priv;
	int ret;

	if (p->poll_fd >= 0)
		return p->poll_fd;
	ret = shmring_memfd_open_poll(p);
	if (ret)
		return ret;
	arm_poll(h, true);
	return p->poll_fd;
}

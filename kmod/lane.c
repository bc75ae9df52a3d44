// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes: the rings of a ring with a topology, and which process gets which.
 *
 * The hub takes its role in a lane as in any ring. The other role of a lane belongs to a file,
 * the lane end, from shmring_enter_lane() until its role is over and it has no mapping of the
 * lane any more. A lane end whose role was ended by KICK may still write into its mappings, so
 * the lane is given to another one only after that.
 */
#include <linux/cred.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uidgid.h>

#include "ring.h"

/* The role that is not the hub's, in one lane. Under use_lock. */
struct shmring_lane_use {
	struct shmring_file *holder;	/* only compared; NULL: none */
	kuid_t uid;			/* the holder's user */
	bool used;			/* a process has had the role */
};

u32 shmring_hub_role(u32 topology)
{
	switch (topology) {
	case SHMRING_TOPOLOGY_FAN_IN:
		return SHMRING_ROLE_CONSUMER;
	case SHMRING_TOPOLOGY_WORK:
		return SHMRING_ROLE_PRODUCER;
	default:
		return SHMRING_ROLE_NONE;
	}
}

/* @ring is the first lane and complete. shmring_free() frees what a failure leaves. */
int shmring_alloc_lanes(struct shmring *ring, const struct shmring_geometry *g)
{
	int ret = 0;
	u32 i;

	ring->lanes = kvcalloc(g->nr_lanes, sizeof(*ring->lanes), GFP_KERNEL_ACCOUNT);
	ring->use = kvcalloc(g->nr_lanes, sizeof(*ring->use), GFP_KERNEL_ACCOUNT);
	if (!ring->lanes || !ring->use)
		return -ENOMEM;
	ring->lanes[0] = ring;
	for (i = 1; i < g->nr_lanes && !ret; i++)
		ret = shmring_add_lane(ring, i, g);
	return ret;
}

void shmring_free_lanes(struct shmring *ring)
{
	u32 i;

	for (i = 1; ring->lanes && i < ring->nr_lanes && ring->lanes[i]; i++) {
		shmring_free_pages(ring->lanes[i]);
		shmring_put_memory(ring->lanes[i]);
	}
	kvfree(ring->lanes);
	kvfree(ring->use);
}

/* Has the consumer released all? A used count above the span is a lie: there is nothing. */
static bool is_drained(struct shmring *lane)
{
	u64 used = shmring_used(lane);

	return !used || used > lane->span;
}

/* An answer without use_lock may be old. */
static bool is_free(struct shmring *first, u32 index)
{
	if (READ_ONCE(first->use[index].holder))
		return false;
	return first->topology == SHMRING_TOPOLOGY_WORK || is_drained(first->lanes[index]);
}

/* The messages of a worker that has died wait for the next one. */
static bool is_urgent(struct shmring *first, u32 index)
{
	return first->topology == SHMRING_TOPOLOGY_WORK && !is_drained(first->lanes[index]);
}

static bool has_enough_lanes(const struct shmring *first, kuid_t uid)
{
	unsigned int nr = 0;
	u32 i;

	lockdep_assert_held(&first->use_lock);
	for (i = 0; i < first->nr_lanes; i++)
		nr += first->use[i].holder && uid_eq(first->use[i].uid, uid);
	return first->lanes_per_user && nr >= first->lanes_per_user;
}

/* Take this lane for @sf. @used: has a process had it before? -EDQUOT, -EBUSY. */
static int take_lane(struct shmring_file *sf, u32 index, bool *used)
{
	struct shmring *first = sf->ring->first;
	struct shmring_lane_use *use = first->use + index;
	kuid_t uid = current_uid();
	int ret = 0;

	spin_lock(&first->use_lock);
	if (has_enough_lanes(first, uid)) {
		ret = -EDQUOT;
	} else if (!is_free(first, index)) {
		ret = -EBUSY;
	} else {
		WRITE_ONCE(use->holder, sf);
		use->uid = uid;
		*used = use->used;
		use->used = true;
	}
	spin_unlock(&first->use_lock);
	if (!ret)
		sf->ring = first->lanes[index];
	return ret;
}

/*
 * Take the first lane that is free, of WORK first one with messages. Looking at all lanes takes
 * some microseconds: that is done without the lock, and take_lane() looks once more.
 */
static int take_any_lane(struct shmring_file *sf, bool *used)
{
	struct shmring *first = sf->ring->first;
	int ret = -EBUSY;
	u32 i;

	for (i = 0; i < first->nr_lanes && ret == -EBUSY; i++)
		if (is_free(first, i) && is_urgent(first, i))
			ret = take_lane(sf, i, used);
	for (i = 0; i < first->nr_lanes && ret == -EBUSY; i++)
		if (is_free(first, i))
			ret = take_lane(sf, i, used);
	/* None is free. Would that user have got one? */
	return ret == -EBUSY ? take_lane(sf, 0, used) : ret;
}

/* What the struct at the start of a role's own page leaves of the page. */
static void clear_own_page(struct shmring_file *sf)
{
	const size_t size = sizeof(struct shmring_producer);
	int page = sf->role == SHMRING_ROLE_PRODUCER ? SHMRING_PRODUCER_PAGE :
						       SHMRING_CONSUMER_PAGE;

	static_assert(sizeof(struct shmring_producer) == sizeof(struct shmring_consumer));
	memset(page_address(sf->ring->pages[page]) + size, 0, PAGE_SIZE - size);
}

/*
 * Remove what the process before has left in the pages that the lane end writes. The lane is
 * reserved for @sf, whose role has not begun, so no process writes there. The data of a
 * consumer's lane belong to the hub, which may be writing them.
 */
static int clear_lane(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	unsigned long i;

	clear_own_page(sf);
	for (i = 0; sf->role == SHMRING_ROLE_PRODUCER && i < ring->nr_data; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		clear_page(page_address(ring->pages[SHMRING_DATA_PAGE + i]));
		cond_resched();
	}
	shmring_settle_again(ring, sf->role);
	return 0;
}

/**
 * shmring_enter_lane - choose the lane for an endpoint whose role is about to begin
 * @sf: an endpoint of the ring, which becomes one of a lane
 * @a: the arguments of ATTACH, checked
 *
 * The caller takes the role next. If it does not, or this fails, shmring_leave_lane() undoes it.
 *
 * Return: 0, or -EPROTO, -EDQUOT, -EBUSY or -EINTR as ATTACH in <linux/shmring.h>.
 */
int shmring_enter_lane(struct shmring_file *sf, const struct shmring_ioc_attach *a)
{
	bool numbered = a->flags & SHMRING_ATTACH_F_LANE;
	bool used = false;
	int ret;

	if (!shmring_is_lane_end(sf)) {
		if (sf->ring->hub_role && !numbered)
			return -EPROTO;
		sf->ring = shmring_lane_of(sf->ring, a->lane);
		return 0;
	}
	if (numbered)
		ret = take_lane(sf, array_index_nospec(a->lane, sf->ring->nr_lanes), &used);
	else
		ret = take_any_lane(sf, &used);
	if (!ret && used)
		ret = clear_lane(sf);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_enter_lane);

/* Give the lane back, if @sf has one and neither a role nor a mapping. Under ring->lock. */
void shmring_leave_lane(struct shmring_file *sf)
{
	struct shmring *first = sf->ring->first;
	struct shmring_lane_use *use;

	lockdep_assert_held(&sf->ring->lock);
	if (!shmring_is_lane_end(sf) || !shmring_is_over(sf) || sf->nr_vmas || sf->nr_views)
		return;
	use = first->use + sf->ring->index;
	spin_lock(&first->use_lock);
	if (use->holder == sf)
		WRITE_ONCE(use->holder, NULL);
	spin_unlock(&first->use_lock);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_leave_lane);

// SPDX-License-Identifier: GPL-2.0
/* Lanes: how they are made and charged, which is free, and what the next process finds there. */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "rig.h"

#define NR	4
#define ANY	-1

KUNIT_DEFINE_ACTION_WRAPPER(put_ring, shmring_put, struct shmring *);

static struct shmring *alloc_lanes(u32 topology, u32 nr, u32 lanes_per_user)
{
	const struct shmring_geometry g = {
		.capacity = CAPACITY,
		.topology = topology,
		.nr_lanes = nr,
		.lanes_per_user = lanes_per_user,
	};

	return shmring_alloc(&g);
}

static struct shmring *make_lanes(struct kunit *test, u32 topology, u32 lanes_per_user)
{
	struct shmring *ring = alloc_lanes(topology, NR, lanes_per_user);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_ring, ring), 0);
	return ring;
}

/* What closing the file does. */
static void leave(struct shmring_file *sf)
{
	spin_lock(&sf->ring->lock);
	shmring_role_end(sf);
	shmring_leave_lane(sf);
	spin_unlock(&sf->ring->lock);
}

static int enter(struct shmring_file *sf, struct shmring *ring, u32 role, int lane)
{
	const struct shmring_ioc_attach a = {
		.role = role,
		.flags = lane == ANY ? 0 : SHMRING_ATTACH_F_LANE,
		.lane = lane == ANY ? 0 : lane,
	};
	int ret;

	*sf = (struct shmring_file) { .ring = ring, .role = role, .lowat = 1 };
	ret = shmring_enter_lane(sf, &a) ?: shmring_role_begin(sf);
	return ret ?: sf->ring->index;
}

static void lanes_are_rings(struct kunit *test)
{
	const unsigned long before = total_pages(test);
	struct shmring *ring = alloc_lanes(SHMRING_TOPOLOGY_FAN_IN, NR, 0);
	struct shmring *lane;
	u32 i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, total_pages(test), before + NR * (3 + 1));
	KUNIT_EXPECT_EQ(test, shmring_register(ring, "kunit-lanes", 0600, SHMRING_CREATE_F_QUEUE),
			0);
	for (i = 0; i < NR; i++) {
		lane = shmring_lane_of(ring, i);
		KUNIT_EXPECT_EQ(test, lane->index, i);
		KUNIT_EXPECT_PTR_EQ(test, lane->first, ring);
		KUNIT_EXPECT_EQ(test, lane->id, ring->id);
		KUNIT_EXPECT_EQ(test, lane->status->magic, SHMRING_MAGIC);
		KUNIT_EXPECT_EQ(test, lane->status->nr_lanes, 1);
		KUNIT_EXPECT_EQ(test, lane->status->flags, SHMRING_CREATE_F_QUEUE);
		set_positions(lane, 8 * i, 0);
	}
	for (i = 0; i < NR; i++)
		KUNIT_EXPECT_EQ(test, shmring_used(shmring_lane_of(ring, i)), 8 * i);
	shmring_put(ring);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static void numbers_of_lanes(struct kunit *test)
{
	static const struct {
		u32 topology, nr, per_user;
		int ret;
	} cases[] = {
		{ SHMRING_TOPOLOGY_RING, 0, 0, 0 },
		{ SHMRING_TOPOLOGY_RING, 1, 0, -EINVAL },
		{ SHMRING_TOPOLOGY_RING, 0, 1, -EINVAL },
		{ SHMRING_TOPOLOGY_FAN_IN, 0, 0, -EINVAL },
		{ SHMRING_TOPOLOGY_FAN_IN, 1, 9, 0 },
		{ SHMRING_TOPOLOGY_WORK, SHMRING_LANES_MAX, 1, 0 },
		{ SHMRING_TOPOLOGY_WORK, SHMRING_LANES_MAX + 1, 1, -EINVAL },
		{ SHMRING_TOPOLOGY_WORK, ~0u, 1, -EINVAL },
		{ SHMRING_TOPOLOGY_WORK + 1, 1, 0, -EINVAL },
	};
	struct shmring *ring;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ring = alloc_lanes(cases[i].topology, cases[i].nr, cases[i].per_user);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(ring), cases[i].ret, "case %d", i);
		if (!IS_ERR(ring))
			shmring_free(ring);
	}
}

/* All lanes are charged before the first page is allocated. */
static void all_lanes_are_charged_first(struct kunit *test)
{
	const unsigned long before = total_pages(test), max = shmring_max_pages;
	struct shmring *ring;

	WRITE_ONCE(shmring_max_pages, before + NR * 4 - 1);
	ring = alloc_lanes(SHMRING_TOPOLOGY_FAN_IN, NR, 0);
	WRITE_ONCE(shmring_max_pages, max);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ring), -ENOSPC);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static void free_lanes_in_order(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	struct shmring_file sf[NR], more, hub;
	int i;

	KUNIT_EXPECT_EQ(test, enter(&more, ring, CONSUMER, ANY), -EPROTO);
	KUNIT_EXPECT_EQ(test, enter(&hub, ring, CONSUMER, 2), 2);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, CONSUMER, 2), -EBUSY);
	for (i = 0; i < NR; i++)
		KUNIT_EXPECT_EQ(test, enter(&sf[i], ring, PRODUCER, ANY), i);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, ANY), -EBUSY);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, 1), -EBUSY);
	leave(&sf[2]);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, enter(&sf[2], ring, PRODUCER, ANY), 2);
	leave(&sf[1]);
	KUNIT_EXPECT_EQ(test, enter(&sf[1], ring, PRODUCER, 1), 1);
	for (i = 0; i < NR; i++)
		leave(&sf[i]);
	leave(&hub);
}

static void undrained_lane_is_not_free(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	struct shmring_file sf, more;

	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, ANY), 0);
	set_positions(ring, 16, 0);
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, ANY), 1);
	leave(&more);
	set_positions(ring, 16, 8);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, 0), -EBUSY);
	set_positions(ring, 16, 16);
	KUNIT_EXPECT_EQ(test, enter(&more, ring, PRODUCER, 0), 0);
	KUNIT_EXPECT_EQ(test, head_of(ring), 16);
	leave(&more);
}

/* A worker's messages go to the next worker: that lane comes first. */
static void messages_of_a_worker_are_kept(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_WORK, 0);
	struct shmring *lane = shmring_lane_of(ring, 2);
	struct shmring_file hub, sf, next;
	char *data = page_address(lane->pages[SHMRING_DATA_PAGE]);

	KUNIT_EXPECT_EQ(test, enter(&hub, ring, PRODUCER, 2), 2);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, CONSUMER, 2), 2);
	data[0] = 'm';
	set_positions(lane, 16, 8);
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&next, ring, CONSUMER, ANY), 2);
	KUNIT_EXPECT_EQ(test, data[0], 'm');
	KUNIT_EXPECT_EQ(test, tail_of(lane), 8);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, CONSUMER, ANY), 0);
	leave(&sf);
	leave(&next);
	leave(&hub);
}

static void next_producer_finds_zeroes(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	char *data = page_address(ring->pages[SHMRING_DATA_PAGE]);
	char *own = page_address(ring->pages[SHMRING_PRODUCER_PAGE]);
	struct shmring_file sf;

	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, ANY), 0);
	memset(data, 0xaa, PAGE_SIZE);
	memset(own + 128, 0xbb, PAGE_SIZE - 128);
	set_positions(ring, 8, 8);
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, ANY), 0);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(data, 0, PAGE_SIZE), NULL);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(own + 128, 0, PAGE_SIZE - 128), NULL);
	KUNIT_EXPECT_EQ(test, head_of(ring), 8);
	leave(&sf);
}

/* End the role of the process that has it now. */
static int kick(struct shmring_file *hub)
{
	return shmring_kick(hub, shmring_peer(hub->ring, hub->role)->half->epoch);
}

static void kick_is_the_hubs(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	struct shmring *plain = make_ring(test, CAPACITY);
	struct shmring_file hub, sf;

	KUNIT_EXPECT_EQ(test, enter(&hub, ring, CONSUMER, 0), 0);
	KUNIT_EXPECT_EQ(test, kick(&hub), -ENOENT);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, ANY), 0);
	KUNIT_EXPECT_EQ(test, kick(&sf), -EPERM);
	KUNIT_EXPECT_EQ(test, kick(&hub), 0);
	KUNIT_EXPECT_EQ(test, kick(&hub), -ENOENT);
	KUNIT_EXPECT_EQ(test, shmring_ready(&sf, 1), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, shmring_ready(&hub, 1), -ENODATA);
	leave(&sf);
	leave(&hub);
	KUNIT_EXPECT_EQ(test, kick(&hub), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, kick(attach(test, plain, CONSUMER)), -EPERM);
}

/* A hub that saw a false value must not end the role of the process that came after it. */
static void kick_is_of_one_epoch(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	struct shmring_file hub, sf, next;
	u32 epoch;

	KUNIT_EXPECT_EQ(test, enter(&hub, ring, CONSUMER, 0), 0);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, 0), 0);
	epoch = shmring_peer(ring, CONSUMER)->half->epoch;
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&next, ring, PRODUCER, 0), 0);
	KUNIT_EXPECT_EQ(test, shmring_kick(&hub, epoch), -ESTALE);
	KUNIT_EXPECT_EQ(test, shmring_ready(&next, 1), 1);
	KUNIT_EXPECT_EQ(test, shmring_kick(&hub, epoch + 1), 0);
	KUNIT_EXPECT_EQ(test, shmring_ready(&next, 1), -ESHUTDOWN);
	leave(&next);
	leave(&hub);
}

/* Nothing that a kicked process writes before it unmaps reaches the next one. */
static void kicked_process_keeps_its_lane(struct kunit *test, bool own)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	struct shmring_file hub, sf, next;

	KUNIT_EXPECT_EQ(test, enter(&hub, ring, CONSUMER, 0), 0);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, 0), 0);
	set_positions(ring, 24, 24);
	sf.nr_vmas = own;
	sf.nr_views = !own;
	KUNIT_EXPECT_EQ(test, kick(&hub), 0);
	set_positions(ring, 64, 24);
	KUNIT_EXPECT_EQ(test, shmring_ready(&hub, 1), -ENODATA);
	KUNIT_EXPECT_EQ(test, enter(&next, ring, PRODUCER, 0), -EBUSY);
	sf.nr_vmas = 0;
	sf.nr_views = 0;
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&next, ring, PRODUCER, 0), 0);
	KUNIT_EXPECT_EQ(test, head_of(ring), 24);
	KUNIT_EXPECT_EQ(test, shmring_ready(&hub, 1), 0);
	leave(&next);
	leave(&hub);
}

static void kicked_process_with_own_mappings(struct kunit *test)
{
	kicked_process_keeps_its_lane(test, true);
}

static void kicked_process_with_other_mappings(struct kunit *test)
{
	kicked_process_keeps_its_lane(test, false);
}

/* The worker's false tail does not stay, although the hub is there all the time. */
static void kicked_worker_leaves_the_tail(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_WORK, 0);
	struct shmring_file hub, sf;

	KUNIT_EXPECT_EQ(test, enter(&hub, ring, PRODUCER, 0), 0);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, CONSUMER, 0), 0);
	set_positions(ring, 64, 16);
	KUNIT_EXPECT_EQ(test, kick(&hub), 0);
	set_positions(ring, 64, 1 << 20);
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, CONSUMER, 0), 0);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 16);
	leave(&sf);
	leave(&hub);
}

static int enter_as(const struct cred *cred, struct shmring_file *sf, struct shmring *ring)
{
	const struct cred *mine = override_creds(cred);
	int ret = enter(sf, ring, PRODUCER, ANY);

	revert_creds(mine);
	return ret;
}

static void lanes_of_one_user(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 2);
	struct cred *a = make_cred(test, 1000, 1000, 1000);
	struct cred *b = make_cred(test, 1001, 1000, 1000);
	struct shmring_file sf[4], more;
	int i;

	KUNIT_EXPECT_EQ(test, enter_as(a, &sf[0], ring), 0);
	KUNIT_EXPECT_EQ(test, enter_as(a, &sf[1], ring), 1);
	KUNIT_EXPECT_EQ(test, enter_as(a, &more, ring), -EDQUOT);
	KUNIT_EXPECT_EQ(test, enter_as(b, &sf[2], ring), 2);
	KUNIT_EXPECT_EQ(test, enter_as(b, &sf[3], ring), 3);
	KUNIT_EXPECT_EQ(test, enter_as(b, &more, ring), -EDQUOT);
	leave(&sf[0]);
	KUNIT_EXPECT_EQ(test, enter_as(b, &more, ring), -EDQUOT);
	KUNIT_EXPECT_EQ(test, enter_as(a, &sf[0], ring), 0);
	for (i = 0; i < 4; i++)
		leave(&sf[i]);
}

static int enter_killed(void *data)
{
	struct sleeper *s = data;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	s->ret = enter(s->sf, s->sf->ring, PRODUCER, ANY);
	flush_signals(current);
	complete_all(&s->done);
	return 0;
}

/* A lane that was not zeroed to the end is free, and is zeroed for the next process. */
static void killed_while_zeroing(struct kunit *test)
{
	struct shmring *ring = make_lanes(test, SHMRING_TOPOLOGY_FAN_IN, 0);
	char *data = page_address(ring->pages[SHMRING_DATA_PAGE]);
	struct shmring_file sf;
	struct sleeper *s;

	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, ANY), 0);
	data[9] = 1;
	leave(&sf);
	sf.ring = ring;
	s = start_helper(test, enter_killed, &sf);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -EINTR);
	KUNIT_EXPECT_EQ(test, shmring_side(ring, PRODUCER)->half->epoch, 1);
	leave(&sf);
	KUNIT_EXPECT_EQ(test, enter(&sf, ring, PRODUCER, ANY), 0);
	KUNIT_EXPECT_EQ(test, data[9], 0);
	leave(&sf);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(lanes_are_rings),
	KUNIT_CASE(numbers_of_lanes),
	KUNIT_CASE(all_lanes_are_charged_first),
	KUNIT_CASE(free_lanes_in_order),
	KUNIT_CASE(undrained_lane_is_not_free),
	KUNIT_CASE(messages_of_a_worker_are_kept),
	KUNIT_CASE(next_producer_finds_zeroes),
	KUNIT_CASE(kick_is_the_hubs),
	KUNIT_CASE(kick_is_of_one_epoch),
	KUNIT_CASE(kicked_process_with_own_mappings),
	KUNIT_CASE(kicked_process_with_other_mappings),
	KUNIT_CASE(kicked_worker_leaves_the_tail),
	KUNIT_CASE(lanes_of_one_user),
	KUNIT_CASE(killed_while_zeroing),
	{}
};

static struct kunit_suite suite = {
	.name = "lanes",
	.test_cases = cases,
};

kunit_test_suite(suite);

// SPDX-License-Identifier: GPL-2.0
/* Head and tail at every true and every false position. */
#include <linux/container_of.h>
#include <linux/jiffies.h>

#include "rig.h"

#define SOME	(1ull << 20)
#define B32	(1ull << 32)
#define B61	(1ull << 61)
#define B62	(1ull << 62)
#define B63	(1ull << 63)

/* The tails that a consumer may see with an honest producer. */
static const u64 tails[] = {
	0, 8, CAPACITY - 8, CAPACITY, SOME, B32 - CAPACITY, B32 - 8, B32, B61 - 8, B61,
	B62 - 8 - CAPACITY,
};

static const u64 fills[] = { 0, 8, CAPACITY / 2, CAPACITY - 8, CAPACITY };

/* Pairs of positions that no honest sides show at any moment. */
static const struct {
	u64 head;
	u64 tail;
} fake[] = {
	{ 0, 8 },			/* released before it was committed */
	{ SOME, SOME + 1 },
	{ 0, U64_MAX - CAPACITY },
	{ 0, B63 },
	{ CAPACITY + 1, 0 },		/* more than there is space for */
	{ CAPACITY + 8, 0 },
	{ B32 + SOME, SOME },
	{ B63, 0 },
	{ U64_MAX, 0 },
	{ U64_MAX, B63 },
	{ SOME + CAPACITY + 1, SOME },
};

static void used_for_honest(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	int i, j;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		for (j = 0; j < ARRAY_SIZE(fills); j++) {
			set_positions(ring, tails[i] + fills[j], tails[i]);
			KUNIT_EXPECT_EQ(test, shmring_used(ring), fills[j]);
		}
	}
}

static void used_above_capacity_at_false_positions(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		set_positions(ring, fake[i].head, fake[i].tail);
		KUNIT_EXPECT_GT_MSG(test, shmring_used(ring), CAPACITY, "head %#llx tail %#llx",
				    fake[i].head, fake[i].tail);
	}
}

/* The stream ends at `end`, whatever is written to head afterwards. */
static void used_after_end_ignores_head(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);

	set_positions(ring, 64, 16);
	detach(producer);
	set_positions(ring, 4096, 16);
	KUNIT_EXPECT_EQ(test, shmring_used(ring), 48);
}

static void ready_for_honest(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	static const u64 wants[] = { 1, 8, CAPACITY / 2, CAPACITY };
	int i, j, k;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		for (j = 0; j < ARRAY_SIZE(fills); j++) {
			set_positions(ring, tails[i] + fills[j], tails[i]);
			for (k = 0; k < ARRAY_SIZE(wants); k++) {
				KUNIT_EXPECT_EQ_MSG(test, shmring_ready(consumer, wants[k]),
						    fills[j] >= wants[k],
						    "tail %#llx used %#llx wants %#llx",
						    tails[i], fills[j], wants[k]);
				KUNIT_EXPECT_EQ_MSG(test, shmring_ready(producer, wants[k]),
						    CAPACITY - fills[j] >= wants[k],
						    "tail %#llx used %#llx wants %#llx",
						    tails[i], fills[j], wants[k]);
			}
		}
	}
}

/*
 * A false position must not put a side to sleep: the library has to look at it, and to return
 * EBADMSG.
 */
static void ready_at_false_positions(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		set_positions(ring, fake[i].head, fake[i].tail);
		KUNIT_EXPECT_EQ_MSG(test, shmring_ready(producer, CAPACITY), 1, "position %d", i);
		KUNIT_EXPECT_EQ_MSG(test, shmring_ready(consumer, CAPACITY), 1, "position %d", i);
	}
}

static u32 other_than(u32 role)
{
	return role == PRODUCER ? CONSUMER : PRODUCER;
}

static void settle_leaves_honest(struct kunit *test, u32 role)
{
	int i, j;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		for (j = 0; j < ARRAY_SIZE(fills); j++) {
			struct shmring *ring = make_ring(test, CAPACITY);
			struct shmring_file *sf = attach(test, ring, role);

			attach(test, ring, other_than(role));
			set_positions(ring, tails[i] + fills[j], tails[i]);
			detach(sf);
			KUNIT_EXPECT_EQ(test, head_of(ring), tails[i] + fills[j]);
			KUNIT_EXPECT_EQ(test, tail_of(ring), tails[i]);
			if (role == PRODUCER)
				KUNIT_EXPECT_EQ(test, ring->lane->producer.end, tails[i] + fills[j]);
		}
	}
}

static void settle_leaves_honest_producer(struct kunit *test)
{
	settle_leaves_honest(test, PRODUCER);
}

static void settle_leaves_honest_consumer(struct kunit *test)
{
	settle_leaves_honest(test, CONSUMER);
}

/* Not aligned, or above SHMRING_POSITION_LIMIT. */
static bool is_nowhere(u64 position)
{
	return position % SHMRING_ALIGN || position >= B62;
}

/*
 * The next owner finds a window between the positions. If the other side's position is unusable
 * the window is at zero; that position stays as it is.
 */
static void settle_replaces_false_positions(struct kunit *test, u32 role)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		u64 other = role == PRODUCER ? fake[i].tail : fake[i].head;
		struct shmring *ring = make_ring(test, CAPACITY);
		struct shmring_file *sf = attach(test, ring, role);
		u64 own;

		attach(test, ring, other_than(role));
		set_positions(ring, fake[i].head, fake[i].tail);
		detach(sf);
		own = role == PRODUCER ? head_of(ring) : tail_of(ring);
		KUNIT_EXPECT_EQ_MSG(test, own, is_nowhere(other) ? 0 : other, "position %d", i);
		if (role == PRODUCER) {
			KUNIT_EXPECT_EQ(test, tail_of(ring), fake[i].tail);
			KUNIT_EXPECT_EQ(test, ring->lane->producer.end, own);
		} else {
			KUNIT_EXPECT_EQ(test, head_of(ring), fake[i].head);
		}
	}
}

static void settle_replaces_false_positions_of_producer(struct kunit *test)
{
	settle_replaces_false_positions(test, PRODUCER);
}

static void settle_replaces_false_positions_of_consumer(struct kunit *test)
{
	settle_replaces_false_positions(test, CONSUMER);
}

/*
 * Two hostile sides together leave no position that is not aligned, and none from which honest
 * owners could get to 2^62, whichever side ends first.
 */
static void settle_after_two_hostile_owners(struct kunit *test)
{
	static const u64 words[] = { 3, B32 + 4, SOME + 1, B62 - 8, B62, B63 - 8, B63,
				     U64_MAX - 15, U64_MAX - 7, U64_MAX };
	int i, j, first;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		for (j = 0; j < ARRAY_SIZE(words); j++) {
			for (first = 0; first < 2; first++) {
				struct shmring *ring = make_ring(test, CAPACITY);
				struct shmring_file *sf[] = { attach(test, ring, PRODUCER),
							      attach(test, ring, CONSUMER) };

				set_positions(ring, words[i], words[j]);
				detach(sf[first]);
				detach(sf[!first]);
				KUNIT_EXPECT_EQ_MSG(test, head_of(ring), tail_of(ring),
						    "%#llx %#llx", words[i], words[j]);
				KUNIT_EXPECT_FALSE(test, is_nowhere(head_of(ring)));
				KUNIT_EXPECT_LT(test, head_of(ring), B61);
			}
		}
	}
}

/* Positions just below 2^62 go back by whole turns of the ring, so the data stay where they are. */
static void check_rewound(struct kunit *test, struct shmring *ring, u64 tail, u64 used,
			  bool consumer_first)
{
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);

	set_positions(ring, tail + used, tail);
	detach(consumer_first ? consumer : producer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), tail);
	detach(consumer_first ? producer : consumer);
	KUNIT_EXPECT_LT(test, head_of(ring), B61);
	KUNIT_EXPECT_EQ(test, head_of(ring) - tail_of(ring), used);
	KUNIT_EXPECT_EQ(test, ring->lane->producer.end, head_of(ring));
	KUNIT_EXPECT_EQ(test, tail_of(ring) % CAPACITY, tail % CAPACITY);
	KUNIT_EXPECT_EQ(test, tail_of(ring) % ring->step, 0);
}

static void rewound_when_both_are_gone(struct kunit *test)
{
	const u64 slot = (B62 - CAPACITY) / 24 * 24 - 24;
	const u64 packed = (B62 - CAPACITY) / 20 * 20 - 40;
	int first;

	for (first = 0; first < 2; first++) {
		check_rewound(test, make_ring(test, CAPACITY), B62 - 8 - CAPACITY, CAPACITY, first);
		check_rewound(test, make_ring(test, CAPACITY), B61 + 40, 16, first);
		check_rewound(test, make_slots(test, 20), slot, 48, first);
		check_rewound(test, make_of(test, 20, 3, 4), packed, 60, first);
	}
}

/* A new owner of a role finds none of the old owner's hints. */
static void hints_end_with_their_role(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_producer *producer =
		container_of(shmring_side(ring, PRODUCER)->position, struct shmring_producer, head);
	struct shmring_consumer *consumer =
		container_of(shmring_side(ring, CONSUMER)->position, struct shmring_consumer, tail);
	struct shmring_file *sf[] = { attach(test, ring, PRODUCER), attach(test, ring, CONSUMER) };

	producer->space_wanted = U64_MAX / 2;
	producer->cpu = 7;
	consumer->cpu = 8;
	detach(sf[0]);
	KUNIT_EXPECT_EQ(test, producer->space_wanted, 0);
	KUNIT_EXPECT_EQ(test, producer->cpu, 0);
	KUNIT_EXPECT_EQ(test, consumer->cpu, 8);
	detach(sf[1]);
	KUNIT_EXPECT_EQ(test, consumer->cpu, 0);
}

static void expect_positions(struct kunit *test, struct shmring *ring, u64 head, u64 tail)
{
	u64 h, t;

	set_positions(ring, head, tail);
	shmring_positions(ring, &h, &t);
	KUNIT_EXPECT_EQ(test, h, head);
	KUNIT_EXPECT_EQ(test, t, tail);
}

/* Positions that stand still are shown as they are, false ones included. */
static void positions_at_rest(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	int i, j;

	for (i = 0; i < ARRAY_SIZE(tails); i++)
		for (j = 0; j < ARRAY_SIZE(fills); j++)
			expect_positions(test, ring, tails[i] + fills[j], tails[i]);
	for (i = 0; i < ARRAY_SIZE(fake); i++)
		expect_positions(test, ring, fake[i].head, fake[i].tail);
}

/* Both sides go round the ring as fast as they can. */
static int run_both_sides(void *arg)
{
	struct sleeper *s = arg;
	struct shmring *ring = s->sf->ring;
	const u64 span = ring->span;
	__u64 *head = shmring_side(ring, PRODUCER)->position;
	__u64 *tail = shmring_side(ring, CONSUMER)->position;
	u64 at = 0;

	allow_signal(SIGKILL);
	while (!signal_pending(current)) {
		smp_store_release(head, at + span);
		at += span;
		smp_store_release(tail, at);
		if (at % (1000 * span) == 0)
			cond_resched();
	}
	s->ret = 0;
	complete_all(&s->done);
	return 0;
}

static void expect_one_moment(struct kunit *test, struct shmring *ring)
{
	u64 head, tail, moved = 0, last = 0;
	unsigned long end = jiffies + 10 * HZ;
	int i;

	start_helper(test, run_both_sides, attach(test, ring, PRODUCER));
	for (i = 0; i < 1000000 && time_before(jiffies, end); i++) {
		shmring_positions(ring, &head, &tail);
		if (head - tail > ring->span)
			break;
		moved += head != last;
		last = head;
		if (i % 1000 == 0)
			cond_resched();
	}
	KUNIT_EXPECT_LE(test, head - tail, ring->span);
	KUNIT_EXPECT_GT(test, moved, 0);
}

static void positions_of_one_moment(struct kunit *test)
{
	expect_one_moment(test, make_ring(test, CAPACITY));
}

static void slots_of_one_moment(struct kunit *test)
{
	expect_one_moment(test, make_of(test, 20, 3, 4));
}

/* In a ring of slots, positions move by whole slots. */
static void settle_at_a_slot(struct kunit *test)
{
	struct shmring *ring = make_slots(test, 20);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);

	attach(test, ring, PRODUCER);
	set_positions(ring, 96, 48);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 48);
	consumer = attach(test, ring, CONSUMER);
	set_positions(ring, 96, 56);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 96);
}

/* A ring of three slots of 20 bytes is full at 60, far below its capacity. */
static void span_is_the_limit(struct kunit *test)
{
	struct shmring *ring = make_of(test, 20, 3, 4);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);

	set_positions(ring, 1060, 1000);
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 1), 0);
	KUNIT_EXPECT_EQ(test, shmring_ready(consumer, 60), 1);
	set_positions(ring, 1060, 1020);
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 20), 1);
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 21), 0);
	/* A false position: the library has to look at it. */
	set_positions(ring, 1080, 1000);
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 20), 1);
	/* ... and the next owner finds none. */
	detach(producer);
	KUNIT_EXPECT_EQ(test, head_of(ring), 1000);
	set_positions(ring, 1060, 1000);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 1000);
}

/* With an alignment of 64, no record begins in between. */
static void settle_at_a_multiple_of_align(struct kunit *test)
{
	struct shmring *ring = make_of(test, 0, 0, 64);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);

	attach(test, ring, PRODUCER);
	set_positions(ring, 128, 72);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 128);
	consumer = attach(test, ring, CONSUMER);
	set_positions(ring, 192, 64);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 64);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(used_for_honest),
	KUNIT_CASE(used_above_capacity_at_false_positions),
	KUNIT_CASE(used_after_end_ignores_head),
	KUNIT_CASE(ready_for_honest),
	KUNIT_CASE(ready_at_false_positions),
	KUNIT_CASE(settle_leaves_honest_producer),
	KUNIT_CASE(settle_leaves_honest_consumer),
	KUNIT_CASE(settle_replaces_false_positions_of_producer),
	KUNIT_CASE(settle_replaces_false_positions_of_consumer),
	KUNIT_CASE(settle_after_two_hostile_owners),
	KUNIT_CASE(rewound_when_both_are_gone),
	KUNIT_CASE(hints_end_with_their_role),
	KUNIT_CASE(positions_at_rest),
	KUNIT_CASE(positions_of_one_moment),
	KUNIT_CASE(slots_of_one_moment),
	KUNIT_CASE(settle_at_a_slot),
	KUNIT_CASE(span_is_the_limit),
	KUNIT_CASE(settle_at_a_multiple_of_align),
	{}
};

static struct kunit_suite suite = {
	.name = "positions",
	.test_cases = cases,
};

kunit_test_suite(suite);

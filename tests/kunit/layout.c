// SPDX-License-Identifier: GPL-2.0
/* The layout of a new ring, and the spans of it that may be mapped. */
#include <linux/mm.h>
#include <linux/string.h>

#include "rig.h"

enum { KERNEL_PAGE, CONSUMER_PAGE, PRODUCER_PAGE, DATA_PAGE };

static void kernel_page_as_in_abi(struct kunit *test)
{
	struct shmring *ring = make_ring(test, 2 * PAGE_SIZE);
	u8 *want = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct shmring_status *status = (struct shmring_status *)want;
	struct shmring_lane *lane = (struct shmring_lane *)(want + SHMRING_LANE_OFFSET);

	KUNIT_ASSERT_NOT_NULL(test, want);
	status->magic = 0x53484d52;
	status->abi = 1;
	status->capacity = 2 * PAGE_SIZE;
	status->nr_lanes = 1;
	status->align = 8;
	lane->consumer.wake_at = SHMRING_NO_WAKE;
	lane->producer.wake_at = SHMRING_NO_WAKE;
	/* The value that this kernel begins with: see fence.c. */
	lane->consumer.fence_until = ring->lane->consumer.fence_until;
	lane->producer.fence_until = lane->consumer.fence_until;
	KUNIT_EXPECT_MEMEQ(test, page_address(ring->pages[KERNEL_PAGE]), want, PAGE_SIZE);
}

static void slot_size_in_status(struct kunit *test)
{
	struct shmring *ring = new_ring(PAGE_SIZE, 40);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, ring->status->slot_size, 40);
	KUNIT_EXPECT_EQ(test, ring->status->align, 8);
	KUNIT_EXPECT_EQ(test, ring->status->slots, PAGE_SIZE / 40);
	shmring_free(ring);
}

static void slots_and_align_in_status(struct kunit *test)
{
	struct shmring *ring = make_of(test, 20, 5, 64);

	KUNIT_EXPECT_EQ(test, ring->status->align, 64);
	KUNIT_EXPECT_EQ(test, ring->status->slots, 5);
	ring = make_of(test, 0, 0, 256);
	KUNIT_EXPECT_EQ(test, ring->status->align, 256);
	KUNIT_EXPECT_EQ(test, ring->status->slots, 0);
}

static void fill(struct shmring *ring, int byte)
{
	unsigned long i;

	for (i = 0; i < ring->nr_pages; i++)
		memset(page_address(ring->pages[i]), byte, PAGE_SIZE);
}

/* The pages of a ring that has just gone are the likeliest to be allocated again. */
static void pages_zero_after_use(struct kunit *test)
{
	struct shmring *ring;
	unsigned long i;
	int round;

	for (round = 0; round < 8; round++) {
		ring = new_ring(64 * PAGE_SIZE, 0);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
		for (i = CONSUMER_PAGE; i < ring->nr_pages; i++)
			KUNIT_EXPECT_PTR_EQ_MSG(test, NULL,
						memchr_inv(page_address(ring->pages[i]), 0, PAGE_SIZE),
						"round %d page %lu", round, i);
		fill(ring, 0xa5);
		shmring_free(ring);
	}
}

static void halves_as_in_abi(struct kunit *test)
{
	struct shmring *ring = make_ring(test, PAGE_SIZE);
	void *kernel = page_address(ring->pages[KERNEL_PAGE]);
	struct shmring_lane *lane = kernel + SHMRING_LANE_OFFSET;

	KUNIT_EXPECT_PTR_EQ(test, (void *)ring->status, kernel);
	KUNIT_EXPECT_PTR_EQ(test, ring->lane, lane);
	KUNIT_EXPECT_PTR_EQ(test, shmring_side(ring, CONSUMER)->half, &lane->consumer);
	KUNIT_EXPECT_PTR_EQ(test, shmring_side(ring, PRODUCER)->half, &lane->producer);
	/* Each half has a pair of cache lines of its own. */
	KUNIT_EXPECT_EQ(test, offsetof(struct shmring_lane, producer), 128);
}

static void positions_in_their_owners_page(struct kunit *test)
{
	struct shmring *ring = make_ring(test, PAGE_SIZE);

	KUNIT_EXPECT_PTR_EQ(test, (void *)shmring_side(ring, CONSUMER)->position,
			    page_address(ring->pages[CONSUMER_PAGE]));
	KUNIT_EXPECT_PTR_EQ(test, (void *)shmring_side(ring, PRODUCER)->position,
			    page_address(ring->pages[PRODUCER_PAGE]));
}

static void peer_is_the_other_side(struct kunit *test)
{
	struct shmring *ring = make_ring(test, PAGE_SIZE);

	KUNIT_EXPECT_PTR_EQ(test, shmring_peer(ring, PRODUCER), shmring_side(ring, CONSUMER));
	KUNIT_EXPECT_PTR_EQ(test, shmring_peer(ring, CONSUMER), shmring_side(ring, PRODUCER));
	KUNIT_EXPECT_PTR_NE(test, shmring_side(ring, PRODUCER), shmring_side(ring, CONSUMER));
}

static void regions_without_gaps(struct kunit *test)
{
	struct shmring *ring = make_ring(test, 8 * PAGE_SIZE);
	struct shmring_ioc_query q = {};

	shmring_regions(ring, &q);
	KUNIT_EXPECT_EQ(test, q.kernel.offset, 0);
	KUNIT_EXPECT_EQ(test, q.kernel.length, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, q.consumer.offset, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, q.consumer.length, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, q.producer.offset, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, q.producer.length, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, q.data.offset, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, q.data.length, 16 * PAGE_SIZE);
}

/* The five spans of the ABI, for a ring of @data pages. */
static u32 model(unsigned long data, unsigned long first, unsigned long nr, bool *found)
{
	*found = true;
	if (first == KERNEL_PAGE && nr == 1)
		return SHMRING_ROLE_NONE;
	if (first == CONSUMER_PAGE && nr == 1)
		return CONSUMER;
	if (first == PRODUCER_PAGE && (nr == 1 || nr == 1 + 2 * data))
		return PRODUCER;
	if (first == DATA_PAGE && nr == 2 * data)
		return PRODUCER;
	*found = false;
	return SHMRING_ROLE_NONE;
}

static int check_spans(struct kunit *test, struct shmring *ring)
{
	static const unsigned long huge[] = {
		(1ul << 31) - 1, 1ul << 31, 1ul << 32, (1ul << 32) + 1, (1ul << 51) - 1,
		1ul << 51, (1ul << 52) - 1, 1ul << 52, (1ul << 52) + 1, 1ul << 63,
		~0ul - 3, ~0ul - 2, ~0ul - 1, ~0ul,
	};
	const unsigned long small = 3 + 2 * ring->nr_data + 3;
	const unsigned long steps = small + ARRAY_SIZE(huge);
	unsigned long i, j;
	int nr_found = 0;

	for (i = 0; i < steps; i++) {
		for (j = 0; j < steps; j++) {
			unsigned long first = i < small ? i : huge[i - small];
			unsigned long nr = j < small ? j : huge[j - small];
			struct shmring_span span = {};
			bool want, got = shmring_find_span(ring, first, nr, &span);
			u32 writer = model(ring->nr_data, first, nr, &want);

			KUNIT_EXPECT_EQ_MSG(test, got, want, "first %#lx nr %#lx", first, nr);
			nr_found += got;
			if (!got)
				continue;
			KUNIT_EXPECT_EQ(test, span.first, first);
			KUNIT_EXPECT_EQ(test, span.nr, nr);
			KUNIT_EXPECT_EQ(test, span.writer, writer);
		}
	}
	return nr_found;
}

static void find_span_only_the_five(struct kunit *test)
{
	unsigned long pages;

	for (pages = 1; pages <= 8; pages *= 2)
		KUNIT_EXPECT_EQ(test, check_spans(test, make_ring(test, pages * PAGE_SIZE)), 5);
}

/* A region that is mapped once, in any span, must not be mapped in another. */
static void find_span_bits_add_up(struct kunit *test)
{
	struct shmring *ring = make_ring(test, PAGE_SIZE);
	struct shmring_span kernel, consumer, producer, data, both;

	KUNIT_ASSERT_TRUE(test, shmring_find_span(ring, KERNEL_PAGE, 1, &kernel));
	KUNIT_ASSERT_TRUE(test, shmring_find_span(ring, CONSUMER_PAGE, 1, &consumer));
	KUNIT_ASSERT_TRUE(test, shmring_find_span(ring, PRODUCER_PAGE, 1, &producer));
	KUNIT_ASSERT_TRUE(test, shmring_find_span(ring, DATA_PAGE, 2, &data));
	KUNIT_ASSERT_TRUE(test, shmring_find_span(ring, PRODUCER_PAGE, 3, &both));
	KUNIT_EXPECT_EQ(test, both.bits, producer.bits | data.bits);
	KUNIT_EXPECT_EQ(test, hweight_long(kernel.bits | consumer.bits | both.bits), 4);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(kernel_page_as_in_abi),
	KUNIT_CASE(slot_size_in_status),
	KUNIT_CASE(slots_and_align_in_status),
	KUNIT_CASE(pages_zero_after_use),
	KUNIT_CASE(halves_as_in_abi),
	KUNIT_CASE(positions_in_their_owners_page),
	KUNIT_CASE(peer_is_the_other_side),
	KUNIT_CASE(regions_without_gaps),
	KUNIT_CASE(find_span_only_the_five),
	KUNIT_CASE(find_span_bits_add_up),
	{}
};

static struct kunit_suite suite = {
	.name = "layout",
	.test_cases = cases,
};

kunit_test_suite(suite);

// SPDX-License-Identifier: GPL-2.0
/* Which capacities, slots and alignments a ring may have. */
#include "rig.h"

/* The result of shmring_alloc(); a ring that it makes is freed at once. */
static int try_alloc(u64 capacity, u32 slot_size)
{
	struct shmring *ring = new_ring(capacity, slot_size);

	if (IS_ERR(ring))
		return PTR_ERR(ring);
	shmring_free(ring);
	return 0;
}

static void capacity_refused(struct kunit *test)
{
	static const struct {
		u64 capacity;
		int ret;
	} table[] = {
		{ 0, -EINVAL },
		{ 1, -EINVAL },
		{ 2, -EINVAL },
		{ PAGE_SIZE / 2, -EINVAL },
		{ PAGE_SIZE - 1, -EINVAL },
		{ PAGE_SIZE + 1, -EINVAL },
		{ 3 * PAGE_SIZE, -EINVAL },
		{ 6 * PAGE_SIZE, -EINVAL },
		{ SHMRING_CAPACITY_MAX - 1, -EINVAL },
		{ SHMRING_CAPACITY_MAX - PAGE_SIZE, -EINVAL },
		{ SHMRING_CAPACITY_MAX + 1, -EFBIG },
		{ 2 * SHMRING_CAPACITY_MAX, -EFBIG },
		{ 1ull << 32, -EFBIG },
		{ (1ull << 32) + PAGE_SIZE, -EFBIG },
		{ 1ull << 63, -EFBIG },
		{ U64_MAX, -EFBIG },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		KUNIT_EXPECT_EQ_MSG(test, try_alloc(table[i].capacity, 0), table[i].ret,
				    "capacity %#llx", table[i].capacity);
}

static void capacity_allowed(struct kunit *test)
{
	u64 capacity;

	for (capacity = PAGE_SIZE; capacity <= 256 * PAGE_SIZE; capacity *= 2)
		KUNIT_EXPECT_EQ_MSG(test, try_alloc(capacity, 0), 0, "capacity %#llx", capacity);
}

/* The test machine may lack the memory; the size itself must not be refused. */
static void capacity_max_not_refused(struct kunit *test)
{
	unsigned long old = shmring_max_pages;
	int ret;

	WRITE_ONCE(shmring_max_pages, 0);
	ret = try_alloc(SHMRING_CAPACITY_MAX, 0);
	WRITE_ONCE(shmring_max_pages, old);
	KUNIT_EXPECT_EQ(test, ret, -ENOSPC);
}

static void slot_size_within_capacity(struct kunit *test)
{
	static const struct {
		u32 slot_size;
		int ret;
	} table[] = {
		{ 0, 0 },
		{ 1, 0 },
		{ 8, 0 },
		{ PAGE_SIZE - 1, 0 },
		{ PAGE_SIZE, 0 },
		{ PAGE_SIZE + 1, -EINVAL },
		{ 2 * PAGE_SIZE, -EINVAL },
		{ 1u << 31, -EINVAL },
		{ U32_MAX, -EINVAL },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		KUNIT_EXPECT_EQ_MSG(test, try_alloc(PAGE_SIZE, table[i].slot_size), table[i].ret,
				    "slot_size %u", table[i].slot_size);
}

static void slots_and_align_checked(struct kunit *test)
{
	static const struct {
		struct shmring_geometry g;
		int ret;
	} table[] = {
		/* Of records. */
		{ { .align = 8 }, 0 },
		{ { .align = 64 }, 0 },
		{ { .align = 4096 }, 0 },
		{ { .align = 1 }, -EINVAL },
		{ { .align = 4 }, -EINVAL },
		{ { .align = 24 }, -EINVAL },
		{ { .align = 8192 }, -EINVAL },
		{ { .align = 1u << 31 }, -EINVAL },
		{ { .align = U32_MAX }, -EINVAL },
		{ { .slots = 1 }, -EINVAL },
		/* Of slots. */
		{ { .slot_size = 4, .align = 1 }, 0 },
		{ { .slot_size = 4, .align = 3 }, -EINVAL },
		{ { .slot_size = 4, .align = 4096 }, 0 },
		{ { .slot_size = 4, .align = 8192 }, -EINVAL },
		{ { .slot_size = 4, .align = 4, .slots = PAGE_SIZE / 4 }, 0 },
		{ { .slot_size = 4, .align = 4, .slots = PAGE_SIZE / 4 + 1 }, -EINVAL },
		{ { .slot_size = 4, .slots = PAGE_SIZE / 8 }, 0 },
		{ { .slot_size = 4, .slots = PAGE_SIZE / 8 + 1 }, -EINVAL },
		{ { .slot_size = 20, .align = 4, .slots = PAGE_SIZE / 20 }, 0 },
		{ { .slot_size = 20, .align = 4, .slots = PAGE_SIZE / 20 + 1 }, -EINVAL },
		{ { .slot_size = PAGE_SIZE, .slots = 1 }, 0 },
		{ { .slot_size = PAGE_SIZE, .slots = 2 }, -EINVAL },
		{ { .slot_size = 4, .slots = 1ull << 61 }, -EINVAL },
		{ { .slot_size = 4, .slots = U64_MAX }, -EINVAL },
		/* Of slots with marks, which take a power of two. */
		{ { .marks = true }, -EINVAL },
		{ { .marks = true, .slots = 1 }, -EINVAL },
		{ { .marks = true, .slot_size = 1 }, 0 },
		{ { .marks = true, .slot_size = 8, .align = 4 }, -EINVAL },
		{ { .marks = true, .slot_size = 8, .align = 24 }, -EINVAL },
		{ { .marks = true, .slot_size = 8, .slots = PAGE_SIZE / 16 }, 0 },
		{ { .marks = true, .slot_size = 8, .slots = PAGE_SIZE / 16 + 1 }, -EINVAL },
		{ { .marks = true, .slot_size = 9, .slots = PAGE_SIZE / 32 }, 0 },
		{ { .marks = true, .slot_size = 9, .slots = PAGE_SIZE / 32 + 1 }, -EINVAL },
		{ { .marks = true, .slot_size = 56, .slots = PAGE_SIZE / 64 }, 0 },
		{ { .marks = true, .slot_size = 56, .slots = PAGE_SIZE / 64 + 1 }, -EINVAL },
		{ { .marks = true, .slot_size = PAGE_SIZE - 8 }, 0 },
		{ { .marks = true, .slot_size = PAGE_SIZE - 7 }, -EINVAL },
		{ { .marks = true, .slot_size = PAGE_SIZE }, -EINVAL },
		{ { .marks = true, .slot_size = U32_MAX }, -EINVAL },
		{ { .marks = true, .slot_size = 8, .align = 2048 }, 0 },
		{ { .marks = true, .slot_size = 8, .align = 4096 }, -EINVAL },
		{ { .marks = true, .slot_size = 2048, .align = 2048, .slots = 1 }, 0 },
		{ { .marks = true, .slot_size = 2049, .align = 2048 }, -EINVAL },
	};
	struct shmring_geometry g;
	struct shmring *ring;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		g = table[i].g;
		g.capacity = PAGE_SIZE;
		ring = shmring_alloc(&g);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(ring), table[i].ret, "row %d", i);
		if (!IS_ERR(ring))
			shmring_free(ring);
	}
}

static void expect_span(struct kunit *test, struct shmring *ring, u32 step, u64 slots, u64 span)
{
	KUNIT_EXPECT_EQ(test, ring->step, step);
	KUNIT_EXPECT_EQ(test, ring->slots, slots);
	KUNIT_EXPECT_EQ(test, ring->span, span);
}

/* The span, and the step by which positions move. */
static void span_of_slots_and_records(struct kunit *test)
{
	expect_span(test, make_of(test, 0, 0, 0), 8, 0, PAGE_SIZE);
	expect_span(test, make_of(test, 0, 0, 64), 64, 0, PAGE_SIZE);
	expect_span(test, make_of(test, 20, 0, 0), 24, PAGE_SIZE / 24, PAGE_SIZE / 24 * 24);
	expect_span(test, make_of(test, 20, 0, 4), 20, PAGE_SIZE / 20, PAGE_SIZE / 20 * 20);
	expect_span(test, make_of(test, 20, 3, 64), 64, 3, 192);
	expect_span(test, make_of(test, 5, 7, 1), 5, 7, 35);
}

/* A slot with a mark takes a power of two, and the ring says that it has marks. */
static void marks_remembered(struct kunit *test)
{
	static const struct {
		u32 slot_size;
		u32 align;
		u32 step;
	} table[] = {
		{ 1, 8, 16 }, { 8, 8, 16 }, { 9, 8, 32 }, { 56, 8, 64 }, { 57, 8, 128 },
		{ 64, 64, 128 }, { 65, 64, 256 }, { 120, 8, 128 }, { 1, 1024, 2048 },
	};
	struct shmring_geometry g;
	struct shmring *ring;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		g = (struct shmring_geometry) {
			.capacity = PAGE_SIZE,
			.slot_size = table[i].slot_size,
			.align = table[i].align,
			.marks = true,
		};
		ring = shmring_alloc(&g);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
		expect_span(test, ring, table[i].step, PAGE_SIZE / table[i].step, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, ring->slot_size, table[i].slot_size);
		KUNIT_EXPECT_EQ(test, ring->status->slot_size, table[i].slot_size);
		KUNIT_EXPECT_EQ(test, ring->status->features, SHMRING_FEATURE_MARKS);
		shmring_free(ring);
	}
	ring = make_of(test, 56, 0, 0);
	KUNIT_EXPECT_EQ(test, ring->status->features, 0);
}

static void geometry_remembered(struct kunit *test)
{
	struct shmring *ring = new_ring(4 * PAGE_SIZE, 24);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, ring->capacity, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ring->slot_size, 24);
	KUNIT_EXPECT_EQ(test, ring->nr_data, 4);
	KUNIT_EXPECT_EQ(test, ring->nr_pages, 3 + 4);
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 1);
	shmring_free(ring);
}

static void id_never_reused(struct kunit *test)
{
	struct shmring *ring;
	u64 last = 0;
	int i;

	for (i = 0; i < 4; i++) {
		ring = new_ring(PAGE_SIZE, 0);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
		KUNIT_EXPECT_GT(test, ring->id, last);
		last = ring->id;
		shmring_free(ring);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(capacity_refused),
	KUNIT_CASE(capacity_allowed),
	KUNIT_CASE(capacity_max_not_refused),
	KUNIT_CASE(slot_size_within_capacity),
	KUNIT_CASE(slots_and_align_checked),
	KUNIT_CASE(span_of_slots_and_records),
	KUNIT_CASE(marks_remembered),
	KUNIT_CASE(geometry_remembered),
	KUNIT_CASE(id_never_reused),
	{}
};

static struct kunit_suite suite = {
	.name = "geometry",
	.test_cases = cases,
};

kunit_test_suite(suite);

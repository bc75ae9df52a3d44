// SPDX-License-Identifier: MIT
/* CREATE: each argument wrong in turn, and the result of right ones. */
#include "refused.h"

#include <fcntl.h>

static int witness;	/* a ring that no call here may change */

static struct shmring_ioc_create valid(void)
{
	return (struct shmring_ioc_create){ .capacity = page_size(), .mode = 0600 };
}

static void refuse(const struct shmring_ioc_create *c, int want)
{
	refused(witness, control(), SHMRING_IOC_CREATE, c, want);
}

static struct shmring_ioc_query accept(const struct shmring_ioc_create *c)
{
	int fd = (int)call(control(), SHMRING_IOC_CREATE, c);
	struct shmring_ioc_query q = { .lane = 0 };

	EXPECT(fd >= 0);
	if (fd >= 0) {
		EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		q = query(fd);
		CHECK(!close(fd));
	}
	return q;
}

static void test_unknown_flags(void)
{
	struct shmring_ioc_create c;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (SHMRING_CREATE_F_ALL & (1u << bit))
			continue;
		context("CREATE with flag bit %d", bit);
		c = valid();
		c.flags = 1u << bit;
		refuse(&c, -EINVAL);
	}
}

static void test_modes(void)
{
	struct shmring_ioc_create c;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		context("CREATE with mode bit %d", bit);
		c = valid();
		c.mode = 1u << bit;
		if (c.mode & 0666)
			accept(&c);
		else
			refuse(&c, -EINVAL);
	}
}

static void test_bad_capacities(void)
{
	const uint64_t page = page_size();
	const uint64_t bad[] = { 0, 1, 2, 8, page / 2, page - 1, page + 1, page + 8, 3 * page,
				 5 * page, SHMRING_CAPACITY_MAX - 1, SHMRING_CAPACITY_MAX - page };
	const uint64_t big[] = { SHMRING_CAPACITY_MAX + 1, SHMRING_CAPACITY_MAX + page,
				 SHMRING_CAPACITY_MAX * 2, 1ull << 32, 1ull << 52, 1ull << 62,
				 1ull << 63, (1ull << 63) + page, -page, ~0ull };
	struct shmring_ioc_create c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("CREATE with capacity %#llx", (unsigned long long)bad[i]);
		c = valid();
		c.capacity = bad[i];
		refuse(&c, -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(big); i++) {
		context("CREATE with capacity %#llx", (unsigned long long)big[i]);
		c = valid();
		c.capacity = big[i];
		refuse(&c, -EFBIG);
	}
}

static uint64_t max_pages(void)
{
	FILE *f = fopen("/sys/module/shmring/parameters/max_pages", "re");
	unsigned long long pages;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%llu", &pages), 1);
	fclose(f);
	return pages;
}

/* Every capacity, up to the limit for all rings together. */
static void test_good_capacities(void)
{
	uint64_t most = max_pages() * page_size();
	struct shmring_ioc_create c;
	struct shmring_ioc_query q;
	uint64_t capacity;

	for (capacity = page_size(); capacity <= SHMRING_CAPACITY_MAX; capacity *= 2) {
		context("CREATE with capacity %#llx", (unsigned long long)capacity);
		c = valid();
		c.capacity = capacity;
		if (capacity >= most) {
			refuse(&c, -ENOSPC);
		} else if (capacity < most / 4) {
			q = accept(&c);
			EXPECT_EQ(q.capacity, capacity);
			EXPECT_EQ(q.data.length, 2 * capacity);
		}
	}
}

static void test_slot_sizes(void)
{
	const uint32_t page = (uint32_t)page_size();
	const uint32_t good[] = { 1, 7, 8, 9, 64, page - 1, page };
	const uint32_t bad[] = { page + 1, page * 2, 1u << 31, ~0u };
	struct shmring_ioc_create c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		context("CREATE with slots of %u", good[i]);
		c = valid();
		c.slot_size = good[i];
		EXPECT_EQ(accept(&c).slot_size, good[i]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("CREATE with slots of %u", bad[i]);
		c = valid();
		c.slot_size = bad[i];
		refuse(&c, -EINVAL);
	}
}

/* Of slots: any power of two up to 4096; of records, not below 8. What is 0 is shown as 8. */
static void test_alignments(void)
{
	struct shmring_ioc_create c;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		context("CREATE with an alignment of 2^%d", bit);
		c = valid();
		c.align = 1u << bit;
		if (bit >= 3 && bit <= 12)
			EXPECT_EQ(accept(&c).align, 1u << bit);
		else
			refuse(&c, -EINVAL);
		c.slot_size = 5;
		if (bit <= 12)
			EXPECT_EQ(accept(&c).align, 1u << bit);
		else
			refuse(&c, -EINVAL);
		c.align |= c.align << 1 | 1;
		refuse(&c, -EINVAL);
	}
	c = valid();
	EXPECT_EQ(accept(&c).align, SHMRING_ALIGN);
}

static void test_numbers_of_slots(void)
{
	const uint64_t page = page_size();
	const struct {
		uint64_t slots;
		uint32_t slot_size, align;
		uint64_t want;	/* 0: EINVAL */
	} table[] = {
		{ 0, 20, 0, page / 24 }, { 0, 20, 4, page / 20 }, { 0, 20, 64, page / 64 },
		{ 1, 20, 0, 1 }, { 3, 20, 4, 3 }, { page / 24, 20, 0, page / 24 },
		{ page / 24 + 1, 20, 0, 0 }, { page / 20 + 1, 20, 4, 0 },
		{ page, 1, 1, page }, { page + 1, 1, 1, 0 }, { 1ull << 32, 4, 4, 0 },
		{ 1ull << 61, 8, 8, 0 }, { ~0ull, 1, 1, 0 }, { 1, 0, 0, 0 }, { ~0ull, 0, 0, 0 },
	};
	struct shmring_ioc_create c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		context("CREATE with slots, row %zu", i);
		c = valid();
		c.slots = table[i].slots;
		c.slot_size = table[i].slot_size;
		c.align = table[i].align;
		if (table[i].want)
			EXPECT_EQ(accept(&c).slots, table[i].want);
		else
			refuse(&c, -EINVAL);
	}
	c = valid();
	EXPECT_EQ(accept(&c).slots, 0);
}

static void test_persist_needs_a_name(void)
{
	struct shmring_ioc_create c = valid();

	c.flags = SHMRING_CREATE_F_PERSIST;
	refuse(&c, -EINVAL);
}

static void test_taken_name(void)
{
	struct shmring_ioc_create c = valid();
	const char *name = unique("taken");
	int ring = create(name, page_size(), 0600, 0);

	CHECK(ring >= 0);
	strcpy((char *)c.name, name);
	refused(ring, control(), SHMRING_IOC_CREATE, &c, -EEXIST);
	c.flags = SHMRING_CREATE_F_PERSIST;
	refused(ring, control(), SHMRING_IOC_CREATE, &c, -EEXIST);
	CHECK(!close(ring));
}

static void test_ids_are_not_reused(void)
{
	struct shmring_ioc_create c = valid();
	uint64_t last = query(witness).id;
	uint64_t id;
	int i;

	for (i = 0; i < 100; i++) {
		id = accept(&c).id;
		EXPECT(id > last);
		last = id;
	}
}

int main(void)
{
	witness = make_ring(page_size());
	RUN(test_unknown_flags);
	RUN(test_modes);
	RUN(test_bad_capacities);
	RUN(test_good_capacities);
	RUN(test_slot_sizes);
	RUN(test_alignments);
	RUN(test_numbers_of_slots);
	RUN(test_persist_needs_a_name);
	RUN(test_taken_name);
	RUN(test_ids_are_not_reused);
	return finish();
}

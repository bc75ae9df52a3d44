// SPDX-License-Identifier: MIT
/* An endpoint's own regions: mapped once, by one process; the role ends with the last mapping. */
#include "regions.h"

static int map_status(int fd, const struct shmring_region *where, int prot)
{
	void *p;

	errno = 0;
	p = mmap(NULL, where->length, prot, MAP_SHARED, fd, (off_t)where->offset);
	if (p == MAP_FAILED)
		return -errno;
	CHECK(!munmap(p, where->length));
	return 0;
}

static uint32_t state(int ring, uint32_t role)
{
	struct shmring_ioc_query q = query(ring);

	return role == PRODUCER ? q.producer_state : q.consumer_state;
}

/* While a region is mapped, a second mapping is EBUSY; afterwards ESHUTDOWN. */
static void test_second_mapping(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct shmring_ioc_query q;
	struct shmring_region where;
	struct mapping m;
	enum region region;
	uint32_t role;
	size_t i;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (region = CONSUMERS; region < NR_REGIONS; region++) {
			if (!is_own(role, region))
				continue;
			m = map_one(role, region);
			q = query(m.ring);
			where = where_is(&q, region);
			for (i = 0; i < ARRAY_SIZE(prots); i++) {
				context("%s maps the %s region again", role_name(role),
					region_names[region]);
				EXPECT_EQ(map_status(m.fd, &where, prots[i]), -EBUSY);
			}
			expect_intact(&m);
			CHECK(!munmap(m.addr, m.length));
			for (i = 0; i < ARRAY_SIZE(prots); i++) {
				context("%s maps the %s region anew", role_name(role),
					region_names[region]);
				EXPECT_EQ(map_status(m.fd, &where, prots[i]), -ESHUTDOWN);
			}
			EXPECT_EQ(state(m.ring, role), SHMRING_PEER_GONE);
			/* The other regions can still be mapped to read. */
			EXPECT_EQ(map_status(m.fd, &q.kernel, PROT_READ), 0);
			CHECK(!close(m.fd));
			CHECK(!close(m.ring));
		}
	}
}

static void test_both_at_once_or_one_by_one(void)
{
	int ring = make_ring(page_size());
	int fd = attach(ring, PRODUCER);
	struct shmring_ioc_query q = query(ring);
	struct shmring_region both = { q.producer.offset, q.producer.length + q.data.length };
	unsigned char *p, *data;

	/* Both regions in one mapping: neither can be mapped again. */
	p = map_region(fd, &both, PROT_READ | PROT_WRITE);
	EXPECT_EQ(map_status(fd, &both, PROT_READ), -EBUSY);
	EXPECT_EQ(map_status(fd, &q.producer, PROT_READ), -EBUSY);
	EXPECT_EQ(map_status(fd, &q.data, PROT_READ), -EBUSY);
	p[both.length - 1] = 1;
	EXPECT_EQ(p[q.producer.length + q.capacity - 1], 1);
	EXPECT_EQ(munmap(p, q.producer.length), -1);
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_LIVE);
	CHECK(!munmap(p, both.length));
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_GONE);
	CHECK(!close(fd));

	/* The regions one by one: the role stays until the last is unmapped. */
	fd = attach(ring, PRODUCER);
	p = map_region(fd, &q.producer, PROT_READ | PROT_WRITE);
	data = map_region(fd, &q.data, PROT_READ | PROT_WRITE);
	EXPECT_EQ(map_status(fd, &both, PROT_READ), -EBUSY);
	CHECK(!munmap(p, q.producer.length));
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_LIVE);
	EXPECT_EQ(map_status(fd, &q.producer, PROT_READ), -EBUSY);
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	CHECK(!munmap(data, q.data.length));
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_GONE);
	CHECK(!close(fd));
	CHECK(!close(ring));
}

struct inherited {
	int fd;
	struct shmring_ioc_query q;
};

static int child_finds_it_busy(void *arg)
{
	struct inherited *i = arg;

	EXPECT_EQ(map_status(i->fd, &i->q.data, PROT_READ | PROT_WRITE), -EBUSY);
	EXPECT_EQ(map_status(i->fd, &i->q.producer, PROT_READ | PROT_WRITE), -EBUSY);
	/* A region that the role only reads can be mapped any number of times, by any process. */
	EXPECT_EQ(map_status(i->fd, &i->q.consumer, PROT_READ), 0);
	return TEST_PASS;
}

/* The parent has one of the two regions: the child cannot have the other. */
static void test_second_process(void)
{
	int ring = make_ring(page_size());
	struct inherited i = { attach(ring, PRODUCER), query(ring) };
	void *p = map_region(i.fd, &i.q.producer, PROT_READ | PROT_WRITE);

	EXPECT_EQ(in_child(child_finds_it_busy, &i), TEST_PASS);
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_LIVE);
	EXPECT_EQ(map_status(i.fd, &i.q.data, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_LIVE);
	CHECK(!munmap(p, i.q.producer.length));
	CHECK(!close(i.fd));
	CHECK(!close(ring));
}

static int child_maps_first(void *arg)
{
	struct inherited *i = arg;

	EXPECT_EQ(map_status(i->fd, &i->q.producer, PROT_READ | PROT_WRITE), 0);
	return TEST_PASS;
}

/* An endpoint that was passed on unmapped: the receiver maps it, and so ends the role. */
static void test_handed_on(void)
{
	int ring = make_ring(page_size());
	struct inherited i = { attach(ring, PRODUCER), query(ring) };

	EXPECT_EQ(in_child(child_maps_first, &i), TEST_PASS);
	EXPECT_EQ(state(ring, PRODUCER), SHMRING_PEER_GONE);
	EXPECT_EQ(map_status(i.fd, &i.q.producer, PROT_READ | PROT_WRITE), -ESHUTDOWN);
	CHECK(!close(i.fd));
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_second_mapping);
	RUN(test_both_at_once_or_one_by_one);
	RUN(test_second_process);
	RUN(test_handed_on);
	return finish();
}

// SPDX-License-Identifier: MIT
#include "regions.h"

#define MARK		0x5a
#define MARK_AT		512	/* beyond what the regions hold */

const char *const region_names[NR_REGIONS] = { "kernel", "consumer", "producer", "data" };

int allowed(uint32_t role, enum region region)
{
	static const int r = PROT_READ, rw = PROT_READ | PROT_WRITE;
	const int table[][NR_REGIONS] = {
		/*		  kernel consumer producer data */
		[PRODUCER]	= { r,	 r,	  rw,	   rw },
		[CONSUMER]	= { r,	 rw,	  r,	   r },
	};

	return table[role][region];
}

bool is_own(uint32_t role, enum region region)
{
	return allowed(role, region) & PROT_WRITE;
}

struct shmring_region where_is(const struct shmring_ioc_query *q, enum region region)
{
	switch (region) {
	case KERNEL:
		return q->kernel;
	case CONSUMERS:
		return q->consumer;
	case PRODUCERS:
		return q->producer;
	default:
		return q->data;
	}
}

/* Write the mark, as the role that may; the kernel's region has its magic number. */
static void mark(int ring, enum region region)
{
	struct endpoint e;

	if (region == KERNEL)
		return;
	e = endpoint(ring, region == CONSUMERS ? CONSUMER : PRODUCER);
	if (region == CONSUMERS)
		((unsigned char *)e.consumer)[MARK_AT] = MARK;
	else if (region == PRODUCERS)
		((unsigned char *)e.producer)[MARK_AT] = MARK;
	else
		e.data[MARK_AT] = MARK;
	drop(&e);
}

struct mapping map_one(uint32_t role, enum region region)
{
	struct mapping m = { .ring = make_ring(4 * page_size()), .role = role, .region = region };
	struct shmring_ioc_query q = query(m.ring);
	struct shmring_region where = where_is(&q, region);

	mark(m.ring, region);
	m.fd = attach(m.ring, role);
	CHECK(m.fd >= 0);
	m.length = where.length;
	m.addr = map_region(m.fd, &where, allowed(role, region));
	return m;
}

void unmap_one(struct mapping *m)
{
	CHECK(!munmap(m->addr, m->length));
	CHECK(!close(m->fd));
	CHECK(!close(m->ring));
}

int nr_mappings(const void *addr, size_t length)
{
	const uintptr_t first = (uintptr_t)addr, last = first + length;
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long long from, to;
	char line[512];
	int nr = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%llx-%llx", &from, &to), 2);
		if (from < last && to > first)
			nr++;
	}
	fclose(f);
	return nr;
}

void expect_intact(const struct mapping *m)
{
	struct shmring_ioc_query q = query(m->ring);
	uint32_t magic;

	EXPECT_EQ(nr_mappings(m->addr, m->length), 1);
	if (m->region == KERNEL) {
		memcpy(&magic, m->addr, sizeof(magic));
		EXPECT_EQ(magic, SHMRING_MAGIC);
	} else {
		EXPECT_EQ(m->addr[MARK_AT], MARK);
	}
	EXPECT_EQ(m->addr[m->length - 1], 0);
	EXPECT_EQ(m->role == PRODUCER ? q.producer_state : q.consumer_state, SHMRING_PEER_LIVE);
}

void for_each_mapping(void (*fn)(struct mapping *m), const char *what)
{
	struct mapping m;
	enum region region;
	uint32_t role;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (region = KERNEL; region < NR_REGIONS; region++) {
			context("%s: %s's mapping of the %s region", what, role_name(role),
				region_names[region]);
			m = map_one(role, region);
			fn(&m);
			expect_intact(&m);
			unmap_one(&m);
		}
	}
}

/* SPDX-License-Identifier: MIT */
/* The four regions of a ring, and the rights of each role to them. */
#ifndef REGIONS_H
#define REGIONS_H

#include "abi.h"

enum region { KERNEL, CONSUMERS, PRODUCERS, DATA, NR_REGIONS };

extern const char *const region_names[NR_REGIONS];

/* The expected table: the most rights with which a role may map a region. */
int allowed(uint32_t role, enum region region);
bool is_own(uint32_t role, enum region region);

struct shmring_region where_is(const struct shmring_ioc_query *q, enum region region);

/*
 * A ring with one endpoint. One of its regions is mapped, with all rights that the role has,
 * and has a mark in it.
 */
struct mapping {
	int ring;
	int fd;
	uint32_t role;
	enum region region;
	unsigned char *addr;
	size_t length;
};

struct mapping map_one(uint32_t role, enum region region);
void unmap_one(struct mapping *m);

/* Is the mapping whole, in one piece, at its place, with its mark; and is the role held? */
void expect_intact(const struct mapping *m);

/* How many mappings the process has in a range of addresses. */
int nr_mappings(const void *addr, size_t length);

/* Do the same with every region in every role. */
void for_each_mapping(void (*fn)(struct mapping *m), const char *what);

#endif /* REGIONS_H */

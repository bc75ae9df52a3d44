/* SPDX-License-Identifier: MIT */
/* Rings with lanes, and wait sets. */
#ifndef LANES_H
#define LANES_H

#include "abi.h"

#define FAN_IN	SHMRING_TOPOLOGY_FAN_IN
#define WORK	SHMRING_TOPOLOGY_WORK

/* CREATE: a ring file or -errno. Each lane has one page of data. */
int create_lanes(const char *name, uint32_t topology, uint32_t nr_lanes, uint32_t lanes_per_user);
int make_lanes(uint32_t topology, uint32_t nr_lanes);	/* anonymous; cannot fail */

int attach_lane(int ring, uint32_t role, uint32_t lane);	/* F_LANE */
struct endpoint lane_endpoint(int ring, uint32_t role, uint32_t lane);
int lane_of(int fd);		/* the number of an endpoint's lane */
struct shmring_ioc_query query_lane(int ring, uint32_t lane);

/* A wait set with its page mapped; cannot fail. */
struct set {
	int fd;
	const struct shmring_waitset *page;
};

int create_set(uint32_t max);	/* WAITSET_CREATE */
struct set make_set(uint32_t max);
void drop_set(struct set *s);
bool is_hot(const struct set *s, unsigned int n);
int change_set(int set, uint32_t n, int fd);
int wait_set(int set, uint64_t deadline);
int cool_set(int set);

#endif /* LANES_H */

/* SPDX-License-Identifier: MIT */
/* Groups, between group.c and group_wait.c. */
#ifndef SHMRING_GROUP_PRIVATE_H
#define SHMRING_GROUP_PRIVATE_H

#include <shmring/group.h>

#include "hub.h"

#define SHMRING_NO_MEMBER	UINT32_MAX

/*
 * A member is hot or cold. The group looks at each hot member itself. A cold one was not ready when it
 * was armed: its descriptor, in the group's epoll descriptor, says when that has changed. Plain
 * descriptors are always cold.
 */
struct shmring_member {
	struct shmring *r;	/* an endpoint, or NULL */
	struct shmring_hub *h;	/* a hub, or NULL */
	int fd;			/* that is polled; -1: the member was removed */
	uint32_t at;		/* its place in hot[]; SHMRING_NO_MEMBER: it is cold */
	uint32_t next;		/* of the removed ones */
	uint64_t call;		/* the shmring_wait_any() that has reported it */
	void *data;
};

struct shmring_group {
	struct shmring_member *members;
	uint32_t *hot;		/* the numbers of the hot ones */
	uint32_t nr, size, nr_hot;
	uint32_t removed;	/* the first that was removed */
	uint32_t turn;		/* where the next call begins to look */
	uint32_t unpolled;	/* calls since the last look at the epoll descriptor */
	uint64_t call;		/* counts the calls */
	uint32_t generation;	/* of the process that made it */
	int fd;			/* epoll */
	struct shmring_spin spin;
};

/* group.c */
void shmring_make_hot(struct shmring_group *g, uint32_t index);
void shmring_make_cold(struct shmring_group *g, uint32_t index);

#endif /* SHMRING_GROUP_PRIVATE_H */

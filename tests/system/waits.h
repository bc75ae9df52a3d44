/* SPDX-License-Identifier: MIT */
/*
 * A stream of messages in which one side waits in some way that is under test, and
 * the other in the library's. Random lengths, naps, deadlines; every message is
 * checked; the sides stop for each other, so that a wake-up that is lost is a hang,
 * which is found and reported; and wake-ups are counted.
 */
#ifndef WAITS_H
#define WAITS_H

#include "lib.h"

#define WAITS_CAPACITY	4096
#define WAITS_MAX_LEN	1000

/* One thread that waits. */
struct waiter {
	struct shmring *r;
	size_t len;		/* the message that it wants to send */
	uint64_t seed;
	uint64_t waits;		/* so far: as often the other side may wake */
	int fd;
	void *own;		/* the way's */
};

struct way {
	const char *name;
	unsigned int threads;	/* that wait on one endpoint; 0: one */
	bool edges;		/* a wake-up for the edge, another for the event */
	bool greedy;		/* the other side wants the whole ring, or a message */
	void (*begin)(struct waiter *w);
	/* Until there is something, or for nothing, or @timeout ns (0: none) are over. */
	void (*wait)(struct waiter *w, uint64_t timeout);
	void (*end)(struct waiter *w);	/* NULL: nothing to do */
};

/*
 * Let @role wait this way, for the messages of one mode. SHMRING_WAY in the
 * environment: only if the way's name has that in it.
 */
void test_way(const struct way *way, enum shmring_role role);

struct timespec *timespec_of(struct timespec *ts, uint64_t ns);	/* 0: NULL */

#endif /* WAITS_H */

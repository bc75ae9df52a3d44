/* SPDX-License-Identifier: MIT */
/*
 * A stream of messages in which one side waits in the way that is under test, and the other
 * side in the library's way. Lengths, naps and deadlines are random, and every message is
 * checked. The sides wait for each other, so that a lost wake-up is a hang, which is found and
 * reported. Wake-ups are counted.
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
	uint64_t waits;		/* so far: the other side may wake as often */
	int fd;
	void *own;		/* state of the way */
};

struct way {
	const char *name;
	unsigned int threads;	/* that wait on one endpoint; 0: one */
	bool edges;		/* a wake-up for the edge, another for the event */
	bool greedy;		/* the other side wants the whole ring, or a message */
	void (*begin)(struct waiter *w);
	/*
	 * Until there is something, or @timeout ns (0: no timeout) are over; it may also end
	 * for no reason.
	 */
	void (*wait)(struct waiter *w, uint64_t timeout);
	void (*end)(struct waiter *w);	/* NULL: nothing to do */
};

/*
 * Let @role wait in this way, for the messages of one mode. If SHMRING_WAY is in the
 * environment, only ways whose names contain it run.
 */
void test_way(const struct way *way, enum shmring_role role);

struct timespec *timespec_of(struct timespec *ts, uint64_t ns);	/* 0: NULL */

#endif /* WAITS_H */

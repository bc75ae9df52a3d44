// SPDX-License-Identifier: MIT
/*
 * Contender: libqb's ring buffer, which corosync and pacemaker use. A consumer
 * sleeps on a semaphore; a producer that finds no space has to try again.
 */
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <qb/qbrb.h>

#include "loops.h"

static void close_rings(void *channels)
{
	qb_ringbuffer_t **ring = channels;

	for (int i = 0; i < 2; i++)
		if (ring[i])
			qb_rb_close(ring[i]);
	free(ring);
}

static int open_rings(const struct contender *c, const struct bench *b, void **channels)
{
	qb_ringbuffer_t **ring = calloc(2, sizeof(*ring));
	char name[32];

	(void)c;
	if (!ring)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "bench-%d-%d", (int)getpid(), i);
		ring[i] = qb_rb_open(name, b->capacity,
				     QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS, 0);
		if (!ring[i]) {
			close_rings(ring);
			return -EOPNOTSUPP;
		}
	}
	*channels = ring;
	return 0;
}

static int attach_rings(const struct contender *c, void *channels, struct bench *b)
{
	qb_ringbuffer_t **ring = channels;

	(void)c;
	b->tx = ring[b->side];
	b->rx = ring[!b->side];
	return 0;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	void *p;

	while (!(p = qb_rb_chunk_alloc(b->tx, b->size))) {
		if (errno != EAGAIN)
			return -errno;
		b->syscalls++;
		sched_yield();
	}
	fill_in_place(b, p, seq);
	return qb_rb_chunk_commit(b->tx, b->size);
}

/* As with sem_t: what sleeps inside cannot be counted. */
BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	void *p;
	ssize_t n;
	int ret;

	do {
		n = qb_rb_chunk_peek(b->rx, &p, -1);
	} while (n == -EINTR || n == -ETIMEDOUT);
	if (n < 0)
		return (int)n;
	if ((size_t)n != b->size)
		return -EBADMSG;
	ret = check_message(b, p, seq);
	qb_rb_chunk_reclaim(b->rx);
	return ret;
}

static int run(struct bench *b, struct result *res)
{
	return run_loops(b, res, put, get, no_flush);
}

const struct contender qb_contenders[] = {
	{ "libqb", FAMILY_RING, WAIT_BLOCK, API_INPLACE, "qb_rb_chunk_alloc and _peek",
	  open_rings, attach_rings, run, close_rings, 0 },
	{ 0 }
};

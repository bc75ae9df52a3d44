// SPDX-License-Identifier: MIT
/* Sending and receiving by copy. */
#define _GNU_SOURCE 1
#include <string.h>
#include <time.h>

#include "wait.h"

#define WATCH_SENDS	64
#define WATCH_BYTES	16384

/*
 * A producer that always finds space never waits, and so would not notice, on memfd, that its
 * consumer was killed. So the producer reads a coarse clock, which is cheap, every 64th send; if
 * it sends seldom, at every send. The next reading is due at a position, watch_at: a count would
 * be one more store for each message.
 */
static __attribute__((__noinline__)) void watch_consumer(struct shmring *r, size_t len)
{
	struct shmring_private *p = r->priv;
	uint64_t now, step = WATCH_SENDS * __shmring_footprint(r, len);
	struct timespec ts;

	if (r->role != SHMRING_PRODUCER)
		return;
	if (!p->backend->check_peer) {
		r->p.watch_at = UINT64_MAX;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	if (now - p->watched >= SHMRING_CHECK_NS / WATCH_SENDS)
		step = 0;
	r->p.watch_at = r->p.head + (step < WATCH_BYTES ? step : WATCH_BYTES);
	p->watched = now;
	shmring_check_peer(r, now);
}

/* The rest of shmring_send(), kept out of the way of a message for which there is space. */
static __attribute__((__noinline__)) void *
reserve_slowly(struct shmring *r, size_t len, const struct shmring_wait *w, int *error)
{
	void *to;

	if (r->p.head >= r->p.watch_at)
		watch_consumer(r, len);
	while (!(to = shmring_reserve(r, len))) {
		*error = shmring_wait_space(r, len, w);
		if (*error)
			return NULL;
	}
	return to;
}

/* The same for shmring_recv(). */
static __attribute__((__noinline__)) const void *
peek_slowly(struct shmring *r, size_t *len, const struct shmring_wait *w, int *error)
{
	const void *from;

	while (!(from = shmring_peek(r, len))) {
		*error = shmring_wait_data(r, w);
		if (*error)
			return NULL;
	}
	return from;
}

/* As shmring_commit(), of the @len bytes that have just been reserved: no check is needed. */
static inline void commit_all(struct shmring *r, size_t len)
{
	uint64_t old = r->p.head - r->p.staged, head = r->p.end;

	__shmring_write_header(r, len);
	if (__shmring_unlikely(r->p.staged))
		r->p.staged = 0;
	__shmring_show(r, old, head);
}

/* As shmring_release(), of the peeked message and of what was advanced past. */
static inline void release_all(struct shmring *r)
{
	uint64_t old = r->c.tail;

	if (__shmring_unlikely(r->c.held)) {
		/* A release alone would leave the message peeked. */
		shmring_advance(r);
		shmring_release(r);
		return;
	}
	r->c.tail = r->c.end;
	__shmring_give_back(r, old, r->c.end);
}

ssize_t shmring_send(struct shmring *r, const void *buf, size_t len,
		     const struct shmring_wait *w)
{
	int ret = shmring_check_wait_of(r, w);
	void *to;

	if (ret)
		return ret;
	to = __shmring_unlikely(r->p.head >= r->p.watch_at) ? NULL : shmring_reserve(r, len);
	if (__shmring_unlikely(!to)) {
		to = reserve_slowly(r, len, w, &ret);
		if (!to)
			return ret;
	}
	if (len)
		memcpy(to, buf, len);
	commit_all(r, len);
	return (ssize_t)len;
}

ssize_t shmring_recv(struct shmring *r, void *buf, size_t size,
		     const struct shmring_wait *w)
{
	const void *from;
	size_t len;
	int ret = shmring_check_wait_of(r, w);

	if (ret)
		return ret;
	from = shmring_peek(r, &len);
	if (__shmring_unlikely(!from)) {
		from = peek_slowly(r, &len, w, &ret);
		if (!from)
			return ret;
	}
	if (len > size)
		return -EMSGSIZE;
	if (len)
		memcpy(buf, from, len);
	release_all(r);
	return (ssize_t)len;
}

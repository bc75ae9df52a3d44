// SPDX-License-Identifier: MIT
/* Sending and receiving by copy. */
#define _GNU_SOURCE 1
#include <string.h>
#include <time.h>

#include "wait.h"

#define WATCH_SENDS	64
#define WATCH_BYTES	16384

/*
 * A producer that always finds space never waits. On memfd it would not notice that its consumer
 * was killed. So a send reads a coarse clock, which is cheap: after 64 messages of this length or
 * 16 KiB, whichever is less, and at every send if sends are more than 0.8 ms apart. watch_at is
 * the position of the next reading, because a count would be one more store for each message.
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

/* Few bytes by moves that overlap: a call of memcpy() takes as long as the rest of a message. */
static inline void copy(void *to, const void *from, size_t len)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (len > 32) {
		memcpy(t, f, len);
	} else if (len >= 16) {
		memcpy(t, f, 16);
		memcpy(t + len - 16, f + len - 16, 16);
	} else if (len >= 8) {
		memcpy(t, f, 8);
		memcpy(t + len - 8, f + len - 8, 8);
	} else if (len >= 4) {
		memcpy(t, f, 4);
		memcpy(t + len - 4, f + len - 4, 4);
	} else if (len) {
		t[0] = f[0];
		t[len / 2] = f[len / 2];
		t[len - 1] = f[len - 1];
	}
}

/*
 * Out of the ring. Above 2 KiB, glibc's memcpy() may use a string instruction. On AMD Zen 5 that
 * instruction reads a read-only mapping, as the consumer's is, at half the speed of loads
 * (docs/performance.md). So up to 16 KiB are copied by moves of 16 bytes, which every x86-64 has:
 * the lines come from another core, and wider moves do not make them come faster. Up to this
 * length a message and its copy also fit in an L1 cache of 32 KiB; where they do not, the string
 * instruction is the faster one. Other architectures keep their memcpy(), which has no such
 * instruction on most of them.
 */
#ifdef __x86_64__
#define MOVES_ABOVE	2048
#define MOVES_UP_TO	16384
#define MOVES_AT_ONCE	64

typedef uint64_t copy_pair __attribute__((vector_size(16), aligned(1), may_alias));

static inline void move(unsigned char *to, const unsigned char *from)
{
	const copy_pair *f = (const copy_pair *)from;
	copy_pair *t = (copy_pair *)to, a = f[0], b = f[1], c = f[2], d = f[3];

	t[0] = a;
	t[1] = b;
	t[2] = c;
	t[3] = d;
	/* Otherwise the compiler may make a call of memmove() of a loop of these. */
	__asm__ __volatile__("" ::: "memory");
}

static __attribute__((__noinline__)) void copy_by_moves(void *to, const void *from, size_t len)
{
	size_t at;

	for (at = 0; at < len - MOVES_AT_ONCE; at += MOVES_AT_ONCE)
		move((unsigned char *)to + at, (const unsigned char *)from + at);
	/* The end, of which the loop may have copied a part. */
	at = len - MOVES_AT_ONCE;
	move((unsigned char *)to + at, (const unsigned char *)from + at);
}

static inline void copy_out(void *to, const void *from, size_t len)
{
	if (len > MOVES_ABOVE && len <= MOVES_UP_TO)
		copy_by_moves(to, from, len);
	else
		copy(to, from, len);
}
#else
#define copy_out	copy
#endif

/* A send for which there is more to do than to copy. */
static __attribute__((__noinline__)) ssize_t
send_slowly(struct shmring *r, const void *buf, size_t len, const struct shmring_wait *w)
{
	void *to;
	int ret;

	if (r->p.head >= r->p.watch_at)
		watch_consumer(r, len);
	while (!(to = shmring_reserve(r, len))) {
		ret = shmring_wait_space(r, len, w);
		if (ret)
			return ret;
	}
	copy(to, buf, len);
	shmring_commit(r, len);
	return (ssize_t)len;
}

static __attribute__((__noinline__)) ssize_t
recv_slowly(struct shmring *r, void *buf, size_t size, const struct shmring_wait *w)
{
	const void *from;
	size_t len;
	int ret;

	while (!(from = shmring_peek(r, &len))) {
		ret = shmring_wait_data(r, w);
		if (ret)
			return ret;
	}
	if (len > size)
		return -EMSGSIZE;
	copy_out(buf, from, len);
	/* Releases what is held, too: otherwise the release would leave the message peeked. */
	if (r->c.held)
		shmring_advance(r);
	shmring_release(r);
	return (ssize_t)len;
}

ssize_t __shmring_send(struct shmring *r, const void *buf, size_t len,
		       const struct shmring_wait *w)
{
	int ret = shmring_check_wait_of(r, w);
	uint64_t need;
	void *to;

	if (ret)
		return ret;
	to = __shmring_begin_send(r, len, &need);
	if (__shmring_unlikely(!to))
		return send_slowly(r, buf, len, w);
	copy(to, buf, len);
	__shmring_end_send(r, to, len, need);
	return (ssize_t)len;
}

ssize_t __shmring_recv(struct shmring *r, void *buf, size_t size, const struct shmring_wait *w)
{
	int ret = shmring_check_wait_of(r, w);
	const void *from;
	uint64_t need;
	size_t len;

	if (ret)
		return ret;
	from = __shmring_begin_recv(r, &len, &need);
	if (__shmring_unlikely(!from || len > size))
		return recv_slowly(r, buf, size, w);
	copy_out(buf, from, len);
	__shmring_end_recv(r, need);
	return (ssize_t)len;
}

/* SPDX-License-Identifier: MIT */
/*
 * The loops that drive every contender. A contender's run() is
 *
 *	return run_loops(b, res, put, get, flush);
 *
 * with its own put(), get() and flush(), all of them inlined here, so that no
 * contender pays for a function call.
 */
#ifndef SHMRING_BENCH_LOOPS_H
#define SHMRING_BENCH_LOOPS_H

#include <string.h>
#include <time.h>

#include "bench.h"

#define BENCH_INLINE	static inline __attribute__((always_inline))
#define CLOCK_EVERY	64u	/* messages between looks at the clock */
#define SETTLE_NS	20000000u
#define SLEEP_FROM	50000u	/* ns: pauses worth a sleep. Timers are no finer. */

#if defined(__x86_64__)
__extension__ typedef unsigned __int128 bench_u128;
#endif

/* ns since clock_init(). In a guest, a system's clock may cost as much as a message. */
BENCH_INLINE uint64_t bench_now(void)
{
#if defined(__x86_64__)
	if (clock_mult)
		return (uint64_t)(((bench_u128)(__builtin_ia32_rdtsc() - clock_base) *
				   clock_mult) >> 32);
#endif
	return clock_monotonic() - clock_base;
}

/* --------------------------------------------------------------- messages */

/*
 * Small messages: loads and stores of 16 bytes, which every CPU has, at any multiple
 * of 8. Large messages: as wide as this CPU can, because contenders that copy use
 * memcpy(), which does the same.
 */
typedef uint64_t bench_pair __attribute__((vector_size(16), aligned(8), may_alias));
typedef uint64_t bench_word __attribute__((may_alias));

#define WIDE_FROM	512	/* bytes: below, a call costs more than it gains */
#define STRING_FROM	4096	/* bytes: below, so does a string instruction */

/* Without --check every word is the sequence number. */
BENCH_INLINE void fill_message(const struct bench *b, void *p, uint64_t seq)
{
	bench_pair *pair = (bench_pair *)p, v = { seq, seq };
	size_t n = b->size / sizeof(*pair);

	if (__builtin_expect(b->check, 0)) {
		fill_checked(p, b->size, seq);
		return;
	}
	if (b->size >= WIDE_FROM) {
		fill_wide(p, b->size, seq);
		return;
	}
	for (; n >= 4; n -= 4, pair += 4)
		pair[0] = pair[1] = pair[2] = pair[3] = v;
	for (; n; n--)
		*pair++ = v;
	if (b->size % sizeof(*pair))
		*(bench_word *)pair = seq;
}

/*
 * As fill_message(), in memory that the other side has read: large messages are written as
 * memset() and memcpy() write them.
 */
BENCH_INLINE void fill_in_place(const struct bench *b, void *p, uint64_t seq)
{
	if (b->size >= STRING_FROM && !__builtin_expect(b->check, 0))
		fill_string(p, b->size, seq);
	else
		fill_message(b, p, seq);
}

/* Returns 0 and the sequence number, or -EBADMSG. */
BENCH_INLINE int check_message(const struct bench *b, const void *p, uint64_t *seq)
{
	const bench_pair *pair = (const bench_pair *)p;
	uint64_t first = *(const bench_word *)p;
	bench_pair v = { first, first }, differ = { 0, 0 };
	size_t n = b->size / sizeof(*pair);

	*seq = first;
	if (__builtin_expect(b->check, 0))
		return verify_checked(p, b->size);
	if (b->size >= WIDE_FROM)
		return verify_wide(p, b->size);
	for (; n >= 4; n -= 4, pair += 4)
		differ |= (pair[0] ^ v) | (pair[1] ^ v) | (pair[2] ^ v) | (pair[3] ^ v);
	for (; n; n--)
		differ |= *pair++ ^ v;
	if (b->size % sizeof(*pair))
		differ[0] |= *(const bench_word *)pair ^ first;
	return differ[0] | differ[1] ? -EBADMSG : 0;
}

/* ------------------------------------------------------------------ loops */

/* All return 0 or a negative errno; seq is in the message. */
typedef int put_fn(struct bench *b, uint64_t seq);
typedef int get_fn(struct bench *b, uint64_t *seq);
typedef int flush_fn(struct bench *b);	/* what put() holds back */

BENCH_INLINE int no_flush(struct bench *b)
{
	(void)b;
	return 0;
}

BENCH_INLINE int stream_out(struct bench *b, struct result *res, put_fn *put, flush_fn *flush)
{
	uint64_t n, end = bench_now() + b->duration;
	int ret;

	for (n = 0; !n || n % CLOCK_EVERY || bench_now() < end; n++) {
		ret = put(b, n);
		if (ret)
			return ret;
	}
	res->messages = n;
	ret = put(b, STOP);
	return ret ? ret : flush(b);
}

BENCH_INLINE int stream_in(struct bench *b, struct result *res, get_fn *get)
{
	uint64_t n, seq = 0;
	int ret;

	for (n = 0; ; n++) {
		ret = get(b, &seq);
		if (ret)
			return ret;
		if (seq == STOP)
			break;
		if (seq != n)
			return -EBADMSG;
	}
	res->messages = n;
	return 0;
}

BENCH_INLINE int ping(struct bench *b, struct result *res, put_fn *put, get_fn *get)
{
	uint64_t n, seq = 0, then, now = bench_now(), end = now + b->duration;
	int ret;

	for (n = 0; !n || now < end; n++) {
		then = bench_now();
		ret = put(b, n);
		if (!ret)
			ret = get(b, &seq);
		if (ret)
			return ret;
		if (seq != n)
			return -EBADMSG;
		now = bench_now();
		/* The cache line's round trip reads no clock, so this one must not pay for it. */
		histogram_add(b->times, now - then > clock_cost ? now - then - clock_cost : 0);
	}
	res->messages = n;
	return put(b, STOP);
}

BENCH_INLINE int pong(struct bench *b, struct result *res, put_fn *put, get_fn *get)
{
	uint64_t n, seq = 0;
	int ret;

	for (n = 0; ; n++) {
		ret = get(b, &seq);
		if (ret)
			return ret;
		if (seq == STOP)
			break;
		if (seq != n)
			return -EBADMSG;
		ret = put(b, seq);
		if (ret)
			return ret;
	}
	res->messages = n;
	return 0;
}

/*
 * Until it is time to send. Long pauses are slept through, as by a program that
 * has nothing to do. Pauses too short for a timer are spun away, and their CPU
 * time is not counted.
 */
BENCH_INLINE uint64_t wait_until(struct bench *b, uint64_t due)
{
	uint64_t now = bench_now(), start = now;

	if (1000000000u / b->rate >= SLEEP_FROM) {
		while (now < due) {
			struct timespec ts = { 0, (long)(due - now) };

			nanosleep(&ts, NULL);
			now = bench_now();
		}
		return now;
	}
	while (now < due)
		now = bench_now();
	b->pacing += now - start;
	return now;
}

/* The sequence number is the time of sending. */
BENCH_INLINE int paced_out(struct bench *b, struct result *res, put_fn *put)
{
	uint64_t n, now, last = 0, start = bench_now(), end = start + b->duration, due = start;
	int ret;

	for (n = 0; due < end; n++) {
		now = wait_until(b, due);
		if (n && now >= end)
			break;		/* it cannot keep up */
		last = now > last ? now : last + 1;
		ret = put(b, last);
		if (ret)
			return ret;
		due = start + (n + 1) * 1000000000u / b->rate;
	}
	res->messages = n;
	return put(b, STOP);
}

BENCH_INLINE int paced_in(struct bench *b, struct result *res, get_fn *get)
{
	uint64_t n, sent = 0, last = 0, now;
	int ret;

	for (n = 0; ; n++) {
		ret = get(b, &sent);
		if (ret)
			return ret;
		if (sent == STOP)
			break;
		if (n && sent <= last)
			return -EBADMSG;
		last = sent;
		now = bench_now();
		histogram_add(b->times, now > sent ? now - sent : 0);
	}
	res->messages = n;
	return 0;
}

static inline void pause_for(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	nanosleep(&ts, NULL);
}

/* Nothing is sent until the end. The CPU time before the pause and after it is not counted. */
BENCH_INLINE int idle_out(struct bench *b, put_fn *put)
{
	uint64_t start, cpu;

	pause_for(SETTLE_NS);
	start = bench_now();
	cpu = clock_cpu(0) + clock_cpu(b->peer);
	pause_for(b->duration);
	b->idle_cpu = clock_cpu(0) + clock_cpu(b->peer) - cpu;
	b->idle = bench_now() - start;
	return put(b, STOP);
}

BENCH_INLINE int run_fast(struct bench *b, struct result *res, put_fn *put, get_fn *get,
			  flush_fn *flush)
{
	if (b->test == PINGPONG || b->test == SLEEP_PINGPONG)
		return b->side == SIDE_A ? ping(b, res, put, get) : pong(b, res, put, get);
	return b->side == SIDE_A ? stream_out(b, res, put, flush) : stream_in(b, res, get);
}

BENCH_INLINE int run_slow(struct bench *b, struct result *res, put_fn *put, get_fn *get)
{
	if (b->side == SIDE_B)
		return b->test == PACED ? paced_in(b, res, get) : stream_in(b, res, get);
	return b->test == PACED ? paced_out(b, res, put) : idle_out(b, put);
}

/* Nobody else can change @mine: so a constant size stays one. */
BENCH_INLINE int run_size(struct bench *b, size_t size, struct result *res, put_fn *put,
			  get_fn *get, flush_fn *flush)
{
	struct bench mine = *b;
	int ret;

	mine.size = size;
	ret = run_fast(&mine, res, put, get, flush);
	*b = mine;
	return ret;
}

/* For contenders whose messages cost a system call each: no size is worth loops of its own. */
BENCH_INLINE int run_loops_of_any_size(struct bench *b, struct result *res, put_fn *put,
				       get_fn *get, flush_fn *flush)
{
	if (b->test == PACED || b->test == IDLE)
		return run_slow(b, res, put, get);
	return run_size(b, b->size, res, put, get, flush);
}

/*
 * A program knows how large its messages are, and so does its compiler. For small ones that
 * matters: a copy of eight bytes is a load and a store, or else a call.
 */
BENCH_INLINE int run_loops(struct bench *b, struct result *res, put_fn *put, get_fn *get,
			   flush_fn *flush)
{
	if (b->test == PACED || b->test == IDLE)
		return run_slow(b, res, put, get);
	switch (b->size) {
	case 8:
		return run_size(b, 8, res, put, get, flush);
	case 64:
		return run_size(b, 64, res, put, get, flush);
	case 256:
		return run_size(b, 256, res, put, get, flush);
	default:
		return run_loops_of_any_size(b, res, put, get, flush);
	}
}

#endif /* SHMRING_BENCH_LOOPS_H */

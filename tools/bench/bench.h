/* SPDX-License-Identifier: MIT */
/*
 * The benchmark: what all contenders share.
 *
 * Two processes, A and B, have two one-way channels: 0 from A to B, 1 back. A
 * contender is a way to put a message into a channel and to get it out, and
 * every contender is driven by the same loops, inlined around its two calls.
 *
 * Every message is written in full and read in full, where it lies if the
 * contender allows that: each of its 64-bit words is the sequence number.
 */
#ifndef SHMRING_BENCH_H
#define SHMRING_BENCH_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BUFFER_BYTES	65536u		/* of each channel, a pipe's default */
#define STOP		(~0ull)		/* sequence number of the last message */
#define CLOCK_EVERY	64u		/* messages between looks at the clock */
#define MAX_RTT		(1u << 18)	/* round trips kept, the latest ones */

enum side { SIDE_A, SIDE_B };
enum mode { STREAM, PINGPONG };

/* What a side hands to the parent when it is through. */
struct result {
	int error;			/* negative errno; EBADMSG: payload is wrong */
	enum side side;
	uint64_t messages;
	uint64_t syscalls;		/* made to move messages, to sleep, to wake */
	uint64_t start, end;		/* ns */
	double cpu;			/* seconds */
	uint64_t switches;		/* of context */
	double rtt_p50;			/* us, A's ping-pong */
};

/* A sample as one side sees it. */
struct bench {
	enum side side;
	enum mode mode;
	size_t size;			/* of a message: a multiple of 8 */
	uint64_t duration;		/* ns */
	uint64_t syscalls;
	void *tx, *rx;			/* the contender's ends of the channels */
	unsigned char *buf;		/* a message, for those who must copy */
	uint32_t *rtt;
};

struct contender {
	const char *name, *about;
	/* In the parent: makes both channels. */
	int (*open)(const struct contender *c, size_t size, void **channels);
	/* In a side: fills in tx and rx. */
	int (*attach)(const struct contender *c, void *channels, struct bench *b);
	/* In a side: the loops, then the counters. */
	int (*run)(struct bench *b, struct result *res);
	/* In the parent. */
	void (*close)(void *channels);
	int option;			/* tells apart what shares these functions */
};

extern const struct contender shmring_block, shmring_adaptive, shmring_spin;
extern const struct contender textbook_ring;
extern const struct contender pipe_stream, socket_stream;

/* bench_report.c: the table. */
enum metric { MB_S, RTT_P50, CPU, SYSCALLS, SWITCHES, NR_METRICS };

struct row {
	const char *name;
	size_t size;
	bool broken;
	double *samples[NR_METRICS];	/* one a round */
	unsigned int nr[NR_METRICS];
};

void print_header(const char *backend, int cpus, double seconds, unsigned int rounds);
void print_rows(struct row *rows, size_t nr, bool csv);

static inline uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void fill_message(void *p, size_t size, uint64_t seq)
{
	uint64_t *word = p;

	for (size_t i = 0; i < size / sizeof(*word); i++)
		word[i] = seq;
}

/* Returns 0 and the sequence number, or -EBADMSG. */
static inline int check_message(const void *p, size_t size, uint64_t *seq)
{
	const uint64_t *word = p;
	uint64_t first = word[0], differ = 0;

	for (size_t i = 1; i < size / sizeof(*word); i++)
		differ |= word[i] ^ first;
	*seq = first;
	return differ ? -EBADMSG : 0;
}

/* Both return 0 or a negative errno; seq is in the message. */
typedef int put_fn(struct bench *b, uint64_t seq);
typedef int get_fn(struct bench *b, uint64_t *seq);

#define BENCH_INLINE static inline __attribute__((always_inline))

BENCH_INLINE int stream_out(struct bench *b, struct result *res, put_fn *put)
{
	uint64_t n, end = bench_now() + b->duration;
	int ret;

	for (n = 0; !n || n % CLOCK_EVERY || bench_now() < end; n++) {
		ret = put(b, n);
		if (ret)
			return ret;
	}
	res->messages = n;
	return put(b, STOP);
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
		then = now;
		ret = put(b, n);
		if (!ret)
			ret = get(b, &seq);
		if (ret)
			return ret;
		if (seq != n)
			return -EBADMSG;
		now = bench_now();
		b->rtt[n % MAX_RTT] = now - then > UINT32_MAX ? UINT32_MAX : (uint32_t)(now - then);
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

BENCH_INLINE int run_loops(struct bench *b, struct result *res, put_fn *put, get_fn *get)
{
	if (b->mode == STREAM)
		return b->side == SIDE_A ? stream_out(b, res, put) : stream_in(b, res, get);
	return b->side == SIDE_A ? ping(b, res, put, get) : pong(b, res, put, get);
}

#endif /* SHMRING_BENCH_H */

/* SPDX-License-Identifier: MIT */
/*
 * The benchmark of many processes: producers that send to one consumer. main.c starts the
 * processes and prints the tables; each other file is a contender.
 *
 * The consumer has one CPU, and the producers share another one. Every message is written in full,
 * copied in and out, and verified: each producer's messages must arrive once and in order.
 */
#ifndef SHMRING_MANY_H
#define SHMRING_MANY_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../loops.h"

#define PRODUCERS_MAX	64u
#define MESSAGE_MAX	4096u		/* bytes */
#define LOOKS		64		/* in vain, until a contender that spins gives up its CPU */
#define CLOCK_AFTER	256		/* messages, or looks in vain */

/* What all processes of a sample see. */
struct control {
	uint32_t attached;		/* producers */
	uint32_t stop;
};

/* One sample. */
struct many {
	unsigned int producers;
	unsigned int active;		/* so many of them send; the others are only there */
	size_t size;			/* of a message, bytes: a multiple of 8 */
	size_t capacity;		/* bytes for each producer */
	uint64_t duration;		/* ns */
	int backend;			/* of shmring: an enum shmring_backend_id */
	struct control *control;
	unsigned int producer;		/* in a producer: which one */
};

struct count {
	uint64_t messages, ns;
};

struct many_contender {
	const char *name;		/* NULL: the end of a list */
	const char *about;
	int (*open)(const struct many *m, void **queue);	/* in the parent */
	int (*produce)(const struct many *m, void *queue);
	int (*consume)(const struct many *m, void *queue, struct count *count);
	void (*close)(void *queue);				/* in the parent */
};

extern const struct many_contender many_shmring[], many_rte[], many_vyukov[], many_pipe[];

static inline bool many_stopped(const struct many *m)
{
	return __atomic_load_n(&m->control->stop, __ATOMIC_RELAXED);
}

/* After a look in vain. */
static inline void many_pause(unsigned int *looks)
{
	if (!(++*looks % LOOKS))
		sched_yield();
#if defined(__x86_64__)
	else
		__builtin_ia32_pause();
#endif
}

/* The producer is there: it sends once all are, or, if it is not to send, waits for the end. */
static inline bool many_start(const struct many *m)
{
	unsigned int looks = 0;

	__atomic_fetch_add(&m->control->attached, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&m->control->attached, __ATOMIC_ACQUIRE) < m->producers)
		many_pause(&looks);
	return m->producer < m->active;
}

/* ---------------------------------------------------------------- messages */

/* Producer and sequence number, in one word; each further word is one more. */
static inline void many_fill(const struct many *m, uint64_t *message, uint64_t seq)
{
	for (size_t i = 0; i < m->size / 8; i++)
		message[i] = ((uint64_t)m->producer << 48 | seq) + i;
}

static inline int many_check(const struct many *m, const uint64_t *message, uint64_t *next)
{
	uint64_t producer = message[0] >> 48, wrong;

	if (producer >= m->active)
		return -EBADMSG;
	wrong = message[0] ^ (producer << 48 | next[producer]);
	next[producer]++;
	for (size_t i = 1; i < m->size / 8; i++)
		wrong |= message[i] ^ (message[0] + i);
	return wrong ? -EBADMSG : 0;
}

/* ------------------------------------------------------------------- loops */

/* @put copies a message in: 0, -EAGAIN (full) or an error. */
BENCH_INLINE int many_produce(const struct many *m, void *end,
			      int (*put)(void *end, const void *message, size_t size))
{
	uint64_t message[MESSAGE_MAX / 8], seq;
	unsigned int looks = 0;
	int ret;

	for (seq = 0; !many_stopped(m); seq++) {
		many_fill(m, message, seq);
		while ((ret = put(end, message, m->size)) == -EAGAIN && !many_stopped(m))
			many_pause(&looks);
		if (ret)
			return many_stopped(m) ? 0 : ret;
	}
	return 0;
}

/* @get copies a message out: 0, -EAGAIN (empty) or an error. The time begins with the first one. */
BENCH_INLINE int many_consume(const struct many *m, void *end, struct count *count,
			      int (*get)(void *end, void *message, size_t size))
{
	uint64_t message[MESSAGE_MAX / 8], next[PRODUCERS_MAX] = { 0 }, start = 0;
	unsigned int looks = 0, left = 1;
	int ret = 0;

	while (!ret || ret == -EAGAIN) {
		ret = get(end, message, m->size);
		if (!ret) {
			ret = many_check(m, message, next);
			count->messages += start != 0;
		} else if (ret == -EAGAIN) {
			many_pause(&looks);
		}
		if (--left)
			continue;
		left = CLOCK_AFTER;
		if (!start && !ret)
			start = bench_now();
		count->ns = start ? bench_now() - start : 0;
		if (count->ns >= m->duration)
			return 0;
	}
	return ret;
}

#endif /* SHMRING_MANY_H */

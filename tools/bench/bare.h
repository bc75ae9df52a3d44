/* SPDX-License-Identifier: MIT */
/*
 * The bare ring: what shmring's contract costs at least. It keeps the contract's words and
 * nothing else:
 *
 *   - head and tail are published for each message, by store-release;
 *   - after each, the fence word and the wake-up word of the other side are looked at. Both are
 *     in a line that nobody writes here, as nobody sleeps;
 *   - how far a side may go is cached. It is looked up again when that is used up, and a
 *     position that has gone back, or too far ahead, ends the run;
 *   - the data is mapped twice in a row, and the consumer's mapping is read-only.
 *
 * As in shmring, a producer that goes from one 2 KiB block of the data to the next fetches the
 * block after that. There are no roles, no deaths, no sleep, no batches and no learning: a side
 * that finds nothing pauses a fixed number of times, which has to be chosen for the machine.
 */
#ifndef SHMRING_BENCH_BARE_H
#define SHMRING_BENCH_BARE_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "places.h"

#define BARE_WORDS	65536u	/* bytes before the data: a page, however large those are */
#define BARE_AHEAD	2048u
#define BARE_NO_WAKE	(~0ull)
#define BARE_APART	_Alignas(128)

/* What a kernel would write about one side, and the other side reads. */
struct bare_half {
	BARE_APART atomic_ullong wake_at;
	atomic_ullong fence_until;
};

struct bare_words {
	struct bare_half consumer, producer;
	BARE_APART atomic_ullong head;
	BARE_APART atomic_ullong tail;
};

/* One side's end of one ring. Positions are in bytes since the ring was made. */
struct bare_end {
	struct bare_words *w;
	unsigned char *data;
	uint64_t pos, limit;
	uint64_t capacity;
	uint64_t stride, offset, lap;	/* of slots with marks */
	unsigned int pauses;
};

struct bare_rings {
	int fd[2];
};

static void bare_close(void *channels)
{
	struct bare_rings *rings = channels;

	for (int i = 0; i < 2; i++)
		if (rings->fd[i] >= 0)
			close(rings->fd[i]);
	free(rings);
}

static int bare_make(size_t capacity)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)(BARE_WORDS + capacity))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int bare_open(const struct contender *c, const struct bench *b, void **channels)
{
	struct bare_rings *rings = calloc(1, sizeof(*rings));

	(void)c;
	if (!rings)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		rings->fd[i] = bare_make(b->capacity);
	if (rings->fd[0] < 0 || rings->fd[1] < 0) {
		bare_close(rings);
		return -ENOMEM;
	}
	*channels = rings;
	return 0;
}

static bool bare_place(unsigned char *at, size_t length, int prot, int fd, off_t offset)
{
	return mmap(at, length, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, offset) == at;
}

static int bare_map(struct bare_end *e, int fd, size_t capacity, int prot)
{
	unsigned char *at = mmap(NULL, BARE_WORDS + 2 * capacity, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -ENOMEM;
	e->w = (struct bare_words *)(void *)at;
	e->data = at + BARE_WORDS;
	e->capacity = capacity;
	/* Fails where a page is larger than the ring. */
	if (!bare_place(at, BARE_WORDS, PROT_READ | PROT_WRITE, fd, 0) ||
	    !bare_place(e->data, capacity, prot, fd, BARE_WORDS) ||
	    !bare_place(e->data + capacity, capacity, prot, fd, BARE_WORDS))
		return -EOPNOTSUPP;
	atomic_store(&e->w->consumer.wake_at, BARE_NO_WAKE);
	atomic_store(&e->w->producer.wake_at, BARE_NO_WAKE);
	return 0;
}

/* A contender's option: how often a side of a stream pauses. A round trip is in a hurry. */
static int bare_attach(const struct contender *c, void *channels, struct bench *b)
{
	const struct bare_rings *rings = channels;
	struct bare_end *end = calloc(2, sizeof(*end));
	int ret;

	if (!end)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		end[i].pauses = b->test == STREAM ? (unsigned int)c->option : 1;
	ret = bare_map(&end[0], rings->fd[b->side], b->capacity, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = bare_map(&end[1], rings->fd[!b->side], b->capacity, PROT_READ);
	end[0].limit = b->capacity;
	b->tx = &end[0];
	b->rx = &end[1];
	return ret;
}

/* Never, as nobody sleeps; but the compiler must not know. */
static __attribute__((noinline, cold)) void bare_wake(struct bare_half *sleeper)
{
	syscall(SYS_futex, &sleeper->wake_at, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* This side's position has gone from @old to @now, which the other side can see. */
BENCH_INLINE void bare_look_at_sleeper(struct bare_half *other, uint64_t old, uint64_t now)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(old < atomic_load_explicit(&other->fence_until,
							memory_order_relaxed), 0))
		atomic_thread_fence(memory_order_seq_cst);
	if (__builtin_expect(now >= atomic_load_explicit(&other->wake_at,
							 memory_order_relaxed), 0))
		bare_wake(other);
}

static __attribute__((noinline)) void bare_fetch(const unsigned char *p)
{
	for (const unsigned char *end = p + BARE_AHEAD; p < end; p += 64)
#if defined(__x86_64__)
		__asm__ __volatile__("prefetchw %0" : : "m"(*p));
#else
		__builtin_prefetch(p, 1);
#endif
}

/*
 * The producer has gone from one place in the data to another. If it has entered a new 2 KiB
 * block, fetch the block after that, if it is free. Larger messages are written without fetching.
 */
BENCH_INLINE void bare_fetch_ahead(const struct bare_end *e, uint64_t size, uint64_t from,
				   uint64_t to)
{
	uint64_t next = (to | (BARE_AHEAD - 1)) + 1;

	if (((from ^ to) & ~(uint64_t)(BARE_AHEAD - 1)) && size <= BARE_AHEAD &&
	    e->limit - e->pos >= 2 * BARE_AHEAD)
		bare_fetch(e->data + (next + BARE_AHEAD <= e->capacity ? next : 0));
}

/* Producer: until @need bytes are free. The tail goes forward, up to the head. */
BENCH_INLINE int bare_wait_space(struct bare_end *e, uint64_t need)
{
	while (__builtin_expect(need > e->limit - e->pos, 0)) {
		uint64_t tail = atomic_load_explicit(&e->w->tail, memory_order_acquire);
		uint64_t old = e->limit - e->capacity;

		if (tail - old > e->pos - old)
			return -EBADMSG;
		e->limit = tail + e->capacity;
		if (need > e->limit - e->pos)
			pause_times(e->pauses);
	}
	return 0;
}

/* Consumer: until there is anything. The head goes forward, up to a full ring. */
BENCH_INLINE int bare_wait_data(struct bare_end *e)
{
	while (__builtin_expect(e->pos == e->limit, 0)) {
		uint64_t head = atomic_load_explicit(&e->w->head, memory_order_acquire);

		if (head - e->pos > e->capacity)
			return -EBADMSG;
		e->limit = head;
		if (head == e->pos)
			pause_times(e->pauses);
	}
	return 0;
}

BENCH_INLINE void bare_publish(struct bare_end *e, uint64_t bytes)
{
	uint64_t old = e->pos;

	e->pos += bytes;
	atomic_store_explicit(&e->w->head, e->pos, memory_order_release);
	bare_look_at_sleeper(&e->w->consumer, old, e->pos);
}

BENCH_INLINE void bare_give_back(struct bare_end *e, uint64_t bytes)
{
	uint64_t old = e->pos;

	e->pos += bytes;
	atomic_store_explicit(&e->w->tail, e->pos, memory_order_release);
	bare_look_at_sleeper(&e->w->producer, old, e->pos);
}

#define BARE_CONTENDERS(NAME, ATTACH, PAUSES, ABOUT) \
	{ NAME, FAMILY_BARE, WAIT_BUSY, API_COPY, ABOUT ", copied in and out", \
	  bare_open, ATTACH, run_copy, bare_close, PAUSES }, \
	{ NAME, FAMILY_BARE, WAIT_BUSY, API_INPLACE, ABOUT ", in place", \
	  bare_open, ATTACH, run_inplace, bare_close, PAUSES }

#endif /* SHMRING_BENCH_BARE_H */

// SPDX-License-Identifier: MIT
/*
 * Contenders: the ring of slots.h, with sides that sleep. A side that is about to
 * sleep sets a flag and looks at the ring once more. The other side looks at the
 * flag after each message, and wakes the sleeper only if it is set. At least one
 * of the two must see the other's store, which takes a full barrier on both sides.
 * Three ways to have it:
 *
 *   futex		a fence after each message
 *   futex-membarrier	none: the sleeper has the kernel put one into the other's CPU
 *   eventfd		a fence; the bell is an eventfd
 *
 * A producer is woken when half of the ring is free.
 */
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slots.h"

enum bell { FUTEX, FUTEX_MEMBARRIER, EVENTFD };

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void close_bells(void *channels)
{
	struct slots *s = channels;

	for (size_t i = 0; i < ARRAY_SIZE(s->bells); i++)
		if (s->bells[i])
			close(s->bells[i] - 1);
	shared_free(channels);
}

static int open_bells(const struct bench *b, struct slots *first)
{
	for (size_t i = 0; i < ARRAY_SIZE(first->bells); i++) {
		struct slots *s = slots_channel(first, b, (int)i / 2);
		int fd = eventfd(0, 0);

		if (fd < 0)
			return -errno;
		first->bells[i] = fd + 1;
		*(i % 2 ? &s->space_bell : &s->data_bell) = fd;
	}
	return 0;
}

static int open_slots(const struct contender *c, const struct bench *b, void **channels)
{
	int ret;

	if (c->option == FUTEX_MEMBARRIER &&
	    membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
		return -EOPNOTSUPP;
	ret = slots_open(c, b, channels);
	if (ret || c->option != EVENTFD)
		return ret;
	ret = open_bells(b, *channels);
	if (ret)
		close_bells(*channels);
	return ret;
}

static int attach_slots(const struct contender *c, void *channels, struct bench *b)
{
	if (c->option == FUTEX_MEMBARRIER &&
	    membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
		return -EOPNOTSUPP;
	return slots_attach(c, channels, b);
}

/* ------------------------------------------------------- sleeping, waking */

static void bell_ring(struct bench *b, enum bell bell, atomic_uint *wanted, int fd)
{
	uint64_t one = 1;

	if (!atomic_exchange(wanted, 0))
		return;
	b->syscalls++;
	b->wakes++;
	if (bell != EVENTFD)
		syscall(SYS_futex, wanted, FUTEX_WAKE, 1, NULL, NULL, 0);
	else if (write(fd, &one, sizeof(one)) < 0)
		abort();
}

static void bell_wait(struct bench *b, enum bell bell, atomic_uint *wanted, int fd)
{
	uint64_t count;

	b->syscalls++;
	if (bell != EVENTFD)
		syscall(SYS_futex, wanted, FUTEX_WAIT, 1, NULL, NULL, 0);
	else if (read(fd, &count, sizeof(count)) < 0)
		abort();
}

/* The sleeper's barrier. */
static void before_sleep(struct bench *b, enum bell bell)
{
	if (bell == FUTEX_MEMBARRIER) {
		membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
		b->syscalls++;
	} else {
		atomic_thread_fence(memory_order_seq_cst);
	}
}

/* The barrier of the side that may have to wake the sleeper. */
BENCH_INLINE void before_look(enum bell bell)
{
	if (bell == FUTEX_MEMBARRIER)
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
}

static void wait_data(struct bench *b, enum bell bell, struct slots_end *e)
{
	struct slots *s = e->s;

	atomic_store_explicit(&s->data_wanted, 1, memory_order_relaxed);
	before_sleep(b, bell);
	if (atomic_load_explicit(&s->head, memory_order_acquire) == e->pos)
		bell_wait(b, bell, &s->data_wanted, s->data_bell);
	else
		atomic_store_explicit(&s->data_wanted, 0, memory_order_relaxed);
}

BENCH_INLINE bool half_free(const struct slots_end *e, uint64_t head, uint64_t tail)
{
	return head - tail <= e->nr / 2;
}

static void wait_space(struct bench *b, enum bell bell, struct slots_end *e)
{
	struct slots *s = e->s;

	atomic_store_explicit(&s->space_wanted, 1, memory_order_relaxed);
	before_sleep(b, bell);
	if (!half_free(e, e->pos, atomic_load_explicit(&s->tail, memory_order_acquire)))
		bell_wait(b, bell, &s->space_wanted, s->space_bell);
	else
		atomic_store_explicit(&s->space_wanted, 0, memory_order_relaxed);
}

/* --------------------------------------------------------------- messages */

BENCH_INLINE int put(struct bench *b, uint64_t seq, enum bell bell)
{
	struct slots_end *e = b->tx;
	void *p;

	while (!(p = slots_reserve(e)))
		wait_space(b, bell, e);
	fill_in_place(b, p, seq);
	slots_commit(e);
	before_look(bell);
	if (__builtin_expect(atomic_load_explicit(&e->s->data_wanted, memory_order_relaxed), 0))
		bell_ring(b, bell, &e->s->data_wanted, e->s->data_bell);
	return 0;
}

static void space_given(struct bench *b, enum bell bell, struct slots_end *e)
{
	uint64_t head = atomic_load_explicit(&e->s->head, memory_order_relaxed);

	if (half_free(e, head, e->pos))
		bell_ring(b, bell, &e->s->space_wanted, e->s->space_bell);
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq, enum bell bell)
{
	struct slots_end *e = b->rx;
	const void *p;
	int ret;

	while (!(p = slots_peek(e)))
		wait_data(b, bell, e);
	ret = check_message(b, p, seq);
	slots_release(e);
	before_look(bell);
	if (__builtin_expect(atomic_load_explicit(&e->s->space_wanted, memory_order_relaxed), 0))
		space_given(b, bell, e);
	return ret;
}

#define RUN(NAME, BELL) \
	BENCH_INLINE int put_##NAME(struct bench *b, uint64_t seq) \
	{ \
		return put(b, seq, BELL); \
	} \
	BENCH_INLINE int get_##NAME(struct bench *b, uint64_t *seq) \
	{ \
		return get(b, seq, BELL); \
	} \
	static int run_##NAME(struct bench *b, struct result *res) \
	{ \
		return run_loops_of_any_size(b, res, put_##NAME, get_##NAME, no_flush); \
	}

RUN(futex, FUTEX)
RUN(membarrier, FUTEX_MEMBARRIER)
RUN(eventfd, EVENTFD)

const struct contender doorbell_contenders[] = {
	{ "futex", FAMILY_IPC, WAIT_BLOCK, API_INPLACE,
	  "a good ring that sleeps on a futex; a fence a message",
	  open_slots, attach_slots, run_futex, close_bells, FUTEX },
	{ "futex-membarrier", FAMILY_IPC, WAIT_BLOCK, API_INPLACE,
	  "the same; membarrier(2) by the sleeper instead of fences",
	  open_slots, attach_slots, run_membarrier, close_bells, FUTEX_MEMBARRIER },
	{ "eventfd", FAMILY_IPC, WAIT_BLOCK, API_INPLACE,
	  "a good ring that sleeps on an eventfd; a fence a message",
	  open_slots, attach_slots, run_eventfd, close_bells, EVENTFD },
	{ 0 }
};

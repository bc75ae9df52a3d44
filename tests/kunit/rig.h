/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the suites: rings and endpoints that end with the test case, positions written as
 * user space would, other users' credentials, and kernel threads that sleep.
 *
 * A failed assertion ends the thread of a test case at once: never assert with a lock held or
 * with borrowed credentials.
 */
#ifndef RIG_H
#define RIG_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/sched.h>

#include "ring.h"

#define PRODUCER	SHMRING_ROLE_PRODUCER
#define CONSUMER	SHMRING_ROLE_CONSUMER

/* Long enough for a slow machine: a longer wait is a hang. */
#define HANG_MS		(120 * MSEC_PER_SEC)

#define CAPACITY	((u64)PAGE_SIZE)	/* of rings whose capacity does not matter */

/* A ring that the case frees, or an error pointer: of records, or of as many slots as fit. */
struct shmring *new_ring(u64 capacity, u32 slot_size);

/* A ring and an endpoint; the case asserts that it gets them. */
struct shmring *make_ring(struct kunit *test, u64 capacity);
struct shmring *make_slots(struct kunit *test, u32 slot_size);
struct shmring *make_of(struct kunit *test, u32 slot_size, u64 slots, u32 align);
struct shmring_file *attach(struct kunit *test, struct shmring *ring, u32 role);

/* Does what the last close of an endpoint does. */
void detach(struct shmring_file *sf);

static inline void set_positions(struct shmring *ring, u64 head, u64 tail)
{
	WRITE_ONCE(*shmring_side(ring, PRODUCER)->position, head);
	WRITE_ONCE(*shmring_side(ring, CONSUMER)->position, tail);
}

static inline u64 head_of(struct shmring *ring)
{
	return READ_ONCE(*shmring_side(ring, PRODUCER)->position);
}

static inline u64 tail_of(struct shmring *ring)
{
	return READ_ONCE(*shmring_side(ring, CONSUMER)->position);
}

static inline u64 wake_at(struct shmring *ring, u32 role)
{
	return READ_ONCE(shmring_side(ring, role)->half->wake_at);
}

bool is_listed(struct shmring *ring);

/* Pages of all rings, as the module counts them. */
unsigned long total_pages(struct kunit *test);

/* A user without capabilities, in one more group. */
struct cred *make_cred(struct kunit *test, u32 uid, u32 gid, u32 group);

/* A thread that calls shmring_wait(). */
struct sleeper {
	struct shmring_file *sf;
	u64 bytes;
	u64 mark;
	ktime_t deadline;		/* 0: none */
	struct task_struct *task;
	struct completion done;
	int ret;			/* once done */
};

struct sleeper *start_sleeper(struct kunit *test, struct shmring_file *sf, u64 bytes,
			      u64 mark, ktime_t deadline);

/* A thread for anything else. It gets its struct sleeper, allows SIGKILL, and completes done. */
struct sleeper *start_helper(struct kunit *test, int (*fn)(void *), struct shmring_file *sf);

/* Wait until the sleepers of @sf's side have gone to sleep @times in total. */
void await_sleeps(struct kunit *test, struct shmring_file *sf, u64 times);

/* Wait until @s has returned, and return its result. */
int result_of(struct kunit *test, struct sleeper *s);

static inline bool sleeps(struct sleeper *s)
{
	return !completion_done(&s->done);
}

#endif /* RIG_H */

// SPDX-License-Identifier: MIT
/*
 * The slow path: wait.c, look.c and copy.c. The backend returns at any time and for any reason;
 * after the second time it returns the same for good. A third round would start from a state
 * that the first round has started from, too.
 */
#include "hostile.h"
#include "look.c"
#include "wait.c"
#include "copy.c"

static int sleeps;

static int any_wait(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	int ret;

	(void)mark;
	(void)deadline;
	check(bytes && bytes <= r->span);
	assume(ret <= 0 && (++sleeps < 2 || ret));
	return ret;
}

static void any_wake(struct shmring *r)
{
	(void)r;
}

static const struct shmring_backend backend = { .wait = any_wait, .wake = any_wake };
static struct shmring_private priv = { .backend = &backend, .spin.alone = true };

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	struct timespec now;

	(void)clock;
	assume(now.tv_sec >= 0 && now.tv_sec < 1000000000);
	assume(now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
	*ts = now;
	return 0;
}

int sched_getcpu(void)
{
	int cpu;

	assume(cpu >= -1 && cpu < 65536);
	return cpu;
}

/* The times do not matter, as nothing that is learned from them does. */
uint64_t shmring_now(void)
{
	uint64_t any;

	return any;
}

void shmring_spin_learn(struct shmring_spin *spin, uint64_t ns, bool found)
{
	(void)spin;
	(void)ns;
	(void)found;
}

uint64_t shmring_brief_budget(struct shmring_spin *spin)
{
	(void)spin;
	return 0;
}

void shmring_brief_learn(struct shmring_spin *spin, uint64_t ns, bool found)
{
	(void)spin;
	(void)ns;
	(void)found;
}

bool shmring_yield_rests(struct shmring_spin *spin)
{
	bool any;

	(void)spin;
	return any;
}

void shmring_yield_learn(struct shmring_spin *spin, uint64_t ns, bool found)
{
	(void)spin;
	(void)ns;
	(void)found;
}

int shmring_check_size(const void *s, size_t known)
{
	int ret;

	(void)s;
	(void)known;
	assume(ret <= 0);
	return ret;
}

int pthread_setcancelstate(int state, int *before)
{
	(void)state;
	if (before)
		*before = 0;
	return 0;
}

int sched_yield(void)
{
	return 0;
}

void shmring_sleep_learn(struct shmring_spin *spin, uint64_t ns)
{
	(void)spin;
	(void)ns;
}

void shmring_pauses_learn(struct shmring_spin *spin, unsigned int looks, uint64_t bytes,
			  uint64_t capacity)
{
	(void)spin;
	(void)looks;
	(void)bytes;
	(void)capacity;
}

/* Without spinning first: a spin looks as a wait does before and after a sleep. */
static struct shmring_wait any_way_to_wait(struct shmring *r)
{
	struct shmring_wait w;

	assume(w.policy == SHMRING_BLOCK || (w.flags & SHMRING_NOWAIT));
	r->priv = &priv;
	return w;
}

void recv_message(void)
{
	struct shmring r = any_consumer();
	struct shmring_wait w = any_way_to_wait(&r);
	unsigned char buf[CAPACITY];
	size_t size;
	ssize_t ret;

	assume(size <= sizeof(buf));
	ret = shmring_recv(&r, buf, size, &w);
	check(ret < 0 || (size_t)ret <= size);
	check_consumer(&r);
}

void wait_space(void)
{
	struct shmring r = any_producer();
	struct shmring_wait w = any_way_to_wait(&r);
	size_t len;

	shmring_wait_space(&r, len, &w);
	check_producer(&r);
}

void wait_data(void)
{
	struct shmring r = any_consumer();
	struct shmring_wait w = any_way_to_wait(&r);

	shmring_wait_data(&r, &w);
	check_consumer(&r);
}

void drain(void)
{
	struct shmring r = any_producer();
	struct shmring_wait w = any_way_to_wait(&r);

	shmring_drain(&r, &w);
	check_producer(&r);
}

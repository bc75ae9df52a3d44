// SPDX-License-Identifier: MIT
/*
 * The slow path: look, spin, sleep, look again. What there is to wait for is
 * decided here, from the positions; a backend only knows how to sleep.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <time.h>

#include "backend.h"

#define SPIN_MIN_NS	1000	/* less is not worth reading the clock for */
#define SPIN_MAX_NS	50000
#define LOOKS_PER_CLOCK	32

#define PAUSES_MAX	256	/* some microseconds */
#define BYTES_PER_PAUSE	4	/* about 200 MB/s: slower is no stream */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t shmring_deadline(uint64_t ns)
{
	uint64_t now = now_ns();

	return ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#endif
}

/* ---------------------------------------------------------------- looking */

/* What is waited for: bytes beyond this side's own position. */
struct want {
	uint64_t bytes;
	uint64_t mark;
};

static bool gone(const uint32_t *state)
{
	/* Acquire: what the peer did before it went is to be seen. */
	return __atomic_load_n(state, __ATOMIC_ACQUIRE) == SHMRING_PEER_GONE;
}

/* 1: there is data; 0: not yet; or why there will be none. */
static int look_for_data(struct shmring *r, const struct want *want)
{
	bool ended = gone(&r->lane->producer_state);
	uint64_t avail, wake_at;

	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	avail = r->c.limit - r->c.tail;
	if (avail >= want->bytes)
		return 1;
	if (ended)
		return avail ? 1 : -ENODATA;
	/*
	 * Does the producer wait for space that it has not been given yet? Signed:
	 * "no" is -1, and space that was there from the start is below zero.
	 */
	wake_at = __atomic_load_n(&r->lane->space_wake_at, __ATOMIC_RELAXED);
	if ((int64_t)(wake_at - r->c.released) <= 0)
		return 0;
	/* Then no more will come: make do with what there is, or give back. */
	if (avail)
		return 1;
	return r->c.tail != r->c.released ? -EDEADLK : 0;
}

/* 1: there is space; 0: not yet; or why there will be none. */
static int look_for_space(struct shmring *r, const struct want *want)
{
	if (gone(&r->lane->consumer_state))
		return -EPIPE;
	__shmring_refresh_space(r);
	if (r->error)
		return r->error;
	return want->bytes <= r->p.limit - r->p.head;
}

static int look(struct shmring *r, const struct want *want)
{
	return r->role == SHMRING_CONSUMER ? look_for_data(r, want) : look_for_space(r, want);
}

/* --------------------------------------------------------------- spinning */

/* Where nobody tells of a death: look now and then whether the peer lives. */
static void check_peer(struct shmring *r, uint64_t now)
{
	struct shmring_private *p = r->priv;

	if (!p->backend->check_peer || now - p->checked < SHMRING_CHECK_NS)
		return;
	p->checked = now;
	p->backend->check_peer(r);
}

static uint64_t found(const struct shmring *r)
{
	return r->role == SHMRING_CONSUMER ? r->c.limit - r->c.tail : r->p.limit - r->p.head;
}

/*
 * Whoever keeps up with a stream and looks again at once finds one more message,
 * and takes the other side's cache line away from it for each: two to six times
 * slower than to let some messages gather. So pause before the first look, for as
 * long as that has paid: twice as long as the last time if the look found more than
 * a trickle, but not yet a good part of the ring. Whoever has to look more than
 * twice waits for an answer, or for a slow peer, where delay is all that it would
 * be.
 */
static void learn_pauses(struct shmring_spin *spin, const struct shmring *r, unsigned int looks)
{
	if (looks > 2)
		spin->pauses = 1;
	else if (looks > 1 || found(r) < (uint64_t)spin->pauses * BYTES_PER_PAUSE)
		spin->pauses = spin->pauses > 1 ? spin->pauses / 2 : 1;
	else if (found(r) < r->capacity / 8 && spin->pauses < PAUSES_MAX)
		spin->pauses *= 2;
}

static void pause_for(unsigned int pauses)
{
	while (pauses--)
		cpu_relax();
}

/* Look until there is something, or until @end; once at least. */
static int spin_until(struct shmring *r, const struct want *want, uint64_t end)
{
	struct shmring_spin *spin = &r->priv->spin;
	unsigned int looks = 0;
	uint64_t now;
	int ret;

	pause_for(spin->pauses);
	while (!(ret = look(r, want))) {
		cpu_relax();
		if (++looks % LOOKS_PER_CLOCK)
			continue;
		if (r->priv->alone)
			sched_yield();
		now = now_ns();
		check_peer(r, now);
		if (now >= end)
			return 0;
	}
	if (ret > 0)
		learn_pauses(spin, r, looks + 1);
	return ret;
}

/*
 * Learn from a sleep how long to spin before the next. One that took little more
 * than sleeping and waking cost was not worth it: next time, spin for that long. A
 * long one was: spin less, and soon not at all. So at worst spinning costs as much
 * again as sleeping would; the rule for renting skis, and the halt polling of KVM.
 */
static void learn_sleep(struct shmring_spin *spin, uint64_t slept)
{
	if (slept > 2 * spin->cost) {
		spin->budget /= 2;
		if (spin->budget < SPIN_MIN_NS)
			spin->budget = 0;
		return;
	}
	if (slept < spin->cost)
		spin->cost = slept > SPIN_MIN_NS ? slept : SPIN_MIN_NS;
	else if (spin->cost < SPIN_MAX_NS)
		spin->cost += (slept - spin->cost) / 16;
	spin->budget = 2 * spin->cost;
}

void shmring_spin_init(struct shmring_private *p)
{
	cpu_set_t set;

	p->alone = !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) == 1;
	p->spin.pauses = 1;
	p->spin.cost = SPIN_MAX_NS;
	p->spin.budget = SPIN_MAX_NS;
}

/* ---------------------------------------------------------------- waiting */

static int spin_for_ever(struct shmring *r, const struct want *want, uint64_t deadline)
{
	int ret = spin_until(r, want, deadline ? deadline : UINT64_MAX);

	return ret ? ret : -ETIMEDOUT;
}

/* What the backend is asked for counts from what the other side has been told. */
static int sleep_once(struct shmring *r, const struct want *want, uint64_t deadline)
{
	uint64_t held = r->role == SHMRING_CONSUMER ? r->c.tail - r->c.released : 0;
	uint64_t bytes = want->bytes + held;
	uint64_t start = now_ns();
	int ret;

	if (bytes > r->capacity)
		bytes = r->capacity;
	ret = r->priv->backend->wait(r, bytes, want->mark, deadline);
	r->priv->sleeps++;
	learn_sleep(&r->priv->spin, now_ns() - start);
	return ret;
}

static int spin_then_sleep(struct shmring *r, const struct want *want, bool spin,
			   uint64_t deadline)
{
	struct shmring_private *p = r->priv;
	uint64_t end = now_ns() + p->spin.budget;
	int ret, slept;

	if (spin && p->spin.budget && !p->alone)
		ret = spin_until(r, want, deadline && deadline < end ? deadline : end);
	else
		ret = look(r, want);
	while (!ret) {
		slept = sleep_once(r, want, deadline);
		ret = look(r, want);	/* success beats what ended the sleep */
		if (!ret)
			ret = slept;
	}
	return ret;
}

/* The caller will not wait. If nothing is there, tell poll what it would be for. */
static int refuse_to_wait(struct shmring *r, const struct want *want)
{
	int ret = look(r, want);

	if (ret)
		return ret;
	check_peer(r, now_ns());
	if (r->priv->backend->arm_poll)
		r->priv->backend->arm_poll(r, want->bytes);
	ret = look(r, want);
	return ret ? ret : -EAGAIN;
}

static int wait_for(struct shmring *r, const struct want *want, const struct shmring_wait *w)
{
	enum shmring_policy policy = w ? w->policy : SHMRING_DEFAULT;
	uint64_t deadline = w ? w->deadline : 0;
	int ret;

	if (policy == SHMRING_DEFAULT)
		policy = r->priv->policy;
	if (w && (w->flags & SHMRING_NOWAIT))
		ret = refuse_to_wait(r, want);
	else if (policy == SHMRING_SPIN)
		ret = spin_for_ever(r, want, deadline);
	else
		ret = spin_then_sleep(r, want, policy != SHMRING_BLOCK, deadline);
	return ret < 0 ? ret : 0;
}

static bool bad_wait(const struct shmring *r, const struct shmring_wait *w)
{
	return w && ((w->flags & ~SHMRING_NOWAIT) || (unsigned int)w->policy > SHMRING_SPIN ||
		     w->min_bytes > r->capacity);
}

int shmring_wait_data(struct shmring *r, const struct shmring_wait *w)
{
	struct want want = { .bytes = w && w->min_bytes ? w->min_bytes : 1 };

	if (r->role != SHMRING_CONSUMER)
		return -EBADF;
	if (bad_wait(r, w))
		return -EINVAL;
	if (r->error)
		return r->error;
	return wait_for(r, &want, w);
}

int shmring_wait_space(struct shmring *r, size_t len, const struct shmring_wait *w)
{
	struct want want;

	if (r->role != SHMRING_PRODUCER)
		return -EBADF;
	if (bad_wait(r, w))
		return -EINVAL;
	if (len > shmring_max_len(r) || (r->slot_size && len != r->slot_size))
		return -EMSGSIZE;
	if (r->error)
		return r->error;
	shmring_publish(r);
	want.bytes = __shmring_footprint(r, len);
	want.mark = want.bytes > r->capacity / 2 ? want.bytes : r->capacity / 2;
	return wait_for(r, &want, w);
}

/* ---------------------------------------------------------------- copying */

ssize_t shmring_send(struct shmring *r, const void *buf, size_t len,
		     const struct shmring_wait *w)
{
	void *to;
	int ret;

	if (bad_wait(r, w))
		return -EINVAL;
	while (!(to = shmring_reserve(r, len))) {
		ret = shmring_wait_space(r, len, w);
		if (ret)
			return ret;
	}
	if (len)
		memcpy(to, buf, len);
	ret = shmring_commit(r, len);
	return ret ? ret : (ssize_t)len;
}

ssize_t shmring_recv(struct shmring *r, void *buf, size_t size,
		     const struct shmring_wait *w)
{
	const void *from;
	size_t len;
	int ret;

	if (bad_wait(r, w))
		return -EINVAL;
	while (!(from = shmring_peek(r, &len))) {
		ret = shmring_wait_data(r, w);
		if (ret)
			return ret;
	}
	if (len > size)
		return -EMSGSIZE;
	if (len)
		memcpy(buf, from, len);
	ret = shmring_release(r);
	return ret ? ret : (ssize_t)len;
}

void __shmring_wake(struct shmring *r)
{
	r->priv->wakes++;
	r->priv->backend->wake(r);
}

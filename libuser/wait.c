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
#define SPINS_PER_CLOCK	32

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
	uint64_t avail, held;

	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	avail = r->c.limit - r->c.tail;
	if (avail >= want->bytes)
		return 1;
	if (ended)
		return avail ? 1 : -ENODATA;
	if (__atomic_load_n(&r->lane->space_wake_at, __ATOMIC_RELAXED) == SHMRING_NO_WAKE)
		return 0;
	/* The producer waits for space: no more will come. */
	held = r->c.tail - r->c.released;
	if (avail)
		return 1;
	return held ? -EDEADLK : 0;
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

/* Look until there is something, or until @end. */
static int spin_until(struct shmring *r, const struct want *want, uint64_t end)
{
	uint64_t now;
	unsigned int i;
	int ret;

	do {
		for (i = 0; i < SPINS_PER_CLOCK; i++) {
			ret = look(r, want);
			if (ret)
				return ret;
			cpu_relax();
		}
		if (r->priv->alone)
			sched_yield();
		now = now_ns();
		check_peer(r, now);
	} while (now < end);
	return 0;
}

/*
 * Learn from a sleep how long to spin before the next: after sleeps about as
 * short as sleeping and waking cost, up to that cost; after longer ones, less
 * and less. The scheme of the guest halt polling of KVM and cpuidle-haltpoll.
 */
static void learn(struct shmring_spin *spin, uint64_t slept)
{
	if (slept > 2 * spin->cost) {
		spin->budget /= 2;
		if (spin->budget < SPIN_MIN_NS)
			spin->budget = 0;
		return;
	}
	spin->cost = (7 * spin->cost + slept) / 8;
	if (spin->cost < SPIN_MIN_NS)
		spin->cost = SPIN_MIN_NS;
	spin->budget = spin->budget ? 2 * spin->budget : SPIN_MIN_NS;
	if (spin->budget > spin->cost)
		spin->budget = spin->cost;
}

void shmring_spin_init(struct shmring_private *p)
{
	cpu_set_t set;

	p->alone = !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) == 1;
	p->spin.cost = SPIN_MAX_NS / 2;
	p->spin.budget = SPIN_MAX_NS / 4;
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
	learn(&r->priv->spin, now_ns() - start);
	return ret;
}

static int spin_then_sleep(struct shmring *r, const struct want *want, bool spin,
			   uint64_t deadline)
{
	struct shmring_private *p = r->priv;
	int ret = 0, slept;

	if (spin && p->spin.budget && !p->alone) {
		uint64_t end = now_ns() + p->spin.budget;

		ret = spin_until(r, want, deadline && deadline < end ? deadline : end);
	}
	while (!ret) {
		slept = sleep_once(r, want, deadline);
		ret = look(r, want);	/* success beats what ended the sleep */
		if (!ret)
			ret = slept;
	}
	return ret;
}

/* Nothing there, and the caller will not wait: tell poll what it would be for. */
static int refuse(struct shmring *r, const struct want *want)
{
	int ret;

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
	int ret = look(r, want);

	if (policy == SHMRING_DEFAULT)
		policy = r->priv->policy;
	if (ret)
		;
	else if (w && (w->flags & SHMRING_NOWAIT))
		ret = refuse(r, want);
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

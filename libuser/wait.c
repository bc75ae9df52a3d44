// SPDX-License-Identifier: MIT
/*
 * The slow path: look, spin, sleep, look again. What there is to wait for is
 * decided here, from the positions; a backend only knows how to sleep.
 */
#define _GNU_SOURCE 1
#include <sched.h>
#include <string.h>

#include "backend.h"

uint64_t shmring_deadline(uint64_t ns)
{
	uint64_t now = shmring_now();

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
	uint64_t avail, wake_at, told;

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
	wake_at = __atomic_load_n(&r->lane->space_wake_at, __ATOMIC_ACQUIRE);
	told = r->c.tail - r->c.held;
	if ((int64_t)(wake_at - told) <= 0) {
		/*
		 * It armed for what it was given meanwhile, and has seen that. Edge-
		 * triggered, it may have used that up, and arms again only if woken.
		 */
		if (told >= wake_at)
			__shmring_wake(r);
		return 0;
	}
	/* Then no more will come: make do with what there is, or give back. */
	if (avail)
		return 1;
	if (!r->c.held)
		return 0;
	/* Unless it came since we looked: what it waits behind, it had told us before. */
	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	return r->c.limit != r->c.tail ? 1 : -EDEADLK;
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

static void pause_for(unsigned int pauses)
{
	while (pauses--)
		cpu_relax();
}

/*
 * Ask for the line that the producer is about to write together with its head's, not
 * after it: a hint, which orders nothing. Not for records, whose first line is written
 * twice, the header last. See docs/design.md.
 */
static void fetch_message_to_come(const struct shmring *r)
{
	if (r->role == SHMRING_CONSUMER && r->slot_size)
		__builtin_prefetch(r->data + (r->c.limit & r->mask));
}

/*
 * Look until there is something, for @budget ns or until @deadline (0: none), once at
 * least. The clock is read only after some looks, and @spun counts from then.
 */
static int spin_for(struct shmring *r, const struct want *want, uint64_t budget,
		    uint64_t deadline, uint64_t *spun)
{
	struct shmring_spin *spin = &r->priv->spin;
	uint64_t now, start = 0;
	unsigned int looks = 0;
	int ret;

	*spun = 0;
	pause_for(spin->pauses);
	while (!(ret = look(r, want))) {
		fetch_message_to_come(r);
		cpu_relax();
		if (++looks % spin->looks)
			continue;
		if (spin->alone)
			sched_yield();
		now = shmring_now();
		check_peer(r, now);
		if (!start)
			start = now;
		*spun = now - start;
		if (*spun >= budget || (deadline && now >= deadline))
			break;
	}
	if (ret >= 0)
		shmring_pauses_learn(spin, looks + 1, found(r), r->capacity);
	return ret;
}

/* ---------------------------------------------------------------- waiting */

static int only_spin(struct shmring *r, const struct want *want, uint64_t deadline)
{
	uint64_t spun;
	int ret = spin_for(r, want, UINT64_MAX, deadline, &spun);

	return ret ? ret : -ETIMEDOUT;
}

/*
 * Look for as long as the fastest sleep takes; or once, if that was in vain lately. What
 * is there already needs no pause, and says nothing about what comes.
 */
static int look_briefly(struct shmring *r, const struct want *want, uint64_t deadline)
{
	struct shmring_spin *spin = &r->priv->spin;
	int ret = look(r, want);
	uint64_t spun;

	if (ret || spin->alone || shmring_brief_rests(spin))
		return ret;
	ret = spin_for(r, want, SHMRING_BRIEF_NS, deadline, &spun);
	if (ret >= 0)
		shmring_brief_learn(spin, ret);
	return ret;
}

/* Spin for as long as that is worth it. */
static int spin_a_little(struct shmring *r, const struct want *want, uint64_t deadline)
{
	struct shmring_spin *spin = &r->priv->spin;
	uint64_t spun;
	int ret;

	if (!spin->budget || spin->alone)
		return look_briefly(r, want, deadline);
	ret = spin_for(r, want, spin->budget, deadline, &spun);
	if (ret >= 0)
		shmring_spin_learn(spin, spun, ret);
	return ret;
}

/* What the backend is asked for counts from what the other side has been told. */
static uint64_t beyond_told(const struct shmring *r, const struct want *want)
{
	uint64_t bytes = want->bytes + r->c.held;	/* of a producer: 0 */

	return bytes < r->capacity ? bytes : r->capacity;
}

/* Who will not spin for long does not ask what a sleep takes: a clock may be a system call. */
static int sleep_once(struct shmring *r, const struct want *want, uint64_t deadline, bool learn)
{
	uint64_t start = learn ? shmring_now() : 0;
	int ret = r->priv->backend->wait(r, beyond_told(r, want), want->mark, deadline);

	r->priv->sleeps++;
	if (learn)
		shmring_sleep_learn(&r->priv->spin, shmring_now() - start);
	return ret;
}

/*
 * Success beats what ended the sleep. The deadline is looked at here, too: a peer that
 * makes each sleep end at once, and nothing of it, is not to keep the caller.
 */
static int sleep_on(struct shmring *r, const struct want *want, uint64_t deadline, bool learn)
{
	int ret, slept;

	do {
		slept = sleep_once(r, want, deadline, learn);
		ret = look(r, want);
		if (!ret)
			ret = slept;
		if (!ret && deadline && shmring_now() >= deadline)
			ret = -ETIMEDOUT;
	} while (!ret);
	return ret;
}

/* The caller will not wait. If nothing is there, tell poll what it would be for. */
static int refuse_to_wait(struct shmring *r, const struct want *want)
{
	int ret = look(r, want);

	if (ret)
		return ret;
	check_peer(r, shmring_now());
	if (r->priv->backend->arm_poll)
		r->priv->backend->arm_poll(r, beyond_told(r, want));
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
		ret = only_spin(r, want, deadline);
	else if (policy == SHMRING_BLOCK)
		ret = look_briefly(r, want, deadline);
	else
		ret = spin_a_little(r, want, deadline);
	if (!ret)
		ret = sleep_on(r, want, deadline, policy != SHMRING_BLOCK);
	return ret < 0 ? ret : 0;
}

static bool bad_wait(const struct shmring *r, const struct shmring_wait *w)
{
	return w && ((w->flags & ~SHMRING_NOWAIT) || (unsigned int)w->policy > SHMRING_SPIN ||
		     w->min_bytes > r->capacity);
}

/* The peer has lied: count it once, where both sides and the kernel see it. */
static int tell(struct shmring *r, int ret)
{
	__shmring_word *refused = r->role == SHMRING_CONSUMER ? &r->consumer->refused :
								&r->producer->refused;

	if (ret == -EBADMSG && !r->priv->refused) {
		r->priv->refused = true;
		__atomic_store_n(refused, __atomic_load_n(refused, __ATOMIC_RELAXED) + 1,
				 __ATOMIC_RELAXED);
	}
	return ret;
}

int shmring_wait_data(struct shmring *r, const struct shmring_wait *w)
{
	struct want want = { .bytes = w && w->min_bytes ? w->min_bytes : 1 };

	if (r->role != SHMRING_CONSUMER)
		return -EBADF;
	if (bad_wait(r, w))
		return -EINVAL;
	return tell(r, r->error ? r->error : wait_for(r, &want, w));
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
		return tell(r, r->error);
	shmring_publish(r);
	want.bytes = __shmring_footprint(r, len);
	want.mark = want.bytes > r->capacity / 2 ? want.bytes : r->capacity / 2;
	return tell(r, wait_for(r, &want, w));
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

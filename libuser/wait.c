// SPDX-License-Identifier: MIT
/*
 * The slow path: look, spin, sleep, look again. look.c decides what there is; a
 * backend only sleeps.
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "cancel.h"
#include "wait.h"

#define IN_VAIN_MAX	16		/* after so many sleeps that ended for nothing, ... */
#define PAUSE_NS	1000000		/* ... pause so long before each look, ... */
#define LOOKS_MAX	64		/* ... for so many looks, before the next sleep */
#define YIELD_NS	50000		/* SPIN: the time between two yields */
#define LINE		64		/* bytes of a cache line */

uint64_t shmring_deadline(uint64_t ns)
{
	uint64_t now = shmring_now();

	return ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
}

/* --------------------------------------------------------------- spinning */

/* Without the module nothing reports a death: look from time to time whether the peer lives. */
void shmring_check_peer(struct shmring *r, uint64_t now)
{
	struct shmring_private *p = r->priv;

	/* Signed: @now may come from a coarse clock, and so be earlier than the last check. */
	if (!p->backend->check_peer || (int64_t)(now - p->checked) < SHMRING_CHECK_NS)
		return;
	p->checked = now;
	p->backend->check_peer(r);
}

/*
 * Does the other side need this CPU to go on? Reads the other side's CPU only if that was the
 * same CPU the last time: in a stream, each read takes a cache line from the other side.
 */
static bool is_crowded(struct shmring *r)
{
	if (r->priv->crowded)
		shmring_note_cpu(r);
	return r->priv->spin.alone || r->priv->crowded;
}

/*
 * Prefetch the line that the producer is about to write, so that it comes together with the
 * line of the head, not after it; with marks, the line after that of the mark, if the slot has
 * one. A prefetch orders nothing. Not for records, whose first line is written twice, the header
 * last. See docs/performance.md.
 */
static void fetch_message_to_come(const struct shmring *r)
{
	size_t after = __shmring_has_marks(r) ? LINE - sizeof(__shmring_word) : 0;

	if (r->role == SHMRING_CONSUMER && r->slot_size && (!after || r->stride > LINE))
		__builtin_prefetch(__shmring_payload(r, r->c.limit) + after);
}

/*
 * Look until there is something, for @budget ns (UINT64_MAX, of SPIN: for ever) or until
 * @deadline (0: none), but once at least. The clock is read only after some looks; @spun, in ns,
 * counts from then. If the other side needs this CPU, too, SPIN yields the CPU after a look in
 * vain, and the other policies end the spin. SPIN also yields now and then, because a side that
 * has never waited has not stored its CPU.
 */
static int spin_for(struct shmring *r, struct shmring_want *want, uint64_t budget,
		    uint64_t deadline, uint64_t *spun)
{
	struct shmring_spin *spin = &r->priv->spin;
	bool forever = budget == UINT64_MAX, yielded = false;
	bool yields = forever && (is_crowded(r) || shmring_spin_yields(spin));
	bool marked = shmring_wants_mark(r, want), at_mark = marked;
	uint64_t now, start = 0, yield_at = 0;
	unsigned int looks = 0, left = spin->looks;	/* until the clock is read */
	int ret;

	*spun = 0;
	shmring_relax(spin->pauses * spin->relaxes_of_64 / 64);
	while (!(ret = shmring_look_in_spin(r, want, at_mark))) {
		fetch_message_to_come(r);
		shmring_relax(spin->relaxes);
		at_mark = marked;
		looks++;
		if (--left && !yields)
			continue;
		left = spin->looks;
		at_mark = false;	/* the next look is at the head, too */
		if (yielded)
			spin->yield_helps = yielded = false;
		now = shmring_now();
		shmring_check_peer(r, now);
		shmring_announce(r, want);
		shmring_note_cpu(r);
		yields = spin->alone || r->priv->crowded || (forever && spin->yield_helps);
		if (!start) {
			start = now;
			yield_at = now + YIELD_NS;
		}
		*spun = now - start;
		if (*spun >= budget || (deadline && now >= deadline))
			break;
		if (yields && !forever)
			break;
		if (yields || (forever && now >= yield_at)) {
			sched_yield();
			yielded = true;
			yield_at = now + YIELD_NS;
		}
	}
	if (looks)
		shmring_count_wait();
	if (looks && forever)
		spin->yield_helps = yielded;
	/* How much has gathered in a pause? A mark does not say it. */
	if (ret > 0 && at_mark && !looks && spin->pauses > 1)
		ret = shmring_look(r, want);
	if (ret >= 0)
		shmring_pauses_learn(spin, looks + 1, shmring_available(r), r->span);
	return ret;
}

/* ---------------------------------------------------------------- waiting */

static int spin_for_ever(struct shmring *r, struct shmring_want *want, uint64_t deadline)
{
	uint64_t spun;
	int ret = spin_for(r, want, UINT64_MAX, deadline, &spun);

	/* The looks may all have been at a mark, which says neither what is there nor who is gone. */
	if (!ret)
		ret = shmring_look(r, want);
	return ret ? ret : -ETIMEDOUT;
}

/*
 * Look for as long as the fastest sleep takes; or once, if such looks found nothing lately. The
 * first look comes without a pause; if it finds something, no estimate changes.
 */
static int look_briefly(struct shmring *r, struct shmring_want *want, uint64_t deadline)
{
	struct shmring_spin *spin = &r->priv->spin;
	int ret = shmring_look(r, want);
	uint64_t spun, budget = ret ? 0 : shmring_brief_budget(spin);

	if (!budget)
		return ret;
	ret = spin_for(r, want, budget, deadline, &spun);
	if (ret >= 0)
		shmring_brief_learn(spin, spun, ret);
	return ret;
}

/*
 * Spin for as long as that pays: in CPU time, or (EAGER) in time. Learn nothing from a spin that
 * the shared CPU ended.
 */
static int spin_within_budget(struct shmring *r, struct shmring_want *want, uint64_t deadline,
			      bool eager)
{
	struct shmring_spin *spin = &r->priv->spin;
	uint64_t spun, worth = eager ? spin->cost : SHMRING_BRIEF_NS;
	int ret;

	if (!spin->budget)
		return look_briefly(r, want, deadline);
	ret = spin_for(r, want, spin->budget, deadline, &spun);
	if (ret > 0 || (!ret && !r->priv->crowded))
		shmring_spin_learn(spin, spun, worth, ret);
	return ret;
}

/*
 * The other side needs this CPU: yield the CPU before sleeping. If the other side then publishes
 * and yields in turn, the two yields take half the time of two sleeps and two wake-ups.
 */
static int yield_once(struct shmring *r, const struct shmring_want *want)
{
	struct shmring_spin *spin = &r->priv->spin;
	int ret = shmring_look(r, want);
	uint64_t start;

	if (ret || shmring_yield_rests(spin))
		return ret;
	start = shmring_now();
	sched_yield();
	ret = shmring_look(r, want);
	if (ret >= 0)
		shmring_yield_learn(spin, shmring_now() - start, ret);
	return ret;
}

/* @learn: time the sleep, to tune spinning. Otherwise read no clock: that may be a system call. */
static int sleep_once(struct shmring *r, const struct shmring_want *want, uint64_t deadline,
		      bool learn)
{
	SHMRING_NO_CANCEL;
	uint64_t start = learn ? shmring_now() : 0;
	int ret = r->priv->backend->wait(r, shmring_beyond_told(r, want->bytes), want->mark,
					 deadline);

	r->priv->sleeps++;
	if (learn)
		shmring_sleep_learn(&r->priv->spin, shmring_now() - start);
	return ret;
}

/*
 * The other side has woken this side many times in one wait, and has published nothing. Look
 * once a millisecond instead, for a while, which costs next to no CPU. Returns 0 after that: the
 * wake-ups may come from consumers that attach and leave without reading. Signals are blocked
 * except in the pauses: a handler that ran between two pauses would not end the wait.
 */
static int look_at_intervals(struct shmring *r, struct shmring_want *want, uint64_t deadline)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS }, none = { 0 };
	sigset_t all, before;
	int ret, paused, looks = 0;
	SHMRING_NO_CANCEL;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	do {
		paused = ppoll(NULL, 0, &pause, &before) < 0 ? -EINTR : 0;
		shmring_check_peer(r, shmring_now());
		ret = shmring_look(r, want);
		if (!ret)
			ret = paused;
		if (!ret && deadline && shmring_now() >= deadline)
			ret = -ETIMEDOUT;
	} while (!ret && ++looks < LOOKS_MAX);
	/* Let in a signal that came after the last pause: no other pause comes. */
	if (!ret && ppoll(NULL, 0, &none, &before) < 0)
		ret = -EINTR;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

/*
 * Data or space that is there counts for more than an error of the sleep. The deadline is
 * checked after each sleep, whatever ended the sleep.
 */
static int sleep_until_ready(struct shmring *r, struct shmring_want *want, uint64_t deadline,
			     bool learn)
{
	unsigned int in_vain = 0;
	int ret, slept;

	shmring_note_cpu(r);
	shmring_announce(r, want);
	do {
		slept = sleep_once(r, want, deadline, learn);
		ret = shmring_look(r, want);
		if (!ret)
			ret = slept;
		if (!ret && deadline && shmring_now() >= deadline)
			ret = -ETIMEDOUT;
		if (!ret && ++in_vain == IN_VAIN_MAX) {
			ret = look_at_intervals(r, want, deadline);
			in_vain = 0;
		}
	} while (!ret);
	return ret;
}

/* NOWAIT: announce to the other side what the caller lacks, and arm the poll descriptor for it. */
static int refuse_to_wait(struct shmring *r, struct shmring_want *want)
{
	uint64_t lowat = r->priv->lowat;
	int ret = shmring_look(r, want);

	if (ret)
		return ret;
	shmring_check_peer(r, shmring_now());
	if (!want->drain)	/* a drain needs no space */
		shmring_announce(r, want);
	if (r->priv->backend->arm_poll)
		r->priv->backend->arm_poll(r, shmring_beyond_told(r, lowat > want->bytes ?
								  lowat : want->bytes));
	ret = shmring_look(r, want);
	return ret ? ret : -EAGAIN;
}

int shmring_wait_for_want(struct shmring *r, struct shmring_want *want,
			  const struct shmring_wait *w)
{
	enum shmring_policy policy = w ? w->policy : SHMRING_DEFAULT;
	uint64_t deadline = w ? w->deadline : 0;
	bool learn = false;
	int ret;

	if (policy == SHMRING_DEFAULT)
		policy = r->priv->policy;
	if (w && (w->flags & SHMRING_NOWAIT)) {
		ret = refuse_to_wait(r, want);
	} else if (policy == SHMRING_SPIN) {
		ret = spin_for_ever(r, want, deadline);
	} else if (is_crowded(r)) {
		ret = yield_once(r, want);
	} else if (policy == SHMRING_BLOCK) {
		ret = look_briefly(r, want, deadline);
	} else {
		ret = spin_within_budget(r, want, deadline, policy == SHMRING_EAGER);
		learn = true;
	}
	if (!ret)
		ret = r->priv->of_hub ? -EOPNOTSUPP : sleep_until_ready(r, want, deadline, learn);
	if (ret < 0 && !(w && (w->flags & SHMRING_NOWAIT)))
		shmring_withdraw(r, want);
	/* An event loop that goes on polling must sleep until there is a peer again. */
	if ((ret == -ENODATA || ret == -EPIPE) && r->priv->backend->arm_poll)
		r->priv->backend->arm_poll(r, shmring_beyond_told(r, want->bytes));
	return ret < 0 ? ret : 0;
}

/*
 * Count the first -EBADMSG of this endpoint in its own page, which the other side and the kernel
 * can read. If the kernel returned the error, the library may have seen no false value itself: set
 * r->error, so that every later call returns it, too.
 */
int shmring_count_refusal(struct shmring *r, int ret)
{
	__shmring_word *refused = r->role == SHMRING_CONSUMER ? &r->consumer->refused :
								&r->producer->refused;

	if (ret == -EBADMSG && !r->priv->refused) {
		r->priv->refused = true;
		r->error = ret;
		if (r->role == SHMRING_CONSUMER)
			r->c.limit = r->c.end = r->c.tail;
		__atomic_store_n(refused, __atomic_load_n(refused, __ATOMIC_RELAXED) + 1,
				 __ATOMIC_RELAXED);
	}
	return ret;
}

int shmring_wait_data(struct shmring *r, const struct shmring_wait *w)
{
	struct shmring_want want = { .bytes = w && w->min_bytes ? w->min_bytes : 1 };
	int ret = shmring_check_wait_of(r, w);

	if (r->role != SHMRING_CONSUMER)
		return -EBADF;
	if (ret)
		return ret;
	return shmring_count_refusal(r, r->error ? r->error : shmring_wait_for_want(r, &want, w));
}

int shmring_wait_space(struct shmring *r, size_t len, const struct shmring_wait *w)
{
	struct shmring_want want = { 0 };
	int ret = shmring_check_wait_of(r, w);

	if (r->role != SHMRING_PRODUCER)
		return -EBADF;
	if (ret)
		return ret;
	want.bytes = __shmring_footprint(r, len);
	if (!__shmring_is_length(r, len) || want.bytes > r->span)
		return -EMSGSIZE;
	if (r->error)
		return shmring_count_refusal(r, r->error);
	shmring_publish(r);
	want.mark = shmring_beyond_told(r, shmring_space_mark(r, want.bytes));
	return shmring_count_refusal(r, shmring_wait_for_want(r, &want, w));
}

int shmring_drain(struct shmring *r, const struct shmring_wait *w)
{
	struct shmring_want want = { .bytes = r->span, .mark = r->span, .drain = true };
	int ret = shmring_check_wait_of(r, w);

	if (r->role != SHMRING_PRODUCER)
		return -EBADF;
	if (ret)
		return ret;
	if (r->error)
		return shmring_count_refusal(r, r->error);
	shmring_publish(r);
	return shmring_count_refusal(r, shmring_wait_for_want(r, &want, w));
}

void __shmring_wake(struct shmring *r)
{
	r->priv->wakes++;
	/* A producer that never waits stores its CPU here. */
	shmring_store_cpu(r);
	r->priv->backend->wake(r);
}

void __shmring_released(struct shmring *r)
{
	if (r->priv->backend->released)
		r->priv->backend->released(r);
}

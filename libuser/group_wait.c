// SPDX-License-Identifier: MIT
/* Waiting for the members of a group. */
#define _GNU_SOURCE 1
#include <linux/time_types.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cancel.h"
#include "fd.h"
#include "group.h"
#include "wait.h"

#define MAX_EVENTS	64	/* at a time */
#define UNPOLLED_MAX	64	/* calls that hot members answer, until the cold ones are asked for */
#define IN_VAIN_MAX	16	/* after so many wake-ups for nothing, ... */
#define PAUSE_NS	1000000	/* ... pause before each further sleep */
#define YIELD_NS	50000	/* SPIN: the time between two yields */
#define MEMBERS_PER_LOOK 16	/* with more hot members, read the clock after fewer looks */

/* The events that a call returns. */
struct result {
	struct shmring_event *events;
	unsigned int nr, max;
};

/* ------------------------------------------------------------------ looking */

/* What a look or a refused wait has returned: 0 or -EAGAIN is not ready. */
static unsigned int events_of(const struct shmring_member *m, int ret)
{
	if (ret < 0)
		return POLLERR;
	return m->r && m->r->role == SHMRING_PRODUCER ? POLLOUT : POLLIN;
}

/* Report a member, once in each call. */
static void report(struct shmring_group *g, struct result *result, uint32_t index,
		   unsigned int events)
{
	struct shmring_member *m = &g->members[index];

	if (m->call == g->call || result->nr == result->max)
		return;
	m->call = g->call;
	result->events[result->nr++] = (struct shmring_event){ m->data, index, events };
}

static uint64_t bytes_wanted(const struct shmring *r)
{
	uint64_t bytes = r->priv->lowat ? r->priv->lowat : 1;

	return bytes < r->span ? bytes : r->span;
}

/* Is it ready? 0: no. Does not arm it. */
static int look(const struct shmring_member *m)
{
	struct shmring_want want;

	if (m->h)
		return shmring_hub_has_news(m->h);
	want = (struct shmring_want){ .bytes = bytes_wanted(m->r) };
	return m->r->error ? m->r->error : shmring_look(m->r, &want);
}

static void look_at_hot(struct shmring_group *g, struct result *result)
{
	uint32_t i, index;
	int ret;

	for (i = 0; i < g->nr_hot && result->nr < result->max; i++) {
		index = g->hot[(g->turn + i) % g->nr_hot];
		ret = look(&g->members[index]);
		if (ret)
			report(g, result, index, events_of(&g->members[index], ret));
	}
	if (g->nr_hot)
		g->turn = (g->turn + i) % g->nr_hot;
}

/* ------------------------------------------------------------------- arming */

static const struct shmring_wait nowait = { .flags = SHMRING_NOWAIT };

/* A refused wait arms the poll descriptor. */
static int try(struct shmring *r)
{
	struct shmring_want want = { .bytes = bytes_wanted(r) };

	if (r->role == SHMRING_PRODUCER)
		shmring_publish(r);
	return shmring_count_refusal(r, r->error ? r->error :
				     shmring_wait_for_want(r, &want, &nowait));
}

/* 1: it is ready; 0: it is armed; an error: a call would fail. */
static int arm(const struct shmring_member *m)
{
	int ret = m->h ? shmring_hub_wait(m->h, &nowait) : try(m->r);

	return ret == -EAGAIN ? 0 : ret ? ret : 1;
}

/* Make those cold that are not ready, and report the others. */
static void arm_hot(struct shmring_group *g, struct result *result)
{
	uint32_t i = 0, index;
	int ret;

	while (i < g->nr_hot) {
		index = g->hot[i];
		ret = arm(&g->members[index]);
		if (ret) {
			report(g, result, index, events_of(&g->members[index], ret));
			i++;
		} else {
			shmring_make_cold(g, index);	/* another one is at hot[i] now */
		}
	}
}

#define AT_ONCE		1ull	/* a moment that has passed */

/* epoll_pwait2(2), which older libraries do not have. Older kernels (ENOSYS) than 5.11 neither. */
static int epoll_until(int fd, struct epoll_event *events, int max, uint64_t until)
{
	uint64_t now = until ? shmring_now() : 0, ns = until > now ? until - now : 0;
	const struct __kernel_timespec ts = { (__s64)(ns / 1000000000), (__s64)(ns % 1000000000) };

	return (int)syscall(SYS_epoll_pwait2, fd, events, max, until ? &ts : NULL, NULL, 0);
}

/* Until @until, ns; 0: for ever. Returns the number of events, or an error. */
static int poll_members(struct shmring_group *g, struct epoll_event *events, int max,
			uint64_t until)
{
	int ret;

	if (until == AT_ONCE) {
		ret = epoll_wait(g->fd, events, max, 0);
	} else {
		ret = epoll_until(g->fd, events, max, until);
		if (ret < 0 && errno == ENOSYS) {
			ret = shmring_sleep_fd(g->fd, until ? until : UINT64_MAX);
			return ret ? ret : poll_members(g, events, max, AT_ONCE);
		}
	}
	return ret < 0 ? -errno : ret;
}

/*
 * Sleep until @until, and report the plain descriptors that are ready. The other members with an
 * event become hot; they are reported if they are ready. Takes no more events than it can report:
 * the kernel begins with the others the next time. 0: something happened; or an error.
 */
static int ask_the_kernel(struct shmring_group *g, struct result *result, uint64_t until)
{
	struct epoll_event events[MAX_EVENTS];
	struct shmring_member *m;
	unsigned int room = result->max - result->nr;
	int i, ret, nr;

	g->unpolled = 0;
	nr = poll_members(g, events, room < MAX_EVENTS ? (int)room : MAX_EVENTS, until);
	for (i = 0; i < nr; i++) {
		m = &g->members[events[i].data.u32];
		if (!m->r && !m->h) {
			report(g, result, events[i].data.u32, events[i].events);
			continue;
		}
		shmring_make_hot(g, events[i].data.u32);
		ret = look(m);
		if (ret)
			report(g, result, events[i].data.u32, events_of(m, ret));
	}
	return nr < 0 ? nr : 0;
}

/* ------------------------------------------------------------------ waiting */

static bool has_passed(uint64_t deadline)
{
	return deadline && shmring_now() >= deadline;
}

/* What no look shows: without the module, the other side was killed; a hub has come to its end. */
static void check_hot(struct shmring_group *g, struct result *result, uint64_t now)
{
	const struct shmring_member *m;
	uint32_t i;
	int ret;

	for (i = 0; i < g->nr_hot; i++) {
		m = &g->members[g->hot[i]];
		ret = m->h ? shmring_hub_check(m->h, now) : 0;
		if (m->r)
			shmring_check_peer(m->r, now);
		if (ret)
			report(g, result, g->hot[i], events_of(m, ret));
	}
}

/* Look at the hot members for @budget ns, or until the deadline. To ask for the others is dear. */
static void spin_for(struct shmring_group *g, struct result *result, uint64_t budget,
		     uint64_t deadline, uint64_t *spun)
{
	unsigned int looks = g->spin.looks / (1 + g->nr_hot / MEMBERS_PER_LOOK) + 1, left = looks;
	uint64_t now, start = 0, yield_at = 0;

	*spun = 0;
	for (;;) {
		look_at_hot(g, result);
		if (result->nr)
			return;
		shmring_relax(g->spin.relaxes);
		if (--left)
			continue;
		left = looks;
		now = shmring_now();
		if (!start)
			start = yield_at = now;
		*spun = now - start;
		if (*spun >= budget || (deadline && now >= deadline))
			return;
		if (budget == UINT64_MAX && now >= yield_at) {
			check_hot(g, result, now);
			if (!result->nr)
				ask_the_kernel(g, result, AT_ONCE);
			if (result->nr)
				return;
			sched_yield();
			yield_at = now + YIELD_NS;
		}
	}
}

/* Spin by the policy, but SPIN. */
static void spin_within_budget(struct shmring_group *g, struct result *result,
			       enum shmring_policy policy, uint64_t deadline)
{
	uint64_t worth = policy == SHMRING_EAGER ? g->spin.cost : SHMRING_BRIEF_NS, spun, budget;
	bool brief = policy == SHMRING_BLOCK || !g->spin.budget;

	if (g->spin.alone || !g->nr_hot)
		return;
	budget = brief ? shmring_brief_budget(&g->spin) : g->spin.budget;
	if (!budget)
		return;
	spin_for(g, result, budget, deadline, &spun);
	if (brief)
		shmring_brief_learn(&g->spin, spun, result->nr);
	else
		shmring_spin_learn(&g->spin, spun, worth, result->nr);
}

/* A member may be ready when the deadline passes, or a signal comes: that counts for more. */
static int sleep_until_ready(struct shmring_group *g, struct result *result, uint64_t deadline)
{
	unsigned int in_vain = 0;
	uint64_t start;
	int ret = 0;

	for (;;) {
		arm_hot(g, result);
		if (result->nr || ret)
			return ret;
		if (has_passed(deadline)) {
			ask_the_kernel(g, result, AT_ONCE);
			return -ETIMEDOUT;
		}
		if (++in_vain > IN_VAIN_MAX)
			ret = shmring_sleep_fd(-1, shmring_now() + PAUSE_NS);
		start = shmring_now();
		if (!ret)
			ret = ask_the_kernel(g, result, deadline);
		shmring_sleep_learn(&g->spin, shmring_now() - start);
		if (result->nr)
			return 0;
	}
}

static int wait_by(struct shmring_group *g, struct result *result, const struct shmring_wait *w)
{
	enum shmring_policy policy = w && w->policy ? w->policy : SHMRING_ADAPTIVE;
	uint64_t deadline = w ? w->deadline : 0, spun;

	if (w && (w->flags & SHMRING_NOWAIT)) {
		arm_hot(g, result);
		ask_the_kernel(g, result, AT_ONCE);
		return -EAGAIN;
	}
	shmring_count_wait();
	if (policy == SHMRING_SPIN) {
		spin_for(g, result, UINT64_MAX, deadline, &spun);
		return -ETIMEDOUT;
	}
	spin_within_budget(g, result, policy, deadline);
	return result->nr ? 0 : sleep_until_ready(g, result, deadline);
}

int shmring_wait_any(struct shmring_group *g, struct shmring_event *events, unsigned int max,
		     const struct shmring_wait *w)
{
	SHMRING_NO_CANCEL;
	struct result result = { .events = events, .max = max };
	int ret = shmring_check_wait(w);

	if (!ret && (!max || (w && w->min_bytes)))
		ret = -EINVAL;
	if (ret)
		return ret;
	g->call++;
	if (++g->unpolled > UNPOLLED_MAX)
		ask_the_kernel(g, &result, AT_ONCE);
	look_at_hot(g, &result);
	if (!result.nr)
		ret = wait_by(g, &result, w);
	return result.nr ? (int)result.nr : ret;
}

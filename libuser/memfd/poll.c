// SPDX-License-Identifier: MIT
/*
 * A descriptor for event loops: an epoll descriptor of the events of the ring's file, which
 * watch.c reads, and of a timer. The timer has the loop look again after a process has closed the
 * file, and now and then where the file cannot be watched.
 */
#define _GNU_SOURCE 1
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "memfd.h"

#define TIMER_MIN_NS	1000000ull
#define TIMER_MAX_NS	64000000ull
#define LOOK_MIN_NS	200000ull	/* from a close to the first look */
#define LOOK_FACTOR	5		/* by which the time to each further look grows */
#define LOOK_MAX_NS	625000000ull	/* the time to the last look; all take 0.8 s */

static bool is_peer_gone(const struct shmring *r)
{
	return __atomic_load_n(&half_of(r, peer_role(r))->state, __ATOMIC_SEQ_CST) ==
	       SHMRING_PEER_GONE;
}

/*
 * Make the descriptor readable once there are @bytes. After the peer has gone: once another
 * process takes its role, so that a loop that goes on polling after the end of the stream
 * sleeps. A producer without a peer does not arm, as space is of no use to it. False: the peer
 * is dead, and its role could not be ended.
 */
static bool arm_watch(struct shmring *r, uint64_t bytes)
{
	bool gone, done;

	__atomic_store_n(&half_of(r, r->role)->poll, 1, __ATOMIC_SEQ_CST);
	gone = is_peer_gone(r);
	if (!(gone && r->role == SHMRING_PRODUCER) && shmring_memfd_arm(r, bytes)) {
		/*
		 * The bytes are there: poll must not sleep. Clear wake_at, or the consumer would
		 * take it that the producer waits.
		 */
		shmring_memfd_poke(r->priv);
		__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	}
	done = shmring_memfd_end_dead_peer(r);
	if (is_peer_gone(r) != gone)
		shmring_memfd_poke(r->priv);
	return done;
}

/* The timer becomes readable after @ns; 0: never. */
static void set_timer(const struct shmring_private *p, uint64_t ns)
{
	const struct itimerspec at = { .it_value.tv_nsec = (long)ns };

	timerfd_settime(p->memfd.timer_fd, 0, &at, NULL);
}

bool shmring_memfd_look_is_due(const struct shmring_private *p)
{
	uint64_t times;

	return p->memfd.look_ns && read(p->memfd.timer_fd, &times, sizeof(times)) == sizeof(times);
}

/*
 * The kernel reports a close before it releases the locks: the process may still look alive,
 * and no further event will come. So look again a few times, at growing intervals. Also look
 * while the role of a dead peer cannot be ended: no event reports when it can.
 * Returns the ns to the next look; 0: none.
 */
static uint64_t next_look(uint64_t ns, const struct shmring_look *l)
{
	if (!l->live)
		return 0;
	if (l->closed || (!ns && !l->done))
		return LOOK_MIN_NS;
	if (l->due && ns == LOOK_MAX_NS)
		return l->done ? 0 : ns;
	return l->due ? LOOK_FACTOR * ns : ns;
}

void shmring_memfd_plan_look(struct shmring_private *p, const struct shmring_look *l)
{
	uint64_t ns = next_look(p->memfd.look_ns, l);

	if (l->closed || l->due || ns != p->memfd.look_ns)
		set_timer(p, ns);
	p->memfd.look_ns = ns;
}

/* At least lowat; at most what the ring can hold. */
static uint64_t bytes_to_poll_for(const struct shmring *r, uint64_t bytes)
{
	if (bytes < r->priv->lowat)
		bytes = r->priv->lowat;
	return bytes < r->span ? bytes : r->span;
}

/* Without a watch: look soon if the other side has moved since the last look, otherwise later. */
void shmring_memfd_arm_timer(struct shmring_private *p, uint64_t position)
{
	if (position != p->memfd.timer_seen || !p->memfd.timer_ns)
		p->memfd.timer_ns = TIMER_MIN_NS;
	else if (p->memfd.timer_ns < TIMER_MAX_NS)
		p->memfd.timer_ns *= 2;
	p->memfd.timer_seen = position;
	set_timer(p, p->memfd.timer_ns);
}

void shmring_memfd_arm_poll(struct shmring *r, uint64_t bytes)
{
	SHMRING_NO_CANCEL;
	struct shmring_private *p = r->priv;
	struct shmring_look look;

	if (p->poll_fd < 0)
		return;
	if (!p->memfd.watch.fd) {
		shmring_memfd_arm_timer(p, __atomic_load_n(position_of(r, peer_role(r)),
							   __ATOMIC_RELAXED));
		shmring_memfd_check_peer(r);
		return;
	}
	look.closed = shmring_memfd_take_events(&p->memfd.watch);
	look.due = shmring_memfd_look_is_due(p);
	look.done = arm_watch(r, bytes_to_poll_for(r, bytes));
	look.live = shmring_memfd_is_live(r, peer_role(r));
	shmring_memfd_plan_look(p, &look);
}

/*
 * The file is another user's; there is no /proc; this user's limits on inotify are reached; or
 * the thread that reads for all endpoints cannot be had.
 */
static bool is_watch_refused(int ret)
{
	return ret == -EACCES || ret == -ENOENT || ret == -EMFILE || ret == -ENOSPC ||
	       ret == -EAGAIN;
}

int shmring_memfd_add_to_epoll(int poll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (fd < 0)
		return fd;
	if (!epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event))
		return 0;
	return errno == ENOSPC ? -ENOMEM : -errno;
}

static int open_timer(struct shmring_private *p)
{
	int fd = kept_fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));

	if (fd < 0)
		return fd;
	p->memfd.timer_fd = fd;
	return shmring_memfd_add_to_epoll(p->poll_fd, fd);
}

static int open_all(struct shmring_private *p)
{
	int ret;

	p->poll_fd = kept_fd(epoll_create1(EPOLL_CLOEXEC));
	if (p->poll_fd < 0)
		return p->poll_fd;
	ret = open_timer(p);
	if (ret)
		return ret;
	/* inotify needs nothing from the other side but the file that both have. */
	ret = shmring_memfd_watch(&p->memfd.watch, p->poll_fd, p->fd);
	return is_watch_refused(ret) ? 0 : ret;
}

void shmring_memfd_close_poll(struct shmring_private *p)
{
	if (p->memfd.watch.fd && shmring_is_ours(p))
		shmring_memfd_unwatch(&p->memfd.watch, p->poll_fd);
	else if (p->memfd.watch.fd)
		shmring_memfd_close_inherited(&p->memfd.watch, p->generation);
	if (p->memfd.timer_fd)
		close(p->memfd.timer_fd);
	if (p->poll_fd >= 0)
		close(p->poll_fd);
	p->memfd.timer_fd = 0;
	p->poll_fd = -1;
}

/* Leaves nothing open if it fails. */
int shmring_memfd_open_poll(struct shmring_private *p)
{
	int ret = open_all(p);

	if (ret)
		shmring_memfd_close_poll(p);
	return ret;
}

int shmring_memfd_poll_fd(struct shmring *r)
{
	struct shmring_private *p = r->priv;
	int ret;

	if (p->poll_fd >= 0)
		return p->poll_fd;
	ret = shmring_memfd_open_poll(p);
	if (ret)
		return ret;
	shmring_memfd_arm_poll(r, 1);
	return p->poll_fd;
}

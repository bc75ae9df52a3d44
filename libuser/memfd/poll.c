// SPDX-License-Identifier: MIT
/*
 * A descriptor for event loops: an inotify watch of the ring's file, or where that cannot be
 * had, a timer that has the loop look now and then.
 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "memfd.h"

#define TIMER_MIN_NS	1000000ull
#define TIMER_MAX_NS	64000000ull
#define DYING_NS	1000000000ull	/* from a file's last event to the end of its locks */

/* Returns whether a process has closed the file. */
static bool drain(int fd)
{
	struct inotify_event events[64];	/* of a file they have no name */
	bool closed = false;
	ssize_t n;

	while ((n = read(fd, events, sizeof(events))) > 0)
		for (n /= (ssize_t)sizeof(*events); n--;)
			closed |= !!(events[n].mask & IN_CLOSE_WRITE);
	return closed;
}

/*
 * The kernel reports a close before it releases the locks: a process that has closed may
 * still look alive, and no further event will come. So look again for a while.
 */
static void look_again(struct shmring *r)
{
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	shmring_memfd_check_peer(r);
	shmring_memfd_poke(r->priv);
}

static bool is_gone(const struct shmring *r)
{
	return __atomic_load_n(&half_of(r, peer_role(r))->state, __ATOMIC_SEQ_CST) ==
	       SHMRING_PEER_GONE;
}

/*
 * Readable once there are @bytes, or another process takes the role of a peer that has
 * gone: so a loop that goes on polling after the end of the stream sleeps. A producer then
 * does not arm, as its space is there, and of no use.
 */
static void arm_watch(struct shmring *r, uint64_t bytes)
{
	bool gone;

	__atomic_store_n(&half_of(r, r->role)->poll, 1, __ATOMIC_SEQ_CST);
	gone = is_gone(r);
	if (!(gone && r->role == SHMRING_PRODUCER) && shmring_memfd_arm(r, bytes)) {
		/*
		 * There already: poll must not sleep. Clear wake_at: a consumer would take it for
		 * a producer that waits.
		 */
		shmring_memfd_poke(r->priv);
		__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	}
	shmring_memfd_check_peer(r);
	if (is_gone(r) != gone)
		shmring_memfd_poke(r->priv);
	if (r->priv->closed && shmring_memfd_is_live(r, peer_role(r))) {
		if (shmring_now() - r->priv->closed < DYING_NS)
			look_again(r);
		else
			r->priv->closed = 0;
	}
}

/* No more than can be there: slots may leave a rest. */
static uint64_t bytes_to_poll_for(const struct shmring *r, uint64_t bytes)
{
	uint64_t most = r->role == SHMRING_CONSUMER ? r->c.most : r->capacity;

	if (bytes < r->priv->lowat)
		bytes = r->priv->lowat;
	return bytes < most ? bytes : most;
}

/* Soon again after the other side has done something, and ever later after that. */
static void arm_timer(struct shmring *r)
{
	struct shmring_private *p = r->priv;
	uint64_t position = __atomic_load_n(position_of(r, peer_role(r)), __ATOMIC_RELAXED);
	struct itimerspec at = { 0 };

	if (position != p->timer_seen || !p->timer_ns)
		p->timer_ns = TIMER_MIN_NS;
	else if (p->timer_ns < TIMER_MAX_NS)
		p->timer_ns *= 2;
	p->timer_seen = position;
	at.it_value.tv_nsec = (long)p->timer_ns;
	timerfd_settime(p->poll_fd, 0, &at, NULL);	/* not readable until then */
	shmring_memfd_check_peer(r);
}

void shmring_memfd_arm_poll(struct shmring *r, uint64_t bytes)
{
	SHMRING_NO_CANCEL;
	struct shmring_private *p = r->priv;

	if (p->poll_fd < 0)
		return;
	if (p->polls_by_timer) {
		arm_timer(r);
		return;
	}
	if (drain(p->poll_fd))
		p->closed = shmring_now();
	arm_watch(r, bytes_to_poll_for(r, bytes));
}

/*
 * An inotify descriptor needs nothing from the other side but the file that both
 * have: a waker writes to it, and the death of a process closes it.
 */
static int watch_file(int ring)
{
	char path[PATH_SIZE];
	int fd, ret;

	fd = kept_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ring);
	if (inotify_add_watch(fd, path, IN_MODIFY | IN_CLOSE_WRITE) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/* The file is another user's; there is no /proc; or this user's limits are reached. */
static bool cannot_watch(int ret)
{
	return ret == -EACCES || ret == -ENOENT || ret == -EMFILE || ret == -ENOSPC;
}

int shmring_memfd_poll_fd(struct shmring *r)
{
	struct shmring_private *p = r->priv;
	int fd;

	if (p->poll_fd >= 0)
		return p->poll_fd;
	fd = watch_file(p->fd);
	p->polls_by_timer = cannot_watch(fd);
	if (p->polls_by_timer)
		fd = kept_fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	if (fd < 0)
		return fd;
	p->poll_fd = fd;
	shmring_memfd_arm_poll(r, 1);
	return fd;
}

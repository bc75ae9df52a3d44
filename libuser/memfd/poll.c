// SPDX-License-Identifier: MIT
/* A descriptor for event loops: an inotify watch of the ring's file. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "memfd.h"

#define DYING_NS	1000000000ull	/* from a file's last event to the end of its locks */

/* Whether somebody has closed the file. */
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
 * The kernel tells of a close before it takes the locks away: who closed may still
 * look alive, and no event will come any more. So look again for a while.
 */
static void look_again(struct shmring *r)
{
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	shmring_memfd_check_peer(r);
	shmring_memfd_poke(r->priv);
}

void shmring_memfd_arm_poll(struct shmring *r, uint64_t bytes)
{
	SHMRING_NO_CANCEL;
	uint64_t lowat = r->priv->lowat;

	if (r->priv->poll_fd < 0)
		return;
	if (drain(r->priv->poll_fd))
		r->priv->closed = shmring_now();
	if (!lowat)
		lowat = r->role == SHMRING_PRODUCER ? r->capacity / 2 : 1;
	__atomic_store_n(poll_of(r, r->role), 1, __ATOMIC_SEQ_CST);
	if (shmring_memfd_arm(r, lowat > bytes ? lowat : bytes)) {
		/*
		 * There already: poll must not sleep. Nor do we wait, as a consumer would
		 * think, which cannot tell space from the start of all positions from none.
		 */
		shmring_memfd_poke(r->priv);
		__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	}
	shmring_memfd_check_peer(r);
	if (r->priv->closed && shmring_memfd_is_live(r, peer_role(r))) {
		if (shmring_now() - r->priv->closed < DYING_NS)
			look_again(r);
		else
			r->priv->closed = 0;
	}
}

/*
 * An inotify descriptor needs nothing from the other side but the file that both
 * have: a waker writes to it, and the death of a process closes it.
 */
int shmring_memfd_poll_fd(struct shmring *r)
{
	char path[PATH_SIZE];
	int fd, ret;

	if (r->priv->poll_fd >= 0)
		return r->priv->poll_fd;
	fd = kept_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->priv->fd);
	if (inotify_add_watch(fd, path, IN_MODIFY | IN_CLOSE_WRITE) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	r->priv->poll_fd = fd;
	shmring_memfd_arm_poll(r, 1);
	return fd;
}

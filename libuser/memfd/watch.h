/* SPDX-License-Identifier: MIT */
/* Between watch.c and watch_shared.c. */
#ifndef SHMRING_MEMFD_WATCH_H
#define SHMRING_MEMFD_WATCH_H

#include <sys/inotify.h>

#include "memfd.h"

/*
 * How many endpoints of a process have an inotify instance of their own. Most programs poll no
 * more rings, and so get no thread from the library. The fewer, the more processes of a user can
 * poll: by default, 128 instances are enough for 64 processes that take all of theirs.
 */
#define MAX_PRIVATE	2

/* Descriptors that the endpoints of a process share; 0: none. */
enum {
	WATCH_SHARED,	/* the instance */
	WATCH_STOP,	/* readable: the thread is to end */
	WATCH_EPOLL,	/* of the thread, of the other two */
	WATCH_IDLE,	/* instances that no endpoint has, for the next ones */
	NR_WATCH_FDS = WATCH_IDLE + MAX_PRIVATE
};

/* What was lost may have been a close. */
static inline bool is_maybe_close(uint32_t mask)
{
	return mask & (IN_CLOSE_WRITE | IN_Q_OVERFLOW);
}

/* watch.c; NR_WATCH_FDS descriptors; a watch descriptor; whether there were events. */
int *shmring_memfd_watch_fds(void);
void shmring_memfd_close_fds(int *fds, int n);
int shmring_memfd_watch_file(int inotify, int file);
bool shmring_memfd_read_events(int inotify,
			       void (*each)(const struct inotify_event *event, void *arg),
			       void *arg);

/* watch_shared.c */
int shmring_memfd_share_watch(struct shmring_watch *w, int poll_fd, int file);
void shmring_memfd_end_shared_watch(struct shmring_watch *w);
bool shmring_memfd_take_shared_events(struct shmring_watch *w);

#endif /* SHMRING_MEMFD_WATCH_H */

/* SPDX-License-Identifier: MIT */
/* The memfd backend's part of struct shmring_private. */
#ifndef SHMRING_MEMFD_STATE_H
#define SHMRING_MEMFD_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "shmring.h"

/* An endpoint that polls, and the events of its file: see watch.c. */
struct shmring_watch {
	int fd;			/* readable: there were events; 0: the file is not watched */
	bool is_private;	/* it is an inotify instance, and not an eventfd */
	int wd;			/* inotify's watch descriptor */

	/* Of watch_shared.c. */
	struct shmring_watch *next;	/* in its bucket */
	bool told;		/* fd is readable, but for a moment */
	bool closed;		/* one of the events was that a process closed the file */
};

/* What all endpoints of a process share; see struct shmring_process. */
struct shmring_memfd_process {
	bool knows_itself;	/* the next two have been looked up */
	uint64_t pid_ns;	/* where the process's pid means something; 0: nowhere */
	uint64_t started;	/* when it was, ticks since boot; 0: unknown */

	unsigned int nr_private;	/* endpoints with an instance, of watch.c */

	/* Of watch_shared.c. */
	pthread_mutex_t watch_lock;
	bool has_thread;
	pthread_t thread;
	unsigned int nr_watches;
	unsigned int nr_told;	/* times that an endpoint was told of its first event */
};

/*
 * The last page of a file with lanes, which all its processes map. Any of them may write anything:
 * a bit or a count can be false.
 */
struct shmring_memfd_hub {
	__shmring_word hot[SHMRING_LANES_MAX / 64];	/* a bit for each lane */
	uint32_t futex;		/* counts the wake-ups of the hub */
	uint32_t poll;		/* not 0: the hub polls, so write to the file, too */
};

struct shmring_memfd {
	char name[SHMRING_NAME_MAX];	/* of the ring; "": anonymous */
	bool picky;		/* attaching to a work queue: only a lane with messages will do */
	bool persists;		/* the name stays when the last holder goes */
	uint32_t flags;		/* of the ring, as its status had them at the attach */
	int lock_fd;		/* a description for the locks; -1: none may be had */
	uint64_t pid_ns;	/* as in struct shmring_memfd_process */
	uint64_t started;
	off_t base;		/* where the endpoint's lane is in the file */
	struct shmring_memfd_hub *hub;	/* mapped; NULL: a ring without lanes */
	uint64_t fence_confirmed;	/* the peer is known to fence below this position */

	/* The poll descriptor: an epoll descriptor of these two. */
	struct shmring_watch watch;
	int timer_fd;		/* 0: none */
	uint64_t timer_ns;	/* no watch: for how long the timer was set last ... */
	uint64_t timer_seen;	/* ... after a look that found the peer there */
	uint64_t look_ns;	/* a watch: for how long the timer is set; 0: it is not */
};

#endif /* SHMRING_MEMFD_STATE_H */

/* SPDX-License-Identifier: MIT */
/* The memfd backend's part of struct shmring_private. */
#ifndef SHMRING_MEMFD_STATE_H
#define SHMRING_MEMFD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "shmring.h"

struct shmring_memfd {
	char name[SHMRING_NAME_MAX];	/* of the file in /dev/shm */
	bool persists;		/* the name stays when the last holder goes */
	uint32_t flags;		/* of the ring, as its status had them at the attach */
	int lock_fd;		/* a description for the locks; -1: none may be had */
	uint64_t pid_ns;	/* where this process's pid means something; 0: nowhere */
	uint64_t started;	/* when this process was, ticks since boot; 0: unknown */
	uint64_t fence_confirmed;	/* the peer is known to fence below this position */

	/* The poll descriptor: an epoll descriptor of these two. */
	int watch_fd;		/* the file's events; 0: none */
	int timer_fd;		/* 0: none */
	uint64_t timer_ns;	/* no watch_fd: for how long the timer was set last ... */
	uint64_t timer_seen;	/* ... after a look that found the peer there */
	uint64_t look_ns;	/* watch_fd: for how long the timer is set; 0: it is not */
};

#endif /* SHMRING_MEMFD_STATE_H */

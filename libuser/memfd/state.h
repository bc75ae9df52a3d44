/* SPDX-License-Identifier: MIT */
/* The memfd backend's part of struct shmring_private. */
#ifndef SHMRING_MEMFD_STATE_H
#define SHMRING_MEMFD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "shmring.h"

struct shmring_memfd {
	char name[SHMRING_NAME_MAX];	/* of the ring; "": anonymous */
	bool persists;		/* the name stays when the last holder goes */
	uint32_t flags;		/* of the ring; read from its status once, at the attach */
	int lock_fd;		/* has the file locks; -1: the file cannot be opened */
	uint64_t pid_ns;	/* PID namespace of this process; 0: unknown */
	uint64_t started;	/* start time of this process, ticks since boot; 0: unknown */
	uint64_t fence_confirmed;	/* the peer is known to fence below this position */

	/* The poll descriptor is an epoll descriptor of these two. */
	int watch_fd;		/* inotify, of the file; 0: none */
	int timer_fd;		/* 0: none */
	uint64_t timer_ns;	/* no watch_fd: for how long the timer was set last ... */
	uint64_t timer_seen;	/* ... and the peer's position then */
	uint64_t look_ns;	/* watch_fd: for how long the timer is set; 0: it is not */
};

#endif /* SHMRING_MEMFD_STATE_H */

/* SPDX-License-Identifier: MIT */
/*
 * Hubs: rings with lanes, where one process talks to many. See shmring_hub(7).
 *
 * The process in the middle, the hub, has an endpoint in each lane. All others attach to the
 * name as to any ring, with shmring_attach(), and each gets a lane that is free. No process in a
 * lane waits for a process in another lane.
 *
 *	SHMRING_FAN_IN	the hub consumes what up to 256 producers send
 *	SHMRING_WORK	the hub gives each message to one of up to 256 consumers
 *
 * The endpoints that shmring_hub_next() returns belong to the hub. A program uses them as any
 * endpoint, but does not close them, and waits with shmring_hub_wait() for all of them. A hub, like
 * an endpoint, is used by one thread at a time, and not by a forked child.
 */
#ifndef SHMRING_HUB_H
#define SHMRING_HUB_H

#include <shmring.h>

#ifdef __cplusplus
extern "C" {
#endif

enum shmring_topology {
	SHMRING_FAN_IN = SHMRING_TOPOLOGY_FAN_IN,
	SHMRING_WORK = SHMRING_TOPOLOGY_WORK
};

/* How a hub's ring is made. All zero but size: a fan-in of 16 lanes of 64 KiB of records. */
struct shmring_hub_options {
	size_t size;		/* of this struct */
	size_t capacity;	/* of each lane; rounded up to a power of two, whole pages */
	size_t slot_size;	/* fixed-size messages without a header; 0: records */
	size_t slots;		/* each lane holds exactly so many; 0: as many as fit */
	size_t align;		/* of each message, a power of two; 0: 8 bytes */
	unsigned int mode;	/* of the name: r consumes, w produces; 0: 0600 */
	unsigned int flags;	/* SHMRING_PERSIST, SHMRING_MARKS, SHMRING_HUB_EOF */
	enum shmring_topology topology;	/* 0: SHMRING_FAN_IN */
	unsigned int lanes;	/* 0: 16; at most SHMRING_LANES_MAX */
	unsigned int lanes_per_user; /* most lanes of one user; 0: any. Not on memfd */
	enum shmring_policy policy;
	enum shmring_backend_id backend;
};

#define SHMRING_HUB_OPTIONS_INIT { sizeof(struct shmring_hub_options), 0, 0, 0, 0, 0, 0, \
				   SHMRING_FAN_IN, 0, 0, SHMRING_DEFAULT, SHMRING_AUTO }

#define SHMRING_HUB_EOF		(1u << 17)	/* no producer left: -ENODATA, as a pipe */

struct shmring_hub;

/*
 * Make a ring with lanes, and attach to it as its hub. @name: as of shmring_create(); NULL or "":
 * anonymous. @opt: NULL, or options.
 *
 * Returns 0 or as shmring_create(), and
 *   -EINVAL	also: no such topology; more lanes than SHMRING_LANES_MAX
 *   -EMFILE	also: the module needs two descriptors for each lane while it attaches, and one
 *		afterwards
 */
int shmring_hub_create(struct shmring_hub **h, const char *name,
		       const struct shmring_hub_options *opt);

/*
 * Attach to a ring with lanes as its hub, after the hub before has gone: the new hub goes on in
 * each lane where the old one stopped. @opt: the policy, SHMRING_HUB_EOF and the backend; NULL.
 *
 * Returns 0 or as shmring_attach_opt(), and
 *   -EBUSY	the ring has a hub
 *   -EPROTO	also: the ring has no lanes
 */
int shmring_hub_attach(struct shmring_hub **h, const char *name,
		       const struct shmring_hub_options *opt);
int shmring_hub_attach_fd(struct shmring_hub **h, int fd, const struct shmring_hub_options *opt);

/*
 * A lane that is ready: in a fan-in one with data. NULL: none is. Does not sleep. Goes from lane
 * to lane, and stays in one for a quarter of its ring at most, so that no producer keeps the hub
 * from the others. A lane whose producer lies (-EBADMSG) is left out from then on: see
 * shmring_hub_next_gone().
 */
struct shmring *shmring_hub_next(struct shmring_hub *h);

/*
 * Wait until shmring_hub_next() has a lane to return. @w: deadline, policy and SHMRING_NOWAIT;
 * NULL. Sleeps.
 *
 * Returns 0 or
 *   -ENODATA	fan-in with SHMRING_HUB_EOF: there has been a producer, there is none now, and all
 *		its messages have been released
 *   -EAGAIN	SHMRING_NOWAIT
 *   -ETIMEDOUT	the deadline has passed
 *   -EINTR	a signal handler has run
 *   -EINVAL	bad size, flag or policy; min_bytes is not 0
 */
int shmring_hub_wait(struct shmring_hub *h, const struct shmring_wait *w);

/* The lane of an endpoint that the hub has returned, from 0. */
unsigned int shmring_hub_lane(const struct shmring_hub *h, const struct shmring *lane);

/* How many lanes there are, and the hub's endpoint of one (NULL: no such lane). */
unsigned int shmring_hub_lanes(const struct shmring_hub *h);
struct shmring *shmring_hub_endpoint(const struct shmring_hub *h, unsigned int lane);

/*
 * End the other side's role in a lane, as if its process had died. Its next call that waits or
 * wakes gets -ESHUTDOWN. Does not sleep.
 *
 * Returns 0 or
 *   -ENOENT	no process has the role
 *   -EOPNOTSUPP	memfd: a process cannot be made to stop there
 */
int shmring_hub_kick(struct shmring_hub *h, struct shmring *lane);

/*
 * A descriptor that is readable when shmring_hub_next() may have a lane to return; for poll(2)
 * and epoll(7). Call shmring_hub_next() until NULL before sleeping on it. It stays open until
 * shmring_hub_close().
 *
 * Returns the descriptor or
 *   -EMFILE, -ENFILE, -ENOMEM
 */
int shmring_hub_poll_fd(struct shmring_hub *h);

/* A descriptor of the ring to pass on; see shmring_fd(). */
int shmring_hub_fd(const struct shmring_hub *h);

/* End the hub's role in all lanes and free the object. NULL: nothing. */
void shmring_hub_close(struct shmring_hub *h);

#ifdef __cplusplus
}
#endif

#endif /* SHMRING_HUB_H */

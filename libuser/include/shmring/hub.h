/* SPDX-License-Identifier: MIT */
/*
 * Hubs: rings with lanes, in which many processes send to one (fan-in), or one gives work to many
 * (work queue). See shmring_hub(7).
 *
 * The process in the middle, the hub, has an endpoint in each of up to 256 lanes. In a fan-in it
 * consumes, in a work queue it produces. The other processes attach to the name as to any ring,
 * with shmring_attach(), and each gets a lane that is free. None of them waits for another one.
 *
 * The endpoints that shmring_hub_next() returns belong to the hub. A program receives from them,
 * or sends to them, as with any endpoint, but does not close them. shmring_hub_wait() waits for all of them. To wait
 * for one alone is not possible: shmring_wait_data(), if it would have to sleep,
 * shmring_wait_peer() and shmring_poll_fd() return -EOPNOTSUPP. A hub is used, like an endpoint,
 * by one thread at a time. A forked child may pass it to shmring_hub_fd() and shmring_hub_close()
 * only.
 */
#ifndef SHMRING_HUB_H
#define SHMRING_HUB_H

#include <shmring.h>

#ifdef __cplusplus
extern "C" {
#endif

enum shmring_topology {
	SHMRING_FAN_IN = SHMRING_TOPOLOGY_FAN_IN,	/* many to one */
	SHMRING_WORK = SHMRING_TOPOLOGY_WORK,		/* each message to one of many */
};

/* How a hub's ring is made. All zero: an anonymous fan-in of 16 lanes of 64 KiB of records. */
struct shmring_hub_options {
	size_t size;		/* of this struct */
	size_t capacity;	/* of each lane; rounded up to a power of two, whole pages */
	size_t slot_size;	/* fixed-size messages without a header; 0: records */
	size_t slots;		/* each lane holds exactly so many; 0: as many as fit */
	size_t align;		/* of each message, a power of two; 0: 8 bytes */
	unsigned int mode;	/* of the name: r consumes, w produces; 0: 0600 */
	unsigned int flags;	/* SHMRING_PERSIST, SHMRING_QUEUE, SHMRING_MARKS, SHMRING_HUB_EOF */
	enum shmring_topology topology;	/* 0: SHMRING_FAN_IN */
	unsigned int lanes;	/* 0: 16; at most SHMRING_LANES_MAX, which is 256 */
	unsigned int lanes_per_user; /* most lanes of one user; 0: any number. memfd ignores it */
	enum shmring_policy policy;
	enum shmring_backend_id backend;
	unsigned int depth;	/* work queue: most unfinished messages of a worker; 0: 1; at most 16 */
	unsigned int max_deliveries; /* work queue: then a message has failed; 0: 3 */
};

#define SHMRING_HUB_OPTIONS_INIT { sizeof(struct shmring_hub_options), 0, 0, 0, 0, 0, 0, \
				   SHMRING_FAN_IN, 0, 0, SHMRING_DEFAULT, SHMRING_AUTO, 0, 0 }

#define SHMRING_HUB_EOF		(1u << 17)	/* no producer is left: -ENODATA, as from a pipe */

struct shmring_hub;

/*
 * Make a ring with lanes, and attach to it as its hub. @name: as of shmring_create(); NULL:
 * anonymous. @opt: NULL, or options. Flags, sizes and mode mean what they mean in
 * shmring_create(), for each lane. All lanes are made, and charged, now: a producer that attaches
 * to one cannot fail for lack of memory in the ring.
 *
 * With NULL for @h the ring is made for a hub that comes later, which needs SHMRING_PERSIST: the
 * producers wait for that hub as they do for the first consumer of a ring.
 *
 * Returns 0 or as shmring_create(), and
 *   -EINVAL	also: no such topology; more lanes than SHMRING_LANES_MAX; a depth above 16;
 *		SHMRING_HUB_EOF in a work queue; NULL for @h without SHMRING_PERSIST
 *   -EMFILE	also: with the module the hub has a descriptor for each lane
 *   -EOPNOTSUPP	also: the module is older, and has no lanes
 */
int shmring_hub_create(struct shmring_hub **h, const char *name,
		       const struct shmring_hub_options *opt);

/*
 * Attach to a ring with lanes as its hub, after the hub before has gone: the new hub goes on in
 * each lane where the old one stopped. @opt: the policy, SHMRING_HUB_EOF, the backend and, of a work
 * queue, depth and max_deliveries; the other members have no meaning here. NULL: the defaults.
 *
 * Returns 0 or as shmring_attach_opt(), and
 *   -EBUSY	the ring has a hub
 *   -EPROTO	also: the ring has no lanes
 *   -EMFILE	also: as shmring_hub_create()
 */
int shmring_hub_attach(struct shmring_hub **h, const char *name,
		       const struct shmring_hub_options *opt);

/*
 * As shmring_hub_attach(), to the ring of a descriptor: see shmring_attach_fd(). Returns as
 * shmring_hub_attach(), or as shmring_attach_fd_opt().
 */
int shmring_hub_attach_fd(struct shmring_hub **h, int fd, const struct shmring_hub_options *opt);

/* A hub begins with this, for the inline half of shmring_hub_next(). Not for programs. */
struct __shmring_hub_turn {
	struct shmring *lane;		/* that was returned last, ... */
	uint64_t until;			/* ... and the position at which its turn ends */
};

struct shmring *__shmring_hub_next(struct shmring_hub *h);

/*
 * A lane that has data, for shmring_peek(), shmring_recv() and all that a consumer calls. NULL:
 * none has. Does not sleep. Goes from lane to lane, and returns one for little more than a quarter
 * of its ring in a row: a program that calls it before each message is kept by no producer from the
 * others. A message that was peeked, and neither advanced past nor released, is still data: its
 * lane is returned again.
 *
 * A lane whose producer writes a false value (-EBADMSG) is left out, and its producer is ended as
 * by shmring_hub_kick(), where that is possible. What it had sent and the hub had not taken is
 * dropped, and so is what the hub has advanced past and not released: its bytes may change. Once
 * the producer has gone, the lane is free for another one.
 *
 * In a work queue: a lane for the next message, which is that of the worker with the fewest
 * unfinished messages, of those that have fewer than depth. Send exactly one message there, then ask
 * again: a second one might be lost with its worker, as the call notes one. A message of up to capacity / depth bytes, headers and padding included, fits. -EPIPE from the
 * send: the worker has just gone, and the message was not sent. NULL: no worker can be given a message
 * now. The call first deals again what workers have left unfinished that have gone or were kicked. A
 * worker that writes a false value is left out and ended in the same way.
 */
__SHMRING_PUBLIC struct shmring *shmring_hub_next(struct shmring_hub *h)
{
	const struct __shmring_hub_turn *turn = (const struct __shmring_hub_turn *)(const void *)h;
	struct shmring *r = turn->lane;

	/* What is known to be there: no word of the producer is read. */
	if (r->c.tail < turn->until && r->c.tail != r->c.limit)
		return r;
	return __shmring_hub_next(h);
}

/*
 * Work queue: a message that was given to max_deliveries workers, none of which has finished it. The
 * message is valid until the next call with this hub but shmring_hub_lane(), shmring_hub_lanes() and
 * shmring_hub_endpoint(). That call takes it out of the queue: so if this hub dies before, the
 * next one gets the message. NULL: there is none, or this is no work queue. When a message has
 * failed, shmring_hub_wait() returns 0, once.
 */
const void *shmring_work_failed(struct shmring_hub *h, size_t *len);

/*
 * Work queue: wait until the workers have finished all messages. Deals again what workers leave that
 * go. Looks once in a millisecond. @w: deadline and SHMRING_NOWAIT; NULL: no deadline.
 *
 * Returns 0, or 1: a message has failed; take it by shmring_work_failed(), and call again; or
 *   -EAGAIN	SHMRING_NOWAIT, and a message is unfinished
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -EBADF	this is no work queue
 *   -EINVAL	bad size, policy or flag, or min_bytes is not 0
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_hub_drain(struct shmring_hub *h, const struct shmring_wait *w);

/*
 * Worker: to how many workers was the message given before that shmring_peek() has returned, or
 * returns next? 0: to none, or @r is no worker. Each process counts that had the lane, whether or
 * not it has read the message.
 */
unsigned int shmring_deliveries(const struct shmring *r);

/*
 * Wait until shmring_hub_next() has a lane to return. @w: deadline, policy and SHMRING_NOWAIT;
 * NULL: by the hub's policy, without a deadline.
 *
 * Returns 0 or
 *   -ENODATA	SHMRING_HUB_EOF: there has been a producer, there is none now, and all its messages
 *		have been taken
 *   -EAGAIN	SHMRING_NOWAIT, and no lane has data
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -EDEADLK	a producer waits for space that the hub has advanced past and not released
 *   -EINVAL	bad size, policy or flag, or min_bytes is not 0
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_hub_wait(struct shmring_hub *h, const struct shmring_wait *w);

/* The number of a lane that the hub has returned, from 0. */
unsigned int shmring_hub_lane(const struct shmring_hub *h, const struct shmring *lane);

/* How many lanes there are. */
unsigned int shmring_hub_lanes(const struct shmring_hub *h);

/* The hub's endpoint in a lane, for shmring_get_info(). NULL: no such lane. */
struct shmring *shmring_hub_endpoint(const struct shmring_hub *h, unsigned int lane);

/*
 * End the other process's role in a lane, as if it had died. Its next call that waits or wakes
 * returns -ESHUTDOWN. What a producer has committed stays; what a worker has not finished is dealt
 * again. The lane is free once the process no longer maps it and, in a fan-in, all messages have
 * been released. Does not sleep.
 *
 * Returns 0 or
 *   -ENOENT	no process has the role
 *   -EOPNOTSUPP	memfd: no process can be kept from writing there
 */
int shmring_hub_kick(struct shmring_hub *h, struct shmring *lane);

/*
 * The descriptor to poll: readable (POLLIN) when it is time to call shmring_hub_next() again. Poll
 * it after shmring_hub_next() has returned NULL and then shmring_hub_wait(), with SHMRING_NOWAIT,
 * -EAGAIN. It belongs to the hub. With memfd it is an epoll descriptor, as that of
 * shmring_poll_fd().
 *
 * Returns it or
 *   -EMFILE, -ENFILE, -ENOMEM
 */
int shmring_hub_poll_fd(struct shmring_hub *h);

/* The descriptor of the ring to pass on; see shmring_fd(). */
int shmring_hub_fd(const struct shmring_hub *h);

/* End the hub's role in all lanes, and free the object. NULL is ignored. */
void shmring_hub_close(struct shmring_hub *h);

#ifdef __cplusplus
}
#endif

#endif /* SHMRING_HUB_H */

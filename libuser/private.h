/* SPDX-License-Identifier: MIT */
/* The state of an endpoint that only the slow path needs. */
#ifndef SHMRING_PRIVATE_H
#define SHMRING_PRIVATE_H

#include <unistd.h>

#include "shmring.h"

#include "kmod/state.h"
#include "memfd/state.h"
#include "process.h"
#include "spin.h"

/* Without the module: how often to look whether the peer lives; and in a long sleep. */
#define SHMRING_CHECK_NS	50000000
#define SHMRING_CHECK_MAX_NS	400000000

/* The lanes of a ring, see <shmring/hub.h>; all zero: it has none. */
struct shmring_lanes {
	uint32_t topology;	/* SHMRING_TOPOLOGY_* */
	uint32_t nr;
	uint32_t per_user;	/* of a ring to make; 0: any number */
};

struct shmring_private {
	const struct shmring_backend *backend;
	const char *reason;	/* of the choice of the backend */
	uint32_t generation;	/* of the process that made the object */
	int fd;			/* the ring's file */
	int poll_fd;		/* -1: none of its own */
	void *base;		/* the mapping */
	size_t size;		/* of the mapping, bytes */
	size_t lowat;		/* bytes; see shmring_set_lowat() */
	uint64_t linger;	/* ns; see shmring_set_linger() */
	uint64_t space_mark;	/* bytes; see shmring_set_space_mark() */
	enum shmring_policy policy;
	struct shmring_spin spin;
	uint64_t checked;	/* when the peer was last seen alive, ns */
	uint64_t watched;	/* when a send last read the clock for that, ns */
	uint64_t sleeps;	/* times this endpoint slept */
	uint64_t wakes;		/* wake-up system calls it made */
	unsigned int waits;	/* of the thread, when __shmring_answers() was called last */
	bool crowded;		/* the peer last waited on this CPU: do not spin */
	bool created;		/* this object has made the ring */
	bool grouped;		/* a member of a group */
	bool of_hub;		/* a lane of a hub: the hub waits for it */
	bool both;		/* of_hub: this hub has the other role of the lane, too */
	uint32_t topology;	/* of an endpoint's ring: SHMRING_TOPOLOGY_* */
	uint32_t lane;		/* of an endpoint: which lane of the ring */
	uint32_t liar;		/* of_hub: the epoch of the last producer that wrote a false value */
	bool liar_again;	/* and it has done so before */
	struct shmring_lanes lanes;	/* of the ring to make */
	bool refused;		/* this endpoint's -EBADMSG has been counted */

	/* The backends'. */
	struct shmring_kmod kmod;
	struct shmring_memfd memfd;
};

static inline size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Is this the process that made the object, and not a forked child? The pid cannot say so,
 * as a child in a namespace of its own may have the parent's. A child has no generation until
 * it makes a ring, and then a later one.
 */
static inline bool shmring_is_ours(const struct shmring_private *p)
{
	return p->generation == __atomic_load_n(&shmring_process->generation, __ATOMIC_RELAXED);
}

static inline enum shmring_role peer_role(const struct shmring *r)
{
	return r->role == SHMRING_CONSUMER ? SHMRING_PRODUCER : SHMRING_CONSUMER;
}

static inline struct shmring_half *half_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->lane->consumer : &r->lane->producer;
}

/*
 * Bytes in a ring. The two positions may have been read at different moments, or be false: the
 * result is at most the capacity.
 */
static inline uint64_t shmring_bytes_between(uint64_t tail, uint64_t head, uint64_t span)
{
	uint64_t bytes = head - tail;

	if ((int64_t)bytes < 0)
		return 0;
	return bytes < span ? bytes : span;
}

/* work.c: where the next message of a worker begins, which finds this tail. */
uint64_t shmring_work_first(const struct shmring *r, uint64_t tail);

#endif /* SHMRING_PRIVATE_H */

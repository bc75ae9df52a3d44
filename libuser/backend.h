/* SPDX-License-Identifier: MIT */
/*
 * What a backend does for the library: where a ring lives, how it is found,
 * mapped and waited for. The messages themselves move in shmring.h.
 */
#ifndef SHMRING_BACKEND_H
#define SHMRING_BACKEND_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "shmring.h"

static inline size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Without the module: how often to look for a death; and when asleep for longer. */
#define SHMRING_CHECK_NS	50000000
#define SHMRING_CHECK_MAX_NS	400000000

#define SHMRING_BRIEF_NS	4000	/* no switch to another task and back is faster */

/* How to spin, and for how long; see spin.c. */
struct shmring_spin {
	bool alone;		/* there is one CPU: do not */
	unsigned int looks;	/* before the clock is read */
	unsigned int pauses;	/* before the first look */
	uint64_t found;		/* bytes, by the last first look */
	unsigned int same;	/* times it has found as many as the one before */
	unsigned int rest;	/* waits until pauses may get longer again */
	uint64_t budget;	/* ns before sleeping; 0: a brief look at most */
	uint64_t cost;		/* ns that sleeping and waking take, as seen so far */
	unsigned int skip;	/* short sleeps before spinning is tried again ... */
	unsigned int left;	/* ... and how many are still to come */
	unsigned int brief_skip, brief_left;	/* likewise, waits without a brief look */
	unsigned int yield_skip, yield_left;	/* likewise, waits without a yield */
	bool yield_helps;	/* spinning for ever: the look after the last yield found something */
};

/* Where a ring is made or looked for, and why there. */
struct shmring_choice {
	const struct shmring_backend *backend;
	const char *reason;	/* as text to print */
	bool automatic;		/* neither the caller nor the environment asked for it */
};

struct shmring_private {
	const struct shmring_backend *backend;
	const char *reason;	/* of the choice of the backend */
	uint32_t *ours;		/* not zero in the process that attached, and may unmap */
	int fd;			/* the ring's file */
	int poll_fd;		/* -1: none of its own */
	int lock_fd;		/* memfd: a description for the locks; -1: none may be had */
	uint64_t pid_ns;	/* memfd: where our pid means something; 0: nowhere */
	uint64_t started;	/* memfd: when this process was, ticks since boot; 0: unknown */
	uint64_t checked;	/* when the peer was last seen alive, ns */
	uint64_t watched;	/* when a send last read the clock for that, ns */
	int watch_fd;		/* memfd: poll_fd is for this, the file's events; 0: none ... */
	int timer_fd;		/* ... and for this; 0: none */
	uint64_t timer_ns;	/* no watch_fd: for how long the timer was set last ... */
	uint64_t timer_seen;	/* ... after a look that found the peer there */
	uint64_t look_ns;	/* watch_fd: for how long the timer is set; 0: it is not */
	uint64_t fenced_until;	/* memfd: the peer is known to fence below this position */
	void *base;		/* the mapping */
	size_t size;		/* and its bytes */
	size_t lowat;		/* bytes; see shmring_set_lowat() */
	uint64_t poll_bytes;	/* kmod: of the last SET_LOWAT ... */
	uint64_t poll_held;	/* ... and how many of them the consumer held */
	uint64_t linger;	/* ns; see shmring_set_linger() */
	enum shmring_policy policy;
	struct shmring_spin spin;
	uint64_t sleeps;	/* times this endpoint slept */
	uint64_t wakes;		/* wake-up system calls it made */
	bool crowded;		/* the peer last waited on this CPU: do not spin */
	bool created;		/* this object has made the ring */
	bool refused;		/* this endpoint's -EBADMSG has been counted */
	char name[SHMRING_NAME_MAX];	/* memfd: of the file in /dev/shm */
	bool persists;		/* memfd: the name stays when the last holder goes */
};

/* All return 0 (or a descriptor, where said) or a negative errno. */
struct shmring_backend {
	const char *name;
	enum shmring_backend_id id;

	/*
	 * Make a ring, or find one by its name or descriptor: fills p->fd. -ENODEV: the
	 * backend is not there.
	 */
	int (*create)(struct shmring_private *p, const char *name,
		      const struct shmring_options *opt);
	int (*open)(struct shmring_private *p, const char *name, enum shmring_role role);
	int (*adopt)(struct shmring_private *p, int fd);
	int (*unlink)(const char *name);

	/* Take a role: map, and shmring_bind(). */
	int (*attach)(struct shmring *r, enum shmring_role role);

	/*
	 * Sleep until @bytes of data or space may be there (then up to @mark), or
	 * the other side is gone, or the deadline (0: none). 0: look again.
	 */
	int (*wait)(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline);
	void (*wake)(struct shmring *r);

	/*
	 * Sleep until a ring may have this name, or until @until, ns; and until the other
	 * side may have attached, or the deadline (0: none). 0: look again.
	 */
	int (*wait_name)(const char *name, enum shmring_role role, uint64_t until);
	int (*wait_peer)(struct shmring *r, uint64_t deadline);

	/* See whether the other side was killed; NULL: the kernel ends its role. */
	void (*check_peer)(struct shmring *r);

	/*
	 * About to say -EAGAIN: have the poll descriptor ready once there are @bytes, counted
	 * from this side's public position. NULL: there is nothing to do.
	 */
	void (*arm_poll)(struct shmring *r, uint64_t bytes);

	/* The consumer has given back what it held. NULL: @bytes of arm_poll() still hold. */
	void (*released)(struct shmring *r);
	int (*poll_fd)(struct shmring *r);			/* a descriptor */
	int (*grant)(const struct shmring_private *p, enum shmring_role role);	/* a descriptor */
	int (*info)(const struct shmring *r, struct shmring_info *info);

	/* End the role and close the files; the mapping is unmapped after. */
	void (*close)(struct shmring *r);
};

extern const struct shmring_backend shmring_backend_kmod;
extern const struct shmring_backend shmring_backend_memfd;

/* choose.c */
#define SHMRING_NR_BACKENDS	2
extern const struct shmring_backend *const shmring_backends[SHMRING_NR_BACKENDS];
int shmring_backend_of_environment(enum shmring_backend_id *id);
int shmring_choose_backend(struct shmring_choice *choice, enum shmring_backend_id id);
bool shmring_is_taken_elsewhere(const struct shmring_choice *choice, const char *name);

/* await.c: until @until, ns, or (sleep_fd) @fd is readable; -1: no such descriptor */
struct timespec shmring_timespec(uint64_t ns);
int shmring_sleep_fd(int fd, uint64_t until);

/*
 * What is in a ring, of two positions that may be of two moments, if the consumer never
 * stands still, or may be false.
 */
static inline uint64_t shmring_bytes_between(uint64_t tail, uint64_t head, uint64_t capacity)
{
	uint64_t bytes = head - tail;

	if ((int64_t)bytes < 0)
		return 0;
	return bytes < capacity ? bytes : capacity;
}

/* Can the module be had? 0, -ENODEV (there is none), -EACCES (not by this user), ... */
int shmring_kmod_probe(void);

/* Does a live ring of the caller's or of root's have this name? */
bool shmring_memfd_has(const char *name);

/* What there is to know of a named ring, without attaching to it. Does not wait. */
int shmring_memfd_look(const char *name, struct shmring_info *info);

static inline enum shmring_role peer_role(const struct shmring *r)
{
	return r->role == SHMRING_CONSUMER ? SHMRING_PRODUCER : SHMRING_CONSUMER;
}

static inline struct shmring_half *half_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->lane->consumer : &r->lane->producer;
}

static inline bool shmring_bad_role(enum shmring_role role)
{
	return (unsigned int)role > SHMRING_CONSUMER;
}

/*
 * options.c. check_size: 0, or why the caller's struct @s, which begins with its size, is
 * refused; the library knows @known bytes of it.
 */
int shmring_clean_name(char to[SHMRING_NAME_MAX], const char *name);
int shmring_check_size(const void *s, size_t known);
int shmring_copy_options(struct shmring_options *to, const struct shmring_options *opt);
int shmring_clean_options(struct shmring_options *opt, bool named);

/* 0, or why @w is refused; NULL is not. */
static inline int shmring_check_wait(const struct shmring_wait *w)
{
	if (!w)
		return 0;
	if ((w->flags & ~SHMRING_NOWAIT) || (unsigned int)w->policy > SHMRING_SPIN)
		return -EINVAL;
	return w->size && w->size != sizeof(*w) ? shmring_check_size(w, sizeof(*w)) : 0;
}

/* ring.c */
bool shmring_is_ours(const struct shmring_private *p);
int shmring_bind(struct shmring *r, enum shmring_role role, struct shmring_status *status,
		 struct shmring_consumer *consumer, struct shmring_producer *producer,
		 unsigned char *data, uint64_t capacity, uint32_t slot_size);
int shmring_map_reserve(struct shmring_private *p, size_t size);
int shmring_map_at(struct shmring_private *p, size_t where, size_t len, int prot, off_t offset);

/*
 * fd.c: a descriptor above 2, close-on-exec, or a negative errno. Of @fd a copy; or @fd
 * itself, moved if need be, where a negative errno passes through.
 */
int shmring_dup_fd(int fd);
int shmring_keep_fd(int fd);

/* spin.c */
uint64_t shmring_now(void);	/* ns, CLOCK_MONOTONIC */
void shmring_spin_init(struct shmring_spin *spin);
void shmring_spin_learn(struct shmring_spin *spin, uint64_t ns, bool found);
bool shmring_brief_rests(struct shmring_spin *spin);
void shmring_brief_learn(struct shmring_spin *spin, bool found);
bool shmring_yield_rests(struct shmring_spin *spin);
void shmring_yield_learn(struct shmring_spin *spin, uint64_t ns, bool found);
void shmring_sleep_learn(struct shmring_spin *spin, uint64_t ns);
void shmring_pauses_learn(struct shmring_spin *spin, unsigned int looks, uint64_t bytes,
			  uint64_t capacity);

#endif /* SHMRING_BACKEND_H */

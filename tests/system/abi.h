/* SPDX-License-Identifier: MIT */
/*
 * /dev/shmring without the library: calls that return a result or -errno; an endpoint with its
 * regions mapped; and actors, which are processes that hold an endpoint and carry out verbs.
 */
#ifndef ABI_H
#define ABI_H

#include <linux/shmring.h>
#include <sys/mman.h>

#include "test.h"

#define PRODUCER	SHMRING_ROLE_PRODUCER
#define CONSUMER	SHMRING_ROLE_CONSUMER

static inline const char *role_name(uint32_t role)
{
	return role == PRODUCER ? "producer" : role == CONSUMER ? "consumer" : "none";
}

static inline uint32_t other_role(uint32_t role)
{
	return role == PRODUCER ? CONSUMER : PRODUCER;
}

/*
 * /dev/shmring, opened once. The program is skipped without it; with
 * SHMRING_REQUIRE=kmod in the environment it fails.
 */
int control(void);

/* Load the module: @path is that of shmring.ko. Unloading needs a module that is not in use. */
int try_to_load_module(const char *path, const char *parameters);	/* 0, or why not */
void load_module(const char *path, const char *parameters);
void unload_module(void);

/* An ioctl: what it returns, or -errno. */
long call(int fd, unsigned long cmd, const void *arg);

/* The number of @cmd for a structure of another size. */
unsigned long resized(unsigned long cmd, size_t size);

/* CREATE and OPEN: a ring file or -errno; UNLINK. */
int create(const char *name, uint64_t capacity, uint32_t mode, uint32_t flags);
int open_ring(const char *name, uint32_t rights);
int await_ring(const char *name, uint32_t rights, uint64_t deadline);	/* OPEN_F_WAIT */
int unlink_ring(const char *name);

int make_ring(uint64_t capacity);	/* anonymous; cannot fail */
int attach(int ring, uint32_t role);
int attach_lowat(int ring, uint32_t role, uint64_t lowat);
int narrow(int ring, uint32_t rights);
struct shmring_ioc_query query(int fd);

/* WAIT_DATA or WAIT_SPACE. */
int wait_data(int fd, uint64_t bytes, uint64_t mark, uint64_t deadline);
int wait_space(int fd, uint64_t bytes, uint64_t mark, uint64_t deadline);

int wait_peer(int fd, uint64_t deadline);

void *map_region(int fd, const struct shmring_region *region, int prot);

struct endpoint {
	int fd;
	uint32_t role;
	struct shmring_ioc_query q;
	const struct shmring_status *status;
	const struct shmring_lane *lane;
	struct shmring_producer *producer;
	struct shmring_consumer *consumer;
	unsigned char *data;
};

/* Attach and map everything as the role allows; cannot fail. */
struct endpoint endpoint(int ring, uint32_t role);
struct endpoint endpoint_lowat(int ring, uint32_t role, uint64_t lowat);
struct endpoint map_endpoint(int fd, uint32_t role);	/* one that is attached already */
void unmap(struct endpoint *e);
void drop(struct endpoint *e);		/* unmap and close */

/* Set the endpoint's own position @bytes further, and call WAKE if that is due. */
void move(struct endpoint *e, uint64_t bytes);
void set_position(struct endpoint *e, uint64_t position);

enum verb {
	VERB_WAIT,	/* bytes, mark, deadline: the role's wait */
	VERB_MOVE,	/* bytes */
	VERB_SET,	/* position; no WAKE */
	VERB_WAKE,
	VERB_UNMAP,
	VERB_CLOSE,
	VERB_EXIT,
	VERB_POLL,	/* events, timeout in ms: the events */
	VERB_PEER,	/* deadline: WAIT_PEER */
};

struct actor {
	pid_t pid;
	uint32_t role;
	int to;
	int from;
};

/* An actor that has taken the role; with @mapped, its regions too. */
struct actor actor(int ring, uint32_t role, bool mapped);
/* ... or one that uses an endpoint of this process, which it does not map. */
struct actor actor_on(int fd, uint32_t role);
void start_verb(struct actor *a, enum verb verb, uint64_t x, uint64_t y, uint64_t z);
int result_of(struct actor *a);
int ask(struct actor *a, enum verb verb, uint64_t x, uint64_t y, uint64_t z);

/*
 * Send @sig until the actor answers, because a signal that comes before its call is lost. The
 * state 'S' does not show that the call sleeps: a task has it also while it looks whether to
 * sleep.
 */
int interrupt(struct actor *a, int sig);
void end_actor(struct actor *a);		/* exit(2) */
void kill_actor(struct actor *a);		/* SIGKILL */

/* How often the role has slept; and: wait until it has slept more often, and sleeps now. */
uint64_t sleeps(int ring, uint32_t role);
void await_sleep(struct actor *a, int ring, uint64_t sleeps_before);

#endif /* ABI_H */

/* SPDX-License-Identifier: MIT */
/*
 * Programs that use the library, and run on either backend: SHMRING_BACKEND in
 * the environment says which.
 */
#ifndef LIB_H
#define LIB_H

#include <shmring.h>

#include "test.h"

/* Skip the program if the backend that was asked for cannot be had. */
void need_backend(void);
bool on_memfd(void);

/*
 * For tests of when exactly a poll ends: skip the program if memfd's poll descriptors would follow
 * a timer, as other programs of the user have all inotify instances.
 */
void need_inotify(void);

/*
 * These cannot fail. Their waits sleep at once and do not spin, so that tests of sleeping do
 * sleep.
 */
struct shmring *make(size_t capacity, size_t slot_size, enum shmring_role role);
struct shmring *attach(const struct shmring *r, enum shmring_role role);
struct shmring_info info_of(const struct shmring *r);	/* all bytes of it are the library's */

/* A producer and a consumer of a new ring, both in this process. */
struct pair {
	struct shmring *p;
	struct shmring *c;
};

struct pair make_pair(size_t capacity, size_t slot_size);
void close_pair(struct pair *pair);

/* Calls that must work, on a message of 8 bytes. */
void send_number(struct shmring *r, uint64_t n);
uint64_t receive_number(struct shmring *r);
int receive_now(struct shmring *r);	/* the result; SHMRING_NOWAIT */
int send_now(struct shmring *r);

extern const struct shmring_wait nowait;

/*
 * A child that attaches to @r in a role and runs @fn, and exits with the result of @fn. It
 * leaves the parent's object alone.
 */
pid_t start_as(struct shmring *r, enum shmring_role role, int (*fn)(struct shmring *r));

/* Wait until the child sleeps, and stays asleep. */
void await_asleep(pid_t pid);

#endif /* LIB_H */

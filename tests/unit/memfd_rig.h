/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the memfd backend: rings, and processes that hold them. */
#ifndef MEMFD_RIG_H
#define MEMFD_RIG_H

#include "memfd/watch.h"
#include "rig.h"

/* Every test starts with a library that finds memfd alone, and tidies up at its end. */
void use_memfd(void);
int tidy(void **state);
#define TEST(fn)	cmocka_unit_test_teardown(fn, tidy)

/*
 * As if other endpoints had all of the private inotify instances: those that poll from now on
 * share one, which a thread reads. A test may be for either kind.
 */
int share_instance(void **state);
#define SHARED(fn)	{ .name = #fn " (shared)", .test_func = fn, \
			  .setup_func = share_instance, .teardown_func = tidy }

/* Whether the user has as many inotify instances left as a process takes; if not, says so. */
bool has_inotify(void);
#define SKIP_PROGRAM	77	/* an exit status */

/* A test that is skipped without them. A set-up function cannot skip a test. */
void run_with_inotify(void **fn);
#define WATCHING(fn)	{ .name = #fn, .test_func = run_with_inotify, .teardown_func = tidy, \
			  .initial_state = (void *)(fn) }

/* The descriptors, and the mappings of rings, of this process. */
unsigned int nr_fds(void);
unsigned int nr_mappings(void);

/* The name that the tests use, and whether a file has it. */
const char *name(void);
bool is_named(void);

/*
 * Lock a byte of the ring's file, as any user can that may open it. Returns a descriptor, or 0
 * if this descriptor could lock the byte for itself.
 */
enum { HOLDERS_BYTE, CHANGE_BYTE, NAME_BYTE };
int open_named(void);
int lock_byte(off_t byte);
int lock_byte_of(int fd, off_t byte);

/* For hooks, which have no arguments. */
extern struct shmring *ring;		/* there during the whole test */
extern struct shmring *successor;	/* comes in the middle of it */

/* A ring @called so (NULL: anonymous), and a persistent one of the tests' name. */
struct shmring *new_ring(const char *called, enum shmring_role role);
struct shmring *persistent_ring(void);

/* The producer of an anonymous ring; its consumer, in @c, is in this process, too. */
struct shmring *new_pair(struct shmring **c);

/* These may fail; create() makes a producer of a ring @called so. */
int create(struct shmring **r, const char *called, unsigned int flags);
int create_anonymous(struct shmring **r);
int create_named(struct shmring **r);
int attach_by_fd(struct shmring **r);
int attach_by_name(struct shmring **r);

/* A deadline that only a failure meets. */
struct shmring_wait soon(void);

/* Waits that end without data: after a millisecond; and poll's, at once. */
void wait_a_little(struct shmring *c);
bool is_readable(int fd);

/* In a child: send "last" to @handle's ring, and die with another message staged. */
void be_a_producer(const struct shmring *handle);
void take_last(struct shmring *c);

/*
 * A process that shares all descriptors and mappings of this one, and lives until
 * end_of_child().
 */
pid_t child_that_stays(void);
void end_of_child(pid_t pid);
void end_of(pid_t pid);

#endif /* MEMFD_RIG_H */

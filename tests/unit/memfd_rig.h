/* SPDX-License-Identifier: MIT */
/* What the tests of the memfd backend share: rings of it, and processes that have them. */
#ifndef MEMFD_RIG_H
#define MEMFD_RIG_H

#include "rig.h"

/* Every test starts from a library that finds memfd alone, and tidies up after itself. */
void use_memfd(void);
int tidy(void **state);
#define TEST(fn)	cmocka_unit_test_teardown(fn, tidy)

/* What this process has: descriptors, and mappings of rings. */
unsigned int nr_fds(void);
unsigned int nr_mappings(void);

/* The name that the tests use, and whether a file has it. */
const char *name(void);
bool is_named(void);

/*
 * Lock a byte of its file, as any user may do that may open it: returns a descriptor, or is 0
 * if the byte of this descriptor could be locked.
 */
enum { HOLDERS_BYTE, CHANGE_BYTE, NAME_BYTE };
int open_named(void);
int lock_byte(off_t byte);
int lock_byte_of(int fd, off_t byte);

/* For hooks, which have no arguments. */
extern struct shmring *ring;		/* that is there all the time */
extern struct shmring *successor;	/* that comes in between */

/* A ring @called so (NULL: anonymous), and a persistent one of the tests' name. */
struct shmring *new_ring(const char *called, enum shmring_role role);
struct shmring *persistent_ring(void);

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

/* In a child: sends "last" to @handle's ring, and dies with another message staged. */
void be_a_producer(const struct shmring *handle);
void take_last(struct shmring *c);

/* A process that has all that this one has, and lives until end_of_child(). */
pid_t child_that_stays(void);
void end_of_child(pid_t pid);
void end_of(pid_t pid);

#endif /* MEMFD_RIG_H */

/* SPDX-License-Identifier: MIT */
/*
 * A ring on plain memory, with both ends in one process. Nothing here sleeps: a test does what
 * the other side would do. The memory around the data cannot be touched.
 */
#ifndef RIG_H
#define RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "fd.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Where a ring's positions start: at zero, and just before values at which an int may overflow. */
struct start {
	const char *name;
	uint64_t at;
};

struct rig {
	struct shmring p, c;
	struct shmring_private priv_p, priv_c;
	uint64_t start;
	size_t capacity;	/* one page */
	struct shmring_geometry geometry;

	/* The shared memory. */
	struct shmring_status *status;
	struct shmring_lane *lane;
	struct shmring_producer *producer;
	struct shmring_consumer *consumer;
	unsigned char *data;	/* twice in a row */
	void *mapping;
	size_t mapped;
};

extern const struct shmring_wait nowait;

/* For names: no other run of a test has this number. A pid may be that of an earlier run. */
uint32_t run_id(void);

/*
 * Records, or as many slots as fit; or slots (0: as many as fit) and records of any alignment; or
 * slots with marks, from the multiple of the stride below @start. The capacity of @g is ignored.
 */
struct rig *rig_new(uint64_t start, size_t slot_size);
struct rig *rig_new_of(uint64_t start, size_t slot_size, size_t slots, size_t align);
struct rig *rig_new_marked(uint64_t start, size_t slot_size, size_t slots, size_t align);
struct rig *rig_new_geometry(uint64_t start, const struct shmring_geometry *g);
void rig_free(struct rig *rig);

/* Bind an end anew, as after a restart. */
int rig_bind(struct rig *rig, struct shmring *r, enum shmring_role role);

/* Run each test once from every start. Tests without a setup of their own get a rig. */
int run_at_every_start(const char *group, const struct CMUnitTest *tests, size_t n);

/* A message whose bytes show which one it is. */
void write_message(unsigned char *to, size_t len, uint64_t id);
bool is_message(const unsigned char *from, size_t len, uint64_t id);

/* Pass one message on; any other result is a failure. */
void put(struct shmring *p, size_t len, uint64_t id);
void take(struct shmring *c, size_t len, uint64_t id);
void assert_empty(struct shmring *c);

uint64_t random_u64(uint64_t *state);

#endif /* RIG_H */

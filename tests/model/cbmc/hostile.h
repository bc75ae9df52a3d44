/* SPDX-License-Identifier: MIT */
/*
 * A ring whose other side is hostile, for CBMC: every load of a shared word gives any value,
 * and another one each time. Any other load gives what the memory holds, which is unknown, too.
 *
 * The functions under test are those of the library, in its own files. Each is called once, on
 * an endpoint in any state that its invariant allows, and must leave it in such a state. So a
 * proof for one call holds for any number of calls.
 *
 * With MARKS the ring has slots with marks, otherwise records, or slots without.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

/*
 * Before the headers, so that their inline functions use it, too. Not for the slow path, which
 * would take a quarter of an hour: there, the inline functions load what the memory holds, which
 * is unknown and does not change.
 */
#ifdef SLOW_PATH
#include "backend.h"
#endif
#define __atomic_load_n(p, order)	({				\
	__typeof__(*(p) + 0) unknown;				\
	__CPROVER_assert(__CPROVER_r_ok(p, sizeof(*(p))), "readable"); \
	unknown; })
#define __atomic_store_n(p, v, order)	(*(p) = (v))

#include "backend.h"

#define CAPACITY	64	/* smaller than the kernel's, with all the cases */
#define ALIGN_MAX	16	/* smaller than the kernel's, too */

#define assume(x)	__CPROVER_assume(x)
#define check(x)	__CPROVER_assert(x, #x)

extern struct shmring_producer producer;
extern struct shmring_consumer consumer;
extern unsigned char data[2 * CAPACITY];

struct shmring any_producer(void);
struct shmring any_consumer(void);

/* Of an endpoint: what holds before and after each call. */
void check_producer(const struct shmring *r);
void check_consumer(const struct shmring *r);

/* With marks: is the last slot before the head, which was just published, marked? */
void check_marked(const struct shmring *r);

/* Where the library returns a message: is it one of @len bytes? */
void check_message(const struct shmring *r, const void *message, size_t len);

#endif /* HOSTILE_H */

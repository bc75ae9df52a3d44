/* SPDX-License-Identifier: MIT */
/*
 * Programs of system calls, for /dev/shmring. Every sequence of operations is one:
 * what an operation does not like the kernel is to refuse.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "test.h"

#define MAX_OPS		96
#define NR_THREADS	3

/* One system call. The meaning of the bytes is the operation's. */
struct op {
	uint8_t what;		/* which operation */
	uint8_t thread;		/* who makes it */
	uint8_t fd;		/* slots of descriptors: to use */
	uint8_t map;		/* slots of mappings: to use, or of descriptors: to fill */
	uint8_t a, b, c, d;
};

struct program {
	unsigned int nr;
	struct op ops[MAX_OPS];
};

/* program.c: where programs come from, and how they look as a line of text */
struct program random_program(uint64_t *seed);
struct program mutated(const struct program *p, const struct program *other, uint64_t *seed);
void print_program(FILE *to, const struct program *p);
bool parse_program(const char *line, struct program *p);

/* ops.c: what the operations do */
unsigned int nr_kinds(void);
const char *kind_name(unsigned int what);
unsigned int kind_of(const char *name);		/* nr_kinds(): there is none */
unsigned int random_kind(uint64_t *seed);	/* by weight */

struct tally {
	uint64_t calls, worked;
};

void ops_init(void);
void ops_thread_init(unsigned int thread);
/* Run operation @i of @p; the calls are counted by kind. */
void run_op(const struct program *p, unsigned int i, struct tally *tally);
/*
 * After a program: take back what is under way, by each thread, when all have
 * stopped; then what that thread has under way, until there is nothing; then
 * everything else, by one.
 */
void stop_waits(unsigned int thread);
void await_waits(void);
void clean_up(void);

/* kcov.c: which code of the module has run */
#define NR_EDGES	65536u

struct kcov *kcov_open(void);			/* of the calling thread; NULL: no KCOV */
unsigned int kcov_collect(struct kcov *k);	/* how much of it is new; starts again */
unsigned int kcov_pcs(void);
unsigned int kcov_edges(void);

#endif /* FUZZ_H */

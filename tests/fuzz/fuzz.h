/* SPDX-License-Identifier: MIT */
/*
 * Programs of system calls, for /dev/shmring. Every sequence of operations is a program: the
 * kernel has to refuse what is invalid.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "test.h"

#define MAX_OPS		96
#define NR_THREADS	3

/* One system call. The meaning of the bytes is the operation's. */
struct op {
	uint8_t what;		/* which operation */
	uint8_t thread;		/* the thread that makes it */
	uint8_t fd;		/* slots of descriptors: to use */
	uint8_t map;		/* slots of mappings: to use, or of descriptors: to fill */
	uint8_t a, b, c, d;
};

struct program {
	unsigned int nr;
	struct op ops[MAX_OPS];
};

/* program.c: making and varying programs, and writing them as a line of text */
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
 * After a program: each thread ends its own waits, when all have stopped; then waits for them
 * to be gone; then one thread takes back everything else.
 */
void stop_waits(unsigned int thread);
void await_waits(void);
void clean_up(void);

/* kcov.c: which code of the module has run */
#define NR_EDGES	65536u

struct kcov *kcov_open(void);			/* of the calling thread; NULL: no KCOV */
unsigned int kcov_collect(struct kcov *k);	/* the number of new edges; starts again */
unsigned int kcov_pcs(void);
unsigned int kcov_edges(void);

#endif /* FUZZ_H */

/* SPDX-License-Identifier: MIT */
/*
 * Shared by all test programs.
 *
 * A failed CHECK prints its place and ends the process, also in a child, whose parent looks at the
 * exit status. A failed EXPECT goes on, so that a table is shown whole; finish() returns the
 * failure.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { TEST_PASS = 0, TEST_FAIL = 1, TEST_SKIP = 77 };

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define CHECK(cond)	test_true(__FILE__, __LINE__, #cond, (cond), true)
#define EXPECT(cond)	test_true(__FILE__, __LINE__, #cond, (cond), false)
#define CHECK_EQ(got, want) \
	test_equal(__FILE__, __LINE__, #got, (long long)(got), (long long)(want), true)
#define EXPECT_EQ(got, want) \
	test_equal(__FILE__, __LINE__, #got, (long long)(got), (long long)(want), false)

bool test_true(const char *file, int line, const char *what, bool ok, bool fatal);
bool test_equal(const char *file, int line, const char *what, long long got, long long want,
		bool fatal);

/* The present try, for the messages. */
__attribute__((format(printf, 1, 2))) void context(const char *fmt, ...);

#define RUN(fn)	do { context("%s", #fn); fn(); } while (0)

/* The exit status of a program that has reached its end. */
int finish(void);

/* End the program with a reason: it can test nothing here. */
__attribute__((format(printf, 1, 2), noreturn)) void skip(const char *fmt, ...);

void need_root(void);
size_t page_size(void);

/* Memory that children share with their parent, zeroed. */
void *share(size_t size);

/*
 * Children. They are killed with their parent, and their exit status is what
 * @fn returns, or TEST_FAIL after a failed EXPECT.
 */
pid_t start(int (*fn)(void *arg), void *arg);
int end_of(pid_t pid);			/* exit status, or 128 + signal */
int in_child(int (*fn)(void *arg), void *arg);
void kill_child(pid_t pid);		/* SIGKILL, and gone */
char state_of(pid_t pid);		/* as in /proc/PID/stat */

/* Take another user's identity for good; no capabilities are left. */
void become(uid_t uid, gid_t gid, const gid_t *groups, size_t nr_groups);

uint64_t now_ns(void);			/* CLOCK_MONOTONIC */

/*
 * How long to wait for an event that must come: longer than a slow machine takes, and less than
 * the runner gives a program.
 */
#define PATIENCE_S	20
#define PATIENCE_NS	(PATIENCE_S * 1000000000ull)

/* Wait until the condition is true; after PATIENCE_S the program fails and ends. */
#define AWAIT(cond)	do {							\
	uint64_t until_ = now_ns() + PATIENCE_NS;				\
										\
	while (!(cond)) {							\
		test_true(__FILE__, __LINE__, #cond, now_ns() < until_, true);	\
		nap();								\
	}									\
} while (0)
void nap(void);				/* a millisecond */

int nr_fds(void);			/* open in this process */
bool has_input(int fd);			/* readable at once */

/* Can this address be read, or written (with what is there), at all? */
bool can_read(const void *p);
bool can_write(void *p);

/* For names: no other run of a test has this number. A pid may be that of an earlier run. */
uint32_t run_id(void);

/* A name that no other run of a test has. */
const char *unique(const char *stem);

uint64_t random_u64(uint64_t *state);

/* A number from the environment. */
uint64_t setting(const char *name, uint64_t otherwise);

/* How often to sleep: @most, or a 200th of SHMRING_MESSAGES, which a slow guest sets. */
uint64_t nr_sleeps(uint64_t most);

#endif /* TEST_H */

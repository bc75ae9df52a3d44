/* SPDX-License-Identifier: MIT */
/* For tests of poll descriptors on the memfd backend: rings that poll, and the thread. */
#ifndef MEMFD_POLLED_H
#define MEMFD_POLLED_H

#include "memfd_rig.h"
#include "process.h"

#if defined(__SANITIZE_THREAD__)
#define FORKS_THREADS	false	/* its runtime ends a child that makes a thread after that */
#elif defined(__has_feature)
#define FORKS_THREADS	(!__has_feature(thread_sanitizer))
#else
#define FORKS_THREADS	true
#endif

/* A producer and a consumer of this process; the consumer polls, and is not ready. */
struct polled {
	struct shmring *p;
	struct shmring *c;
	int fd;
};

struct polled start_polling(void);
void stop_polling(struct polled *ends);
bool is_private(const struct polled *ends);

/* -EAGAIN: from now on the descriptor is for new data. */
void look_for_nothing(struct shmring *c);
bool gets_readable(int fd);

/* Of this process. A thread gets its name when it begins to run, and is listed for a moment after. */
unsigned int nr_instances(void);
bool has_thread(void);
void assert_readers(unsigned int n);

int exit_status(pid_t pid);

#endif /* MEMFD_POLLED_H */

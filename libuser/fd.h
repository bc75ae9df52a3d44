/* SPDX-License-Identifier: MIT */
/* Descriptors: where they lie, and sleeping until one is readable. */
#ifndef SHMRING_FD_H
#define SHMRING_FD_H

#include <stdint.h>
#include <time.h>

/* fd.c: copy @fd to a close-on-exec descriptor above 2. Returns it, or a negative errno. */
int shmring_dup_fd(int fd);

/* The same, but @fd itself if it is above 2; else @fd is closed. Returns a negative @fd as it is. */
int shmring_keep_fd(int fd);

/* await.c: nanoseconds as a timespec */
struct timespec shmring_timespec(uint64_t ns);

/* Sleep until @fd is readable (-1: no descriptor) or the time is @until, ns. */
int shmring_sleep_fd(int fd, uint64_t until);

#endif /* SHMRING_FD_H */

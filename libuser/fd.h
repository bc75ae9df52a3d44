/* SPDX-License-Identifier: MIT */
/* Descriptors: where they lie, and sleeping until one is readable. */
#ifndef SHMRING_FD_H
#define SHMRING_FD_H

#include <stdint.h>
#include <time.h>

/*
 * fd.c: a descriptor above 2, close-on-exec, or a negative errno. Of @fd a copy; or @fd
 * itself, moved if need be, where a negative errno passes through.
 */
int shmring_dup_fd(int fd);
int shmring_keep_fd(int fd);

/* await.c: until @until, ns, or (sleep_fd) @fd is readable; -1: no such descriptor */
struct timespec shmring_timespec(uint64_t ns);
int shmring_sleep_fd(int fd, uint64_t until);

#endif /* SHMRING_FD_H */

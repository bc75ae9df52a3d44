// SPDX-License-Identifier: MIT
/* Descriptors that the library keeps. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fd.h"

/*
 * Never below 3: in a program that has closed its standard descriptors, the next message
 * to descriptor 2 would overwrite the ring's header.
 */
int shmring_dup_fd(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	return copy < 0 ? -errno : copy;
}

int shmring_keep_fd(int fd)
{
	int copy;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	copy = shmring_dup_fd(fd);
	close(fd);
	return copy;
}

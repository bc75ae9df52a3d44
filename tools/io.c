// SPDX-License-Identifier: MIT
/*
 * Standard input and output. They may be non-blocking: other programs that have the same
 * files open choose that.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

FILE *out;
static char *printed;
static size_t printed_len;

/* After a call on @fd has failed: 0 if it is to be tried again, else the error. */
static int retry(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Bytes, 0 at the end, or an error. */
ssize_t read_some(char *buf, size_t size)
{
	ssize_t n;
	int ret = 0;

	while ((n = read(STDIN_FILENO, buf, size)) < 0 && !ret)
		ret = retry(STDIN_FILENO, POLLIN);
	return n < 0 ? ret : n;
}

int write_all(const char *buf, size_t len)
{
	ssize_t n;
	int ret;

	while (len) {
		n = write(STDOUT_FILENO, buf, len);
		ret = n < 0 ? retry(STDOUT_FILENO, POLLOUT) : 0;
		if (ret)
			return ret;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* @out is memory, written at the end: stdio drops what a non-blocking file does not take. */
int open_out(void)
{
	out = open_memstream(&printed, &printed_len);
	return out ? 0 : -ENOMEM;
}

int close_out(void)
{
	int ret = fclose(out) ? -ENOMEM : write_all(printed, printed_len);

	free(printed);
	return ret;
}

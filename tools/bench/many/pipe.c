// SPDX-License-Identifier: MIT
/* One pipe for all: each message is written at once, and the consumer reads many at once. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "many.h"

#define PIPE_BYTES	65536

/* A pipe, and what the consumer has read from it and not taken yet. */
struct queue {
	int fds[2];
	size_t at, nr;
	unsigned char bytes[PIPE_BYTES];
};

static int open_pipe(const struct many *m, void **queue)
{
	struct queue *q = calloc(1, sizeof(*q));

	(void)m;
	if (!q)
		return -ENOMEM;
	if (pipe(q->fds)) {
		free(q);
		return -errno;
	}
	fcntl(q->fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	*queue = q;
	return 0;
}

/* Up to PIPE_BUF bytes are written whole. */
static int put(void *end, const void *message, size_t size)
{
	const struct queue *q = end;

	return write(q->fds[1], message, size) == (ssize_t)size ? 0 : -errno;
}

/* Whole messages only: what is left of one is moved to the front. */
static int get(void *end, void *message, size_t size)
{
	struct queue *q = end;
	ssize_t ret;

	while (q->nr - q->at < size) {
		memmove(q->bytes, q->bytes + q->at, q->nr - q->at);
		q->nr -= q->at;
		q->at = 0;
		ret = read(q->fds[0], q->bytes + q->nr, sizeof(q->bytes) - q->nr);
		if (ret <= 0)
			return ret ? -errno : -EPIPE;
		q->nr += (size_t)ret;
	}
	memcpy(message, q->bytes + q->at, size);
	q->at += size;
	return 0;
}

static int produce(const struct many *m, void *queue)
{
	return many_start(m) ? many_produce(m, queue, put) : 0;
}

static int consume(const struct many *m, void *queue, struct count *count)
{
	return many_consume(m, queue, count, get);
}

static void close_pipe(void *queue)
{
	struct queue *q = queue;

	close(q->fds[0]);
	close(q->fds[1]);
	free(q);
}

const struct many_contender many_pipe[] = {
	{ "pipe", "one pipe for all", open_pipe, produce, consume, close_pipe },
	{ 0 },
};

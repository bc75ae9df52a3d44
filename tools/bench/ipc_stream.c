// SPDX-License-Identifier: MIT
/* Contenders: what the kernel copies: a pipe, and a stream socket pair. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

struct stream {
	int fd[2];		/* read from 0, write to 1 */
};

static void close_streams(void *channels)
{
	struct stream *s = channels;

	for (int i = 0; i < 4; i++)
		if (s[i / 2].fd[i % 2] >= 0)
			close(s[i / 2].fd[i % 2]);
	free(s);
}

static int open_stream(struct stream *s, bool socket)
{
	return (socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, s->fd) : pipe(s->fd)) ? -errno : 0;
}

static int open_streams(const struct contender *c, size_t size, void **channels)
{
	struct stream *s = malloc(2 * sizeof(*s));
	int ret;

	(void)size;
	if (!s)
		return -ENOMEM;
	s[0] = s[1] = (struct stream){ { -1, -1 } };
	ret = open_stream(&s[0], c->option);
	if (!ret)
		ret = open_stream(&s[1], c->option);
	if (ret)
		close_streams(s);
	else
		*channels = s;
	return ret;
}

static int attach_streams(const struct contender *c, void *channels, struct bench *b)
{
	struct stream *s = channels;

	(void)c;
	b->tx = &s[b->side];
	b->rx = &s[!b->side];
	/* Or nobody would see the other side's end of file. */
	close(s[b->side].fd[0]);
	close(s[!b->side].fd[1]);
	return 0;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	const struct stream *s = b->tx;
	size_t done = 0;
	ssize_t n;

	fill_message(b->buf, b->size, seq);
	while (done < b->size) {
		n = write(s->fd[1], b->buf + done, b->size - done);
		b->syscalls++;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	const struct stream *s = b->rx;
	size_t done = 0;
	ssize_t n;

	while (done < b->size) {
		n = read(s->fd[0], b->buf + done, b->size - done);
		b->syscalls++;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -EPIPE;
		if (n > 0)
			done += (size_t)n;
	}
	return check_message(b->buf, b->size, seq);
}

static int run(struct bench *b, struct result *res)
{
	return run_loops(b, res, put, get);
}

const struct contender pipe_stream = {
	"pipe", "write(2) and read(2), one message each",
	open_streams, attach_streams, run, close_streams, false,
};

const struct contender socket_stream = {
	"socketpair", "AF_UNIX SOCK_STREAM, one message a call",
	open_streams, attach_streams, run, close_streams, true,
};

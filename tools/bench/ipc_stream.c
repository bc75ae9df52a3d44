// SPDX-License-Identifier: MIT
/*
 * Contenders: what the kernel copies in and out: pipe, FIFO, the three kinds of
 * AF_UNIX sockets, TCP on the loopback interface. One message a call.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loops.h"

enum kind { PIPE, FIFO, UNIX_STREAM, UNIX_DGRAM, UNIX_SEQPACKET, TCP };

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

/* Above the user's limit the kernel refuses, or sets the limit. */
static void set_buffers(const int fd[2], size_t capacity)
{
	int bytes = (int)capacity;

	for (int i = 0; i < 2; i++) {
		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		if (setsockopt(fd[i], SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
			setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	}
}

static int open_socketpair(struct stream *s, int type, size_t capacity)
{
	if (socketpair(AF_UNIX, type, 0, s->fd))
		return -errno;
	set_buffers(s->fd, capacity);
	return 0;
}

/* Only root may exceed /proc/sys/fs/pipe-max-size: other users get the largest size allowed. */
static int set_pipe_size(struct stream *s, size_t capacity)
{
	while (fcntl(s->fd[1], F_SETPIPE_SZ, (int)capacity) < 0) {
		capacity /= 2;
		if (capacity < 4096)
			return -errno;
	}
	return 0;
}

static int open_pipe(struct stream *s, size_t capacity)
{
	return pipe(s->fd) ? -errno : set_pipe_size(s, capacity);
}

static int open_fifo(struct stream *s, size_t capacity)
{
	const char *tmp = getenv("TMPDIR");
	char path[256];
	int ret = 0;

	snprintf(path, sizeof(path), "%s/bench-fifo-%d", tmp ? tmp : "/tmp", (int)getpid());
	if (mkfifo(path, 0600))
		return -errno;
	/* A reader that does not wait for a writer. */
	s->fd[0] = open(path, O_RDONLY | O_NONBLOCK);
	s->fd[1] = open(path, O_WRONLY);
	if (s->fd[0] < 0 || s->fd[1] < 0 || fcntl(s->fd[0], F_SETFL, 0))
		ret = -errno;
	unlink(path);
	return ret ? ret : set_pipe_size(s, capacity);
}

static int connect_tcp(struct stream *s, int listener, size_t capacity)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd[1] < 0 || bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(s->fd[1], (struct sockaddr *)&addr, len))
		return -errno;
	s->fd[0] = accept(listener, NULL, NULL);
	if (s->fd[0] < 0 ||
	    setsockopt(s->fd[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	set_buffers(s->fd, capacity);
	return 0;
}

static int open_tcp(struct stream *s, size_t capacity)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), ret;

	if (listener < 0)
		return -EOPNOTSUPP;
	ret = connect_tcp(s, listener, capacity);
	close(listener);
	/* A guest's loopback interface may be down. */
	return ret == -ENETUNREACH || ret == -EADDRNOTAVAIL ? -EOPNOTSUPP : ret;
}

static int open_stream(struct stream *s, enum kind kind, size_t capacity)
{
	switch (kind) {
	case PIPE:
		return open_pipe(s, capacity);
	case FIFO:
		return open_fifo(s, capacity);
	case UNIX_STREAM:
		return open_socketpair(s, SOCK_STREAM, capacity);
	case UNIX_DGRAM:
		return open_socketpair(s, SOCK_DGRAM, capacity);
	case UNIX_SEQPACKET:
		return open_socketpair(s, SOCK_SEQPACKET, capacity);
	default:
		return open_tcp(s, capacity);
	}
}

static int open_streams(const struct contender *c, const struct bench *b, void **channels)
{
	struct stream *s = malloc(2 * sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s[0] = s[1] = (struct stream){ { -1, -1 } };
	ret = open_stream(&s[0], (enum kind)c->option, b->capacity);
	if (!ret)
		ret = open_stream(&s[1], (enum kind)c->option, b->capacity);
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
	/* This side's copy would keep the channel open after the other side has closed it. */
	close(s[b->side].fd[0]);
	close(s[!b->side].fd[1]);
	return 0;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	const struct stream *s = b->tx;
	size_t done = 0;
	ssize_t n;

	fill_message(b, b->buf, seq);
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
	return check_message(b, b->buf, seq);
}

static int run(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put, get, no_flush);
}

#define CONTENDER(NAME, KIND, ABOUT) \
	{ NAME, FAMILY_IPC, WAIT_KERNEL, API_COPY, ABOUT, open_streams, attach_streams, run, \
	  close_streams, KIND }

const struct contender stream_contenders[] = {
	CONTENDER("pipe", PIPE, "write(2) and read(2), one message each"),
	CONTENDER("fifo", FIFO, "the same, by a name"),
	CONTENDER("unix-stream", UNIX_STREAM, "socketpair(2), one message a call"),
	CONTENDER("unix-dgram", UNIX_DGRAM, "the same, datagrams; few at once (max_dgram_qlen)"),
	CONTENDER("unix-seqpacket", UNIX_SEQPACKET, "the same, records in order"),
	CONTENDER("tcp", TCP, "the loopback interface, no delay"),
	{ 0 }
};

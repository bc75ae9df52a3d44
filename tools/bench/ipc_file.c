// SPDX-License-Identifier: MIT
/*
 * Contender: a file, with write and read: the textbook's buffer again, in and
 * out at the front of the file. There is nothing to sleep on.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "loops.h"

#define IN	0	/* where in the file these counters are */
#define OUT	64
#define DATA	4096

struct files {
	int fd[2];
};

struct end {
	int fd;
	uint64_t pos, limit, nr;
};

static void close_files(void *channels)
{
	struct files *f = channels;

	for (int i = 0; i < 2; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	free(f);
}

static int open_file(size_t capacity)
{
	const char *tmp = getenv("TMPDIR");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/bench-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (!ftruncate(fd, (off_t)(DATA + capacity)))
		return fd;
	close(fd);
	return -ENOSPC;
}

static int open_files(const struct contender *c, const struct bench *b, void **channels)
{
	struct files *f = malloc(sizeof(*f));
	int ret = 0;

	(void)c;
	if (!f)
		return -ENOMEM;
	f->fd[1] = -1;
	for (int i = 0; i < 2 && ret >= 0; i++)
		f->fd[i] = ret = open_file(b->capacity);
	if (ret < 0) {
		close_files(f);
		return ret;
	}
	*channels = f;
	return 0;
}

static int attach_files(const struct contender *c, void *channels, struct bench *b)
{
	const struct files *f = channels;
	struct end *end = calloc(2, sizeof(*end));

	(void)c;
	if (!end)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		end[i].fd = f->fd[i ? !b->side : b->side];
		end[i].nr = b->capacity / b->size;
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

static int read_at(struct bench *b, int fd, void *buf, size_t size, uint64_t at)
{
	b->syscalls++;
	return pread(fd, buf, size, (off_t)at) == (ssize_t)size ? 0 : -EIO;
}

static int write_at(struct bench *b, int fd, const void *buf, size_t size, uint64_t at)
{
	b->syscalls++;
	return pwrite(fd, buf, size, (off_t)at) == (ssize_t)size ? 0 : -EIO;
}

/* Until the counter at @at has another value than this one. */
static int wait_while(struct bench *b, struct end *e, uint64_t at, uint64_t value)
{
	int ret;

	do {
		ret = read_at(b, e->fd, &e->limit, sizeof(e->limit), at);
	} while (!ret && e->limit == value);
	return ret;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	struct end *e = b->tx;
	int ret = 0;

	fill_message(b, b->buf, seq);
	if (e->pos == e->limit + e->nr)
		ret = wait_while(b, e, OUT, e->pos - e->nr);
	if (!ret)
		ret = write_at(b, e->fd, b->buf, b->size, DATA + e->pos % e->nr * b->size);
	e->pos++;
	return ret ? ret : write_at(b, e->fd, &e->pos, sizeof(e->pos), IN);
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct end *e = b->rx;
	int ret = 0;

	if (e->pos == e->limit)
		ret = wait_while(b, e, IN, e->pos);
	if (!ret)
		ret = read_at(b, e->fd, b->buf, b->size, DATA + e->pos % e->nr * b->size);
	e->pos++;
	if (!ret)
		ret = write_at(b, e->fd, &e->pos, sizeof(e->pos), OUT);
	return ret ? ret : check_message(b, b->buf, seq);
}

static int run(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put, get, no_flush);
}

const struct contender file_contenders[] = {
	{ "file", FAMILY_IPC, WAIT_BUSY, API_COPY,
	  "pwrite(2) and pread(2) on a file, with the counters in it",
	  open_files, attach_files, run, close_files, 0 },
	{ 0 }
};

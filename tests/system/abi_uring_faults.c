// SPDX-License-Identifier: MIT
/*
 * Every allocation and every copy of the io_uring commands fails once: see faults.h. Among them
 * are the allocations of io_uring itself.
 */
#include "faults.h"

#include <liburing.h>

#define PENDING	1	/* no error, and no completion yet */

static struct endpoint p, c;
static struct io_uring uring;

static void open_uring(const struct scene *s)
{
	(void)s;
	CHECK_EQ(io_uring_queue_init(4, &uring, 0), 0);
}

static void close_uring(const struct scene *s)
{
	(void)s;
	io_uring_queue_exit(&uring);
}

/* addr3 and the word after it are the command's argument. */
static void prepare(unsigned int op, int fd, uint64_t bytes)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);

	CHECK(sqe);
	io_uring_prep_nop(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	memcpy(&sqe->addr3, &bytes, sizeof(bytes));
}

/* An entry that was not submitted last time is still in the queue. */
static int run(unsigned int op, int fd, uint64_t bytes)
{
	struct io_uring_cqe *cqe;
	int ret;

	if (!io_uring_sq_ready(&uring))
		prepare(op, fd, bytes);
	ret = io_uring_submit(&uring);
	if (ret < 0)
		return ret == -EAGAIN ? -ENOMEM : ret;	/* EAGAIN: an allocation failed */
	CHECK_EQ(ret, 1);
	if (io_uring_peek_cqe(&uring, &cqe))
		return PENDING;
	ret = cqe->res;
	io_uring_cqe_seen(&uring, cqe);
	return ret;
}

static int fd_of(const struct scene *s)
{
	return s->role == PRODUCER ? p.fd : c.fd;
}

static int call_wait(const struct scene *s)
{
	return s->role == PRODUCER ?
	       run(SHMRING_URING_WAIT_SPACE, fd_of(s),
		   p.producer->head + (uint64_t)s->arg - page_size()) :
	       run(SHMRING_URING_WAIT_DATA, fd_of(s), c.consumer->tail + (uint64_t)s->arg);
}

static int call_cancel(const struct scene *s)
{
	int ret = run(SHMRING_URING_CANCEL, fd_of(s), 0);

	CHECK(ret != PENDING);
	return ret;
}

static void undo_wait(const struct scene *s, int ret)
{
	struct io_uring_cqe *cqe;

	if (ret != PENDING)
		return;
	call_cancel(s);
	/* Of two completions, the cancel's and the wait's, call_cancel() has taken one. */
	CHECK_EQ(io_uring_wait_cqe(&uring, &cqe), 0);
	EXPECT(cqe->res == 0 || cqe->res == -ECANCELED);
	io_uring_cqe_seen(&uring, cqe);
}

#define COMMAND(what, fn, ...) \
	{ .name = what, .prepare = open_uring, .call = fn, .clean = close_uring, ##__VA_ARGS__ }

static const struct scene scenes[] = {
	COMMAND("URING_WAIT_DATA, there", call_wait, .role = CONSUMER, .arg = 8),
	COMMAND("URING_WAIT_DATA, not there", call_wait, .role = CONSUMER, .arg = 16,
		.works = PENDING, .undo = undo_wait),
	COMMAND("URING_WAIT_SPACE, there", call_wait, .role = PRODUCER, .arg = 8),
	COMMAND("URING_WAIT_SPACE, not there", call_wait, .role = PRODUCER, .arg = 4096,
		.works = PENDING, .undo = undo_wait),
	COMMAND("URING_CANCEL", call_cancel, .role = CONSUMER),
};

static int play_all(void *arg)
{
	int ring = make_ring(4096);

	(void)arg;
	p = endpoint(ring, PRODUCER);
	c = endpoint(ring, CONSUMER);
	move(&p, 8);
	play_scenes(scenes, ARRAY_SIZE(scenes), ring);
	return TEST_PASS;
}

/* Linux before 6.10 has none of these commands; no such kernel here has fault injection. */
int main(void)
{
	control();
	need_faults();
	EXPECT_EQ(in_child(play_all, NULL), TEST_PASS);
	return finish();
}

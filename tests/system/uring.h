/* SPDX-License-Identifier: MIT */
/* An io_uring for a test: its calls must work, or the program is skipped. */
#ifndef URING_H
#define URING_H

#include <shmring_uring.h>

#include "lib.h"

/* Skip the program where there is no io_uring, or where this user may not use it. */
static inline void need_uring(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(8, &ring, 0);

	if (ret == -ENOSYS || ret == -EPERM || ret == -EACCES)
		skip("io_uring: %s", strerror(-ret));
	CHECK_EQ(ret, 0);
	io_uring_queue_exit(&ring);
}

static inline struct io_uring *open_uring(unsigned int flags)
{
	struct io_uring *ring = calloc(1, sizeof(*ring));

	CHECK(ring);
	CHECK_EQ(io_uring_queue_init(8, ring, flags), 0);
	return ring;
}

static inline void close_uring(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
	free(ring);
}

static inline struct io_uring_sqe *next_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	CHECK(sqe);
	return sqe;
}

static inline void submit(struct io_uring *ring)
{
	int ret;

	do {
		ret = io_uring_submit(ring);
	} while (ret == -EINTR || ret == -EAGAIN);
	CHECK(ret >= 0);
}

/* The next completion, which must come: its result, and its entry. */
static inline int next_result(struct io_uring *ring, uint64_t *whose)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_S };
	struct io_uring_cqe *cqe;
	int ret;

	do {
		ret = io_uring_wait_cqe_timeout(ring, &cqe, &patience);
	} while (ret == -EINTR);
	CHECK_EQ(ret, 0);
	if (whose)
		*whose = cqe->user_data;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

/* Has no entry completed for a while? */
static inline bool is_pending(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int i;

	for (i = 0; i < 20; i++) {
		nap();
		if (io_uring_peek_cqe(ring, &cqe) != -EAGAIN)
			return false;
	}
	return true;
}

#endif /* URING_H */

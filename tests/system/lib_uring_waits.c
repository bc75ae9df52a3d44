// SPDX-License-Identifier: MIT
/*
 * Every way to wait through io_uring: poll, multishot poll, and the helpers of
 * shmring_uring.h, which use commands where the kernel has them. As lib_waits.c, but
 * some waits are cancelled.
 */
#include "uring.h"
#include "waits.h"

enum { WAIT = 1, CANCEL };

#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN	(1U << 13)
#endif
#define DEFERRED	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

struct own {
	struct io_uring *ring;
	bool pending;		/* a wait is under way */
	bool multishot;
	void (*prepare)(struct io_uring_sqe *sqe, struct waiter *w);
	void (*cancel)(struct io_uring_sqe *sqe, struct waiter *w);
};

static void begin(struct waiter *w, unsigned int flags, bool multishot,
		  void (*prepare)(struct io_uring_sqe *sqe, struct waiter *w),
		  void (*cancel)(struct io_uring_sqe *sqe, struct waiter *w))
{
	struct own *own = calloc(1, sizeof(*own));

	CHECK(own);
	*own = (struct own){ open_uring(flags), false, multishot, prepare, cancel };
	w->own = own;
}

static void end(struct waiter *w)
{
	struct own *own = w->own;

	close_uring(own->ring);
	free(own);
}

/* Take all completions that are there. Returns whether one was the wait's. */
static bool reap(struct waiter *w)
{
	struct own *own = w->own;
	struct io_uring_cqe *cqe;
	bool told = false;

	while (!io_uring_peek_cqe(own->ring, &cqe)) {
		if (cqe->user_data == WAIT) {
			int ret = shmring_cqe_result(cqe);

			told = true;
			CHECK(ret == 0 || ret == -ECANCELED || ret == -ENODATA || ret == -EPIPE);
			/*
			 * A multishot poll goes on, so the other side wakes it once for each
			 * message.
			 */
			w->waits += own->multishot;
			if (!(cqe->flags & IORING_CQE_F_MORE))
				own->pending = false;
		}
		io_uring_cqe_seen(own->ring, cqe);
	}
	return told;
}

static void wait_uring(struct waiter *w, uint64_t timeout)
{
	struct own *own = w->own;
	struct __kernel_timespec ts = { .tv_sec = 0, .tv_nsec = (long long)timeout };
	struct io_uring_cqe *cqe;
	int ret;

	if (!own->pending) {
		struct io_uring_sqe *sqe = next_sqe(own->ring);

		own->prepare(sqe, w);
		io_uring_sqe_set_data64(sqe, WAIT);
		own->pending = true;
		w->waits++;
	}
	if (random_u64(&w->seed) % 8 == 0) {
		struct io_uring_sqe *sqe = next_sqe(own->ring);

		own->cancel(sqe, w);
		io_uring_sqe_set_data64(sqe, CANCEL);
	}
	submit(own->ring);
	do {
		if (timeout)
			ret = io_uring_wait_cqe_timeout(own->ring, &cqe, &ts);
		else
			ret = io_uring_wait_cqe(own->ring, &cqe);
		CHECK(ret == 0 || ret == -EINTR || (timeout && ret == -ETIME));
	} while (!reap(w) && !timeout);
}

static void prepare_poll(struct io_uring_sqe *sqe, struct waiter *w)
{
	io_uring_prep_poll_add(sqe, shmring_poll_fd(w->r), POLLIN | POLLOUT);
}

static void prepare_multishot(struct io_uring_sqe *sqe, struct waiter *w)
{
	CHECK_EQ(shmring_prep_poll_multishot(sqe, w->r), 0);
}

static void prepare_helper(struct io_uring_sqe *sqe, struct waiter *w)
{
	int ret = w->r->role == SHMRING_PRODUCER ? shmring_prep_wait_space(sqe, w->r, w->len) :
						   shmring_prep_wait_data(sqe, w->r, 0);

	CHECK_EQ(ret, 0);
}

static void cancel_poll(struct io_uring_sqe *sqe, struct waiter *w)
{
	(void)w;
	io_uring_prep_cancel64(sqe, WAIT, 0);
}

static void cancel_helper(struct io_uring_sqe *sqe, struct waiter *w)
{
	shmring_prep_cancel(sqe, w->r);
}

static void begin_poll(struct waiter *w) { begin(w, 0, false, prepare_poll, cancel_poll); }
static void begin_poll_deferred(struct waiter *w)
{
	begin(w, DEFERRED, false, prepare_poll, cancel_poll);
}

static void begin_multishot(struct waiter *w)
{
	begin(w, 0, true, prepare_multishot, cancel_poll);
}

static void begin_multishot_deferred(struct waiter *w)
{
	begin(w, DEFERRED, true, prepare_multishot, cancel_poll);
}

static void begin_helper(struct waiter *w) { begin(w, 0, false, prepare_helper, cancel_helper); }
static void begin_helper_deferred(struct waiter *w)
{
	begin(w, DEFERRED, false, prepare_helper, cancel_helper);
}

static const struct way ways[] = {
	{ .name = "io_uring poll", .begin = begin_poll, .wait = wait_uring, .end = end },
	{ .name = "io_uring poll, deferred", .begin = begin_poll_deferred, .wait = wait_uring,
	  .end = end },
	{ .name = "io_uring multishot", .edges = true, .begin = begin_multishot,
	  .wait = wait_uring, .end = end },
	{ .name = "io_uring multishot, deferred", .edges = true,
	  .begin = begin_multishot_deferred, .wait = wait_uring, .end = end },
	{ .name = "io_uring multishot, deferred, for one who wants all", .edges = true,
	  .greedy = true, .begin = begin_multishot_deferred, .wait = wait_uring, .end = end },
	{ .name = "io_uring helpers", .begin = begin_helper, .wait = wait_uring, .end = end },
	{ .name = "io_uring helpers, deferred", .begin = begin_helper_deferred,
	  .wait = wait_uring, .end = end },
};

int main(void)
{
	struct shmring *r;
	size_t i;

	need_backend();
	need_uring();
	r = make(WAITS_CAPACITY, 0, SHMRING_CONSUMER);
	printf("the helpers' waits are %s\n", shmring_uring_native(r) ? "commands" : "polls");
	shmring_close(r);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!ways[i].greedy)
			test_way(&ways[i], SHMRING_CONSUMER);
		test_way(&ways[i], SHMRING_PRODUCER);
	}
	return finish();
}

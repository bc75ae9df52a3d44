/* SPDX-License-Identifier: MIT */
/*
 * Waiting for rings of shmring through io_uring. Needs liburing; libshmring itself
 * does not, and everything here is inline. With -std=c11 the header of liburing 2.9
 * and newer wants _GNU_SOURCE.
 *
 * A call prepares a submission queue entry. When the entry completes, it is time to
 * look: take messages until shmring_peek() finds none, or fill the ring until
 * shmring_reserve() finds no space, then wait again. An entry may complete although
 * there is nothing: only the look decides.
 *
 * With the module and Linux 6.10 or newer a wait is a command of io_uring. Elsewhere it
 * is a poll of shmring_poll_fd(), which waits for the same, or for the bytes of
 * shmring_set_lowat() if those are more.
 *
 * As for all of struct shmring, one thread at a time; the submission queue's rules
 * are liburing's. Not for an io_uring with IORING_SETUP_IOPOLL, which neither polls
 * nor takes these commands.
 */
#ifndef SHMRING_URING_H
#define SHMRING_URING_H

#include <liburing.h>
#include <poll.h>
#include <string.h>

#include <shmring.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Does the kernel have commands for this file? Then a wrong command gives ENOTTY. */
static inline int __shmring_uring_probe(int fd)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret = -EAGAIN;

	if (io_uring_queue_init(1, &ring, 0))
		return 0;	/* not now; ask again */
	sqe = io_uring_get_sqe(&ring);
	if (sqe) {
		io_uring_prep_nop(sqe);
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = fd;
	}
	if (io_uring_submit(&ring) == 1 && !io_uring_wait_cqe(&ring, &cqe))
		ret = cqe->res;
	io_uring_queue_exit(&ring);
	if (ret == -EAGAIN || ret == -EINTR || ret == -ENOMEM)
		return 0;
	return ret == -ENOTTY ? 1 : -1;
}

/*
 * Are this endpoint's waits commands of io_uring? Asks the kernel once, through an
 * io_uring of its own. Any thread.
 *
 * Returns 1: yes; 0: no, they are polls.
 */
static inline int shmring_uring_native(const struct shmring *r)
{
	static int known;	/* 0: not yet; 1: yes; -1: no */
	int native = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (*shmring_backend_name(r) != 'k')
		return 0;
	if (!native) {
		native = __shmring_uring_probe(shmring_fd(r));
		__atomic_store_n(&known, native, __ATOMIC_RELAXED);
	}
	return native > 0;
}

/* A command that waits for a position of the other side. */
static inline void __shmring_prep_command(struct io_uring_sqe *sqe, const struct shmring *r,
					  unsigned int op, uint64_t position)
{
	uint64_t words[2] = { position, 0 };	/* struct shmring_uring_wait */

	io_uring_prep_nop(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = shmring_fd(r);
	sqe->cmd_op = op;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, addr3), words, sizeof(words));
}

/*
 * The call that arms the poll descriptor has returned @ret. Unless that is -EAGAIN,
 * there is something to see: complete at once.
 */
static inline int __shmring_prep_poll(struct io_uring_sqe *sqe, int fd, int ret)
{
	if (ret == -EAGAIN)
		io_uring_prep_poll_add(sqe, fd, POLLIN | POLLOUT);
	else
		io_uring_prep_nop(sqe);
	return ret == -EBADF || ret == -EINVAL || ret == -EMSGSIZE ? ret : 0;
}

/*
 * Consumer: wait until there are @bytes of data (0: any), or until there is some data and
 * the producer waits for space or is gone. The completion's shmring_cqe_result() is 0: look;
 * or the error that shmring_wait_data() would return. A consumer that finds nothing, and has
 * advanced past messages without a release, must release before it waits again: with the
 * module the next wait may otherwise complete at once, too.
 *
 * Returns 0 or
 *   -EBADF	not a consumer
 *   -EINVAL	bytes above the capacity
 *   -EMFILE, -ENFILE, -ENOMEM	no descriptor to poll, as shmring_poll_fd()
 * After an error the entry is there all the same, and completes at once.
 */
static inline int shmring_prep_wait_data(struct io_uring_sqe *sqe, struct shmring *r, size_t bytes)
{
	struct shmring_wait w = SHMRING_WAIT_INIT;
	uint64_t most;
	int fd;

	io_uring_prep_nop(sqe);
	if (r->role != SHMRING_CONSUMER)
		return -EBADF;
	if (bytes > r->capacity)
		return -EINVAL;
	if (!bytes)
		bytes = 1;
	if (shmring_uring_native(r)) {
		/* At most what can be there: the slots may not fill the capacity. */
		most = r->span - r->c.held;
		if (bytes > most)
			bytes = (size_t)most;
		__shmring_prep_command(sqe, r, SHMRING_URING_WAIT_DATA, r->c.tail + bytes);
		return 0;
	}
	fd = shmring_poll_fd(r);
	if (fd < 0)
		return fd;
	w.min_bytes = bytes;
	w.flags = SHMRING_NOWAIT;
	return __shmring_prep_poll(sqe, fd, shmring_wait_data(r, &w));
}

/*
 * Producer: wait until there is space for a message of @len bytes. Publishes what is
 * staged. The completion's shmring_cqe_result() is 0: look; or the error that
 * shmring_wait_space() would return.
 *
 * Returns 0 or
 *   -EBADF	not a producer
 *   -EMSGSIZE	no message of this size fits
 *   -EMFILE, -ENFILE, -ENOMEM	no descriptor to poll, as shmring_poll_fd()
 * After an error the entry is there all the same, and completes at once.
 */
static inline int shmring_prep_wait_space(struct io_uring_sqe *sqe, struct shmring *r, size_t len)
{
	uint64_t need = __shmring_footprint(r, len);
	struct shmring_wait w = SHMRING_WAIT_INIT;
	int fd;

	io_uring_prep_nop(sqe);
	if (r->role != SHMRING_PRODUCER)
		return -EBADF;
	if (!__shmring_is_length(r, len) || need > r->span)
		return -EMSGSIZE;
	if (shmring_uring_native(r)) {
		uint64_t tail = r->p.head + need - r->span;

		shmring_publish(r);
		/* As shmring_wait_space() does; (D) in the kernel orders it. */
		__atomic_store_n(&r->producer->space_wanted, tail, __ATOMIC_RELEASE);
		__shmring_prep_command(sqe, r, SHMRING_URING_WAIT_SPACE, tail);
		return 0;
	}
	fd = shmring_poll_fd(r);
	if (fd < 0)
		return fd;
	w.flags = SHMRING_NOWAIT;
	return __shmring_prep_poll(sqe, fd, shmring_wait_space(r, len, &w));
}

/*
 * A poll that goes on: a completion each time that there is something new, with
 * IORING_CQE_F_MORE while more will come. Before this call, and after each completion, take
 * or fill until the ring's call with SHMRING_NOWAIT has returned -EAGAIN.
 *
 * Without IORING_SETUP_DEFER_TASKRUN the kernel interrupts the program for each
 * completion, and the other side makes a system call for each.
 *
 * Returns 0, or as shmring_poll_fd(); then the entry completes at once.
 */
static inline int shmring_prep_poll_multishot(struct io_uring_sqe *sqe, struct shmring *r)
{
	int fd = shmring_poll_fd(r);

	io_uring_prep_nop(sqe);
	if (fd < 0)
		return fd;
	io_uring_prep_poll_multishot(sqe, fd, POLLIN | POLLOUT);
	return 0;
}

/*
 * End the waits of this endpoint that are under way: they complete with -ECANCELED,
 * or 0 if there was something to see. io_uring_prep_cancel() and linked timeouts do
 * not reach waits that are commands. For a deadline, link this entry to a timeout
 * (IORING_TIMEOUT_ETIME_SUCCESS).
 *
 * The result of this entry itself has no meaning.
 */
static inline void shmring_prep_cancel(struct io_uring_sqe *sqe, struct shmring *r)
{
	if (shmring_uring_native(r))
		__shmring_prep_command(sqe, r, SHMRING_URING_CANCEL, 0);
	else
		io_uring_prep_cancel_fd(sqe, shmring_poll_fd(r), IORING_ASYNC_CANCEL_ALL);
}

/*
 * The result of a completion of any of these.
 *
 * Returns 0: look; or
 *   -ECANCELED	shmring_prep_cancel(), or the program ends
 *   -ENODATA, -EPIPE	as the ring's own calls return them
 *   -ESHUTDOWN	the endpoint was closed
 *   -ENOMEM	no memory to wait with: wait some other way
 */
static inline int shmring_cqe_result(const struct io_uring_cqe *cqe)
{
	return cqe->res > 0 ? 0 : cqe->res;
}

#ifdef __cplusplus
}
#endif

#endif /* SHMRING_URING_H */

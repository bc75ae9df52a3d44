// SPDX-License-Identifier: MIT
/*
 * The waits as commands of io_uring: their results, when they complete, and their errors;
 * or, on a kernel without such commands, that they are refused.
 */
#include "uring.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static struct io_uring *ring;

/* Run one command that ends at once. */
static int command(struct io_uring_sqe *sqe)
{
	uint64_t whose;
	int ret;

	io_uring_sqe_set_data64(sqe, 7);
	submit(ring);
	ret = next_result(ring, &whose);

	CHECK_EQ(whose, 7);
	return ret;
}

/* Prepare a wait for @bytes beyond this side's position. */
static struct io_uring_sqe *prepare(const struct shmring *r, unsigned int op, uint64_t bytes)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	__shmring_prep_command(sqe, r, op, op == SHMRING_URING_WAIT_SPACE ?
			       r->p.head + bytes - r->span : r->c.tail + bytes);
	return sqe;
}

static int run(const struct shmring *r, unsigned int op, uint64_t bytes)
{
	return command(prepare(r, op, bytes));
}

static void begin(const struct shmring *r, unsigned int op, uint64_t bytes)
{
	io_uring_sqe_set_data64(prepare(r, op, bytes), 8);
	submit(ring);
}

static void set_reserved(struct io_uring_sqe *sqe, uint64_t value)
{
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, addr3) + sizeof(uint64_t), &value,
	       sizeof(value));
}

static void test_refused(void)
{
	struct shmring *handle = make(page_size(), 0, SHMRING_HANDLE);
	struct shmring *c = attach(handle, SHMRING_CONSUMER);
	struct shmring *p = attach(handle, SHMRING_PRODUCER);
	const uint64_t over = page_size() + 1;
	struct io_uring_sqe *sqe;

	EXPECT_EQ(run(c, SHMRING_URING_WAIT_DATA, over), -EINVAL);
	EXPECT_EQ(run(c, SHMRING_URING_WAIT_DATA, INT64_MAX), -EINVAL);
	EXPECT_EQ(run(p, SHMRING_URING_WAIT_SPACE, over), -EINVAL);
	EXPECT_EQ(run(p, SHMRING_URING_WAIT_SPACE, INT64_MAX), -EINVAL);
	/* A position that has been reached: there is nothing to wait for. */
	EXPECT_EQ(run(c, SHMRING_URING_WAIT_DATA, 0), 0);
	EXPECT_EQ(run(c, SHMRING_URING_WAIT_DATA, -8ull), 0);
	EXPECT_EQ(run(p, SHMRING_URING_WAIT_SPACE, 0), 0);
	EXPECT_EQ(run(p, SHMRING_URING_WAIT_DATA, 1), -ENOTTY);
	EXPECT_EQ(run(c, SHMRING_URING_WAIT_SPACE, 1), -ENOTTY);
	EXPECT_EQ(run(handle, SHMRING_URING_WAIT_DATA, 1), -ENOTTY);
	EXPECT_EQ(run(handle, SHMRING_URING_WAIT_SPACE, 1), -ENOTTY);
	EXPECT_EQ(run(handle, SHMRING_URING_CANCEL, 0), -ENOTTY);
	EXPECT_EQ(run(c, 0, 1), -ENOTTY);
	EXPECT_EQ(run(c, ~0u, 1), -ENOTTY);
	EXPECT_EQ(run(c, SHMRING_IOC_WAIT_DATA, 1), -ENOTTY);
	EXPECT_EQ(run(c, SHMRING_IOC_WAKE, 1), -ENOTTY);

	sqe = prepare(c, SHMRING_URING_WAIT_DATA, 1);
	sqe->addr = 1;
	EXPECT_EQ(command(sqe), -EINVAL);
	sqe = prepare(c, SHMRING_URING_WAIT_DATA, 1);
	sqe->len = 1;
	EXPECT_EQ(command(sqe), -EINVAL);
	sqe = prepare(c, SHMRING_URING_WAIT_DATA, 1);
	set_reserved(sqe, 1);
	EXPECT_EQ(command(sqe), -EINVAL);
	sqe = prepare(c, SHMRING_URING_WAIT_DATA, 1);
	sqe->rw_flags = 1;	/* uring_cmd_flags: a registered buffer */
	EXPECT(command(sqe) < 0);
	EXPECT_EQ(run(c, SHMRING_URING_CANCEL, 0), 0);
	shmring_close(c);
	shmring_close(p);
	shmring_close(handle);
}

static void test_data(void)
{
	struct pair pair = make_pair(page_size(), 0);

	send_number(pair.p, 1);
	EXPECT_EQ(run(pair.c, SHMRING_URING_WAIT_DATA, 1), 0);
	EXPECT_EQ(run(pair.c, SHMRING_URING_WAIT_DATA, 16), 0);
	begin(pair.c, SHMRING_URING_WAIT_DATA, 48);
	EXPECT(is_pending(ring));
	send_number(pair.p, 2);
	EXPECT(is_pending(ring));
	send_number(pair.p, 3);
	EXPECT_EQ(next_result(ring, NULL), 0);
	begin(pair.c, SHMRING_URING_WAIT_DATA, page_size());
	EXPECT(is_pending(ring));
	/* A producer that waited for space would wait for ever, as the consumer takes nothing. */
	while (send_now(pair.p) > 0)
		;
	EXPECT_EQ(next_result(ring, NULL), 0);
	while (receive_now(pair.c) > 0)
		;
	begin(pair.c, SHMRING_URING_WAIT_DATA, 1);
	EXPECT(is_pending(ring));
	shmring_close(pair.p);
	EXPECT_EQ(next_result(ring, NULL), -ENODATA);
	EXPECT_EQ(run(pair.c, SHMRING_URING_WAIT_DATA, 1), -ENODATA);
	shmring_close(pair.c);
}

/* A wait for more than can come while messages are held ends when no more can come. */
static void test_data_while_some_is_held(void)
{
	struct pair pair = make_pair(page_size(), 0);
	size_t len;

	send_number(pair.p, 1);
	CHECK(shmring_peek(pair.c, &len));
	CHECK_EQ(shmring_advance(pair.c), 0);
	CHECK_EQ(shmring_prep_wait_data(next_sqe(ring), pair.c, page_size()), 0);
	submit(ring);
	EXPECT(is_pending(ring));
	while (send_now(pair.p) > 0)
		;
	EXPECT_EQ(next_result(ring, NULL), 0);
	close_pair(&pair);
}

/* There can be as many waits as a wake-up may walk at once, and no more. */
static void test_limit(void)
{
	struct pair pair = make_pair(page_size(), 0);
	int i;

	for (i = 0; i < SHMRING_URING_WAITS_MAX; i++)
		begin(pair.c, SHMRING_URING_WAIT_DATA, 1);
	EXPECT_EQ(run(pair.c, SHMRING_URING_WAIT_DATA, 1), -EBUSY);
	send_number(pair.p, 1);
	for (i = 0; i < SHMRING_URING_WAITS_MAX; i++)
		EXPECT_EQ(next_result(ring, NULL), 0);
	EXPECT_EQ(receive_number(pair.c), 1);
	begin(pair.c, SHMRING_URING_WAIT_DATA, 1);
	EXPECT(is_pending(ring));
	send_number(pair.p, 2);
	EXPECT_EQ(next_result(ring, NULL), 0);
	close_pair(&pair);
}

static void test_space(void)
{
	struct pair pair = make_pair(page_size(), 0);
	uint64_t i, nr = page_size() / 16;

	EXPECT_EQ(run(pair.p, SHMRING_URING_WAIT_SPACE, page_size()), 0);
	for (i = 0; i < nr; i++)
		send_number(pair.p, i);
	begin(pair.p, SHMRING_URING_WAIT_SPACE, 32);
	EXPECT_EQ(receive_number(pair.c), 0);
	EXPECT(is_pending(ring));
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(next_result(ring, NULL), 0);
	begin(pair.p, SHMRING_URING_WAIT_SPACE, page_size() / 2);
	for (i = 2; i < nr / 2; i++) {
		if (i % (nr / 8) == 1)
			EXPECT(is_pending(ring));
		EXPECT_EQ(receive_number(pair.c), i);
	}
	EXPECT_EQ(next_result(ring, NULL), 0);
	begin(pair.p, SHMRING_URING_WAIT_SPACE, page_size());
	EXPECT(is_pending(ring));
	shmring_close(pair.c);
	EXPECT_EQ(next_result(ring, NULL), -EPIPE);
	EXPECT_EQ(run(pair.p, SHMRING_URING_WAIT_SPACE, 16), -EPIPE);
	shmring_close(pair.p);
}

/* In a ring with SHMRING_QUEUE the wait outlives a consumer. */
static void test_space_of_a_queue(void)
{
	struct shmring_options opt = { .capacity = page_size(), .role = SHMRING_PRODUCER,
				       .flags = SHMRING_QUEUE };
	struct shmring *p, *c;
	uint64_t i;

	CHECK_EQ(shmring_create(&p, NULL, &opt), 0);
	for (i = 0; i < page_size() / 16; i++)
		send_number(p, i);
	begin(p, SHMRING_URING_WAIT_SPACE, 16);
	c = attach(p, SHMRING_CONSUMER);
	shmring_close(c);
	EXPECT(is_pending(ring));
	c = attach(p, SHMRING_CONSUMER);
	EXPECT_EQ(receive_number(c), 0);
	EXPECT_EQ(next_result(ring, NULL), 0);
	shmring_close(c);
	shmring_close(p);
}

/*
 * Messages that are held are released while the wait is under way (@late), or between its
 * preparation and its submission: the next message ends the wait all the same.
 */
static void test_release_of_what_is_held(bool late)
{
	struct pair pair = make_pair(page_size(), 0);
	size_t len;
	int i;

	context("what is held is released %s the submission", late ? "after" : "before");
	for (i = 0; i < 3; i++) {
		send_number(pair.p, i);
		CHECK(shmring_peek(pair.c, &len));
		CHECK_EQ(shmring_advance(pair.c), 0);
	}
	CHECK_EQ(shmring_prep_wait_data(next_sqe(ring), pair.c, 0), 0);
	if (!late)
		CHECK_EQ(shmring_release(pair.c), 0);
	submit(ring);
	EXPECT(is_pending(ring));
	if (late)
		CHECK_EQ(shmring_release(pair.c), 0);
	EXPECT(is_pending(ring));
	send_number(pair.p, 3);
	EXPECT_EQ(next_result(ring, NULL), 0);
	close_pair(&pair);
}

/* Issued by a worker of io_uring, by its polling thread, and in deferred task work. */
static void test_setup(unsigned int flags, unsigned int sqe_flags)
{
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *other = ring;
	struct io_uring_sqe *sqe;
	uint64_t i;

	context("flags %#x, sqe flags %#x", flags, sqe_flags);
	ring = open_uring(flags);
	for (i = 0; i < 200; i++) {
		sqe = prepare(pair.c, SHMRING_URING_WAIT_DATA, 1);
		sqe->flags |= (unsigned char)sqe_flags;
		submit(ring);
		if (i % 4 == 0)
			nap();
		if (i % 8 == 7) {
			io_uring_sqe_set_data64(prepare(pair.c, SHMRING_URING_CANCEL, 0), 9);
			submit(ring);
			next_result(ring, NULL);
			send_number(pair.p, i);
			next_result(ring, NULL);
		} else {
			send_number(pair.p, i);
			EXPECT_EQ(next_result(ring, NULL), 0);
		}
		EXPECT_EQ(receive_number(pair.c), i);
	}
	sqe = prepare(pair.c, SHMRING_URING_WAIT_DATA, 1);
	sqe->flags |= (unsigned char)sqe_flags;
	submit(ring);
	close_uring(ring);
	ring = other;
	close_pair(&pair);
}

static int module_users(void)
{
	FILE *f = fopen("/sys/module/shmring/refcnt", "re");
	int nr = -1;

	if (!f)
		return -1;
	CHECK_EQ(fscanf(f, "%d", &nr), 1);
	fclose(f);
	return nr;
}

/* A wait that is the last user of a ring keeps the ring, and the module. */
static void test_last_user(void)
{
	struct shmring_ioc_create c = { .capacity = page_size(), .mode = 0600 };
	struct shmring_ioc_attach a = { .role = SHMRING_ROLE_CONSUMER };
	int before = module_users();
	struct io_uring *other = ring;
	struct io_uring_sqe *sqe;
	int device, file, end;

	if (before < 0)
		return;		/* built in, or a kernel that cannot unload */
	device = open("/dev/shmring", O_RDWR | O_CLOEXEC);
	file = ioctl(device, SHMRING_IOC_CREATE, &c);
	end = ioctl(file, SHMRING_IOC_ATTACH, &a);
	CHECK(device >= 0 && file >= 0 && end >= 0);
	ring = open_uring(0);
	sqe = next_sqe(ring);
	io_uring_prep_nop(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = end;
	sqe->cmd_op = SHMRING_URING_WAIT_DATA;
	sqe->addr3 = 1;
	submit(ring);
	CHECK(!close(end) && !close(file) && !close(device));
	EXPECT(is_pending(ring));
	EXPECT_EQ(module_users(), before + 1);
	EXPECT_EQ(syscall(SYS_delete_module, "shmring", O_NONBLOCK), -1);
	close_uring(ring);
	ring = other;
	AWAIT(module_users() == before);
}

static void test_refused_everywhere(void)
{
	struct pair pair = make_pair(page_size(), 0);

	EXPECT_EQ(run(pair.c, SHMRING_URING_WAIT_DATA, 1), -EOPNOTSUPP);
	EXPECT_EQ(run(pair.p, SHMRING_URING_WAIT_SPACE, 1), -EOPNOTSUPP);
	EXPECT_EQ(run(pair.c, SHMRING_URING_CANCEL, 0), -EOPNOTSUPP);
	close_pair(&pair);
}

/* A wait that has gone with its io_uring must not cost the other side a WAKE. */
static void test_dropped_wait_is_not_armed(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *other = ring;
	const __u64 *wake_at = &pair.c->lane->consumer.wake_at;

	ring = open_uring(0);
	begin(pair.c, SHMRING_URING_WAIT_DATA, 8);
	EXPECT(is_pending(ring));
	EXPECT_EQ(__atomic_load_n(wake_at, __ATOMIC_SEQ_CST), 8);
	close_uring(ring);
	ring = other;
	AWAIT(__atomic_load_n(wake_at, __ATOMIC_SEQ_CST) == SHMRING_NO_WAKE);
	close_pair(&pair);
}

static void test_commands(void)
{
	RUN(test_refused);
	RUN(test_data);
	RUN(test_data_while_some_is_held);
	RUN(test_space);
	RUN(test_space_of_a_queue);
	RUN(test_limit);
	test_release_of_what_is_held(false);
	test_release_of_what_is_held(true);
	RUN(test_dropped_wait_is_not_armed);
	RUN(test_last_user);
	test_setup(0, 0);
	test_setup(0, IOSQE_ASYNC);
	test_setup(IORING_SETUP_SQPOLL, 0);
	test_setup(IORING_SETUP_SINGLE_ISSUER | (1u << 13), 0);
	test_setup(IORING_SETUP_SINGLE_ISSUER | (1u << 13), IOSQE_ASYNC);
}

int main(void)
{
	struct shmring *r;
	bool native;

	need_backend();
	need_uring();
	ring = open_uring(0);
	r = make(page_size(), 0, SHMRING_CONSUMER);
	native = shmring_uring_native(r);
	EXPECT_EQ(shmring_uring_native(r), native);
	shmring_close(r);
	if (native)
		test_commands();
	else
		RUN(test_refused_everywhere);
	close_uring(ring);
	return finish();
}

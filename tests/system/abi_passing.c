// SPDX-License-Identifier: MIT
/*
 * Files that are passed on: over a socket, with fewer rights; and files that cannot be opened
 * again.
 */
#include "lanes.h"

#include <fcntl.h>
#include <sys/socket.h>

static void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control_data = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec io = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control_data,
			      .msg_controllen = sizeof(control_data) };

	memcpy(CMSG_DATA(&control_data.header), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &msg, 0), 1);
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control_data;
	char byte;
	struct iovec io = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control_data,
			      .msg_controllen = sizeof(control_data) };
	int fd;

	CHECK_EQ(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), 1);
	CHECK(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(&control_data.header), sizeof(fd));
	return fd;
}

static int may_only_consume(void *arg)
{
	int ring = receive_fd(*(int *)arg);
	struct endpoint e;

	EXPECT_EQ(query(ring).rights, SHMRING_RIGHT_CONSUME);
	EXPECT_EQ(attach(ring, PRODUCER), -EACCES);
	EXPECT_EQ(narrow(ring, SHMRING_RIGHT_ALL), -EACCES);
	EXPECT_EQ(narrow(ring, SHMRING_RIGHT_PRODUCE), -EACCES);
	e = endpoint(ring, CONSUMER);
	/* The endpoint's file gives no further right. */
	EXPECT_EQ(attach(e.fd, PRODUCER), -EACCES);
	EXPECT_EQ(wait_data(e.fd, 8, 0, 0), 0);
	EXPECT_EQ(e.data[0], 0x42);
	move(&e, 8);
	drop(&e);
	return TEST_PASS;
}

static void test_narrowed(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	int socks[2], narrowed;
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	pid = start(may_only_consume, &socks[1]);
	narrowed = narrow(ring, SHMRING_RIGHT_CONSUME);
	CHECK(narrowed >= 0);
	send_fd(socks[0], narrowed);
	CHECK(!close(narrowed));
	p.data[0] = 0x42;
	move(&p, 8);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(p.consumer->tail, 8);
	drop(&p);
	CHECK(!close(ring));
	close(socks[0]);
	close(socks[1]);
}

/* A ring lives in a message that no process has read yet. */
static void test_ring_in_flight(void)
{
	const char *name = unique("flight");
	int ring = create(name, page_size(), 0600, 0);
	uint64_t id = query(ring).id;
	int socks[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	send_fd(socks[0], ring);
	CHECK(!close(ring));
	ring = open_ring(name, SHMRING_RIGHT_ALL);
	EXPECT(ring >= 0);
	CHECK(!close(ring));
	ring = receive_fd(socks[1]);
	EXPECT_EQ(query(ring).id, id);
	CHECK(!close(ring));
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	close(socks[0]);
	close(socks[1]);
}

/* An endpoint in flight, never mapped, still has its role. */
static void test_endpoint_in_flight(void)
{
	int ring = make_ring(page_size());
	int fd = attach(ring, PRODUCER);
	int socks[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	send_fd(socks[0], fd);
	CHECK(!close(fd));
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	close(socks[0]);
	close(socks[1]);
	AWAIT((fd = attach(ring, PRODUCER)) >= 0);
	CHECK(!close(fd));
	CHECK(!close(ring));
}

static void test_reopen(void)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int ring = make_ring(page_size());
	int narrowed = narrow(ring, SHMRING_RIGHT_CONSUME);
	int end = attach(ring, PRODUCER);
	const int fds[] = { ring, narrowed, end, create_set(1) };
	char path[64];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			context("reopen of file %zu with flags %d", i, flags[j]);
			snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
			EXPECT_EQ(open(path, flags[j] | O_CLOEXEC), -1);
		}
		CHECK(!close(fds[i]));
	}
}

/* There is nothing to read, write, seek or truncate in any of them. */
static void test_no_file_operations(void)
{
	int ring = make_ring(page_size());
	const int fds[] = { control(), ring, attach(ring, PRODUCER), create_set(1) };
	char bytes[16] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		context("file %zu", i);
		EXPECT_EQ(read(fds[i], bytes, sizeof(bytes)), -1);
		EXPECT_EQ(write(fds[i], bytes, sizeof(bytes)), -1);
		EXPECT_EQ(ftruncate(fds[i], 0), -1);
		EXPECT_EQ(fallocate(fds[i], 0, 0, 4096), -1);
	}
	CHECK(!close(fds[2]));
	CHECK(!close(ring));
}

/* The other process adds an endpoint that it has received, and waits. */
static int wait_for_passed_set(void *arg)
{
	int set = receive_fd(*(int *)arg), end = receive_fd(*(int *)arg);

	EXPECT_EQ(change_set(set, 0, end), 0);
	CHECK(!close(end));
	EXPECT_EQ(cool_set(set), -EAGAIN);
	EXPECT_EQ(wait_set(set, 0), 0);
	return TEST_PASS;
}

/* A wait set, and an endpoint that only a wait set in a socket holds. */
static void test_wait_set_in_a_socket(void)
{
	struct set s = make_set(1);
	int ring = make_lanes(FAN_IN, 1), c = attach_lane(ring, CONSUMER, 0), socks[2];
	struct endpoint p = endpoint(ring, PRODUCER);
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, socks));
	pid = start(wait_for_passed_set, &socks[1]);
	send_fd(socks[0], s.fd);
	send_fd(socks[0], c);
	CHECK(!close(c));
	AWAIT(p.lane->consumer.wake_at == 1 && state_of(pid) == 'S');
	move(&p, 8);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT(is_hot(&s, 0));

	send_fd(socks[0], s.fd);
	drop_set(&s);
	EXPECT_EQ(query(ring).consumer_state, SHMRING_PEER_LIVE);
	s.fd = receive_fd(socks[1]);
	EXPECT_EQ(wait_set(s.fd, 0), 0);
	send_fd(socks[0], s.fd);
	CHECK(!close(s.fd));
	move(&p, 8);
	CHECK(!close(socks[0]) && !close(socks[1]));
	AWAIT(query(ring).consumer_state == SHMRING_PEER_GONE);
	drop(&p);
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_narrowed);
	RUN(test_ring_in_flight);
	RUN(test_endpoint_in_flight);
	RUN(test_reopen);
	RUN(test_no_file_operations);
	RUN(test_wait_set_in_a_socket);
	return finish();
}

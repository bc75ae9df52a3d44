// SPDX-License-Identifier: MIT
/* Rings passed on as descriptors, and with fewer rights. */
#include "lib.h"

#include <fcntl.h>
#include <sys/socket.h>

static void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec io = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &msg, 0), 1);
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec io = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd;

	CHECK_EQ(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), 1);
	CHECK(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static int consume_what_comes(void *arg)
{
	int fd = receive_fd(*(int *)arg);
	struct shmring *c;
	uint64_t n;

	CHECK_EQ(shmring_attach_fd(&c, fd, SHMRING_CONSUMER), 0);
	/* The descriptor is this process's, and can be closed. */
	CHECK(!close(fd));
	for (n = 0; n < 1000; n++)
		EXPECT_EQ(receive_number(c), n);
	EXPECT_EQ(shmring_recv(c, &n, sizeof(n), NULL), -ENODATA);
	shmring_close(c);
	return TEST_PASS;
}

static void test_over_a_socket(void)
{
	struct shmring *p;
	uint64_t n;
	int socks[2];
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	pid = start(consume_what_comes, &socks[1]);
	p = make(page_size(), 0, SHMRING_PRODUCER);
	send_fd(socks[0], shmring_fd(p));
	for (n = 0; n < 1000; n++)
		send_number(p, n);
	shmring_close(p);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	close(socks[0]);
	close(socks[1]);
}

/* A ring lives as long as any process has its descriptor. */
static void test_descriptor_keeps_the_ring(void)
{
	struct shmring *r = make(page_size(), 0, SHMRING_PRODUCER), *c;
	int fd;

	c = attach(r, SHMRING_CONSUMER);
	send_number(r, 7);
	fd = fcntl(shmring_fd(r), F_DUPFD_CLOEXEC, 0);
	shmring_close(r);
	shmring_close(c);
	CHECK_EQ(shmring_attach_fd(&c, fd, SHMRING_CONSUMER), 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK(!close(fd));
	EXPECT_EQ(receive_number(c), 7);
	EXPECT_EQ(receive_now(c), -ENODATA);
	shmring_close(c);
}

static void test_grant_here(void)
{
	struct shmring *r = make(page_size(), 0, SHMRING_HANDLE), *other;
	int fd = shmring_grant(r, SHMRING_CONSUMER);

	if (on_memfd()) {
		EXPECT_EQ(fd, -EOPNOTSUPP);
		EXPECT_EQ(shmring_grant(r, SHMRING_PRODUCER), -EOPNOTSUPP);
		shmring_close(r);
		return;
	}
	CHECK(fd >= 0);
	EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(shmring_attach_fd(&other, fd, SHMRING_PRODUCER), -EACCES);
	CHECK_EQ(shmring_attach_fd(&other, fd, SHMRING_CONSUMER), 0);
	CHECK(!close(fd));
	/* The received object cannot grant more than it got. */
	EXPECT_EQ(shmring_grant(other, SHMRING_PRODUCER), -EACCES);
	fd = shmring_grant(other, SHMRING_CONSUMER);
	EXPECT(fd >= 0);
	CHECK(!close(fd));
	shmring_close(other);
	shmring_close(r);
}

static void test_grant_of_nothing(void)
{
	struct shmring *r = make(page_size(), 0, SHMRING_HANDLE);

	EXPECT_EQ(shmring_grant(r, SHMRING_HANDLE), -EINVAL);
	EXPECT_EQ(shmring_grant(r, (enum shmring_role)3), -EINVAL);
	EXPECT_EQ(shmring_grant(r, (enum shmring_role)~0u), -EINVAL);
	shmring_close(r);
}

int main(void)
{
	need_backend();
	RUN(test_over_a_socket);
	RUN(test_descriptor_keeps_the_ring);
	RUN(test_grant_here);
	RUN(test_grant_of_nothing);
	return finish();
}

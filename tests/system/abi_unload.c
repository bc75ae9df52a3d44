// SPDX-License-Identifier: MIT
/*
 * The module stays while anything of it is in use: a control file, a ring, an
 * endpoint, a mapping, a poller, a persistent name.
 */
#include "abi.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

/* What the kernel says for a module in use, in whatever words. */
static void expect_in_use(const char *by)
{
	context("unload while there is %s", by);
	EXPECT_EQ(syscall(SYS_delete_module, "shmring", O_NONBLOCK), -1);
	EXPECT(errno == EWOULDBLOCK || errno == EBUSY);
	CHECK(!access("/dev/shmring", F_OK));
}

static void unlink_anew(const char *name)
{
	int device = open("/dev/shmring", O_RDWR | O_CLOEXEC);
	struct shmring_ioc_name n = { .rights = 0 };

	CHECK(device >= 0);
	memcpy(n.name, name, strlen(name));
	EXPECT_EQ(call(device, SHMRING_IOC_UNLINK, &n), 0);
	CHECK(!close(device));
}

/* The control file would hide everything else: the rest goes without it. */
static int without_control(int device)
{
	const char *name = unique("unload");
	struct epoll_event ev = { .events = EPOLLIN };
	int ring, narrowed, ep;
	struct endpoint e;

	expect_in_use("a control file");
	ring = create(name, page_size(), 0600, SHMRING_CREATE_F_PERSIST);
	CHECK(ring >= 0);
	narrowed = narrow(ring, SHMRING_RIGHT_ALL);
	e = endpoint(ring, CONSUMER);
	ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, e.fd, &ev));
	CHECK(!close(device));

	expect_in_use("everything");
	CHECK(!close(ring));
	expect_in_use("another file of the ring");
	CHECK(!close(narrowed));
	expect_in_use("an endpoint");
	CHECK(!close(e.fd));
	expect_in_use("a mapping");
	unmap(&e);
	close(ep);
	expect_in_use("a persistent ring");
	unlink_anew(name);
	return finish();
}

int main(void)
{
	int device = control();

	need_root();
	if (access("/sys/module/shmring/refcnt", F_OK))
		skip("shmring is built in, or this kernel cannot unload modules");
	return without_control(device);
}

// SPDX-License-Identifier: MIT
/*
 * The module stays while anything of it is in use: a control file, a ring, an
 * endpoint, a mapping, a poller, a persistent name. With SHMRING_KO, the path of
 * shmring.ko, it is loaded again with a parameter, and without.
 */
#include "abi.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

/* The errors of different kernels for a module in use. */
static void expect_in_use(const char *by)
{
	context("unload while there is %s", by);
	EXPECT_EQ(syscall(SYS_delete_module, "shmring", O_NONBLOCK), -1);
	EXPECT(errno == EWOULDBLOCK || errno == EBUSY);
	CHECK(!access("/dev/shmring", F_OK));
}

/* A ring that only its name holds. */
static void persistent(const char *name)
{
	struct shmring_ioc_create c = { .capacity = page_size(), .mode = 0600,
					.flags = SHMRING_CREATE_F_PERSIST };
	struct shmring_ioc_name n = { .rights = 0 };
	int device = open("/dev/shmring", O_RDWR | O_CLOEXEC);
	int ring;

	CHECK(device >= 0);
	memcpy(c.name, name, strlen(name));
	memcpy(n.name, name, strlen(name));
	ring = (int)call(device, SHMRING_IOC_CREATE, &c);
	CHECK(ring >= 0);
	CHECK(!close(ring));
	CHECK(!close(device));
	expect_in_use("a persistent ring");
	device = open("/dev/shmring", O_RDWR | O_CLOEXEC);
	CHECK(device >= 0);
	EXPECT_EQ(call(device, SHMRING_IOC_UNLINK, &n), 0);
	CHECK(!close(device));
}

static unsigned long max_pages(void)
{
	FILE *f = fopen("/sys/module/shmring/parameters/max_pages", "re");
	unsigned long pages;

	CHECK(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	return pages;
}

/* The parameter given at loading is in force; without it a quarter of memory is. */
static void load_again(const char *path)
{
	const unsigned long memory = (unsigned long)sysconf(_SC_PHYS_PAGES);

	context("max_pages when loaded");
	unload_module();
	load_module(path, "max_pages=1234");
	EXPECT_EQ(max_pages(), 1234);
	unload_module();
	context("pages, which are counted");
	EXPECT_EQ(try_to_load_module(path, "pages=5"), -EPERM);
	load_module(path, "");
	EXPECT(max_pages() >= memory / 5 && max_pages() <= memory / 3);
}

/* The control file and a persistent name would keep the module: this process closes them. */
static int without_control(int device)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ring, narrowed, ep;
	struct endpoint e;

	expect_in_use("a control file");
	ring = make_ring(page_size());
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
	persistent(unique("unload"));
	if (getenv("SHMRING_KO"))
		load_again(getenv("SHMRING_KO"));
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

// SPDX-License-Identifier: MIT
/*
 * The page of an argument that does not come: with userfaultfd the caller decides how long the
 * kernel waits for it. The kernel must hold no lock meanwhile, so all other calls go on.
 */
#include "abi.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static int ring, producer, consumer, faults;
static unsigned char *page;		/* that is not mapped yet */
static unsigned char *argument;		/* its content, later */

struct stalled {
	int fd;
	unsigned long cmd;
	long ret;
};

static void *call_with_nothing(void *arg)
{
	struct stalled *s = arg;

	s->ret = call(s->fd, s->cmd, page);
	return NULL;
}

static void await_fault(void)
{
	struct uffd_msg msg;
	struct pollfd p = { .fd = faults, .events = POLLIN };

	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(read(faults, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
}

static void bring_page(void)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)page, .src = (uintptr_t)argument,
				    .len = page_size() };

	CHECK(!ioctl(faults, UFFDIO_COPY, &copy));
}

/* Another process makes calls that take every lock of the module. */
static int use_everything(void *arg)
{
	const char *name = unique("stall");
	int named = create(name, page_size(), 0600, 0);
	char line[256];
	FILE *f;

	(void)arg;
	CHECK(named >= 0);
	CHECK(!close(open_ring(name, SHMRING_RIGHT_ALL)));
	EXPECT_EQ(wait_space(producer, 8, 0, now_ns() + 1000), 0);
	EXPECT_EQ(wait_data(consumer, 8, 0, now_ns() + 1000), -ETIMEDOUT);
	EXPECT_EQ(call(producer, SHMRING_IOC_WAKE, NULL), 0);
	query(ring);
	CHECK(!close(attach(named, PRODUCER)));
	EXPECT_EQ(unlink_ring(name), 0);
	f = fopen("/proc/shmring", "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		;
	fclose(f);
	return TEST_PASS;
}

static void test_stall(int fd, unsigned long cmd, const void *valid, size_t size, long want)
{
	struct stalled s = { .fd = fd, .cmd = cmd };
	pthread_t thread;

	context("ioctl %lu waits for its argument", _IOC_NR(cmd));
	memset(argument, 0, page_size());
	memcpy(argument, valid, size);
	CHECK(!pthread_create(&thread, NULL, call_with_nothing, &s));
	await_fault();
	EXPECT_EQ(in_child(use_everything, NULL), TEST_PASS);
	bring_page();
	CHECK(!pthread_join(thread, NULL));
	if (s.ret > 0)
		s.ret = close((int)s.ret);
	EXPECT_EQ(s.ret, want);
	CHECK(!madvise(page, page_size(), MADV_DONTNEED));
}

static void open_faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)page, page_size() },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };

	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults < 0)
		skip("userfaultfd: %s", strerror(errno));
	CHECK(!ioctl(faults, UFFDIO_API, &api));
	CHECK(!ioctl(faults, UFFDIO_REGISTER, &reg));
}

static void *anonymous(void)
{
	void *p = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	CHECK(p != MAP_FAILED);
	return p;
}

int main(void)
{
	struct shmring_ioc_create c = { .capacity = page_size(), .mode = 0600 };
	struct shmring_ioc_name n = { .name = "no-such-ring" };
	struct shmring_ioc_attach a = { .role = SHMRING_ROLE_NONE };
	struct shmring_ioc_query q = { .lane = 0 };
	struct shmring_ioc_wait w = { .bytes = 8, .deadline = 1 };

	control();
	need_root();
	page = anonymous();
	argument = anonymous();
	open_faults();
	ring = make_ring(page_size());
	producer = attach(ring, PRODUCER);
	consumer = attach(ring, CONSUMER);
	CHECK(producer >= 0 && consumer >= 0);

	test_stall(control(), SHMRING_IOC_CREATE, &c, sizeof(c), 0);
	test_stall(control(), SHMRING_IOC_UNLINK, &n, sizeof(n), -ENOENT);
	n.rights = SHMRING_RIGHT_ALL;
	test_stall(control(), SHMRING_IOC_OPEN, &n, sizeof(n), -ENOENT);
	test_stall(ring, SHMRING_IOC_ATTACH, &a, sizeof(a), 0);
	test_stall(ring, SHMRING_IOC_QUERY, &q, sizeof(q), 0);
	test_stall(consumer, SHMRING_IOC_WAIT_DATA, &w, sizeof(w), -ETIMEDOUT);
	test_stall(producer, SHMRING_IOC_WAIT_SPACE, &w, sizeof(w), 0);
	return finish();
}

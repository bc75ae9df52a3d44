// SPDX-License-Identifier: MIT
#include "refused.h"

#include <fcntl.h>

struct state {
	struct shmring_ioc_query q;
	int fds;
	int next_fd;
	char rings[16384];
};

static void read_rings(char *text, size_t size)
{
	int fd = open("/proc/shmring", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	CHECK(fd >= 0);
	while (size > 1 && (n = read(fd, text, size - 1)) > 0) {
		text += n;
		size -= (size_t)n;
	}
	close(fd);
}

/* A descriptor that was reserved for a file and never installed shows nowhere else. */
static int lowest_free(void)
{
	int fd = dup(STDOUT_FILENO);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

static void take(struct state *s, int ring)
{
	memset(s, 0, sizeof(*s));
	s->q = query(ring);
	s->fds = nr_fds();
	s->next_fd = lowest_free();
	read_rings(s->rings, sizeof(s->rings));
}

void refused(int ring, int fd, unsigned long cmd, const void *arg, int want)
{
	static struct state before, after;
	long got;

	take(&before, ring);
	got = call(fd, cmd, arg);
	EXPECT_EQ(got, want);
	take(&after, ring);
	EXPECT(!memcmp(&before, &after, sizeof(before)));
}

void *before_hole(size_t bytes)
{
	static unsigned char *page;

	if (!page) {
		page = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		CHECK(!mprotect(page + page_size(), page_size(), PROT_NONE));
	}
	return page + page_size() - bytes;
}

const void *bad_pointer(void)
{
	return before_hole(0);
}

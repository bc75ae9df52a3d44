// SPDX-License-Identifier: MIT
/* The library's effects on the program around it: descriptors, cancellation, core dumps. */
#include "lib.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

static const char *name;

/* -------------------------------------------------------- standard descriptors */

/* The library must keep no descriptor to which the program may print. */
static int use_without_descriptors(void *arg)
{
	struct shmring *named, *p, *c;
	int granted, i;

	(void)arg;
	for (i = 0; i <= STDERR_FILENO; i++)
		close(i);
	CHECK_EQ(shmring_create(&named, name, NULL), 0);
	CHECK_EQ(shmring_attach(&p, name, SHMRING_PRODUCER), 0);
	CHECK_EQ(shmring_attach_fd(&c, shmring_fd(named), SHMRING_CONSUMER), 0);
	granted = shmring_grant(named, SHMRING_CONSUMER);
	CHECK(granted == -EOPNOTSUPP || granted > STDERR_FILENO);
	CHECK(shmring_poll_fd(c) > STDERR_FILENO && shmring_poll_fd(p) > STDERR_FILENO);
	for (i = 0; i <= STDERR_FILENO; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return 10 + i;
	shmring_close(named);
	shmring_close(p);
	shmring_close(c);
	named = make(0, 0, SHMRING_PRODUCER);
	for (i = 0; i <= STDERR_FILENO; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return 20 + i;
	return TEST_PASS;
}

static void test_closed_standard_descriptors(void)
{
	CHECK_EQ(in_child(use_without_descriptors, NULL), TEST_PASS);
}

/* ---------------------------------------------------------------- cancellation */

/* Make each function with system calls run in a thread that has a cancellation pending. */
static void *use_cancelled(void *returned)
{
	const struct shmring_wait brief = { .policy = SHMRING_BLOCK,
					    .deadline = shmring_deadline(120000000) };
	const struct shmring_options opt = { .role = SHMRING_PRODUCER };
	struct shmring *p, *c, *other;
	struct shmring_info info = SHMRING_INFO_INIT;
	char buf[8];

	pthread_cancel(pthread_self());
	CHECK_EQ(shmring_create(&p, name, &opt), 0);
	CHECK_EQ(shmring_attach(&c, name, SHMRING_CONSUMER), 0);
	CHECK_EQ(shmring_attach_fd(&other, shmring_fd(p), SHMRING_CONSUMER), -EBUSY);
	CHECK(shmring_poll_fd(c) >= 0);
	CHECK_EQ(shmring_recv(c, buf, sizeof(buf), &nowait), -EAGAIN);
	CHECK_EQ(shmring_recv(c, buf, sizeof(buf), &brief), -ETIMEDOUT);
	CHECK_EQ(shmring_send(p, "message", 8, NULL), 8);
	CHECK_EQ(shmring_get_info(p, &info), 0);
	CHECK_EQ(shmring_unlink(name), 0);
	shmring_close(p);
	shmring_close(c);
	*(bool *)returned = true;
	pthread_testcancel();
	return NULL;
}

static void test_cancelled_before(void)
{
	int fds = nr_fds();
	bool returned = false;
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, use_cancelled, &returned));
	CHECK(!pthread_join(thread, &result));
	CHECK(returned && result == PTHREAD_CANCELED);
	CHECK_EQ(nr_fds(), fds);
}

static void *receive_one(void *consumer)
{
	return (void *)(uintptr_t)receive_number(consumer);
}

/* The thread sleeps on, beyond a look for a death, and gets its message. */
static void test_cancelled_asleep(void)
{
	struct pair pair = make_pair(0, 0);
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, receive_one, pair.c));
	usleep(20000);
	CHECK(!pthread_cancel(thread));
	usleep(200000);
	send_number(pair.p, 17);
	CHECK(!pthread_join(thread, &result));
	CHECK_EQ((uintptr_t)result, 17);
	close_pair(&pair);
}

/* ------------------------------------------------------------------ core dumps */

/*
 * How many of the mappings with @name in their names would be dumped, or would not. The line
 * with a mapping's name comes before the one with its flags.
 */
static int nr_mappings(const char *mapped, bool dumped)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	bool named = false;
	char line[512];
	int n = 0;

	if (!maps)
		return 0;
	while (fgets(line, sizeof(line), maps)) {
		named |= strstr(line, mapped) != NULL;
		if (strncmp(line, "VmFlags:", 8))
			continue;
		n += named && dumped != (strstr(line, " dd") != NULL);
		named = false;
	}
	fclose(maps);
	return n;
}

/* Not every kernel has the file, and an emulator's file may leave the flag out. */
static bool smaps_tells_what_is_dumped(void)
{
	int fd = memfd_create("undumped", MFD_CLOEXEC);
	void *at;
	int n;

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)page_size()));
	at = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED && !madvise(at, page_size(), MADV_DONTDUMP));
	n = nr_mappings("undumped", false);
	munmap(at, page_size());
	close(fd);
	return n == 1;
}

static void test_core_dump(void)
{
	struct pair pair = make_pair(0, 0);

	if (smaps_tells_what_is_dumped())
		CHECK_EQ(nr_mappings("shmring", true), 0);
	else
		puts("/proc/self/smaps does not say what a core dump holds: this part is left out");
	close_pair(&pair);
}

int main(void)
{
	need_backend();
	name = unique("program");
	RUN(test_closed_standard_descriptors);
	RUN(test_cancelled_before);
	RUN(test_cancelled_asleep);
	RUN(test_core_dump);
	return finish();
}

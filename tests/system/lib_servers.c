// SPDX-License-Identifier: MIT
/*
 * The README's producer, the log collector with its loggers, and the example servers, each with 64
 * rings and as many clients: every message arrives, and a client that sleeps on a full ring is
 * woken once for each half of it.
 */
#include "lib.h"

#include <libgen.h>
#include <limits.h>
#include <sys/syscall.h>

#define MESSAGES	10000
#define RINGS		64
#define FOOTPRINT	16	/* of a message */
#define HALF		32768	/* of a ring */

/* The servers are built into the folder of this program. */
static void path_of(char path[PATH_MAX], const char *server)
{
	char self[PATH_MAX] = "";

	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	CHECK(snprintf(path, PATH_MAX, "%s/examples/%s", dirname(self), server) < PATH_MAX);
}

static void test_server(const char *server)
{
	unsigned long long messages = 0, wakes = 0;
	char path[PATH_MAX], command[PATH_MAX + 16], line[256];
	int rings = 0;
	FILE *out;

	context("%s", server);
	path_of(path, server);
	snprintf(command, sizeof(command), "%s %d", path, MESSAGES);
	out = popen(command, "r");
	CHECK(out);
	while (fgets(line, sizeof(line), out)) {
		fputs(line, stdout);
		sscanf(line, "%d rings, %llu messages, producers woken %llu times", &rings,
		       &messages, &wakes);
	}
	EXPECT_EQ(pclose(out), 0);
	EXPECT_EQ(rings, RINGS);
	EXPECT_EQ(messages, RINGS * MESSAGES);
	EXPECT(wakes <= RINGS * (MESSAGES * FOOTPRINT / HALF + 1));
}

/* Are commands of io_uring built in and allowed? The kernel then complains about the argument. */
static bool can_uring(void)
{
	char path[PATH_MAX];

	path_of(path, "server_uring");
	return !access(path, X_OK) && syscall(SYS_io_uring_setup, 1, NULL) && errno == EFAULT;
}

/* echo hello | @program @name */
static int say_hello(const char *program, const char *name)
{
	char path[PATH_MAX];
	int in[2];

	CHECK(!pipe(in));
	CHECK_EQ(write(in[1], "hello\n", 6), 6);
	CHECK(!close(in[1]));
	CHECK_EQ(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
	path_of(path, program);
	execl(path, path, name, NULL);
	return TEST_FAIL;
}

static int run_producer(void *name)
{
	return say_hello("producer", name);
}

static int run_logger(void *name)
{
	return say_hello("logger", name);
}

/*
 * echo hello
 *
 * producer: the ring stays until a consumer has come and taken everything.
 */
static void test_producer_that_comes_first(void)
{
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };
	const char *name = unique("lines");
	pid_t pid = start(run_producer, (void *)name);
	struct shmring *c;
	char line[8];

	await_asleep(pid);
	CHECK_EQ(shmring_attach(&c, name, SHMRING_CONSUMER), 0);
	CHECK_EQ(shmring_recv(c, line, sizeof(line), &w), 6);
	EXPECT(!memcmp(line, "hello\n", 6));
	EXPECT_EQ(shmring_recv(c, line, sizeof(line), &w), -ENODATA);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(c);
}

#define LOGGERS	5

/* The loggers may come and go one after the other: a further producer holds the end back. */
static void test_collector(void)
{
	char path[PATH_MAX], command[PATH_MAX + 64], line[64];
	const char *name = unique("log");
	struct shmring *last = NULL;
	pid_t pids[LOGGERS];
	int i, lines = 0;
	FILE *out;

	path_of(path, "collector");
	snprintf(command, sizeof(command), "%s %s", path, name);
	out = popen(command, "r");
	CHECK(out);
	AWAIT(!shmring_attach(&last, name, SHMRING_PRODUCER));
	for (i = 0; i < LOGGERS; i++)
		pids[i] = start(run_logger, (void *)name);
	for (i = 0; i < LOGGERS; i++)
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
	shmring_close(last);
	while (fgets(line, sizeof(line), out))
		lines += strstr(line, ": hello\n") != NULL;
	EXPECT_EQ(pclose(out), 0);
	EXPECT_EQ(lines, LOGGERS);
}

static int run_thumbnails(void *name)
{
	char path[PATH_MAX];

	path_of(path, "thumbnails");
	execl(path, path, name, NULL);
	return TEST_FAIL;
}

/* A pool and two workers, of which one is stopped with a picture, and killed. */
static void test_pool(void)
{
	char path[PATH_MAX], command[PATH_MAX + 64];
	const char *name = unique("pictures");
	pid_t pids[2];
	FILE *in;
	int i;

	path_of(path, "pool");
	snprintf(command, sizeof(command), "%s %s", path, name);
	in = popen(command, "we");	/* not for the workers */
	CHECK(in);
	for (i = 0; i < 2; i++)
		pids[i] = start(run_thumbnails, (void *)name);
	await_asleep(pids[0]);
	CHECK(!kill(pids[0], SIGSTOP));
	for (i = 0; i < 10; i++)
		fprintf(in, "picture %d\n", i);
	CHECK(!fflush(in));
	await_asleep(pids[1]);
	kill_child(pids[0]);
	EXPECT_EQ(pclose(in), 0);
	EXPECT_EQ(end_of(pids[1]), TEST_PASS);
}

int main(void)
{
	need_backend();
	RUN(test_collector);
	RUN(test_pool);
	RUN(test_producer_that_comes_first);
	test_server("server_epoll");
	if (can_uring())
		test_server("server_uring");
	else
		printf("no io_uring here, or no liburing\n");
	return finish();
}

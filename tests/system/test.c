// SPDX-License-Identifier: MIT
#include "test.h"

#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

static char where[256] = "main";
static int failures;

/* Of a table with errors everywhere, the first few are enough. */
#define MAX_SHOWN	20

__attribute__((format(printf, 4, 5)))
static void fail(const char *file, int line, bool fatal, const char *fmt, ...)
{
	va_list args;

	if (failures++ < MAX_SHOWN || fatal) {
		va_start(args, fmt);
		vprintf(fmt, args);
		va_end(args);
		printf("\n%s:%d: in %s [pid %d]\n", file, line, where, getpid());
		fflush(stdout);
	}
	if (fatal)
		_exit(TEST_FAIL);
}

bool test_true(const char *file, int line, const char *what, bool ok, bool fatal)
{
	if (!ok)
		fail(file, line, fatal, "failed: %s, errno %d (%s)", what, errno,
		     strerror(errno));
	return ok;
}

/* Small negative numbers are most often errors. */
static const char *describe(long long value)
{
	return value < 0 && value > -4096 ? strerror((int)-value) : "";
}

bool test_equal(const char *file, int line, const char *what, long long got, long long want,
		bool fatal)
{
	if (got != want)
		fail(file, line, fatal, "failed: %s is %lld %s, not %lld %s", what, got,
		     describe(got), want, describe(want));
	return got == want;
}

void context(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(where, sizeof(where), fmt, args);
	va_end(args);
}

int finish(void)
{
	fflush(stdout);
	return failures ? TEST_FAIL : TEST_PASS;
}

void skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	exit(failures ? TEST_FAIL : TEST_SKIP);
}

void need_root(void)
{
	if (geteuid())
		skip("needs root");
}

size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

pid_t start(int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid();
	pid_t pid;
	int ret;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() && getppid() != parent)	/* 0: in a PID namespace of its own */
		_exit(TEST_FAIL);
	failures = 0;
	ret = fn(arg);
	_exit(finish() == TEST_PASS ? ret : TEST_FAIL);
}

int end_of(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int in_child(int (*fn)(void *arg), void *arg)
{
	return end_of(start(fn, arg));
}

void kill_child(pid_t pid)
{
	CHECK(!kill(pid, SIGKILL));
	CHECK_EQ(end_of(pid), 128 + SIGKILL);
}

char state_of(pid_t pid)
{
	char path[64], line[512];
	char *comm_end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	CHECK(f);
	CHECK(fgets(line, sizeof(line), f));
	fclose(f);
	comm_end = strrchr(line, ')');
	CHECK(comm_end);
	return comm_end[2];
}

void become(uid_t uid, gid_t gid, const gid_t *groups, size_t nr_groups)
{
	CHECK(!setgroups(nr_groups, groups));
	CHECK(!setresgid(gid, gid, gid));
	CHECK(!setresuid(uid, uid, uid));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the change has cleared it */
}

void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	CHECK(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

bool has_input(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* The kernel returns EFAULT where the processor would raise SIGSEGV or SIGBUS. */
bool can_read(const void *p)
{
	int pipes[2];
	bool ok;

	CHECK(!pipe(pipes));
	ok = write(pipes[1], p, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return ok;
}

bool can_write(void *p)
{
	int pipes[2];
	bool ok = false;

	CHECK(!pipe(pipes));
	if (write(pipes[1], p, 1) == 1)
		ok = read(pipes[0], p, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return ok;
}

uint32_t run_id(void)
{
	static uint32_t id;

	while (!id)
		CHECK_EQ(getrandom(&id, sizeof(id), 0), sizeof(id));
	return id;
}

const char *unique(const char *stem)
{
	static char names[8][64];
	static unsigned int nr;
	char *name = names[nr++ % ARRAY_SIZE(names)];

	snprintf(name, sizeof(names[0]), "test-%s-%x-%d-%u", stem, run_id(), getpid(), nr);
	return name;
}

/* splitmix64 */
uint64_t random_u64(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

uint64_t nr_sleeps(uint64_t most)
{
	uint64_t n = setting("SHMRING_MESSAGES", 200 * most) / 200;

	return n < most ? n : most;
}

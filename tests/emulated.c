// SPDX-License-Identifier: MIT
/*
 * Prints the features that some tests need and an emulator of system calls lacks, one a line, by
 * the names for which emulated.txt has a reason. On a kernel it prints nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE	(64ul << 20)

static void *some_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static bool passes(bool (*fn)(void))
{
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		_exit(!fn());
	return waitpid(pid, &status, 0) == pid && !status;
}

static void *not_for_children;

static bool child_has_it(void)
{
	unsigned char there;

	return !mincore(not_for_children, 1, &there);
}

/* madvise() may return success for advice that has no effect. */
static bool has_dontfork(void)
{
	long page = sysconf(_SC_PAGESIZE);

	not_for_children = some_memory((size_t)page);
	return !madvise(not_for_children, (size_t)page, MADV_DONTFORK) && !passes(child_has_it);
}

static bool is_kept_below_limit(void)
{
	const struct rlimit limit = { SIZE, SIZE };

	return !setrlimit(RLIMIT_AS, &limit) && some_memory(SIZE) == MAP_FAILED;
}

static bool has_address_limit(void)
{
	return passes(is_kept_below_limit);
}

static bool has_epoll_pwait2(void)
{
	const struct timespec none = { 0 };
	struct epoll_event event;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return !syscall(SYS_epoll_pwait2, fd, &event, 1, &none, NULL, 0);
}

static bool passes_ioctls_on(void)
{
	return ioctl(open("/dev/null", O_RDWR | O_CLOEXEC), _IO('S', 255)) < 0 && errno == ENOTTY;
}

static const char *program;

static bool execute(void)
{
	return execl(program, program, "--nothing", NULL) >= 0;
}

static bool executes_by_name(void)
{
	return passes(execute);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*is_there)(void);
	} probes[] = {
		{ "MADV_DONTFORK", has_dontfork },
		{ "RLIMIT_AS", has_address_limit },
		{ "epoll_pwait2", has_epoll_pwait2 },
		{ "ioctl", passes_ioctls_on },
		{ "exec", executes_by_name },
	};
	size_t i;

	program = argv[0];
	if (argc > 1)
		return 0;
	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		if (!probes[i].is_there())
			puts(probes[i].name);
	return 0;
}

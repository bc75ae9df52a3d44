// SPDX-License-Identifier: MIT
#include "memfd_polled.h"

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

void look_for_nothing(struct shmring *c)
{
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
}

struct polled start_polling(void)
{
	struct polled ends;

	ends.p = new_pair(&ends.c);
	ends.fd = shmring_poll_fd(ends.c);
	assert_true(ends.fd >= 0);
	look_for_nothing(ends.c);
	assert_false(is_readable(ends.fd));
	return ends;
}

void stop_polling(struct polled *ends)
{
	shmring_close(ends->c);
	shmring_close(ends->p);
}

bool is_private(const struct polled *ends)
{
	return ends->c->priv->memfd.watch.is_private;
}

bool gets_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 20000) == 1;
}

unsigned int nr_instances(void)
{
	char path[PATH_MAX], to[64];
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned int n = 0;
	ssize_t len;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		len = readlink(path, to, sizeof(to) - 1);
		to[len < 0 ? 0 : len] = 0;
		n += !!strstr(to, "inotify");
	}
	closedir(dir);
	return n;
}

/* How many threads of this process read events: a sanitizer has threads of its own. */
static unsigned int nr_readers(void)
{
	char path[PATH_MAX], line[32];
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned int n = 0;
	FILE *comm;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		comm = fopen(path, "re");
		n += comm && fgets(line, sizeof(line), comm) && !strcmp(line, "shmring\n");
		if (comm)
			fclose(comm);
	}
	closedir(dir);
	return n;
}

bool has_thread(void)
{
	return __atomic_load_n(&shmring_process->memfd.has_thread, __ATOMIC_RELAXED);
}

void assert_readers(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 20000 && nr_readers() != n; i++)
		usleep(1000);
	assert_int_equal(nr_readers(), n);
}

int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

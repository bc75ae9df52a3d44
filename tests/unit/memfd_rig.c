// SPDX-License-Identifier: MIT
#include "memfd_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "process.h"

int share_instance(void **state)
{
	(void)state;
	assert_int_equal(shmring_enter_process(), 0);
	__atomic_store_n(&shmring_process->memfd.nr_private, MAX_PRIVATE, __ATOMIC_RELAXED);
	return 0;
}

bool has_inotify(void)
{
	int fds[MAX_PRIVATE + 1];
	size_t n = 0;
	bool all;

	while (n < ARRAY_SIZE(fds) && (fds[n] = inotify_init1(IN_CLOEXEC)) >= 0)
		n++;
	all = n == ARRAY_SIZE(fds);
	while (n > 0)
		close(fds[--n]);
	if (!all)
		puts("no inotify instances left");
	return all;
}

void run_with_inotify(void **fn)
{
	if (!has_inotify())
		skip();
	((CMUnitTestFunction)*fn)(fn);
}

unsigned int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Mappings of rings, in this process. */
unsigned int nr_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:shmring") || strstr(line, "/dev/shm/");
	fclose(maps);
	return n;
}

const char *name(void)
{
	static char name[SHMRING_NAME_MAX];

	if (!*name)
		snprintf(name, sizeof(name), "unit-memfd.%x", run_id());
	return name;
}

bool is_named(void)
{
	char path[SHMRING_NAME_MAX + 32];

	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	return !access(path, F_OK);
}

int open_named(void)
{
	char path[SHMRING_NAME_MAX + 32];

	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	return open(path, O_RDWR | O_CLOEXEC);
}

int lock_byte_of(int fd, off_t byte)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l);
}

int lock_byte(off_t byte)
{
	int fd = open_named();

	assert_true(fd >= 0);
	assert_int_equal(lock_byte_of(fd, byte), 0);
	return fd;
}

struct shmring *ring;
struct shmring *successor;

struct shmring *new_ring(const char *called, enum shmring_role role)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .role = role };
	struct shmring *r;

	assert_int_equal(shmring_create(&r, called, &opt), 0);
	return r;
}

struct shmring *new_pair(struct shmring **c)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER);

	assert_int_equal(shmring_attach_fd(c, shmring_fd(p), SHMRING_CONSUMER), 0);
	return p;
}

int create(struct shmring **r, const char *called, unsigned int flags)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .flags = flags,
					     .role = SHMRING_PRODUCER };

	return shmring_create(r, called, &opt);
}

struct shmring *persistent_ring(void)
{
	struct shmring *r;

	assert_int_equal(create(&r, name(), SHMRING_PERSIST), 0);
	return r;
}

int create_anonymous(struct shmring **r)
{
	return create(r, NULL, 0);
}

int create_named(struct shmring **r)
{
	return create(r, name(), 0);
}

int attach_by_fd(struct shmring **r)
{
	return shmring_attach_fd(r, shmring_fd(ring), SHMRING_CONSUMER);
}

int attach_by_name(struct shmring **r)
{
	return shmring_attach(r, name(), SHMRING_CONSUMER);
}

struct shmring_wait soon(void)
{
	return (struct shmring_wait){ .deadline = shmring_deadline(20000000000) };
}

void end_of(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

void be_a_producer(const struct shmring *handle)
{
	struct shmring *p;

	if (!shmring_attach_fd(&p, shmring_fd(handle), SHMRING_PRODUCER) &&
	    shmring_send(p, "last", 5, NULL) == 5 && shmring_reserve(p, 8) &&
	    !shmring_stage(p, 8))
		raise(SIGKILL);
	_exit(1);
}

void take_last(struct shmring *c)
{
	char buf[8];

	assert_int_equal(shmring_recv(c, buf, sizeof(buf), &nowait), 5);
}

pid_t child_that_stays(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

void end_of_child(pid_t pid)
{
	kill(pid, SIGKILL);
	end_of(pid);
}

bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

void wait_a_little(struct shmring *c)
{
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK,
					   .deadline = shmring_deadline(1000000) };

	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
}

void use_memfd(void)
{
	setenv("SHMRING_BACKEND", "memfd", 1);
}

/* The remains of a failed test must not make the next test fail. */
int tidy(void **state)
{
	(void)state;
	fault_at(0);
	refuse_barrier(0);
	device_is(NULL);
	refuse_space(false);
	interrupt_calls(false);
	before_next_lock(NULL);
	before_name_lock(NULL);
	after_next_refusal(NULL);
	before_next_nap(NULL);
	skip_sleeps(NULL, 0);
	if (shmring_process)
		__atomic_store_n(&shmring_process->memfd.nr_private, 0, __ATOMIC_RELAXED);
	shmring_unlink(name());
	return 0;
}

// SPDX-License-Identifier: MIT
/* The memfd backend: many poll descriptors in one process, of one inotify instance. */
#include "memfd_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#if defined(__SANITIZE_THREAD__)
#define FORKS_THREADS	false	/* its runtime ends a child that makes a thread after that */
#elif defined(__has_feature)
#define FORKS_THREADS	(!__has_feature(thread_sanitizer))
#else
#define FORKS_THREADS	true
#endif

/* A producer and a consumer of this process; the consumer polls, and is not ready. */
struct polled {
	struct shmring *p;
	struct shmring *c;
	int fd;
};

static void look_for_nothing(struct shmring *c)
{
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
}

static struct polled start_polling(void)
{
	struct polled ends = { .p = new_ring(NULL, SHMRING_PRODUCER) };

	assert_int_equal(shmring_attach_fd(&ends.c, shmring_fd(ends.p), SHMRING_CONSUMER), 0);
	ends.fd = shmring_poll_fd(ends.c);
	assert_true(ends.fd >= 0);
	look_for_nothing(ends.c);
	assert_false(is_readable(ends.fd));
	return ends;
}

static void stop_polling(struct polled *ends)
{
	shmring_close(ends->c);
	shmring_close(ends->p);
}

static bool gets_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 20000) == 1;
}

static unsigned int nr_instances(void)
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

/* A thread gets its name when it begins to run, and is listed for a moment after its end. */
static void assert_readers(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 20000 && nr_readers() != n; i++)
		usleep(1000);
	assert_int_equal(nr_readers(), n);
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* More than the inotify instances that a user may have by default, which is 128. */
#define NR	200

static void each_poll_fd_is_for_its_own_ring(void **state)
{
	unsigned int fds = nr_fds(), i, k;
	struct polled ends[NR];

	(void)state;
	for (i = 0; i < NR; i++)
		ends[i] = start_polling();
	assert_int_equal(nr_instances(), 1);
	for (i = 0; i < NR; i++) {
		assert_true(ends[i].c->priv->memfd.watch.event_fd > 0);
		put(ends[i].p, 8, i);
		for (k = 0; k < NR; k++)
			assert_int_equal(is_readable(ends[k].fd), k == i);
		take(ends[i].c, 8, i);
		look_for_nothing(ends[i].c);
		assert_false(is_readable(ends[i].fd));
	}
	assert_readers(1);
	for (i = 0; i < NR; i++)
		stop_polling(&ends[i]);
	assert_int_equal(nr_fds(), fds);
	assert_readers(0);
}

/* The only one needs no thread; nor does the next one after it. */
static void one_poll_fd_takes_no_thread(void **state)
{
	struct polled ends;
	unsigned int i;

	(void)state;
	assert_readers(0);
	for (i = 0; i < 3; i++) {
		ends = start_polling();
		assert_int_equal(nr_readers(), 0);
		put(ends.p, 8, 1);
		assert_true(is_readable(ends.fd));
		stop_polling(&ends);
	}
}

/* Events that came while the first one was alone are not lost when the second one comes. */
static void first_poll_fd_stays_readable(void **state)
{
	struct polled first = start_polling(), second;

	(void)state;
	put(first.p, 8, 1);
	second = start_polling();
	assert_true(gets_readable(first.fd));
	put(second.p, 8, 2);
	assert_true(is_readable(second.fd));
	take(first.c, 8, 1);
	look_for_nothing(first.c);
	assert_false(is_readable(first.fd));
	stop_polling(&first);
	put(second.p, 8, 3);
	take(second.c, 8, 2);
	take(second.c, 8, 3);
	look_for_nothing(second.c);
	assert_false(is_readable(second.fd));
	put(second.p, 8, 4);
	assert_true(is_readable(second.fd));
	stop_polling(&second);
}

/* Both ends of a ring poll: its file has one watch. */
static void ends_of_one_ring_both_poll(void **state)
{
	struct polled ends = start_polling(), other = start_polling();
	int fd = shmring_poll_fd(ends.p);

	(void)state;
	assert_int_equal(shmring_wait_space(ends.p, 8, &nowait), 0);
	put(ends.p, 8, 1);
	assert_true(is_readable(ends.fd) && is_readable(fd) && !is_readable(other.fd));
	shmring_close(ends.p);
	assert_true(is_readable(ends.fd));
	take(ends.c, 8, 1);
	usleep(10000);	/* for the thread: the producer's watch has gone */
	assert_int_equal(shmring_wait_data(ends.c, &nowait), -ENODATA);
	assert_false(is_readable(ends.fd));
	assert_int_equal(shmring_attach_fd(&ends.p, shmring_fd(ends.c), SHMRING_PRODUCER), 0);
	assert_true(is_readable(ends.fd));
	stop_polling(&ends);
	stop_polling(&other);
}

/* Nor is the second end told of what has come before it polls. */
static void second_end_begins_afresh(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	int fd = shmring_poll_fd(p);

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(is_readable(fd));
	fd = shmring_poll_fd(c);
	look_for_nothing(c);
	usleep(10000);	/* for the thread */
	assert_false(is_readable(fd));
	put(p, 8, 1);
	assert_true(is_readable(fd));
	shmring_close(c);
	shmring_close(p);
}

/* What another process does is told by the thread: a message, and a death. */
static void other_processes_are_heard_of(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	struct polled other = start_polling();
	int fd = shmring_poll_fd(c);
	pid_t pid;

	(void)state;
	look_for_nothing(c);
	assert_false(is_readable(fd));
	pid = fork();
	if (!pid)
		be_a_producer(c);
	assert_true(gets_readable(fd));
	end_of(pid);
	while (shmring_wait_data(c, &nowait) == -EAGAIN)
		assert_true(gets_readable(fd));
	take_last(c);
	while (shmring_wait_data(c, &nowait) == -EAGAIN)
		assert_true(gets_readable(fd));
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_false(is_readable(other.fd));
	shmring_close(c);
	stop_polling(&other);
}

/* Rings whose files' watches lie in one bucket of the table, of which there are 1,024. */
static void watches_of_one_bucket_differ(void **state)
{
	struct polled first = start_polling(), other = start_polling(), last;
	int wd = first.c->priv->memfd.watch.wd;

	(void)state;
	for (;;) {
		last = start_polling();
		if (last.c->priv->memfd.watch.wd % 1024 == wd % 1024)
			break;
		stop_polling(&last);
	}
	put(first.p, 8, 1);
	assert_true(is_readable(first.fd) && !is_readable(last.fd));
	put(last.p, 8, 1);
	assert_true(is_readable(last.fd));
	stop_polling(&first);
	take(last.c, 8, 1);
	look_for_nothing(last.c);
	assert_false(is_readable(last.fd));
	stop_polling(&other);
	stop_polling(&last);
}

static unsigned long max_events(void)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned long n = 0;

	if (!f || fscanf(f, "%lu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* The file @path of one ring, then of the other, is written: no two events in a row are equal. */
static void overflow(const struct polled *a, const struct polled *b, unsigned long n)
{
	int fd[2];
	char path[32];
	unsigned long i;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmring_fd(a->c));
	fd[0] = open(path, O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmring_fd(b->c));
	fd[1] = open(path, O_RDWR | O_CLOEXEC);
	for (i = 0; i <= n + 1; i++)
		assert_int_equal(pwrite(fd[i % 2], "", 1, sysconf(_SC_PAGESIZE) - 1), 1);
	close(fd[0]);
	close(fd[1]);
}

/* Where events are lost, each poll descriptor is readable, and looks for a death. */
static void lost_events_are_for_all(void **state)
{
	struct polled ends[3] = { start_polling(), start_polling(), start_polling() };
	unsigned long n = max_events();
	unsigned int looks;

	(void)state;
	if (!n || n > 1000000)
		skip();
	shmring_lock_process();
	overflow(&ends[0], &ends[1], n);
	shmring_unlock_process();
	assert_true(gets_readable(ends[2].fd));
	for (looks = 0; looks < 2; looks++) {
		look_for_nothing(ends[2].c);
		assert_true(gets_readable(ends[2].fd));
	}
	for (looks = 0; looks < 3; looks++)
		stop_polling(&ends[looks]);
}

/* Where the thread cannot be had, a timer has the loop look now and then. */
static void poll_without_a_thread(const char *call, int error)
{
	struct polled first = start_polling(), second;

	fault_in(call, error, 1);
	second = start_polling();
	assert_true(fault_happened());
	fault_at(0);
	assert_int_equal(second.c->priv->memfd.watch.event_fd, 0);
	put(second.p, 8, 1);
	assert_true(gets_readable(second.fd));
	take(second.c, 8, 1);
	assert_false(is_readable(first.fd));
	put(first.p, 8, 1);
	assert_true(is_readable(first.fd));
	stop_polling(&second);
	stop_polling(&first);
}

/* A filter of system calls may forbid it with any error. */
static void poll_works_without_a_thread(void **state)
{
	unsigned int fds = nr_fds();

	(void)state;
	poll_without_a_thread("pthread_create", EAGAIN);
	poll_without_a_thread("pthread_create", EPERM);
	assert_int_equal(nr_fds(), fds);
}

/* A program may forbid itself any further descriptor. */
static void thread_goes_on_without_further_descriptors(void **state)
{
	struct polled first = start_polling(), second = start_polling();
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	put(first.p, 8, 1);
	usleep(10000);	/* for the thread */
	stop_polling(&first);
	stop_polling(&second);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_readers(0);
}

static unsigned int times_told(void)
{
	unsigned int ret;

	shmring_lock_process();
	ret = shmring_process->memfd.nr_told;
	shmring_unlock_process();
	return ret;
}

/* The thread writes once to the eventfd of a descriptor that is readable already. */
static void flood_is_passed_on_once(void **state)
{
	struct polled ends = start_polling(), other = start_polling();
	unsigned int told = times_told();
	pid_t pid = fork();
	char path[32];
	int fd;

	(void)state;
	if (!pid) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", shmring_fd(ends.c));
		fd = open(path, O_RDWR | O_CLOEXEC);
		for (;;)
			if (pwrite(fd, "", 1, sysconf(_SC_PAGESIZE) - 1) != 1)
				_exit(1);
	}
	assert_true(gets_readable(ends.fd));
	usleep(50000);
	end_of_child(pid);
	assert_int_equal(times_told(), told + 1);
	assert_false(is_readable(other.fd));
	stop_polling(&ends);
	stop_polling(&other);
}

/* Thread-local variables of the program may need all of a small stack. */
static void thread_gets_a_larger_stack(void **state)
{
	struct polled first = start_polling(), second;

	(void)state;
	fault_in("pthread_create", EINVAL, 1);
	second = start_polling();
	assert_true(fault_happened());
	fault_at(0);
	assert_true(second.c->priv->memfd.watch.event_fd > 0);
	put(second.p, 8, 1);
	assert_true(is_readable(second.fd));
	stop_polling(&first);
	stop_polling(&second);
}

static void note_signal(int nr)
{
	(void)nr;
	_exit(1);
}

/* A signal that the program's only thread blocks stays pending. */
static void thread_takes_no_signals(void **state)
{
	struct polled first = start_polling(), second = start_polling();
	sigset_t usr1, pending;
	pid_t pid;

	(void)state;
	stop_polling(&first);
	stop_polling(&second);
	pid = fork();
	if (!pid) {
		if (!FORKS_THREADS)
			_exit(0);
		first = start_polling();
		second = start_polling();
		signal(SIGUSR1, note_signal);
		sigemptyset(&usr1);
		sigaddset(&usr1, SIGUSR1);
		pthread_sigmask(SIG_BLOCK, &usr1, NULL);
		kill(getpid(), SIGUSR1);
		usleep(10000);
		sigpending(&pending);
		_exit(!sigismember(&pending, SIGUSR1));
	}
	assert_int_equal(exit_status(pid), 0);
}

/* A child that polls rings of its own, before or after it has closed its parent's. */
static void be_a_child(struct polled *parents, unsigned int fds, bool first)
{
	struct polled own[2];

	if (first) {
		stop_polling(&parents[0]);
		stop_polling(&parents[1]);
		if (nr_fds() != fds)
			_exit(1);
	}
	if (FORKS_THREADS) {
		own[0] = start_polling();
		own[1] = start_polling();
		if (!first) {
			stop_polling(&parents[0]);
			stop_polling(&parents[1]);
		}
		put(own[1].p, 8, 1);
		if (!is_readable(own[1].fd) || is_readable(own[0].fd))
			_exit(2);
		stop_polling(&own[0]);
		stop_polling(&own[1]);
		if (nr_fds() != fds)
			_exit(3);
	}
	_exit(0);
}

static void children_poll_for_themselves(void **state)
{
	unsigned int fds = nr_fds(), i;
	struct polled ends[2] = { start_polling(), start_polling() };
	pid_t pid;

	(void)state;
	for (i = 0; i < 2; i++) {
		pid = fork();
		if (!pid)
			be_a_child(ends, fds, i);
		assert_int_equal(exit_status(pid), 0);
	}
	for (i = 0; i < 2; i++) {
		look_for_nothing(ends[i].c);
		assert_false(is_readable(ends[i].fd));
		put(ends[i].p, 8, 1);
		assert_true(is_readable(ends[i].fd));
		stop_polling(&ends[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_poll_fd_is_for_its_own_ring),
		TEST(one_poll_fd_takes_no_thread),
		TEST(first_poll_fd_stays_readable),
		TEST(ends_of_one_ring_both_poll),
		TEST(second_end_begins_afresh),
		TEST(other_processes_are_heard_of),
		TEST(watches_of_one_bucket_differ),
		TEST(lost_events_are_for_all),
		TEST(poll_works_without_a_thread),
		TEST(thread_goes_on_without_further_descriptors),
		TEST(flood_is_passed_on_once),
		TEST(thread_gets_a_larger_stack),
		TEST(thread_takes_no_signals),
		TEST(children_poll_for_themselves),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_watch", tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* The memfd backend: the inotify instance that poll descriptors share, and its thread. */
#include "memfd_polled.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "faults.h"

static void write_to(int ring_fd)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", ring_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "", 1, sysconf(_SC_PAGESIZE) - 1), 1);
	close(fd);
}

/* The second end of a ring is not told of what came before it polls, and nobody has read yet. */
static void second_end_is_not_told_of_earlier_events(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	const int *fds = shmring_memfd_watch_fds();
	int fd;

	(void)state;
	assert_true(shmring_poll_fd(p) >= 0);
	assert_int_equal(epoll_ctl(fds[WATCH_EPOLL], EPOLL_CTL_DEL, fds[WATCH_SHARED], NULL), 0);
	write_to(shmring_fd(p));
	fd = shmring_poll_fd(c);
	assert_int_equal(shmring_memfd_add_to_epoll(fds[WATCH_EPOLL], fds[WATCH_SHARED]), 0);
	usleep(10000);	/* for the thread */
	assert_false(is_readable(fd));
	shmring_close(c);
	shmring_close(p);
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
	struct polled ends;

	fault_in(call, error, 1);
	ends = start_polling();
	assert_true(fault_happened());
	fault_at(0);
	assert_int_equal(ends.c->priv->memfd.watch.fd, 0);
	put(ends.p, 8, 1);
	assert_true(gets_readable(ends.fd));
	take(ends.c, 8, 1);
	stop_polling(&ends);
}

/* A filter of system calls may forbid it with any error. */
static void poll_works_without_a_thread(void **state)
{
	unsigned int fds = nr_fds();

	(void)state;
	poll_without_a_thread("pthread_create", EAGAIN);
	poll_without_a_thread("pthread_create", EPERM);
	poll_without_a_thread("inotify_init1", EMFILE);
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
	struct polled ends;

	(void)state;
	fault_in("pthread_create", EINVAL, 1);
	ends = start_polling();
	assert_true(fault_happened());
	fault_at(0);
	assert_true(ends.c->priv->memfd.watch.fd > 0);
	put(ends.p, 8, 1);
	assert_true(is_readable(ends.fd));
	stop_polling(&ends);
}

static struct polled handlers;

static void send_one(int nr)
{
	int before = errno;

	(void)nr;
	put(handlers.p, 8, 1);
	errno = before;
}

/* Else the handler would wait for ever for a lock that the code it interrupts has. */
static void handler_sends_once_the_lock_is_free(void **state)
{
	(void)state;
	handlers = start_polling();
	signal(SIGUSR1, send_one);
	alarm(30);
	shmring_lock_process();
	raise(SIGUSR1);
	assert_false(is_readable(handlers.fd));
	shmring_unlock_process();
	alarm(0);
	assert_true(is_readable(handlers.fd));
	take(handlers.c, 8, 1);
	signal(SIGUSR1, SIG_DFL);
	stop_polling(&handlers);
}

static void note_signal(int nr)
{
	(void)nr;
	_exit(1);
}

/* A signal that the program's only thread blocks stays pending. */
static void thread_takes_no_signals(void **state)
{
	sigset_t usr1, pending;
	pid_t pid = fork();

	if (!pid) {
		if (!FORKS_THREADS)
			_exit(0);
		share_instance(state);
		start_polling();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARED(second_end_is_not_told_of_earlier_events),
		SHARED(watches_of_one_bucket_differ),
		SHARED(lost_events_are_for_all),
		SHARED(poll_works_without_a_thread),
		SHARED(thread_goes_on_without_further_descriptors),
		SHARED(flood_is_passed_on_once),
		SHARED(thread_gets_a_larger_stack),
		SHARED(handler_sends_once_the_lock_is_free),
		TEST(thread_takes_no_signals),
	};

	if (!has_inotify())
		return SKIP_PROGRAM;
	use_memfd();
	return cmocka_run_group_tests_name("memfd_shared", tests, NULL, NULL);
}

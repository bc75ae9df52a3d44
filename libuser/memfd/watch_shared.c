// SPDX-License-Identifier: MIT
/*
 * The inotify instance that a process's endpoints share, with a watch for each file, once there
 * are more than have one of their own. An endpoint has an eventfd, which is readable from an event
 * of its file on: the poll descriptor cannot contain the instance, which is readable at the events
 * of all files. A thread reads the events and writes to the eventfds. So does a thread of the
 * process that has caused an event: then the descriptor is readable when its call returns.
 *
 * watch_lock is held while watches come and go, the lock of the process while the table of watches
 * is used.
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "watch.h"

#define NR_BUCKETS	1024
#define STACK_SIZE	131072		/* the least there is on arm64 */

/* By watch descriptor. A child's copy is its parent's, until the child opens an instance. */
static struct shmring_watch *buckets[NR_BUCKETS];

static struct shmring_memfd_process *shared(void)
{
	return &shmring_process->memfd;
}

static struct shmring_watch **bucket_of(int wd)
{
	return &buckets[(unsigned int)wd % NR_BUCKETS];
}

/* ------------------------------------------------------------- reading events, under the lock */

static void tell(struct shmring_watch *w, uint32_t mask)
{
	w->closed |= is_maybe_close(mask);
	if (w->told)
		return;
	w->told = true;
	shared()->nr_told++;
	eventfd_write(w->fd, 1);
}

static void tell_all(uint32_t mask)
{
	struct shmring_watch *w;
	size_t i;

	for (i = 0; i < NR_BUCKETS; i++)
		for (w = buckets[i]; w; w = w->next)
			tell(w, mask);
}

/* Two endpoints of one ring have one watch. */
static void pass_on(const struct inotify_event *event, void *unused)
{
	struct shmring_watch *w;

	(void)unused;
	if (event->mask & IN_Q_OVERFLOW)
		tell_all(event->mask);
	for (w = *bucket_of(event->wd); w; w = w->next)
		if (w->wd == event->wd)
			tell(w, event->mask);
}

/*
 * Read events, and write to the eventfds of all endpoints that they concern. Returns whether there
 * were events, and none was news: all the endpoints have yet to take earlier ones.
 */
static bool pass_on_events(void)
{
	unsigned int told = shared()->nr_told;

	return shmring_memfd_read_events(shmring_memfd_watch_fds()[WATCH_SHARED], pass_on, NULL) &&
	       shared()->nr_told == told;
}

/* This process has caused an event. */
void shmring_memfd_pass_on_events(void)
{
	if (!__atomic_load_n(&shared()->has_thread, __ATOMIC_RELAXED))
		return;
	shmring_lock_process();
	if (shared()->has_thread)
		pass_on_events();
	shmring_unlock_process();
}

bool shmring_memfd_take_shared_events(struct shmring_watch *w)
{
	eventfd_t times;
	bool closed;

	shmring_lock_process();
	if (w->told)
		eventfd_read(w->fd, &times);
	w->told = false;
	closed = w->closed;
	w->closed = false;
	shmring_unlock_process();
	return closed;
}

/* ----------------------------------------------------- the thread and the instance, watch_lock */

/*
 * Not poll(2), which fails where RLIMIT_NOFILE is below two. A peer that causes events as fast as it
 * can gets a pause for those that nobody has asked for, and not all of a CPU.
 */
static void *read_for_all(void *unused)
{
	const int *fds = shmring_memfd_watch_fds();
	struct epoll_event event;
	eventfd_t times;
	bool in_vain;

	pthread_setname_np(pthread_self(), "shmring");
	for (;;) {
		epoll_wait(fds[WATCH_EPOLL], &event, 1, -1);
		if (!eventfd_read(fds[WATCH_STOP], &times))
			return unused;
		shmring_lock_process();
		in_vain = pass_on_events();
		shmring_unlock_process();
		if (in_vain)
			shmring_memfd_nap();
	}
}

/*
 * A small stack, if the program's thread-local variables leave room in it. -EAGAIN: no thread,
 * whatever forbids it.
 */
static int create_thread(pthread_t *thread)
{
	pthread_attr_t attr;
	int ret = EINVAL;

	if (!pthread_attr_init(&attr)) {
		if (!pthread_attr_setstacksize(&attr, STACK_SIZE))
			ret = pthread_create(thread, &attr, read_for_all, NULL);
		pthread_attr_destroy(&attr);
	}
	if (ret == EINVAL)
		ret = pthread_create(thread, NULL, read_for_all, NULL);
	return ret ? -EAGAIN : 0;
}

/* No signal handler of the program is to run in it. */
static int start_thread(pthread_t *thread)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ret = create_thread(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

static int open_fds(int *fds)
{
	int ret;

	fds[WATCH_SHARED] = kept_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	if (fds[WATCH_SHARED] < 0)
		return fds[WATCH_SHARED];
	fds[WATCH_STOP] = kept_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (fds[WATCH_STOP] < 0)
		return fds[WATCH_STOP];
	fds[WATCH_EPOLL] = kept_fd(epoll_create1(EPOLL_CLOEXEC));
	if (fds[WATCH_EPOLL] < 0)
		return fds[WATCH_EPOLL];
	ret = shmring_memfd_add_to_epoll(fds[WATCH_EPOLL], fds[WATCH_STOP]);
	return ret ? ret : shmring_memfd_add_to_epoll(fds[WATCH_EPOLL], fds[WATCH_SHARED]);
}

static void set_has_thread(bool has_thread)
{
	shmring_lock_process();
	__atomic_store_n(&shared()->has_thread, has_thread, __ATOMIC_RELAXED);
	shmring_unlock_process();
}

static int open_instance(void)
{
	int *fds = shmring_memfd_watch_fds();
	int ret = open_fds(fds);

	if (!ret)
		ret = start_thread(&shared()->thread);
	if (ret) {
		shmring_memfd_close_fds(fds, WATCH_IDLE);
		return ret;
	}
	memset(buckets, 0, sizeof(buckets));
	set_has_thread(true);
	return 0;
}

static void close_instance(void)
{
	int *fds = shmring_memfd_watch_fds();

	set_has_thread(false);
	eventfd_write(fds[WATCH_STOP], 1);
	pthread_join(shared()->thread, NULL);
	shmring_memfd_close_fds(fds, WATCH_IDLE);
}

/* -------------------------------------------------------------------- watches */

/*
 * What has come so far is not for this watch, though another one may be of the same file. What
 * comes from now on is: nobody reads it before the watch can be found.
 */
static int insert(struct shmring_watch *w, int file)
{
	struct shmring_watch **bucket;

	shmring_lock_process();
	pass_on_events();
	w->wd = shmring_memfd_watch_file(shmring_memfd_watch_fds()[WATCH_SHARED], file);
	if (w->wd >= 0) {
		bucket = bucket_of(w->wd);
		w->next = *bucket;
		*bucket = w;
		shared()->nr_watches++;
	}
	shmring_unlock_process();
	return w->wd < 0 ? w->wd : 0;
}

/* Returns whether it was the last watch of its file. */
static bool take_out(struct shmring_watch *w)
{
	struct shmring_watch **at = bucket_of(w->wd), *other;

	shmring_lock_process();
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	shmring_unlock_process();
	shared()->nr_watches--;
	for (other = *bucket_of(w->wd); other; other = other->next)
		if (other->wd == w->wd)
			return false;
	return true;
}

static int add_watch(struct shmring_watch *w, int file)
{
	int ret = shared()->nr_watches ? 0 : open_instance();

	if (ret)
		return ret;
	ret = insert(w, file);
	if (!shared()->nr_watches)
		close_instance();
	return ret;
}

/* @poll_fd is to become readable at the events of @file. */
int shmring_memfd_share_watch(struct shmring_watch *w, int poll_fd, int file)
{
	int fd = kept_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	int ret = shmring_memfd_add_to_epoll(poll_fd, fd);

	if (!ret) {
		w->fd = fd;
		pthread_mutex_lock(&shared()->watch_lock);
		ret = add_watch(w, file);
		pthread_mutex_unlock(&shared()->watch_lock);
	}
	if (ret && fd >= 0) {
		close(fd);
		w->fd = 0;
	}
	return ret;
}

void shmring_memfd_end_shared_watch(struct shmring_watch *w)
{
	pthread_mutex_lock(&shared()->watch_lock);
	if (take_out(w))
		inotify_rm_watch(shmring_memfd_watch_fds()[WATCH_SHARED], w->wd);
	if (!shared()->nr_watches)
		close_instance();
	pthread_mutex_unlock(&shared()->watch_lock);
}

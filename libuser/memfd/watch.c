// SPDX-License-Identifier: MIT
/*
 * The events of the files that a process polls. A user may have 128 inotify instances, so a
 * process has one, with a watch for each file. An endpoint has an eventfd, which is readable from
 * an event of its file on.
 *
 * The poll descriptor of a process's only endpoint that polls contains the inotify descriptor
 * itself, and the endpoint reads the events. Once there is a second endpoint, a thread reads them
 * and writes to the eventfds. A thread of the process that has caused an event does so, too:
 * then the descriptor is readable when its call returns.
 *
 * watch_lock is held while watches come and go, the lock of the process while the table of watches
 * is used.
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "memfd.h"

#define NR_BUCKETS	1024
#define NR_EVENTS	64
#define READS_MAX	256		/* in a row: as many events as a queue holds ... */
#define READS_OF_THREAD	4		/* ... but the thread lets others have the lock */
#define STACK_SIZE	131072		/* the least there is on arm64 */

/* By watch descriptor. A child's copy is its parent's, until the child opens an instance. */
static struct shmring_watch *buckets[NR_BUCKETS];

/* What a child has of its parent's, to close: descriptors of the process of that generation. */
static struct {
	int inotify_fd;
	int stop_fd;
	uint32_t generation;
} inheritance;

static struct shmring_memfd_process *shared(void)
{
	return &shmring_process->memfd;
}

static struct shmring_watch **bucket_of(int wd)
{
	return &buckets[(unsigned int)wd % NR_BUCKETS];
}

/* ------------------------------------------------------------- reading events, under the lock */

static void tell(struct shmring_watch *w, uint32_t mask, const struct shmring_watch *reader)
{
	/* What was lost may have been a close. */
	w->closed |= !!(mask & (IN_CLOSE_WRITE | IN_Q_OVERFLOW));
	if (w != reader)
		eventfd_write(w->event_fd, 1);
}

static void tell_all(uint32_t mask, const struct shmring_watch *reader)
{
	struct shmring_watch *w;
	size_t i;

	for (i = 0; i < NR_BUCKETS; i++)
		for (w = buckets[i]; w; w = w->next)
			tell(w, mask, reader);
}

/* Two endpoints of one ring have one watch. */
static void pass_on(const struct inotify_event *event, const struct shmring_watch *reader)
{
	struct shmring_watch *w;

	if (event->mask & IN_Q_OVERFLOW)
		tell_all(event->mask, reader);
	for (w = *bucket_of(event->wd); w; w = w->next)
		if (w->wd == event->wd)
			tell(w, event->mask, reader);
}

/* Read events, and write to the eventfds of all endpoints that they concern but @reader's. */
static void pass_on_events(const struct shmring_watch *reader, int reads)
{
	struct inotify_event events[NR_EVENTS];	/* without names: files are watched */
	ssize_t n, i;

	while (reads--) {
		n = read(shared()->inotify_fd, events, sizeof(events));
		if (n <= 0)
			break;
		for (i = 0; i < n / (ssize_t)sizeof(*events); i++)
			pass_on(&events[i], reader);
	}
}

/* This process has caused an event. */
void shmring_memfd_pass_on_events(void)
{
	if (!__atomic_load_n(&shared()->has_thread, __ATOMIC_RELAXED))
		return;
	shmring_lock_process();
	if (shared()->has_thread)
		pass_on_events(NULL, READS_MAX);
	shmring_unlock_process();
}

bool shmring_memfd_take_events(struct shmring_watch *w)
{
	eventfd_t times;
	bool closed;

	shmring_lock_process();
	if (shared()->alone == w)
		pass_on_events(w, READS_MAX);
	else
		eventfd_read(w->event_fd, &times);
	closed = w->closed;
	w->closed = false;
	shmring_unlock_process();
	return closed;
}

/* ----------------------------------------------------- the thread and the instance, watch_lock */

static void *read_for_all(void *unused)
{
	struct pollfd p[] = {
		{ .fd = shared()->stop_fd, .events = POLLIN },
		{ .fd = shared()->inotify_fd, .events = POLLIN },
	};

	pthread_setname_np(pthread_self(), "shmring");
	for (;;) {
		poll(p, 2, -1);
		if (p[0].revents)
			return unused;
		shmring_lock_process();
		pass_on_events(NULL, READS_OF_THREAD);
		shmring_unlock_process();
	}
}

/* A small stack, if the program's thread-local variables leave room in it. */
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
	return -ret;
}

/* No signal handler of the program is to run in it. */
static int start_thread(void)
{
	struct shmring_memfd_process *m = shared();
	sigset_t all, before;
	int ret;

	m->stop_fd = kept_fd(eventfd(0, EFD_CLOEXEC));
	if (m->stop_fd < 0)
		return m->stop_fd;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ret = create_thread(&m->thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		close(m->stop_fd);
	else
		inheritance.stop_fd = m->stop_fd;
	return ret;
}

static void set_reader(struct shmring_watch *alone, bool has_thread)
{
	shmring_lock_process();
	shared()->alone = alone;
	__atomic_store_n(&shared()->has_thread, has_thread, __ATOMIC_RELAXED);
	shmring_unlock_process();
}

/* The second endpoint has come: the first one's poll descriptor is to be ready for its own only. */
static int share_instance(void)
{
	struct shmring_memfd_process *m = shared();
	int ret = start_thread();

	if (ret)
		return ret;
	epoll_ctl(m->alone->poll_fd, EPOLL_CTL_DEL, m->inotify_fd, NULL);
	set_reader(NULL, true);
	return 0;
}

static int open_instance(struct shmring_watch *w)
{
	struct shmring_memfd_process *m = shared();
	int fd = kept_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	int ret = shmring_memfd_add_to_epoll(w->poll_fd, fd);

	if (ret) {
		if (fd >= 0)
			close(fd);
		return ret;
	}
	memset(buckets, 0, sizeof(buckets));
	m->inotify_fd = fd;
	inheritance.inotify_fd = fd;
	inheritance.stop_fd = -1;
	inheritance.generation = shmring_process->generation;
	set_reader(w, false);
	return 0;
}

/* Takes some milliseconds: the kernel waits until no CPU can be in the instance. */
static void close_instance(void)
{
	struct shmring_memfd_process *m = shared();

	if (m->has_thread) {
		eventfd_write(m->stop_fd, 1);
		pthread_join(m->thread, NULL);
		close(m->stop_fd);
	}
	set_reader(NULL, false);
	close(m->inotify_fd);
	m->inotify_fd = 0;
	inheritance.generation = 0;
}

/* -------------------------------------------------------------------- watches */

/* What has come so far is not for this watch, though another one may be of the same file. */
static void insert(struct shmring_watch *w)
{
	struct shmring_watch **bucket = bucket_of(w->wd);

	shmring_lock_process();
	pass_on_events(NULL, READS_MAX);
	w->next = *bucket;
	*bucket = w;
	shmring_unlock_process();
	shared()->nr_watches++;
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

/* The file is watched from now on, but the watch is found only after insert(). */
static int watch_file(struct shmring_watch *w, int file)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	w->wd = inotify_add_watch(shared()->inotify_fd, path, IN_MODIFY | IN_CLOSE_WRITE);
	return w->wd < 0 ? -errno : 0;
}

static int add_watch(struct shmring_watch *w, int file)
{
	int ret = 0;

	if (!shared()->inotify_fd)
		ret = open_instance(w);
	else if (shared()->alone)
		ret = share_instance();
	if (ret)
		return ret;
	ret = watch_file(w, file);
	if (!ret)
		insert(w);
	else if (!shared()->nr_watches)
		close_instance();
	return ret;
}

/* @poll_fd is to become readable at the events of @file. */
int shmring_memfd_watch(struct shmring_watch *w, int poll_fd, int file)
{
	int fd = kept_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	int ret = shmring_memfd_add_to_epoll(poll_fd, fd);

	if (!ret) {
		w->event_fd = fd;
		w->poll_fd = poll_fd;
		pthread_mutex_lock(&shared()->watch_lock);
		ret = add_watch(w, file);
		pthread_mutex_unlock(&shared()->watch_lock);
	}
	if (ret && fd >= 0) {
		close(fd);
		w->event_fd = 0;
	}
	return ret;
}

void shmring_memfd_unwatch(struct shmring_watch *w)
{
	pthread_mutex_lock(&shared()->watch_lock);
	if (take_out(w))
		inotify_rm_watch(shared()->inotify_fd, w->wd);
	if (!shared()->nr_watches)
		close_instance();
	pthread_mutex_unlock(&shared()->watch_lock);
	close(w->event_fd);
	w->event_fd = 0;
}

/* In a child: an object of its parent's goes, and with the first of them the parent's instance. */
void shmring_memfd_close_inherited(struct shmring_watch *w, uint32_t generation)
{
	close(w->event_fd);
	w->event_fd = 0;
	if (inheritance.generation != generation)
		return;
	inheritance.generation = 0;
	close(inheritance.inotify_fd);
	if (inheritance.stop_fd >= 0)
		close(inheritance.stop_fd);
}

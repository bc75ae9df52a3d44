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
#define READS_MAX	16		/* in a row: others are to have the lock, too */
#define STACK_SIZE	131072		/* the least there is on arm64 */

/* By watch descriptor. A child's copy is its parent's, until the child opens an instance. */
static struct shmring_watch *buckets[NR_BUCKETS];

/*
 * What a child has of its parent's, to close: descriptors of the process of that generation. The
 * second one is the parent's while the child has an instance of its own.
 */
static struct {
	struct shmring_watch_fds fds;
	uint32_t generation;
} inheritance[2];

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
	if (w == reader || w->told)
		return;
	w->told = true;
	shared()->nr_told++;
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

/*
 * Read events, and write to the eventfds of all endpoints that they concern but @reader's. Returns
 * whether there were events, and none was news: all the endpoints have yet to take earlier ones.
 */
static bool pass_on_events(const struct shmring_watch *reader)
{
	struct inotify_event events[NR_EVENTS];	/* without names: files are watched */
	unsigned int told = shared()->nr_told;
	int reads = 0;
	ssize_t n, i;

	while (reads < READS_MAX) {
		n = read(shared()->fds.inotify, events, sizeof(events));
		if (n <= 0)
			break;
		reads++;
		for (i = 0; i < n / (ssize_t)sizeof(*events); i++)
			pass_on(&events[i], reader);
	}
	return reads && shared()->nr_told == told;
}

/* This process has caused an event. */
void shmring_memfd_pass_on_events(void)
{
	if (!__atomic_load_n(&shared()->has_thread, __ATOMIC_RELAXED))
		return;
	shmring_lock_process();
	if (shared()->has_thread)
		pass_on_events(NULL);
	shmring_unlock_process();
}

bool shmring_memfd_take_events(struct shmring_watch *w)
{
	eventfd_t times;
	bool closed;

	shmring_lock_process();
	if (shared()->alone == w)
		pass_on_events(w);
	if (w->told)
		eventfd_read(w->event_fd, &times);
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
	struct shmring_memfd_process *m = shared();
	struct epoll_event event;
	eventfd_t times;
	bool in_vain;

	pthread_setname_np(pthread_self(), "shmring");
	for (;;) {
		epoll_wait(m->fds.epoll, &event, 1, -1);
		if (!eventfd_read(m->fds.stop, &times))
			return unused;
		shmring_lock_process();
		in_vain = pass_on_events(NULL);
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

static void close_fds(struct shmring_watch_fds *fds)
{
	if (fds->inotify)
		close(fds->inotify);
	if (fds->stop > 0)
		close(fds->stop);
	if (fds->epoll > 0)
		close(fds->epoll);
	*fds = (struct shmring_watch_fds){ 0 };
}

static int open_thread_fds(struct shmring_watch_fds *fds)
{
	int ret;

	fds->stop = kept_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (fds->stop < 0)
		return fds->stop;
	fds->epoll = kept_fd(epoll_create1(EPOLL_CLOEXEC));
	if (fds->epoll < 0)
		return fds->epoll;
	ret = shmring_memfd_add_to_epoll(fds->epoll, fds->stop);
	return ret ? ret : shmring_memfd_add_to_epoll(fds->epoll, fds->inotify);
}

/* No signal handler of the program is to run in it. */
static int start_thread(void)
{
	struct shmring_memfd_process *m = shared();
	struct shmring_watch_fds own;
	sigset_t all, before;
	int ret = open_thread_fds(&m->fds);

	if (!ret) {
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, &before);
		ret = create_thread(&m->thread);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (!ret) {
		inheritance[0].fds = m->fds;
		return 0;
	}
	own = m->fds;
	own.inotify = 0;
	close_fds(&own);
	m->fds.stop = m->fds.epoll = 0;
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
	epoll_ctl(m->alone->poll_fd, EPOLL_CTL_DEL, m->fds.inotify, NULL);
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
	m->fds.inotify = fd;
	if (inheritance[0].generation)
		inheritance[1] = inheritance[0];
	inheritance[0].fds = m->fds;
	inheritance[0].generation = shmring_process->generation;
	set_reader(w, false);
	return 0;
}

/* Takes some milliseconds: the kernel waits until no CPU can be in the instance. */
static void close_instance(void)
{
	struct shmring_memfd_process *m = shared();

	if (m->has_thread) {
		eventfd_write(m->fds.stop, 1);
		pthread_join(m->thread, NULL);
	}
	set_reader(NULL, false);
	inheritance[0].generation = 0;
	close_fds(&m->fds);
}

/* -------------------------------------------------------------------- watches */

static int watch_file(struct shmring_watch *w, int file)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	w->wd = inotify_add_watch(shared()->fds.inotify, path, IN_MODIFY | IN_CLOSE_WRITE);
	return w->wd < 0 ? -errno : 0;
}

/*
 * What has come so far is not for this watch, though another one may be of the same file. What
 * comes from now on is: nobody reads it before the watch can be found.
 */
static int insert(struct shmring_watch *w, int file)
{
	struct shmring_watch **bucket;
	int ret;

	shmring_lock_process();
	pass_on_events(NULL);
	ret = watch_file(w, file);
	if (!ret) {
		bucket = bucket_of(w->wd);
		w->next = *bucket;
		*bucket = w;
		shared()->nr_watches++;
	}
	shmring_unlock_process();
	return ret;
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
	int ret = 0;

	if (!shared()->fds.inotify)
		ret = open_instance(w);
	else if (shared()->alone)
		ret = share_instance();
	if (ret)
		return ret;
	ret = insert(w, file);
	if (ret && !shared()->nr_watches)
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
		inotify_rm_watch(shared()->fds.inotify, w->wd);
	if (!shared()->nr_watches)
		close_instance();
	pthread_mutex_unlock(&shared()->watch_lock);
	close(w->event_fd);
	w->event_fd = 0;
}

/* In a child: an object of its parent's goes, and with the first of them the parent's instance. */
void shmring_memfd_close_inherited(struct shmring_watch *w, uint32_t generation)
{
	int i;

	close(w->event_fd);
	w->event_fd = 0;
	for (i = 0; i < 2; i++) {
		if (inheritance[i].generation != generation)
			continue;
		inheritance[i].generation = 0;
		close_fds(&inheritance[i].fds);
	}
}

// SPDX-License-Identifier: MIT
/*
 * The events of the files that a process polls. The first few endpoints have an inotify instance
 * each, which their poll descriptor contains: they need no thread. All others share an instance,
 * and a thread reads it: see watch_shared.c.
 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "watch.h"

#define NR_EVENTS	64
#define READS_MAX	16		/* in a row: a peer may cause events faster than this */

int shmring_memfd_watch_file(int inotify, int file)
{
	char path[PATH_SIZE];
	int wd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	wd = inotify_add_watch(inotify, path, IN_MODIFY | IN_CLOSE_WRITE);
	return wd < 0 ? -errno : wd;
}

bool shmring_memfd_read_events(int inotify,
			       void (*each)(const struct inotify_event *event, void *arg), void *arg)
{
	struct inotify_event events[NR_EVENTS];	/* without names: files are watched */
	int reads = 0;
	ssize_t n, i;

	while (reads < READS_MAX) {
		n = read(inotify, events, sizeof(events));
		if (n <= 0)
			break;
		reads++;
		for (i = 0; i < n / (ssize_t)sizeof(*events); i++)
			each(&events[i], arg);
	}
	return reads;
}

/* ------------------------------------------------------------- descriptors of the process */

/* Of the processes of these generations: this one and, while it may close them, its parent. */
static struct {
	int fds[NR_WATCH_FDS];
	uint32_t generation;
} tables[2];

int *shmring_memfd_watch_fds(void)
{
	return tables[0].fds;
}

void shmring_memfd_close_fds(int *fds, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (fds[i] > 0)
			close(fds[i]);
		fds[i] = 0;
	}
}

/* A child's first table is its parent's until the child begins its own. */
static void begin_table(void)
{
	shmring_lock_process();
	if (tables[0].generation != shmring_process->generation) {
		if (tables[0].generation)
			tables[1] = tables[0];
		memset(&tables[0], 0, sizeof(tables[0]));
		tables[0].generation = shmring_process->generation;
	}
	shmring_unlock_process();
}

/* In a child: with the first of its parent's objects go all descriptors that they share. */
static void close_inherited_fds(uint32_t generation)
{
	int i;

	for (i = 0; i < 2; i++)
		if (tables[i].generation == generation)
			shmring_memfd_close_fds(tables[i].fds, NR_WATCH_FDS);
}

/* ---------------------------------------------------------- an instance of the endpoint's own */

static void ignore(const struct inotify_event *event, void *unused)
{
	(void)event;
	(void)unused;
}

/* An idle instance for the caller; 0: none is idle; -EMFILE: the process has enough. */
static int take_instance(void)
{
	unsigned int *nr = &shmring_process->memfd.nr_private;
	int *idle = tables[0].fds + WATCH_IDLE, fd = -EMFILE, i = 0;

	shmring_lock_process();
	if (*nr < MAX_PRIVATE) {
		while (i < MAX_PRIVATE - 1 && !idle[i])
			i++;
		fd = idle[i];
		idle[i] = 0;
		++*nr;
	}
	shmring_unlock_process();
	return fd;
}

/*
 * Closing an instance takes some milliseconds from the end of its last watch: the kernel waits
 * until no CPU can be in it. So they are closed together, with the last endpoint that has one.
 */
static void put_instance(int fd, int wd)
{
	unsigned int *nr = &shmring_process->memfd.nr_private;
	int *idle = tables[0].fds + WATCH_IDLE, unused[MAX_PRIVATE] = { 0 }, i = 0;

	inotify_rm_watch(fd, wd);
	while (shmring_memfd_read_events(fd, ignore, NULL))
		;
	shmring_lock_process();
	while (i < MAX_PRIVATE - 1 && idle[i])
		i++;
	idle[i] = fd < 0 ? 0 : fd;
	if (--*nr == 0) {
		memcpy(unused, idle, sizeof(unused));
		memset(idle, 0, sizeof(unused));
	}
	shmring_unlock_process();
	shmring_memfd_close_fds(unused, MAX_PRIVATE);
}

static int watch_privately(struct shmring_watch *w, int poll_fd, int file)
{
	int fd = take_instance(), ret;

	if (fd < 0)
		return fd;
	if (!fd)
		fd = kept_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	w->wd = fd < 0 ? fd : shmring_memfd_watch_file(fd, file);
	ret = w->wd < 0 ? w->wd : shmring_memfd_add_to_epoll(poll_fd, fd);
	if (ret) {
		put_instance(fd, w->wd);
		return ret;
	}
	w->fd = fd;
	w->is_private = true;
	return 0;
}

/* -------------------------------------------------------------------- either kind */

/* -EMFILE: a private instance cannot be had, but a shared one may be there. */
int shmring_memfd_watch(struct shmring_watch *w, int poll_fd, int file)
{
	int ret;

	begin_table();
	ret = watch_privately(w, poll_fd, file);
	return ret == -EMFILE ? shmring_memfd_share_watch(w, poll_fd, file) : ret;
}

void shmring_memfd_unwatch(struct shmring_watch *w, int poll_fd)
{
	if (w->is_private) {
		/* The program, or a child, may have a copy of @poll_fd. */
		epoll_ctl(poll_fd, EPOLL_CTL_DEL, w->fd, NULL);
		put_instance(w->fd, w->wd);
	} else {
		shmring_memfd_end_shared_watch(w);
		close(w->fd);
	}
	w->fd = 0;
}

/* In a child: an object of its parent's goes. */
void shmring_memfd_close_inherited(struct shmring_watch *w, uint32_t generation)
{
	close_inherited_fds(generation);
	close(w->fd);
	w->fd = 0;
}

static void note_close(const struct inotify_event *event, void *closed)
{
	*(bool *)closed |= is_maybe_close(event->mask);
}

bool shmring_memfd_take_events(struct shmring_watch *w)
{
	bool closed = false;

	if (!w->is_private)
		return shmring_memfd_take_shared_events(w);
	shmring_memfd_read_events(w->fd, note_close, &closed);
	return closed;
}

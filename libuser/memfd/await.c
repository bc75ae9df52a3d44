// SPDX-License-Identifier: MIT
/* Sleeping until a name is there, or until the other side has attached. */
#define _GNU_SOURCE 1
#include <linux/futex.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

#define SHM_DIR		"/dev/shm"
#define NAP_NS		10000000	/* between looks, where inotify cannot watch */

/* A descriptor that becomes readable when a file has come; negative: there is none. */
static int watch_names(void)
{
	int fd = shmring_keep_fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

	if (fd >= 0 && inotify_add_watch(fd, SHM_DIR, IN_CREATE | IN_MOVED_TO) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Watches, then looks: otherwise a file could come between the two. */
int shmring_memfd_wait_name(const char *name, enum shmring_role role, uint64_t until)
{
	struct inotify_event events[64];
	int fd = watch_names(), ret = 0;
	char path[PATH_SIZE];
	struct stat st;
	uint64_t now;
	ssize_t n;

	(void)role;
	shmring_memfd_path(path, name);
	while (!ret && lstat(path, &st)) {
		now = shmring_now();
		if (now >= until)
			break;
		ret = shmring_sleep_fd(fd, fd < 0 && until - now > NAP_NS ? now + NAP_NS : until);
		/* Read once: other users may make files faster than this can read all events. */
		n = fd >= 0 ? read(fd, events, sizeof(events)) : 0;
		(void)n;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* In slices: a peer that is killed while it attaches leaves no wake-up. */
int shmring_memfd_wait_peer(struct shmring *r, uint64_t deadline)
{
	uint64_t until = shmring_now() + SHMRING_CHECK_MAX_NS;
	uint32_t *word = &half_of(r, r->role)->futex;
	uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	struct timespec ts;

	if (shmring_memfd_is_live(r, peer_role(r)))
		return 0;
	if (deadline && deadline < until)
		until = deadline;
	ts = shmring_timespec(until);
	if (shmring_memfd_futex(word, FUTEX_WAIT_BITSET, seen, &ts) && errno == EINTR)
		return -EINTR;
	return 0;
}

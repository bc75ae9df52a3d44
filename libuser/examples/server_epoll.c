// SPDX-License-Identifier: MIT
/* server_epoll [MESSAGES]: one thread, one epoll, 64 rings with a client each. */
#include <sys/epoll.h>

#include "clients.h"

static int watch(int epoll, struct client *client)
{
	int fd = shmring_poll_fd(client->ring);
	struct epoll_event event;

	event.events = EPOLLIN;
	event.data.ptr = client;
	if (fd < 0)
		return fd;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Wait for any of the rings, and serve those that have something. */
static int turn(int epoll, int *live)
{
	struct epoll_event events[NR_RINGS];
	int i, ret, nr = epoll_wait(epoll, events, NR_RINGS, -1);

	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	for (i = 0; i < nr; i++) {
		struct client *client = (struct client *)events[i].data.ptr;

		ret = serve(client);
		if (ret == -ENODATA) {		/* the client is done, or dead */
			epoll_ctl(epoll, EPOLL_CTL_DEL, shmring_poll_fd(client->ring), NULL);
			--*live;
		} else if (ret != -EAGAIN) {
			return ret;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t nr = argc > 1 ? strtoull(argv[1], NULL, 0) : 10000;
	static struct client clients[NR_RINGS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int i, live = NR_RINGS, ret = epoll < 0 ? -errno : 0;

	for (i = 0; i < NR_RINGS && !ret; i++) {
		ret = start_client(&clients[i], nr);
		if (!ret)
			ret = watch(epoll, &clients[i]);
	}
	while (live && !ret)
		ret = turn(epoll, &live);
	if (ret) {
		fprintf(stderr, "server_epoll: %s\n", shmring_strerror(ret));
		return 1;
	}
	return conclude(clients, nr);
}

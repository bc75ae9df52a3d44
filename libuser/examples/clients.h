/* SPDX-License-Identifier: MIT */
/* The clients of the example servers: processes that send numbers. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmring.h>

#define NR_RINGS	64

struct client {
	struct shmring *ring;		/* the server's end */
	uint64_t received;
};

/* One ring's producer: sends 0, 1, 2 ... and goes. */
static int send_numbers(int fd, uint64_t nr)
{
	struct shmring *ring;
	uint64_t n;
	ssize_t ret = shmring_attach_fd(&ring, fd, SHMRING_PRODUCER);

	if (ret)
		return 1;
	for (n = 0; n < nr && ret >= 0; n++)
		ret = shmring_send(ring, &n, sizeof(n), NULL);
	shmring_close(ring);
	return ret < 0;
}

/* A ring, whose consumer is the server, and a process that sends @nr messages. */
static inline int start_client(struct client *client, uint64_t nr)
{
	struct shmring_options opt = SHMRING_OPTIONS_INIT;
	pid_t pid;
	int ret;

	opt.role = SHMRING_CONSUMER;
	ret = shmring_create(&client->ring, NULL, &opt);
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		_exit(send_numbers(shmring_fd(client->ring), nr));
	return pid < 0 ? -errno : 0;
}

/* Take what is there. Returns -EAGAIN: wait for more; -ENODATA: that was all. */
static inline int serve(struct client *client)
{
	struct shmring_wait nowait = SHMRING_WAIT_INIT;
	const uint64_t *n;
	size_t len;
	int ret;

	nowait.flags = SHMRING_NOWAIT;
	do {
		while ((n = (const uint64_t *)shmring_peek(client->ring, &len))) {
			if (len != sizeof(*n) || *n != client->received)
				return -EPROTO;
			client->received++;
			shmring_release(client->ring);
		}
		ret = shmring_wait_data(client->ring, &nowait);
	} while (!ret);
	return ret;
}

/* Print what has been served; returns the exit status. */
static inline int conclude(struct client *clients, uint64_t nr)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	uint64_t total = 0, wakes = 0;
	int i, status, failed = 0;

	for (i = 0; i < NR_RINGS; i++) {
		failed |= clients[i].received != nr;
		total += clients[i].received;
		if (!shmring_get_info(clients[i].ring, &info))
			wakes += info.wakes;
		shmring_close(clients[i].ring);
	}
	while (wait(&status) > 0)
		failed |= status;
	printf("%d rings, %llu messages, producers woken %llu times\n", NR_RINGS,
	       (unsigned long long)total, (unsigned long long)wakes);
	return !!failed;
}

#endif /* CLIENTS_H */

// SPDX-License-Identifier: MIT
/* server_uring [MESSAGES]: one thread, one io_uring, 64 rings with a client each. */
#include <shmring_uring.h>

#include "clients.h"

/* Have a completion come when this ring has something. */
static int watch(struct io_uring *uring, struct client *client)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring);
	int ret;

	if (!sqe)
		return -EBUSY;		/* not with an entry for each ring */
	ret = shmring_prep_wait_data(sqe, client->ring, 0);
	io_uring_sqe_set_data(sqe, client);
	return ret;
}

/* Wait for any of the rings, and serve those that have something. */
static int turn(struct io_uring *uring, int *live)
{
	struct io_uring_cqe *cqes[NR_RINGS];
	unsigned int i, nr;
	int ret = io_uring_submit_and_wait(uring, 1);

	if (ret < 0)
		return ret == -EINTR ? 0 : ret;
	nr = io_uring_peek_batch_cqe(uring, cqes, NR_RINGS);
	for (i = 0; i < nr; i++) {
		struct client *client = (struct client *)io_uring_cqe_get_data(cqes[i]);

		ret = serve(client);
		if (ret == -EAGAIN)
			ret = watch(uring, client);
		else if (ret == -ENODATA)	/* the client is done, or dead */
			ret = 0, --*live;
		if (ret)
			return ret;
	}
	io_uring_cq_advance(uring, nr);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t nr = argc > 1 ? strtoull(argv[1], NULL, 0) : 10000;
	static struct client clients[NR_RINGS];
	struct io_uring uring;
	int i, live = NR_RINGS, ret;

	ret = io_uring_queue_init(NR_RINGS, &uring, 0);
	for (i = 0; i < NR_RINGS && !ret; i++) {
		ret = start_client(&clients[i], nr);
		if (!ret)
			ret = watch(&uring, &clients[i]);
	}
	while (live && !ret)
		ret = turn(&uring, &live);
	if (ret) {
		fprintf(stderr, "server_uring: %s\n", shmring_strerror(ret));
		return 1;
	}
	printf("waits are %s\n", shmring_uring_native(clients[0].ring) ? "commands" : "polls");
	io_uring_queue_exit(&uring);
	return conclude(clients, nr);
}

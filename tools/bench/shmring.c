// SPDX-License-Identifier: MIT
/* Contender: shmring, waiting in three ways. */
#include <stdlib.h>

#include <shmring.h>

#include "bench.h"

static void close_rings(void *channels)
{
	struct shmring **ring = channels;

	shmring_close(ring[0]);
	shmring_close(ring[1]);
	free(ring);
}

static int open_rings(const struct contender *c, size_t size, void **channels)
{
	struct shmring_options opt = { .capacity = BUFFER_BYTES };
	struct shmring **ring = calloc(2, sizeof(*ring));
	int ret = -ENOMEM;

	(void)c;
	(void)size;
	if (!ring)
		return ret;
	ret = shmring_create(&ring[0], NULL, &opt);
	if (!ret)
		ret = shmring_create(&ring[1], NULL, &opt);
	if (ret)
		close_rings(ring);
	else
		*channels = ring;
	return ret;
}

static int attach_rings(const struct contender *c, void *channels, struct bench *b)
{
	struct shmring **ring = channels, *tx, *rx;
	int ret;

	ret = shmring_attach_fd(&tx, shmring_fd(ring[b->side]), SHMRING_PRODUCER);
	if (ret)
		return ret;
	ret = shmring_attach_fd(&rx, shmring_fd(ring[!b->side]), SHMRING_CONSUMER);
	if (ret)
		return ret;
	b->tx = tx;
	b->rx = rx;
	ret = shmring_set_policy(tx, (enum shmring_policy)c->option);
	return ret ? ret : shmring_set_policy(rx, (enum shmring_policy)c->option);
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	struct shmring *r = b->tx;
	void *p;
	int ret;

	while (!(p = shmring_reserve(r, b->size))) {
		ret = shmring_wait_space(r, b->size, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	fill_message(p, b->size, seq);
	return shmring_commit(r, b->size);
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct shmring *r = b->rx;
	const void *p;
	size_t len;
	int ret;

	while (!(p = shmring_peek(r, &len))) {
		ret = shmring_wait_data(r, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	if (len != b->size)
		return -EBADMSG;
	ret = check_message(p, len, seq);
	return ret ? ret : shmring_release(r);
}

/* The calls that an end made: it slept, or it woke the other side. */
static uint64_t calls(struct shmring *r)
{
	struct shmring_info info;

	return shmring_get_info(r, &info) ? 0 : info.sleeps + info.wakes;
}

static int run(struct bench *b, struct result *res)
{
	int ret = run_loops(b, res, put, get);

	b->syscalls = calls(b->tx) + calls(b->rx);
	return ret;
}

const struct contender shmring_block = {
	"shmring block", "sleeps at once while empty or full",
	open_rings, attach_rings, run, close_rings, SHMRING_BLOCK,
};

const struct contender shmring_adaptive = {
	"shmring adaptive", "spins as long as a sleep would cost, then sleeps",
	open_rings, attach_rings, run, close_rings, SHMRING_ADAPTIVE,
};

const struct contender shmring_spin = {
	"shmring spin", "never sleeps: burns a core",
	open_rings, attach_rings, run, close_rings, SHMRING_SPIN,
};

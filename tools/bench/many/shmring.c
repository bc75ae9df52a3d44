// SPDX-License-Identifier: MIT
/* shmring: a fan-in, in which each producer has a lane; and its plain ring, for one producer. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <shmring/hub.h>

#include "many.h"

#define PATIENCE_NS	20000000	/* a full lane: look whether it is the end */

static const struct shmring_wait nowait = { .flags = SHMRING_NOWAIT };

struct name {
	char text[32];
};

static const struct shmring_wait *spin_a_while(void)
{
	static struct shmring_wait w = { .policy = SHMRING_SPIN };

	w.deadline = shmring_deadline(PATIENCE_NS);
	return &w;
}

/* No message yet is no error, and neither is that no producer has come yet, or that all have gone. */
static int no_error(int ret)
{
	return ret == -ETIMEDOUT || ret == -ENODATA ? -EAGAIN : ret;
}

BENCH_INLINE int put(void *end, const void *message, size_t size)
{
	struct shmring_wait w = { 0 };
	ssize_t ret = shmring_send(end, message, size, &nowait);

	if (ret == -EAGAIN) {
		w.deadline = shmring_deadline(PATIENCE_NS);
		ret = shmring_send(end, message, size, &w);
	}
	return ret == -ETIMEDOUT ? -EAGAIN : ret < 0 ? (int)ret : 0;
}

static int produce(const struct many *m, void *queue)
{
	const struct shmring_options opt = {
		.role = SHMRING_PRODUCER,
		.backend = (enum shmring_backend_id)m->backend,
	};
	const struct name *name = queue;
	struct shmring *r;
	int ret = shmring_attach_opt(&r, name->text, &opt);

	if (ret)
		return ret;
	ret = many_start(m) ? many_produce(m, r, put) : 0;
	while (!ret && !many_stopped(m))
		usleep(1000);
	shmring_close(r);
	return ret;
}

static struct name *new_name(void)
{
	static unsigned int nr;
	struct name *name = malloc(sizeof(*name));

	if (name)
		snprintf(name->text, sizeof(name->text), "bench-many-%d-%u", getpid(), nr++);
	return name;
}

static void close_ring(void *queue)
{
	const struct name *name = queue;

	shmring_unlink(name->text);
	free(queue);
}

/* ---------------------------------------------------------------------- hub */

static int open_hub(const struct many *m, void **queue)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct name *name = new_name();
	int ret;

	if (!name)
		return -ENOMEM;
	opt.capacity = m->capacity;
	opt.lanes = m->producers;
	opt.flags = SHMRING_PERSIST;
	opt.backend = (enum shmring_backend_id)m->backend;
	ret = shmring_hub_create(NULL, name->text, &opt);
	if (ret)
		free(name);
	*queue = name;
	return ret;
}

BENCH_INLINE int get_from_hub(void *end, void *message, size_t size)
{
	struct shmring *lane;
	ssize_t ret;

	while (!(lane = shmring_hub_next(end))) {
		ret = shmring_hub_wait(end, spin_a_while());
		if (ret)
			return no_error((int)ret);
	}
	ret = shmring_recv(lane, message, size, &nowait);
	return ret < 0 ? (int)ret : 0;
}

static int consume_hub(const struct many *m, void *queue, struct count *count)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	const struct name *name = queue;
	struct shmring_hub *h;
	int ret;

	opt.backend = (enum shmring_backend_id)m->backend;
	ret = shmring_hub_attach(&h, name->text, &opt);
	if (ret)
		return ret;
	ret = many_consume(m, h, count, get_from_hub);
	__atomic_store_n(&m->control->stop, 1, __ATOMIC_RELAXED);
	shmring_hub_close(h);
	return ret;
}

/* --------------------------------------------------------------- plain ring */

static int open_plain(const struct many *m, void **queue)
{
	const struct shmring_options opt = {
		.capacity = m->capacity,
		.flags = SHMRING_PERSIST,
		.backend = (enum shmring_backend_id)m->backend,
	};
	struct name *name;
	struct shmring *r;
	int ret;

	if (m->active > 1)
		return -EOPNOTSUPP;
	name = new_name();
	if (!name)
		return -ENOMEM;
	ret = shmring_create(&r, name->text, &opt);
	if (ret)
		free(name);
	else
		shmring_close(r);
	*queue = name;
	return ret;
}

/* The producers that send nothing have no ring. */
static int produce_plain(const struct many *m, void *queue)
{
	if (m->producer < m->active)
		return produce(m, queue);
	many_start(m);
	while (!many_stopped(m))
		usleep(1000);
	return 0;
}

BENCH_INLINE int get(void *end, void *message, size_t size)
{
	ssize_t ret;

	while ((ret = shmring_recv(end, message, size, &nowait)) == -EAGAIN) {
		ret = shmring_wait_data(end, spin_a_while());
		if (ret)
			return no_error((int)ret);
	}
	return ret < 0 ? (int)ret : 0;
}

static int consume_plain(const struct many *m, void *queue, struct count *count)
{
	const struct shmring_options opt = {
		.role = SHMRING_CONSUMER,
		.backend = (enum shmring_backend_id)m->backend,
	};
	const struct name *name = queue;
	struct shmring *r;
	int ret = shmring_attach_opt(&r, name->text, &opt);

	if (ret)
		return ret;
	ret = many_consume(m, r, count, get);
	__atomic_store_n(&m->control->stop, 1, __ATOMIC_RELAXED);
	shmring_close(r);
	return ret;
}

const struct many_contender many_shmring[] = {
	{ "shmring", "a fan-in", open_hub, produce, consume_hub, close_ring },
	{ "shmring-plain", "a plain ring, for one producer", open_plain, produce_plain,
	  consume_plain, close_ring },
	{ 0 },
};

// SPDX-License-Identifier: MIT
/* The induction's start: an endpoint after shmring_bind() of ring.c, whatever the memory holds. */
#include "hostile.h"
#include "geometry.c"
#include "marks.c"
#include "ring.c"

static struct {
	struct shmring_status status;
	struct shmring_lane lane;
} page;

/* A page of this size is the smallest ring, which page_size() asks for. */
long sysconf(int name)
{
	(void)name;
	return CAPACITY;
}

void __shmring_wake(struct shmring *r)
{
	(void)r;
}

/* By its contract in work.c: where a message begins, from the tail on. */
uint64_t shmring_work_first(const struct shmring *r, uint64_t tail)
{
	uint64_t first, step = __shmring_has_marks(r) ? r->stride : r->align;

	assume(first - tail <= r->span && !((first - tail) & (step - 1)));
	return first;
}

static int bind_as(struct shmring *r, enum shmring_role role)
{
	struct shmring_mapping m = {
		.status = &page.status,
		.lane = &page.lane,
		.consumer = &consumer,
		.producer = &producer,
		.data = data,
	};
	static struct shmring_private private;
	struct shmring_geometry geometry;
	int ret;

	__CPROVER_havoc_object(&private);
	r->priv = &private;
	__CPROVER_havoc_object(&page);
	assume(geometry.capacity == CAPACITY && geometry.align <= ALIGN_MAX);
	assume(shmring_is_geometry(&geometry));
	m.geometry = geometry;
	ret = shmring_bind(r, &m);
	if (!ret)
		shmring_begin_role(r, role);
	return ret;
}

void bind_producer(void)
{
	struct shmring r = { 0 };

	if (!bind_as(&r, SHMRING_PRODUCER))
		check_producer(&r);
}

void bind_consumer(void)
{
	struct shmring r = { 0 };

	if (!bind_as(&r, SHMRING_CONSUMER))
		check_consumer(&r);
}

// SPDX-License-Identifier: MIT
/* The induction's start: an endpoint after shmring_bind() of ring.c, whatever the memory holds. */
#include "hostile.h"
#include "ring.c"

static struct {
	struct shmring_status status;
	struct shmring_lane lane;
} page;

void __shmring_wake(struct shmring *r)
{
	(void)r;
}

static int bind_as(struct shmring *r, enum shmring_role role)
{
	struct shmring_mapping m = {
		.status = &page.status,
		.lane = &page.lane,
		.consumer = &consumer,
		.producer = &producer,
		.data = data,
		.capacity = CAPACITY,
	};
	uint32_t slot_size;
	int ret;

	__CPROVER_havoc_object(&page);
	assume(slot_size <= CAPACITY);
	m.slot_size = slot_size;
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

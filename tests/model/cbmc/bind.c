// SPDX-License-Identifier: MIT
/* Where it begins: an endpoint after shmring_bind() of ring.c, whatever it finds. */
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
	uint32_t slot_size;

	__CPROVER_havoc_object(&page);
	assume(slot_size <= CAPACITY);
	return shmring_bind(r, role, &page.status, &consumer, &producer, data, CAPACITY, slot_size);
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

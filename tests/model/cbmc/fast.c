// SPDX-License-Identifier: MIT
/* The fast path, inline in shmring/fast.h. Each function here is a run of its own. */
#include "hostile.h"

static int woken;

void __shmring_wake(struct shmring *r)
{
	(void)r;
	woken++;
}

void __shmring_released(struct shmring *r)
{
	(void)r;
}

void reserve(void)
{
	struct shmring r = any_producer();
	size_t len;
	void *to = shmring_reserve(&r, len);

	check_producer(&r);
	if (!to)
		return;
	check_message(&r, to, len);
	check(r.p.end - r.p.head >= len);
}

void discard(void)
{
	struct shmring r = any_producer();

	shmring_discard(&r);
	check_producer(&r);
}

void stage(void)
{
	struct shmring r = any_producer();
	size_t len;

	shmring_stage(&r, len);
	check_producer(&r);
}

void publish(void)
{
	struct shmring r = any_producer();
	uint64_t staged = r.p.staged;

	shmring_publish(&r);
	check_producer(&r);
	if (staged)
		check_marked(&r);
	check(woken <= 1);
}

void commit(void)
{
	struct shmring r = any_producer();
	size_t len;

	if (!shmring_commit(&r, len))
		check_marked(&r);
	check_producer(&r);
	check(woken <= 1);
}

void peek(void)
{
	struct shmring r = any_consumer();
	size_t len;
	const void *from = shmring_peek(&r, &len);

	check_consumer(&r);
	if (from)
		check_message(&r, from, len);
}

/* A spin looks at a mark again after a look at the head has found less than is wanted. */
void find_mark(void)
{
	struct shmring r = any_consumer();

	assume(!r.error);
	if (__shmring_find_mark(&r))
		check(r.c.limit - r.c.tail >= r.stride);
	check_consumer(&r);
}

void advance(void)
{
	struct shmring r = any_consumer();

	shmring_advance(&r);
	check_consumer(&r);
}

void release(void)
{
	struct shmring r = any_consumer();

	shmring_release(&r);
	check_consumer(&r);
	check(woken <= 1);
}

/* Is there a slot at its place for each of @n? */
static void check_slots(const struct shmring *r, const void *first, size_t n)
{
	check(r->slot_size && n && n <= CAPACITY / shmring_slot_stride(r));
	check_message(r, first, n * shmring_slot_stride(r));
}

void reserve_slots(void)
{
	struct shmring r = any_producer();
	size_t n;
	void *to = shmring_reserve_slots(&r, &n);

	check_producer(&r);
	if (to)
		check_slots(&r, to, n);
}

void commit_slots(void)
{
	struct shmring r = any_producer();
	size_t n;

	shmring_commit_slots(&r, n);
	check_producer(&r);
	check(woken <= 1);
}

void peek_slots(void)
{
	struct shmring r = any_consumer();
	size_t n;
	const void *from = shmring_peek_slots(&r, &n);

	check_consumer(&r);
	if (from)
		check_slots(&r, from, n);
}

void run_put(void)
{
	struct shmring r = any_producer();
	struct shmring_run run;
	size_t bytes, len;
	void *to;

	shmring_run_open(&r, &run, bytes);
	to = shmring_run_put(&run, len);
	if (to)
		check_message(&r, to, len);
	to = shmring_run_put(&run, bytes);
	if (to)
		check_message(&r, to, bytes);
	shmring_run_publish(&run);
	check_producer(&r);
	check(woken <= 1);
}

void run_next(void)
{
	struct shmring r = any_consumer();
	struct shmring_run run;
	const void *from;
	size_t len;

	shmring_run_take(&r, &run);
	from = shmring_run_next(&run, &len);
	if (from)
		check_message(&r, from, len);
	from = shmring_run_next(&run, &len);
	if (from)
		check_message(&r, from, len);
	shmring_run_release(&run);
	check_consumer(&r);
	check(woken <= 1);
}

/* Calls of the wrong side return that there is nothing. */
void wrong_side(void)
{
	struct shmring p = any_producer(), c = any_consumer();
	size_t len;

	check(!shmring_peek(&p, &len));
	check(shmring_advance(&p) == -EINVAL && shmring_release(&p) == -EINVAL);
	check(!shmring_reserve(&c, len));
	check(shmring_stage(&c, len) == -EINVAL && shmring_commit(&c, len) == -EINVAL);
	shmring_publish(&c);
	check_producer(&p);
	check_consumer(&c);
	check(!woken);
}

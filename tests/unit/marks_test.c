// SPDX-License-Identifier: MIT
/* Slots with marks on plain memory: where a mark is, what it shows early, and false ones. */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE	56	/* with its mark, a slot takes 64 bytes */
#define STRIDE	64

static __shmring_word *mark_at(const struct rig *rig, uint64_t position)
{
	return (__shmring_word *)(void *)(rig->data + position % rig->capacity +
					  rig->geometry.align - sizeof(__shmring_word));
}

static struct rig *marked(void **state, size_t slots)
{
	struct rig *rig = *state;

	return rig_new_marked(rig->start, SIZE, slots, SHMRING_ALIGN);
}

static int looks_in_vain(struct shmring *c)
{
	int looks = 0;
	size_t len;

	while (looks < 1000 && !shmring_peek(c, &len))
		looks++;
	return looks;
}

/* ------------------------------------------------------------------ geometry */

static void slot_takes_a_power_of_two(void **state)
{
	static const struct {
		size_t size, align, stride;
	} table[] = {
		{ 1, 8, 16 }, { 8, 8, 16 }, { 9, 8, 32 }, { 24, 8, 32 }, { 56, 8, 64 },
		{ 57, 8, 128 }, { 120, 8, 128 }, { 64, 64, 128 }, { 1, 64, 128 },
		{ 4088, 8, 4096 },
	};
	struct rig *rig = *state;
	uint64_t start = rig->start;
	size_t i, n;
	void *at;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		rig = rig_new_marked(start, table[i].size, 0, table[i].align);
		assert_int_equal(shmring_slot_stride(&rig->p), table[i].stride);
		assert_int_equal(shmring_max_len(&rig->p), table[i].size);
		assert_int_equal(rig->p.span, rig->capacity);
		at = shmring_reserve(&rig->p, table[i].size);
		assert_ptr_equal(at, rig->data + rig->start % rig->capacity + table[i].align);
		assert_null(shmring_reserve(&rig->p, table[i].size + 1));
		n = rig->capacity;
		shmring_reserve_slots(&rig->p, &n);
		assert_int_equal(n, rig->capacity / table[i].stride);
		rig_free(rig);
	}
}

static void geometry_without_room_is_none(void **state)
{
	const struct shmring_geometry good = {
		.capacity = 4096, .slots = 64, .features = SHMRING_FEATURE_MARKS,
		.slot_size = 56, .align = 8,
	};
	struct shmring_geometry g = good;

	(void)state;
	assert_true(shmring_is_geometry(&g));
	g.slots = 65;
	assert_false(shmring_is_geometry(&g));
	g = good;
	g.slot_size = 57;
	assert_false(shmring_is_geometry(&g));
	g = good;
	g.align = 4;
	assert_false(shmring_is_geometry(&g));
	g = good;
	g.slots = 1;
	g.slot_size = 4089;
	assert_false(shmring_is_geometry(&g));
	g.slot_size = 4088;
	assert_true(shmring_is_geometry(&g));
	g = good;
	g.slot_size = 0;
	assert_false(shmring_is_geometry(&g));
	g.slots = 0;
	assert_false(shmring_is_geometry(&g));
	g = good;
	g.features |= 2;
	assert_false(shmring_is_geometry(&g));
}

/* ------------------------------------------------------------------ producer */

static void commit_marks_the_slot(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t n;

	/* Three turns: each mark has its place, in which it grows. */
	for (n = 0; n < 3 * rig->capacity / STRIDE; n++) {
		uint64_t at = rig->start + n * STRIDE;

		assert_int_not_equal(*mark_at(rig, at), at + 1);
		put(&rig->p, SIZE, n);
		assert_int_equal(*mark_at(rig, at), at + 1);
		assert_int_equal(rig->producer->head, at + STRIDE);
		take(&rig->c, SIZE, n);
	}
	rig_free(rig);
}

static void publish_marks_what_was_staged(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t n;

	for (n = 0; n < 3; n++) {
		assert_non_null(shmring_reserve(&rig->p, SIZE));
		assert_int_equal(shmring_stage(&rig->p, SIZE), 0);
		assert_int_equal(*mark_at(rig, rig->start + n * STRIDE), 0);
	}
	shmring_publish(&rig->p);
	for (n = 0; n < 3; n++)
		assert_int_equal(*mark_at(rig, rig->start + n * STRIDE),
				 rig->start + n * STRIDE + 1);
	assert_int_equal(*mark_at(rig, rig->start + 3 * STRIDE), 0);
	/* And what was staged before a commit. */
	assert_non_null(shmring_reserve(&rig->p, SIZE));
	assert_int_equal(shmring_stage(&rig->p, SIZE), 0);
	put(&rig->p, SIZE, 9);
	for (n = 3; n < 5; n++)
		assert_int_equal(*mark_at(rig, rig->start + n * STRIDE),
				 rig->start + n * STRIDE + 1);
	rig_free(rig);
}

static void batches_mark_each_slot(void **state)
{
	struct rig *rig = marked(state, 0);
	struct shmring_run run;
	size_t n = 5;
	uint64_t i;

	assert_non_null(shmring_reserve_slots(&rig->p, &n));
	assert_int_equal(shmring_commit_slots(&rig->p, 4), 0);
	assert_true(shmring_run_open(&rig->p, &run, 3 * STRIDE) >= 3 * STRIDE);
	for (i = 0; i < 3; i++)
		assert_non_null(shmring_run_put(&run, SIZE));
	assert_int_equal(*mark_at(rig, rig->start + 4 * STRIDE), 0);
	assert_int_equal(shmring_run_publish(&run), 0);
	for (i = 0; i < 7; i++)
		assert_int_equal(*mark_at(rig, rig->start + i * STRIDE),
				 rig->start + i * STRIDE + 1);
	assert_int_equal(*mark_at(rig, rig->start + 7 * STRIDE), 0);
	rig_free(rig);
}

/* What the handler of the store of a mark finds. */
static struct {
	struct rig *rig;
	uint64_t head;
	volatile int faults;
} seen;

static void allow_store(int sig)
{
	(void)sig;
	seen.head = __atomic_load_n(&seen.rig->producer->head, __ATOMIC_RELAXED);
	seen.faults++;
	mprotect(seen.rig->data, 2 * seen.rig->capacity, PROT_READ | PROT_WRITE);
}

/* The data cannot be written meanwhile: so the store of the mark comes to the handler. */
static void head_is_stored_before_the_mark(void **state)
{
	struct rig *rig = marked(state, 0);
	struct sigaction act = { .sa_handler = allow_store }, old;

	seen.rig = rig;
	seen.faults = 0;
	assert_int_equal(sigaction(SIGSEGV, &act, &old), 0);
	assert_non_null(shmring_reserve(&rig->p, SIZE));
	assert_int_equal(mprotect(rig->data, 2 * rig->capacity, PROT_READ), 0);
	assert_int_equal(shmring_commit(&rig->p, SIZE), 0);
	assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
	assert_int_equal(seen.faults, 1);
	assert_int_equal(seen.head, rig->start + STRIDE);
	assert_int_equal(*mark_at(rig, rig->start), rig->start + 1);
	rig_free(rig);
}

static void lines_are_fetched_ahead_as_without_marks(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t next;

	assert_int_equal(rig->p.p.fetch_at, 0);
	put(&rig->p, SIZE, 1);
	next = rig->p.p.fetch_marked_at;
	assert_int_equal(rig->p.p.fetch_at, 0);
	assert_true(next > rig->p.p.head && next <= rig->p.p.head + __SHMRING_PREFETCH);
	put(&rig->p, SIZE, 2);
	assert_int_equal(rig->p.p.fetch_marked_at, next);
	while (rig->p.p.head < next)
		put(&rig->p, SIZE, 3);
	assert_int_equal(rig->p.p.fetch_marked_at, next + __SHMRING_PREFETCH);
	rig_free(rig);
}

/* ------------------------------------------------------------------ consumer */

/* As if the head had not come yet: the mark alone shows the slot, and only that one. */
static void peek_sees_the_mark(void **state)
{
	struct rig *rig = marked(state, 0);
	size_t len = 0;

	put(&rig->p, SIZE, 1);
	put(&rig->p, SIZE, 2);
	rig->producer->head = rig->start;
	assert_ptr_equal(shmring_peek(&rig->c, &len), rig->data + rig->start % rig->capacity + 8);
	assert_int_equal(len, SIZE);
	assert_int_equal(rig->c.c.limit, rig->start + STRIDE);
	take(&rig->c, SIZE, 1);
	take(&rig->c, SIZE, 2);
	rig_free(rig);
}

/* The producer was killed, or stopped, between head and mark. */
static void missing_mark_hides_nothing(void **state)
{
	struct rig *rig = marked(state, 0);

	put(&rig->p, SIZE, 1);
	*mark_at(rig, rig->start) = 0;
	assert_int_equal(looks_in_vain(&rig->c), __SHMRING_MISSES - 1);
	take(&rig->c, SIZE, 1);

	put(&rig->p, SIZE, 2);
	*mark_at(rig, rig->start + STRIDE) = 0;
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), 0);
	take(&rig->c, SIZE, 2);
	/* A find ends the row of misses. */
	assert_true(looks_in_vain(&rig->c) == 1000);
	put(&rig->p, SIZE, 3);
	take(&rig->c, SIZE, 3);
	assert_int_equal(rig->c.c.misses, 0);
	rig_free(rig);
}

static void calls_for_many_look_at_the_head(void **state)
{
	const struct shmring_wait spin = { .policy = SHMRING_SPIN };
	struct rig *rig = marked(state, 0);
	struct shmring_run run;
	size_t n = 8, len;
	uint64_t i;

	for (i = 0; i < 3; i++)
		put(&rig->p, SIZE, i);
	assert_non_null(shmring_peek_slots(&rig->c, &n));
	assert_int_equal(n, 3);
	assert_int_equal(shmring_release(&rig->c), 0);
	for (i = 0; i < 3; i++)
		put(&rig->p, SIZE, i);
	assert_int_equal(shmring_run_take(&rig->c, &run), 3 * STRIDE);
	assert_non_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_run_release(&run), 0);
	while (shmring_peek(&rig->c, &len))
		assert_int_equal(shmring_release(&rig->c), 0);
	/* Also after a wait that went by a mark. */
	for (i = 0; i < 3; i++)
		put(&rig->p, SIZE, i);
	assert_int_equal(shmring_wait_data(&rig->c, &spin), 0);
	assert_int_equal(rig->c.c.limit, rig->c.c.tail + STRIDE);
	assert_int_equal(shmring_run_take(&rig->c, &run), 3 * STRIDE);
	rig_free(rig);
}

/* A wait that spins finds a slot by its mark, and one without a mark by the head. */
static void spin_looks_at_marks_and_at_the_head(void **state)
{
	struct shmring_wait spin = { .policy = SHMRING_SPIN };
	struct rig *rig = marked(state, 0);
	uint64_t n;

	put(&rig->p, SIZE, 1);
	rig->producer->head = rig->start;
	spin.deadline = 1;
	assert_int_equal(shmring_wait_data(&rig->c, &spin), 0);
	take(&rig->c, SIZE, 1);
	rig->producer->head = rig->p.p.head;

	put(&rig->p, SIZE, 2);
	*mark_at(rig, rig->start + STRIDE) = 0;
	spin.deadline = 0;
	assert_int_equal(shmring_wait_data(&rig->c, &spin), 0);
	take(&rig->c, SIZE, 2);

	/* After a pause, it has to know how many have gathered. */
	rig->priv_c.spin.pauses = 2;
	for (n = 0; n < 3; n++)
		put(&rig->p, SIZE, n);
	assert_int_equal(shmring_wait_data(&rig->c, &spin), 0);
	assert_int_equal(rig->c.c.limit, rig->p.p.head);
	for (n = 0; n < 3; n++)
		take(&rig->c, SIZE, n);

	/* More than a message: only the head can say so. */
	put(&rig->p, SIZE, 3);
	rig->producer->head = rig->start + 5 * STRIDE;
	spin.deadline = 1;
	spin.min_bytes = STRIDE + 1;
	assert_int_equal(shmring_wait_data(&rig->c, &spin), -ETIMEDOUT);
	rig_free(rig);
}

/* Each of these waits ends before the clock is read a second time. */
static void short_spin_looks_at_the_head(void **state)
{
	const struct shmring_wait spin = { .policy = SHMRING_SPIN, .deadline = 1 };
	struct rig *rig = marked(state, 0);

	put(&rig->p, SIZE, 1);
	*mark_at(rig, rig->start) = 0;
	assert_int_equal(shmring_wait_data(&rig->c, &spin), 0);
	take(&rig->c, SIZE, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &spin), -ETIMEDOUT);
	rig->lane->producer.state = SHMRING_PEER_GONE;
	assert_int_equal(shmring_wait_data(&rig->c, &spin), -ENODATA);
	rig_free(rig);
}

static void copies_go_by_the_mark(void **state)
{
	struct rig *rig = marked(state, 0);
	unsigned char out[SIZE], in[SIZE + 1];
	volatile size_t len = SIZE;
	uint64_t n;

	for (n = 0; n < 3 * rig->capacity / STRIDE; n++) {
		write_message(out, SIZE, n);
		assert_int_equal(shmring_send(&rig->p, out, n % 2 ? len : SIZE, NULL), SIZE);
		assert_int_equal(*mark_at(rig, rig->start + n * STRIDE),
				 rig->start + n * STRIDE + 1);
		in[SIZE] = 0xee;
		assert_int_equal(shmring_recv(&rig->c, in, n % 3 ? len : SIZE, NULL), SIZE);
		assert_true(is_message(in, SIZE, n) && in[SIZE] == 0xee);
	}
	assert_int_equal(shmring_send(&rig->p, out, SIZE - 1, NULL), -EMSGSIZE);
	assert_int_equal(shmring_send(&rig->p, out, SIZE, NULL), SIZE);
	assert_int_equal(shmring_recv(&rig->c, in, SIZE - 1, NULL), -EMSGSIZE);
	rig_free(rig);
}

#define NR_PASSED	20000

static void *pass_all(void *arg)
{
	struct rig *rig = arg;
	uint64_t n;
	void *to;

	for (n = 0; n < NR_PASSED; n++) {
		while (!(to = shmring_reserve(&rig->p, SIZE)))
			sched_yield();
		write_message(to, SIZE, n);
		if (n % 5)
			shmring_commit(&rig->p, SIZE);
		else
			shmring_stage(&rig->p, SIZE);
	}
	shmring_publish(&rig->p);
	return NULL;
}

/* For ThreadSanitizer, which sees what no mark has ordered. */
static void threads_pass_each_message(void **state)
{
	struct rig *rig = marked(state, 5);
	pthread_t thread;
	const void *from;
	size_t len;
	uint64_t n;

	assert_int_equal(pthread_create(&thread, NULL, pass_all, rig), 0);
	for (n = 0; n < NR_PASSED; n++) {
		while (!(from = shmring_peek(&rig->c, &len)))
			sched_yield();
		assert_true(is_message(from, SIZE, n));
		assert_int_equal(shmring_release(&rig->c), 0);
	}
	pthread_join(thread, NULL);
	rig_free(rig);
}

/* ------------------------------------------------------------- false marks */

static void mark_beyond_a_full_ring_is_refused(void **state)
{
	struct rig *rig = marked(state, 4);
	size_t len, n;

	for (n = 0; n < 4; n++)
		put(&rig->p, SIZE, n);
	assert_null(shmring_reserve(&rig->p, SIZE));
	for (n = 0; n < 4; n++) {
		assert_non_null(shmring_peek(&rig->c, &len));
		assert_int_equal(shmring_advance(&rig->c), 0);
	}
	*mark_at(rig, rig->start + 4 * STRIDE) = rig->start + 4 * STRIDE + 1;
	assert_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
	assert_int_equal(rig->consumer->refused, 1);
	rig_free(rig);
}

static void mark_of_another_slot_says_nothing(void **state)
{
	struct rig *rig = marked(state, 0);
	const uint64_t values[] = { 0, 1, ~0ull, rig->start, rig->start + 2,
				    rig->start + 1 - rig->capacity, rig->start + 1 + rig->capacity,
				    rig->start + 1 + STRIDE };
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		if (values[i] == rig->start + 1)
			continue;
		*mark_at(rig, rig->start) = values[i];
		assert_null(shmring_peek(&rig->c, &len));
		assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	}
	rig_free(rig);
}

/*
 * All slots marked ahead of the head: some rubbish, a ring full at most, and then the head is a
 * lie. A spin looks at the head less often.
 */
static void false_marks_show_no_more_than_a_ring(void **state)
{
	const struct shmring_wait spin = { .policy = SHMRING_SPIN, .deadline = 1 };
	bool spins;
	size_t n, len;
	uint64_t at;

	for (spins = false;; spins = true) {
		struct rig *rig = marked(state, 0);

		for (at = rig->start; at < rig->start + rig->capacity; at += STRIDE)
			*mark_at(rig, at) = at + 1;
		for (n = 0; n < 1000; n++) {
			if (spins && shmring_wait_data(&rig->c, &spin))
				break;
			if (!shmring_peek(&rig->c, &len))
				break;
			assert_int_equal(len, SIZE);
			assert_int_equal(shmring_advance(&rig->c), 0);
		}
		assert_in_range(n, 1, spins ? rig->capacity / STRIDE : __SHMRING_HITS);
		assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
		rig_free(rig);
		if (spins)
			break;
	}
}

/* A stream: its consumer learns from the head how many there are. */
static void many_hits_look_at_the_head(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t n;

	for (n = 0; n < 40; n++)
		put(&rig->p, SIZE, n);
	for (n = 0; n < __SHMRING_HITS - 1; n++) {
		take(&rig->c, SIZE, n);
		assert_int_equal(rig->c.c.limit, rig->c.c.tail);
	}
	take(&rig->c, SIZE, n++);
	assert_int_equal(rig->c.c.limit, rig->p.p.head);
	for (; n < 40; n++)
		take(&rig->c, SIZE, n);
	/* A miss ends the row. */
	for (n = 0; n < 3 * __SHMRING_HITS; n++) {
		assert_empty(&rig->c);
		put(&rig->p, SIZE, n);
		put(&rig->p, SIZE, n);
		put(&rig->p, SIZE, n);
		take(&rig->c, SIZE, n);
		assert_int_equal(rig->c.c.limit, rig->c.c.tail);
		take(&rig->c, SIZE, n);
		assert_int_equal(rig->c.c.limit, rig->c.c.tail);
		take(&rig->c, SIZE, n);
	}
	rig_free(rig);
}

/* -------------------------------------------------------------- successors */

static void become_second_producer(struct rig *rig)
{
	rig->lane->producer.epoch = 2;
	assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
}

/* What a hostile producer has marked counts as published; gaps end it, and nothing is left. */
static void successor_settles_false_marks(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t start = rig->start, i;

	for (i = 0; i < 8; i++)
		if (i != 2)
			*mark_at(rig, start + i * STRIDE) = start + i * STRIDE + 1;
	assert_non_null(shmring_peek(&rig->c, &(size_t){ 0 }));
	become_second_producer(rig);
	assert_int_equal(rig->p.p.head, start + 2 * STRIDE);
	assert_int_equal(rig->producer->head, start + 2 * STRIDE);
	assert_int_equal(rig->priv_p.wakes, 1);
	for (i = 2; i < 8; i++)
		assert_int_equal(*mark_at(rig, start + i * STRIDE), 0);
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_non_null(shmring_peek(&rig->c, &(size_t){ 0 }));
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_empty(&rig->c);
	put(&rig->p, SIZE, 7);
	take(&rig->c, SIZE, 7);
	assert_int_equal(rig->p.error, 0);
	assert_int_equal(rig->c.error, 0);
	rig_free(rig);
}

/* The consumer has released what a dead producer only marked: it is ahead of the head. */
static void successor_follows_a_consumer_that_is_ahead(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t i;

	for (i = 0; i < 3; i++)
		*mark_at(rig, rig->start + i * STRIDE) = rig->start + i * STRIDE + 1;
	for (i = 0; i < 2; i++) {
		assert_non_null(shmring_peek(&rig->c, &(size_t){ 0 }));
		assert_int_equal(shmring_release(&rig->c), 0);
	}
	become_second_producer(rig);
	assert_int_equal(rig->producer->head, rig->start + 3 * STRIDE);
	put(&rig->p, SIZE, 5);
	assert_non_null(shmring_peek(&rig->c, &(size_t){ 0 }));
	assert_int_equal(shmring_release(&rig->c), 0);
	take(&rig->c, SIZE, 5);
	rig_free(rig);
}

/* No more than a full ring, and nothing behind it. */
static void successor_stops_at_a_full_ring(void **state)
{
	struct rig *rig = marked(state, 4);
	uint64_t i;

	for (i = 0; i < 8; i++)
		*mark_at(rig, rig->start + i * STRIDE) = rig->start + i * STRIDE + 1;
	become_second_producer(rig);
	assert_int_equal(rig->producer->head, rig->start + 4 * STRIDE);
	for (i = 4; i < 8; i++)
		assert_int_equal(*mark_at(rig, rig->start + i * STRIDE), 0);
	rig_free(rig);
}

/* What honest producers leave stays, and costs no wake-up. */
static void successor_of_an_honest_producer_changes_nothing(void **state)
{
	struct rig *rig = marked(state, 0);
	uint64_t n;

	for (n = 0; n < rig->capacity / STRIDE + 3; n++) {
		put(&rig->p, SIZE, n);
		if (n)
			take(&rig->c, SIZE, n - 1);
	}
	become_second_producer(rig);
	assert_int_equal(rig->p.p.head, rig->start + n * STRIDE);
	assert_int_equal(*mark_at(rig, rig->p.p.head - STRIDE), rig->p.p.head - STRIDE + 1);
	assert_int_equal(rig->priv_p.wakes, 0);
	take(&rig->c, SIZE, n - 1);
	assert_empty(&rig->c);
	rig_free(rig);
}

static void position_between_slots_is_refused(void **state)
{
	struct rig *rig = marked(state, 0);

	rig->producer->head = rig->consumer->tail = rig->start + STRIDE / 2;
	become_second_producer(rig);
	assert_int_equal(rig->p.error, -EBADMSG);
	assert_int_equal(rig_bind(rig, &rig->c, SHMRING_CONSUMER), 0);
	assert_int_equal(rig->c.error, -EBADMSG);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slot_takes_a_power_of_two),
		cmocka_unit_test(geometry_without_room_is_none),
		cmocka_unit_test(commit_marks_the_slot),
		cmocka_unit_test(publish_marks_what_was_staged),
		cmocka_unit_test(batches_mark_each_slot),
		cmocka_unit_test(head_is_stored_before_the_mark),
		cmocka_unit_test(lines_are_fetched_ahead_as_without_marks),
		cmocka_unit_test(peek_sees_the_mark),
		cmocka_unit_test(missing_mark_hides_nothing),
		cmocka_unit_test(calls_for_many_look_at_the_head),
		cmocka_unit_test(spin_looks_at_marks_and_at_the_head),
		cmocka_unit_test(short_spin_looks_at_the_head),
		cmocka_unit_test(copies_go_by_the_mark),
		cmocka_unit_test(threads_pass_each_message),
		cmocka_unit_test(mark_beyond_a_full_ring_is_refused),
		cmocka_unit_test(mark_of_another_slot_says_nothing),
		cmocka_unit_test(many_hits_look_at_the_head),
		cmocka_unit_test(false_marks_show_no_more_than_a_ring),
		cmocka_unit_test(successor_settles_false_marks),
		cmocka_unit_test(successor_follows_a_consumer_that_is_ahead),
		cmocka_unit_test(successor_stops_at_a_full_ring),
		cmocka_unit_test(successor_of_an_honest_producer_changes_nothing),
		cmocka_unit_test(position_between_slots_is_refused),
	};

	return run_at_every_start("marks", tests, ARRAY_SIZE(tests));
}

// SPDX-License-Identifier: MIT
/*
 * Random calls on both ends, compared with the results that a plain queue predicts.
 * SHMRING_SEED=N: another sequence.
 */
#include "rig.h"

#include <stdio.h>

#define STEPS	30000
#define QUEUE	16384	/* more messages than a ring holds */

struct model {
	struct rig *rig;
	uint64_t seed;

	/* Message n: its length, and the position where it ends. */
	size_t len[QUEUE];
	uint64_t end[QUEUE];

	/* The number of messages up to each stage. */
	uint64_t staged, published, taken, released;
	uint64_t reserved;	/* bytes; 0: none */
	size_t peeked;
};

static uint64_t below(struct model *m, uint64_t n)
{
	return random_u64(&m->seed) % n;
}

/* The position after the first n messages. */
static uint64_t position(const struct model *m, uint64_t n)
{
	return n ? m->end[(n - 1) % QUEUE] : m->rig->start;
}

static uint64_t footprint(const struct model *m, size_t len)
{
	size_t power;

	if (m->rig->geometry.features) {
		for (power = 1; power < m->rig->geometry.slot_size + 8; power *= 2)
			;
		return power;
	}
	return (len + (m->rig->geometry.slot_size ? 0 : 8) + 7) / 8 * 8;
}

static unsigned char *place(const struct model *m, uint64_t n)
{
	const struct rig *rig = m->rig;

	return rig->data + position(m, n) % rig->capacity +
	       (rig->geometry.slot_size && !rig->geometry.features ? 0 : 8);
}

/* Mostly short, sometimes as long as the space, sometimes too long. */
static size_t some_length(struct model *m)
{
	static const size_t limits[] = { 1, 40, 40, 40, 400 };
	uint64_t which = below(m, 6);

	if (m->rig->geometry.slot_size)
		return m->rig->geometry.slot_size + !below(m, 50);
	return below(m, which < 5 ? limits[which] : m->rig->capacity + 16);
}

/* ---------------------------------------------------------------- producer */

static void reserve(struct model *m)
{
	uint64_t used = position(m, m->staged) - position(m, m->released);
	size_t len = some_length(m);
	bool fits = footprint(m, len) <= m->rig->capacity - used &&
		    (!m->rig->geometry.slot_size || len == m->rig->geometry.slot_size);

	assert_ptr_equal(shmring_reserve(&m->rig->p, len), fits ? place(m, m->staged) : NULL);
	if (fits)
		m->reserved = footprint(m, len);
}

static void stage(struct model *m, int (*call)(struct shmring *r, size_t len))
{
	size_t len = m->reserved && !m->rig->geometry.slot_size ? below(m, m->reserved) : some_length(m);
	bool fits = m->reserved && footprint(m, len) <= m->reserved &&
		    (!m->rig->geometry.slot_size || len == m->rig->geometry.slot_size);

	if (fits)
		write_message(place(m, m->staged), len, m->staged);
	assert_int_equal(call(&m->rig->p, len), fits ? 0 : -EINVAL);
	if (!fits)
		return;
	m->len[m->staged % QUEUE] = len;
	m->end[m->staged % QUEUE] = position(m, m->staged) + footprint(m, len);
	m->staged++;
	m->reserved = 0;
	if (call == shmring_commit)
		m->published = m->staged;
}

/* Slots of a ring with @bytes of them, at most @n; none if it has none. */
static size_t some_slots(const struct model *m, uint64_t bytes, size_t n)
{
	size_t there = m->rig->geometry.slot_size ? bytes / footprint(m, m->rig->geometry.slot_size) : 0;

	return there < n ? there : n;
}

static void reserve_slots(struct model *m)
{
	uint64_t used = position(m, m->staged) - position(m, m->released);
	size_t n = below(m, 20), fit = some_slots(m, m->rig->capacity - used, n);

	assert_ptr_equal(shmring_reserve_slots(&m->rig->p, &n), fit ? place(m, m->staged) : NULL);
	if (!fit)
		return;
	assert_int_equal(n, fit);
	m->reserved = fit * footprint(m, m->rig->geometry.slot_size);
}

static void commit_slots(struct model *m)
{
	size_t len = m->rig->geometry.slot_size, n = below(m, 20);
	bool fits = len && n * footprint(m, len) <= m->reserved;
	unsigned char *at = place(m, m->staged);

	for (size_t i = 0; fits && i < n; i++)
		write_message(at + i * shmring_slot_stride(&m->rig->p), len, m->staged + i);
	assert_int_equal(shmring_commit_slots(&m->rig->p, n), fits ? 0 : -EINVAL);
	if (!fits)
		return;
	for (; n; n--, m->staged++) {
		m->len[m->staged % QUEUE] = len;
		m->end[m->staged % QUEUE] = position(m, m->staged) + footprint(m, len);
	}
	m->reserved = 0;
	m->published = m->staged;
}

static void publish(struct model *m)
{
	shmring_publish(&m->rig->p);
	m->published = m->staged;
}

static void discard(struct model *m)
{
	shmring_discard(&m->rig->p);
	m->reserved = 0;
}

static void restart_producer(struct model *m)
{
	assert_int_equal(rig_bind(m->rig, &m->rig->p, SHMRING_PRODUCER), 0);
	m->staged = m->published;
	m->reserved = 0;
}

/* ---------------------------------------------------------------- consumer */

static void peek(struct model *m)
{
	bool there = m->published > m->taken;
	size_t len = 0;
	const void *from = shmring_peek(&m->rig->c, &len);

	assert_ptr_equal(from, there ? place(m, m->taken) : NULL);
	if (!there)
		return;
	assert_int_equal(len, m->len[m->taken % QUEUE]);
	assert_true(is_message(from, len, m->taken));
	m->peeked = 1;
}

static void peek_slots(struct model *m)
{
	size_t n = below(m, 20), asked = n;
	size_t there = m->rig->geometry.slot_size ? m->published - m->taken : 0;
	const unsigned char *from = shmring_peek_slots(&m->rig->c, &n);

	there = there < asked ? there : asked;
	assert_ptr_equal(from, there ? place(m, m->taken) : NULL);
	if (!there)
		return;
	assert_int_equal(n, there);
	for (size_t i = 0; i < n; i++)
		assert_true(is_message(from + i * shmring_slot_stride(&m->rig->c),
				       m->rig->geometry.slot_size, m->taken + i));
	m->peeked = n;
}

static void advance(struct model *m)
{
	assert_int_equal(shmring_advance(&m->rig->c), m->peeked ? 0 : -EINVAL);
	m->taken += m->peeked;
	m->peeked = 0;
}

static void release(struct model *m)
{
	if (m->taken == m->released) {
		m->taken += m->peeked;
		m->peeked = 0;
	}
	assert_int_equal(shmring_release(&m->rig->c), m->taken > m->released ? 0 : -EINVAL);
	m->released = m->taken;
}

static void restart_consumer(struct model *m)
{
	assert_int_equal(rig_bind(m->rig, &m->rig->c, SHMRING_CONSUMER), 0);
	m->taken = m->released;
	m->peeked = 0;
}

/* ----------------------------------------------------------------- together */

static void step(struct model *m)
{
	switch (below(m, 24)) {
	case 0 ... 4: reserve(m); break;
	case 5 ... 6: stage(m, shmring_stage); break;
	case 7 ... 8: stage(m, shmring_commit); break;
	case 9: publish(m); break;
	case 10: below(m, 4) ? publish(m) : discard(m); break;
	case 11 ... 14: peek(m); break;
	case 15 ... 16: advance(m); break;
	case 17 ... 18: release(m); break;
	case 19: reserve_slots(m); break;
	case 20: commit_slots(m); break;
	case 21 ... 22: peek_slots(m); break;
	default: /* seldom */
		if (!below(m, 20))
			below(m, 2) ? restart_producer(m) : restart_consumer(m);
	}
	assert_int_equal(m->rig->producer->head, position(m, m->published));
	assert_int_equal(m->rig->consumer->tail, position(m, m->released));
}

static void compare(struct rig *rig)
{
	const char *seed = getenv("SHMRING_SEED");
	struct model *m = calloc(1, sizeof(*m));
	int i;

	assert_non_null(m);
	m->rig = rig;
	rig->lane->producer.epoch = 2;	/* a producer that is bound again has had one before it */
	m->seed = seed ? strtoull(seed, NULL, 0) : 1;
	print_message("# SHMRING_SEED=%llu\n", (unsigned long long)m->seed);
	for (i = 0; i < STEPS; i++)
		step(m);
	assert_true(m->published > STEPS / 20 && m->released > STEPS / 20);
	rig_free(m->rig);
	free(m);
}

static void records_behave_as_a_queue(void **state)
{
	struct rig *rig = *state;

	compare(rig_new(rig->start, 0));
}

static void slots_behave_as_a_queue(void **state)
{
	struct rig *rig = *state;

	compare(rig_new(rig->start, 44));
}

static void marked_slots_behave_as_a_queue(void **state)
{
	struct rig *rig = *state;

	compare(rig_new_marked(rig->start, 44, 0, SHMRING_ALIGN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_behave_as_a_queue),
		cmocka_unit_test(slots_behave_as_a_queue),
		cmocka_unit_test(marked_slots_behave_as_a_queue),
	};

	return run_at_every_start("model", tests, ARRAY_SIZE(tests));
}

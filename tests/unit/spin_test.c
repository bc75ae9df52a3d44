// SPDX-License-Identifier: MIT
/* How a waiter adapts to its last waits: all decisions of spin.c, without a clock. */
#include "rig.h"

#define COST	10000u	/* ns of a sleep, as seen so far */
#define WORTH	5000u	/* ns that a spin may take */

static struct shmring_spin after_sleeps_of(uint64_t cost)
{
	return (struct shmring_spin){ .pauses = 1, .cost = cost, .budget = 2 * cost };
}

static void assert_same(const struct shmring_spin *a, const struct shmring_spin *b)
{
	assert_int_equal(a->budget, b->budget);
	assert_int_equal(a->cost, b->cost);
	assert_int_equal(a->skip, b->skip);
	assert_int_equal(a->left, b->left);
	assert_int_equal(a->pauses, b->pauses);
}

/* ------------------------------------------------------------------- spinning */

static void spin_begins_with_what_a_sleep_may_cost(void **state)
{
	struct shmring_spin spin;

	(void)state;
	shmring_spin_init(&spin);
	assert_true(spin.cost > 0);
	assert_int_equal(spin.budget, 2 * spin.cost);
	assert_int_equal(spin.pauses, 1);
	assert_in_range(spin.looks, 32, 1024);
	assert_in_range(spin.relaxes, 1, 4096);
	assert_in_range(spin.relaxes_of_64, 1, 4096);
	assert_int_equal(spin.skip, 0);
	assert_int_equal(spin.left, 0);
}

static void spin_in_vain_ends_spinning(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);

	(void)state;
	shmring_spin_learn(&spin, 2 * COST, COST, false);
	assert_int_equal(spin.budget, 0);
	assert_int_equal(spin.skip, 1);
	assert_int_equal(spin.left, 1);
}

static void find_late(struct shmring_spin *spin, unsigned int times)
{
	while (times--)
		shmring_spin_learn(spin, WORTH + 1, WORTH, true);
}

/* The spin found data, but a sleep would have been cheaper: 16 times in a row. */
static void spin_longer_than_is_worth_it_is_in_vain(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);

	(void)state;
	shmring_spin_learn(&spin, WORTH, WORTH, true);
	assert_int_equal(spin.budget, 2 * COST);
	assert_int_equal(spin.skip, 0);
	find_late(&spin, 15);
	assert_int_equal(spin.budget, 2 * COST);
	shmring_spin_learn(&spin, WORTH, WORTH, true);
	find_late(&spin, 15);
	assert_int_equal(spin.budget, 2 * COST);
	find_late(&spin, 1);
	assert_int_equal(spin.budget, 0);
	assert_int_equal(spin.left, 1);
	/* The next time, too, so many may be late. */
	spin.budget = 2 * COST;
	find_late(&spin, 15);
	assert_int_equal(spin.budget, 2 * COST);
}

static void give_up(struct shmring_spin *spin)
{
	shmring_spin_learn(spin, spin->budget, WORTH, false);
}

/* After 1, 3, 7 ... 1023 sleeps, and then every 1023. */
static void spin_given_up_is_tried_after_more_and_more_sleeps(void **state)
{
	static const unsigned int after[] = { 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023 };
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(after); i++) {
		give_up(&spin);
		for (n = 0; n < after[i]; n++) {
			shmring_sleep_learn(&spin, COST);
			assert_int_equal(spin.budget, 0);
		}
		shmring_sleep_learn(&spin, COST);
		assert_int_equal(spin.budget, 2 * COST);
	}
	/* A spin that pays starts the count again. */
	shmring_spin_learn(&spin, WORTH, WORTH, true);
	give_up(&spin);
	assert_int_equal(spin.left, 1);
}

/* ------------------------------------------------------------- looking briefly */

#define LONG	50000	/* ns that a long look takes at most */
#define LATE	(SHMRING_BRIEF_NS + 1)

static unsigned int rests(struct shmring_spin *spin)
{
	unsigned int n = 0;

	while (!shmring_brief_budget(spin))
		n++;
	return n;
}

/* The budget of the next look, after all rests. */
static uint64_t next_look(struct shmring_spin *spin)
{
	uint64_t ns;

	while (!(ns = shmring_brief_budget(spin)))
		;
	return ns;
}

static void brief_look_in_vain_is_tried_after_more_and_more_waits(void **state)
{
	static const unsigned int after[] = { 2, 6, 14, 30, 62, 63, 63 };
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int i;

	(void)state;
	assert_int_equal(rests(&spin), 0);
	for (i = 0; i < ARRAY_SIZE(after); i++) {
		shmring_brief_learn(&spin, 0, false);
		assert_int_equal(rests(&spin), after[i]);
	}
	for (i = 31; i; i /= 2) {
		shmring_brief_learn(&spin, SHMRING_BRIEF_NS, true);
		assert_int_equal(rests(&spin), i);
	}
	shmring_brief_learn(&spin, 0, true);
	assert_int_equal(rests(&spin), 0);
}

static void brief_look_in_vain_every_other_time_is_hardly_tried(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		shmring_brief_learn(&spin, 0, i % 2);
	assert_in_range(rests(&spin), 31, 63);
}

/* After 2, 4, 8, 16, 32, 48 ... looks in vain. The last ones are about a thousand waits apart. */
static void look_after_some_in_vain_is_long(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int vain;
	bool is_long;

	(void)state;
	for (vain = 0; vain < 100; vain++) {
		is_long = vain == 2 || vain == 4 || vain == 8 || (vain && vain % 16 == 0);
		assert_int_equal(next_look(&spin), is_long ? LONG : SHMRING_BRIEF_NS);
		shmring_brief_learn(&spin, 0, false);
	}
	shmring_brief_learn(&spin, SHMRING_BRIEF_NS, true);
	assert_int_equal(next_look(&spin), SHMRING_BRIEF_NS);
}

static struct shmring_spin before_a_long_look(void)
{
	struct shmring_spin spin = after_sleeps_of(COST);

	while (next_look(&spin) != LONG)
		shmring_brief_learn(&spin, 0, false);
	return spin;
}

/* ... and come at once, until one finds something soon. */
static void looks_after_a_late_find_are_long(void **state)
{
	struct shmring_spin spin = before_a_long_look();
	unsigned int i;

	(void)state;
	for (i = 0; i < 15; i++) {
		shmring_brief_learn(&spin, LATE, true);
		assert_int_equal(shmring_brief_budget(&spin), LONG);
	}
	shmring_brief_learn(&spin, SHMRING_BRIEF_NS, true);
	assert_int_equal(shmring_brief_budget(&spin), SHMRING_BRIEF_NS);
}

/* The other side is slow: the next long look comes as late as after many in vain. */
static void looks_that_are_always_late_end(void **state)
{
	struct shmring_spin spin = before_a_long_look();
	unsigned int i, waits = 0;

	(void)state;
	for (i = 0; i < 16; i++)
		shmring_brief_learn(&spin, LATE, true);
	for (i = 0; i < 15; i++) {
		waits += rests(&spin) + 1;
		shmring_brief_learn(&spin, 0, false);
	}
	assert_int_equal(next_look(&spin), LONG);
	assert_in_range(waits, 900, 1100);
}

/* ------------------------------------------------------------------- yielding */

static unsigned int waits_without_yield(struct shmring_spin *spin)
{
	unsigned int n = 0;

	while (shmring_yield_rests(spin))
		n++;
	return n;
}

static void yield_that_helps_is_tried_each_time(void **state)
{
	static const unsigned int after[] = { 1, 3, 7, 15, 31, 63, 63 };
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(after); i++) {
		shmring_yield_learn(&spin, 1000, false);
		assert_int_equal(waits_without_yield(&spin), after[i]);
	}
	shmring_yield_learn(&spin, 1000, true);
	assert_int_equal(waits_without_yield(&spin), 0);
	shmring_yield_learn(&spin, 1000, false);
	assert_int_equal(waits_without_yield(&spin), 1);
}

static void yield_to_a_third_task_is_paid_for_by_many_waits(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		shmring_yield_learn(&spin, 3000000, i);
		assert_int_equal(waits_without_yield(&spin), 4095);
	}
}

/* ------------------------------------------------------------------- yielding */

static void yield_that_helps_is_left_out_now_and_then(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int i, yields = 0;

	(void)state;
	assert_false(shmring_spin_yields(&spin));
	spin.yield_helps = true;
	for (i = 0; i < 160; i++)
		yields += shmring_spin_yields(&spin);
	assert_int_equal(yields, 150);
}

/* ------------------------------------------------------------------- sleeping */

static void sleep_much_longer_than_its_cost_teaches_nothing(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST), same;

	(void)state;
	give_up(&spin);
	same = spin;
	shmring_sleep_learn(&spin, 2 * COST + 1);
	assert_same(&spin, &same);
	shmring_sleep_learn(&spin, 2 * COST);
	assert_int_equal(spin.left, same.left - 1);
}

static void sleep_costs_what_the_shortest_took(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);

	(void)state;
	shmring_sleep_learn(&spin, COST / 2);
	assert_int_equal(spin.cost, COST / 2);
	assert_int_equal(spin.budget, COST);
	/* No sleep was as short as this one. */
	shmring_sleep_learn(&spin, 3999);
	assert_int_equal(spin.cost, COST / 2);
	shmring_sleep_learn(&spin, 4000);
	assert_int_equal(spin.cost, 4000);
}

/* The estimate rises by a little each time, and stays bounded. */
static void sleep_may_get_dearer(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	uint64_t before;
	int i;

	(void)state;
	shmring_sleep_learn(&spin, COST + 3200);
	assert_int_equal(spin.cost, COST + 100);
	for (i = 0; i < 10000; i++) {
		before = spin.cost;
		shmring_sleep_learn(&spin, 2 * before);
		assert_true(spin.cost >= before && spin.cost - before <= before / 32);
	}
	assert_in_range(spin.cost, 50000, 52000);
}

/* -------------------------------------------------------------------- pausing */

#define RING	65536u

static unsigned int pauses_after(unsigned int pauses, unsigned int looks, uint64_t bytes)
{
	struct shmring_spin spin = after_sleeps_of(COST);

	spin.pauses = pauses;
	shmring_pauses_learn(&spin, looks, bytes, RING);
	return spin.pauses;
}

static void pauses_double_while_that_pays(void **state)
{
	(void)state;
	assert_int_equal(pauses_after(1, 1, 64), 2);
	assert_int_equal(pauses_after(16, 1, 64), 32);		/* just more than a trickle */
	assert_int_equal(pauses_after(16, 1, RING / 8 - 1), 32);
	assert_int_equal(pauses_after(16, 1, RING / 8), 16);	/* a good part of the ring */
	assert_int_equal(pauses_after(128, 1, 1024), 256);
	assert_int_equal(pauses_after(256, 1, 4096), 256);
}

static void pauses_are_halved_by_a_trickle(void **state)
{
	(void)state;
	assert_int_equal(pauses_after(16, 1, 63), 8);
	assert_int_equal(pauses_after(16, 2, 4096), 8);
	assert_int_equal(pauses_after(1, 2, 4096), 1);
	assert_int_equal(pauses_after(2, 1, 0), 1);
}

/* Where many looks are needed, each message answers another one: no pause at all. */
static void pauses_end_where_looks_are_many(void **state)
{
	(void)state;
	assert_int_equal(pauses_after(256, 3, 4096), 1);
	assert_int_equal(pauses_after(256, 3000, RING), 1);
}

/*
 * Where each look finds the same, even after a long pause, the other side waits for this one:
 * no pause.
 */
static void pauses_end_where_the_other_side_waits(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int n;

	(void)state;
	for (n = 0; n <= 8; n++) {
		assert_int_not_equal(spin.pauses, 64);
		shmring_pauses_learn(&spin, 1, 64, RING);
	}
	assert_int_equal(spin.pauses, 64);
	shmring_pauses_learn(&spin, 1, 64, RING);
	for (n = 0; n < 4095; n++) {
		assert_int_equal(spin.pauses, 1);
		shmring_pauses_learn(&spin, 1, 4096, RING);
	}
	assert_int_equal(spin.pauses, 1);
	shmring_pauses_learn(&spin, 1, 4096, RING);
	assert_int_equal(spin.pauses, 2);
}

/* A stream that comes message by message, as long as no pause lets messages gather. */
static void pauses_go_on_where_a_long_one_gathers_more(void **state)
{
	struct shmring_spin spin = after_sleeps_of(COST);
	unsigned int n;

	(void)state;
	for (n = 0; n <= 8; n++)
		shmring_pauses_learn(&spin, 1, 64, RING);
	assert_int_equal(spin.pauses, 64);
	shmring_pauses_learn(&spin, 1, 640, RING);
	assert_int_equal(spin.pauses, 128);
	/* A long pause that brings nothing, or a good part of the ring, decides nothing either. */
	for (n = 0; n <= 8; n++)
		shmring_pauses_learn(&spin, 1, 64, RING);
	shmring_pauses_learn(&spin, 40, 64, RING);
	shmring_pauses_learn(&spin, 1, 64, RING);
	assert_int_equal(spin.rest, 0);
	for (n = 0; n < 7; n++)
		shmring_pauses_learn(&spin, 1, 64, RING);
	assert_int_equal(spin.pauses, 64);
	shmring_pauses_learn(&spin, 1, RING / 8, RING);
	shmring_pauses_learn(&spin, 1, 64, RING);
	assert_int_equal(spin.rest, 0);
	/* A good part of the ring each time is no lockstep either. */
	for (n = 0; n < 100; n++)
		shmring_pauses_learn(&spin, 1, RING, RING);
	assert_int_equal(spin.rest, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spin_begins_with_what_a_sleep_may_cost),
		cmocka_unit_test(spin_in_vain_ends_spinning),
		cmocka_unit_test(spin_longer_than_is_worth_it_is_in_vain),
		cmocka_unit_test(spin_given_up_is_tried_after_more_and_more_sleeps),
		cmocka_unit_test(brief_look_in_vain_is_tried_after_more_and_more_waits),
		cmocka_unit_test(brief_look_in_vain_every_other_time_is_hardly_tried),
		cmocka_unit_test(look_after_some_in_vain_is_long),
		cmocka_unit_test(looks_after_a_late_find_are_long),
		cmocka_unit_test(looks_that_are_always_late_end),
		cmocka_unit_test(yield_that_helps_is_tried_each_time),
		cmocka_unit_test(yield_to_a_third_task_is_paid_for_by_many_waits),
		cmocka_unit_test(yield_that_helps_is_left_out_now_and_then),
		cmocka_unit_test(sleep_much_longer_than_its_cost_teaches_nothing),
		cmocka_unit_test(sleep_costs_what_the_shortest_took),
		cmocka_unit_test(sleep_may_get_dearer),
		cmocka_unit_test(pauses_double_while_that_pays),
		cmocka_unit_test(pauses_are_halved_by_a_trickle),
		cmocka_unit_test(pauses_end_where_looks_are_many),
		cmocka_unit_test(pauses_end_where_the_other_side_waits),
		cmocka_unit_test(pauses_go_on_where_a_long_one_gathers_more),
	};

	return cmocka_run_group_tests_name("spin", tests, NULL, NULL);
}

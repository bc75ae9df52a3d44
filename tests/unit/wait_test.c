// SPDX-License-Identifier: MIT
/*
 * The slow path on a backend whose sleep does what the test prescribes: the arguments of its
 * functions, and the results for the caller.
 */
#include "rig.h"

/* What happens while an end sleeps, and the arguments that the backend got. */
static struct {
	int (*meanwhile)(struct rig *rig);
	struct rig *rig;
	int nr;
	uint64_t bytes, mark, deadline;
} sleep_;

static int sleeps(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	(void)r;
	if (++sleep_.nr > 100)
		return -EIO;	/* the wait would never end */
	sleep_.bytes = bytes;
	sleep_.mark = mark;
	sleep_.deadline = deadline;
	return sleep_.meanwhile(sleep_.rig);
}

static void wakes(struct shmring *r)
{
	(void)r;
}

/* Stores the bytes for which poll would wait. Whether they come is up to the test. */
static struct {
	int nr;
	uint64_t bytes;
	bool comes;
} armed;

static void arms(struct shmring *r, uint64_t bytes)
{
	(void)r;
	armed.nr++;
	armed.bytes = bytes;
	if (armed.comes)
		put(&sleep_.rig->p, 8, 2);
}

static void looks_for_a_death(struct shmring *r)
{
	(void)r;
	if (sleep_.meanwhile)
		sleep_.meanwhile(sleep_.rig);
}

static const struct shmring_backend polled = { .name = "polled", .wait = sleeps, .wake = wakes,
					       .arm_poll = arms,
					       .check_peer = looks_for_a_death };
static const struct shmring_backend scripted = { .name = "scripted", .wait = sleeps, .wake = wakes };

static struct rig *script(void **state, int (*meanwhile)(struct rig *rig))
{
	struct rig *rig = *state;

	sleep_.meanwhile = meanwhile;
	sleep_.rig = rig;
	sleep_.nr = 0;
	rig->priv_p.backend = &scripted;
	rig->priv_c.backend = &scripted;
	return rig;
}

static void fill(struct rig *rig)
{
	uint64_t i;

	for (i = 0; i < rig->capacity / 16; i++)
		put(&rig->p, 8, i);
}

static void step_past(struct rig *rig)
{
	size_t len;

	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_advance(&rig->c), 0);
}

/* -------------------------------------------------------------- meanwhile ... */

static int nobody_comes(struct rig *rig)
{
	(void)rig;
	fail_msg("nobody was to sleep");
	return 0;
}

static int one_is_put(struct rig *rig)
{
	put(&rig->p, 8, 1);
	return 0;
}

static int one_is_put_too_late(struct rig *rig)
{
	put(&rig->p, 8, 1);
	return -ETIMEDOUT;
}

static int nothing_and_then_one_is_put(struct rig *rig)
{
	return sleep_.nr < 3 ? 0 : one_is_put(rig);
}

static int a_signal_comes(struct rig *rig)
{
	(void)rig;
	return -EINTR;
}

static int half_is_taken(struct rig *rig)
{
	uint64_t i;

	for (i = 0; i < rig->capacity / 32; i++)
		take(&rig->c, 8, i);
	return 0;
}

static int the_producer_goes(struct rig *rig)
{
	rig->lane->producer.state = SHMRING_PEER_GONE;
	return 0;
}

static int the_producer_goes_after_one(struct rig *rig)
{
	put(&rig->p, 8, 1);
	return the_producer_goes(rig);
}

static int the_consumer_goes(struct rig *rig)
{
	rig->lane->consumer.state = SHMRING_PEER_GONE;
	return 0;
}

static int the_producer_waits_too(struct rig *rig)
{
	rig->lane->producer.wake_at = rig->start + 16;
	return 0;
}

/* An edge-triggered poll arms although it has got what it armed for. */
static int the_producer_waits_for_what_it_has(struct rig *rig)
{
	rig->lane->producer.wake_at = rig->start;
	return -ETIMEDOUT;
}

static int the_head_leaps(struct rig *rig)
{
	rig->producer->head = rig->start - 8;
	return 0;
}

/* ------------------------------------------------------------------ for data */

static void wait_for_data_asks_for_one_byte(void **state)
{
	struct rig *rig = script(state, one_is_put);
	const struct shmring_wait wait = { .deadline = 12345 };

	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	assert_int_equal(sleep_.nr, 1);
	assert_int_equal(sleep_.bytes, 1);
	assert_int_equal(sleep_.mark, 0);
	assert_int_equal(sleep_.deadline, 12345);
	take(&rig->c, 8, 1);
}

static void wait_for_data_counts_what_is_held(void **state)
{
	struct rig *rig = script(state, one_is_put);

	put(&rig->p, 8, 1);
	step_past(rig);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(sleep_.bytes, 17);
}

static void wait_for_data_never_asks_for_more_than_the_ring(void **state)
{
	struct rig *rig = script(state, the_producer_goes_after_one);
	const struct shmring_wait wait = { .min_bytes = rig->capacity };

	put(&rig->p, 8, 1);
	step_past(rig);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	assert_int_equal(sleep_.bytes, rig->capacity);
}

static void wait_for_data_returns_at_once_with_data(void **state)
{
	struct rig *rig = script(state, nobody_comes);
	const struct shmring_wait wait = { .min_bytes = 16 };

	put(&rig->p, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
}

static void wait_for_more_than_there_is_sleeps(void **state)
{
	struct rig *rig = script(state, one_is_put);
	const struct shmring_wait wait = { .min_bytes = 17 };

	put(&rig->p, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	assert_int_equal(sleep_.nr, 1);
	assert_int_equal(sleep_.bytes, 17);
}

/* If looks have found nothing, the next wait sleeps at once. */
static void blocking_looks_for_a_while_if_that_has_paid(void **state)
{
	struct rig *rig = script(state, one_is_put);
	struct shmring_spin *spin = &rig->priv_c.spin;

	spin->pauses = 16;
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(spin->brief_left, 2);
	assert_int_equal(spin->pauses, 1);	/* and this is no stream */
	take(&rig->c, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(spin->brief_left, 1);
	assert_int_equal(sleep_.nr, 2);
	/* A wait that finds data at once changes no estimate. */
	spin->brief_left = 0;
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(spin->brief_skip, 2);
	assert_int_equal(sleep_.nr, 2);
	/* With one CPU there is no point in looking. */
	spin->alone = true;
	spin->brief_left = 0;
	take(&rig->c, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(spin->brief_left, 0);
	assert_int_equal(sleep_.nr, 3);
}

/* A thread that looks in vain before each message asks or answers. */
static void waits_before_messages_are_counted(void **state)
{
	const struct shmring_wait wait = { .policy = SHMRING_SPIN, .deadline = 1 };
	struct rig *rig = script(state, one_is_put);
	const uint64_t few = __SHMRING_PREFETCH / 2;

	__shmring_answers(&rig->p, few);	/* what other tests did */
	assert_false(__shmring_answers(&rig->p, few));
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	assert_true(__shmring_answers(&rig->p, few));
	assert_false(__shmring_answers(&rig->p, few));
	/* One wait for many small messages, or a wait that finds data at once, does not count. */
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	assert_false(__shmring_answers(&rig->p, few - 1));
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	assert_false(__shmring_answers(&rig->p, few));
}

static void wait_woken_for_nothing_sleeps_again(void **state)
{
	struct rig *rig = script(state, nothing_and_then_one_is_put);

	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(sleep_.nr, 3);
	assert_int_equal(rig->priv_c.sleeps, 3);
}

static void wait_succeeds_rather_than_times_out(void **state)
{
	struct rig *rig = script(state, one_is_put_too_late);

	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
}

static int nothing_comes_but_time_goes_by(struct rig *rig)
{
	(void)rig;
	if (sleep_.nr == 10)
		while (shmring_now() < sleep_.deadline)
			;
	return 0;
}

/* The other side could end every sleep without moving. */
static void wait_ends_at_its_deadline_however_often_it_is_woken(void **state)
{
	struct rig *rig = script(state, nothing_comes_but_time_goes_by);
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK,
					   .deadline = shmring_deadline(1000000) };

	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	assert_in_range(sleep_.nr, 1, 10);
}

static void wait_returns_why_it_ended(void **state)
{
	struct rig *rig = script(state, a_signal_comes);

	assert_int_equal(shmring_wait_data(&rig->c, NULL), -EINTR);
	fill(rig);
	assert_int_equal(shmring_wait_space(&rig->p, 8, NULL), -EINTR);
}

static void wait_for_data_drains_before_the_end(void **state)
{
	struct rig *rig = script(state, the_producer_goes_after_one);
	const struct shmring_wait wait = { .min_bytes = 100 };

	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	take(&rig->c, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ENODATA);
	assert_int_equal(sleep_.nr, 1);
}

static void wait_for_data_held_by_oneself_is_a_deadlock(void **state)
{
	struct rig *rig = script(state, the_producer_waits_too);

	put(&rig->p, 8, 1);
	step_past(rig);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), -EDEADLK);
}

static void wait_for_more_settles_for_less_if_the_producer_waits(void **state)
{
	struct rig *rig = script(state, the_producer_waits_too);
	const struct shmring_wait wait = { .min_bytes = rig->capacity };

	put(&rig->p, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	take(&rig->c, 8, 1);
}

static void wait_for_more_owes_the_producer_a_wake(void **state)
{
	struct rig *rig = script(state, the_producer_waits_for_what_it_has);
	const struct shmring_wait wait = { .min_bytes = rig->capacity };

	put(&rig->p, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	assert_int_equal(rig->priv_c.wakes, 1);
	rig->lane->producer.wake_at = SHMRING_NO_WAKE;
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), 0);
	take(&rig->c, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	assert_int_equal(rig->priv_c.wakes, 1);
	/* Also if the ring is empty. */
	rig->lane->producer.wake_at = rig->start + 16;
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	assert_true(rig->priv_c.wakes > 1);
}

static void wait_woken_by_a_false_position_is_refused(void **state)
{
	struct rig *rig = script(state, the_head_leaps);

	assert_int_equal(shmring_wait_data(&rig->c, NULL), -EBADMSG);
}

/* ----------------------------------------------------------------- for space */

static int kernel_refuses(struct rig *rig)
{
	put(&rig->p, 8, 2);
	return -EBADMSG;
}

/* The kernel has seen a position go back, which the library has not. */
static void refusal_by_the_kernel_is_for_good(void **state)
{
	struct rig *rig = script(state, kernel_refuses);
	struct shmring_wait much = { .min_bytes = 1024 };
	struct shmring_wait w = { .flags = SHMRING_NOWAIT };
	size_t len;

	assert_int_equal(shmring_wait_data(&rig->c, &much), -EBADMSG);
	assert_int_equal(shmring_wait_data(&rig->c, &w), -EBADMSG);
	assert_null(shmring_peek(&rig->c, &len));
	assert_int_equal(rig->consumer->refused, 1);
}

static void wait_for_space_asks_for_half_the_ring(void **state)
{
	struct rig *rig = script(state, half_is_taken);

	fill(rig);
	assert_int_equal(shmring_wait_space(&rig->p, 8, NULL), 0);
	assert_int_equal(sleep_.nr, 1);
	assert_int_equal(sleep_.bytes, 16);
	assert_int_equal(sleep_.mark, rig->capacity / 2);
	put(&rig->p, 8, 1);
}

static int all_is_taken(struct rig *rig)
{
	uint64_t i;

	for (i = 0; i < rig->capacity / 16; i++)
		take(&rig->c, 8, i);
	return 0;
}

/* What a producer with this mark sleeps for, if its message takes 16 bytes of the full ring. */
static uint64_t mark_of_a_sleep(struct rig *rig, size_t mark)
{
	assert_int_equal(shmring_set_space_mark(&rig->p, mark), 0);
	sleep_.nr = 0;
	fill(rig);
	assert_int_equal(shmring_wait_space(&rig->p, 8, NULL), 0);
	assert_int_equal(sleep_.nr, 1);
	assert_int_equal(sleep_.bytes, 16);
	return sleep_.mark;
}

static void wait_for_space_asks_for_its_mark(void **state)
{
	struct rig *rig = script(state, all_is_taken);

	assert_int_equal(mark_of_a_sleep(rig, 1), 16);
	assert_int_equal(mark_of_a_sleep(rig, 17), 17);
	assert_int_equal(mark_of_a_sleep(rig, rig->capacity), rig->capacity);
	assert_int_equal(shmring_set_space_mark(&rig->p, rig->capacity + 1), -EINVAL);
	assert_int_equal(mark_of_a_sleep(rig, 0), rig->capacity / 2);
	assert_int_equal(shmring_set_space_mark(&rig->c, 1), -EBADF);
}

static void wait_for_what_is_just_there_returns_at_once(void **state)
{
	struct rig *rig = script(state, nobody_comes);

	fill(rig);
	take(&rig->c, 8, 0);
	assert_int_equal(shmring_wait_space(&rig->p, 8, NULL), 0);
	assert_non_null(shmring_reserve(&rig->p, 8));
}

static void wait_for_much_space_asks_for_it(void **state)
{
	struct rig *rig = script(state, the_consumer_goes);

	fill(rig);
	assert_int_equal(shmring_wait_space(&rig->p, rig->capacity / 2, NULL), -EPIPE);
	assert_int_equal(sleep_.bytes, rig->capacity / 2 + 8);
	assert_int_equal(sleep_.mark, rig->capacity / 2 + 8);
}

static void send_publishes_what_is_staged_before_it_sleeps(void **state)
{
	struct rig *rig = script(state, half_is_taken);
	uint64_t i;

	for (i = 0; i < rig->capacity / 16; i++) {
		write_message(shmring_reserve(&rig->p, 8), 8, i);
		assert_int_equal(shmring_stage(&rig->p, 8), 0);
	}
	assert_int_equal(shmring_send(&rig->p, "12345678", 8, NULL), 8);
	assert_int_equal(sleep_.nr, 1);
}

/* ---------------------------------------------------------------- not at all */

static void nowait_never_sleeps(void **state)
{
	struct rig *rig = script(state, nobody_comes);
	char buf[8] = "1234567";

	assert_int_equal(shmring_recv(&rig->c, buf, 8, &nowait), -EAGAIN);
	fill(rig);
	assert_int_equal(shmring_send(&rig->p, buf, 8, &nowait), -EAGAIN);
	assert_int_equal(shmring_recv(&rig->c, buf, 7, &nowait), -EMSGSIZE);
	assert_int_equal(shmring_recv(&rig->c, buf, 8, &nowait), 8);
	assert_true(is_message((unsigned char *)buf, 8, 0));
	assert_int_equal(shmring_send(&rig->p, buf, 8, &nowait), 8);
}

/* The message comes once, and is released with those before it. */
static void recv_releases_what_was_advanced_past(void **state)
{
	struct rig *rig = script(state, nobody_comes);
	unsigned char buf[8];
	uint64_t i;

	for (i = 0; i < 3; i++)
		put(&rig->p, 8, i);
	step_past(rig);
	for (i = 1; i < 3; i++) {
		assert_int_equal(shmring_recv(&rig->c, buf, 8, &nowait), 8);
		assert_true(is_message(buf, 8, i));
		assert_int_equal(rig->consumer->tail, rig->start + 16 * (i + 1));
	}
	assert_int_equal(shmring_recv(&rig->c, buf, 8, &nowait), -EAGAIN);
}

static struct rig *poll_script(void **state, int (*meanwhile)(struct rig *rig), bool comes)
{
	struct rig *rig = script(state, meanwhile);

	rig->priv_p.backend = &polled;
	rig->priv_c.backend = &polled;
	armed.nr = 0;
	armed.comes = comes;
	return rig;
}

static void nowait_sets_what_poll_is_for(void **state)
{
	struct rig *rig = poll_script(state, NULL, false);
	const struct shmring_wait more = { .flags = SHMRING_NOWAIT, .min_bytes = 100 };

	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	assert_int_equal(armed.nr, 1);
	assert_int_equal(armed.bytes, 1);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), 0);
	assert_int_equal(armed.nr, 1);
	/* From the position that the other side has seen. */
	step_past(rig);
	assert_int_equal(shmring_wait_data(&rig->c, &more), -EAGAIN);
	assert_int_equal(armed.nr, 2);
	assert_int_equal(armed.bytes, 116);
	assert_int_equal(sleep_.nr, 0);
}

static void nowait_looks_again_after_it_has_told_poll(void **state)
{
	struct rig *rig = poll_script(state, NULL, true);

	assert_int_equal(shmring_wait_data(&rig->c, &nowait), 0);
	assert_int_equal(armed.nr, 1);
	take(&rig->c, 8, 2);
}

static void nowait_notices_a_death(void **state)
{
	struct rig *rig = poll_script(state, the_producer_goes, false);

	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -ENODATA);
	fill(rig);
	sleep_.meanwhile = the_consumer_goes;
	rig->priv_p.checked = 0;
	assert_int_equal(shmring_wait_space(&rig->p, 8, &nowait), -EPIPE);
}

static void spinning_never_sleeps_and_times_out(void **state)
{
	struct rig *rig = script(state, nobody_comes);
	const struct shmring_wait wait = { .policy = SHMRING_SPIN,
					   .deadline = shmring_deadline(1000000) };

	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	fill(rig);
	assert_int_equal(shmring_wait_space(&rig->p, 8, &wait), -ETIMEDOUT);
}

/* A wait without a policy uses the endpoint's. */
static void wait_goes_by_the_endpoints_policy(void **state)
{
	struct rig *rig = script(state, nobody_comes);
	const struct shmring_wait wait = { .deadline = shmring_deadline(1000000) };

	assert_int_equal(shmring_set_policy(&rig->c, SHMRING_SPIN), 0);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	fill(rig);
	assert_int_equal(shmring_set_policy(&rig->p, SHMRING_SPIN), 0);
	assert_int_equal(shmring_wait_space(&rig->p, 8, &wait), -ETIMEDOUT);
}

/* A side that never sleeps has no other way to notice a death. */
static void spinning_notices_a_death(void **state)
{
	struct rig *rig = poll_script(state, the_producer_goes, false);
	const struct shmring_wait wait = { .policy = SHMRING_SPIN,
					   .deadline = shmring_deadline(10000000000) };

	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ENODATA);
	fill(rig);
	sleep_.meanwhile = the_consumer_goes;
	assert_int_equal(shmring_wait_space(&rig->p, 8, &wait), -EPIPE);
}

/* Called each time the clock is read: at first, time passes; then data come. */
static int data_come_after_a_while(struct rig *rig)
{
	uint64_t start = shmring_now();

	rig->priv_c.checked = 0;	/* call again soon */
	while (++sleep_.nr == 1 && shmring_now() - start < 2 * SHMRING_BRIEF_NS)
		sleep_.nr--;
	if (sleep_.nr == 2)
		put(&rig->p, 8, 1);
	return 0;
}

/* A spin that found data after 8 us: spun again? */
static bool spins_again(void **state, enum shmring_policy policy)
{
	struct rig *rig = poll_script(state, data_come_after_a_while, false);
	const struct shmring_wait wait = { .policy = policy };

	rig->priv_c.spin.looks = 1;
	rig->priv_c.spin.late = 15;	/* one more ends spinning */
	rig->priv_c.spin.cost = rig->priv_c.spin.budget = UINT64_MAX / 4;
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	take(&rig->c, 8, 1);
	return rig->priv_c.spin.budget;
}

static void spinning_is_worth_it_in_cpu_time_or_in_time(void **state)
{
	assert_false(spins_again(state, SHMRING_ADAPTIVE));
	assert_true(spins_again(state, SHMRING_EAGER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait_for_data_asks_for_one_byte),
		cmocka_unit_test(wait_for_data_counts_what_is_held),
		cmocka_unit_test(wait_for_data_never_asks_for_more_than_the_ring),
		cmocka_unit_test(wait_for_data_returns_at_once_with_data),
		cmocka_unit_test(wait_for_more_than_there_is_sleeps),
		cmocka_unit_test(blocking_looks_for_a_while_if_that_has_paid),
		cmocka_unit_test(waits_before_messages_are_counted),
		cmocka_unit_test(wait_woken_for_nothing_sleeps_again),
		cmocka_unit_test(wait_succeeds_rather_than_times_out),
		cmocka_unit_test(wait_ends_at_its_deadline_however_often_it_is_woken),
		cmocka_unit_test(wait_returns_why_it_ended),
		cmocka_unit_test(wait_for_data_drains_before_the_end),
		cmocka_unit_test(wait_for_data_held_by_oneself_is_a_deadlock),
		cmocka_unit_test(wait_for_more_settles_for_less_if_the_producer_waits),
		cmocka_unit_test(wait_for_more_owes_the_producer_a_wake),
		cmocka_unit_test(wait_woken_by_a_false_position_is_refused),
		cmocka_unit_test(refusal_by_the_kernel_is_for_good),
		cmocka_unit_test(wait_for_space_asks_for_half_the_ring),
		cmocka_unit_test(wait_for_space_asks_for_its_mark),
		cmocka_unit_test(wait_for_what_is_just_there_returns_at_once),
		cmocka_unit_test(wait_for_much_space_asks_for_it),
		cmocka_unit_test(send_publishes_what_is_staged_before_it_sleeps),
		cmocka_unit_test(nowait_never_sleeps),
		cmocka_unit_test(recv_releases_what_was_advanced_past),
		cmocka_unit_test(nowait_sets_what_poll_is_for),
		cmocka_unit_test(nowait_looks_again_after_it_has_told_poll),
		cmocka_unit_test(nowait_notices_a_death),
		cmocka_unit_test(spinning_never_sleeps_and_times_out),
		cmocka_unit_test(wait_goes_by_the_endpoints_policy),
		cmocka_unit_test(spinning_notices_a_death),
		cmocka_unit_test(spinning_is_worth_it_in_cpu_time_or_in_time),
	};

	return run_at_every_start("wait", tests, ARRAY_SIZE(tests));
}

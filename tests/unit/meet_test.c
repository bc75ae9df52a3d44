// SPDX-License-Identifier: MIT
/*
 * Two sides that would wait for each other, and waits that the other side could keep from
 * ending: on a backend whose sleep does what the test prescribes.
 */
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include "rig.h"

static struct {
	int (*meanwhile)(struct rig *rig);
	struct rig *rig;
	int nr, wakes;
	uint64_t bytes, armed;
	uint64_t wanted;	/* the producer's space_wanted, at the last sleep or wake-up */
	int yields;
	void (*during_yield)(struct rig *rig);
} backend_;

/* In place of libc's. */
int sched_yield(void)
{
	backend_.yields++;
	if (backend_.during_yield)
		backend_.during_yield(backend_.rig);
	return 0;
}

static int sleeps(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	(void)mark;
	(void)deadline;
	backend_.wanted = r->producer->space_wanted;
	backend_.nr++;
	backend_.bytes = bytes;
	return backend_.meanwhile(backend_.rig);
}

static void wakes(struct shmring *r)
{
	backend_.wanted = r->producer->space_wanted;
	backend_.wakes++;
}

static void arms(struct shmring *r, uint64_t bytes)
{
	(void)r;
	backend_.armed = bytes;
}

static int waits_for_a_peer(struct shmring *r, uint64_t deadline)
{
	return sleeps(r, 0, 0, deadline);
}

static const struct shmring_backend scripted = { .name = "scripted", .wait = sleeps,
						 .wake = wakes, .arm_poll = arms,
						 .wait_peer = waits_for_a_peer };

static void use(struct rig *rig, int (*meanwhile)(struct rig *rig))
{
	backend_.meanwhile = meanwhile;
	backend_.rig = rig;
	backend_.nr = 0;
	backend_.wakes = 0;
	backend_.armed = 0;
	backend_.yields = 0;
	backend_.during_yield = NULL;
	rig->priv_p.backend = &scripted;
	rig->priv_c.backend = &scripted;
}

static int nobody_sleeps(struct rig *rig)
{
	(void)rig;
	fail_msg("nobody was to sleep");
	return 0;
}

static int time_is_over(struct rig *rig)
{
	(void)rig;
	return -ETIMEDOUT;
}

static void fill(struct rig *rig, size_t len)
{
	uint64_t i;

	for (i = 0; shmring_reserve(&rig->p, len); i++)
		put(&rig->p, len, i);
}

static void advance(struct rig *rig, unsigned int n)
{
	size_t len;

	while (n--) {
		assert_non_null(shmring_peek(&rig->c, &len));
		assert_int_equal(shmring_advance(&rig->c), 0);
	}
}

static const enum shmring_policy policies[] = { SHMRING_ADAPTIVE, SHMRING_BLOCK, SHMRING_SPIN };

/* ------------------------------------------------------------- no more can come */

static void wait_for_more_than_fits(struct rig *rig, size_t len, unsigned int nr)
{
	struct shmring_wait wait = { .min_bytes = rig->capacity };
	size_t i;

	fill(rig, len);
	advance(rig, nr / 2);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		wait.policy = policies[i];
		assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	}
	advance(rig, nr - nr / 2);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		wait.policy = policies[i];
		assert_int_equal(shmring_wait_data(&rig->c, &wait), -EDEADLK);
	}
	wait.flags = SHMRING_NOWAIT;
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -EDEADLK);
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
}

static void full_ring_ends_a_wait_for_more(void **state)
{
	struct rig *rig = *state;

	use(rig, nobody_sleeps);
	wait_for_more_than_fits(rig, 8, (unsigned int)rig->capacity / 16);
}

/* The rest of the ring is too small for another slot, and is never filled. */
static void ring_full_of_slots_ends_a_wait_for_more(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 1000);

	use(slots, nobody_sleeps);
	wait_for_more_than_fits(slots, 1000, (unsigned int)slots->capacity / 1000);
	rig_free(slots);
}

/* A slot may be smaller than a record's header. */
static void ring_with_a_slot_free_does_not_end_a_wait_for_more(void **state)
{
	struct rig *rig = *state, *slots = rig_new_of(rig->start, 4, 0, 4);
	const struct shmring_wait wait = { .min_bytes = slots->capacity };

	use(slots, time_is_over);
	fill(slots, 4);
	take(&slots->c, 4, 0);
	put(&slots->p, 4, 0);
	assert_int_equal(shmring_wait_data(&slots->c, &wait), 0);
	take(&slots->c, 4, 1);
	assert_int_equal(shmring_wait_data(&slots->c, &wait), -ETIMEDOUT);
	rig_free(slots);
}

static void sleep_asks_for_no_more_than_slots_can_fill(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 1000);
	struct shmring_wait wait = { .min_bytes = slots->capacity };

	use(slots, time_is_over);
	assert_int_equal(shmring_wait_data(&slots->c, &wait), -ETIMEDOUT);
	assert_int_equal(backend_.bytes, slots->capacity / 1000 * 1000);
	rig_free(slots);
}

/* ------------------------------------------------------------- what each side wants */

static void refused_producer_stores_what_it_wants(void **state)
{
	struct rig *rig = *state;

	use(rig, nobody_sleeps);
	assert_int_equal(shmring_wait_space(&rig->p, 8, &nowait), 0);
	assert_int_equal(rig->producer->space_wanted, 0);
	fill(rig, 8);
	assert_int_equal(shmring_wait_space(&rig->p, 24, &nowait), -EAGAIN);
	assert_int_equal(rig->producer->space_wanted, rig->start + 32);
	assert_int_equal(backend_.wakes, 0);
	/* A consumer that has armed for more is woken: any data is enough for it now. */
	rig->lane->consumer.wake_at = rig->start + 2 * rig->capacity;
	assert_int_equal(shmring_wait_space(&rig->p, 24, &nowait), -EAGAIN);
	assert_int_equal(backend_.wakes, 1);
}

static void spinning_producer_stores_what_it_wants(void **state)
{
	struct rig *rig = *state;
	const struct shmring_wait wait = { .policy = SHMRING_SPIN,
					   .deadline = shmring_deadline(1000000) };

	use(rig, nobody_sleeps);
	fill(rig, 8);
	rig->lane->consumer.wake_at = rig->start + 2 * rig->capacity;
	assert_int_equal(shmring_wait_space(&rig->p, 8, &wait), -ETIMEDOUT);
	assert_int_equal(backend_.wanted, rig->start + 16);
	assert_int_equal(backend_.wakes, 1);	/* once a wait */
}

static void sleeping_producer_stores_what_it_wants(void **state)
{
	struct rig *rig = *state;

	use(rig, time_is_over);
	fill(rig, 8);
	assert_int_equal(shmring_wait_space(&rig->p, 8, NULL), -ETIMEDOUT);
	assert_int_equal(backend_.wanted, rig->start + 16);
	/* After the wait it must be clear: the consumer would take it for a deadlock. */
	assert_int_equal(rig->producer->space_wanted, 0);
}

/* A producer that only asks whether everything has been taken wants no space. */
static void drain_that_does_not_wait_is_no_deadlock(void **state)
{
	struct rig *rig = *state;

	use(rig, time_is_over);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_drain(&rig->p, NULL), -ETIMEDOUT);
	assert_int_equal(shmring_drain(&rig->p, &nowait), -EAGAIN);
	advance(rig, 1);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), -ETIMEDOUT);
}

static void consumer_settles_for_less_if_space_is_wanted(void **state)
{
	struct rig *rig = *state;
	struct shmring_wait wait = { .min_bytes = rig->capacity };
	size_t i;

	use(rig, nobody_sleeps);
	put(&rig->p, 8, 1);
	rig->producer->space_wanted = rig->start + 16;
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		wait.policy = policies[i];
		assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	}
	advance(rig, 1);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		wait.policy = policies[i];
		assert_int_equal(shmring_wait_data(&rig->c, &wait), -EDEADLK);
	}
	assert_int_equal(shmring_release(&rig->c), 0);
}

/* space_wanted is a position: once the tail is there, no space is wanted. */
static void consumer_waits_on_if_what_was_wanted_is_free(void **state)
{
	struct rig *rig = *state;
	const struct shmring_wait wait = { .min_bytes = 100 };

	use(rig, time_is_over);
	put(&rig->p, 8, 1);
	rig->producer->space_wanted = rig->start + 16;
	take(&rig->c, 8, 1);
	put(&rig->p, 8, 2);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	assert_int_equal(backend_.nr, 1);
}

/* The producer sleeps until half the ring is free, though its message fits: no deadlock. */
static void producer_whose_message_fits_is_no_deadlock(void **state)
{
	struct rig *rig = *state;

	use(rig, time_is_over);
	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	take(&rig->c, 8, 1);
	advance(rig, 1);
	rig->producer->space_wanted = rig->start + 16;
	rig->lane->producer.wake_at = rig->start + rig->capacity / 2;
	assert_int_equal(shmring_wait_data(&rig->c, NULL), -ETIMEDOUT);
	assert_true(backend_.wakes >= 1);
	rig->producer->space_wanted = rig->start + 32;
	assert_int_equal(shmring_wait_data(&rig->c, NULL), -EDEADLK);
}

/* Not even if the producer wants space in an empty ring, where it has all there is. */
static void consumer_that_holds_nothing_is_no_deadlock(void **state)
{
	struct rig *rig = *state;

	use(rig, time_is_over);
	rig->producer->space_wanted = rig->start + 16;
	rig->lane->producer.wake_at = rig->start;
	assert_int_equal(shmring_wait_data(&rig->c, NULL), -ETIMEDOUT);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
}

/* --------------------------------------------------------------------- draining */

static int everything_is_taken(struct rig *rig)
{
	uint64_t id = 1;
	size_t len;

	while (shmring_peek(&rig->c, &len))
		take(&rig->c, 8, id++);
	return 0;
}

static int the_consumer_goes(struct rig *rig)
{
	__atomic_store_n(&rig->lane->consumer.state, SHMRING_PEER_GONE, __ATOMIC_RELEASE);
	return 0;
}

static int the_consumer_takes_all_and_goes(struct rig *rig)
{
	everything_is_taken(rig);
	return the_consumer_goes(rig);
}

static void drain_waits_until_all_is_taken(void **state)
{
	struct rig *rig = *state;

	use(rig, everything_is_taken);
	assert_int_equal(shmring_drain(&rig->p, NULL), 0);
	assert_int_equal(backend_.nr, 0);
	put(&rig->p, 8, 1);
	write_message(shmring_reserve(&rig->p, 8), 8, 2);
	assert_int_equal(shmring_stage(&rig->p, 8), 0);
	assert_int_equal(shmring_drain(&rig->p, &nowait), -EAGAIN);
	assert_int_equal(backend_.armed, rig->capacity);
	assert_int_equal(shmring_drain(&rig->p, NULL), 0);
	assert_int_equal(backend_.nr, 1);
	assert_int_equal(backend_.bytes, rig->capacity);
	assert_int_equal(rig->consumer->tail, rig->start + 32);
}

static void drain_returns_why_it_ended(void **state)
{
	struct rig *rig = *state;
	const struct shmring_wait bad = { .flags = ~0u };

	use(rig, time_is_over);
	assert_int_equal(shmring_drain(&rig->c, NULL), -EBADF);
	assert_int_equal(shmring_drain(&rig->p, &bad), -EINVAL);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_drain(&rig->p, NULL), -ETIMEDOUT);
	backend_.meanwhile = the_consumer_goes;
	assert_int_equal(shmring_drain(&rig->p, NULL), -EPIPE);
	rig->consumer->tail = rig->start - 8;
	assert_int_equal(shmring_drain(&rig->p, NULL), -EBADMSG);
	/* Once is for good. */
	rig->consumer->tail = rig->start;
	assert_int_equal(shmring_drain(&rig->p, NULL), -EBADMSG);
	assert_int_equal(rig->producer->refused, 1);
}

static void drain_succeeds_though_the_consumer_has_gone(void **state)
{
	struct rig *rig = *state;

	use(rig, the_consumer_takes_all_and_goes);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_drain(&rig->p, NULL), 0);
	assert_int_equal(shmring_drain(&rig->p, NULL), 0);
	assert_int_equal(backend_.nr, 1);
}

/* ------------------------------------------------------------------------ poll */

/*
 * poll waits for the bytes that the last call lacked, or for lowat if that is more, counted from
 * this side's public position.
 */
static void poll_is_for_what_is_lacked(void **state)
{
	struct rig *rig = *state;
	const struct shmring_wait more = { .flags = SHMRING_NOWAIT, .min_bytes = 300 };

	use(rig, nobody_sleeps);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	assert_int_equal(backend_.armed, 1);
	assert_int_equal(shmring_set_lowat(&rig->c, 200), 0);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	assert_int_equal(backend_.armed, 200);
	put(&rig->p, 8, 1);
	advance(rig, 1);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EAGAIN);
	assert_int_equal(backend_.armed, 216);
	assert_int_equal(shmring_wait_data(&rig->c, &more), -EAGAIN);
	assert_int_equal(backend_.armed, 316);
	assert_int_equal(shmring_release(&rig->c), 0);
	fill(rig, 8);
	assert_int_equal(shmring_wait_space(&rig->p, 3000, &nowait), -EAGAIN);
	assert_int_equal(backend_.armed, 3008);
	assert_int_equal(shmring_set_lowat(&rig->p, rig->capacity), 0);
	assert_int_equal(shmring_wait_space(&rig->p, 3000, &nowait), -EAGAIN);
	assert_int_equal(backend_.armed, rig->capacity);
	assert_int_equal(shmring_set_lowat(&rig->p, rig->capacity + 1), -EINVAL);
}

/* ------------------------------------------------------------- one CPU for two */

static uint32_t here(void)
{
	return (uint32_t)sched_getcpu() + 1;
}

/* Keep the test on the CPU that it is on. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void sides_store_where_they_wait(void **state)
{
	struct rig *rig = *state;

	stay_here();
	use(rig, time_is_over);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), -ETIMEDOUT);
	assert_int_equal(rig->consumer->cpu, here());
	fill(rig, 8);
	assert_int_equal(rig->producer->cpu, 0);
	assert_int_equal(shmring_wait_space(&rig->p, 8, NULL), -ETIMEDOUT);
	assert_int_equal(rig->producer->cpu, here());
}

/* How often a consumer with this policy, and a whole second to spin, slept. */
static int sleeps_of(struct rig *rig, enum shmring_policy policy, uint32_t peer)
{
	const struct shmring_wait wait = { .policy = policy };
	struct shmring_spin *spin = &rig->priv_c.spin;

	*spin = (struct shmring_spin){ .looks = 32, .pauses = 1, .budget = 1000000000,
				       .cost = 500000000 };
	rig->producer->cpu = peer;
	backend_.nr = 0;
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	return backend_.nr;
}

static void nobody_spins_on_the_cpu_of_the_other_side(void **state)
{
	struct rig *rig = *state;
	uint64_t start;

	stay_here();
	use(rig, time_is_over);
	start = shmring_now();
	/* The first time it may look for as long as reading the clock takes. */
	assert_int_equal(sleeps_of(rig, SHMRING_ADAPTIVE, here()), 1);
	assert_int_equal(sleeps_of(rig, SHMRING_ADAPTIVE, here()), 1);
	assert_int_equal(rig->priv_c.spin.budget, 1000000000);
	assert_int_equal(sleeps_of(rig, SHMRING_BLOCK, here()), 1);
	assert_int_equal(rig->priv_c.spin.brief_left, 0);
	assert_true(shmring_now() - start < 900000000);
	/* The other side now runs on another CPU. */
	assert_int_equal(sleeps_of(rig, SHMRING_BLOCK, here() + 1), 1);
	assert_int_equal(rig->priv_c.spin.brief_left, 2);
	assert_false(rig->priv_c.crowded);
}

/* The consumer knows that the producer last waited on this CPU, too. */
static void share_this_cpu(struct rig *rig, int (*meanwhile)(struct rig *rig))
{
	stay_here();
	use(rig, meanwhile);
	rig->priv_c.crowded = true;
	rig->producer->cpu = here();
}

static void put_one(struct rig *rig)
{
	put(&rig->p, 8, 0);
}

/* On a busy machine a yield takes long, and then the next waits do without: not so here. */
static void forget_that_it_took_long(struct shmring_spin *spin)
{
	spin->yield_left = spin->yield_skip;
}

static void yield_lets_the_other_side_do_its_part(void **state)
{
	struct rig *rig = *state;
	uint64_t i;

	share_this_cpu(rig, nobody_sleeps);
	backend_.during_yield = put_one;
	for (i = 1; i <= 5; i++) {
		assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
		assert_int_equal(backend_.yields, i);
		take(&rig->c, 8, 0);
		rig->priv_c.spin.yield_skip = 0;
		forget_that_it_took_long(&rig->priv_c.spin);
	}
	/* Data that is there needs no yield. */
	put_one(rig);
	assert_int_equal(shmring_wait_data(&rig->c, NULL), 0);
	assert_int_equal(backend_.yields, 5);
}

static void yield_in_vain_is_tried_after_more_and_more_waits(void **state)
{
	struct rig *rig = *state;
	int i, yields = 0;

	share_this_cpu(rig, time_is_over);
	for (i = 0; i < 1 + 2 + 4; i++) {
		assert_int_equal(shmring_wait_data(&rig->c, NULL), -ETIMEDOUT);
		if (backend_.yields > yields)
			forget_that_it_took_long(&rig->priv_c.spin);
		yields = backend_.yields;
	}
	assert_int_equal(backend_.yields, 3);
	assert_int_equal(backend_.nr, i);
}

static void spin_for_ever_yields_now_and_then(void **state)
{
	struct shmring_wait wait = { .policy = SHMRING_SPIN };
	struct rig *rig = *state;
	struct shmring_spin *spin = &rig->priv_c.spin;
	unsigned int looks = spin->looks;
	uint64_t start = shmring_now();

	use(rig, nobody_sleeps);
	backend_.during_yield = put_one;
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	assert_int_equal(backend_.yields, 1);
	assert_true(shmring_now() - start >= 50000);
	take(&rig->c, 8, 0);

	/*
	 * The yield has helped, so the next wait yields at once: looking so often would take
	 * longer than the deadline.
	 */
	spin->looks = 1u << 31;
	wait.deadline = shmring_deadline(5000000000);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), 0);
	assert_int_equal(backend_.yields, 2);
	take(&rig->c, 8, 0);

	/* Until a yield has not helped: then looks come first again. */
	spin->looks = looks;
	backend_.during_yield = NULL;
	wait.deadline = shmring_deadline(50000000);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	if (backend_.yields > 2)	/* else this process did not run for 50 ms */
		assert_false(spin->yield_helps);
}

/* ------------------------------------------------------- a wait that always returns */

static int nothing_comes(struct rig *rig)
{
	(void)rig;
	return 0;
}

static void note_signal(int signal)
{
	(void)signal;
}

static void wait_in_vain_costs_little_and_ends_by_a_signal(void **state)
{
	const struct itimerval soon = { .it_value.tv_usec = 50000 };
	struct sigaction action = { .sa_handler = note_signal }, old;
	struct rig *rig = *state;
	size_t i;

	use(rig, nothing_comes);
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	for (i = 0; i < 2; i++) {	/* not SPIN, which never returns -EINTR */
		const struct shmring_wait wait = { .policy = policies[i] };

		backend_.nr = 0;
		assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
		assert_int_equal(shmring_wait_data(&rig->c, &wait), -EINTR);
		assert_in_range(backend_.nr, 1, 16);
	}
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

static int looks, interrupted_look;

static void interrupts_a_look(struct shmring *r)
{
	r->priv->checked = 0;	/* be called at the next look, too */
	if (backend_.nr == 16 && ++looks == interrupted_look)
		raise(SIGALRM);
}

/* A signal before a pause ends that pause; one after the last of the 64 pauses finds no other. */
static void wait_in_vain_ends_by_a_signal_between_its_pauses(void **state)
{
	static const struct shmring_backend checked = { .name = "checked", .wait = sleeps,
							.wake = wakes,
							.check_peer = interrupts_a_look };
	static const int interrupted[] = { 1, 64 }, last[] = { 2, 64 };
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK,
					   .deadline = shmring_deadline(10000000000) };
	struct sigaction action = { .sa_handler = note_signal }, old;
	struct rig *rig = *state;
	size_t i;

	use(rig, nothing_comes);
	rig->priv_c.backend = &checked;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	for (i = 0; i < ARRAY_SIZE(last); i++) {
		backend_.nr = 0;
		looks = 0;
		interrupted_look = interrupted[i];
		assert_int_equal(shmring_wait_data(&rig->c, &wait), -EINTR);
		assert_int_equal(looks, last[i]);
		assert_int_equal(backend_.nr, 16);
	}
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

/* More than one signal: the first may come while the waiter is awake. */
static void wait_for_a_peer_in_vain_ends_by_a_signal(void **state)
{
	const struct itimerval often = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 10000 };
	const struct shmring_wait wait = { .deadline = shmring_deadline(10000000000) };
	struct sigaction action = { .sa_handler = note_signal }, old;
	struct rig *rig = *state;

	use(rig, nothing_comes);
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(shmring_wait_peer(&rig->c, &wait), -EINTR);
	assert_int_equal(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_in_range(backend_.nr, 1, 2000);
}

static void wait_in_vain_ends_at_its_deadline(void **state)
{
	struct rig *rig = *state;
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK,
					   .deadline = shmring_deadline(20000000) };

	use(rig, nothing_comes);
	assert_int_equal(shmring_wait_data(&rig->c, &wait), -ETIMEDOUT);
	assert_in_range(backend_.nr, 1, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_ring_ends_a_wait_for_more),
		cmocka_unit_test(ring_full_of_slots_ends_a_wait_for_more),
		cmocka_unit_test(ring_with_a_slot_free_does_not_end_a_wait_for_more),
		cmocka_unit_test(sleep_asks_for_no_more_than_slots_can_fill),
		cmocka_unit_test(refused_producer_stores_what_it_wants),
		cmocka_unit_test(spinning_producer_stores_what_it_wants),
		cmocka_unit_test(sleeping_producer_stores_what_it_wants),
		cmocka_unit_test(drain_that_does_not_wait_is_no_deadlock),
		cmocka_unit_test(consumer_settles_for_less_if_space_is_wanted),
		cmocka_unit_test(consumer_waits_on_if_what_was_wanted_is_free),
		cmocka_unit_test(producer_whose_message_fits_is_no_deadlock),
		cmocka_unit_test(consumer_that_holds_nothing_is_no_deadlock),
		cmocka_unit_test(drain_waits_until_all_is_taken),
		cmocka_unit_test(drain_returns_why_it_ended),
		cmocka_unit_test(drain_succeeds_though_the_consumer_has_gone),
		cmocka_unit_test(poll_is_for_what_is_lacked),
		cmocka_unit_test(sides_store_where_they_wait),
		cmocka_unit_test(nobody_spins_on_the_cpu_of_the_other_side),
		cmocka_unit_test(yield_lets_the_other_side_do_its_part),
		cmocka_unit_test(yield_in_vain_is_tried_after_more_and_more_waits),
		cmocka_unit_test(spin_for_ever_yields_now_and_then),
		cmocka_unit_test(wait_in_vain_costs_little_and_ends_by_a_signal),
		cmocka_unit_test(wait_in_vain_ends_by_a_signal_between_its_pauses),
		cmocka_unit_test(wait_for_a_peer_in_vain_ends_by_a_signal),
		cmocka_unit_test(wait_in_vain_ends_at_its_deadline),
	};

	return run_at_every_start("meet", tests, ARRAY_SIZE(tests));
}

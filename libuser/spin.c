// SPDX-License-Identifier: MIT
/*
 * How long an adaptive wait spins before it sleeps.
 *
 * To spin for as long as a sleep and a wake-up cost is never more than twice as
 * bad as knowing the future (Karlin et al., "Competitive randomized algorithms
 * for non-uniform problems", 1990). What they cost differs by a factor of ten
 * between machines, and whether it is worth trying changes with the load, so
 * both are learned, as the kernel's haltpoll governor (drivers/cpuidle/governors/
 * haltpoll.c) does for idle virtual CPUs: grow when a sleep was too short to be
 * worth it, shrink when it was long.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "backend.h"

#define SPIN_MAX_NS	50000u		/* no sleep and wake-up costs more */
#define SPIN_MIN_NS	2000u		/* below this there is no point */
#define SPIN_GUESS_NS	10000u		/* before anything is known */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* More CPUs than a cpu_set_t has bits for are more than one. */
static bool one_cpu(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) == 1;
}

void shmring_spin_init(struct shmring_spin *s)
{
	s->alone = one_cpu();
	s->cost = SPIN_GUESS_NS;
	s->budget = s->alone ? 0 : s->cost;
}

/*
 * A sleep took @slept, wake-up included. The shortest ones show the cost: there,
 * what was waited for came at once. Fall to it at once, rise slowly; what is
 * above SPIN_MAX_NS says nothing about it.
 */
static void learn_cost(struct shmring_spin *s, uint64_t slept)
{
	if (slept < s->cost)
		s->cost = slept;
	else if (slept < SPIN_MAX_NS)
		s->cost += (slept - s->cost) / 16;
}

void shmring_spin_learn(struct shmring_spin *s, uint64_t slept)
{
	if (s->alone)
		return;
	learn_cost(s, slept);
	if (slept <= 2 * s->cost)
		s->budget = s->budget ? 2 * s->budget : SPIN_MIN_NS;
	else
		s->budget /= 2;
	s->budget = min_u64(s->budget, min_u64(s->cost, SPIN_MAX_NS));
	if (s->budget < SPIN_MIN_NS)
		s->budget = 0;
}

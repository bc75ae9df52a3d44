// SPDX-License-Identifier: MIT
/*
 * Adapts an endpoint to its last waits: how long it spins before it sleeps, and how long
 * it pauses before it looks.
 */
#define _GNU_SOURCE 1
#include <time.h>
#include <unistd.h>

#include "spin.h"

#define COST_MIN_NS	SHMRING_BRIEF_NS
#define COST_FIRST_NS	25000
#define COST_MAX_NS	50000
#define SKIP_MAX	1023	/* a spin in vain then adds 2 % to the CPU time of so many sleeps */
#define LATE_MAX	15	/* finds in a row */
#define BRIEF_MAX	63
#define VAIN_MAX	32	/* brief looks in vain that are counted */
#define YIELD_MAX_NS	50000	/* a longer yield let a third task run for a time slice ... */
#define YIELD_REST	4095	/* ... and is tried again only after so many waits */
#define YIELD_PROBE	16	/* waits of SPIN, of which one does without the yield that helps */

#define PAUSE_NS	24	/* PAUSE on Zen 5; elsewhere, an instruction to relax takes 1 to 60 ns */
#define RELAX_NS	8	/* at least, between two looks */
#define RELAXES_MAX	4096	/* of 64 pauses */

#define LOOKS_MIN	32	/* a microsecond or two */
#define LOOKS_MAX	1024
#define CLOCK_NS	64	/* LOOKS_MIN looks for each so many ns that reading a clock takes */

#define PAUSES_MAX	256	/* some microseconds */
#define BYTES_PER_PAUSE	4	/* about 200 MB/s: slower is no stream */
#define SAME_MAX	8	/* after so many finds of as many bytes, it may be no stream ... */
#define PAUSES_PROBE	64	/* ... : it is none if this many pauses bring no more bytes */
#define PROBE_REST	4095	/* waits until longer pauses are tried again */

uint64_t shmring_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t time_of_relaxes(unsigned int relaxes)
{
	uint64_t start = shmring_now();

	shmring_relax(relaxes);
	return shmring_now() - start;
}

/*
 * How often the CPU relaxes in 64 pauses, so that what is learned in pauses means the same on each
 * CPU: the shorter of two measurements, as an interrupt may prolong one. Measured once in a
 * process, which takes some microseconds.
 */
static unsigned int relaxes_of_64_pauses(void)
{
	static unsigned int known;
	unsigned int relaxes = __atomic_load_n(&known, __ATOMIC_RELAXED);
	uint64_t ns, again;

	if (relaxes)
		return relaxes;
	ns = time_of_relaxes(128);
	again = time_of_relaxes(128);
	if (again < ns)
		ns = again;
	relaxes = (unsigned int)(128 * 64 * PAUSE_NS / (ns + 1)) + 1;
	if (relaxes > RELAXES_MAX)
		relaxes = RELAXES_MAX;
	__atomic_store_n(&known, relaxes, __ATOMIC_RELAXED);
	return relaxes;
}

/* If the clock is a system call, read it less often: no look is made meanwhile. */
static unsigned int looks_per_clock(void)
{
	uint64_t first = shmring_now(), second = shmring_now(), third = shmring_now();
	uint64_t ns = second - first < third - second ? second - first : third - second;
	uint64_t looks = ns / CLOCK_NS * LOOKS_MIN;

	return looks < LOOKS_MIN ? LOOKS_MIN : looks > LOOKS_MAX ? LOOKS_MAX : (unsigned int)looks;
}

void shmring_spin_init(struct shmring_spin *spin)
{
	bool alone = sysconf(_SC_NPROCESSORS_ONLN) == 1;

	*spin = (struct shmring_spin) {
		/* A spin would keep the other side off the only CPU. */
		.alone = alone,
		.looks = alone ? LOOKS_MIN : looks_per_clock(),
		.relaxes = relaxes_of_64_pauses() / (64 * PAUSE_NS / RELAX_NS) + 1,
		.relaxes_of_64 = relaxes_of_64_pauses(),
		.pauses = 1,
		.cost = COST_FIRST_NS,
		.budget = 2 * COST_FIRST_NS,
	};
}

/* Do not spin for twice as many sleeps as the last time. */
static void stop_spinning(struct shmring_spin *spin)
{
	spin->budget = 0;
	spin->skip = 2 * spin->skip + 1 < SKIP_MAX ? 2 * spin->skip + 1 : SKIP_MAX;
	spin->left = spin->skip;
	spin->late = 0;
}

/*
 * A spin of @ns ended, because it @found something or the budget was used up. If it took longer
 * than @worth, a sleep would have cost less: in CPU time or, with EAGER, in time. Some finds may
 * be late in a row, and the budget is longer than @worth: while the other side still sleeps
 * between its answers, each of them is late; it also tries to do without a sleep now and then,
 * and if it meets a side that spins, both go on so.
 */
void shmring_spin_learn(struct shmring_spin *spin, uint64_t ns, uint64_t worth, bool found)
{
	if (found && ns <= worth) {
		spin->budget = 2 * spin->cost;
		spin->skip = 0;
		spin->late = 0;
	} else if (!found || ++spin->late > LATE_MAX) {
		stop_spinning(spin);
	}
}

/* After the second look in a row that was in vain, the 4th, the 8th and so on comes a long one. */
static bool looks_long(const struct shmring_spin *spin)
{
	unsigned int vain = spin->brief_vain;

	return vain > 1 && !(vain & (vain - 1));
}

/*
 * For how long should this wait look before it sleeps, ns? 0: not at all, because such looks found
 * nothing lately. A look that succeeds only every other time does not pay, so failure counts for
 * more. Now and then a look is long. While both sides of a stream sleep for each few messages, each
 * finds the other asleep for longer than a brief look takes. After a long look that found
 * something, the next ones are long, too, until one finds something soon: then both are awake.
 */
uint64_t shmring_brief_budget(struct shmring_spin *spin)
{
	if (spin->brief_left) {
		spin->brief_left--;
		return 0;
	}
	return looks_long(spin) ? COST_MAX_NS : SHMRING_BRIEF_NS;
}

static void learn_in_vain(struct shmring_spin *spin)
{
	unsigned int skip = 2 * spin->brief_skip + 2;

	spin->brief_skip = skip < BRIEF_MAX ? skip : BRIEF_MAX;
	spin->brief_late = 0;
	if (++spin->brief_vain > VAIN_MAX)
		spin->brief_vain = VAIN_MAX / 2 + 1;
}

/* A brief look took @ns. If too many in a row are late, the other side is slow and not asleep. */
void shmring_brief_learn(struct shmring_spin *spin, uint64_t ns, bool found)
{
	if (!found) {
		learn_in_vain(spin);
	} else if (ns <= SHMRING_BRIEF_NS) {
		spin->brief_skip /= 2;
		spin->brief_late = spin->brief_vain = 0;
	} else if (++spin->brief_late > LATE_MAX) {
		spin->brief_skip = BRIEF_MAX;
		spin->brief_vain = VAIN_MAX;
		learn_in_vain(spin);
	} else {
		spin->brief_skip = 0;
	}
	spin->brief_left = spin->brief_skip;
}

/* Should this wait skip the yield before sleeping, because yields did not help lately? */
bool shmring_yield_rests(struct shmring_spin *spin)
{
	if (!spin->yield_left)
		return false;
	spin->yield_left--;
	return true;
}

/* A yield took @ns. @found: the other side has published meanwhile. */
void shmring_yield_learn(struct shmring_spin *spin, uint64_t ns, bool found)
{
	unsigned int skip = 2 * spin->yield_skip + 1;

	if (found && ns < YIELD_MAX_NS)
		skip = 0;
	spin->yield_skip = skip < BRIEF_MAX ? skip : BRIEF_MAX;
	spin->yield_left = ns < YIELD_MAX_NS ? spin->yield_skip : YIELD_REST;
}

/*
 * Does a spin for ever yield after its first look in vain? If that has helped; but now and then it
 * looks more often first. Where each side has a CPU of its own, the other side answers during a
 * yield, too, so that each yield would seem to help.
 */
bool shmring_spin_yields(struct shmring_spin *spin)
{
	return spin->yield_helps && ++spin->yield_waits % YIELD_PROBE;
}

/*
 * A sleep took @ns. If that is little more than sleeping and waking cost, a spin of that
 * length would have been better: at worst it costs as much again (the rule of ski rental,
 * and of halt polling in KVM). But if spinning has just been tried and has failed, the two
 * sides may share a CPU without having seen it. Then spinning is tried again after more
 * and more sleeps.
 */
void shmring_sleep_learn(struct shmring_spin *spin, uint64_t ns)
{
	if (ns > 2 * spin->cost)
		return;
	/* If the data or space was there before the sleep, @ns is not the cost of a sleep. */
	if (ns > spin->cost && spin->cost < COST_MAX_NS)
		spin->cost += (ns - spin->cost) / 32;
	else if (ns < spin->cost && ns >= COST_MIN_NS)
		spin->cost = ns;
	if (spin->left)
		spin->left--;
	else
		spin->budget = 2 * spin->cost;
}

/*
 * The first look after a pause has found @bytes. If it is always the same number, even
 * after a long pause, the other side waits for an answer before it sends more: do not
 * pause, for a long time. True: the length of the next pause is decided.
 */
static bool in_lockstep(struct shmring_spin *spin, uint64_t bytes)
{
	spin->same = bytes == spin->found ? spin->same + 1 : 0;
	spin->found = bytes;
	if (spin->same < SAME_MAX)
		return false;
	if (spin->same == SAME_MAX) {
		spin->pauses = PAUSES_PROBE;
		return true;
	}
	spin->pauses = 1;
	spin->same = 0;
	spin->rest = PROBE_REST;
	return true;
}

/*
 * A side that keeps up with a stream and looks again at once finds one more message, and
 * takes a cache line from the other side for each message. That is two to six times slower
 * than letting some messages gather. So pause before the first look, for as long as pauses
 * pay: twice as long as the last time if the look found more than a trickle, but not yet a
 * good part of the ring. A side that has to look more than twice waits for an answer, or
 * for a slow peer: a pause would only delay it.
 */
void shmring_pauses_learn(struct shmring_spin *spin, unsigned int looks, uint64_t bytes,
			  uint64_t capacity)
{
	bool some = bytes < capacity / 8;

	if (looks > 1 || !some)
		spin->same = 0;
	if (spin->rest)
		spin->rest--;
	else if (looks > 2)
		spin->pauses = 1;
	else if (looks == 1 && in_lockstep(spin, bytes))
		;
	else if (looks > 1 || bytes < (uint64_t)spin->pauses * BYTES_PER_PAUSE)
		spin->pauses = spin->pauses > 1 ? spin->pauses / 2 : 1;
	else if (some && spin->pauses < PAUSES_MAX)
		spin->pauses *= 2;
}

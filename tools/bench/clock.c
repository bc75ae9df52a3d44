// SPDX-License-Identifier: MIT
/* The time: a clock that is cheap to read, and the CPU time of a process. */
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "loops.h"

uint64_t clock_base, clock_mult, clock_cost;

uint64_t clock_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_cpu(int pid)
{
	clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
	struct timespec ts = { 0 };

	if (!pid || !clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#if defined(__x86_64__)
/* Does the counter keep its rate when the CPU changes frequency or sleeps? */
static bool tsc_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & (1u << 8);
}

/* Read both clocks at once: of 100 tries, the one during which the least time went by. */
static void read_both(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t before = __builtin_ia32_rdtsc(), now = clock_monotonic();
		uint64_t took = __builtin_ia32_rdtsc() - before;

		if (took >= best)
			continue;
		best = took;
		*tsc = before + took / 2;
		*ns = now;
	}
}

static void start_clock(void)
{
	struct timespec pause = { 0, 30000000 };
	uint64_t tsc[2] = { 0 }, ns[2] = { 0 };

	clock_base = clock_monotonic();
	if (!tsc_invariant())
		return;
	read_both(&tsc[0], &ns[0]);
	nanosleep(&pause, NULL);
	read_both(&tsc[1], &ns[1]);
	if (tsc[1] <= tsc[0])
		return;
	clock_mult = (uint64_t)(((bench_u128)(ns[1] - ns[0]) << 32) / (tsc[1] - tsc[0]));
	clock_base = tsc[0];
}
#else
static void start_clock(void)
{
	clock_base = clock_monotonic();
}
#endif

void clock_init(void)
{
	double took[101];

	start_clock();
	for (size_t i = 0; i < ARRAY_SIZE(took); i++) {
		uint64_t start = bench_now();

		for (int k = 0; k < 10; k++)
			(void)bench_now();
		took[i] = (double)(bench_now() - start) / 11;
	}
	clock_cost = (uint64_t)median_of(took, ARRAY_SIZE(took));
}

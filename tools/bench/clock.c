// SPDX-License-Identifier: MIT
/* The time, distributions of times, and memory that both sides see. */
#include <stdlib.h>
#include <sys/mman.h>
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
/* Whether the counter goes on at one rate, whatever the CPU does. */
static bool tsc_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & (1u << 8);
}

/* A reading of both clocks at one time, as nearly as can be. */
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

/* ---------------------------------------------------------- distributions */

/*
 * Exact below 1024 ns; above, 512 steps from one power of two to the next: a
 * fifth of a percent, for any number of samples, in memory that stays in cache.
 */
#define EXACT_BITS	10
#define STEPS_BITS	9
#define BUCKETS		((1u << EXACT_BITS) + ((64 - EXACT_BITS) << STEPS_BITS))

struct histogram {
	uint64_t nr, max;
	uint32_t bucket[BUCKETS];
};

static size_t bucket_of(uint64_t ns)
{
	unsigned int top;

	if (ns < 1u << EXACT_BITS)
		return (size_t)ns;
	top = 63u - (unsigned int)__builtin_clzll(ns);
	return (1u << EXACT_BITS) + ((size_t)(top - EXACT_BITS) << STEPS_BITS) +
	       (size_t)((ns >> (top - STEPS_BITS)) & ((1u << STEPS_BITS) - 1));
}

static double value_of(size_t bucket)
{
	size_t above = bucket - (1u << EXACT_BITS);
	unsigned int top = EXACT_BITS + (unsigned int)(above >> STEPS_BITS);
	uint64_t low;

	if (bucket < 1u << EXACT_BITS)
		return (double)bucket;
	low = 1ull << top | (uint64_t)(above & ((1u << STEPS_BITS) - 1)) << (top - STEPS_BITS);
	return (double)low + (double)(1ull << (top - STEPS_BITS)) / 2;
}

struct histogram *histogram_new(void)
{
	struct histogram *h = malloc(sizeof(*h));

	if (h)
		memset(h, 0, sizeof(*h));	/* no page faults later */
	return h;
}

void histogram_free(struct histogram *h)
{
	free(h);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->nr++;
	h->bucket[bucket_of(ns)]++;
	if (ns > h->max)
		h->max = ns;
}

double histogram_quantile(const struct histogram *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->nr), seen = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > rank)
			return value_of(i);
	}
	return (double)h->max;
}

double histogram_max(const struct histogram *h)
{
	return (double)h->max;
}

/* ---------------------------------------------------------- shared memory */

#define PAGE	4096u	/* the size is kept in a page in front */

void *shared_alloc(size_t size)
{
	unsigned char *p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	*(size_t *)(void *)p = size + PAGE;
	return p + PAGE;
}

void shared_free(void *p)
{
	unsigned char *start = (unsigned char *)p - PAGE;

	if (p)
		munmap(start, *(size_t *)(void *)start);
}

void shared_populate(void *p)
{
	unsigned char *start = (unsigned char *)p - PAGE;

#ifdef MADV_POPULATE_WRITE
	/* Where the kernel cannot, the first round through the ring does it. */
	(void)madvise(start, *(size_t *)(void *)start, MADV_POPULATE_WRITE);
#else
	(void)start;
#endif
}

// SPDX-License-Identifier: MIT
/* The benchmark's table: medians of the rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "bench.h"

static const struct column {
	const char *name, *unit, *csv;
	int digits;
} columns[NR_METRICS] = {
	[MB_S]		= { "throughput", "MB/s", "mb_per_s", 1 },
	[RTT_P50]	= { "round trip", "p50 us", "rtt_p50_us", 2 },
	[CPU]		= { "CPU time", "s", "cpu_s", 2 },
	[SYSCALLS]	= { "sys. calls", "/M msgs", "syscalls_per_million", 0 },
	[SWITCHES]	= { "switches", "/M msgs", "switches_per_million", 0 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

void print_header(const char *backend, int cpus, double seconds, unsigned int rounds)
{
	struct utsname u;

	uname(&u);
	printf("Linux %s %s, %d CPU%s, backend %s; %u byte buffers, medians of %u round%s of %g s\n",
	       u.release, u.machine, cpus, cpus == 1 ? "" : "s", backend, BUFFER_BYTES,
	       rounds, rounds == 1 ? "" : "s", seconds);
	printf("CPU time: both processes, of one throughput sample; system calls: to move messages,\n"
	       "to sleep and to wake\n");
}

static void print_titles(size_t size)
{
	printf("\n%zu byte messages\n%-18s", size, "");
	for (int m = 0; m < NR_METRICS; m++)
		printf(" %11s", columns[m].name);
	printf("\n%-18s", "");
	for (int m = 0; m < NR_METRICS; m++)
		printf(" %11s", columns[m].unit);
	putchar('\n');
}

static void print_csv_titles(void)
{
	printf("size,contender,status");
	for (int m = 0; m < NR_METRICS; m++)
		printf(",%s", columns[m].csv);
	putchar('\n');
}

void print_rows(struct row *rows, size_t nr, bool csv)
{
	if (csv)
		print_csv_titles();
	for (size_t i = 0; i < nr; i++) {
		struct row *r = &rows[i];

		if (csv)
			printf("%zu,%s,%s", r->size, r->name, r->broken ? "broken" : "ok");
		else if (!i || r->size != rows[i - 1].size)
			print_titles(r->size);
		if (!csv)
			printf("%-18s", r->name);
		for (int m = 0; m < NR_METRICS; m++) {
			double v = r->broken ? 0 : median(r->samples[m], r->nr[m]);

			if (csv && r->broken)
				putchar(',');
			else if (csv)
				printf(",%.*f", columns[m].digits, v);
			else if (r->broken)
				printf(" %11s", "BROKEN");
			else
				printf(" %11.*f", columns[m].digits, v);
		}
		putchar('\n');
	}
}

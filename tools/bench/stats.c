// SPDX-License-Identifier: MIT
/* Medians of the rounds, within the most common label. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define REALLY_SLEEPS	1.5e6	/* context switches per million round trips: two of them */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median_of(double *v, unsigned int n)
{
	if (!n)
		return NAN;
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

unsigned int count_labels(const struct run *run, unsigned int count[NR_LABELS])
{
	unsigned int all = 0;

	memset(count, 0, NR_LABELS * sizeof(*count));
	for (size_t i = 0; i < run->nr; i++) {
		all += run->rows[i].nr;
		for (unsigned int k = 0; k < run->rows[i].nr; k++)
			count[run->rows[i].samples[k].label]++;
	}
	return all;
}

enum label common_label(const struct run *run)
{
	unsigned int count[NR_LABELS];
	int best = 0;

	count_labels(run, count);
	for (int i = 1; i < NR_LABELS; i++)
		if (count[i] > count[best])
			best = i;
	return (enum label)best;
}

bool row_counts(const struct run *run, const struct figures *f)
{
	return run->set->keep || f->label == run->label;
}

enum pick { ALL, PER_LINE, ASLEEP };

/* The samples that count, in v; returns how many. */
static unsigned int gather(const struct run *run, const struct row *row, enum metric m,
			   enum pick pick, double v[MAX_ROUNDS])
{
	unsigned int n = 0;

	if (row->status != STATUS_OK)
		return 0;
	for (unsigned int i = 0; i < row->nr; i++) {
		const struct figures *f = &row->samples[i];

		if (!row_counts(run, f) || isnan(f->v[m]) ||
		    (pick == ASLEEP && !(f->v[SWITCHES] >= REALLY_SLEEPS)))
			continue;
		v[n++] = pick == PER_LINE ? f->v[m] / f->v[LINE_RTT] : f->v[m];
	}
	return n;
}

double row_median(const struct run *run, const struct row *row, enum metric m)
{
	double v[MAX_ROUNDS];

	return median_of(v, gather(run, row, m, ALL, v));
}

double row_median_asleep(const struct run *run, const struct row *row, enum metric m)
{
	double v[MAX_ROUNDS];

	return median_of(v, gather(run, row, m, ASLEEP, v));
}

double row_per_line(const struct run *run, const struct row *row, enum metric m)
{
	double v[MAX_ROUNDS];

	return median_of(v, gather(run, row, m, PER_LINE, v));
}

void row_range(const struct run *run, const struct row *row, enum metric m, double *min,
	       double *max)
{
	double v[MAX_ROUNDS];
	unsigned int n = gather(run, row, m, ALL, v);

	*min = *max = n ? v[0] : NAN;
	for (unsigned int i = 1; i < n; i++) {
		*min = fmin(*min, v[i]);
		*max = fmax(*max, v[i]);
	}
}

double memcpy_gb_s(const struct run *run)
{
	double best = NAN;

	for (size_t i = 0; i < run->nr; i++)
		if (run->rows[i].test == FLOOR)
			best = fmax(best, row_median(run, &run->rows[i], MEMCPY));
	return best;
}
